"""Figures of real programs: much data through a run, beside the bare runner;
CPython's print(1), and where its time goes."""
import json
import pathlib
import statistics
import subprocess
import time

GIB = 1 << 30


def through(command, source, env=None):
    """Seconds of @command with the file @source as input and a pipe as output."""
    t = time.monotonic()
    with open(source, 'rb') as f, \
            subprocess.Popen(command, stdin=f, stdout=subprocess.PIPE, env=env) as p:
        counted = subprocess.run(['wc', '-c'], stdin=p.stdout, capture_output=True, check=True)
    took = time.monotonic() - t
    if p.returncode != 0 or int(counted.stdout) != GIB:
        raise RuntimeError(f'{command}: status {p.returncode}, {counted.stdout!r} bytes')
    return took


def cat(d, build, guest, bar):
    """1 GB from a file to a pipe: wasmctl run of cat, and the same without the daemon."""
    source = pathlib.Path(d.dir) / 'gib'
    with open(source, 'wb') as f:
        f.truncate(GIB)
    module = guest('cat')
    d.ctl('module', 'load', module, '--name', 'cat', check=0)
    policy = d.policy('cat.json', limits={'fuel': 'unmetered', 'output': '2GiB', 'wall': '2m'})
    ours = [build / 'ctl/wasmctl', '-H', d.socket, 'run', '--rm', '--policy', policy, 'cat']
    pairs = [(through([build / 'tests/wasi/wasm-run', module], source), through(ours, source))
             for _ in range(3)]  # side by side
    bare, run = (statistics.median(column) for column in zip(*pairs))
    print(f'{"cat of 1 GiB, seconds":42}{"bare":>10}{"run":>10}\n{"":42}{bare:10.2f}{run:10.2f}')
    bar('daemon.cat_1gib_over_bare', round(statistics.median(b / a for a, b in pairs), 2), 1.5)


def python(d, real, bar):
    """print(1) by a warm CPython, if tests/real/fetch.sh has fetched one."""
    module = real / 'python.wasm'
    if not module.exists():
        print(f'python: {real} has none; sh tests/real/fetch.sh {real}')
        return
    d.ctl('module', 'load', module, '--name', 'python', check=0)
    policy = d.policy('python.json', args=True, random=True)
    took, usage = [], {}
    for _ in range(5):
        t = time.monotonic()
        d.ctl('run', '--name', 'p', '--policy', policy, 'python', '--', '-c', 'print(1)', check=0)
        took.append(time.monotonic() - t)
        usage = json.loads(d.ctl('inspect', 'p', '-o', 'json', check=0).out)['usage']
        d.ctl('rm', 'p', check=0)
    print(f'{"CPython print(1), milliseconds":42}{"start":>10}{"cpu":>10}{"wall":>10}\n{"":42}'
          f'{usage["start_ns"] / 1e6:10.1f}{usage["cpu_ns"] / 1e6:10.1f}'
          f'{usage["wall_ns"] / 1e6:10.1f}')
    bar('daemon.python_print_s', round(statistics.median(took), 2), 1.5)


def run(d, build, programs, guest, bar):
    cat(d, build, guest, bar)
    python(d, programs, bar)
