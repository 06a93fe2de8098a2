"""The life of an instance: again, paused, restarted, pruned; logs, events, attached clients, calls."""
import json
import os
import struct
import threading
import time
import unittest

from wasmd import AS_ROOT, Daemon, UnixHTTP, guest, until


class Attached:
    """A client of wasmd-stream: frames of stream, three zero bytes, length, bytes."""

    def __init__(self, daemon, ref):
        self.sock = daemon.upgrade(ref, 'attach', 'wasmd-stream')

    def send(self, data, stream=0):
        self.sock.sendall(struct.pack('>B3xI', stream, len(data)) + data)

    def exactly(self, n):
        data = b''
        while len(data) < n and (part := self.sock.recv(n - len(data))):
            data += part
        return data

    def next(self):
        """(stream, bytes), or None at the end."""
        head = self.exactly(8)
        if not head:
            return None
        stream, n = struct.unpack('>B3xI', head)
        return stream, self.exactly(n)

    def all(self):
        """Bytes by stream, and the events."""
        got = {1: [], 2: [], 3: []}
        while frame := self.next():
            got[frame[0]].append(json.loads(frame[1]) if frame[0] == 3 else frame[1])
        return {1: b''.join(got[1]), 2: b''.join(got[2]), 3: got[3]}

    def close(self):
        self.sock.close()


