"""Figures of WASI: host calls in a locked worker beside the system calls they
stand for, and a walk over many files beside the native build of the same
source. Each pair is run in turn, so that both see the machine alike."""
import json
import statistics
import subprocess

BLOCK = 64 << 10
ROUNDS = 7
FILES, PER_DIR = 100_000, 1000
# Ten rules that look at paths; the last one alone is about what is opened.
TEN_RULES = [{'id': f'r{i}', 'on': ['fs.read', 'fs.write'], 'path': f'/in/**/private-{i}/*.key',
              'then': 'deny'} for i in range(9)] + \
    [{'id': 'files', 'on': 'fs.read', 'path': '/in/{file,block}', 'then': 'allow'}]


class Side:
    """A command that is the guest in the daemon, or the native program."""

    def __init__(self, command, where):
        self.command, self.where = [*map(str, command)], where

    def run(self, **kw):
        return subprocess.run([*self.command, self.where], check=True, text=True, **kw)

    def calls(self):
        """What each call took, in ns, by the program's own clock."""
        said = self.run(stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).stderr
        return {name: float(ns) for name, ns in map(str.split, said.splitlines())}

    def walk(self):
        files, size, ms = self.run(stdout=subprocess.PIPE).stdout.split()
        return (int(files), int(size)), float(ms)


def ours(d, build, module, policy):
    return Side([build / 'ctl/wasmctl', '-H', d.socket, 'run', '--rm', '--policy', policy, module,
                 '--'], '/in')


def median(rounds, name):
    return statistics.median(r[name] for r in rounds)


def calls(d, build, bar):
    where = d.data
    (where / 'file').write_text('here\n')
    (where / 'block').write_bytes(bytes(64 * BLOCK))
    d.ctl('module', 'load', build / 'bench/hostcalls.wasm', '--name', 'hostcalls', check=0)
    grant = {'args': True, 'limits': {'fuel': 10**13, 'disk': '1GiB', 'wall': '5m'},
             'mounts': [{'host': str(where), 'guest': '/in', 'access': 'rw'}]}
    sides = [Side([build / 'bench/native-hostcalls'], where),
             ours(d, build, 'hostcalls', d.policy('calls.json', **grant)),
             ours(d, build, 'hostcalls', d.policy('rules.json', **grant, rules=TEN_RULES))]
    native, plain, ruled = zip(*[[s.calls() for s in sides] for _ in range(ROUNDS)])
    print(f'{"a call, nanoseconds":30}{"native":>10}{"WASI":>10}{"ten rules":>10}')
    for name in native[0]:
        print(f'{name:30}' + ''.join(f'{median(s, name):10.1f}' for s in (native, plain, ruled)))
    judge(native, plain, ruled, bar)


def judge(native, plain, ruled, bar):
    """Each round's pair is compared, and the median of the rounds told."""
    def pairs(name, value, of=plain):
        return statistics.median(value(n[name], o[name]) for n, o in zip(native, of))

    def ratio(n, o):
        return o / n
    # the clock may take thrice the vDSO's time and 100 ns
    bar('wasi.clock_time_get_ns_over_3_vdso', round(pairs('clock_time_get', lambda n, o: o - 3 * n)), 100)
    bar('wasi.fd_read_64k_of_native', round(pairs('fd_read', lambda n, o: n / o), 2), least=0.9)
    bar('wasi.fd_write_ns_over_native', round(pairs('fd_write', lambda n, o: o - n)), 150)
    bar('wasi.path_open_close_over_native', round(pairs('path_open', ratio), 2), 2.5)
    bar('wasi.path_open_close_ten_rules_over_native', round(pairs('path_open', ratio, ruled), 2), 6)


def plant(where):
    for i in range(FILES // PER_DIR):
        d = where / f'd{i % 10}' / f'e{i // 10}'
        d.mkdir(parents=True)
        for k in range(PER_DIR):
            with open(d / f'f{k}', 'w') as f:
                f.write('x' * (k % 7))


def walk(d, build, bar):
    where = d.data / 'tree'
    where.mkdir()
    plant(where)
    d.ctl('module', 'load', build / 'bench/treewalk.wasm', '--name', 'treewalk', check=0)
    policy = d.policy('walk.json', args=True, limits={'fuel': 10**13, 'wall': '5m'},
                      mounts=[{'host': str(where), 'guest': '/in', 'access': 'ro'}])
    sides = [Side([build / 'bench/native-treewalk'], where), ours(d, build, 'treewalk', policy)]
    for s in sides:
        s.walk()  # both find the tree in the page cache
    rounds = [[s.walk() for s in sides] for _ in range(ROUNDS)]
    found = {seen for r in rounds for seen, _ in r}
    if len(found) != 1 or next(iter(found))[0] != FILES:
        raise RuntimeError(f'the walks saw {json.dumps(sorted(found))}')
    native, wasi = (statistics.median(ms for _, ms in column) for column in zip(*rounds))
    print(f'{"a walk of 100,000 files, ms":30}{native:10.0f}{wasi:10.0f}')
    ratio = statistics.median(w / n for (_, n), (_, w) in rounds)
    bar('wasi.walk_100k_over_native', round(ratio, 2), 3)


def run(d, build, bar):
    calls(d, build, bar)
    walk(d, build, bar)
