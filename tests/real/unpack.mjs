// unpack.mjs RESOURCES DIR: writes the tree of files that a YoWASP package
// carries in its resources module below DIR.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

function put(tree, dir) {
  mkdirSync(dir, { recursive: true })
  for (const [name, it] of Object.entries(tree)) {
    const at = join(dir, name)
    if (it instanceof URL) writeFileSync(at, readFileSync(it))
    else if (typeof it === 'string' || it instanceof Uint8Array) writeFileSync(at, it)
    else put(it, at)
  }
}

const [resources, dir] = process.argv.slice(2)
put((await import(pathToFileURL(resolve(resources)))).filesystem, dir)