class Life(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        assert cls.d.load(guest('front').read_bytes(), 'guest').status == 201

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def expect(self, answer, status, code=None):
        self.assertEqual(answer.status, status, answer.body)
        if code is not None:
            self.assertEqual(answer.error['code'], code)
        return answer

    def make(self, *args, **fields):
        return self.expect(self.d.create(module='guest', args=list(args), **fields), 201).json['id']

    def post(self, ref, what, status=200, code=None):
        return self.expect(self.d.call('POST', f'/v1/instances/{ref}/{what}'), status, code).json

    def show(self, ref):
        return self.d.call('GET', f'/v1/instances/{ref}').json

    def remove(self, ref):
        self.expect(self.d.call('DELETE', f'/v1/instances/{ref}?force=1'), 204)


class Again(Life):
    def test_an_ended_one_starts_again(self):
        ref = self.make('err')
        for n in (1, 2, 3):
            self.post(ref, 'start')
            i = self.post(ref, 'wait')
            self.assertEqual((i['starts'], i['exit']['cause']), (n, 'exited'))
        out = self.d.call('GET', f'/v1/instances/{ref}/logs?stream=stdout').body
        self.assertEqual(out, b'out\n' * 3)
        self.remove(ref)

    def test_pause_and_resume(self):
        ref = self.make('spin', policy={'args': True, 'limits': {'wall': '90s'}})
        self.post(ref, 'pause', 409, 'wrong_state')
        self.post(ref, 'start')
        self.assertEqual(self.post(ref, 'pause')['state'], 'paused')
        self.post(ref, 'pause', 409, 'wrong_state')
        self.assertIn(ref, [i['id'] for i in self.d.call('GET', '/v1/instances').json['instances']])
        self.assertEqual(self.post(ref, 'resume')['state'], 'running')
        self.post(ref, 'resume', 409, 'wrong_state')
        self.post(ref, 'pause')
        self.assertEqual(self.post(ref, 'stop?grace=5')['exit']['cause'], 'stopped')
        self.post(ref, 'start')
        self.post(ref, 'pause')
        self.assertEqual(self.post(ref, 'kill')['exit']['cause'], 'killed')
        self.remove(ref)

    def test_a_paused_one_uses_no_cpu(self):
        ref = self.make('spin', policy={'args': True, 'limits': {'cpu': '90s', 'wall': '90s'}})
        self.post(ref, 'start')
        pid = self.d.spinner()
        self.post(ref, 'pause')
        mine = lambda: next((s, ticks) for p, s, ticks in self.d.workers() if p == pid)
        until(lambda: mine()[0] == 'T')
        before = mine()
        time.sleep(0.5)
        self.assertEqual(mine(), before)
        self.post(ref, 'resume')
        until(lambda: mine()[1] > before[1])
        self.remove(ref)

    def test_restart(self):
        ref = self.make('spin')
        self.assertEqual(self.post(ref, 'restart')['state'], 'running')
        i = self.post(ref, 'restart?grace=5')
        self.assertEqual((i['state'], i['starts']), ('running', 2))
        self.post(ref, 'restart?grace=x', 400, 'bad_request')
        self.post(ref, 'kill')
        self.assertEqual(self.post(ref, 'restart')['starts'], 3)
        self.remove(ref)

    def test_restart_that_fails_says_why(self):
        missing = {'args': True, 'mounts': [{'host': str(self.d.dir / 'none'), 'guest': '/in',
                                             'access': 'ro'}]}
        ref = self.make('spin', policy=missing)
        self.assertGreaterEqual(self.d.call('POST', f'/v1/instances/{ref}/restart').status, 400)
        self.assertEqual(self.show(ref)['exit']['cause'], 'failed')
        self.remove(ref)


class Policies(Life):
    def test_on_failure_so_many_times(self):
        ref = self.make('exit', '3', restart='on-failure:2')
        self.post(ref, 'start')
        until(lambda: self.show(ref)['starts'] == 3)
        self.post(ref, 'wait')
        time.sleep(0.6)
        i = self.show(ref)
        self.assertEqual((i['starts'], i['restarts_at'], i['restart']), (3, None, 'on-failure:2'))
        self.remove(ref)

    def test_who_waits_is_told_of_the_next_start(self):
        ref = self.make('exit', '3', restart='on-failure:1')
        c = UnixHTTP(self.d.socket)
        c.request('POST', f'/v1/instances/{ref}/wait')
        self.post(ref, 'start')
        self.assertIsNotNone(json.loads(c.getresponse().read())['restarts_at'])
        c.close()
        until(lambda: self.show(ref)['starts'] == 2)
        self.assertIsNone(self.post(ref, 'wait')['restarts_at'])
        self.remove(ref)

    def test_a_start_that_cannot_be_made_is_a_life_of_its_own(self):
        ref = self.make('exit', '3')
        self.post(ref, 'start')
        self.assertEqual(self.post(ref, 'wait')['exit']['status'], 3)
        ref2 = self.make('hello', policy={'args': True, 'env': {'secret': {'K': 'not-there'}}})
        self.assertGreaterEqual(self.d.call('POST', f'/v1/instances/{ref2}/restart').status, 400)
        i = self.show(ref2)
        self.assertEqual((i['state'], i['exit']['cause'], i['starts']), ('exited', 'failed', 1))
        self.assertTrue(i['exit']['message'])
        for r in (ref, ref2):
            self.remove(r)

    def test_success_is_no_failure(self):
        ref = self.make('exit', '0', restart='on-failure')
        self.post(ref, 'start')
        self.post(ref, 'wait')
        time.sleep(0.3)
        self.assertEqual(self.show(ref)['starts'], 1)
        self.remove(ref)

    def test_always_until_stopped(self):
        ref = self.make('hello', restart='always')
        self.post(ref, 'start')
        until(lambda: self.show(ref)['starts'] >= 3)
        until(lambda: self.show(ref)['restarts_at'])
        until(lambda: 'exited, will restart' in self.d.ctl('ps', check=0).out)
        self.d.ctl('prune', check=0)  # it has not ended for good
        i = self.post(ref, 'stop')  # whether it lives just now or waits
        self.assertEqual((i['state'], i['restarts_at']), ('exited', None))
        time.sleep(1)
        self.assertEqual(self.show(ref)['starts'], i['starts'])
        self.remove(ref)

    def test_a_stopped_one_stays(self):
        ref = self.make('spin', restart='always')
        self.post(ref, 'start')
        self.post(ref, 'stop')
        time.sleep(0.3)
        self.assertEqual(self.show(ref)['state'], 'exited')
        self.remove(ref)

    def test_one_that_has_ended_for_good_holds_no_connection(self):
        (front,) = [pid for pid, name in self.d.leftovers() if name == 'wasmd-front']
        sockets = lambda: sum('socket:' in os.readlink(f'/proc/{front}/fd/{fd}')
                              for fd in os.listdir(f'/proc/{front}/fd'))
        missing = {'args': True, 'mounts': [{'host': '/nowhere', 'guest': '/in'}]}
        before, refs = sockets(), []
        for n in range(20):
            refs.append(self.make('hello', restart='on-failure'))
            self.post(refs[-1], 'start')
            self.post(refs[-1], 'wait')
            refs.append(self.make('spin', restart='always'))
            self.post(refs[-1], 'start')
            self.post(refs[-1], ('stop', 'kill')[n % 2])
            refs.append(self.make('hello', policy=missing))
            self.d.call('POST', f'/v1/instances/{refs[-1]}/restart')
        until(lambda: sockets() < before + 5)
        for ref in refs:
            self.remove(ref)

    def test_bad_words(self):
        for word in ('', 'never', 'on-failure:', 'on-failure:0', 'on-failure:-1', 'on-failure:1x',
                     'on-failure:99999999999999999999', 'alwaysx'):
            self.expect(self.d.create(module='guest', restart=word), 400, 'bad_request')
        self.expect(self.d.create(module='guest', stdin='closed'), 400, 'bad_request')
        self.expect(self.d.create(module='guest', reactor=1), 400, 'bad_request')


class Prune(Life):
    def test_prune(self):
        self.expect(self.d.load(guest('hello').read_bytes(), 'unused'), 201)
        ended, waits, runs = self.make('hello'), self.make('hello'), self.make('spin')
        self.post(ended, 'start')
        self.post(ended, 'wait')
        self.post(runs, 'start')
        n = self.expect(self.d.call('POST', '/v1/prune'), 200).json
        self.assertEqual((n['instances'], n['modules']), (1, 0))
        self.assertGreater(n['bytes'], 0)
        self.assertEqual(self.d.call('GET', f'/v1/instances/{ended}').status, 404)
        for ref in (waits, runs):
            self.remove(ref)
        keeps = self.make('hello')
        n = self.expect(self.d.call('POST', '/v1/prune?modules=1'), 200).json
        self.assertEqual((n['instances'], n['modules']), (0, 1))
        self.assertEqual(self.d.call('GET', '/v1/modules/unused').status, 404)
        self.assertEqual(self.d.call('GET', '/v1/modules/guest').status, 200)
        self.remove(keeps)


class Logs(Life):
    def ended(self, *args, **fields):
        ref = self.make(*args, **fields)
        self.post(ref, 'start')
        self.post(ref, 'wait')
        return ref

    def logs(self, ref, query, status=200):
        return self.expect(self.d.call('GET', f'/v1/instances/{ref}/logs?{query}'), status).body

    def follow(self, ref, query='follow=1'):
        c = UnixHTTP(self.d.socket)
        c.request('GET', f'/v1/instances/{ref}/logs?{query}')
        return c.getresponse(), c

    def test_tail_and_timestamps(self):
        ref = self.ended('count', '5')
        lines = [b'line 1\n', b'line 2\n', b'line 3\n', b'line 4\n', b'line 5\n']
        self.assertEqual(self.logs(ref, ''), b''.join(lines))
        self.assertEqual(self.logs(ref, 'tail=2'), b''.join(lines[3:]))
        self.assertEqual(self.logs(ref, 'tail=0'), b'')
        self.assertEqual(self.logs(ref, 'tail=99'), b''.join(lines))
        stamped = self.logs(ref, 'timestamps=1&tail=3').splitlines(True)
        self.assertEqual([x.split(b' ', 1)[1] for x in stamped], lines[2:])
        for x in stamped:
            self.assertRegex(x, rb'^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z line')
        for bad in ('tail=-1', 'tail=x', 'tail=1x', 'since=yesterday', 'since=', 'since=5',
                    'stream=stdin', 'since=2026-11-22', 'since=2026-11-22T10:00:00'):
            self.logs(ref, bad, 400)
        self.remove(ref)

    def test_since(self):
        ref = self.ended('hello')
        between = time.time() + 0.01
        time.sleep(0.05)
        self.post(ref, 'start')
        self.post(ref, 'wait')
        when = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(between))
        when += '.%06dZ' % (between % 1 * 1e6)
        self.assertEqual(self.logs(ref, 'since=' + when), b'hello\n')
        self.assertEqual(self.logs(ref, 'since=1h30m'), b'hello\n' * 2)
        self.assertEqual(self.logs(ref, 'since=2126-01-01T00:00:00%2B01:00'), b'')
        self.remove(ref)

    def test_follow_from_before_the_start(self):
        ref = self.make('count', '2000')
        r, c = self.follow(ref)
        self.post(ref, 'start')
        self.assertEqual(r.read(), b''.join(b'line %d\n' % n for n in range(1, 2001)))
        r, _ = self.follow(ref, 'follow=1&tail=1')
        self.assertEqual(r.read(), b'line 2000\n')
        c.close()
        self.remove(ref)

    def test_follow_sees_output_as_it_comes(self):
        ref = self.make('echo', stdin='open')
        self.post(ref, 'start')
        r, c = self.follow(ref)
        s = Attached(self.d, ref)
        s.send(b'one\n')
        self.assertEqual(r.readline(), b'one\n')
        s.send(b'two\n')
        self.assertEqual(r.readline(), b'two\n')
        s.send(b'')
        self.assertEqual(r.read(), b'')
        c.close()
        s.close()
        self.remove(ref)

    def test_a_follower_goes_away(self):
        ref = self.make('spin')
        self.post(ref, 'start')
        for _ in range(20):
            _, c = self.follow(ref)
            c.sock.close()
            c.close()
        self.assertEqual(self.show(ref)['state'], 'running')
        self.remove(ref)

    def test_removed_while_followed(self):
        ref = self.make('spin')
        r, c = self.follow(ref)
        self.remove(ref)
        self.assertEqual(r.read(), b'')
        c.close()


