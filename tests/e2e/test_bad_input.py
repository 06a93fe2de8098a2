"""What strangers send: each gets a clear error, the daemon stays up, nothing is left behind."""
import json
import os
import pathlib
import random
import socket
import subprocess
import time
import unittest

from wasmd import AS_ROOT, BUILD, OTHER_UID, PATIENCE, Daemon, UnixHTTP, guest, until

# (module (func (export "_start")) (memory 1) (data (i32.const 8) "hi")), by hand.
TINY = bytes.fromhex(
    '0061736d01000000' '010401600000' '03020100' '0503010001'
    '070a01065f73746172740000' '0a040102000b' '0b08010041080b026869')


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        for name in ('hello', 'spin', 'wc', 'cat'):
            cls.d.ctl('module', 'load', guest(name), '--name', name, check=0)
        cls.before = cls.kept()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    @classmethod
    def kept(cls):
        return sorted(p.name for p in (cls.d.state / 'modules').rglob('*') if p.is_file())

    def tearDown(self):
        self.assertEqual(self.d.ctl('run', '--rm', 'hello', check=0).out.strip(), 'hello')
        until(lambda: self.kept() == self.before, why='something was left in the store')
        self.assertEqual(self.d.http('GET', '/v1/instances?all=1')[1]['instances'], [])

    def refused(self, body, *words, status=400, code=None):
        got, answer = self.d.http('POST', '/v1/modules', body)
        self.assertEqual(got, status, answer)
        for word in words:
            self.assertIn(word, answer['error']['message'])
        if code:
            self.assertEqual(answer['error']['code'], code)
        return answer['error']

    # ---- modules --------------------------------------------------------

    def test_not_modules(self):
        self.refused(b'', 'empty')
        self.refused(b'(module)\n', 'text')
        self.refused(pathlib.Path('/bin/true').read_bytes(), 'ELF')
        self.refused(bytes.fromhex('0061736d0d000100'), 'component')
        self.refused(bytes.fromhex('0061736d02000000'), 'version')

    def test_truncated_at_every_byte(self):
        status, m = self.d.http('POST', '/v1/modules', TINY)
        self.assertEqual(status, 201, m)
        self.assertEqual(self.d.http('DELETE', '/v1/modules/' + m['digest'])[0], 204)
        accepted = 0
        for n in range(len(TINY)):
            status, answer = self.d.http('POST', '/v1/modules', TINY[:n])
            if status == 201:  # a cut between sections can leave a smaller module
                accepted += 1
                self.assertEqual(self.d.http('DELETE', '/v1/modules/' + answer['digest'])[0], 204)
            else:
                self.assertEqual(status, 400, (n, answer))
                self.assertTrue(answer['error']['message'])
        self.assertLess(accepted, 6)

    def test_a_thousand_flips(self):
        whole = guest('hello').read_bytes()
        rnd, counts = random.Random(2026), {}
        conn = UnixHTTP(self.d.socket)
        for _ in range(1000):
            bent = bytearray(whole)
            for _ in range(rnd.randrange(1, 4)):
                bent[rnd.randrange(len(bent))] ^= 1 << rnd.randrange(8)
            conn.request('POST', '/v1/modules', bytes(bent))
            r = conn.getresponse()
            answer = json.loads(r.read())
            counts[r.status] = counts.get(r.status, 0) + 1
            if r.status == 201:
                conn.request('DELETE', '/v1/modules/' + answer['digest'])
                r = conn.getresponse()
                r.read()
                self.assertEqual(r.status, 204)
            else:
                self.assertEqual(r.status, 400, answer)
        conn.close()
        self.assertGreater(counts[400], 100, counts)

    def test_upload_cut_half_way(self):
        blob = guest('wc').read_bytes()
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.d.socket))
        s.sendall(b'POST /v1/modules?name=half HTTP/1.1\r\nHost: wasmd\r\nContent-Length: %d\r\n\r\n'
                  % len(blob) + blob[:len(blob) // 2])
        time.sleep(0.2)
        s.close()
        time.sleep(0.2)
        self.assertEqual(self.d.http('GET', '/v1/modules/half')[0], 404)

    def test_unknown_import_is_named(self):
        e = self.refused(guest('noimport', '-Wl,--allow-undefined').read_bytes(), 'env',
                         'launch_missiles')
        self.assertEqual(e['code'], 'unlinkable_module')

    def test_missing_start(self):
        self.d.ctl('module', 'load', guest('library', '-nostartfiles', '-Wl,--no-entry'), '--name',
                   'library', check=0)
        r = self.d.ctl('run', 'library', check=126)
        self.assertIn('_start', r.err)
        for i in self.d.http('GET', '/v1/instances?all=1')[1]['instances']:
            self.d.ctl('rm', i['id'], check=0)
        self.d.ctl('module', 'rm', 'library', check=0)

    # ---- policies -------------------------------------------------------

    def policy_refused(self, text, *words, status=400, code='bad_policy'):
        got, answer = self.d.http('POST', '/v1/instances',
                                     json.dumps({'module': 'hello', 'policy': text}))
        self.assertEqual((got, answer['error']['code']), (status, code), answer)
        for word in words:
            self.assertIn(word, answer['error']['message'])
        path = self.d.dir / 'bad.json'
        path.write_text(text)
        local = self.d.ctl('policy', 'check', path, check=125)
        for word in words:
            self.assertIn(word.replace('line ', 'bad.json:'), local.err)

    def test_policies(self):
        self.policy_refused('{\n  "nmae": "x"\n}', 'line 2', 'nmae', '"name"')
        self.policy_refused('{"name": "a", "name": "b"}', 'twice')
        self.policy_refused('{"limits": {"fuel": "lots"}}', '$.limits.fuel')
        self.policy_refused('{"limits": 7}', '$.limits')
        for deep in ('[' * 200000, '{"rules": ' + '[' * 40 + ']' * 40 + '}'):
            self.policy_refused(deep, 'deep, at most 16', status=413, code='limit_exceeded')
        self.policy_refused('{"rules": [{"id": "a", "on": "path_opne", "then": "deny"}]}',
                            '$.rules[0].on', 'path_open')
        self.policy_refused('{"rules": [{"on": "path_open", "then": "dney"}]}', '$.rules[0].then',
                            'deny')
        self.policy_refused('{"mounts": [{"host": "relative", "guest": "/x", "access": "ro"}]}',
                            '$.mounts[0].host')
        self.policy_refused('{"mounts": [{"host": "/a", "guest": "/x", "access": "ro"},'
                            '{"host": "/b", "guest": "/x", "access": "ro"}]}', '$.mounts[1]')
        self.policy_refused('', 'line 1')
        self.policy_refused('{', 'line 1')

    def test_missing_host_directory(self):
        r = self.d.ctl('run', '--rm', '-v', f'{self.d.data}/nowhere:/in:ro', 'hello', check=127)
        self.assertIn(f'{self.d.data}/nowhere', r.err)
        self.cleanup()

    # ---- requests -------------------------------------------------------

    def cleanup(self):
        for i in self.d.http('GET', '/v1/instances?all=1')[1]['instances']:
            self.d.http('DELETE', f'/v1/instances/{i["id"]}?force=1')

    def test_requests(self):
        for method, path, body, status in (
                ('GET', '/v1/nothing', None, 404), ('PATCH', '/v1/instances', None, 405),
                ('GET', '/v1/instances/ffffffffffff', None, 404),
                ('GET', '/v1/instances/' + 'x' * 3000, None, 404),
                ('POST', '/v1/instances', b'', 400), ('POST', '/v1/instances', b'[]', 400),
                ('POST', '/v1/instances', b'{"module": 7}', 400),
                ('POST', '/v1/instances', b'{"module": "nosuch"}', 404),
                ('POST', '/v1/instances', b'{"module": "hello", "modul": 1}', 400),
                ('POST', '/v1/instances', b'{"module": "hello", "module": "wc"}', 400),
                ('POST', '/v1/instances', b'\xff\xfe', 400),
                ('POST', '/v1/instances', b'{"module": "hello", "name": "../x"}', 400),
                ('POST', '/v1/instances', b'[' * 100000, 400),
                ('POST', '/v1/run', b'', 400), ('POST', '/v1/run?module=nosuch', b'', 404)):
            got, answer = self.d.http(method, path, body)
            self.assertEqual(got, status, (method, path[:60], answer))
            self.assertTrue(answer['error']['message'])

    def test_unknown_instance_and_double_kill(self):
        for verb in ('kill', 'rm', 'stop', 'inspect', 'logs', 'wait'):
            self.assertIn('nosuch', self.d.ctl(verb, 'nosuch', check=127).err)
        self.d.ctl('run', '-d', '--name', 'twice', 'spin', check=0)
        self.d.ctl('kill', 'twice', check=0)
        r = self.d.ctl('kill', 'twice')
        self.assertNotEqual(r.returncode, 0)
        self.assertIn('twice', r.err)
        self.d.ctl('rm', 'twice', check=0)

    def test_running_ones_are_not_removed(self):
        self.d.ctl('run', '-d', '--name', 'busy', 'spin', check=0)
        self.assertIn('busy', self.d.ctl('rm', 'busy', check=125).err)
        self.assertNotEqual(self.d.ctl('run', '-d', '--name', 'busy', 'spin').returncode, 0)
        self.d.http('DELETE', '/v1/instances/busy?force=1')

    def test_daemon_already_running(self):
        second = subprocess.run(self.d.command(), capture_output=True, timeout=PATIENCE)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn(b'already running', second.stderr)

    def test_no_daemon(self):
        env = dict(os.environ, WASMD_SOCKET=str(self.d.dir / 'nowhere.sock'))
        r = subprocess.run([BUILD / 'ctl' / 'wasmctl', 'ps'], capture_output=True, env=env)
        self.assertEqual(r.returncode, 125)
        self.assertIn(b'nowhere.sock', r.stderr)

    def test_no_permission_on_the_socket(self):
        if not AS_ROOT:
            print('\nSKIP socket-permission: needs root')
            return
        self.d.socket.chmod(0o600)
        r = self.d.ctl('ps', user=OTHER_UID, check=125)
        self.d.socket.chmod(0o666)
        self.assertIn('ermission', r.err)
        self.assertIn('wasmd.sock', r.err)

    def test_clients_that_vanish(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.d.socket))
        s.sendall(b'POST /v1/run?module=spin HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')
        until(lambda: 'running' in self.running())
        s.close()
        until(lambda: not self.running())
        env = dict(os.environ, WASMD_SOCKET=str(self.d.socket))
        p = subprocess.Popen([BUILD / 'ctl' / 'wasmctl', 'run', '--name', 'gone', 'spin'], env=env)
        until(lambda: 'running' in self.running())
        p.kill()
        p.wait()
        until(lambda: not self.running())
        i = self.d.http('GET', '/v1/instances/gone')[1]
        self.assertEqual(i['exit']['cause'], 'client')
        self.d.ctl('rm', 'gone', check=0)

    def running(self):
        return [i['state'] for i in self.d.http('GET', '/v1/instances')[1]['instances']]

    def test_garbage_on_the_socket(self):
        rnd = random.Random(5)
        for blob in (b'\0' * 100, b'GET\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n', b'A' * 100000,
                     b'GET /v1/info HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
                     b'POST /v1/run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
                     rnd.randbytes(4096)):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(2)  # some get no answer, ever
            s.connect(str(self.d.socket))
            try:
                s.sendall(blob)
                s.shutdown(socket.SHUT_WR)
                s.recv(4096)
            except OSError:
                pass
            s.close()


if __name__ == '__main__':
    unittest.main(verbosity=2)
