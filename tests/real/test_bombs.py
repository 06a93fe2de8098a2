"""Modules made to be large once they are loaded: each is taken within limits or
refused in a sentence, in bounded time and memory, and others are served."""
import pathlib
import re
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'e2e'))
from wasmd import Daemon, guest  # noqa: E402

from bombs import BOMBS  # noqa: E402

SECONDS, KIB = 120, 1 << 20  # of one load or run; of the largest process


class Bombs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        cls.d.ctl('module', 'load', guest('hello'), '--name', 'hello', check=0)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def largest(self):
        """(KiB, process) by the peak of what was resident, of all that live."""
        sizes = []
        for pid, name in self.d.leftovers():
            try:
                status = pathlib.Path(f'/proc/{pid}/status').read_text()
            except OSError:
                continue
            sizes += [(int(kib), name) for kib in re.findall(r'VmHWM:\s+(\d+)', status)]
        return max(sizes)

    def bounded(self, *args):
        r = self.d.ctl(*args, timeout=SECONDS)
        self.assertLess(self.largest()[0], KIB, (args, self.largest()))
        return r

    def told(self, r):
        """A failure is one sentence of ours, not a crash and no silence."""
        self.assertRegex(r.err, r'^wasmctl( module load| run)?: .*\S+ .{10,}')
        self.assertNotRegex(r.err, 'crashed|violation|lost')

    def drop(self, name, path):
        r = self.bounded('module', 'load', path, '--name', name)
        if r.returncode != 0:
            self.told(r)
            return 'refused: ' + r.err.splitlines()[0]
        r = self.bounded('run', '--rm', '--wall', '1s', '--memory', '64MiB', name)
        if r.returncode != 0:
            self.told(r)
        self.d.ctl('module', 'rm', name)
        return f'loaded; run: {r.returncode} ' + r.err.partition('\n')[0]

    def test_bombs(self):
        for name, make in BOMBS.items():
            with self.subTest(name):
                path = self.d.dir / f'{name}.wasm'
                path.write_bytes(make())
                t = time.time()
                print(f'{name:30}', self.drop(name, path), f'({time.time() - t:.1f} s)', flush=True)
                path.unlink()
                self.assertEqual(self.d.ctl('run', '--rm', 'hello', check=0).out.strip(), 'hello')


if __name__ == '__main__':
    unittest.main(verbosity=2)
