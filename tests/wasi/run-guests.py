#!/usr/bin/env python3
"""Runs the guest programs of tests/guest on the bare runner, on real files.

usage: run-guests.py WASM_RUN GUEST_DIR GATE_DEF
"""
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import unittest

RUN = GUESTS = GATE_DEF = ''

# What attack.c must say, attempt by attempt. Escapes are ENOTCAPABLE.
CAP = 'ENOTCAPABLE'
ATTACKS = {
    'open d/d/../../../outside.txt': 'No such file or directory',
    'open loop-link': 'Symbolic link loop',
    'read a directory': CAP,
    'read no descriptor': 'Bad file descriptor',
    'path below a stream': 'Not a directory',
    'empty path': 'No such file or directory',
    'read beyond memory': 'Bad address',
}


def run(name, *args, options=(), stdin=b'', timeout=120):
    return subprocess.run(
        [RUN, *options, os.path.join(GUESTS, name + '.wasm'), *args],
        input=stdin, capture_output=True, timeout=timeout, check=False)


def write(path, text):
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


class Guests(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.dir = self.tmp.name
        self.addCleanup(self.tmp.cleanup)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def tree(self):
        os.makedirs(self.path('in', 'deep', 'er'))
        rng = random.Random(1)
        for name in ('a.txt', 'deep/b.txt', 'deep/er/c.txt'):
            words = ['w' * rng.randrange(1, 12) for _ in range(rng.randrange(5000))]
            write(self.path('in', name), ''.join(
                w + rng.choice((' ', '\n', '  ')) for w in words))
        os.symlink('../a.txt', self.path('in', 'deep', 'link'))

    def test_hello(self):
        p = run('hello')
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, b'hello\n', b''))

    def test_arguments_and_status(self):
        p = run('args', 'one', '', 'three x',
                options=('--env', 'A=b', '--env', 'STATUS=42'))
        self.assertEqual(p.stdout, b'arg one\narg \narg three x\nenv A=b\nenv STATUS=42\n')
        self.assertEqual(p.returncode, 42)

    def test_word_count_agrees_with_ours(self):
        self.tree()
        names = ['in/a.txt', 'in/deep/b.txt', 'in/deep/er/c.txt', 'in/deep/link']
        p = run('wc', *('/' + n for n in names),
                options=('--dir', self.path('in') + '::/in:ro'))
        want = subprocess.run(['wc', *names], cwd=self.dir, capture_output=True,
                              check=True, env={'LC_ALL': 'C'}).stdout.split()
        got = p.stdout.replace(b'/in', b'in').split()
        self.assertEqual(got, want)
        self.assertEqual(p.returncode, 0)

    def test_word_count_of_what_is_not_there(self):
        self.tree()
        p = run('wc', '/in/a.txt', '/in/none', '/etc/passwd',
                options=('--dir', self.path('in') + '::/in:ro'))
        self.assertEqual(p.returncode, 1)
        self.assertIn(b'wc: /in/none: No such file or directory\n', p.stderr)
        self.assertIn(b'wc: /etc/passwd: ', p.stderr)

    def test_word_count_of_standard_input(self):
        p = run('wc', stdin=b'a b\nc\n')
        self.assertEqual(p.stdout, b'2 3 6\n')

    def test_walk_finds_what_find_finds(self):
        self.tree()
        for i in range(700):
            write(self.path('in', 'deep', f'number {i}'), '')
        p = run('walk', '/in', options=('--dir', self.path('in') + '::/in:ro'))
        want = []
        for top, dirs, files in os.walk(self.path('in')):
            want += [os.path.join(top, n)[len(self.dir):] for n in dirs + files]
        got = [line.split(' ', 2)[2] for line in p.stdout.decode().splitlines()]
        self.assertEqual(sorted(got), sorted(want))
        self.assertIn(b'l - /in/deep/link\n', p.stdout)
        self.assertEqual(p.returncode, 0)

    def test_sort_ten_megabytes(self):
        rng = random.Random(2)
        lines = [b'%012x %s' % (rng.getrandbits(48), b'x' * rng.randrange(40))
                 for _ in range(320000)]
        text = b'\n'.join(lines) + b'\n'
        self.assertGreater(len(text), 10 << 20)
        p = run('sort', stdin=text)
        self.assertEqual(p.returncode, 0)
        self.assertEqual(p.stdout, b'\n'.join(sorted(lines)) + b'\n')
        write(self.path('in'), text.decode())
        with open(self.path('in'), 'rb') as i, open(self.path('out'), 'wb') as o:
            subprocess.run([RUN, os.path.join(GUESTS, 'sort.wasm')], stdin=i, stdout=o,
                           check=True, timeout=120)
        with open(self.path('out'), 'rb') as o:
            self.assertEqual(o.read(), p.stdout)

    def test_read_and_write(self):
        os.mkdir(self.path('rw'))
        p = run('rw', '/data', options=('--dir', self.path('rw') + '::/data'))
        self.assertEqual((p.stderr, p.stdout, p.returncode), (b'', b'rw: ok\n', 0))
        self.assertEqual(os.listdir(self.path('rw')), [])

    def test_read_and_write_at_the_root(self):
        os.mkdir(self.path('rw'))
        p = run('rw', '/', options=('--dir', self.path('rw') + '::/'))
        self.assertEqual((p.stderr, p.stdout), (b'', b'rw: ok\n'))

    def test_clocks(self):
        p = run('time')
        self.assertEqual((p.stdout, p.returncode), (b'time: ok\n', 0))

    def test_fuel_ends_a_loop(self):
        p = run('spin', options=('--fuel', '1000000'))
        self.assertEqual(p.returncode, 134)
        self.assertIn(b'all fuel consumed', p.stderr)

    def test_fuel_is_deterministic(self):
        used = {run('sort', options=('--fuel', '100000000', '--usage'),
                    stdin=b'b\na\n' * 1000).stderr for _ in range(2)}
        self.assertEqual(len(used), 1)
        self.assertIn(b'fuel', used.pop())

    def test_limits(self):
        p = run('hello', options=('--max-output', '3'))
        self.assertEqual((p.returncode, p.stdout), (134, b'hel'))
        p = run('hello', options=('--max-host-calls', '1'))
        self.assertEqual((p.returncode, p.stdout), (134, b''))
        self.assertIn(b'limit reached', p.stderr)

    def test_deny_all(self):
        p = run('wc', '/in/x', options=('--deny-all', '--usage',
                                        '--dir', self.dir + '::/in'))
        self.assertNotEqual(p.returncode, 0)
        self.assertEqual(p.stdout, b'')
        self.assertIn(b'syscalls 0 ', p.stderr)

    def test_deny_all_for_every_call(self):
        write(self.path('out'), 'kept')
        with open(self.path('out'), 'r+b') as out:
            p = subprocess.run(
                [RUN, '--deny-all', '--usage', '--dir', self.dir + '::/in',
                 os.path.join(GUESTS, 'everything.wasm')],
                stdin=out, stdout=out, stderr=subprocess.PIPE, check=False)
        self.assertEqual(p.returncode, 134)
        self.assertIn(b'host_calls 46 ', p.stderr)
        self.assertIn(b'syscalls 0 ', p.stderr)
        with open(self.path('out'), 'rb') as out:
            self.assertEqual(out.read(), b'kept')

    def test_gate_def_names_every_system_call(self):
        with open(RUN, 'rb') as f:
            if b'__asan_init' in f.read():
                return  # the sanitizer makes calls of its own
        self.lay_traps()
        with open(GATE_DEF, encoding='utf-8') as f:
            named = set(' '.join(re.findall(r'"([a-z0-9_ ]*)"', f.read())).split())
        # memory, the end, and looking at what was granted before the guest runs
        named |= {'brk', 'mmap', 'munmap', 'mremap', 'exit_group', 'fcntl'}
        for guest in (['rw', '/rw'], ['attack'], ['walk', '/ro', '/rw'], ['time'], ['hello']):
            log = self.path('log')
            subprocess.run(
                ['strace', '-o', log, RUN, '--dir', self.path('ro') + '::/ro:ro', '--dir',
                 self.path('rw') + '::/rw', os.path.join(GUESTS, guest[0] + '.wasm'),
                 *guest[1:]], stdin=subprocess.DEVNULL, capture_output=True, check=False)
            with open(log, encoding='utf-8', errors='replace') as f:
                text = f.read()
            # wasi_configure begins with reading the signal mask
            made = text.rpartition('rt_sigprocmask(SIG_BLOCK, NULL')[2].split('\n', 1)[1]
            calls = set(re.findall(r'^([a-z0-9_]+)\(', made, re.M))
            self.assertTrue(calls)
            self.assertEqual(calls - named, set(), guest[0])

    def test_a_reader_that_leaves(self):
        p = subprocess.Popen([RUN, os.path.join(GUESTS, 'sort.wasm')],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        p.stdout.close()
        feeder = threading.Thread(target=lambda: (p.stdin.write(b'x\n' * 500000),
                                                  p.stdin.close()))
        feeder.start()
        self.assertEqual(p.wait(60), 2)
        feeder.join()
        p.stderr.close()

    def lay_traps(self):
        ro, rw = self.path('ro'), self.path('rw')
        os.makedirs(os.path.join(ro, 'd'))
        os.mkdir(rw)
        write(self.path('outside.txt'), 'outside')
        write(os.path.join(ro, 'file.txt'), 'file')
        write(os.path.join(ro, 'd', 'deep.txt'), 'deep')
        write(os.path.join(rw, 'mine.txt'), 'mine')
        for name, target in (('abs-link', '/etc/passwd'), ('up-link', '../outside.txt'),
                             ('d/up2-link', '../../outside.txt'), ('chain-link', 'up-link'),
                             ('dir-up', '..'), ('loop-link', 'loop-link')):
            os.symlink(target, os.path.join(ro, name))
        for name, target in (('dangling-up', '../made'), ('up-dir', '..'),
                             ('dangling-abs', self.path('made')),
                             ('up-file', '../outside.txt')):
            os.symlink(target, os.path.join(rw, name))
        os.mkfifo(os.path.join(rw, 'fifo'))

    def snapshot(self):
        seen = {}
        for top, dirs, files in os.walk(self.dir):
            for name in dirs + files:
                path = os.path.join(top, name)
                st = os.lstat(path)
                seen[path] = (st.st_mode, st.st_size, st.st_mtime_ns, st.st_nlink)
        return seen

    def test_no_attack_succeeds(self):
        self.lay_traps()
        before = self.snapshot()
        p = run('attack', options=('--dir', self.path('ro') + '::/ro:ro',
                                   '--dir', self.path('rw') + '::/rw'), timeout=30)
        self.assertEqual(p.returncode, 0, p.stderr)
        told = dict(line.rsplit(': ', 1) for line in p.stdout.decode().splitlines())
        self.assertEqual(len(told), 59)
        self.assertEqual({a: e for a, e in told.items() if e != ATTACKS.get(a, CAP)}, {})
        self.assertEqual(self.snapshot(), before)

    def test_modules_that_cannot_run(self):
        for name, text in (('empty', b''), ('text', b'hello'), ('elf', b'\x7fELF' + bytes(60))):
            with open(self.path(name + '.wasm'), 'wb') as f:
                f.write(text)
            p = subprocess.run([RUN, self.path(name + '.wasm')], capture_output=True,
                               check=False)
            self.assertEqual(p.returncode, 125, name)
            self.assertTrue(p.stderr.startswith(b'wasm-run: '), p.stderr)


if __name__ == '__main__':
    RUN, GUESTS, GATE_DEF = sys.argv[1:4]
    unittest.main(argv=sys.argv[:1])
