#!/usr/bin/env python3
"""What `policy explain` says, against a daemon that enforces it: the guest gets
the errors that were foretold, the kernel holds the limits that it is said to."""
import os
import pathlib
import re
import subprocess
import time
import unittest

from wasmd import AS_ROOT, BUILD, TENANT_UID, Daemon, guest

# Operations of tests/guest/fs.c as calls.
CALLS = {'open': 'path_open {} read', 'create': 'path_open {} write create', 'stat': 'path_filestat_get {}',
         'mkdir': 'path_create_directory {}', 'unlink': 'path_unlink_file {}',
         'rename': 'path_rename {} {}', 'link': 'path_link {} {}'}

TRIED = '''
open /in/a.txt
open /in/b.png
open /in/secret.txt
stat /in/secret.txt
create /in/a.txt
create /in/new
create /out/new
create /out/full/new
mkdir /out/.git
mkdir /out/dir
open /out/file
unlink /out/file
unlink /in/a.txt
rename /out/d /out/e
rename /out/file /out/gone
rename /out/file /out/.git
rename /in/a.txt /out/b
rename /out/x /in/b
link /out/file /out/again
link /out/file /tmp/again
link /free/f /tmp/again
rename /free/f /out/again
rename /free/f /free/g
link /free/f /free/g
link /in/a.txt /out/again
stat /only/a.txt
stat /only/b.png
open /only/a.txt
open /only/b.png
create /tmp/a
mkdir /tmp/d
open /nowhere/a
'''

RULES = [
    {'id': 'secret', 'on': 'fs.read', 'path': '/in/secret*', 'then': 'deny'},
    {'id': 'full', 'on': 'fs.create', 'path': '/out/full/*', 'then': {'errno': 'nospc'}},
    {'id': 'git', 'on': ['fs.write', 'fs.create', 'fs.delete'], 'path': '/out/**/.git{,/**}', 'then': 'deny'},
    {'id': 'keep', 'on': 'path_unlink_file', 'then': 'deny'},
    {'id': 'try', 'on': 'fs.create', 'path': '/tmp/**', 'then': 'deny', 'mode': 'complain'},
]

LIMITS = {'memory': '64MiB', 'fuel': 10**15, 'cpu': '100s', 'wall': '100s', 'stack': '64KiB', 'fds': 32,
          'output': '1MiB', 'disk': '1MiB', 'host_calls': 10**9}


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        for name in ('fs', 'spin'):
            cls.d.ctl('module', 'load', guest(name), '--name', name, check=0)

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def explained(self, file, call):
        r = self.d.ctl('policy', 'explain', file, *call.split(), check=0)
        return re.match(r'(allow|deny \((\w+)\)|kill)', r.out)

    def fill(self):
        """Two directories, of which every run finds the same."""
        subprocess.run(['sh', '-c', 'rm -rf in out free; mkdir -p in out/full out/d free; touch in/a.txt in/b.png '
                        'in/secret.txt out/file out/x free/f'], cwd=self.d.data, check=True)
        for path in [*self.d.data.rglob('*')] if AS_ROOT else []:
            os.chown(path, TENANT_UID, TENANT_UID)

    def test_the_guest_gets_what_was_foretold(self):
        data, compared = self.d.data, set()
        policy = self.d.policy(args=True, rules=RULES, mounts=[
            {'host': f'{data}/in', 'guest': '/in'}, {'host': f'{data}/out', 'guest': '/out', 'access': 'rw'},
            {'host': f'{data}/free', 'guest': '/free', 'access': 'rw'},
            {'host': f'{data}/in', 'guest': '/only', 'only': ['*.png']}, {'tmpfs': '1MiB', 'guest': '/tmp'}])
        for line in TRIED.strip().splitlines():
            op, *paths = line.split()
            with self.subTest(line):
                said = self.explained(policy, CALLS[op].format(*paths))
                self.fill()
                r = self.d.ctl('run', '--rm', '--policy', policy, 'fs', op, *paths)
                got = r.out.strip().rstrip(',')
                got = {'No space left on device': 'nospc', 'Cross-device link': 'xdev'}.get(got, got)
                compared.add(got)
                self.assertEqual(said.group(2) or 'ok', got, (said.group(0), r.out, r.err))
        self.assertTrue({'ok', 'acces', 'noent', 'notcapable', 'nospc', 'xdev'} <= compared, compared)

    def rlimits(self, limits):
        """The soft rlimits of a worker under @limits."""
        r = self.d.ctl('run', '-d', '--policy', self.d.policy(limits=limits), 'spin', check=0)
        pid, deadline = None, time.time() + 60
        while pid is None and time.time() < deadline:
            for p, _ in self.d.leftovers():
                try:
                    stat = pathlib.Path(f'/proc/{p}/stat').read_text().rsplit(')', 1)[1].split()
                    if pathlib.Path(f'/proc/{stat[1]}/comm').read_text() == 'wasmd-zygote\n' and \
                            int(stat[11]) > 5:
                        pid = p
                except OSError:
                    pass
            time.sleep(0.05)
        text = pathlib.Path(f'/proc/{pid}/limits').read_text()
        self.d.ctl('kill', r.out.strip(), check=0)
        self.d.ctl('rm', '-f', r.out.strip(), check=0)
        return dict(re.findall(r'^(Max [a-z ]+?)  +(\w+)', text, re.M))

    def test_rlimits_are_those_that_stand(self):
        if 'sanitize=address' in (BUILD / 'build.ninja').read_text():
            expected = {'cpu', 'fds', 'disk'}  # whose shadow is data too
        else:
            expected = {'memory', 'cpu', 'fds', 'disk'}
        table = self.d.ctl('policy', 'explain', '--fences', self.d.policy(limits=LIMITS), check=0).out
        told = {m for m in re.findall(r'^limits\.(\w+) .*\brlimits\b', table, re.M)}
        self.assertEqual(len(re.findall(r'^limits\.', table, re.M)), len(LIMITS))
        bare = self.rlimits({})
        found = {k for k, v in LIMITS.items() if self.rlimits({k: v}) != bare}
        self.assertEqual(found, expected)
        self.assertEqual(told, {'memory', 'cpu', 'fds', 'disk'})


if __name__ == '__main__':
    unittest.main()
