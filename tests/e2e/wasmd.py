"""A private daemon for tests: the real programs, over the real socket.

    with Daemon() as d:
        d.ctl('module', 'load', path, '--name', 'wc')
        status, answer = d.http('GET', '/v1/instances')
"""
import array
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from urllib.parse import urlencode

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('WASMD_BUILD', ROOT / 'b-rel'))
TENANT_UID, OTHER_UID = 65533, 65532
AS_ROOT = os.getuid() == 0
# Where guests are compiled to: beside the build, or, when that is another's, for ourselves.
GUESTS = BUILD / 'guests'
if not os.access(BUILD, os.W_OK):
    CHECKOUT = zlib.crc32(str(ROOT).encode())  # another one has other guests
    GUESTS = pathlib.Path(tempfile.gettempdir()) / f'wasmd-guests-{os.getuid()}-{CHECKOUT:08x}'


PATIENCE = 60  # seconds: longer than the busiest machine takes for what takes milliseconds


def until(what, seconds=PATIENCE, why='it did not come to that'):
    """The first true value of what(), asked again and again."""
    end = time.monotonic() + seconds
    while not (got := what()):
        if time.monotonic() > end:
            raise AssertionError(why() if callable(why) else why)
        time.sleep(0.02)
    return got


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json['error']


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout=2 * PATIENCE):
        super().__init__('wasmd', timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))  # waits for its turn, as others do
        self.sock.settimeout(self.timeout)


def guest(name, *flags):
    """tests/guest/NAME.c as a wasm file, compiled once by clang."""
    out = GUESTS / f'{name}.wasm'
    src = ROOT / 'tests' / 'guest' / f'{name}.c'
    if not out.exists() or out.stat().st_mtime < src.stat().st_mtime:
        out.parent.mkdir(exist_ok=True)
        part = out.with_suffix(f'.{os.getpid()}')
        subprocess.run(['clang-19', '--target=wasm32-wasi', '-O2', *flags, src, '-o', part],
                       check=True)
        part.rename(out)
    return out


def events(sock):
    """Every line of JSON until the daemon closes."""
    data = b''
    while part := sock.recv(65536):
        data += part
    return [json.loads(line) for line in data.splitlines()]


