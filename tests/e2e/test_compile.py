"""What a module may cost before it runs, and what a first call may: limits with
names, counted for the tenant that asks."""
import json
import os
import pathlib
import sys
import threading
import time
import unittest

from wasmd import AS_ROOT, TENANT_UID, Daemon, guest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'real'))
import bombs  # noqa: E402

# Seconds of validation: calls that each take and give a thousand values.
SLOW = [bombs.body(bombs.ONES + b'\x10\1' * 3_500_000 + b'\x1a' * 1000)] * 12
# local.get 0, local.get 1, i32.add, i32.const 3, i32.xor, local.set 0, and to memory
WORK = b'\x20\0\x20\1\x6a\x41\x03\x73\x21\0\x20\0\x20\1\x28\2\0\x36\2\4'


def slow():
    """A module that is many seconds' work and few bytes of anything new."""
    return bombs.module(bombs.section(1, bombs.vec([bombs.NOTHING, bombs.WIDE])),
                        bombs.section(3, bombs.vec([b'\0', b'\1'] + [b'\0'] * len(SLOW))),
                        bombs.MEMORY, bombs.START,
                        bombs.section(10, bombs.vec([bombs.body(b''), bombs.IDENTITY] + SLOW)))


def one_body(size):
    return bombs.one_body(WORK * (size // len(WORK)), b'\1\2\x7f')


def calls_of(n):
    """_start calls @n others, once each."""
    code = b''.join(b'\x10' + bombs.leb(i) for i in range(1, n + 1))
    return bombs.module(bombs.section(1, bombs.vec([bombs.NOTHING])),
                        bombs.section(3, bombs.leb(n + 1) + b'\0' * (n + 1)),
                        bombs.MEMORY, bombs.START,
                        bombs.section(10, bombs.leb(n + 1) + bombs.body(code) +
                                      bombs.body(b'\x41\0\x1a') * n))


def with_ceiling(**compile):
    d = Daemon()
    uid = TENANT_UID if AS_ROOT else os.getuid()
    d.config = {'tenants': [{'name': 'alice', 'uid': uid, 'clients': [os.getuid(), uid],
                             'ceiling': {'compile': compile}}], 'socket_mode': '0666'}
    return d


def spent(d):
    return d.call('GET', '/v1/info').json['compile']


class Loading(unittest.TestCase):
    def refused(self, module, says, **compile):
        with with_ceiling(**compile) as d:
            a = d.load(module, 'x')
            self.assertEqual((a.status, a.error['code']), (413, 'limit_exceeded'), a.body)
            self.assertIn(says, a.error['message'])
            self.assertIn('ceiling.compile.' + next(iter(compile)), a.error['hint'])
            self.assertEqual(spent(d)['refused'], 1)
            self.assertEqual(d.load(guest('hello').read_bytes(), 'hello').status, 201)
            self.assertEqual(d.run('hello').status, 200)
            return spent(d)

    def test_cpu_time(self):
        cost = self.refused(slow(), 'more than 1 s of cpu time', cpu_s=1)
        self.assertGreater(cost['cpu_ns'], 10**8)  # the kernel's limit counts in ticks
        self.assertEqual((cost['loads'], cost['now']), (2, 0))

    def test_wall_time(self):
        self.refused(slow(), 'more than 1 s', wall_s=1)

    def test_memory(self):
        self.refused(bombs.table(10_000_000), 'more than 16 MiB of memory', memory_mib=16)

    def test_at_once(self):
        with with_ceiling(at_once=1) as d:
            first = threading.Thread(target=d.load, args=(slow(), 'slow'))
            first.start()
            deadline = time.time() + 60
            while spent(d)['now'] == 0 and time.time() < deadline:
                time.sleep(0.01)
            a = d.load(guest('hello').read_bytes(), 'hello')
            first.join()
            self.assertEqual((a.status, a.error['code']), (429, 'quota_exceeded'), a.body)
            self.assertIn('1 modules of tenant "alice" are being loaded', a.error['message'])
            self.assertIn('ceiling.compile.at_once', a.error['hint'])
            self.assertEqual(d.load(guest('hello').read_bytes(), 'hello').status, 201)

    def test_another_tenant_has_its_own(self):
        d = with_ceiling(cpu_s=2, at_once=3)
        if not AS_ROOT:
            print('\nSKIP compile-apart: needs root')
            return
        d.config['tenants'].append({'name': 'bob', 'uid': TENANT_UID - 1,
                                    'clients': [0, TENANT_UID - 1]})
        with d:
            self.assertEqual(d.load(guest('hello').read_bytes(), 'hello').status, 201)
            bob = d.call('GET', '/v1/info', headers={'Wasmd-Tenant': 'bob'}).json['compile']
            self.assertEqual((bob['loads'], bob['cpu_ns']), (0, 0))
            self.assertEqual(bob['limits']['cpu_ns'], 30 * 10**9)
            mine = spent(d)
            self.assertEqual(mine['limits'], {'cpu_ns': 2 * 10**9, 'wall_ns': 60 * 10**9,
                                              'memory': 1 << 30, 'at_once': 3})
            self.assertEqual(mine['loads'], 1)
            self.assertGreater(mine['cpu_ns'], 0)

    def test_the_ceiling_is_checked(self):
        for bad in ({'cpu_s': 0}, {'cpu_s': 31}, {'wall_s': 61}, {'memory_mib': 1025},
                    {'at_once': '1'}, {'at_once': 33}):
            with self.subTest(bad):
                d = with_ceiling(**bad)
                with self.assertRaisesRegex(
                        RuntimeError, r'tenants\[0\].ceiling.compile.' + next(iter(bad)) +
                        ': expected a whole number from 1 to'):
                    d.start()
                d.close()


class FirstCalls(unittest.TestCase):
    """Bodies are compiled when they are called; that is the guest's own time."""
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        for name, wasm in (('body', one_body(1 << 20)), ('huge', one_body(7_000_000)),
                           ('many', calls_of(600_000)), ('wide', bombs.calls_of_wide())):
            a = cls.d.load(wasm, name)
            if a.status != 201:
                raise AssertionError(a.body)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def ends(self, cause, name, **limits):
        policy = json.dumps({'limits': {'wall': '60s', **limits}})
        a = self.d.run(name, policy=policy).json
        self.assertEqual(a['exit']['cause'], cause, a)
        return a['usage']

    def test_fuel_that_lasts(self):
        self.assertGreater(self.ends('exited', 'body', fuel=10**8)['fuel'], 10**7)
        self.assertGreater(self.ends('exited', 'many', fuel=10**9)['fuel'], 10**8)

    def test_fuel_that_does_not(self):
        for name in ('body', 'huge', 'many', 'wide'):
            with self.subTest(name):
                self.assertEqual(self.ends('fuel', name, fuel=10**6)['fuel'], 10**6)

    def test_the_same_fuel_each_time(self):
        self.assertEqual(self.ends('exited', 'body', fuel=10**8)['fuel'],
                         self.ends('exited', 'body', fuel=10**9)['fuel'])

    def test_cpu(self):
        self.ends('cpu', 'many', cpu='20ms')
        self.ends('cpu', 'wide', cpu='20ms')

    def test_wall(self):
        self.ends('wall', 'many', wall='20ms')
        self.ends('wall', 'huge', wall='10ms')


if __name__ == '__main__':
    unittest.main(verbosity=2)
