"""The life of an instance: again, paused, restarted, pruned; logs, events, attached clients, calls."""
import json
import os
import time
import unittest

from wasmd import Daemon, guest


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

    def until(self, what, seconds=10):
        deadline = time.time() + seconds
        while time.time() < deadline:
            if got := what():
                return got
            time.sleep(0.02)
        self.fail('it did not come to it')

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
        ref = self.make('spin', policy={'args': True, 'limits': {'wall': '60s'}})
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
        ref = self.make('spin', policy={'args': True, 'limits': {'cpu': '60s', 'wall': '60s'}})
        self.post(ref, 'start')
        self.post(ref, 'pause')
        time.sleep(1)
        self.post(ref, 'resume')
        self.assertLess(self.post(ref, 'kill')['usage']['cpu_ns'], 800_000_000)
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
        self.until(lambda: self.show(ref)['starts'] == 3)
        self.post(ref, 'wait')
        time.sleep(0.6)
        i = self.show(ref)
        self.assertEqual((i['starts'], i['restarts_at'], i['restart']), (3, None, 'on-failure:2'))
        self.remove(ref)

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
        self.until(lambda: self.show(ref)['starts'] >= 3)
        self.until(lambda: self.show(ref)['restarts_at'])
        i = self.post(ref, 'stop')
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


if __name__ == '__main__':
    unittest.main(verbosity=2)
