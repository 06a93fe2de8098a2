"""What strangers do to the socket: too many, too slow, too long, two readings of one head."""
import json
import os
import resource
import socket
import statistics
import time
import unittest

from wasmd import PATIENCE, Daemon, UnixHTTP, guest

HOST = b'Host: x\r\n'


class Abuse(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        assert cls.d.load(guest('front').read_bytes(), 'guest').status == 201

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def dial(self, timeout=PATIENCE):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.d.socket))
        s.settimeout(timeout)
        return s

    def raw(self, data):
        """(status, body) of the first answer to @data; (0, b'') when there is none."""
        s = self.dial()
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        got = b''
        try:
            while part := s.recv(65536):
                got += part
                head, _, body = got.partition(b'\r\n\r\n')
                if b'Content-Length: %d\r\n' % len(body) in head + b'\r\n':
                    break
        except (ConnectionResetError, socket.timeout):
            pass
        s.close()
        head, _, body = got.partition(b'\r\n\r\n')
        return (int(head.split()[1]) if head else 0), body

    def refused(self, data, *statuses):
        status, body = self.raw(data)
        self.assertIn(status, statuses or (400,), (data[:200], body))
        return body

    def still_up(self):
        self.assertEqual(self.d.call('GET', '/v1/info').status, 200)

    def served(self, name):
        """A stranger's neighbour has answers. In how many milliseconds, the middle of 40, is
        printed: on a busy machine it says little."""
        took = []
        for _ in range(40):
            t = time.monotonic()
            self.still_up()
            took.append((time.monotonic() - t) * 1000)
        middle = statistics.median(took)
        print(f'bar abuse.{name}_ms {middle:.1f} 50 {"ok" if middle <= 50 else "short"}')


class Connections(Abuse):
    def test_half_open_ones_keep_nobody_out(self):
        held, most = [], resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200
        resource.setrlimit(resource.RLIMIT_NOFILE, (most + 200, most + 200))
        for n in range(10000):
            s = self.dial()
            s.setblocking(False)
            if n % 2:
                try:
                    s.send(b'GET /v1/info HTTP/1.1\r\nHo')
                except OSError:
                    pass
            held.append(s)
            if len(held) > most:
                held.pop(0).close()
        self.served('half_open')
        for s in held:
            s.close()

    def test_slow_ones_keep_nobody_out(self):
        head = b'POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n'
        slow = [self.dial() for _ in range(1000)]
        for at in range(0, 60, 3):
            for n, s in enumerate(slow):
                try:
                    s.send(head[at:at + 3] if n % 2 else b'x')
                except OSError:
                    pass
            if at % 15 == 0:
                self.served('slow')
        for s in slow:
            s.close()

    def test_one_that_works_is_not_made_to_leave(self):
        works = UnixHTTP(self.d.socket)
        works.request('POST', '/v1/run?module=guest&arg=spin&policy=' +
                      '%7B%22args%22:true,%22limits%22:%7B%22wall%22:%223s%22%7D%7D')
        held = [self.dial() for _ in range(1500)]
        self.assertEqual(json.loads(works.getresponse().read())['exit']['cause'], 'wall')
        works.close()
        for s in held:
            s.close()


