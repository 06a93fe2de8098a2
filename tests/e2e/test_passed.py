"""Descriptors that a client passes: what is no stream is refused by name, nothing is kept,
and who passes them where none are taken leaves nothing in the daemon."""
import array
import ctypes
import errno
import os
import pathlib
import signal
import socket
import stat
import struct
import time
import unittest

from wasmd import AS_ROOT, PATIENCE, Daemon, events, guest

LIBC = ctypes.CDLL(None, use_errno=True)
SYS = {'x86_64': {'bpf': 321, 'epoll_create1': 291, 'signalfd4': 289, 'eventfd2': 290, 'inotify_init1': 294,
                  'fanotify_init': 300, 'userfaultfd': 323},
       'aarch64': {'bpf': 280, 'epoll_create1': 20, 'signalfd4': 74, 'eventfd2': 19, 'inotify_init1': 26,
                   'fanotify_init': 262, 'userfaultfd': 282},
       'riscv64': {'bpf': 280, 'epoll_create1': 20, 'signalfd4': 74, 'eventfd2': 19, 'inotify_init1': 26,
                   'fanotify_init': 262, 'userfaultfd': 282}}[os.uname().machine]
SYS['io_uring_setup'] = 425


def syscall(name, *args):
    fd = LIBC.syscall(SYS[name], *args)
    if fd < 0:
        raise OSError(ctypes.get_errno(), name)
    return fd


def bpf_map():
    attr = struct.pack('IIIII', 2, 4, 8, 1, 0) + bytes(100)
    return syscall('bpf', 0, attr, len(attr))


def signal_fd():
    mask = struct.pack('Q', 1 << (signal.SIGUSR2 - 1))
    return syscall('signalfd4', -1, mask, 8, 0)


def deleted_directory(d):
    path = d.dir / 'goes'
    path.mkdir()
    fd = os.open(path, os.O_RDONLY)
    path.rmdir()
    return fd


def listening(d):
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(d.dir / 'listens.sock'))
    s.listen()
    return s.detach()


def block_device():
    for p in sorted(pathlib.Path('/dev').iterdir()):
        if stat.S_ISBLK(p.stat().st_mode):
            return os.open(p, os.O_RDONLY)
    raise OSError(errno.ENOENT, 'block device')


def opened(path, flags=os.O_RDONLY):
    return lambda d: os.open(path, flags)


# what it is, how one gets it, a word of the sentence; True: every user of every kernel can make it
KINDS = [
    ('a directory', opened('/'), 'a directory', True),
    ('a directory without leave', lambda d: os.open(d.data, os.O_RDONLY), 'a directory', True),
    ('a deleted directory', deleted_directory, 'a directory', True),
    ('an O_PATH file', opened('/dev/null', os.O_PATH), 'O_PATH', True),
    ('/dev/zero', opened('/dev/zero', os.O_RDWR), 'a device', True),
    ('/dev/full', opened('/dev/full', os.O_RDWR), 'a device', True),
    ('/dev/ptmx', opened('/dev/ptmx', os.O_RDWR), 'a device', False),
    ('/dev/mem', opened('/dev/mem'), 'a device', False),
    ('/dev/kmsg', opened('/dev/kmsg'), 'a device', False),
    ('a block device', lambda d: block_device(), 'a block device', False),
    ('/proc/self/mem', opened('/proc/self/mem', os.O_RDWR), "the kernel's own (proc)", True),
    ('/proc/self/maps', opened('/proc/self/maps'), "the kernel's own (proc)", True),
    ('/sys', opened('/sys/kernel/uevent_seqnum'), "the kernel's own (sysfs)", False),
    ('a namespace', opened('/proc/self/ns/net'), "the kernel's own (nsfs)", True),
    ('io_uring', lambda d: syscall('io_uring_setup', 4, bytes(256)), 'a kernel object', False),
    ('a bpf map', lambda d: bpf_map(), 'a kernel object', False),
    ('eventfd', lambda d: syscall('eventfd2', 0, 0), 'a kernel object', True),
    ('epoll', lambda d: syscall('epoll_create1', 0), 'a kernel object', True),
    ('signalfd', lambda d: signal_fd(), 'a kernel object', True),
    ('pidfd', lambda d: os.pidfd_open(os.getpid()), 'a kernel object', True),
    ('inotify', lambda d: syscall('inotify_init1', 0), 'a kernel object', True),
    ('fanotify', lambda d: syscall('fanotify_init', 0, 0), 'a kernel object', False),
    ('userfaultfd', lambda d: syscall('userfaultfd', 0), 'a kernel object', False),
    ('a packet socket', lambda d: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).detach(),
     'a socket of another kind', False),
    ('a netlink socket', lambda d: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).detach(),
     'a socket of another kind', True),
    ('a vsock', lambda d: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).detach(),
     'a socket of another kind', False),
    ('a datagram socket', lambda d: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).detach(),
     'no stream', True),
    ('a raw socket', lambda d: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).detach(),
     'no stream', False),
]


