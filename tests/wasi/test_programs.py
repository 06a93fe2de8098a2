#!/usr/bin/env python3
"""Programs that call WASI and write down what it answers, in the real daemon:
every transcript is the one in tests/wasi/transcripts, whichever name of the
interface is imported; together they hold each function with every errno that
vm/wasi/wasi.def says it has, and no other.

usage: test_programs.py [--write]       (--write: keep the transcripts instead)
"""
import contextlib
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'e2e'))
from wasmd import AS_ROOT, BUILD, GUESTS, ROOT, TENANT_UID, Daemon  # noqa: E402

WRITE = '--write' in sys.argv
OLDER = {'env', 'fds', 'files', 'paths', 'dirs', 'polls', 'talk'}  # programs that run under both names


def compiled(name, older):
    out = GUESTS / f'wasi-{name}{"-unstable" if older else ""}.wasm'
    sources = [HERE / 'programs' / f'{name}.c', HERE / 'programs' / 'wasi.h',
               ROOT / 'vm' / 'wasi' / 'abi.h', ROOT / 'vm' / 'wasi' / 'errno.def']
    if not out.exists() or out.stat().st_mtime < max(s.stat().st_mtime for s in sources):
        out.parent.mkdir(exist_ok=True)
        subprocess.run(['clang-19', '--target=wasm32-wasi', '-O2', '-Wall', '-Wextra', '-Werror',
                        '-nostartfiles', f'-I{ROOT}', *(['-DUNSTABLE'] if older else []),
                        sources[0], '-o', out], check=True)
    return out


def said(text):
    """(function, errno) of each line of a transcript that is a call."""
    return re.findall(r'^([a-z]+_\w+?)(?:_from|_to)?[ (].* = ([A-Z0-9]+)$', text, re.M)


def functions():
    text = (ROOT / 'vm/wasi/wasi.def').read_text()
    return re.findall(r'^\tCALL\((\w+),', text, re.M)


