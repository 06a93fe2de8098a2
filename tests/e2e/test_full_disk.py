"""The state directory's disk is full: a clear error, and nothing left behind."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import unittest

from wasmd import AS_ROOT, Daemon, guest, until


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.d = Daemon()
        mount = ['mount', '-t', 'tmpfs', '-o', 'size=6m,mode=0755', 'wasmd-test', self.d.state]
        if not AS_ROOT or subprocess.run(mount).returncode != 0:
            print('\nSKIP full-disk: needs root, and the right to mount', flush=True)
            self.skipTest('needs root, and the right to mount')
        self.addCleanup(self.end)
        self.d.start()
        self.assertEqual(self.d.load(guest('front').read_bytes(), 'guest').status, 201)

    def end(self):
        try:
            self.d.stop()
        finally:
            subprocess.run(['umount', '-l', self.d.state], check=True)
            self.d.close()

    def fill(self):
        with open(self.d.state / 'filler', 'wb', buffering=0) as f:
            try:
                while f.write(bytes(4096)) == 4096:
                    pass
            except OSError:
                pass

    def clear(self, answer):
        self.assertIn(answer.status, (429, 500), answer.body)
        self.assertRegex(answer.error['message'], 'disk is full|No space left')

    def stored(self):
        return sorted(os.listdir(self.d.state / 'modules')), os.listdir(self.d.state / 'modules/tmp')

    def test_uploads(self):
        before = self.stored()
        self.clear(self.d.load(guest('hello').read_bytes() + bytes(8 << 20), 'large'))
        self.assertEqual(self.stored(), before)
        self.fill()
        self.clear(self.d.load(guest('hello').read_bytes(), 'small'))
        self.assertEqual(self.stored(), before)
        self.assertEqual(self.d.call('GET', '/v1/modules/small').status, 404)
        (self.d.state / 'filler').unlink()
        self.assertEqual(self.d.load(guest('hello').read_bytes(), 'small').status, 201)

    def test_instances(self):
        self.fill()
        text = '{"args": true, "env": {"set": {"X": "' + 'x' * 4000 + '"}}}'
        refused = [a for a in (self.d.create(module='guest', name=f'n{k}', policy=text + ' ' * k)
                               for k in range(300)) if a.status != 201]
        self.assertTrue(refused)
        for a in refused:
            self.clear(a)
        names = {i['name'] for i in self.d.call('GET', '/v1/instances').json['instances']}
        self.assertEqual(len(names), 300 - len(refused))
        self.assertEqual(self.d.run('guest').json['stdout'], 'hello\n')  # needs no disk
        (self.d.state / 'filler').unlink()
        self.assertEqual(self.d.create(module='guest', name='after').status, 201)
        ref = self.d.create(module='guest', args=['hello']).json['id']
        self.fill()
        self.d.call('POST', f'/v1/instances/{ref}/start')
        i = self.d.call('POST', f'/v1/instances/{ref}/wait').json
        self.assertEqual(i['exit']['cause'], 'exited')

    def end_on_a_full_disk(self):
        ref = self.d.create(module='guest', args=['spin'], policy={
            'args': True, 'env': {'set': {'X': 'x' * 4000}}}).json['id']
        self.assertEqual(self.d.call('POST', f'/v1/instances/{ref}/start').status, 200)
        (self.d.state / 'logs/alice' / f'{ref}.log').write_bytes(b'')  # makes no room
        self.fill()
        return ref

    def test_an_end_is_recorded_once_there_is_room(self):
        ref = self.end_on_a_full_disk()
        i = self.d.call('POST', f'/v1/instances/{ref}/kill').json
        self.assertEqual(i['exit']['cause'], 'killed')
        (self.d.state / 'filler').unlink()
        self.recorded(ref, ['exited'])
        self.d.stop(signal.SIGKILL)
        self.d.start()
        self.assertEqual(self.d.call('GET', f'/v1/instances/{ref}').json['exit']['cause'], 'killed')

    def test_an_end_that_was_never_recorded_is_told_again(self):
        """Its zygote keeps it until it is on record, whichever daemon records it."""
        ref = self.end_on_a_full_disk()
        i = self.d.call('POST', f'/v1/instances/{ref}/kill').json
        self.assertEqual(i['exit']['cause'], 'killed')
        self.d.stop(signal.SIGKILL)
        (self.d.state / 'filler').unlink()
        self.d.start()
        after = self.d.call('GET', f'/v1/instances/{ref}').json
        self.assertEqual((after['exit']['cause'], after['starts']), ('killed', 1))
        self.recorded(ref, ['exited'])

    def test_what_stays_on_record_is_not_called_gone(self):
        created = [self.d.create(module='guest').json['id'] for _ in range(60)]
        ref = self.end_on_a_full_disk()
        left = [r for r in created
                if self.d.call('DELETE', f'/v1/instances/{r}').status != 204]
        self.assertTrue(left)
        self.assertEqual(self.d.call('GET', f'/v1/instances/{left[-1]}').status, 200)
        if self.d.call('DELETE', f'/v1/instances/{ref}?force=1').status != 204:
            self.assertEqual(self.d.call('GET', f'/v1/instances/{ref}').json['state'], 'exited')
            left.append(ref)
        there = lambda: {i['id'] for i in self.d.call('GET', '/v1/instances?all=1').json['instances']}
        self.assertEqual(there(), set(left))
        (self.d.state / 'filler').unlink()
        self.recorded(ref, [] if ref not in left else ['exited'])
        self.d.stop(signal.SIGKILL)
        self.d.start()
        self.assertEqual(there(), set(left))
        self.assertEqual(self.d.call('POST', '/v1/prune').status, 200)
        for r in left:
            self.d.call('DELETE', f'/v1/instances/{r}')
        self.assertEqual(there(), set())

    def recorded(self, ref, states):
        """The daemon holds the database for itself: it is read from a copy."""
        def seen():
            with tempfile.TemporaryDirectory() as to:
                for suffix in ('', '-wal'):
                    shutil.copy(self.d.state / f'wasmd.db{suffix}', to)
                db = sqlite3.connect(f'{to}/wasmd.db')
                rows = db.execute('SELECT state FROM instances WHERE id = ?', [ref]).fetchall()
                db.close()
                return rows == [(s,) for s in states]
        until(seen)

    def denied(self, n):
        doc = {'args': True, 'mounts': [{'host': str(self.d.data), 'guest': '/in'}],
               'rules': [{'id': 'none', 'on': 'path_open', 'then': 'deny'}]}
        a = self.d.run('guest', 'open', *(f'/in/{k}' for k in range(n)), policy=json.dumps(doc))
        self.assertEqual(len(a.json['denials']), n, a.body)

    def test_audit(self):
        self.denied(3)
        for n in range(3):  # the last piece of the disk is smaller than what is to be written
            self.fill()
            self.denied(20 + n)
        (self.d.state / 'filler').unlink()
        self.denied(5)
        lines = [json.loads(x) for x in (self.d.state / 'audit.jsonl').read_text().splitlines()]
        last = lost = 0
        for line in lines:
            if line['source'] == 'daemon' and line['event'] == 'lost':
                lost += line['count']
                last += line['count']
            self.assertEqual(line['seq'], last + 1)
            last = line['seq']
        self.assertGreater(lost, 0)
        self.assertGreaterEqual(last, 3 + 20 + 21 + 22 + 5)


if __name__ == '__main__':
    unittest.main(verbosity=2)
