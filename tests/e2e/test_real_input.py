"""Real programs on real input, through the whole path; results beside native ones."""
import os
import random
import subprocess
import unittest

from wasmd import AS_ROOT, GUESTS, ROOT, TENANT_UID, Daemon, guest


def native(name, *args, stdin=None, cwd=None):
    out = GUESTS / f'{name}.native'
    out.parent.mkdir(exist_ok=True)
    subprocess.run(['clang-19', '-O2', '-D_GNU_SOURCE', ROOT / 'tests/guest' / f'{name}.c', '-o',
                    out], check=True)
    return subprocess.run([out, *args], input=stdin, capture_output=True, check=True, cwd=cwd)


def tree(top, files, seed):
    """A tree of text files under @top; returns their relative paths."""
    rnd, made = random.Random(seed), []
    for i in range(files):
        folder = top.joinpath(*[f'd{rnd.randrange(4)}' for _ in range(rnd.randrange(4))])
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f'f{i}.txt'
        path.write_text(''.join(rnd.choice('etaoin shrdlu\n') for _ in range(rnd.randrange(5000))))
        made.append(path.relative_to(top).as_posix())
    return made


class RealInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        cls.files = tree(cls.d.data / 'tree', 300, 7)
        for name in ('wc', 'walk', 'sort', 'rw', 'put', 'cat'):
            cls.d.ctl('module', 'load', guest(name), '--name', name, check=0)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def run_ro(self, name, *args, **kw):
        return self.d.ctl('run', '--rm', '-v', f'{self.d.data}/tree:/in:ro', name, '--', *args, **kw)

    def test_word_count_over_a_tree(self):
        mine = self.run_ro('wc', *['/in/' + f for f in self.files], check=0).stdout
        theirs = native('wc', *self.files, cwd=self.d.data / 'tree').stdout
        self.assertEqual(mine.replace(b'/in/', b''), theirs)

    def test_directory_walk(self):
        out = self.run_ro('walk', '/in', check=0).out
        for f in self.files:
            self.assertIn('/in/' + f, out)

    def test_sort_ten_megabytes(self):
        rnd = random.Random(3)
        lines = [b'%08x%s\n' % (rnd.getrandbits(32), b'x' * rnd.randrange(80)) for _ in range(230000)]
        text = b''.join(lines)
        self.assertGreater(len(text), 10 << 20)
        r = self.d.ctl('run', '--rm', '--memory', '256MiB', '--fuel', '1e12', '--wall', '180s', 'sort',
                       stdin=text, check=0, timeout=200)
        self.assertEqual(r.stdout, b''.join(sorted(lines)))

    def test_write_and_read_back(self):
        mount = ('-v', f'{self.d.data}:/work:rw')
        self.d.ctl('run', '--rm', *mount, 'rw', '/work', check=0)
        r = self.d.ctl('run', '--rm', *mount, 'put', '/work/made.txt', check=0)
        made = self.d.data / 'made.txt'
        self.assertEqual((made.stat().st_size, r.out), (100000, 'same\n'))
        if AS_ROOT:
            self.assertEqual((made.stat().st_uid, made.stat().st_gid), (TENANT_UID, TENANT_UID))
        else:
            self.assertEqual(made.stat().st_uid, os.getuid())

    def test_binary_through_a_pipe(self):
        blob = random.Random(1).randbytes(3 << 20)
        self.assertEqual(self.d.ctl('run', '--rm', 'cat', stdin=blob, check=0).stdout, blob)


if __name__ == '__main__':
    unittest.main(verbosity=2)
