#!/usr/bin/env python3
"""./dev bench [engine [--counts [--update]]|policy|start|daemon|wasi|plugin]: what is fast, shown.

Prints a table for people and, for every figure, `bar NAME VALUE LIMIT ok|short`
for machines (LIMIT `-` where no bar is set yet). Exits 1 when any is short.
"""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / 'b-rel'
os.environ['WASMD_BUILD'] = str(BUILD)
sys.path.insert(0, str(ROOT / 'tests/e2e'))
sys.dont_write_bytecode = True
import limits  # noqa: E402
import real  # noqa: E402
import wasi as wasi_calls  # noqa: E402
from wasmd import Daemon, UnixHTTP, guest  # noqa: E402

short = []


def bar(name, value, limit=None, unit='', least=None):
    """@limit: the most it may be; @least: the least."""
    ok = (limit is None or value <= limit) and (least is None or value >= least)
    if not ok:
        short.append(name)
    shown = next((f'{x:g}' for x in (limit, least) if x is not None), '-')
    print(f'bar {name} {value:g}{unit} {shown} {"ok" if ok else "short"}')


def numbers(*cmd):
    return [float(x) for x in subprocess.run([str(c) for c in cmd], check=True,
                                             capture_output=True, text=True).stdout.split()]


def engine():
    import engine as figures
    figures.run(ROOT, BUILD, [x for x in sys.argv if x.startswith('--')], guest, bar)


def policy():
    said = subprocess.run([BUILD / 'bench/bench-policy'], check=True, capture_output=True,
                          text=True).stdout
    print(said, end='')
    short.extend(line.split()[1] for line in said.splitlines()
                 if line.startswith('bar ') and line.endswith(' short'))


def with_daemon():
    d = Daemon().start()
    d.ctl('module', 'load', guest('hello'), '--name', 'hello', check=0)
    d.ctl('run', '--rm', 'hello', check=0)
    return d


def heavy_module(mib):
    """A module whose data segment fills that much memory, and that ends at once."""
    def leb(n):
        out = b''
        while n > 127:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n])

    def section(i, body):
        return bytes([i]) + leb(len(body)) + body
    data = b'wasmd***' * (mib * 131072)
    out = BUILD / 'guests' / f'heavy-{mib}.wasm'
    out.write_bytes(b'\0asm\1\0\0\0' + section(1, b'\1\x60\0\0') + section(3, b'\1\0') +
                    section(5, b'\1\0' + leb(mib * 16 + 1)) +
                    section(7, b'\1\6_start\0\0') + section(10, b'\1\2\0\x0b') +
                    section(11, b'\1\0\x41\0\x0b' + leb(len(data)) + data))
    return out


def bench_start(module):
    out = subprocess.run([BUILD / 'bench/bench-start', BUILD / 'daemon/wasmd-zygote', module],
                         check=True, capture_output=True, text=True).stdout
    rows = [line.split(' ', 2) for line in out.splitlines()]
    return [(float(p50), float(p99), what) for p50, p99, what in rows]


def steps(whole):
    rows = bench_start(guest('hello'))
    print(f'{"of it, behind the front, step by step":56}{"p50":>10}{"p99":>10}')
    for p50, p99, what in rows:
        print(f'  {what:54}{p50:10.1f}{p99:10.1f}')
    if whole > rows[-1][0]:
        print(f'  {"what the front does before it: the difference":54}{whole - rows[-1][0]:10.1f}')
    heavy = bench_start(heavy_module(64))[-1]
    print(f'  {"the same of a module with 64 MiB of data":54}{heavy[0]:10.1f}{heavy[1]:10.1f}')
    bar('start.heavy_p50_over_hello', round(heavy[0] / rows[-1][0], 2))


def start():
    d = with_daemon()
    try:
        rounds = []
        for _ in range(5):  # side by side: bare, ours, bare, ours ...
            fork50, fork99 = numbers(BUILD / 'bench/bench-fork')
            _, _, _, s50, s99 = numbers(BUILD / 'bench/bench-http', d.socket, 'POST',
                                        '/v1/run?module=hello', 1, 1)
            rounds.append((fork50, fork99, s50, s99))
    finally:
        d.__exit__(None, None, None)
    fork50, fork99, s50, s99 = (statistics.median(c) for c in zip(*rounds))
    ratio = statistics.median(r[2] / r[0] for r in rounds)
    print(f'{"a start, microseconds":42}{"p50":>10}{"p99":>10}')
    print(f'{"bare fork + pipe wake-up":42}{fork50:10.1f}{fork99:10.1f}')
    print(f'{"request received to first guest instruction":42}{s50:10.1f}{s99:10.1f}')
    bar('start.warm_p50_over_fork', round(ratio, 2), 4)
    bar('start.warm_p50_us', s50)
    bar('start.warm_p99_us', s99)
    steps(s50)


def resident_mib(d):
    """What front and priv have in memory for themselves: proportional where shared."""
    def pss(pid):
        text = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
        return next(int(x.split()[1]) for x in text.splitlines() if x.startswith('Pss:'))
    pids = [p for p, name in d.leftovers() if name in ('wasmd', 'wasmd-front')]
    return sum(map(pss, pids)) / 1024


