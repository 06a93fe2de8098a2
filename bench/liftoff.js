// The same kernel in node's baseline compiler: prints seconds and the answer.
const fs = require('fs');
const m = new WebAssembly.Module(fs.readFileSync(process.argv[2]));
const i = new WebAssembly.Instance(m, {});
const t = process.cpuUsage();
const r = i.exports.kernel(Number(process.argv[3]));
const d = process.cpuUsage(t);
console.log(((d.user + d.system) / 1e6).toFixed(6) + ' ' + BigInt.asUintN(64, r));
