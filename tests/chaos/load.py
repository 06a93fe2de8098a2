"""Clients: each does one job after another, chosen at random, and judges what it is told.

A job may be cut off at any moment, for the daemon is being killed; what it may never do
is wait for ever, get a wrong answer, or lose what was acknowledged. What only an
accountant can judge goes into the ledger."""
import http.client
import json
import os
import random
import socket
import struct
import subprocess
import threading
import time
from urllib.parse import urlencode

from wasmd import AS_ROOT, BUILD, Answer, UnixHTTP

HANG = 90  # seconds without an answer: then a client hangs
WALL = 3  # seconds of life that a guest has at most
DISTURBED = {'crashed', 'lost', 'failed'}  # how what is killed may end
UNREACHED = {'busy', 'peer_failed'}  # what a client may be told meanwhile
SCARCE = {'quota_exceeded', 'io_error', 'out_of_memory', 'timed_out'}  # when things run out
TENANTS = ('alice', 'bob') if AS_ROOT else (None,)
LIMITS = {'wall': f'{WALL}s', 'fuel': 10**12, 'output': '8MiB'}
SECRETS = 'no-secrets'


class Cut(Exception):
    """The connection ended before the answer: the daemon was killed."""


class Refused(Exception):
    """Answered, and not with what was asked for, as may be."""


class Hang(Exception):
    pass


def unique(wasm, rnd):
    """Another module that does the same."""
    return wasm + b'\0\x0a\x01x' + rnd.randbytes(8)


