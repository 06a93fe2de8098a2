"""A private daemon and a small HTTP client for end-to-end tests (stdlib only).

The programs come from the environment: WASMD, WASMD_FRONT, WASMD_ZYGOTE, and
CLANG, which compiles the guests.
"""
import array
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from urllib.parse import quote, urlencode

TENANT_UID = 61234


class Conn(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path, timeout=30):
        super().__init__("wasmd", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class Daemon:
    """One wasmd with its own state and socket; ends with the test."""

    def __init__(self, ceiling=None):
        self.dir = tempfile.mkdtemp(prefix="wasmd-e2e-")
        os.chmod(self.dir, 0o755)
        self.state = os.path.join(self.dir, "state")
        self.socket = os.path.join(self.dir, "s")
        self.root = os.geteuid() == 0
        self.args = [os.environ["WASMD"], "--state", self.state, "--socket", self.socket,
                     "--front", os.environ["WASMD_FRONT"],
                     "--zygote", os.environ["WASMD_ZYGOTE"]]
        if self.root:
            self.args += ["--config", self.write_config(ceiling)]
        self.proc = None
        self.start()

    def write_config(self, ceiling):
        path = os.path.join(self.dir, "config.json")
        mounts = [{"host": m, "access": "rw"} for m in (ceiling or [self.dir])]
        tenants = [
            {"name": "alice", "uid": TENANT_UID, "gid": TENANT_UID, "clients": [0],
             "ceiling": {"mounts": mounts}},
            {"name": "bob", "uid": TENANT_UID + 1, "gid": TENANT_UID + 1, "clients": [0]}]
        with open(path, "w") as f:
            json.dump({"front_user": "nobody", "tenants": tenants}, f)
        return path

    def start(self):
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.proc = subprocess.Popen(self.args, stderr=self.log, stdout=self.log)
        for _ in range(500):
            try:
                if self.call("GET", "/v1/info").status == 200:
                    return
            except OSError:
                time.sleep(0.02)
            if self.proc.poll() is not None:
                break
        raise RuntimeError("the daemon did not start:\n" + self.said())

    def said(self):
        with open(os.path.join(self.dir, "log")) as f:
            return f.read()

    def stop(self, sig=signal.SIGTERM):
        self.proc.send_signal(sig)
        status = self.proc.wait(timeout=20)
        self.log.close()
        return status

    def close(self):
        if self.proc.poll() is None:
            self.stop()
        said = self.said()
        if "Sanitizer" in said or "runtime error" in said:
            raise RuntimeError(said)
        shutil.rmtree(self.dir)

    def conn(self, timeout=30):
        return Conn(self.socket, timeout)

    def call(self, method, path, body=None, headers=None, conn=None):
        c = conn or self.conn()
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
        return self.call("POST", "/v1/modules?name=" + quote(name), wasm)

    def create(self, **fields):
        if isinstance(fields.get("policy"), dict):
            fields["policy"] = json.dumps(fields["policy"])
        return self.call("POST", "/v1/instances", json.dumps(fields))

    def run(self, module, *args, stdin=b"", **query):
        q = [("module", module)] + [("arg", a) for a in args] + list(query.items())
        return self.call("POST", "/v1/run?" + urlencode(q), stdin)

    def upgrade(self, ref, fds):
        """Starts in the foreground; yields events."""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30)
        s.connect(self.socket)
        s.sendall(b"POST /v1/instances/%s/start HTTP/1.1\r\nHost: x\r\n"
                  b"Connection: Upgrade\r\nUpgrade: wasmd-stdio\r\n\r\n" % ref.encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(1)
        assert head.startswith(b"HTTP/1.1 101"), head
        s.sendmsg([b"F"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        return s


def events(sock):
    """Every event until the daemon closes."""
    data = b""
    while True:
        part = sock.recv(65536)
        if not part:
            return [json.loads(line) for line in data.splitlines()]
        data += part


def compile_guest(source):
    """Bytes of the module that clang makes of C text."""
    with tempfile.TemporaryDirectory() as d:
        c, w = os.path.join(d, "g.c"), os.path.join(d, "g.wasm")
        with open(c, "w") as f:
            f.write(source)
        subprocess.check_call([os.environ.get("CLANG", "clang-19"), "--target=wasm32-wasi",
                               "-O2", c, "-o", w])
        with open(w, "rb") as f:
            return f.read()
