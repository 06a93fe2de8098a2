"""The main job: load, run under a policy, one call denied by a named rule."""
import json
import unittest

from wasmd import Daemon, guest

POLICY = '''{
  "name": "word-count",
  "limits": { "memory": "16MiB", "fuel": 5000000000, "wall": "10s" },
  "args": true,
  "mounts": [
    { "host": "%s", "guest": "/in", "access": "ro" }
  ],
  "rules": [
    { "id": "no-secrets", "on": "path_open", "path": "/in/secret*", "then": "deny" }
  ]
}
'''


class MainJob(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        (cls.d.data / 'book.txt').write_text('it was the best of times\nit was the worst\n')
        (cls.d.data / 'secret.txt').write_text('0451\n')
        (cls.d.dir / 'p.json').write_text(POLICY % cls.d.data)
        cls.d.ctl('module', 'load', guest('wc'), '--name', 'wc', check=0)
        cls.d.ctl('module', 'load', guest('spin'), '--name', 'spin', check=0)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def test_first_counted_second_refused(self):
        r = self.d.ctl('run', '--name', 'count', '--policy', 'p.json', 'wc', '--', '/in/book.txt',
                       '/in/secret.txt', check=1, cwd=self.d.dir)
        self.assertRegex(r.out, r'2\s+10\s+42\s+/in/book.txt')
        self.assertNotIn('0451', r.out)
        self.assertIn('secret.txt: Permission denied', r.err)
        self.assertRegex(r.err, r'denied: path_open /in/secret.txt by rule "no-secrets" '
                                r'\(p.json:9\); to allow it: ')
        i = json.loads(self.d.ctl('inspect', 'count', '-o', 'json', check=0).out)
        self.assertEqual(i['exit'], {**i['exit'], 'cause': 'exited', 'status': 1})
        self.assertEqual(i['usage']['denied'], 1)
        self.assertGreater(i['usage']['fuel'], 1000)
        self.assertGreater(i['usage']['cpu_ns'], 0)
        self.assertEqual([(x['call'], x['path'], x['rule'], x['line']) for x in i['denials']],
                         [('path_open', '/in/secret.txt', 'no-secrets', 9)])
        lines = [json.loads(x) for x in (self.d.state / 'audit.jsonl').read_text().splitlines()]
        mine = [x for x in lines if x.get('instance') == i['id'] and x.get('rule') == 'no-secrets']
        self.assertEqual(len(mine), 1)
        self.assertEqual((mine[0]['call'], mine[0]['source']), ('path_open', 'worker'))
        self.d.ctl('rm', 'count', check=0)

    def test_symlink_does_not_carry_past_the_rule(self):
        link = self.d.data / 'innocent.txt'
        link.symlink_to('secret.txt')
        r = self.d.ctl('run', '--rm', '--policy', self.d.dir / 'p.json', 'wc', '/in/innocent.txt',
                       check=1)
        self.assertIn('by rule "no-secrets"', r.err)
        link.unlink()

    def test_the_smallest_change_allows_it(self):
        r = self.d.ctl('run', '--rm', '--policy', self.d.dir / 'p.json', 'wc', '/in/secret.txt')
        fix = r.err.split('to allow it: put ', 1)[1]
        rule, _ = json.JSONDecoder().raw_decode(fix)
        doc = json.loads(POLICY % self.d.data)
        doc['rules'].insert(0, rule)
        r = self.d.ctl('run', '--rm', '--policy', self.d.policy('q.json', **doc), 'wc',
                       '/in/secret.txt', check=0)
        self.assertIn('/in/secret.txt', r.out)

    def test_detached_ps_kill_rm(self):
        ident = self.d.ctl('run', '-d', '--name', 'job1', 'spin', check=0).out.strip()
        self.assertRegex(ident, r'^[0-9a-f]{32}$')
        self.assertRegex(self.d.ctl('ps', check=0).out, r'job1\s+spin\s+running')
        self.d.ctl('kill', 'job1', check=0)
        self.assertNotIn('job1', self.d.ctl('ps', check=0).out)
        self.assertIn('killed', self.d.ctl('ps', '-a', check=0).out)
        self.d.ctl('rm', 'job1', check=0)
        self.assertNotIn('job1', self.d.ctl('ps', '-a', check=0).out)

    def test_curl(self):
        self.assertEqual(self.d.http('GET', '/v1/instances')[0], 200)
        status, got = self.d.http('POST', '/v1/run?module=wc', b'one two\nthree\n')
        self.assertEqual(status, 200)
        self.assertEqual((got['exit']['cause'], got['exit']['status']), ('exited', 0))
        self.assertRegex(got['stdout'], r'2\s+3\s+14')
        self.assertFalse(got['truncated'])
        self.assertEqual(self.d.http('GET', f'/v1/instances/{got["id"]}')[0], 404)

    def test_stop_wait_logs(self):
        self.d.ctl('run', '-d', '--name', 'job2', 'spin', check=0)
        self.d.ctl('stop', 'job2', check=0)
        i = json.loads(self.d.ctl('inspect', 'job2', '-o', 'json', check=0).out)
        self.assertEqual(i['exit']['cause'], 'stopped')
        self.d.ctl('rm', 'job2', check=0)
        self.d.ctl('module', 'load', guest('chatter'), '--name', 'chatter', check=0)
        self.d.ctl('run', '-d', '--name', 'talk', 'chatter', '300000', check=0)
        self.d.ctl('wait', 'talk', check=0)
        out = self.d.ctl('logs', 'talk', check=0).out
        self.assertEqual(len(out), 300032)
        self.d.ctl('rm', 'talk', check=0)

    def test_exit_statuses(self):
        self.d.ctl('module', 'load', guest('status'), '--name', 'status', check=0)
        for given, seen in (('0', 0), ('7', 7), ('255', 255)):
            self.d.ctl('run', '--rm', 'status', given, check=seen)
        self.d.ctl('run', '--rm', 'nosuch', check=127)

    def test_modules(self):
        listed = self.d.ctl('module', 'ls', check=0).out
        self.assertIn('wc', listed)
        m = json.loads(self.d.ctl('module', 'inspect', 'wc', '-o', 'json', check=0).out)
        self.assertEqual(m['size'], guest('wc').stat().st_size)
        self.assertTrue(m['command'])
        self.d.ctl('module', 'load', guest('hello'), '--name', 'gone', check=0)
        self.d.ctl('module', 'rm', 'gone', check=0)
        self.d.ctl('run', 'gone', check=127)

    def test_info_and_version(self):
        info = json.loads(self.d.ctl('info', '-o', 'json', check=0).out)
        self.assertLessEqual({'seccomp', 'landlock', 'namespaces', 'rlimits'},
                             set(info['fences']['stand']))
        self.assertRegex(self.d.ctl('version', check=0).out, r'\d+\.\d+')

    def test_print_policy_is_a_policy(self):
        r = self.d.ctl('run', '-v', f'{self.d.data}:/in:ro', '-e', 'MODE=prod', '--memory', '64MiB',
                       '--fuel', '5e9', '--wall', '10s', '--print-policy', 'wc', check=0)
        (self.d.dir / 'printed.json').write_text(r.out)
        self.d.ctl('policy', 'check', self.d.dir / 'printed.json', check=0)
        r = self.d.ctl('run', '--rm', '--policy', self.d.dir / 'printed.json', 'wc',
                       '/in/book.txt', check=0)
        self.assertIn('/in/book.txt', r.out)


if __name__ == '__main__':
    unittest.main(verbosity=2)