class Passed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        cls.d.ctl('module', 'load', guest('cat'), '--name', 'cat', check=0)
        cls.wasm = guest('cat').read_bytes()
        cls.null = os.open('/dev/null', os.O_RDWR)
        cls.pass_on(cls.null, cls.null, cls.null)  # whatever is opened once is open now
        cls.front = next(p for p, name in cls.d.leftovers() if name == 'wasmd-front')

    @classmethod
    def tearDownClass(cls):
        os.close(cls.null)
        cls.d.close()

    @classmethod
    def pass_on(cls, *fds):
        """What the daemon says when these are passed for an instance that is made for it."""
        ref = cls.d.create(module='cat').json['id']
        s = cls.d.upgrade(ref, fds=fds)
        got = events(s)
        s.close()
        cls.d.http('DELETE', f'/v1/instances/{ref}?force=1')
        return got

    def refused(self, word, *fds):
        got = self.pass_on(*fds)
        self.assertEqual([e['event'] for e in got], ['error'], (word, got))
        error = got[0]['error']
        self.assertEqual(error['code'], 'bad_request')
        self.assertIn(word, error['message'])
        self.assertTrue(error['hint'])
        return error['message']

    def held(self):
        """What the front has open, and how many sockets: of these, a zygote's come and go."""
        found = []
        for p in pathlib.Path(f'/proc/{self.front}/fd').iterdir():
            try:
                found.append(os.readlink(p))
            except OSError:
                continue
        sockets = [f for f in found if f.startswith('socket:')]
        return sorted(f for f in found if f not in sockets), len(sockets)

    def settles(self, before):
        deadline = time.time() + PATIENCE
        while (now := self.held())[0] != before[0] or now[1] > before[1] + 8:
            self.assertLess(time.time(), deadline, (now, before))
            time.sleep(0.02)

    def tearDown(self):
        self.assertEqual(self.pass_on(self.null, self.null, self.null)[-1]['event'], 'exited')

    def test_kinds(self):
        before, tried = self.held() if AS_ROOT else None, 0
        for name, make, word, everywhere in KINDS:
            try:
                fd = make(self.d)
                if name == 'io_uring':  # newer kernels pass none on
                    socket.send_fds(socket.socketpair()[0], [b'F'], [fd])
            except OSError as e:
                self.assertFalse(everywhere, (name, e))
                continue
            tried += 1
            with self.subTest(name):
                self.assertTrue(self.refused(word, fd, self.null, self.null)
                                .startswith('standard input is '))
                self.assertTrue(self.refused(word, self.null, self.null, fd)
                                .startswith('standard error is '))
            os.close(fd)
        self.assertGreater(tried, 20 if AS_ROOT else 14)
        if before is not None:
            self.settles(before)

    def test_only_standard_input_may_listen(self):
        fd = listening(self.d)
        for fds in ((self.null, fd, self.null), (self.null, self.null, fd)):
            self.refused('a listening socket', *fds)
        self.assertEqual(self.pass_on(fd, self.null, self.null)[-1]['event'], 'exited')
        os.close(fd)

    def test_an_unsealed_memfd_is_a_file_as_any_other(self):
        """Workers read it, and map nothing of it: it may shrink under them."""
        fd = os.memfd_create('input', os.MFD_ALLOW_SEALING)
        os.write(fd, b'as it is')
        os.lseek(fd, 0, os.SEEK_SET)
        r, w = os.pipe()
        got = self.pass_on(fd, w, self.null)
        os.close(w)
        os.close(fd)
        self.assertEqual(got[-1]['instance']['exit']['cause'], 'exited', got)
        self.assertEqual(os.read(r, 100), b'as it is')
        os.close(r)

    def test_numbers(self):
        for n in (0, 1, 2, 4, 8, 9, 253):
            message = self.refused('exactly three', *[self.null] * n)
            if n:
                self.assertIn(f'not {n}', message)
        if AS_ROOT:
            before = self.held()
            for _ in range(20):
                self.refused('exactly three', *[self.null] * 253)
            self.settles(before)

    def send(self, data, fds):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(str(self.d.socket))
        s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))])
        head = b''
        while b'\r\n\r\n' not in head and (part := s.recv(65536)):
            head += part
        return s, head

    def test_requests_that_take_none(self):
        """They are dropped unseen; none stays open in the daemon."""
        if not AS_ROOT:
            print('\nSKIP passed-leak: needs root to look into the daemon')
            self.skipTest('needs root')
        memfd = os.memfd_create('module')  # unsealed: it may change while it is judged
        os.write(memfd, self.wasm)
        mem = os.open('/proc/self/mem', os.O_RDWR)
        before = self.held()
        ref = self.d.create(module='cat', name='takes-none').json['id']
        post = b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
        for data, status in ((b'GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n', 200),
                             (post % b'/v1/modules?name=from-memfd', 400),
                             (post % b'/v1/run?module=cat', 200),
                             (post % f'/v1/instances/{ref}/start'.encode(), 200),
                             (b'not http at all\r\n\r\n', 400)):
            s, head = self.send(data, [memfd, mem] * 50)
            self.assertEqual(int(head.split()[1]), status, head)
            s.close()
        self.assertEqual(self.d.call('GET', '/v1/modules/from-memfd').status, 404)
        self.d.http('DELETE', f'/v1/instances/{ref}?force=1')
        os.close(memfd)
        os.close(mem)
        self.settles(before)

    def test_half_a_request_with_descriptors(self):
        if not AS_ROOT:
            print('\nSKIP passed-leak: needs root to look into the daemon')
            self.skipTest('needs root')
        before = self.held()
        for _ in range(20):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(self.d.socket))
            s.sendmsg([b'GET /v1/in'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                         array.array('i', [self.null] * 200))])
            s.close()
        self.settles(before)


if __name__ == '__main__':
    unittest.main(verbosity=2)
