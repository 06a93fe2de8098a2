"""Large programs that people have, under the policies of examples/, their
outputs compared with those of the same command in node.

`sh tests/real/fetch.sh DIR tools` makes them; WASMD_REAL names DIR.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'e2e'))
from wasmd import AS_ROOT, ROOT, TENANT_UID, Daemon  # noqa: E402

REAL = pathlib.Path(os.environ.get('WASMD_REAL', ROOT / '.cache' / 'real'))
TARGET = 'wasm32-unknown-wasip1'


def fetched():
    """None, or why the programs cannot be had."""
    if shutil.which('node') is None:
        return 'there is no node to compare with'
    r = subprocess.run(['sh', ROOT / 'tests/real/fetch.sh', REAL, 'tools'], capture_output=True)
    return None if r.returncode == 0 else \
        r.stderr.decode(errors='replace').strip()[-200:].replace('\n', '; ')


class Tool(unittest.TestCase):
    """One program, in the daemon and in node. `folder`: what it reads, and where."""
    name, folder, inputs = None, None, ()

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        cls.other = cls.d.dir / 'node'  # where node's results go
        cls.other.mkdir()
        cls.kept = cls.d.dir / 'kept'
        if cls.folder:
            shutil.copytree(REAL / cls.folder[0], cls.kept)
        for f in cls.inputs:
            for to in (cls.d.data, cls.other):
                shutil.copy(ROOT / 'examples' / f, to)
        cls.d.ctl('module', 'load', REAL / f'{cls.name}.wasm', '--name', cls.name, check=0,
                  timeout=240)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def policy(self):
        """examples/NAME.json, its mounts being folders of the test."""
        doc = json.loads((ROOT / 'examples' / f'{self.name}.json').read_text())
        for m in doc['mounts']:
            if 'host' in m:
                m['host'] = str(self.d.data if m['guest'] == '/job' else self.kept)
        return self.d.policy(f'{self.name}.json', **doc)

    def ours(self, *args, check=0):
        t = time.time()
        r = self.d.ctl('run', '--rm', '--policy', self.policy(), self.name, '--', *args,
                       timeout=400)
        self.assertEqual(r.returncode, check, r.err)
        if check == 0:
            self.assertNotIn('denied:', r.err)
        print(f'bar real.{self.name}_s {time.time() - t:.2f} - ok')
        return r

    def nodes(self, *args):
        grants = [f'{self.other}::/job'] + ([f'{self.kept}::{self.folder[1]}'] if self.folder else [])
        return subprocess.run(['node', '--no-warnings', ROOT / 'tests/real/oracle.mjs', *grants,
                               '--', REAL / f'{self.name}.wasm', *args], check=True, text=True,
                              capture_output=True, timeout=400)

    def same(self, name):
        a, b = (self.d.data / name).read_bytes(), (self.other / name).read_bytes()
        self.assertGreater(len(a), 0)
        self.assertEqual(a, b, f'{name} differs from node\'s')
        return a


class Llvm(Tool):
    name, folder, inputs = 'llvm', ('llvm', '/usr'), ('programs/sorted.c',)
    COMPILE = ('clang', '-cc1', '-triple', TARGET, '-O2', '-emit-obj', '-resource-dir', '/usr',
               '-isysroot', '/usr', '-internal-isystem', '/usr/include', '-internal-isystem',
               '/usr/include/wasm32-wasip1', '-o', '/job/sorted.o', '-x', 'c', '/job/sorted.c')
    LINK = ('wasm-ld', '-m', 'wasm32', '-L/usr/lib/wasm32-wasip1',
            '/usr/lib/wasm32-wasip1/crt1-command.o', '/job/sorted.o', '-lc',
            f'/usr/lib/{TARGET}/libclang_rt.builtins.a', '-o', '/job/sorted.wasm')

    def test_compiles_links_and_runs_a_program(self):
        for step in (self.COMPILE, self.LINK):
            self.ours(*step)
            self.nodes(*step)
        self.same('sorted.o')
        self.d.ctl('module', 'load', self.d.data / 'sorted.wasm', '--name', 'sorted', check=0)
        self.same('sorted.wasm')
        r = self.d.ctl('run', '--rm', 'sorted', '--', 'pear', 'apple', 'fig', check=0)
        self.assertEqual(r.out, '1 apple\n2 fig\n3 pear\n')

    def test_an_error_in_the_source_is_told(self):
        (self.d.data / 'bad.c').write_text('int main(void) { return missing; }\n')
        r = self.ours(*(w.replace('sorted', 'bad') for w in self.COMPILE), check=1)
        self.assertRegex(r.err, r"bad\.c:1:25: error: use of undeclared identifier 'missing'")

    def test_sources_stay_as_they_are(self):
        before = (self.d.data / 'sorted.c').read_bytes()
        words = ('/job/sorted.c' if w == '/job/sorted.o' else w for w in self.COMPILE)
        r = self.ours(*words, check=1)
        self.assertRegex(r.err, r'denied: path_open /job/sorted(-\w+)?\.c')  # or one beside it
        self.assertEqual((self.d.data / 'sorted.c').read_bytes(), before)


class Yosys(Tool):
    name, folder, inputs = 'yosys', ('yosys/share', '/share'), ('scripts/counter.v',)

    def test_synthesises_a_counter(self):
        script = ('read_verilog /job/counter.v; synth -top counter -noabc; '
                  'write_json /job/counter.json; tee -o /job/stat.txt stat')
        self.ours('-q', '-p', script)
        self.nodes('-q', '-p', script)
        cells = json.loads(self.same('counter.json'))['modules']['counter']['cells']
        self.assertEqual(sum(c['type'] == '$_SDFFE_PP0P_' for c in cells.values()), 8, cells)
        self.assertIn(b'counter', self.same('stat.txt'))


class Flite(Tool):
    name = 'flite'

    def test_speaks_into_a_file(self):
        words = ('-t', 'The quick brown fox jumps over the lazy dog.', '-o', '/job/fox.wav')
        self.ours(*words)
        self.nodes(*words)
        wav = self.same('fox.wav')
        self.assertEqual((wav[:4], wav[8:12]), (b'RIFF', b'WAVE'))
        self.assertGreater(len(wav), 16000)


class Speedtest(Tool):
    name = 'speedtest'

    def test_verifies(self):
        """Its own verification of what each test did; the times are our own."""
        words = ('--vfs', 'unix-none', '--size', '2', '--testset', 'main', '--verify')
        ours = self.ours(*words, '/db/speed.db').out
        there = self.nodes(*words, '/job/speed.db').stdout

        def without_times(text):
            return re.sub(r'\.*\s*\d+\.\d+s', '', text).replace('/job/', '/db/')
        self.assertIn('TOTAL', ours)
        self.assertGreater(len(ours.splitlines()), 30)
        self.assertEqual(without_times(ours), without_times(there))


if __name__ == '__main__':
    lacking = fetched()
    if lacking is not None:
        print(f'SKIP real-tools: {lacking}')
        sys.exit(77)
    unittest.main(verbosity=2)
