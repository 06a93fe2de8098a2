#!/usr/bin/env python3
"""Runs the attacks of table.txt on the real daemon and judges what came of each.

    attacks.py [--show] [WAY...] [=ATTACK...]    compares every outcome with the table

A guest is believed only in what it failed to do. Whether it got out is seen
here: in what it printed of what it must not see, and in what changed that it
must not change. --show prints the table as it came out instead.
"""
import concurrent.futures
import fcntl
import functools
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'e2e'))
import wasmd  # noqa: E402
from table import WAYS, Table  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
TOKEN = 'TOKEN-'
BLOCKED, WALL = '5s', '2m'  # until an instance is ended that is to block; any other


def errnos():
    text = (wasmd.ROOT / 'vm/wasi/errno.def').read_text()
    return ['granted'] + re.findall(r'^\s+WERR\(\w+,\s*"(\w+)"', text, re.M)


ERRNO = errnos()


def attacker():
    out = wasmd.GUESTS / 'attacker.wasm'
    src = HERE / 'attacker.c'
    if not out.exists() or out.stat().st_mtime < src.stat().st_mtime:
        out.parent.mkdir(exist_ok=True)
        part = out.with_suffix(f'.{os.getpid()}')
        subprocess.run(['clang-19', '--target=wasm32-wasi', '-O2', src, '-o', part], check=True)
        part.rename(out)
    return out


def snapshot(*roots):
    """All that a change could be seen by, of everything below @roots."""
    seen = {}
    for root in roots:
        for p in [root, *sorted(root.rglob('*'))]:
            st = p.lstat()
            what = p.read_bytes() if stat.S_ISREG(st.st_mode) else b''
            if p.is_symlink():
                what = os.readlink(p).encode()
            seen[str(p)] = (st.st_ino, st.st_mode, st.st_uid, st.st_nlink, st.st_mtime_ns, what)
    return seen


def open_to_all(root):
    for p in [root, *root.rglob('*')]:
        if wasmd.AS_ROOT:
            os.chown(p, wasmd.TENANT_UID, wasmd.TENANT_UID, follow_symlinks=False)
        if not p.is_symlink():
            p.chmod(0o777 if p.is_dir() else 0o666)


class Ground:
    """What one attack is let loose on: a read-only grant, a writable one, and
    beside them what is nobody's to reach. Every byte of it is open to all, so
    that no mode bit hides what a fence does not hold."""

    def __init__(self, root):
        self.root = root
        self.outside, self.ro, self.rw = (root / n for n in ('outside', 'ro', 'rw'))
        for d in (root, self.outside, self.ro, self.rw, self.outside / 'empty', self.ro / 'd',
                  self.ro / 'empty', self.rw / 'd', self.rw / 'away', self.rw / 'vault',
                  self.rw / 'inner', self.outside / (TOKEN + 'listed')):
            d.mkdir()
        (self.outside / 'secret.txt').write_text(TOKEN + 'secret')
        (self.outside / 'link').symlink_to(TOKEN + 'target')
        (self.ro / 'file.txt').write_text('read only')
        (self.ro / 'd/deep.txt').write_text('read only')
        (self.rw / 'mine.txt').write_text('mine')
        (self.rw / 'leased').write_text('mine')
        (self.rw / 'vault/key').write_text(TOKEN + 'key')
        (self.root / 'linked.txt').write_text('linked')
        (self.root / (TOKEN + 'beside')).touch()
        self.links()
        self.specials()
        open_to_all(root)

    def links(self):
        for name, target in {
                'out': '../outside', 'outabs': self.outside, 'up': '../outside/secret.txt',
                'absolute': self.outside / 'secret.txt', 'chain': 'd/chain',
                'd/chain': '../up', 'dangling': '../outside/planted',
                'danglingabs': self.outside / 'planted', 'loop': 'loop', 'bomb0': 'd'}.items():
            (self.rw / name).symlink_to(target)
        for i in range(9):  # each leads through the one below, twice
            (self.rw / f'bomb{i + 1}').symlink_to(f'bomb{i}/../bomb{i}')
        os.link(self.root / 'linked.txt', self.rw / 'hard')

    def specials(self):
        os.mkfifo(self.rw / 'fifo')
        s = socket.socket(socket.AF_UNIX)
        here = os.open(self.rw, os.O_PATH)  # a socket's path is short
        s.bind(f'/proc/self/fd/{here}/sock')
        os.close(here)
        s.close()
        if can_lay_out():
            os.mknod(self.rw / 'dev', 0o666 | stat.S_IFCHR, os.makedev(1, 5))

    def lease(self):
        """Who opens the file waits for the holder of its lease, up to 45 s."""
        fd = os.open(self.rw / 'leased', os.O_RDWR | os.O_CLOEXEC)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        return fd

    def mount_inside(self):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'mode=0777', 'wasmd-test', self.rw / 'inner'],
                       check=True)
        (self.rw / 'inner/secret.txt').write_text(TOKEN + 'inner')
        (self.rw / 'inner' / (TOKEN + 'inside')).touch()

    def forbidden_inodes(self):
        return {p.lstat().st_ino for p in (self.root, self.outside, *self.outside.rglob('*'))}