class Events(Life):
    def test_events(self):
        c = UnixHTTP(self.d.socket)
        c.request('GET', '/v1/events?follow=1')
        r = c.getresponse()
        ref = self.make('hello', name='told')
        self.post(ref, 'start')
        self.post(ref, 'wait')
        self.remove(ref)
        got = [json.loads(r.readline()) for _ in range(4)]
        self.assertEqual([e['event'] for e in got], ['created', 'started', 'exited', 'removed'])
        self.assertEqual({e['id'] for e in got}, {ref})
        self.assertEqual(got[2]['exit']['cause'], 'exited')
        c.close()
        lines = self.d.call('GET', '/v1/events?since=1m').body.splitlines()
        self.assertEqual([json.loads(x) for x in lines][-4:], got)
        self.assertEqual(self.d.call('GET', '/v1/events?since=2126-01-01T00:00:00Z').body, b'')
        self.expect(self.d.call('GET', '/v1/events?since=x'), 400, 'bad_request')

    def test_other_tenants_are_not_told(self):
        if not AS_ROOT:
            print('\nSKIP tenants-apart: needs root')
            self.skipTest('one tenant without root')
        self.remove(self.make('hello'))
        got = self.d.call('GET', '/v1/events', headers={'Wasmd-Tenant': 'bob'})
        self.assertEqual(self.expect(got, 200).body, b'')


