"""A process that claims to have outlived the daemon says what no zygote says: it is ended, the
daemon serves on, and nothing but its own tenant's instances was ever within its reach."""
import fcntl
import os
import signal
import socket
import struct
import time
import unittest

from test_survive import LIMITED, alive, processes, until
from wasmd import AS_ROOT, Daemon, guest

READY, EXITED, KEPT, KILL, FORGET = 16, 21, 22, 20, 23
CALL, IS_KEPT, CLIENT, STDIN = 1, 2, 4, 8
VERSION = 3
PRIVATE_UID = 0x70000000
RINGS = 4096 + (32 << 10) + 4096, 4096 + (32 << 10) + 4096 + (64 << 10) + 4096
SLOT_BYTES = RINGS[1]


def ready(n_kept, version=VERSION, build=b'x'):
    return struct.pack('<I8IQQQQ40s', READY, version, 1, 1, 1, 1, 1, 0, n_kept, 1, 1, 1, 1,
                       build)


def kept(ref, seq=1, pid=5, flags=IS_KEPT, taken=1, started=0, paused=0):
    name = ref if isinstance(ref, bytes) else ref.encode()
    return struct.pack('<IQqQQQII40s', KEPT, seq, pid, flags, taken, started, paused, 0, name)


def exited(seq=1, status=0, cause=0, finished=0):
    return struct.pack('<IQiIQQQQ', EXITED, seq, status, cause, 1, 1, 1, finished)