def documented():
    """function: errnos, from wasi.def."""
    text = (ROOT / 'vm/wasi/wasi.def').read_text()
    groups = dict(re.findall(r'^#define (WASI_FD|WASI_PATH)\s+"([^"]*)"$', text, re.M))
    rows = re.findall(r'^\tANSWERS\((\w+),\s*(.*?)\)\s*\\?$', text, re.M)
    return {name: set(re.sub(r'WASI_\w+', lambda m: groups[m[0]], what).replace('"', '').split())
            for name, what in rows}


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    # ---- the world of a program ------------------------------------------------

    def tree(self):
        top = self.d.data / self.id().rsplit('.', 1)[1]
        subprocess.run(['rm', '-rf', top], check=True)
        for name in ('d', 'e'):
            (top / name).mkdir(parents=True)
        for name, text in (('f', 'hello\n'), ('open', ''), ('big', ''), ('d/x', '')):
            (top / name).write_text(text)
        for name, target in (('loop', 'loop'), ('ln', 'f'), ('out', '../x')):
            (top / name).symlink_to(target)
        os.mkfifo(top / 'fifo')
        if AS_ROOT:
            for p in [top, *top.rglob('*')]:
                os.lchown(p, TENANT_UID, TENANT_UID)
        return str(top)

    def mounts(self, top):
        return [{'host': top, 'guest': '/w', 'access': 'rw'}, {'host': top, 'guest': '/r'},
                {'tmpfs': '64KiB', 'guest': '/t'}]

    def run_program(self, program, policy, *args, older=False, stdin=b'', stderr=None):
        """(exit status, transcript); @stdin is bytes or a descriptor."""
        self.d.ctl('module', 'load', compiled(program, older), '--name', program, check=0)
        cmd = [BUILD / 'ctl' / 'wasmctl', 'run', '--rm', '--policy',
               self.d.policy(**policy), program, '--', *args]
        pipes = {'stdin': stdin} if not isinstance(stdin, bytes) else {'input': stdin}
        done = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=stderr or subprocess.PIPE,
                              timeout=120, env=dict(os.environ, WASMD_SOCKET=str(self.d.socket)),
                              check=False, **pipes)
        text = done.stdout.decode(errors='backslashreplace')
        return done.returncode, text, (done.stderr or b'').decode(errors='replace')

    def compare(self, name, text, err=''):
        path = HERE / 'transcripts' / f'{name}.txt'
        if WRITE:
            path.write_text(text)
        self.maxDiff = None
        self.assertEqual(text, path.read_text() if path.exists() else '', err)

    def same(self, name, policy, *args, status=0, program=None, **streams):
        for older in (False, True) if name in OLDER else (False,):
            got, text, err = self.run_program(program or name, policy() if callable(policy)
                                              else policy, *args, older=older, **streams)
            self.compare(name, text, err)
            self.assertEqual(got, status, err)

    @contextlib.contextmanager
    def pipe(self, data=b''):
        """Both ends of a pipe that holds @data."""
        r, w = os.pipe()
        os.write(w, data)
        try:
            yield r, w
        finally:
            os.close(r)
            os.close(w)

    # ---- programs --------------------------------------------------------------

    def test_env(self):
        policy = {'args': True, 'random': True, 'env': {'set': {'A': 'b', 'EMPTY': ''}}}
        self.same('env', policy, 'one', 'two words', status=7)

    def test_abort(self):
        self.same('abort', {}, status=134)

    def test_fds(self):
        self.same('fds', lambda: {'mounts': self.mounts(self.tree())})

    def test_files(self):
        with self.pipe() as (r, _):
            self.same('files', lambda: {'mounts': self.mounts(self.tree())}, stdin=r)

    def test_paths(self):
        self.same('paths', lambda: {'mounts': self.mounts(self.tree()), 'limits': {'fds': 16}})

    def test_rules_that_do_not_match_change_nothing(self):
        rules = [{'on': 'fs.*', 'path': '/elsewhere/**', 'then': 'kill'},
                 {'on': 'fs.read', 'path': '/elsewhere/*.key', 'then': {'errno': 'io'}}]
        for name in ('paths', 'fds'):
            self.same(name, lambda: {'mounts': self.mounts(self.tree()), 'rules': rules,
                                     'limits': {'fds': 16}})

    def test_only(self):
        self.same('only', {'mounts': [{'host': self.tree(), 'guest': '/w', 'access': 'rw',
                                       'only': ['d/x', 'new/x']}]})

    def test_dirs(self):
        def policy():
            mounts = self.mounts(self.tree())
            mounts[2]['tmpfs'] = '16MiB'
            return {'mounts': mounts}
        self.same('dirs', policy)

    def test_dirs_that_others_change(self):
        top = self.tree()
        policy = {'mounts': self.mounts(top)}
        policy['mounts'][2]['tmpfs'] = '16MiB'
        done = threading.Event()

        def others():
            n = 0
            while not done.is_set():
                (pathlib.Path(top) / f'host-{n % 50}').write_text('')
                (pathlib.Path(top) / f'host-{(n + 25) % 50}').unlink(missing_ok=True)
                n += 1
        thread = threading.Thread(target=others)
        thread.start()
        try:
            self.same('dirs', policy)
        finally:
            done.set()
            thread.join()

    def test_polls(self):
        with self.pipe(b'ping') as (stdin, _):
            r, w = os.pipe()
            os.close(r)
            self.same('polls', lambda: {'mounts': self.mounts(self.tree()), 'limits': {'fds': 8}},
                      stdin=stdin, stderr=w)
            os.close(w)

    def test_pipes(self):
        with self.pipe() as (_, w):
            self.same('pipes', {}, stderr=w)

    def test_a_pipe_without_a_reader(self):
        r, w = os.pipe()
        os.close(r)
        self.same('broken', {}, program='pipes', stderr=w)
        os.close(w)

    def test_big(self):
        top = self.tree()
        os.truncate(f'{top}/big', 4 << 20)
        self.same('big', {'mounts': self.mounts(top), 'limits': {'disk': '1MiB'}})

    # ---- sockets ---------------------------------------------------------------

    def listener(self, family):
        s = socket.socket(family)
        s.bind(('127.0.0.1', 0) if family == socket.AF_INET else '')
        s.listen(8)
        return s

    def talk(self, conn):
        """The other end: see socks.c."""
        conn.settimeout(100)
        got = 0
        while got < 100:
            part = conn.recv(100 - got)
            if not part:
                return
            got += len(part)
        conn.sendall(b'abc')
        self.gap.wait(0.2)
        conn.sendall(b'def')

    def sockets(self, family, name):
        self.gap = threading.Event()
        listener = self.listener(family)
        talks, leaves = socket.socket(family), socket.socket(family)
        for s in (talks, leaves):
            s.connect(listener.getsockname())
        talks.sendall(b'hello')
        leaves.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        leaves.close()
        mine, gone = socket.socketpair()
        gone.close()
        thread = threading.Thread(target=self.talk, args=(talks,))
        thread.start()
        try:
            self.same(name, {'mounts': self.mounts(self.tree()), 'limits': {'fds': 16}},
                      program='socks', stdin=listener.fileno(), stderr=mine.fileno())
        finally:
            talks.shutdown(socket.SHUT_RDWR)
            thread.join()
            for s in (listener, talks, mine):
                s.close()

    def test_talk(self):
        for older in (False, True):
            mine, other = socket.socketpair()
            other.sendall(b'hello')
            other.shutdown(socket.SHUT_WR)
            with mine, other:
                status, text, err = self.run_program('talk', {}, older=older, stdin=mine.fileno())
                self.assertEqual((status, other.recv(10)), (0, b'lol'), err)
            self.compare('talk', text, err)

    def test_tcp(self):
        self.sockets(socket.AF_INET, 'socks-tcp')

    def test_unix(self):
        self.sockets(socket.AF_UNIX, 'socks-unix')

    # ---- denied ----------------------------------------------------------------

    ALLOWED = [{'on': 'fd_write', 'fd': 'stdout', 'then': 'allow'},
               {'on': 'path_open', 'path': '/w/open', 'then': 'allow'}]

    def denied(self, older=False, **policy):
        listener = self.listener(socket.AF_UNIX)
        mine, other = socket.socketpair()
        policy['mounts'] = self.mounts(self.tree())[:1]
        status, text, _ = self.run_program('denied', policy, older=older,
                                           stdin=listener.fileno(), stderr=mine.fileno())
        for s in (listener, mine, other):
            s.close()
        self.assertEqual(status, 0, text)
        return text

    def test_denied(self):
        text = self.denied(rules=[*self.ALLOWED, {'on': '*', 'then': 'deny'}])
        self.compare('denied', text)
        self.assertEqual({f for f, e in said(text)}, set(functions()) - {'proc_exit'})
        self.assertEqual({e for _, e in said(text)}, {'ACCES'})

    def test_denied_under_the_older_name(self):
        text = self.denied(older=True, rules=[*self.ALLOWED, {'on': '*', 'then': 'deny'}])
        want = (HERE / 'transcripts' / 'denied.txt').read_text()
        self.assertEqual(text, re.sub(r'sock_accept.*\n', '', want))

    def test_denied_by_default(self):
        self.compare('denied', self.denied(rules=self.ALLOWED, default='deny'))

    def test_denied_with_an_errno(self):
        text = self.denied(rules=[*self.ALLOWED, {'on': '*', 'then': {'errno': 'nospc'}}])
        self.compare('denied', text.replace('NOSPC', 'ACCES'))
        self.assertEqual({e for _, e in said(text)}, {'NOSPC'})

    def test_denied_one_by_one(self):
        """Refused whole, a call is judged before any system call; here it may be needed."""
        rules = [{'on': name, 'then': {'errno': 'nospc'}, 'path': '/w/**'}
                 for name in functions() if name.startswith('path_')]
        text = self.denied(rules=[*self.ALLOWED, *rules, {'on': '*', 'then': 'deny'}])
        self.compare('denied', text.replace('NOSPC', 'ACCES'))
        self.assertTrue(all((f.startswith('path_')) == (e == 'NOSPC') for f, e in said(text)))


class Coverage(unittest.TestCase):
    """What the transcripts say together is what wasi.def says."""

    def test_every_errno_of_every_function(self):
        seen = {}
        for path in sorted((HERE / 'transcripts').glob('*.txt')):
            if path.stem != 'denied':
                for function, errno in said(path.read_text()):
                    seen.setdefault(function, set()).add(errno)
        table = documented()
        self.assertEqual(list(table), functions())
        wrong = []
        for name, want in table.items():
            got = seen.get(name, set())
            wrong += [f'{name}: {e} is said to be answered and is in no transcript'
                      for e in sorted(want - got)]
            wrong += [f'{name}: {e} is answered and does not stand in wasi.def'
                      for e in sorted(got - want - {'OK'})]
            if name not in ('proc_exit',) and 'OK' not in got:
                wrong.append(f'{name} never succeeds')
        self.assertEqual(wrong, [])


if __name__ == '__main__':
    unittest.main(argv=[a for a in sys.argv if a != '--write'], verbosity=2)
