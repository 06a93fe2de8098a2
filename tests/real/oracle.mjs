// oracle.mjs HOST::GUEST.. -- MODULE ARGUMENT..: the same command in node's
// WASI, to compare outputs with.
import { readFileSync } from 'node:fs'
import { WASI } from 'node:wasi'

const words = process.argv.slice(2)
const mark = words.indexOf('--')
const [module, ...args] = words.slice(mark + 1)
const preopens = Object.fromEntries(words.slice(0, mark).map(w => w.split('::').reverse()))
const wasi = new WASI({ version: 'preview1', args: [module, ...args], preopens, returnOnExit: true })
const { instance } = await WebAssembly.instantiate(readFileSync(module), wasi.getImportObject())
process.exitCode = wasi.start(instance)