def slot(size=SLOT_BYTES, seals=fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW, fill=()):
    fd = os.memfd_create('slot', os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    for at, data in fill:
        os.pwrite(fd, data, at)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


class Liar:
    """Listens at a home of its own, as the tenant's private user; says @messages to who calls."""

    def __init__(self, d, digest, messages, tenant=None):
        homes = d.state / 'zygotes'
        tenant = tenant or ('alice' if AS_ROOT else os.environ.get('USER', 'self'))
        os.symlink(f'{tenant}/{digest}/0', homes / 'abc.is')
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        back = os.getcwd()
        os.chdir(homes)
        s.bind('abc')
        os.chdir(back)
        self.heard, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.lie(s, messages, theirs)
            finally:
                os._exit(0)
        os.close(theirs)
        s.close()
        os.read(self.heard, 1)  # it listens

    def lie(self, s, messages, heard):
        signal.alarm(60)
        if AS_ROOT:
            os.setgroups([])
            os.setgid(PRIVATE_UID)
            os.setuid(PRIVATE_UID)
        s.listen(4)
        os.write(heard, b'!')
        c, _ = s.accept()
        for m in messages:
            data, fds = m if isinstance(m, tuple) else (m, [])
            socket.send_fds(c, [data], fds)
        while got := c.recv(4096):
            os.write(heard, got[:4] + got[4:12])
        time.sleep(60)

    def end(self):
        """Kills it if need be; the numbers of the messages that it got, with their seq."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)
        data = b''
        while part := os.read(self.heard, 4096):
            data += part
        os.close(self.heard)
        return [struct.unpack_from('<IQ', data, at) for at in range(0, len(data) - 11, 12)]


class Lies(unittest.TestCase):
    def setUp(self):
        self.d = Daemon().start()
        for name in ('tick', 'front'):
            self.assertEqual(self.d.load(guest(name).read_bytes(), name).status, 201)
        self.refs = [self.begin() for _ in range(2)]
        i = self.get(self.refs[0])
        self.digest, self.tenant = i['module'].split(':')[1], i['tenant']

    def tearDown(self):
        self.d.close()

    def begin(self, headers=None):
        made = self.d.create(module='tick', args=['100000', '100'], policy=dict(LIMITED))
        self.assertEqual(made.status, 201, made.body)
        ref = made.json['id']
        self.assertEqual(self.d.call('POST', f'/v1/instances/{ref}/start').status, 200)
        return ref

    def get(self, ref):
        return self.d.call('GET', f'/v1/instances/{ref}').json

    def orphans(self, front, before):
        """What ran is on record as running, and its zygotes are dead."""
        self.d.proc.kill()
        self.d.proc.wait()
        for pid in before:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until(lambda: not alive(front))

    def lied(self, *messages, honest=False, digest=None):
        """Starts the daemon beside a liar; what that one was told."""
        mine = {p: n for p, (n, parent) in processes().items() if parent == self.d.proc.pid}
        front = next(p for p, n in mine.items() if n == 'wasmd-front')
        self.orphans(front, [p for p, n in mine.items() if n == 'wasmd-zygote'])
        liar = Liar(self.d, digest or self.digest, messages, self.tenant)
        try:
            self.d.start()
            self.assertEqual(self.d.run('front').json['stdout'], 'hello\n')
            if not honest:
                until(lambda: not alive(liar.pid))
        finally:
            told = liar.end()
        return told

    def lost(self, *refs):
        for ref in refs or self.refs:
            i = self.get(ref)
            self.assertEqual((i['state'], i['exit']['cause']), ('exited', 'lost'), i)

    def test_messages(self):
        for messages in ([b'?'], [struct.pack('<I', READY)], [ready(0, version=99)],
                         [ready(0, version=2)], [ready(0, build=b'x' * 40)],
                         [kept('0' * 32)], [exited()], [ready(0), kept('0' * 32)],
                         [ready(0), exited()], [ready(0), ready(0)],
                         [ready(1), kept(b'0' * 40)], [ready(1), exited()],
                         [struct.pack('<I', 18) + bytes(400)]):
            with self.subTest(messages=messages):
                self.lied(*messages)
        self.lost()

    def test_silence(self):
        self.lied(ready(2**32 - 1))
        self.lost()

    def test_bells(self):
        r, w = os.pipe()
        pty, tty = os.openpty()
        for fd in (r, tty, os.open('/dev/null', os.O_RDWR), os.memfd_create('bell')):
            with self.subTest(fd=os.readlink(f'/proc/self/fd/{fd}')):
                self.lied((ready(0), [fd]))
        self.lost()

    def test_full_bell(self):
        """One that whoever writes to it waits for: the front does not."""
        bell, one = os.eventfd(0, 0), self.begin()
        os.eventfd_write(bell, 2**64 - 2)
        self.lied((ready(1), [bell]), (kept(one), [slot()]), honest=True)
        until(lambda: self.get(one)['exit'])
        self.lost(one)

    def test_slots(self):
        null, good = os.open('/dev/null', os.O_RDWR), slot()
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for flags, fds in ((IS_KEPT, []), (IS_KEPT, [null]), (IS_KEPT, [good, good]),
                           (IS_KEPT, [slot(seals=0)]), (IS_KEPT, [slot(SLOT_BYTES - 1)]),
                           (IS_KEPT, [slot(4096)]), (0, [good]), (IS_KEPT | 16, [good]),
                           (IS_KEPT | CALL, [good, null]), (IS_KEPT | CALL, [good, a.fileno()]),
                           (IS_KEPT | STDIN, [good]), (IS_KEPT | CALL | STDIN, [good, null])):
            with self.subTest(flags=flags, fds=fds):
                self.lied(ready(1), (kept(self.begin(), flags=flags), fds))
        self.lied(ready(2), (kept(self.begin()), [good]), (kept(self.begin()), [good]))  # one seq
        for seq in (0, 2**64 - 1):
            self.lied(ready(1), (kept(self.begin(), seq=seq), [good]))
        self.lost()

    def test_claims(self):
        """Of another tenant, another module, one that has ended, none, and one twice."""
        ended = self.begin()
        self.d.call('POST', f'/v1/instances/{ended}/kill')
        made = self.d.create(module='front', args=['spin'], policy=dict(LIMITED)).json
        self.d.call('POST', f'/v1/instances/{made["id"]}/start')
        claims = [made['id'], ended, 'f' * 32, self.refs[0], self.refs[0], 'tick', '']
        if AS_ROOT:
            bob = {'Wasmd-Tenant': 'bob'}
            self.d.call('POST', '/v1/modules?name=tick', guest('tick').read_bytes(), bob)
            theirs = self.d.call('POST', '/v1/instances', '{"module": "tick"}', bob).json['id']
            self.d.call('POST', f'/v1/instances/{theirs}/start', headers=bob)
            claims.append(theirs)
        messages = [ready(len(claims))]
        for n, ref in enumerate(claims):
            messages.append((kept(ref, seq=n + 1), [slot()]))
        told = self.lied(*messages, honest=True)
        away = {n + 1 for n in range(len(claims)) if n != 3}
        self.assertEqual({seq for kind, seq in told if kind == KILL}, away)
        self.assertEqual({seq for kind, seq in told if kind == FORGET}, away)
        i = until(lambda: self.get(self.refs[0])['exit'] and self.get(self.refs[0]))
        self.assertEqual(i['exit']['cause'], 'lost')  # the liar has ended
        self.assertEqual(self.get(made['id'])['exit']['cause'], 'lost')
        self.assertEqual(self.get(ended)['exit']['cause'], 'killed')
        if AS_ROOT:
            i = self.d.call('GET', f'/v1/instances/{theirs}', headers=bob).json
            self.assertEqual(i['exit']['cause'], 'lost', i)

    def test_rings(self):
        """Of one that may be claimed, rings and report lie: only itself is concerned."""
        huge, one = struct.pack('<Q', 2**63 + 8), self.refs[0]
        ring = 4096, 4096 + (32 << 10) + 4096
        fills = [[(at, huge)] for at in ring]  # head
        fills += [[(at + 64, huge)] for at in ring]  # tail
        fills += [[(at, struct.pack('<Q', 16)), (at + 128, b'\xff' * 16)] for at in ring]
        for fill in fills:
            with self.subTest(fill=fill):
                one = self.begin()
                self.lied(ready(1), (kept(one), [slot(fill=fill)]), honest=True)
                i = until(lambda: self.get(one)['exit'] and self.get(one))
                self.assertIn(i['exit']['cause'], ('crashed', 'lost'), i)

    def test_ends(self):
        """True or not, an end is one: with a cause that there is, between start and now."""
        report = struct.pack('<IIII', 1, 2**31, 2**31, 2**31) + b'\xff' * 1000
        for status, cause, finished, fill in ((0, 9999, 2**64 - 1, []), (9, 2**32 - 1, 1, []),
                                              (0, 0, 0, [(64, report)]), (-1, 5, 2**63, [])):
            with self.subTest(status=status, cause=cause, finished=finished):
                one = self.begin()
                self.lied(ready(1), (kept(one, started=2**63 - 1, pid=-1), [slot(fill=fill)]),
                          exited(1, status, cause, finished), honest=True)
                i = until(lambda: self.get(one)['exit'] and self.get(one))
                self.assertTrue(i['created'] <= i['started'] <= i['finished'], i)

    def test_of_another_user(self):
        """A link that names another tenant than the process's user is not believed."""
        if not AS_ROOT:
            print('\nSKIP tenants-apart: needs root', flush=True)
            return
        self.tenant = 'bob'
        self.lied(ready(0))
        self.lost()


if __name__ == '__main__':
    unittest.main()
