"""limits.disk counts the same bytes on every file system, and ends what writes more."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from wasmd import AS_ROOT, BUILD, TENANT_UID, Daemon, guest

# What is done, and the bytes that it counts.
CASES = {
    'written': ('open A {0}/a write A 1000', 1000),
    'in two files': ('open A {0}/a write A 600 open B {0}/b write B 500', 1100),
    'in two mounts': ('open A {0}/a write A 600 open B {1}/b write B 500', 1100),
    'the same bytes twice': ('open A {0}/a write A 1000 seek A 0 write A 1000', 2000),
    'the same bytes twice, by pwrite': ('open A {0}/a pwrite A 0 700 pwrite A 0 700', 1400),
    'nothing back for a shorter file': ('open A {0}/a write A 900 size A 0 seek A 0 write A 900', 1800),
    'nothing back for an emptied one': ('open A {0}/a write A 900 trunc B {0}/a write B 900', 1800),
    'nothing back for one that goes': ('open A {0}/a write A 900 close A unlink {0}/a '
                                       'open B {0}/b write B 900', 1800),
    'one that is gone and still open': ('open A {0}/a unlink {0}/a write A 900', 900),
    'a gap, by seek': ('open A {0}/a seek A 5000 write A 10', 5010),
    'a gap, by pwrite': ('open A {0}/a pwrite A 5000 10', 5010),
    'one gap once': ('open A {0}/a seek A 5000 write A 10 seek A 4000 write A 10 write A 10', 5030),
    'a gap after a cut': ('open A {0}/a write A 5000 size A 0 write A 10', 10010),
    'a gap after a cut by another': ('open A {0}/a write A 5000 trunc B {0}/a write A 10', 10010),
    'a gap that was closed again': ('open A {0}/a seek A 5000 seek A 0 write A 10', 10),
    'a gap that nothing is written behind': ('open A {0}/a write A 10 seek A 5000', 10),
    'at the end, wherever one stands': ('append A {0}/a write A 100 seek A 9000 write A 100', 200),
    'a larger size': ('open A {0}/a size A 3000 size A 2000 size A 2500', 3500),
    'allocated': ('open A {0}/a alloc A 0 8192', 8192),
    'allocated, then filled': ('open A {0}/a alloc A 0 8192 write A 8192', 16384),
    'a link, by its target': ('link 200 {0}/l', 200),
    'read': ('open A {0}/a write A 1000 seek A 0 read A 1000', 1000),
}


class Disk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shm = pathlib.Path(tempfile.mkdtemp(prefix='wasmd-test-', dir='/dev/shm'))
        cls.d = Daemon(ceiling=[{'host': '/', 'access': 'rw'}])
        if AS_ROOT:
            os.chown(cls.shm, TENANT_UID, TENANT_UID)
        cls.d.start()
        cls.d.ctl('module', 'load', guest('disk'), '--name', 'disk', check=0)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)
        shutil.rmtree(cls.shm)

    def run_ops(self, limit, mounts, ops, stdout=None):
        for m in mounts:
            if 'host' in m:
                for f in pathlib.Path(m['host']).iterdir():
                    f.unlink()
        limits = {'wall': '1m', **({'disk': limit} if limit else {})}
        p = self.d.policy(args=True, limits=limits, mounts=[
            dict(m, guest=f'/m{i}') for i, m in enumerate(mounts)])
        r = self.d.ctl('run', '--name', 'x', '--policy', p, 'disk', '--',
                       *ops.format('/m0', f'/m{len(mounts) - 1}').split())
        end = json.loads(self.d.ctl('inspect', 'x', '-o', 'json', check=0).out)['exit']
        self.d.ctl('rm', 'x', check=0)
        return r, end

    def counts(self, mounts):
        """Each case fits its own number of bytes, and not one less."""
        for name, (ops, n) in CASES.items():
            with self.subTest(name):
                r, end = self.run_ops(n, mounts, ops)
                self.assertEqual((r.out, r.err, end['cause']), ('', '', 'exited'))
                r, end = self.run_ops(n - 1, mounts, ops)
                self.assertEqual((r.returncode, end['cause']), (137, 'disk'), (r.out, r.err))
                self.assertIn('limits.disk', r.err)

    def test_on_the_disk(self):
        self.counts([{'host': str(self.d.data), 'access': 'rw'}])

    def test_on_a_tmpfs_of_the_host(self):
        self.counts([{'host': str(self.shm), 'access': 'rw'}])

    def test_on_a_granted_tmpfs(self):
        self.counts([{'tmpfs': '1MiB'}])

    def test_on_both_together(self):
        self.counts([{'tmpfs': '1MiB'}, {'host': str(self.d.data), 'access': 'rw'}])

    def test_what_fails_does_not_count(self):
        ops = ('open A {0}/a size A -1 pwrite A -5 10 alloc A -1 5 link 200 {0}/no/l '
               'link 200 {0}/a open B {0}/no/b write B 100 write A 1000')
        for limit, cause in ((1000, 'exited'), (999, 'disk')):
            r, end = self.run_ops(limit, [{'host': str(self.d.data), 'access': 'rw'}], ops)
            self.assertEqual(end['cause'], cause, (r.out, r.err))
            if cause == 'exited':
                self.assertEqual(len(r.out.splitlines()), 7, r.out)

    def test_a_full_tmpfs_is_an_error_and_the_budget_is_not(self):
        r, end = self.run_ops('4MiB', [{'tmpfs': '1MiB'}], 'open A {0}/a write A 2097152')
        self.assertEqual((end['cause'], r.out), ('exited', 'write: No space left on device\n'))

    def test_inside_a_larger_file(self):
        """The kernel's own fence is by place: it refuses where the budget would not."""
        mounts = [{'host': str(self.d.data), 'access': 'rw'}]
        self.run_ops(None, mounts, 'open A {0}/a size A 9000')
        shutil.copy(self.d.data / 'a', self.d.dir / 'kept')
        p = self.d.policy(args=True, limits={'disk': 1000}, mounts=[dict(mounts[0], guest='/m0')])

        def at(place):
            return self.d.ctl('run', '--rm', '--policy', p, 'disk', '--', 'open', 'A', '/m0/a',
                              'pwrite', 'A', place, '10', check=0).out
        self.assertEqual((at(0), at(990), at(8990)), ('', '', 'pwrite: File too large\n'))

    def test_output_to_a_file_is_not_the_disks(self):
        log = self.d.dir / 'log'
        log.write_bytes(bytes(1 << 20))
        self.d.ctl('module', 'load', guest('chatter'), '--name', 'chatter', check=0)
        p = self.d.policy(args=True, limits={'disk': 1000, 'output': '1MiB'})
        with open(log, 'ab') as out:
            subprocess.run([BUILD / 'ctl/wasmctl', '-H', self.d.socket, 'run', '--rm', '--policy', p,
                            'chatter', '--', '10000'], stdout=out, check=True, timeout=60)
        self.assertGreater(log.stat().st_size, (1 << 20) + 10000)

    def test_what_is_written_up_to_the_limit_stays(self):
        r, end = self.run_ops(1000, [{'host': str(self.d.data), 'access': 'rw'}],
                              'open A {0}/a write A 5000')
        self.assertEqual((end['cause'], (self.d.data / 'a').stat().st_size), ('disk', 1000), r.err)

    def test_a_gap_beyond_the_limit_is_not_made(self):
        for ops in ('open A {0}/a seek A 1001 write A 1', 'open A {0}/a pwrite A 9223372036854775800 1',
                    'open A {0}/a size A 9223372036854775807',
                    'open A {0}/a alloc A 0 9223372036854775807'):
            r, end = self.run_ops(1000, [{'host': str(self.d.data), 'access': 'rw'}], ops)
            self.assertEqual((end['cause'], (self.d.data / 'a').stat().st_size), ('disk', 0), r.err)

    def test_without_a_limit_nothing_counts(self):
        r, end = self.run_ops(None, [{'host': str(self.d.data), 'access': 'rw'}],
                              'open A {0}/a size A 1000000000000 seek A 5 write A 70000')
        self.assertEqual((r.out, end['cause']), ('', 'exited'), r.err)
        self.assertEqual((self.d.data / 'a').stat().st_size, 1000000000000)


if __name__ == '__main__':
    unittest.main(verbosity=2)