class Attach(Life):
    def test_a_conversation(self):
        ref = self.make('echo', stdin='open')
        self.post(ref, 'start')
        a = Attached(self.d, ref)
        for word in (b'one\n', b'two\n'):
            a.send(word)
            self.assertEqual(a.next(), (1, word))
        a.send(b'')
        (event,) = a.all()[3]
        self.assertEqual((event['event'], event['instance']['exit']['cause']), ('exited', 'exited'))
        a.close()
        self.assertEqual(self.d.call('GET', f'/v1/instances/{ref}/logs').body, b'one\ntwo\n')
        self.expect(self.d.call('POST', f'/v1/instances/{ref}/attach'), 400, 'bad_request')
        self.remove(ref)

    def test_much_in_and_out(self):
        data = os.urandom(3 << 20)
        policy = {'args': True, 'limits': {'output': '8MiB', 'wall': '90s', 'fuel': 10**10}}
        ref = self.make('echo', stdin='open', policy=policy)
        a = Attached(self.d, ref)  # before the start: nothing is missed
        self.post(ref, 'start')
        def feed():
            for at in range(0, len(data), 70000):
                a.send(data[at:at + 70000])
            a.send(b'')
        feeder = threading.Thread(target=feed)
        feeder.start()
        got = a.all()
        feeder.join()
        self.assertEqual(got[1], data)
        self.assertEqual(got[3][-1]['event'], 'exited')
        a.close()
        self.remove(ref)

    def test_both_streams_and_two_clients(self):
        ref = self.make('err')
        clients = [Attached(self.d, ref), Attached(self.d, ref)]
        self.post(ref, 'start')
        for a in clients:
            got = a.all()
            self.assertEqual((got[1], got[2]), (b'out\n', b'err\n'))
            a.close()
        self.remove(ref)

    def test_a_client_goes_away(self):
        ref = self.make('echo', stdin='open')
        self.post(ref, 'start')
        Attached(self.d, ref).close()
        a = Attached(self.d, ref)
        a.send(b'still here\n')
        self.assertEqual(a.next(), (1, b'still here\n'))
        a.close()
        self.assertEqual(self.post(ref, 'kill')['exit']['cause'], 'killed')
        self.expect(self.d.call('POST', f'/v1/instances/{ref}/attach',
                                headers={'Connection': 'Upgrade', 'Upgrade': 'wasmd-stream'}),
                    409, 'wrong_state')
        self.remove(ref)

    def test_a_client_that_does_not_read_holds_the_guest_up(self):
        policy = {'args': True, 'limits': {'output': '100MiB', 'wall': '90s', 'fuel': 10**11}}
        ref = self.make('fill', policy=policy)
        a, b = Attached(self.d, ref), Attached(self.d, ref)
        self.post(ref, 'start')
        until(lambda: self.show(ref)['blocked'])
        self.assertEqual(self.d.run('guest').json['stdout'], 'hello\n')
        time.sleep(0.3)
        self.assertTrue(self.show(ref)['blocked'])
        b.close()  # the other one still holds it
        self.assertEqual(len(a.exactly(1 << 20)), 1 << 20)  # reading lets it go on
        until(lambda: self.show(ref)['blocked'])
        self.assertEqual(self.post(ref, 'kill')['exit']['cause'], 'killed')
        a.close()
        self.remove(ref)

    def test_a_pipe_that_nobody_reads_holds_the_guest_up(self):
        """In the foreground the guest has the client's own pipe: the daemon tells it all the same."""
        policy = {'args': True, 'limits': {'output': '100MiB', 'wall': '60s', 'fuel': 10**11}}
        ref = self.make('fill', policy=policy)
        r, w = os.pipe()
        null = os.open('/dev/null', os.O_RDWR)
        s = self.d.upgrade(ref, fds=[null, w, null])
        os.close(w)
        os.close(null)
        until(lambda: self.show(ref)['blocked'])
        self.assertIn('running, BLOCKED', self.d.ctl('ps', check=0).out)
        time.sleep(0.3)
        self.assertTrue(self.show(ref)['blocked'])
        for left in range(4 << 20, 0, -65536):  # reading lets it go on
            self.assertTrue(os.read(r, min(left, 65536)))
        until(lambda: self.show(ref)['blocked'])
        self.assertEqual(self.post(ref, 'kill')['exit']['cause'], 'killed')
        self.assertFalse(self.show(ref)['blocked'])
        s.close()
        os.close(r)
        self.remove(ref)

    def test_nonsense_frames(self):
        for bad in (b'\1\0\0\0\0\0\0\0', b'\0\0\1\0\0\0\0\1x', b'\xff' * 100):
            ref = self.make('spin')
            self.post(ref, 'start')
            a = Attached(self.d, ref)
            a.sock.sendall(bad)
            self.assertEqual([e['event'] for e in a.all()[3]], ['error'])
            a.close()
            self.assertEqual(self.show(ref)['state'], 'running')
            self.remove(ref)


