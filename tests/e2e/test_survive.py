"""What runs outlives the daemon: a front killed, priv killed, a restart; and who may claim it."""
import datetime
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import time
import unittest

from test_life import Attached
from wasmd import AS_ROOT, BUILD, OTHER_UID, TENANT_UID, Daemon, guest

LIMITED = {'args': True, 'clock': {'resolution': '1ms'}}


def processes():
    """pid -> (name, parent)"""
    all = {}
    for p in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            stat = (p / 'stat').read_text()
        except OSError:
            continue
        all[int(p.name)] = (stat[stat.index('(') + 1:stat.rindex(')')],
                            int(stat[stat.rindex(')') + 2:].split()[1]))
    return all


def alive(pid):
    try:
        stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
        return stat[stat.rindex(')') + 2] != 'Z'
    except OSError:
        return False


def until(what, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        if got := what():
            return got
        time.sleep(0.02)
    raise AssertionError('it did not come to that')


class Survive(unittest.TestCase):
    def setUp(self):
        self.d = Daemon().start()
        self.zygotes, self.listening = set(), {}
        for name in ('tick', 'front'):
            self.assertEqual(self.d.load(guest(name).read_bytes(), name).status, 201)
        self.assertEqual(
            self.d.load(guest('reactor', '-mexec-model=reactor').read_bytes(), 'r').status, 201)

    def tearDown(self):
        """Nothing is left when SIGINT has ended the daemon, of it or of its predecessors."""
        self.note()
        if self.d.proc.poll() is not None:
            self.d.start()
        homes = self.d.state / 'zygotes'
        try:
            self.assertEqual(self.d.stop(), 0)
            until(lambda: not any(map(alive, self.zygotes)))
            self.assertEqual(list(homes.iterdir()), [])
        finally:
            self.d.close()

    # ---- helpers ----

    def children(self, pid, name):
        return [p for p, (n, parent) in processes().items() if n == name[:15] and parent == pid]

    def front(self):
        return until(lambda: self.children(self.d.proc.pid, 'wasmd-front'))[0]

    def note(self):
        """Zygotes that there are, while somebody still knows."""
        found = self.children(self.d.proc.pid, 'wasmd-zygote')
        self.zygotes.update(found)
        return found

    def begin(self, *args, module='tick', limits=None, **more):
        policy = dict(LIMITED, limits=limits or {})
        made = self.d.create(module=module, args=list(map(str, args)), policy=policy, **more)
        self.assertEqual(made.status, 201, made.body)
        started = self.d.call('POST', f'/v1/instances/{made.json["id"]}/start')
        self.assertEqual(started.status, 200, started.body)
        self.note()
        return made.json['id']

    def kill_front(self):
        self.note()
        os.kill(self.front(), signal.SIGKILL)
        self.wait_up()

    def wait_up(self):
        def up():
            try:
                return self.d.http('GET', '/v1/info')[0] == 200
            except (OSError, http.client.HTTPException):
                return False
        until(up)

    def without_front(self):
        """Kills the front, and keeps priv from starting another."""
        self.note()
        front = self.front()
        os.kill(self.d.proc.pid, signal.SIGSTOP)
        os.kill(front, signal.SIGKILL)
        until(lambda: not alive(front))

    def with_front(self):
        os.kill(self.d.proc.pid, signal.SIGCONT)
        self.wait_up()

    def restart(self, sig):
        self.note()
        front = self.front()
        self.d.stop(sig)
        until(lambda: not alive(front))
        self.d.start()

    def zygote_of(self, ref):
        """The kernel's word on who listens for callers."""
        digest = self.get(ref)['module'].split(':')[1]
        if digest not in self.listening:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            home = next(p for p in (self.d.state / 'zygotes').glob('*.is')
                        if os.readlink(p).split('/')[1] == digest)
            os.chdir(home.parent)
            s.connect(home.name[:-3])
            os.chdir('/')
            cred = s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            self.listening[digest] = int.from_bytes(cred[:4], 'little')
            self.assertIn(self.listening[digest], self.zygotes)
            s.close()
        return self.listening[digest]

    def worker_of(self, ref):
        """Its process, by our numbers; 0 when it has ended."""
        inner = self.get(ref)['pid']
        for pid in self.children(self.zygote_of(ref), 'wasmd-zygote'):
            try:
                status = pathlib.Path(f'/proc/{pid}/status').read_text()
            except OSError:
                continue
            if int(status.split('NSpid:')[1].split('\n')[0].split()[-1]) == inner:
                return pid
        return 0

    def get(self, ref):
        return self.d.call('GET', f'/v1/instances/{ref}').json

    def wait(self, ref):
        return self.d.call('POST', f'/v1/instances/{ref}/wait').json

    def text(self, ref):
        return self.d.call('GET', f'/v1/instances/{ref}/logs').body.decode()

    def ended_at(self, i):
        at = datetime.datetime.strptime(i['finished'][:23].rstrip('Z'), '%Y-%m-%dT%H:%M:%S.%f')
        return at.replace(tzinfo=datetime.timezone.utc).timestamp()

    def ticks(self, n):
        return ''.join(f'tick {i}\n' for i in range(1, n + 1))

    # ---- the front alone ----

    def test_goes_on(self):
        ref = self.begin(60, 50, 7)
        self.kill_front()
        i = self.get(ref)
        self.assertEqual((i['state'], i['exit']), ('running', None))
        i = self.wait(ref)
        self.assertEqual((i['exit']['cause'], i['exit']['status']), ('exited', 7), i)
        self.assertEqual(self.text(ref), self.ticks(60))
        self.assertGreaterEqual(i['usage']['wall_ns'], 3_000_000_000)
        self.assertEqual(self.d.run('tick', '1', '1').json['stdout'], 'tick 1\n')

    def test_ends_meanwhile(self):
        refs = {self.begin(3, 200, 9): ('exited', 9),
                self.begin('trap', module='front'): ('trap', 134),
                self.begin(10000, 1000, limits={'wall': '900ms'}): ('wall', 124),
                self.begin('spin', module='front', limits={'cpu': '300ms'}): ('cpu', 152)}
        workers = [self.worker_of(ref) for ref in refs]
        self.without_front()
        until(lambda: not any(pid and alive(pid) for pid in workers))
        gone = time.time()
        time.sleep(0.5)
        self.with_front()
        for ref, (cause, status) in refs.items():
            i = self.get(ref)
            self.assertEqual((i['state'], i['exit']['cause'], i['exit']['status']),
                             ('exited', cause, status), i)
            self.assertLessEqual(self.ended_at(i), gone + 0.01)
        self.assertEqual(self.text(list(refs)[0]), self.ticks(3))

    def test_several_fronts(self):
        ref = self.begin(1000, 50)
        for _ in range(7):  # more than a front that never serves may have
            self.kill_front()
            self.assertEqual(self.get(ref)['state'], 'running')
        seen = self.text(ref)
        self.assertEqual(seen, self.ticks(seen.count('\n')))
        self.assertEqual(self.d.call('POST', f'/v1/instances/{ref}/kill').status, 200)
        self.assertEqual(self.wait(ref)['exit']['cause'], 'killed')

    def test_full_ring(self):
        ref = self.begin('count', 20000, module='front')
        self.wait(ref)
        ref = self.begin('fill', module='front', limits={'output': '4MiB'})
        self.without_front()
        time.sleep(0.3)
        self.with_front()
        self.assertEqual(self.wait(ref)['exit']['cause'], 'output')
        lines = set(self.text(ref).splitlines()[:-1])
        self.assertEqual(lines, {'0123456789' * 4})

    def test_every_line_once(self):
        """Wherever in its work the front is killed."""
        want = ''.join(f'line {i}\n' for i in range(1, 200001))
        for _ in range(3):
            ref = self.begin('count', 200000, module='front')
            for _ in range(4):
                time.sleep(random.random() * 0.05)
                self.kill_front()
            self.assertEqual(self.wait(ref)['exit']['cause'], 'exited')
            self.assertEqual(self.text(ref), want)

    def test_paused(self):
        ref = self.begin(40, 50)
        self.assertEqual(self.d.call('POST', f'/v1/instances/{ref}/pause').status, 200)
        self.kill_front()
        self.assertEqual(self.get(ref)['state'], 'paused')
        self.assertEqual(self.d.call('POST', f'/v1/instances/{ref}/resume').status, 200)
        self.assertEqual(self.wait(ref)['exit']['cause'], 'exited')
        self.assertEqual(self.text(ref), self.ticks(40))

    def test_stopping(self):
        ref = self.begin(10000, 50)
        self.without_front()
        self.with_front()
        self.assertEqual(self.d.call('POST', f'/v1/instances/{ref}/stop').status, 200)
        self.assertEqual(self.wait(ref)['exit']['cause'], 'stopped')

    def test_standard_input(self):
        ref = self.begin('echo', module='front', stdin='open')
        a = Attached(self.d, ref)
        a.send(b'before\n')
        self.assertEqual(a.next(), (1, b'before\n'))
        a.close()
        self.kill_front()
        a = Attached(self.d, ref)
        a.send(b'after\n')
        self.assertEqual(a.next(), (1, b'after\n'))
        a.send(b'')  # the end
        self.assertEqual(a.all()[3][-1]['instance']['exit']['cause'], 'exited')
        a.close()

    def test_reactor(self):
        made = self.d.create(module='r', reactor=True)
        ref = made.json['id']
        self.assertEqual(self.d.call('POST', f'/v1/instances/{ref}/start').status, 200)
        call = json.dumps({'export': 'next', 'args': []})
        path = f'/v1/instances/{ref}/call'
        before = self.d.call('POST', path, call)
        self.assertEqual(before.status, 200, before.body)
        self.kill_front()
        after = self.d.call('POST', path, call)
        self.assertEqual(after.status, 200, after.body)
        self.assertEqual(after.json['results'][0], before.json['results'][0] + 1)

    # ---- clients ----

    def ctl(self, *args):
        env = dict(os.environ, WASMD_SOCKET=str(self.d.socket))
        return subprocess.Popen([BUILD / 'ctl' / 'wasmctl', *args], env=env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_clients_come_back(self):
        ref = self.begin(80, 50, 5)
        waits, follows = self.ctl('wait', ref), self.ctl('logs', '-f', ref)
        time.sleep(0.5)
        self.kill_front()
        out, err = waits.communicate(timeout=60)
        self.assertIn(b'5', out, err)
        out, err = follows.communicate(timeout=60)
        self.assertEqual(out.decode(), self.ticks(80), err)

    def test_client_of_a_run(self):
        """Whoever runs in the foreground is gone with the front, and so is what they run."""
        run = self.ctl('run', 'front', '--', 'spin')
        ref = until(lambda: self.d.http('GET', '/v1/instances')[1]['instances'])[0]['id']
        until(lambda: self.get(ref)['state'] == 'running')
        self.note()
        worker = self.worker_of(ref)
        self.assertTrue(worker)
        self.without_front()
        until(lambda: not alive(worker))
        self.with_front()
        run.communicate(timeout=60)
        self.assertEqual(self.get(ref)['exit']['cause'], 'client')

    # ---- priv, and all of it ----

    def test_killed(self):
        ref, walled = self.begin(100, 50, 3), self.begin(10000, 100, limits={'wall': '600ms'})
        self.note()
        front = self.front()
        self.d.proc.kill()
        self.d.proc.wait()
        until(lambda: not alive(front))
        time.sleep(1)
        self.d.start()
        i = self.get(walled)
        self.assertEqual((i['state'], i['exit']['cause']), ('exited', 'wall'))
        self.assertEqual(self.get(ref)['state'], 'running')
        self.kill_front()  # and the new priv's front finds them, too
        self.assertEqual(self.wait(ref)['exit']['status'], 3)
        self.assertEqual(self.text(ref), self.ticks(100))

    def test_restart(self):
        ref = self.begin(100, 50, 4)
        for _ in range(2):
            self.restart(signal.SIGTERM)
            self.assertEqual(self.get(ref)['state'], 'running')
        self.assertEqual(self.wait(ref)['exit']['status'], 4)
        self.assertEqual(self.text(ref), self.ticks(100))

    def test_upgrade_and_back(self):
        """One of another program is drained: it goes on, and what begins, begins elsewhere."""
        old, new = self.d.options, self.d.dir / 'wasmd-zygote'
        shutil.copy(BUILD / 'daemon' / 'wasmd-zygote', new)
        new.chmod(0o755)
        first = self.begin(200, 50, 4)
        self.d.options = ['--zygote', str(new)]
        self.restart(signal.SIGTERM)
        self.assertTrue(self.get(first)['outdated'])
        second = self.begin(200, 50, 5)
        self.assertFalse(self.get(second)['outdated'])
        self.d.options = old
        self.restart(signal.SIGTERM)
        self.assertEqual([self.get(ref)['outdated'] for ref in (first, second)], [False, True])
        self.assertEqual([self.wait(ref)['exit']['status'] for ref in (first, second)], [4, 5])
        self.assertEqual([self.text(ref) for ref in (first, second)], [self.ticks(200)] * 2)
        self.d.run('tick', '1', '1')

    def test_idle_ones_end(self):
        self.wait(self.begin(1, 1))
        self.note()
        self.d.stop(signal.SIGTERM)
        until(lambda: not any(map(alive, self.zygotes)))

    def test_all_end(self):
        ref = self.begin('spin', module='front')
        self.note()
        self.d.stop(signal.SIGINT)
        until(lambda: not any(map(alive, self.zygotes)))
        self.d.start()
        self.assertEqual(self.get(ref)['exit']['cause'], 'lost')

    def test_removed_while_it_ran(self):
        ref = self.begin('spin', module='front')
        self.assertEqual(self.d.call('DELETE', f'/v1/instances/{ref}?force=true').status, 204)
        self.kill_front()
        self.assertEqual(self.d.call('GET', f'/v1/instances/{ref}').status, 404)
        self.assertEqual(self.d.http('GET', '/v1/instances')[1]['instances'], [])

    # ---- who may claim them, and what they can't do ----

    def test_one_that_does_not_answer(self):
        """It is given a while, then it is ended; the others are not lost with it."""
        mute, other = self.begin('spin', module='front'), self.begin(10000, 50)
        pid = self.zygote_of(mute)
        os.kill(pid, signal.SIGSTOP)
        self.kill_front()
        until(lambda: not alive(pid))
        self.assertEqual(self.get(mute)['exit']['cause'], 'lost')
        self.assertEqual(self.get(other)['state'], 'running')

    def test_another_caller(self):
        """While a front is there nobody else is heard, not even priv's user."""
        ref = self.begin(10000, 50)
        name = next((self.d.state / 'zygotes').glob('*.is')).name[:-3]
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.chdir(self.d.state / 'zygotes')
        s.connect(name)
        os.chdir('/')
        s.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            s.recv(1000)
        s.close()
        self.assertEqual(self.get(ref)['state'], 'running')
        self.kill_front()
        self.assertEqual(self.get(ref)['state'], 'running')

    def test_strangers(self):
        """Others, the tenant and the front itself can't so much as see the sockets."""
        self.begin(10000, 50)
        homes = self.d.state / 'zygotes'
        st = homes.stat()
        self.assertEqual((st.st_uid, st.st_mode & 0o777), (os.getuid(), 0o700))
        for home in homes.iterdir():
            if home.is_socket():
                self.assertEqual((home.stat().st_uid, home.stat().st_mode & 0o777),
                                 (os.getuid(), 0o600))
        if not AS_ROOT:
            print('\nSKIP two-uids: needs root', flush=True)
            return
        front = int(pathlib.Path(f'/proc/{self.front()}/status').read_text()
                    .split('Uid:')[1].split()[0])
        for uid in (TENANT_UID, OTHER_UID, front):
            seen = subprocess.run(['setpriv', f'--reuid={uid}', '--clear-groups', 'ls', homes],
                                  capture_output=True)
            self.assertNotEqual(seen.returncode, 0, seen)

    def test_another_tenant(self):
        """What was granted to a tenant does not pass to whoever has its place."""
        if not AS_ROOT:
            print('\nSKIP tenants-apart: needs root', flush=True)
            return
        ref = self.begin(10000, 50)
        self.note()
        self.d.stop(signal.SIGTERM)
        config = self.d.tenants()
        config['tenants'].reverse()
        self.d.config = config
        self.d.start()
        until(lambda: not any(map(alive, self.zygotes)))
        seen = [self.d.http('GET', f'/v1/instances/{ref}', headers={'Wasmd-Tenant': name})
                for name in ('alice', 'bob')]
        states = [answer[1]['exit']['cause'] for answer in seen if answer[0] == 200]
        self.assertEqual(states, ['lost'], seen)


if __name__ == '__main__':
    unittest.main()