class Client(threading.Thread):
    """One of many. Everything random comes from @seed; it ends after @until."""

    def __init__(self, service, ledger, wasm, seed, until):
        super().__init__()
        self.d, self.ledger, self.wasm, self.until = service, ledger, wasm, until
        self.rnd, self.serial, self.number = random.Random(seed), 0, seed
        self.tenant = 'alice'
        self.excused = UNREACHED | (SCARCE if ledger.scarce else set())

    def run(self):
        jobs, weights = zip(*JOBS)
        while time.monotonic() < self.until:
            self.tenant = 'bob' if AS_ROOT and self.rnd.random() < 0.25 else 'alice'
            (job,) = self.rnd.choices(jobs, weights)
            self.ledger.count(job.__name__, self.attempt(job))

    def attempt(self, job):
        try:
            job(self)
            return 'done'
        except Refused:
            return 'refused'
        except Cut:
            time.sleep(0.02)
            return 'cut'
        except Hang as hang:
            self.ledger.fault(f'{job.__name__}: no answer within {HANG} s: {hang}')
            return 'hung'
        except Exception as e:  # pylint: disable=broad-except
            self.ledger.fault(f'{job.__name__}: {e!r}')
            return 'wrong'

    # ---- asking --------------------------------------------------------------

    def ask(self, method, path, body=None, read=True):
        """An Answer; without @read the (connection, response), its head read."""
        c = UnixHTTP(self.d.socket, timeout=HANG)
        with self.ledger.lock:
            self.ledger.requests += 1
        try:
            c.request(method, path, body, {'Wasmd-Tenant': self.tenant} if AS_ROOT else {})
        except BrokenPipeError:
            pass  # refused before the end of the body: the answer is there
        except OSError as e:
            raise Cut(repr(e)) from e
        try:
            r = c.getresponse()
            if not read:
                return c, r
            return Answer(r.status, dict(r.getheaders()), r.read())
        except TimeoutError as e:
            raise Hang(f'{method} {path[:80]}') from e
        except (OSError, http.client.HTTPException) as e:
            raise Cut(repr(e)) from e
        finally:
            if read:
                c.close()

    def want(self, answer, *statuses, or_code=()):
        """The body of an answer that has one of @statuses; other errors must be of the kind
        that killing explains."""
        if answer.status in statuses:
            return answer.json if answer.body else None
        error = answer.error
        with self.ledger.lock:
            self.ledger.refusals[error['code'], error['message'][:60]] += 1
        if error['code'] in self.excused or error['code'] in or_code:
            raise Refused(error['code'])
        raise AssertionError(f'{answer.status} {error}')

    def policy(self, **more):
        return json.dumps({'args': True, 'limits': LIMITS, **more})

    def mounted(self, **more):
        """With the tenant's directory as /data, and a rule that denies its secrets."""
        return self.policy(
            mounts=[{'host': str(self.d.data / self.tenant), 'guest': '/data', 'access': 'rw'}],
            rules=[{'id': SECRETS, 'on': 'path_open', 'path': '/data/secret*', 'then': 'deny'}],
            **more)

    def launch(self, *args, stdin=b'', policy=None, module='guest'):
        """POST /v1/run and its instance."""
        query = [('module', module), ('policy', policy or self.policy())]
        query += [('arg', a) for a in args]
        i = self.want(self.ask('POST', '/v1/run?' + urlencode(query), stdin), 200)
        self.ended(i, i['stdout'] if 'stdout' in i else '')
        return i

    def ended(self, i, stdout=''):
        cause = i['exit']['cause']
        with self.ledger.lock:
            self.ledger.causes[cause] += 1
        if cause == 'failed':
            self.failed(i['exit']['message'])
        assert cause not in ('violation', 'none'), (i, stdout)

    def failed(self, message):
        """A start may fail where a process was killed, and must say so."""
        with self.ledger.lock:
            self.ledger.refusals['failed', message[:60]] += 1
        if self.ledger.scarce:
            return
        known = ('the process of this module', 'ended without an answer', 'is ending',
                 'does not answer', 'directories are being opened')
        assert any(k in message for k in known), message

    def create(self, *args, policy=None, **fields):
        fields = {'module': 'guest', 'args': list(args), 'policy': policy or self.policy(), **fields}
        i = self.want(self.ask('POST', '/v1/instances', json.dumps(fields)), 201)
        return self.ledger.created(i, fields)

    def post(self, entry, what, or_code=()):
        """The instance after @what; 404 would mean that it was forgotten."""
        if entry.removal or entry.tenant == 'bob':  # bob prunes
            or_code = (*or_code, 'not_found')
        i = self.want(self.ask('POST', f'/v1/instances/{entry.ref}/{what}'), 200, or_code=or_code)
        self.ledger.told(entry, i)
        return i

    def begin(self, entry):
        entry.starts += 1
        return self.post(entry, 'start', ('timed_out',))

    def remove(self, entry):
        entry.removal = 'asked'
        self.want(self.ask('DELETE', f'/v1/instances/{entry.ref}?force=1'), 204,
                  or_code=('not_found',) if entry.tenant == 'bob' else ())
        entry.removal = 'done'

    def upgrade(self, entry, what, protocol, fds=None):
        try:
            return self.d.upgrade(entry.ref, what, protocol, fds, tenant=self.tenant)
        except TimeoutError as e:
            raise Hang(what) from e
        except OSError as e:
            raise Cut(repr(e)) from e
        except AssertionError as e:
            gone = (' 404 ',) if entry.tenant == 'bob' else ()
            scarce = (' 429 ', ' 500 ') if self.ledger.scarce else ()
            if any(code in str(e) for code in (' 409 ', ' 502 ', ' 503 ', *gone, *scarce)):
                raise Refused(what) from e
            raise

    def marked(self, *args, **fields):
        """Created so that each of its lives adds a line to a file of its own."""
        self.serial += 1
        name = f'mark-{self.number}-{self.serial}'
        entry = self.create('append', '/data/' + name, *args, policy=self.mounted(), **fields)
        entry.mark = self.d.data / self.tenant / name
        return entry


# ---- the jobs --------------------------------------------------------------

def run_hello(c):
    i = c.launch('hello')
    if i['exit']['cause'] == 'exited':
        assert (i['stdout'], i['exit']['status']) == ('hello\n', 0), i


def run_with_input(c):
    data = c.rnd.randbytes(c.rnd.randrange(1, 60000)).hex()
    i = c.launch('cat', stdin=data.encode())
    if i['exit']['cause'] == 'exited':
        assert i['stdout'] == data, 'the output is not the input'


