"""Limits end an instance by name, and leave the daemon as it was."""
import json
import os
import socket
import subprocess
import unittest

from wasmd import BUILD, PATIENCE, Daemon, guest


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        for name in ('spin', 'grow', 'recurse', 'chatter', 'cat', 'hello'):
            cls.d.ctl('module', 'load', guest(name), '--name', name, check=0)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def ends(self, cause, status, *args, says=None, **kw):
        r = self.d.ctl('run', '--name', 'x', *args, check=status, **kw)
        i = json.loads(self.d.ctl('inspect', 'x', '-o', 'json', check=0).out)
        self.d.ctl('rm', 'x', check=0)
        self.assertEqual(i['exit']['cause'], cause, (i['exit'], r.err))
        self.assertIn(says or cause, r.err)
        self.assertEqual(self.d.ctl('run', '--rm', 'hello', check=0).out.strip(), 'hello')
        return i

    def test_fuel_ends_a_loop(self):
        i = self.ends('fuel', 152, '--fuel', '1e7', 'spin')
        self.assertLessEqual(i['usage']['fuel'], 10_000_100)

    def test_wall_ends_a_loop(self):
        i = self.ends('wall', 124, '--wall', '300ms', 'spin')
        self.assertGreaterEqual(i['usage']['wall_ns'], 300_000_000)

    def test_wall_ends_a_blocked_read(self):
        a, b = socket.socketpair()
        with a, b:
            self.ends_with_stdin(a)

    def ends_with_stdin(self, sock):
        env = dict(os.environ, WASMD_SOCKET=str(self.d.socket))
        done = subprocess.run([BUILD / 'ctl' / 'wasmctl', 'run', '--rm', '--wall', '300ms', 'cat'],
                              stdin=sock, capture_output=True, env=env, timeout=2 * PATIENCE)
        self.assertEqual(done.returncode, 124, done.stderr)

    def test_cpu_ends_a_loop(self):
        self.ends('cpu', 152, '--cpu', '300ms', '--wall', '90s', 'spin')

    def test_recursion_ends(self):
        i = self.ends('stack', 134, 'recurse', says='call stack exhausted')
        self.assertIn('down', i['exit']['message'])

    def test_memory_grows_to_the_limit_only(self):
        for size, pages in (('16MiB', 256), ('64MiB', 1024)):
            r = self.d.ctl('run', '--rm', '--memory', size, 'grow', check=0)
            grew = int(r.out.split()[2])
            self.assertLess(grew, pages)
            self.assertGreater(grew, pages - 32)

    def test_output_limit(self):
        p = self.d.policy(args=True, limits={'output': '64KiB'})
        i = self.ends('output', 137, '--policy', p, 'chatter', '1000000')
        self.assertLessEqual(i['usage']['bytes_written'], 65536)

    def test_host_call_limit(self):
        p = self.d.policy(args=True, limits={'host_calls': 50})
        self.ends('host_calls', 137, '--policy', p, 'chatter', '100000000')


if __name__ == '__main__':
    unittest.main(verbosity=2)