def leb(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + leb(n >> 7)


def upload_mb_s(d, mib=100, rounds=5):
    """A module of this size, new each time: received, hashed, checked and on disk."""
    rates = []
    for k in range(rounds):
        body = b'\x01x' + bytes([k]) + os.urandom(1 << 20) * mib
        wasm = guest('hello').read_bytes() + b'\0' + leb(len(body)) + body
        t = time.monotonic()
        status, answer = d.http('POST', f'/v1/modules?name=large{k}', wasm)
        rates.append(len(wasm) / 1e6 / (time.monotonic() - t))
        if status != 201:
            sys.exit(f'the upload failed: {answer}')
        d.http('DELETE', f'/v1/modules/large{k}')
    return statistics.median(rates)


def start_ms(d):
    """Of a daemon that was killed: from the exec to the first answer."""
    d.stop(signal.SIGKILL)
    t = time.monotonic()
    d.start()
    return (time.monotonic() - t) * 1000


def survivors(live=1000):
    """A daemon killed with so many instances that sleep: until the next one answers."""
    with Daemon() as d:
        d.ctl('module', 'load', guest('tick'), '--name', 'tick', check=0)
        alone = statistics.median(start_ms(d) for _ in range(3))
        conn = UnixHTTP(d.socket)
        body = json.dumps({'module': 'tick', 'args': ['2', '100000000']})
        for _ in range(live):
            ref = d.call('POST', '/v1/instances', body, conn=conn).json['id']
            d.call('POST', f'/v1/instances/{ref}/start', conn=conn)
        conn.close()
        with_them = statistics.median(start_ms(d) for _ in range(3))
        there = d.http('GET', '/v1/info')[1]['instances']
        if there != live:
            sys.exit(f'{there} of {live} instances outlived the daemon')
        print(f'start of a killed daemon {alone:.0f} ms, with {live} live instances {with_them:.0f} ms')
        bar('daemon.start_ms', round(alone))
        bar(f'daemon.start_ms_{live}_live', round(with_them), 1000)


def instance_figures(d, rounds=5):
    """One of a thousand instances, over one connection, beside a bare process on a socket pair."""
    for _ in range(999):
        d.create(module='hello')
    d.create(module='hello', name='shown')
    ask = ('GET', '/v1/instances/shown', 1, 1)
    runs = [(numbers(BUILD / 'bench/bench-http', '-', *ask),
             numbers(BUILD / 'bench/bench-http', d.socket, *ask)) for _ in range(rounds)]
    bare, ours = (statistics.median(r[k][0] for r in runs) for k in (0, 1))
    print(f'{"GET of an instance, 1,000 present":42}{ours:12.0f} per second')
    print(f'{"a bare process that answers as much":42}{bare:12.0f} per second')
    bar('daemon.get_instance_per_s', round(ours), least=60000)
    bar('daemon.get_instance_over_bare', round(statistics.median(b[1] / a[1] for a, b in runs), 2))


def daemon():
    survivors()
    with Daemon() as d:
        bar('daemon.rss_mib', round(resident_mib(d), 1), 10)
    d = with_daemon()
    try:
        bar('daemon.upload_mb_s', round(upload_mb_s(d)), least=300)
        instance_figures(d)
        rows = [('POST /v1/run of hello, 1 client', 'POST', '/v1/run?module=hello', 1),
                ('POST /v1/run of hello, 8 clients', 'POST', '/v1/run?module=hello', 8),
                ('GET /v1/info, 1 client', 'GET', '/v1/info', 1)]
        print(f'{"the daemon":42}{"per second":>12}{"p50 us":>10}{"p99 us":>10}')
        for what, method, path, clients in rows:
            rate, p50, p99, _, _ = numbers(BUILD / 'bench/bench-http', d.socket, method, path,
                                           clients, 3)
            print(f'{what:42}{rate:12.0f}{p50:10.1f}{p99:10.1f}')
            bar(f'daemon.{method.lower()}{path.split("?")[0].replace("/", "_")}_{clients}', rate)
        limits.run(d, bar)
        real.run(d, BUILD, ROOT / '.cache/real', guest, bar)
    finally:
        d.__exit__(None, None, None)


def wasi():
    with Daemon() as d:
        wasi_calls.run(d, BUILD, bar)


def plugin():
    print('plugin: nothing to measure yet: plugin calls are still to come')


AREAS = {'engine': engine, 'policy': policy, 'start': start, 'daemon': daemon, 'wasi': wasi,
         'plugin': plugin}


def main():
    for name in [x for x in sys.argv[2:] if not x.startswith('--')] or AREAS:
        if name not in AREAS:
            sys.exit(f'./dev bench: there is no area "{name}"; there are {", ".join(AREAS)}')
        print(f'== {name}', flush=True)
        AREAS[name]()
    return 1 if short else 0


if __name__ == '__main__':
    sys.exit(main())