def run_to_a_limit(c):
    verb, limits, cause = c.rnd.choice((
        ('spin', {'wall': '100ms'}, 'wall'), ('spin', {'fuel': 10**6}, 'fuel'),
        ('spin', {'cpu': '50ms', 'wall': '20s'}, 'cpu'), ('trap', {}, 'trap'),
        ('fill', {'output': '64KiB'}, 'output'), ('fill', {'host_calls': 100}, 'host_calls')))
    i = c.launch(verb, policy=c.policy(limits={**LIMITS, **limits}))
    assert i['exit']['cause'] in {cause, 'wall', *DISTURBED}, i['exit']


def run_denied(c):
    """Each denial in the answer, and each in the audit."""
    n = c.rnd.randrange(1, 8)
    paths = [f'/data/secret-{c.number}-{k}' for k in range(n)]
    i = c.launch('open', *paths, policy=c.mounted())
    if i['exit']['cause'] != 'exited':
        return
    assert [d['path'] for d in i['denials']] == paths, i['denials']
    assert {d['rule'] for d in i['denials']} == {SECRETS}
    with c.ledger.lock:
        c.ledger.runs[i['id']] = n


def run_and_leave(c):
    """A client that does not wait for its answer."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(HANG)
    try:
        s.connect(str(c.d.socket))
        s.sendall(b'POST /v1/run?module=guest&arg=spin HTTP/1.1\r\nHost: x\r\n'
                  b'Content-Length: 0\r\n\r\n')
        time.sleep(c.rnd.random() / 10)
    except OSError as e:
        raise Cut(repr(e)) from e
    finally:
        s.close()


def run_by_wasmctl(c):
    cmd = [str(BUILD / 'ctl' / 'wasmctl'), 'run', '--rm', '--wall', f'{WALL}s']
    cmd += ['--tenant', c.tenant] if AS_ROOT else []
    child = c.d.family.start([*cmd, 'guest', 'hello'], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=dict(os.environ, WASMD_SOCKET=str(c.d.socket)))
    try:
        out, err = child.communicate(timeout=HANG)
    except subprocess.TimeoutExpired as e:
        child.kill()
        child.communicate()
        raise Hang('wasmctl run') from e
    finally:
        c.d.family.forget(child)
    if child.returncode == 0:
        assert out == b'hello\n', out
    else:
        told = (125, 127, 139) if c.tenant == 'bob' else (125, 139)  # bob prunes
        assert child.returncode in told and err, (child.returncode, out, err)
        raise Refused(child.returncode)


def live_and_end(c):
    """Created, started, and ended in one of the ways; then its log is read."""
    n = c.rnd.randrange(1, 3000)
    entry = c.create('count', str(n))
    entry.output = ''.join(f'line {k}\n' for k in range(1, n + 1)).encode()
    c.begin(entry)
    i = c.post(entry, 'wait')
    c.ended(i)
    log = c.ask('GET', f'/v1/instances/{entry.ref}/logs')
    if log.status != 200:
        c.want(log, or_code=('not_found',) if entry.tenant == 'bob' else ())
    assert entry.output.startswith(log.body), 'the log is not what it wrote'
    if i['exit']['cause'] == 'exited' and not c.ledger.scarce:
        assert log.body == entry.output, f'{len(log.body)} bytes of {len(entry.output)}'
    if c.rnd.random() < 0.3:
        c.remove(entry)


def live_denied(c):
    entry = c.create('open', *[f'/data/secret{k}' for k in range(c.rnd.randrange(1, 8))],
                     policy=c.mounted())
    entry.denied = len(entry.fields['args']) - 1
    c.begin(entry)
    c.ended(c.post(entry, 'wait'))


def live_marked(c):
    entry = c.marked('hello', restart=c.rnd.choice(('no', 'no', 'on-failure:2')))
    for _ in range(c.rnd.randrange(1, 4)):
        c.begin(entry)
        i = c.post(entry, 'wait')
        c.ended(i)
        if i['restarts_at']:
            return


def live_always(c):
    """Starts again by itself, until it is stopped."""
    entry = c.marked('hello', restart='always')
    c.begin(entry)
    time.sleep(c.rnd.random())
    i = c.post(entry, c.rnd.choice(('stop', 'kill')), ('wrong_state',))
    assert i['restarts_at'] is None, i
    entry.stopped = i['starts']


def live_and_be_ended(c):
    entry = c.create('spin', name=f'n{c.number}-{c.rnd.randrange(10**9)}')
    c.begin(entry)
    if c.rnd.random() < 0.4:
        i = c.post(entry, 'pause', ('wrong_state',))
        assert i['state'] == 'paused', i['state']
        if c.rnd.random() < 0.7:
            c.post(entry, 'resume', ('wrong_state',))
    if c.rnd.random() < 0.2:
        entry.starts += 1
        i = c.post(entry, 'restart?grace=1', ('timed_out',))
        assert i['state'] in ('running', 'exited'), i['state']
    time.sleep(c.rnd.random() / 5)
    what, causes = c.rnd.choice((('kill', {'killed'}), ('stop?grace=1', {'stopped', 'killed'}),
                                 ('wait', set())))
    i = c.post(entry, what, ('wrong_state',))
    assert i['exit']['cause'] in causes | {'wall'} | DISTURBED, i['exit']
    if c.rnd.random() < 0.5:
        c.remove(entry)


def follow_a_log(c):
    n = c.rnd.randrange(1, 5000)
    entry = c.create('count', str(n))
    entry.output = ''.join(f'line {k}\n' for k in range(1, n + 1)).encode()
    conn, r = c.ask('GET', f'/v1/instances/{entry.ref}/logs?follow=1', read=False)
    try:
        if r.status != 200:
            c.want(Answer(r.status, {}, r.read()))
        c.begin(entry)
        got = r.read()
    except TimeoutError as e:
        raise Hang('logs?follow') from e
    except http.client.IncompleteRead as e:
        assert entry.output.startswith(e.partial)
        raise Cut('logs?follow') from e
    except (OSError, http.client.HTTPException) as e:
        raise Cut('logs?follow') from e
    finally:
        conn.close()
    assert entry.output.startswith(got), 'what was followed is not what it wrote'
    if c.post(entry, 'wait')['exit']['cause'] == 'exited' and not c.ledger.scarce:
        assert got == entry.output, f'{len(got)} bytes of {len(entry.output)}'


def frames(s):
    """(stream, bytes) until the daemon closes."""
    data = b''
    while part := s.recv(65536):
        data += part
        while len(data) >= 8 and len(data) >= 8 + (n := struct.unpack('>I', data[4:8])[0]):
            yield data[0], data[8:8 + n]
            data = data[8 + n:]


def talk_to_one(c):
    """Attached: what is sent comes back."""
    entry = c.create('echo', stdin='open')
    c.begin(entry)
    s = c.upgrade(entry, 'attach', 'wasmd-stream')
    word, got, ended = c.rnd.randbytes(2000), b'', None
    try:
        s.settimeout(HANG)
        s.sendall(struct.pack('>B3xI', 0, len(word)) + word + struct.pack('>B3xI', 0, 0))
        for stream, data in frames(s):
            if stream == 3:
                ended = json.loads(data)
            else:
                got += data
    except TimeoutError as e:
        raise Hang('attach') from e
    except OSError as e:
        raise Cut('attach') from e
    finally:
        s.close()
    if ended is None:
        raise Cut('attach')
    if ended.get('instance', {}).get('exit', {}).get('cause') == 'exited':
        assert got == word, (len(got), len(word))


def foreground(c):
    """With descriptors of our own; the events must come to an end."""
    entry = c.create('cat')
    data = c.rnd.randbytes(3000)
    (into, feed), (out, back) = os.pipe(), os.pipe()
    try:
        os.write(feed, data)
        entry.starts += 1
        s = c.upgrade(entry, 'start', 'wasmd-stdio', (into, back, back))
    except BaseException:
        os.close(out)
        raise
    finally:
        for fd in (into, feed, back):
            os.close(fd)
    with s, os.fdopen(out, 'rb') as out:
        got, last = out.read(), last_event(s)
    if last is None:
        raise Cut('events')
    if last['event'] == 'exited':
        c.ledger.told(entry, last['instance'])
        c.ended(last['instance'])
        if last['instance']['exit']['cause'] == 'exited':
            assert got == data, (len(got), len(data))


def last_event(s):
    s.settimeout(HANG)
    data = b''
    try:
        while part := s.recv(65536):
            data += part
    except TimeoutError as e:
        raise Hang('events') from e
    except OSError as e:
        raise Cut('events') from e
    whole = data[:data.rfind(b'\n') + 1].splitlines()
    return json.loads(whole[-1]) if whole and b'"started"' not in whole[-1][:40] else None


def call_a_reactor(c):
    entry = c.create(module='library', reactor=True)
    c.begin(entry)
    for _ in range(c.rnd.randrange(1, 10)):
        a, b = c.rnd.randrange(10**6), c.rnd.randrange(10**6)
        answer = c.ask('POST', f'/v1/instances/{entry.ref}/call',
                       json.dumps({'export': 'add', 'args': [a, b]}))
        got = c.want(answer, 200, or_code=('wrong_state',))
        assert got['results'] == [a + b], got
    c.ended(c.post(entry, 'stop', ('wrong_state',)))


def keep_a_module(c):
    """Loaded and acknowledged, it is there for good; or else removed for good."""
    c.serial += 1
    name, wasm = f'm{c.number}-{c.serial}', unique(c.wasm, c.rnd)
    c.ledger.modules[c.tenant, name] = None
    m = c.want(c.ask('POST', f'/v1/modules?name={name}', wasm), 201)
    c.ledger.modules[c.tenant, name] = m['digest']
    if c.rnd.random() < 0.3:
        i = c.launch('hello', module=name)
        assert i['exit']['cause'] in {'exited', *DISTURBED}, i['exit']
    if c.rnd.random() < 0.7:
        c.ledger.modules[c.tenant, name] = None
        c.want(c.ask('DELETE', f'/v1/modules/{name}'), 204)
        c.ledger.modules[c.tenant, name] = ''


def spoil_a_module(c):
    if c.rnd.random() < 0.5:
        body = c.wasm[:c.rnd.randrange(len(c.wasm) - 1)]
        a = c.ask('POST', '/v1/modules', body)
        assert a.status == 400 or a.error['code'] in c.excused | {'timed_out'}, a.body
        return
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(HANG)
    try:
        s.connect(str(c.d.socket))
        s.sendall(b'POST /v1/modules HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n'
                  % len(c.wasm) + c.wasm[:c.rnd.randrange(len(c.wasm))])
        time.sleep(c.rnd.random() / 20)
    except OSError as e:
        raise Cut(repr(e)) from e
    finally:
        s.close()


def look_around(c):
    for path in c.rnd.sample(('/v1/info', '/v1/modules', '/v1/instances?all=1', '/v1/instances',
                              '/v1/events?since=10s'), 3):
        a = c.ask('GET', path)
        if a.status != 200:
            c.want(a)


def follow_events(c):
    conn, r = c.ask('GET', '/v1/events?follow=1', read=False)
    try:
        conn.sock.settimeout(c.rnd.random())
        for line in r:
            json.loads(line)
    except (OSError, http.client.HTTPException, ValueError):
        pass  # it follows for a while; a cut line is a cut
    finally:
        conn.close()


def prune(c):
    """Only of one tenant: the other's records are held against the ledger to the last one."""
    if c.tenant == 'bob':
        c.want(c.ask('POST', '/v1/prune'), 200)


JOBS = ((run_hello, 8), (run_with_input, 4), (run_to_a_limit, 5), (run_denied, 6),
        (run_and_leave, 3), (run_by_wasmctl, 3), (live_and_end, 6), (live_denied, 4),
        (live_marked, 6), (live_always, 2), (live_and_be_ended, 8), (follow_a_log, 4),
        (talk_to_one, 4), (foreground, 4), (call_a_reactor, 4), (keep_a_module, 4),
        (spoil_a_module, 2), (look_around, 3), (follow_events, 2), (prune, 1))
