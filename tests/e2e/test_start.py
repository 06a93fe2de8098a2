"""Starts of instances: forked ahead, refused clearly, and limits that hold
whatever becomes of the daemon."""
import json
import os
import pathlib
import signal
import time
import unittest

from wasmd import AS_ROOT, Daemon, guest, until


def children(pid):
    out = []
    for p in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            stat = (p / 'stat').read_text()
        except OSError:
            continue
        if int(stat[stat.rindex(')') + 2:].split()[1]) == pid:
            out.append(int(p.name))
    return out


class Starts(unittest.TestCase):
    def setUp(self):
        self.d = Daemon().start()
        self.addCleanup(self.d.__exit__, None, None, None)
        for name in ('spin', 'hello', 'fill'):
            self.d.ctl('module', 'load', guest(name), '--name', name, check=0)

    def process(self, name):
        return [pid for pid, n in self.d.leftovers() if n == name]

    def inspect(self, name):
        return json.loads(self.d.ctl('inspect', name, '-o', 'json', check=0).out)

    def test_a_spare_waits_and_is_used_once(self):
        self.d.ctl('run', '--rm', 'hello', check=0)
        zygotes = until(lambda: [z for z in self.process('wasmd-zygote') if children(z)])
        before = {z: children(z) for z in zygotes}
        for _ in range(5):
            self.assertEqual(self.d.ctl('run', '--rm', 'hello', check=0).out, 'hello\n')
        until(lambda: any(children(z) and not set(children(z)) & set(before[z]) for z in zygotes),
              why=f'a spare of {before} is still there')

    def test_a_dead_spare_is_replaced(self):
        self.d.ctl('run', '--rm', 'hello', check=0)
        for z in self.process('wasmd-zygote'):
            for spare in children(z):
                os.kill(spare, signal.SIGKILL)
        self.assertEqual(self.d.ctl('run', '--rm', 'hello', check=0).out, 'hello\n')

    def test_many_at_once(self):
        ids = [f's{n}' for n in range(10)]
        for name in ids:
            self.d.ctl('run', '-d', '--name', name, 'spin', check=0)
        for name in ids:
            self.d.ctl('kill', name, check=0)
            self.d.ctl('rm', name, check=0)
        self.assertEqual(self.d.ctl('run', '--rm', 'hello', check=0).out, 'hello\n')

    def test_wall_holds_while_the_front_is_stopped(self):
        self.d.ctl('run', '-d', '--name', 'w', '--wall', '3s', 'spin', check=0)
        front, worker = self.process('wasmd-front')[0], self.d.spinner()
        os.kill(front, signal.SIGSTOP)
        try:
            until(lambda: not pathlib.Path(f'/proc/{worker}').exists())
        finally:
            os.kill(front, signal.SIGCONT)
        until(lambda: self.inspect('w')['state'] == 'exited')
        self.assertEqual(self.inspect('w')['exit']['cause'], 'wall')

    def fill(self, files, bytes_each, limit):
        name = f'f{time.monotonic_ns()}'
        p = self.d.policy(args=True, limits={'disk': limit}, mounts=[
            {'host': str(self.d.data), 'guest': '/out', 'access': 'rw'}])
        r = self.d.ctl('run', '--name', name, '--policy', p, 'fill', '--', '/out', str(files),
                       str(bytes_each))
        return r, self.inspect(name)

    def test_disk_counts_all_files_together(self):
        r, i = self.fill(4, 16384, '40KiB')
        self.assertEqual((r.returncode, i['exit']['cause']), (137, 'disk'), r.err)
        self.assertIn('limits.disk', r.err)
        self.assertEqual(sum(f.stat().st_size for f in self.d.data.iterdir()), 40960)

    def test_disk_counts_what_is_written_twice(self):
        self.assertEqual(self.fill(1, 16384, '40KiB')[0].out, 'wrote 16384\n')
        r, i = self.fill(1, 30000, '40KiB')  # the size set after it is more than what is left
        self.assertEqual((r.out, i['exit']['cause']), ('wrote 30000\n', 'disk'))
        self.assertEqual((self.d.data / 'sized').stat().st_size, 16384)

    def test_disk_is_enough(self):
        r, i = self.fill(4, 16384, '80KiB')
        self.assertEqual((r.returncode, i['exit']['cause'], r.err), (0, 'exited', ''))


def limited(*limits):
    """A daemon under prlimit's LIMITS, not started yet; its front shares its uid with no
    other daemon's on this machine."""
    d = Daemon()
    if AS_ROOT:
        d.config = {**d.tenants(), 'front_user': str(2_000_000 + os.getpid())}
    inner = d.command
    d.command = lambda: ['prlimit', *limits, *inner()]
    return d


class FullTables(unittest.TestCase):
    def test_few_descriptors_are_a_clear_error(self):
        with limited('--nofile=90:90') as d:
            d.ctl('module', 'load', guest('hello'), '--name', 'hello', check=0)
            for _ in range(3):
                r = d.ctl('run', '--rm', 'hello', check=125)
                self.assertIn('open files', r.err)
            d.http('GET', '/v1/info')

    def test_no_process_is_a_clear_error(self):
        if not AS_ROOT:
            print('\nSKIP pid-table: needs root', flush=True)
            return
        with limited('--nproc=4') as d:
            d.ctl('module', 'load', guest('spin'), '--name', 'spin', check=0)
            failed = None
            for n in range(8):
                r = d.ctl('run', '-d', '--name', f'n{n}', 'spin')
                show = lambda: json.loads(d.ctl('inspect', f'n{n}', '-o', 'json', check=0).out)
                i = until(lambda: (i := show())['state'] in ('running', 'exited') and i)
                if i['state'] == 'exited':
                    failed = i
                    break
            self.assertIsNotNone(failed)
            self.assertEqual(failed['exit']['cause'], 'failed')
            self.assertIn('no process for the instance', failed['exit']['message'])
            self.assertIn('pid_max', failed['exit']['message'])
            d.ctl('kill', 'n0', check=0)  # room again
            until(lambda: d.ctl('run', '--rm', '--wall', '100ms', 'spin').returncode == 124)


if __name__ == '__main__':
    unittest.main(verbosity=2)