class Call(Life):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        assert cls.d.load(guest('reactor', '-mexec-model=reactor').read_bytes(), 'r').status == 201

    def reactor(self):
        ref = self.expect(self.d.create(module='r', reactor=True), 201).json['id']
        self.post(ref, 'start')
        return ref

    def call(self, ref, body, status=200, code=None):
        a = self.d.call('POST', f'/v1/instances/{ref}/call', json.dumps(body))
        return self.expect(a, status, code).json

    def test_values(self):
        ref = self.reactor()
        for name, args, results, types in (
                ('add', [1, 2], [3], ['i32']), ('add', ['0x10', -20], [-4], ['i32']),
                ('add', [4294967295, 2], [1], ['i32']),
                ('add64', [2**53, 1], [str(2**53 + 1)], ['i64']),
                ('add64', ['-9007199254740993', 1], [-2**53], ['i64']),
                ('half', [3], [1.5], ['f64']), ('half', [2.5], [1.25], ['f64']),
                ('half', ['inf'], ['inf'], ['f64']), ('halff', [3], [1.5], ['f32']),
                ('nothing', [], [], [])):
            self.assertEqual(self.call(ref, {'export': name, 'args': args}),
                             {'results': results, 'types': types}, name)
        self.remove(ref)

    def test_state_lives_between_calls(self):
        ref = self.reactor()
        got = [self.call(ref, {'export': 'next'})['results'][0] for _ in range(5)]
        self.assertEqual(got, [42, 43, 44, 45, 46])
        self.remove(ref)

    def test_refused(self):
        ref = self.reactor()
        for body in ({}, {'export': 'none'}, {'export': 'add', 'args': [1]},
                     {'export': 'add', 'args': [1, 2.5]}, {'export': 'add', 'args': [1, 2**32]},
                     {'export': 'add', 'args': [1, 'x']}, {'export': 'add', 'args': [1, True]},
                     {'export': 'add', 'args': 5}, {'export': 'add', 'argz': []}, {'export': 7},
                     {'export': 'memory'}):
            self.call(ref, body, 400, 'bad_request')
        self.call(ref, {'export': 'add', 'args': [1] * 17}, 413, 'limit_exceeded')
        self.call(ref, {'export': 'x' * 5000}, 413, 'limit_exceeded')
        self.assertEqual(self.call(ref, {'export': 'add', 'args': [2, 2]})['results'], [4])
        self.remove(ref)
        plain = self.make('spin')
        self.post(plain, 'start')
        self.call(plain, {'export': 'add'}, 409, 'wrong_state')
        self.remove(plain)

    def test_trap(self):
        ref = self.reactor()
        a = self.call(ref, {'export': 'fault'}, 422, 'trap')
        self.assertIn('unreachable', a['error']['message'])
        self.assertEqual(self.call(ref, {'export': 'add', 'args': [2, 2]})['results'], [4])
        self.remove(ref)

    def test_killed_in_a_call(self):
        ref = self.reactor()
        c = UnixHTTP(self.d.socket)
        c.request('POST', f'/v1/instances/{ref}/call', '{"export": "spin"}')
        gone = UnixHTTP(self.d.socket)
        gone.request('POST', f'/v1/instances/{ref}/call', '{"export": "spin"}')
        self.d.spinner()
        gone.close()
        self.assertEqual(self.post(ref, 'kill')['exit']['cause'], 'killed')
        r = c.getresponse()
        self.assertEqual(r.status, 502)
        self.assertIn('killed', json.loads(r.read())['error']['message'])
        c.close()
        self.call(ref, {'export': 'add', 'args': [2, 2]}, 409, 'wrong_state')
        self.remove(ref)


if __name__ == '__main__':
    unittest.main(verbosity=2)
