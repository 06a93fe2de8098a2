"""Grants say what exists: an empty tmpfs, of the size that was named."""
import unittest

from wasmd import Daemon, guest


class Grants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        for name in ('put', 'walk'):
            cls.d.ctl('module', 'load', guest(name), '--name', name, check=0)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def run_with(self, doc, *args, check=None):
        return self.d.ctl('run', '--rm', '--policy', self.d.policy(args=True, **doc), *args,
                          check=check)

    # ---- tmpfs -------------------------------------------------------------

    def tmpfs(self, size, *args, **more):
        return self.run_with({'mounts': [{'tmpfs': size, 'guest': '/tmp', **more}]}, *args)

    def test_tmpfs_is_written_and_read_back(self):
        r = self.tmpfs('1MiB', 'put', '/tmp/a')
        self.assertEqual((r.returncode, r.out), (0, 'same\n'), r.err)

    def test_tmpfs_is_fresh_and_nothing_stays_on_the_host(self):
        before = sorted(self.d.data.rglob('*'))
        self.tmpfs('1MiB', 'put', '/tmp/a')
        r = self.tmpfs('1MiB', 'walk', '/tmp')
        self.assertEqual((r.returncode, r.out), (0, ''), r.err)
        self.assertEqual(sorted(self.d.data.rglob('*')), before)
        self.assertNotIn('abcdefghijklmnopqrstuvwxyzabcdef', self.everything_kept())

    def everything_kept(self):
        return ''.join(p.read_text(errors='replace') for p in self.d.state.rglob('*')
                       if p.is_file())

    def test_tmpfs_is_full_at_its_size(self):
        r = self.tmpfs('64KiB', 'put', '/tmp/a')
        self.assertEqual(r.returncode, 1, r.out)
        self.assertIn('put: No space left on device', r.err)

    def test_tmpfs_that_is_only_read(self):
        r = self.tmpfs('64KiB', 'put', '/tmp/a', access='ro')
        self.assertEqual(r.returncode, 1, r.out)
        self.assertRegex(r.err, 'put: .*(Capabilities insufficient|Read-only file system)')

    def test_tmpfs_beside_a_directory(self):
        (self.d.data / 'in.txt').write_text('x')
        r = self.run_with({'mounts': [{'host': str(self.d.data), 'guest': '/in'},
                                      {'tmpfs': '64KiB', 'guest': '/tmp'}]},
                          'walk', '/in', '/tmp', check=0)
        self.assertIn('f 1 /in/in.txt', r.out)


if __name__ == '__main__':
    unittest.main(verbosity=2)