class Heads(Abuse):
    def test_two_lengths(self):
        post = b'POST /v1/instances HTTP/1.1\r\n' + HOST
        for lines in (b'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n',
                      b'Transfer-Encoding: chunked\r\nContent-Length: 2\r\n',
                      b'Content-Length: 2\r\nContent-Length: 2\r\n',
                      b'Content-Length: 2\r\nContent-Length: 3\r\n',
                      b'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
                      b'Content-Length: -1\r\n', b'Content-Length: 2x\r\n', b'Content-Length: +2\r\n',
                      b'Content-Length: 99999999999999999999999\r\n', b'Content-Length: \r\n'):
            with self.subTest(lines):
                self.refused(post + lines + b'\r\n{}', 400, 413, 0)
        self.still_up()

    def test_a_second_request_is_not_smuggled(self):
        inner = b'DELETE /v1/modules/guest HTTP/1.1\r\nHost: x\r\n\r\n'
        for lines in (b'Content-Length: 0\r\nTransfer-Encoding: chunked\r\n',
                      b'Content-Length: %d\r\nContent-Length: 0\r\n' % len(inner)):
            self.refused(b'POST /v1/run?module=guest HTTP/1.1\r\n' + HOST + lines + b'\r\n' + inner,
                         400, 0)
        self.assertEqual(self.d.call('GET', '/v1/modules/guest').status, 200)

    def test_two_tenants(self):
        self.refused(b'GET /v1/info HTTP/1.1\r\n' + HOST +
                     b'Wasmd-Tenant: alice\r\nWasmd-Tenant: bob\r\n\r\n')

    def test_nul_and_broken_utf8(self):
        for path in (b'/v1/info%00', b'/v1/info%00x', b'/v1/instances/a%00b', b'/v1/modules/%00',
                     b'/v1/run?module=guest%00', b'/v1/run?module%00=guest',
                     b'/v1/run?module=guest&arg=a%00b'):
            with self.subTest(path):
                body = self.refused(b'GET ' + path + b' HTTP/1.1\r\n' + HOST + b'\r\n')
                self.assertEqual(json.loads(body)['error']['code'], 'bad_request')
        for path in (b'/v1/info\0x', b'/v1/instances/a\0'):
            self.refused(b'GET ' + path + b' HTTP/1.1\r\n' + HOST + b'\r\n', 400, 404, 0)
        for path in (b'/v1/instances/%ff%fe', b'/v1/modules/\xff\xfe', b'/v1/\x1b[2J',
                     b'/v1/instances/%1b%5b2J', b'/v1/instances/..%2f..%2fetc'):
            body = self.refused(b'GET ' + path + b' HTTP/1.1\r\n' + HOST + b'\r\n', 400, 404, 0)
            self.assertNotIn(b'\x1b', body)
            body.decode()
        self.still_up()

    def test_broken_utf8_in_headers_and_json(self):
        self.refused(b'GET /v1/info HTTP/1.1\r\n' + HOST + b'Wasmd-Tenant: \xff\xfe\x1b\r\n\r\n',
                     400, 403)
        for body in (b'{"module":"\xff"}', b'{"module":"guest","name":"\xc3("}',
                     b'{"module":"a\\u0000b"}', b'{"\xff":1}', b'\xef\xbb\xbf{"module":"guest"}',
                     b'{"module":"guest","args":["\\ud800"]}', b'{"module":"gu\0est"}'):
            a = self.d.call('POST', '/v1/instances', body)
            self.assertEqual((a.status, a.error['code']), (400, 'bad_request'), (body, a.body))
        self.still_up()

    def test_long_heads(self):
        for n in (100_000, 1_000_000):
            for head in (b'GET /' + b'a' * n + b' HTTP/1.1\r\n' + HOST,
                         b'GET /v1/info HTTP/1.1\r\n' + HOST + b'X: ' + b'a' * n + b'\r\n',
                         b'GET /v1/info HTTP/1.1\r\n' + HOST + b'X: a\r\n' * (n // 6)):
                self.refused(head + b'\r\n', 200, 400, 404, 413, 414, 431, 0)
        self.still_up()

    def test_not_http(self):
        for data in (b'\x16\x03\x01\x02\0', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'\r\n' * 1000,
                     b'GET /v1/info\r\n\r\n', b'GET /v1/info HTTP/9.9\r\n' + HOST + b'\r\n',
                     b'G\0T / HTTP/1.1\r\n\r\n', os.urandom(5000)):
            s = self.dial()
            s.sendall(data)
            s.close()
        self.still_up()


class Bodies(Abuse):
    def test_ten_megabytes_of_json(self):
        for body in (b'{"module":"' + b'a' * 10_000_000 + b'"}', b'[' * 10_000_000):
            a = self.d.call('POST', '/v1/instances', body)
            self.assertEqual((a.status, a.error['code']), (413, 'limit_exceeded'))
        self.still_up()

    def test_a_hundred_thousand_keys(self):
        keys = ','.join(f'"k{n}":{n}' for n in range(100_000))
        a = self.d.call('POST', '/v1/instances', '{' + keys + '}')
        self.assertEqual((a.status, a.error['code']), (400, 'bad_request'))
        env = ','.join(f'"k{n}":"x"' for n in range(100_000))
        a = self.d.call('POST', '/v1/instances', '{"module":"guest","env":{' + env + '}}')
        self.assertEqual((a.status, a.error['code']), (413, 'limit_exceeded'))
        self.still_up()

    def test_a_gigabyte_announced(self):
        a = self.d.call('POST', '/v1/modules', headers={'Content-Length': str(1 << 30)})
        self.assertEqual((a.status, a.error['code']), (413, 'limit_exceeded'))  # and none sent

    def test_a_gigabyte_in_chunks(self):
        block = bytes(1 << 20)
        a = None
        try:
            a = self.d.call('POST', '/v1/modules', (block for _ in range(1024)))
        except OSError:
            pass  # cut off while it went on sending
        if a is not None:
            self.assertEqual(a.status, 413)
        self.assertEqual(os.listdir(self.d.state / 'modules/tmp'), [])
        self.still_up()


class Escapes(Abuse):
    def test_terminal_escapes_in_a_denial(self):
        policy = {'args': True, 'mounts': [{'host': str(self.d.data), 'guest': '/in', 'access': 'ro'}],
                  'rules': [{'id': 'none', 'on': 'path_open', 'then': 'deny'}]}
        path = '/in/\x1b]0;owned\x07\x9b2J'
        a = self.d.run('guest', 'open', path, policy=json.dumps(policy))
        (d,) = a.json['denials']
        self.assertEqual(d['path'], '/in/\\x1b]0;owned\\x07\\xc2\\x9b2J')
        self.assertNotIn('\x1b', d['allow'])
        audit = (self.d.state / 'audit.jsonl').read_bytes()
        self.assertNotIn(b'\x1b', audit)
        self.assertNotIn(b'\\u001b', audit)

    def test_names_are_names(self):
        for name in ('\x1b[2J', 'a\nb', '../x', 'é', 'a' * 128, '-a', 'a b'):
            a = self.d.create(module='guest', name=name)
            self.assertEqual(a.status, 400, name)
            self.assertNotIn(b'\x1b', a.body)


if __name__ == '__main__':
    unittest.main(verbosity=2)
