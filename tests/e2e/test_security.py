"""Fences seen from outside: identities, mounts, what a guest can reach."""
import json
import os
import signal
import unittest

from wasmd import AS_ROOT, OTHER_UID, TENANT_UID, Daemon, guest


class Security(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        for name in ('wc', 'rw', 'attack', 'hello', 'spin'):
            cls.d.ctl('module', 'load', guest(name), '--name', name, check=0)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def test_the_daemon_is_nobodys_deputy(self):
        if not AS_ROOT:
            print('\nSKIP two-uids: needs root')
            return
        private = self.d.data / 'private'
        private.mkdir()
        (private / 'diary.txt').write_text('dear diary\n')
        for p in (private, private / 'diary.txt'):
            os.chown(p, TENANT_UID, TENANT_UID)
        private.chmod(0o700)
        mount = ('-v', f'{private}:/in:ro')
        self.d.ctl('run', '--rm', *mount, 'wc', '/in/diary.txt', check=0, user=TENANT_UID)
        self.d.ctl('module', 'load', guest('wc'), '--name', 'wc', check=0, user=OTHER_UID)
        r = self.d.ctl('run', '--rm', *mount, 'wc', '/in/diary.txt', user=OTHER_UID)
        self.assertEqual(r.returncode, 125, r.err)
        self.assertIn(str(private), r.err)
        # a file that the other may not read, in a directory that they may enter
        (self.d.data / 'key').write_text('k\n')
        os.chown(self.d.data / 'key', TENANT_UID, TENANT_UID)
        (self.d.data / 'key').chmod(0o600)
        r = self.d.ctl('run', '--rm', '-v', f'{self.d.data}:/in:ro', 'wc', '/in/key', check=1,
                       user=OTHER_UID)
        self.assertIn('Permission denied', r.err)
        # nor what only root may read
        (self.d.data / 'rootkey').write_text('k\n')
        (self.d.data / 'rootkey').chmod(0o600)
        r = self.d.ctl('run', '--rm', '-v', f'{self.d.data}:/in:ro', 'wc', '/in/rootkey', check=1)
        self.assertIn('Permission denied', r.err)

    def test_unmapped_uids_may_do_nothing(self):
        if not AS_ROOT:
            print('\nSKIP unmapped-uid: needs root')
            return
        for args in (('ps',), ('run', 'wc'), ('module', 'ls')):
            r = self.d.ctl(*args, user=64999)
            self.assertEqual(r.returncode, 125, r.out)
            self.assertIn('tenant', r.err)

    def test_ceiling(self):
        if not AS_ROOT:
            print('\nSKIP ceiling: needs root')
            return
        r = self.d.ctl('run', '--rm', '-v', '/usr:/in:ro', 'hello', check=125)
        self.assertIn('/usr', r.err)
        link = self.d.data / 'out'
        link.symlink_to('/usr')
        r = self.d.ctl('run', '--rm', '-v', f'{link}:/in:ro', 'hello', check=125)
        link.unlink()

    def test_another_tenants_things_never_were(self):
        if not AS_ROOT:
            print('\nSKIP tenants-apart: needs root')
            return
        self.d.ctl('run', '-d', '--name', 'mine', 'spin', check=0, user=TENANT_UID)
        mine = json.loads(self.d.ctl('inspect', 'mine', '-o', 'json', check=0, user=TENANT_UID).out)
        for ref in ('mine', mine['id']):
            theirs = self.d.ctl('kill', ref, check=127, user=OTHER_UID).err
            never = self.d.ctl('kill', 'n' * len(ref), check=127, user=OTHER_UID).err
            self.assertEqual(theirs.replace(ref, 'X'), never.replace('n' * len(ref), 'X'))
        self.assertEqual(self.d.ctl('ps', '-a', '-o', 'name', user=OTHER_UID, check=0).out.strip(), '')
        self.d.ctl('run', mine['module'], check=127, user=OTHER_UID)
        self.d.ctl('kill', 'mine', check=0, user=TENANT_UID)
        self.d.ctl('rm', 'mine', check=0, user=TENANT_UID)

    def test_no_way_out_of_a_mount(self):
        box = self.d.data / 'box'
        box.mkdir()
        (self.d.data / 'outside.txt').write_text('outside\n')
        (box / 'file.txt').write_text('inside\n')
        (box / 'sub').mkdir()
        (box / 'abs').symlink_to('/etc/passwd')
        (box / 'dots').symlink_to('../outside.txt')
        (box / 'parent').symlink_to('..')
        (box / 'dangling').symlink_to('../planted.txt')
        os.mkfifo(box / 'fifo')
        r = self.d.ctl('run', '--rm', '-v', f'{box}:/box:ro', 'attack', '/box')
        self.assertGreater(len(r.out.splitlines()), 10, r.err)
        for line in r.out.splitlines():
            self.assertNotRegex(line, r'(?i):\s*(success|ok)\s*$', r.out)
        self.assertEqual((box / 'file.txt').read_text(), 'inside\n')
        self.assertEqual((self.d.data / 'outside.txt').read_text(), 'outside\n')
        self.assertFalse((self.d.data / 'planted.txt').exists())
        self.assertEqual(sorted(p.name for p in box.iterdir()),
                         ['abs', 'dangling', 'dots', 'fifo', 'file.txt', 'parent', 'sub'])

    def test_a_required_fence_that_is_missing(self):
        stand = self.d.http('GET', '/v1/info')[1]['fences']['stand']
        p = self.d.policy(isolation={'require': ['seccomp', 'cgroup']})
        r = self.d.ctl('run', '--rm', '--policy', p, 'hello', check=0 if 'cgroup' in stand else 125)
        if 'cgroup' not in stand:
            self.assertIn('cgroup', r.err)
            self.assertIn('isolation.require', r.err)
            self.assertEqual(r.out, '')

    def test_a_forbidden_system_call_is_recorded(self):
        ident = self.d.ctl('run', '-d', 'spin', check=0).out.strip()
        os.kill(self.d.spinner(), signal.SIGSYS)  # what the kernel sends for one
        self.d.ctl('wait', ident)
        i = json.loads(self.d.ctl('inspect', ident, '-o', 'json', check=0).out)
        self.assertEqual(i['exit']['cause'], 'violation')
        lines = [json.loads(x) for x in (self.d.state / 'audit.jsonl').read_text().splitlines()]
        mine = [x for x in lines if x.get('instance') == ident]
        self.assertEqual(mine[-1]['source'], 'kernel')
        self.d.ctl('rm', ident, check=0)

    def test_nothing_stays_behind(self):
        for n in range(5):
            self.d.ctl('run', '--rm', 'hello', check=0)
        self.assertEqual(self.d.http('GET', '/v1/instances?all=1')[1]['instances'], [])


class Stopping(unittest.TestCase):
    def test_stop_leaves_no_process(self):
        d = Daemon().start()
        try:
            d.ctl('module', 'load', guest('spin'), '--name', 'spin', check=0)
            d.ctl('run', '-d', '--name', 'a', 'spin', check=0)
            before = [pid for pid, _ in d.leftovers()]
            self.assertGreater(len(before), 3)  # priv, front, zygote, worker
            self.assertEqual(d.stop(), 0)
            self.assertEqual([p for p in before if os.path.exists(f'/proc/{p}')], [])
            self.assertFalse(d.socket.exists())
            d.start()
            i = json.loads(d.ctl('inspect', 'a', '-o', 'json', check=0).out)
            self.assertEqual(i['state'], 'exited')
        finally:
            d.__exit__(None, None, None)


if __name__ == '__main__':
    unittest.main(verbosity=2)