class Way:
    """One daemon with some fences off, and what becomes of attacks on it."""

    def __init__(self, name):
        self.name = name
        self.daemon = wasmd.Daemon(env=dict(os.environ, WASMD_ATTACK_OFF=WAYS[name]))
        self.mounted = []

    def __enter__(self):
        self.daemon.start()
        said = self.daemon.logged()
        able = 'a test build' in said
        if WAYS[self.name] and f'fences off: {WAYS[self.name]}\n' not in said:
            self.__exit__()
            raise RuntimeError('the build has no fences that can be switched off: -Dattack=true')
        # A release is told to leave all fences off, and must not have heard.
        if not able:
            self.daemon.stop()
            self.daemon.env['WASMD_ATTACK_OFF'] = WAYS['none']
            self.daemon.start()
        self.daemon.ctl('module', 'load', attacker(), '--name', 'attacker', check=0)
        return self

    def __exit__(self, *_):
        try:
            self.daemon.stop()
        finally:
            for p in self.mounted:
                subprocess.run(['umount', '-l', p], check=True)
            self.daemon.close()

    def policy(self, ground, wall):
        return self.daemon.policy(
            f'{ground.root.name}.json', name='attack', args=True,
            limits={'memory': '16MiB', 'wall': wall},
            mounts=[{'host': str(ground.ro), 'guest': '/ro', 'access': 'ro'},
                    {'host': str(ground.rw), 'guest': '/rw', 'access': 'rw'}],
            rules=[{'id': 'vault', 'on': 'fs.*', 'path': '/rw/vault/**', 'then': 'deny'}])

    def ground(self, name):
        g = Ground(self.daemon.data / name)
        if name.startswith('mount-inside'):
            self.mounted.append(g.rw / 'inner')
            g.mount_inside()
        return g

    def run(self, ground, steps, wall):
        steps = [s.replace('$OUT', str(ground.outside)) for s in steps]
        return self.daemon.ctl('run', '--rm', '--policy', self.policy(ground, wall), 'attacker',
                               '--', *steps, timeout=None)

    def attack(self, a):
        """The outcome's word."""
        g = self.ground(a.name)
        before = snapshot(g.outside, g.ro)
        host = Mover(g) if 'await' in a.steps else None
        leased = g.lease() if a.name.startswith('lease') else -1
        done = self.run(g, a.steps, BLOCKED if a.expected(self.name) == 'blocks' else WALL)
        if host is not None:
            host.done()
        if leased >= 0:
            os.close(leased)
        if snapshot(g.outside, g.ro) != before or self.escaped(g, done.out):
            return 'escape'
        ended = re.search(r'^ended (\d+)$', done.out, re.M)
        if ended is None:
            return 'blocks' if done.returncode == 124 else f'died:{done.returncode}:{done.err}'
        return ERRNO[int(ended[1])]

    @staticmethod
    def escaped(g, out):
        inodes = {int(n) for n in re.findall(r'^saw inode (\d+)$', out, re.M)}
        seen = re.search(f'^reached$|{TOKEN}|^saw .*wasmd-zygote', out, re.M)
        return seen is not None or bool(inodes & g.forbidden_inodes())


class Mover:
    """Moves a directory that the guest holds out of the grant, when it says so."""

    def __init__(self, ground):
        self.g = ground
        self.thread = threading.Thread(target=self.run)
        self.stop = False
        self.thread.start()

    def run(self):
        while not (self.g.rw / 'ready').exists():
            if self.stop:
                return
            time.sleep(0.002)
        (self.g.root / 'elsewhere').mkdir()
        (self.g.rw / 'away').rename(self.g.root / 'elsewhere/away')
        (self.g.rw / 'moved').touch()

    def done(self):
        self.stop = True
        self.thread.join()


@functools.cache
def can_lay_out():
    """May we make devices and mounts, so that there is something to attack?"""
    if not wasmd.AS_ROOT:
        return False
    with tempfile.TemporaryDirectory() as tmp:
        try:
            os.mknod(f'{tmp}/dev', stat.S_IFCHR, os.makedev(1, 5))
        except PermissionError:
            return False
        if subprocess.run(['mount', '-t', 'tmpfs', 'wasmd-test', tmp]).returncode != 0:
            return False
        subprocess.run(['umount', tmp], check=True)
    return True


def possible(attacks):
    if can_lay_out():
        return attacks
    print('\nSKIP attack-devices: needs root, and the right to mount', flush=True)
    return [a for a in attacks if a.name != 'device' and not a.name.startswith('mount-inside')]


def run_way(name, attacks):
    """{attack: outcome}"""
    with Way(name) as way:
        outcomes = {a.name: way.attack(a) for a in attacks}
        for line in (way.daemon.state / 'audit.jsonl').read_bytes().decode().splitlines():
            json.loads(line)  # it is text, whatever the names were
    return outcomes


def show(table, results):
    for title, rows in table.sections:
        print(f'\n== {title}')
        for a in rows:
            cells = (results.get(w, {}).get(a.name, '?') for w in WAYS)
            print(f'{a.name:<23}| {" ".join(a.steps)} | ' + ' '.join(cells))


def main():
    args = sys.argv[1:]
    showing = '--show' in args
    ways = [a for a in args if a in WAYS] or list(WAYS)
    only = [a[1:] for a in args if a.startswith('=')]
    table = Table()
    attacks = possible([a for a in table.attacks() if not only or a.name in only])
    attacker()
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # a lease is asked for
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = dict(zip(ways, pool.map(lambda w: run_way(w, attacks), ways)))
    if showing:
        show(table, results)
    wrong = [(w, a.name, results[w][a.name], a.expected(w))
             for w in ways for a in attacks if results[w][a.name] != a.expected(w)]
    for way, name, got, want in wrong if not showing else []:
        print(f'{way}: {name}: {got}, and the table says {want}')
    escapes = [n for n, r in results.get('all', {}).items() if r in ('escape', 'blocks')]
    print(f'{len(attacks)} attacks, {len(ways)} ways, {len(wrong)} not as the table says; '
          f'all fences: {len(escapes)} escapes {" ".join(escapes)}')
    return 1 if wrong or escapes else 0


if __name__ == '__main__':
    sys.exit(main())