class Daemon:
    """As root the daemon serves three tenants: alice (TENANT_UID, default for
    root), bob (OTHER_UID), and nobody else; as a user, that user."""

    def __init__(self, ceiling=None, options=(), config=None, env=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='wasmd-test-'))
        self.dir.chmod(0o755)
        self.data = self.dir / 'data'
        self.data.mkdir()
        self.state = self.dir / 'state'
        self.state.mkdir()
        self.socket = self.dir / 'wasmd.sock'
        self.ceiling = ceiling or [{'host': str(self.dir), 'access': 'rw'}]
        self.options, self.config, self.env = list(options), config, env
        self.proc = None
        if AS_ROOT:
            os.chown(self.data, TENANT_UID, TENANT_UID)

    def tenants(self):
        def row(name, uid, clients):
            return {'name': name, 'uid': uid, 'gid': uid, 'clients': clients,
                    'ceiling': {'mounts': self.ceiling}}
        return {'tenants': [row('alice', TENANT_UID, [0, TENANT_UID]),
                            row('bob', OTHER_UID, [0, OTHER_UID])], 'socket_mode': '0666'}

    def command(self):
        cmd = [str(BUILD / 'daemon' / 'wasmd'), '--state', str(self.state),
               '--socket', str(self.socket)]
        if AS_ROOT or self.config:
            path = self.dir / 'wasmd.json'
            path.write_text(json.dumps(self.config or self.tenants()))
            cmd += ['--config', str(path)]
        return cmd + self.options

    def spawn(self, command, **kw):
        return subprocess.Popen(command, **kw)

    def begin(self):
        with open(self.dir / 'daemon.log', 'ab') as log:
            self.proc = self.spawn(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, env=self.env)

    def answers(self):
        if self.proc.poll() is not None:
            raise RuntimeError('the daemon ended: ' + self.logged())
        try:
            return self.http('GET', '/v1/info')[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def ready(self):
        until(self.answers, why=lambda: 'the daemon does not answer: ' + self.logged())
        return self

    def start(self):
        self.begin()
        return self.ready()

    def logged(self):
        return (self.dir / 'daemon.log').read_text(errors='replace')[-4000:]

    def stop(self, sig=signal.SIGINT):
        """SIGINT ends what runs, too; SIGTERM leaves it to the next daemon."""
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise RuntimeError('the daemon did not stop: ' + self.logged())
        return self.proc.returncode if self.proc else None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, tb):
        try:
            self.stop()
            said = self.logged()
            if kind is not None:
                sys.stderr.write(said)
            if 'Sanitizer' in said or 'runtime error' in said:
                raise RuntimeError(said)
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def close(self):
        self.__exit__(None, None, None)

    def ctl(self, *args, check=None, stdin=None, timeout=2 * PATIENCE, user=None, **kw):
        """wasmctl ARGS; check=N asserts the exit status."""
        cmd = [str(BUILD / 'ctl' / 'wasmctl'), *map(str, args)]
        if user is not None:
            cmd = ['setpriv', f'--reuid={user}', f'--regid={user}', '--clear-groups', *cmd]
        env = dict(os.environ, WASMD_SOCKET=str(self.socket))
        done = subprocess.run(cmd, input=stdin, capture_output=True, timeout=timeout, env=env, **kw)
        done.out, done.err = done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace')
        if check is not None and done.returncode != check:
            raise AssertionError(f'{args}: exit {done.returncode}, not {check}\n'
                                 f'{done.out}\n{done.err}\n{self.logged()}')
        return done

    def http(self, method, path, body=None, headers=None, raw=False):
        """(status, decoded answer)"""
        conn = UnixHTTP(self.socket)
        try:
            conn.request(method, path, body, headers or {})
            r = conn.getresponse()
            data = r.read()
            return r.status, data if raw or not data else json.loads(data)
        finally:
            conn.close()

    def call(self, method, path, body=None, headers=None, conn=None):
        """An Answer, over a connection of its own or over @conn."""
        c = conn or UnixHTTP(self.socket)
        try:
            c.request(method, path, body, headers or {})
        except BrokenPipeError:
            pass  # refused before the end of the body: the answer is there
        r = c.getresponse()
        a = Answer(r.status, dict(r.getheaders()), r.read())
        if conn is None:
            c.close()
        return a

    def load(self, wasm, name):
        return self.call('POST', '/v1/modules?' + urlencode({'name': name}), wasm)

    def create(self, **fields):
        if isinstance(fields.get('policy'), dict):
            fields['policy'] = json.dumps(fields['policy'])
        return self.call('POST', '/v1/instances', json.dumps(fields))

    def run(self, module, *args, stdin=b'', **query):
        q = [('module', module)] + [('arg', a) for a in args] + list(query.items())
        return self.call('POST', '/v1/run?' + urlencode(q), stdin)

    def upgrade(self, ref, what='start', protocol='wasmd-stdio', fds=None, tenant=None):
        """The socket after the 101; with @fds, they are passed. events() reads on."""
        who = f'Wasmd-Tenant: {tenant}\r\n' if tenant and AS_ROOT else ''
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)
        s.connect(str(self.socket))
        s.sendall(f'POST /v1/instances/{ref}/{what} HTTP/1.1\r\nHost: x\r\n{who}'
                  f'Connection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n'.encode())
        head = b''
        while b'\r\n\r\n' not in head:
            byte = s.recv(1)
            if not byte:
                raise ConnectionResetError(f'the connection was closed after {head!r}')
            head += byte
        assert head.startswith(b'HTTP/1.1 101'), head
        if fds is not None:
            s.sendmsg([b'F'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))])
        return s

    def policy(self, file='p.json', /, **doc):
        path = self.dir / file
        path.write_text(json.dumps(doc, indent=1))
        return path

    def leftovers(self):
        """Processes of this daemon that still live, by their command line."""
        mine = []
        for p in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                stat = (p / 'stat').read_text()
            except OSError:
                continue
            name = stat[stat.index('(') + 1:stat.rindex(')')]
            if name.startswith('wasmd') and self.owns(int(p.name)):
                mine.append((int(p.name), name))
        return mine

    def workers(self):
        """(pid, state, ticks of cpu time) of what zygotes have forked, spares included."""
        found = []
        for pid, _ in self.leftovers():
            try:
                stat = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
                parent = pathlib.Path(f'/proc/{stat[1]}/comm').read_text().strip()
            except OSError:
                continue
            if parent == 'wasmd-zygote':
                found.append((pid, stat[0], int(stat[11]) + int(stat[12])))
        return found

    def spinner(self):
        """The pid of a worker that burns cpu, once there is one."""
        return until(lambda: next((pid for pid, _, ticks in self.workers() if ticks > 5), None),
                     why='no worker runs')

    def owns(self, pid):
        while pid > 1:
            if self.proc and pid == self.proc.pid:
                return True
            try:
                stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
            except OSError:
                return False
            pid = int(stat[stat.rindex(')') + 2:].split()[1])
        return False
