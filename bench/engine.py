"""Figures of the engine: the table of bench-engine, how fast modules become
code, how soon the first instruction runs, and instruction counts.

Peers by their paths: WASM3, WASMI, WAMR. A second compiler's build: b-gcc.
Real programs (tests/real/fetch.sh DIR): WASMD_REAL.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

# programs and arguments small enough for counting
COUNTED = {'mixed': 40, 'script': 250, 'sha256': 12, 'matmul': 60, 'mandelbrot': 40, 'nbody': 1000,
           'fannkuch': 7, 'vcall': 1, 'sieve': 1, 'copies': 15, 'fib': 20, 'jacobi': 5, 'floyd': 40,
           'lu': 60, 'nussinov': 80}
MOVED = 0.005  # a count that differs by more has moved


def output(*cmd, **kw):
    return subprocess.run([str(c) for c in cmd], check=True, capture_output=True, text=True,
                          **kw).stdout


# ---- the table ---------------------------------------------------------------

def rows_of(text):
    """Program -> its columns by name."""
    lines = [line.split() for line in text.replace('wasmd s', 'wasmd').splitlines()]
    return {r[0]: dict(zip(lines[0][1:], r[1:])) for r in lines[1:] if len(r) == len(lines[0])}


def geomean(ratios):
    return statistics.geometric_mean(ratios) if ratios else None


def table(build, bar):
    peers = [x for name in ('wasm3', 'wasmi', 'wamr') if os.environ.get(name.upper())
             for x in (f'--{name}', os.environ[name.upper()])]
    text = output(build / 'bench/bench-engine', build / 'bench', *peers)
    print(text, end='')
    rows = rows_of(text)
    (build / 'bench/engine.json').write_text(json.dumps(rows, indent=1) + '\n')
    ratios = [float(r['/wasm3']) for r in rows.values() if r['/wasm3'] != 'missing']
    if ratios:
        bar('engine.geomean_over_wasm3', round(geomean(ratios), 3), 0.45)
        bar('engine.worst_over_wasm3', max(ratios), 0.8)
    bar('engine.fuel_over_none', round(geomean([float(r['fuel']) for r in rows.values()]), 3), 1.05)


def second(root, build, bar):
    """gcc's build of the same, a round of each in turn."""
    other = root / 'b-gcc'
    if not (other / 'bench/bench-engine').exists():
        print('gcc: b-gcc is not built, missing')
        return
    ratios = []
    for name in COUNTED:
        runs = [rows_of(output(b / 'bench/bench-engine', build / 'bench', '--only', name))[name]
                for b in (build, other)]
        ratios.append(float(runs[1]['wasmd']) / float(runs[0]['wasmd']))
    bar('engine.gcc_over_clang', round(geomean(ratios), 2), 1.35)


# ---- before it runs ----------------------------------------------------------

def body(n):
    """A function of some n instructions that are of many kinds."""
    part = ('(local.set $a (i32.add (i32.load offset=8 (local.get $a)) (i32.const 5)))'
            '(if (i32.lt_s (local.get $a) (local.get $b)) (then (f64.store (local.get $b)'
            ' (f64.mul (local.get $x) (f64.load (local.get $a))))))')
    return '(func (param $a i32) (param $b i32) (param $x f64)' + part * (n // 17) + ')'


def compiled(build, module):
    return [float(x) for x in output(build / 'bench/bench-compile', module).split()]


def made(text):
    out = tempfile.NamedTemporaryFile(suffix='.wasm')
    subprocess.run(['wat2wasm', '-', '-o', out.name], input=text, text=True, check=True)
    return out


def linear(build, bar):
    """Seconds for each byte: of one large body and of one eight times as large."""
    with made(f'(module (memory 1) {body(20000)})') as a, \
            made(f'(module (memory 1) {body(160000)})') as b:
        small, large = compiled(build, a.name), compiled(build, b.name)
    bar('engine.compile_of_8_times_the_size_per_byte', round(small[1] / large[1], 2), 1.5)


def compiling(build, real, bar):
    python = real / 'python.wasm'
    if not python.exists():
        print(f'compiling: {real} has no python.wasm, missing')
        return
    validate, both, size = compiled(build, python)
    bar('engine.validate_mb_s', validate, least=150)
    bar('engine.compile_mb_s', both, least=60)
    bar('engine.compiled_over_wasm', size, 4)


def whole_process(build, *cmd):
    """Milliseconds of CPU and MB of memory of a process, from its start to its end."""
    return [float(x) for x in output(build / 'bench/bench-process', 41, *cmd).split()]


def starting(build, real, guest, bar):
    run = build / 'tests/wasi/wasm-run'
    took, memory = whole_process(build, run, guest('hello'))
    bar('engine.hello_start_ms', took, 1.0)
    bar('engine.hello_resident_mb', memory, 2.5)
    lua = real / 'lua.wasm'
    if not lua.exists():
        print(f'lua: {real} has none, missing')
        return
    bar('engine.lua_start_ms', whole_process(build, run, lua, '-e', 'print(1)')[0], 4)


# ---- instruction counts ------------------------------------------------------

def collected(*cmd):
    r = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null',
                        *(str(c) for c in cmd)], capture_output=True, text=True)
    m = re.search(r'Collected : (\d+)', r.stdout + r.stderr)
    if m is None:
        sys.exit(f'callgrind counts nothing: {r.stderr[-300:]}')
    return int(m.group(1))


def count(build):
    """Program -> machine instructions of its kernel, start-up taken off."""
    with tempfile.TemporaryDirectory() as d:
        bare = pathlib.Path(d) / 'bench-engine'  # valgrind trips over the compiler's debug data
        subprocess.run(['strip', '-g', '-o', bare, build / 'bench/bench-engine'], check=True)
        return {name: collected(bare, build / 'bench', '--once', name, n) -
                collected(bare, build / 'bench', '--once', name, 0)
                for name, n in COUNTED.items()}


def counts(root, build, update):
    kept = root / 'bench/counts.txt'
    old = dict(line.split() for line in kept.read_text().splitlines()
               if not line.startswith('#')) if kept.exists() else {}
    new = count(build)
    print(f'{"instructions":12}{"kept":>14}{"now":>14}')
    for name, n in new.items():
        was = int(old.get(name, 0))
        moved = was == 0 or abs(n / was - 1) > MOVED
        print(f'{name:12}{was:14}{n:14}' + (f'  {n / was - 1:+.1%}' if moved and was else ''))
    if update:
        commit = output('git', '-C', root, 'rev-parse', '--short', 'HEAD').strip()
        kept.write_text(f'# machine instructions of each kernel, by callgrind, at {commit}\n' +
                        ''.join(f'{k} {n}\n' for k, n in new.items()))


def run(root, build, args, guest, bar):
    real = pathlib.Path(os.environ.get('WASMD_REAL', root / '.cache/real'))
    if '--counts' in args:
        counts(root, build, '--update' in args)
        return
    table(build, bar)
    second(root, build, bar)
    compiling(build, real, bar)
    linear(build, bar)
    starting(build, real, guest, bar)
