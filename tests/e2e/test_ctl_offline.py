#!/usr/bin/env python3
"""wasmctl without a daemon: what it decides alone, and how it behaves towards
a daemon that this test plays, byte by byte."""
import array
import calendar
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import struct
import tempfile
import termios
import threading
import time
import unittest

WASMCTL = sys.argv.pop(1)
PATIENCE = 60  # seconds, on the busiest machine
ID = "0123456789abcdef0123456789abcdef"


def instance(cause=None, status=0, message="", **more):
    ended = {"cause": cause, "status": status, "message": message} if cause else None
    return {"id": ID, "name": "job1", "module_name": "wc", "module": "sha256:" + "a" * 64,
            "state": "exited" if cause else "created", "exit": ended, "denials": [],
            "created": "2020-01-01T00:00:00Z", **more}


def answer(status, body=None):
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data


def error(status, code, message, hint=None):
    inner = {"code": code, "message": message}
    if hint:
        inner["hint"] = hint
    return answer(status, {"error": inner})


class Fake:
    """Answers requests by `METHOD path`; keeps what was asked."""

    def __init__(self, routes):
        self.routes, self.asked, self.dir = routes, [], tempfile.TemporaryDirectory()
        self.path = os.path.join(self.dir.name, "s")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(self.path)
        self.sock.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.shutdown(socket.SHUT_RDWR)  # or the thread may accept on the next one's number
        self.thread.join()
        self.sock.close()
        self.dir.cleanup()

    def serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(conn,), daemon=True).start()

    def talk(self, conn):
        try:
            while self.one(conn):
                pass
        except OSError:
            pass
        conn.close()

    def one(self, conn):
        f = conn.makefile("rb", buffering=0)
        line = f.readline().split()
        if len(line) != 3:
            return False
        what = (line[0] + b" " + line[1]).decode()
        heads = {}
        while (h := f.readline().strip()):
            k, v = h.decode().split(":", 1)
            heads[k.lower()] = v.strip()
        body = b""
        if heads.get("transfer-encoding") == "chunked":
            while (n := int(f.readline(), 16)):
                while n:
                    got = f.read(n)
                    body, n = body + got, n - len(got)
                f.readline()
            f.readline()
        while len(body) < int(heads.get("content-length", 0)):
            body += f.read(int(heads["content-length"]) - len(body))
        self.asked.append((what, heads, body))
        reply = self.routes.get(what, error(404, "not_found", "there is no " + what))
        if callable(reply):
            return reply(conn)
        conn.sendall(reply)
        return True


def upgrade(play, early=b""):
    """A start: the 101 (and perhaps an event with it), then `play(conn, fds)`."""

    def route(conn):
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                     b"Upgrade: wasmd-stdio\r\n\r\n" + early)
        data, anc, _, _ = conn.recvmsg(1, socket.CMSG_SPACE(64))
        fds = array.array("i")
        for level, kind, payload in anc:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(payload[:len(payload) // 4 * 4])
        assert data == b"F" and len(fds) == 3, (data, fds)
        try:
            play(conn, fds)
        finally:
            for fd in fds:
                os.close(fd)
        return False

    return route


def event(conn, **e):
    conn.sendall(json.dumps(e).encode() + b"\n")


def frame(kind, data):
    return struct.pack(">B3xI", kind, len(data)) + data


def read_frame(conn):
    head = b""
    while len(head) < 8:
        got = conn.recv(8 - len(head))
        if not got:
            return None
        head += got
    kind, n = struct.unpack(">B3xI", head)
    data = b""
    while len(data) < n:
        data += conn.recv(n - len(data))
    return kind, data


def attached(play, early=b""):
    def route(conn):
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                     b"Upgrade: wasmd-stream\r\n\r\n" + early)
        play(conn)
        return False

    return Fake({"POST /v1/instances/job1/attach": route})


def exited(*args, **kw):
    return frame(3, json.dumps({"event": "exited", "instance": instance(*args, **kw)}).encode())


def ctl(*args, sock=None, env=None, **kw):
    full = {**os.environ, "WASMD_SOCKET": sock or "/nonexistent/wasmd.sock", **(env or {})}
    return subprocess.run([WASMCTL, *args], env=full, capture_output=True, timeout=PATIENCE, **kw)


def started(play, early=b"", **routes):
    return Fake({"POST /v1/instances": answer(201, instance()),
                 f"POST /v1/instances/{ID}/start": upgrade(play, early), **routes})


class Alone(unittest.TestCase):
    def fails(self, args, status, *texts, **kw):
        r = ctl(*args, **kw)
        err = r.stderr.decode()
        self.assertEqual(r.returncode, status, err)
        self.assertLessEqual(len(err.splitlines()), 2, err)
        for t in texts:
            self.assertIn(t, err)
        return r

    def test_bad_words(self):
        self.fails(["runn"], 125, 'there is no verb "runn"; did you mean "run"?')
        self.fails(["module", "lod"], 125, 'did you mean "module load"?')
        self.fails(["xyzzyplugh"], 125, 'no verb "xyzzyplugh"', "hint: wasmctl help")
        self.fails(["module"], 125, "load, ls, inspect, rm")
        self.fails(["ps", "--al"], 125, "wasmctl ps: ", "did you mean --all?")
        self.fails(["ps", "-z"], 125, "no option -z")
        self.fails(["ps", "x"], 125, "one argument too many")
        self.fails(["rm"], 125, "needs NAME")
        self.fails(["ps", "-o", "jsom"], 125, 'did you mean json?')
        self.fails(["ps", "--request-timeout", "soon"], 125, '"soon" is not a time')
        self.fails(["run", "--status-fd", "77", "x"], 125, "not an open descriptor")
        self.fails(["run", "-d", "--rm", "x"], 125, "-d and --rm")
        self.fails(["run", "--fuel", "much", "x"], 125, "--fuel", "5e9, or say unmetered")
        self.fails(["run", "--memory", "1XB", "x"], 125, '--memory: found "1XB"')
        self.fails(["run", "--restart", "always", "x"], 125, "only what is detached")
        self.fails(["run", "-d", "--restart", "on-failure:", "x"], 125, "on-failure:N")
        self.fails(["run", "-dt", "x"], 125, "-d and -t")
        self.fails(["run", "-it", "x"], 125, "not a terminal", stdin=subprocess.DEVNULL)
        self.fails(["run", "--output", "json", "x"], 125, '--output: found "json"')
        self.fails(["run", "--fds", "2", "x"], 125, "--fds: ")
        self.fails(["run", "--host-calls", "some", "x"], 125, "--host-calls: ")
        self.fails(["run", "--clock-resolution", "soon", "x"], 125, "--clock-resolution: ")
        self.fails(["run", "--tmpfs", "/tmp", "x"], 125, "--tmpfs: ", "/tmp:16MiB")
        self.fails(["run", "--secret", "KEY", "x"], 125, "--secret: ", "VARIABLE=NAME")
        self.fails(["ps", "--filter", "colour=red"], 125, "--filter: ", "state=")
        self.fails(["logs", "--stream", "x", "y"], 125, "neither stdout nor stderr")
        self.fails(["completion", "csh"], 125, "bash only")
        self.fails(["a\x1b[31m\u202e"], 125, "\\x1b[31m\\u{202e}")

    def test_no_daemon(self):
        self.fails(["ps"], 125, "wasmd is not running", "/nonexistent/wasmd.sock", "hint: start it")
        with tempfile.TemporaryDirectory() as d:
            s = socket.socket(socket.AF_UNIX)
            s.bind(d + "/s")
            s.close()
            self.fails(["ps"], 125, "nobody listens on " + d + "/s", sock=d + "/s")
            self.fails(["ps", "-H", d + "/t"], 125, d + "/t", sock=d + "/s")
        self.fails(["ps", "-H", "/" + "x" * 200], 125, "longer than")
        self.assertEqual(ctl("version").returncode, 0)

    def test_no_permission(self):
        with Fake({}) as f:
            os.chmod(f.dir.name, 0o755)
            os.chmod(f.path, 0)
            mine = shutil.copy(WASMCTL, f.dir.name)
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                if os.getuid() == 0:
                    os.setresuid(65534, 65534, 65534)
                os.dup2(write, 2)
                try:
                    os.execv(mine, [mine, "-H", f.path, "ps"])
                finally:
                    os._exit(99)
            os.close(write)
            with open(read) as f2:
                said = f2.read()
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 125)
            self.assertIn("you have no permission to connect to " + f.path, said)

    def test_help(self):
        for args in ([], ["help"], ["--help"], ["help", "run"], ["run", "--help"],
                     ["help", "module", "load"]):
            r = ctl(*args)
            self.assertEqual((r.returncode, r.stderr), (0, b""))
            self.assertIn(b"--socket", r.stdout)
        self.assertIn(b"--status-fd", ctl("help", "run").stdout)

    def test_completion(self):
        script = ctl("completion", "bash").stdout.decode()
        probe = script + """
            try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wasmctl; echo "${COMPREPLY[*]}"; }
            try wasmctl pol; try wasmctl module l; try wasmctl run --pol; try wasmctl -o json st"""
        r = subprocess.run(["bash", "-euc", probe], capture_output=True, timeout=PATIENCE)
        self.assertEqual((r.stdout.decode(), r.stderr),
                         ("policy\nload ls\n--policy\nstart stop stats\n", b""))

    def test_print_policy(self):
        r = ctl("run", "--print-policy", "-v", "/srv:/in", "-v", ".:/out:rw", "-e", "A=B", "-e",
                "HOME", "--fuel", "5e9", "--wall", "10s", "wc", "--", "x", cwd="/tmp")
        p = json.loads(r.stdout)
        self.assertEqual(p["limits"]["fuel"], 5000000000)
        self.assertEqual(p["env"], {"pass": ["HOME"], "set": {"A": "B"}})
        self.assertEqual(p["mounts"], [{"host": "/srv", "guest": "/in", "access": "ro"},
                                       {"host": "/tmp", "guest": "/out", "access": "rw"}])
        with tempfile.NamedTemporaryFile("wb", suffix=".json") as f:
            f.write(r.stdout)
            f.flush()
            self.assertIn(b": ok: 2 mounts (1 writable), 0 rules",
                          ctl("policy", "check", f.name).stdout)
            self.fails(["run", "--policy", f.name, "-v", "/a:/b", "x"], 125, "--policy and -v")
            self.fails(["run", "--policy", f.name, "-e", "A=B", "x"], 125, "-e NAME=VALUE")
            self.fails(["run", "--policy", f.name, "-e", "NOT", "x"], 125, "does not let it pass")
            again = ctl("run", "--policy", f.name, "-e", "HOME", "--print-policy", "x")
            self.assertEqual(again.stdout, r.stdout)
        self.assertEqual(ctl("run", "--print-policy", "wc").stdout,
                         ctl("policy", "minimal").stdout)

    def test_print_every_limit(self):
        r = ctl("run", "--print-policy", "--cpu", "1s", "--memory", "1MiB", "--stack", "1MiB",
                "--disk", "10MiB", "--output", "1MiB", "--fds", "9", "--host-calls", "1e3",
                "--clock-resolution", "1ms", "--no-random", "--tmpfs", "/tmp:16MiB", "wc")
        p = json.loads(r.stdout)
        self.assertEqual({k: p["limits"][k] for k in ("cpu", "memory", "stack", "disk", "output",
                                                      "fds", "host_calls")},
                         {"cpu": "1s", "memory": "1MiB", "stack": "1MiB", "disk": "10MiB",
                          "output": "1MiB", "fds": 9, "host_calls": 1000})
        self.assertEqual(p["mounts"], [{"tmpfs": "16MiB", "guest": "/tmp"}])
        self.fails(["run", "--tmpfs", "/tmp:1XB", "x"], 125, "--tmpfs: ", "1XB")
        self.assertEqual((p["clock"], p["random"]), ({"resolution": "1ms"}, False))

    def test_policy_check(self):
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/p.json", "w") as f:
                f.write('{\n  "name": "p",\n  "defualt": "deny"\n}\n')
            r = ctl("policy", "check", "p.json", cwd=d)
            self.assertEqual(r.returncode, 125)
            self.assertRegex(r.stderr.decode(), r"^p\.json:3:\d+: .*default")
            self.assertEqual(r.stdout, b"")
            self.fails(["policy", "check", d + "/none"], 125, "No such file")
            self.fails(["policy", "check", d], 125, d)
            self.fails(["run", "--policy", d + "/p.json", "x"], 125, "p.json:3:")

    def test_module_files(self):
        with Fake({}) as f:
            self.fails(["run", "./none.wasm"], 127, "no file ./none.wasm", sock=f.path)
            self.fails(["run", "none.wasm"], 127, "no file none.wasm", sock=f.path)
            self.fails(["run", "/tmp/."], 126, "is a directory", sock=f.path)
            self.assertEqual(f.asked, [])


class Played(unittest.TestCase):
    def test_lists(self):
        routes = {"GET /v1/instances?all=1": answer(200, {"next": None, "instances": [
            instance("exited", 3), instance("trap", name="\x1b[2J\u202eevil", blocked=False)]})}
        with Fake(routes) as f:
            out = ctl("ps", "-a", sock=f.path).stdout.decode()
            self.assertIn("0123456789ab  job1", out)
            self.assertIn("exited 3", out)
            self.assertIn("\\x1b[2J\\u{202e}evil", out)
            self.assertEqual(len({line.index("wc") for line in out.splitlines()[1:]}), 1)
            names = ctl("ps", "-a", "-o", "name", sock=f.path).stdout.decode()
            self.assertEqual(names, "job1\n\\x1b[2J\\u{202e}evil\n")
            lines = ctl("ps", "-a", "-o", "jsonl", sock=f.path).stdout.splitlines()
            self.assertEqual([json.loads(x)["exit"]["cause"] for x in lines], ["exited", "trap"])
            whole = json.loads(ctl("ps", "-a", "-o", "json", sock=f.path).stdout)
            self.assertEqual(len(whole["instances"]), 2)

    def test_filters(self):
        rows = [instance("exited", 3), instance(name="b1", state="running", blocked=True),
                instance(name="b2", state="paused", blocked=False, module_name="lua",
                         usage={"cpu_ns": 1500000, "memory_peak": 65536, "host_calls": 12})]
        routes = {"GET /v1/instances?all=1": answer(200, {"instances": rows}),
                  "GET /v1/instances": answer(200, {"instances": rows[1:]}),
                  "GET /v1/instances/b2": answer(200, rows[2])}
        with Fake(routes) as f:
            def names(*filters):
                args = [x for k in filters for x in ("--filter", k)]
                return ctl("ps", "-o", "name", *args, sock=f.path).stdout.decode().split()

            self.assertEqual(names(), ["b1", "b2"])
            self.assertEqual(names("name=b*"), ["b1", "b2"])
            self.assertEqual(names("name=b*", "module=lua"), ["b2"])
            self.assertEqual(names("state=exited"), ["job1"])
            self.assertEqual(names("state=paused"), ["b2"])
            self.assertEqual(names("state=blocked"), ["b1"])
            self.assertEqual(names("module=sha256:aaa*"), ["b1", "b2"])
            table = ctl("ps", sock=f.path).stdout.decode()
            self.assertIn("running, BLOCKED", table)
            self.assertIn("paused", table)
            stats = ctl("stats", "b2", sock=f.path).stdout.decode().splitlines()
            self.assertEqual(len(stats), 2)
            for part in ("b2", "paused", "1.5 ms", "64 KiB", "12"):
                self.assertIn(part, stats[1])
            self.assertEqual(len(ctl("stats", sock=f.path).stdout.splitlines()), 3)
            self.assertEqual(ctl("stats", "none", sock=f.path).returncode, 127)

    def test_errors(self):
        routes = {"GET /v1/instances/x": error(404, "not_found", 'no "x"', "wasmctl ps -a"),
                  "GET /v1/instances/a%2Fb%3F": error(403, "forbidden", "no\x1b"),
                  "GET /v1/instances/h": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
                  "GET /v1/instances/g": b"garbage\r\n\r\n",
                  "GET /v1/instances/j": answer(200, b"{]"),
                  "GET /v1/instances/e": answer(500, b"<html>"),
                  "GET /v1/instances/s": lambda c: time.sleep(1)}
        with Fake(routes) as f:
            for ref, status, text in (("x", 127, 'wasmctl inspect: no "x"\n  hint: wasmctl ps -a'),
                                      ("a/b?", 125, "no\\x1b"), ("g", 125, "not HTTP"),
                                      ("j", 125, "not JSON"), ("e", 125, "without a reason")):
                r = ctl("inspect", ref, sock=f.path)
                self.assertEqual(r.returncode, status)
                self.assertIn(text, r.stderr.decode())
            r = ctl("inspect", "--request-timeout", "100ms", "h", sock=f.path)
            self.assertIn("has not answered for 100 ms", r.stderr.decode())
            r = ctl("--request-timeout=100ms", "inspect", "s", sock=f.path)
            self.assertIn("has not answered", r.stderr.decode())

    def test_suggest(self):
        routes = {"POST /v1/instances": error(404, "not_found", 'there is no module "wcc"'),
                  "GET /v1/modules": answer(200, {"modules": [{"names": ["wc"], "digest": "x"}]})}
        with Fake(routes) as f:
            r = ctl("run", "wcc", sock=f.path)
            self.assertEqual(r.returncode, 127)
            self.assertIn('hint: did you mean "wc"?', r.stderr.decode())

    def test_upload(self):
        data = os.urandom(700000)
        routes = {"POST /v1/modules?name=a%20b": answer(201, {"digest": "sha256:x"}),
                  "POST /v1/modules": answer(201, {"digest": "sha256:x"})}
        with Fake(routes) as f, tempfile.NamedTemporaryFile(suffix=".wasm") as m:
            m.write(data)
            m.flush()
            r = ctl("module", "load", m.name, "--name", "a b", "--tenant", "t1", sock=f.path)
            self.assertEqual((r.returncode, r.stdout), (0, b"sha256:x\n"), r.stderr)
            self.assertEqual(f.asked[0][1]["content-length"], "700000")
            self.assertEqual(f.asked[0][1]["wasmd-tenant"], "t1")
            self.assertEqual(f.asked[0][2], data)
            r = ctl("module", "load", "-", sock=f.path, input=data)
            self.assertEqual((r.returncode, r.stdout), (0, b"sha256:x\n"), r.stderr)
            self.assertEqual(f.asked[1][2], data)

    def test_upload_refused_half_way(self):
        def refuse(conn):
            conn.recv(1000)
            conn.sendall(error(413, "limit_exceeded", "too big for us"))
            conn.shutdown(socket.SHUT_WR)
            time.sleep(0.2)
            return False

        class Early(Fake):
            def one(self, conn):
                return refuse(conn)

        with Early({}) as f:
            r = ctl("module", "load", "-", sock=f.path, input=b"x" * 30000000)
            self.assertIn("too big for us", r.stderr.decode())
            self.assertEqual(r.returncode, 126)

    def test_run(self):
        def play(conn, fds):
            event(conn, event="started", id=ID)
            event(conn, event="news", of="tomorrow")
            os.write(fds[1], os.read(fds[0], 100).upper())
            os.write(fds[2], b"own stderr\n")
            d = {"call": "path_open", "path": "/in/secret.txt", "fd": 3, "rule": "no-secrets",
                 "line": 14, "count": 1, "complain": False, "allow": "put {} first"}
            event(conn, event="denied", denial=d)
            event(conn, event="denied", denial=d)
            last = {"call": "fd_write", "path": "\x1b/x", "rule": None, "line": 0}
            event(conn, event="exited", instance=instance("exited", 3, denials=[d, last]))

        with tempfile.TemporaryDirectory() as d, started(play) as f:
            with open(d + "/p.json", "w") as p:
                p.write('{"env": {"pass": ["WASMD_T"]}}')
            read, write = os.pipe()
            r = ctl("run", "--policy", "p.json", "--status-fd", str(write), "wc", "--", "-a", "b",
                    sock=f.path, input=b"hello", cwd=d, pass_fds=(write,), env={"WASMD_T": "v"})
            os.close(write)
            self.assertEqual(json.loads(os.read(read, 9999))["exit"]["status"], 3)
            os.close(read)
        self.assertEqual((r.returncode, r.stdout), (3, b"HELLO"), r.stderr)
        self.assertEqual(r.stderr.decode().splitlines(), [
            "own stderr",
            'denied: path_open /in/secret.txt by rule "no-secrets" (p.json:14); '
            "to allow it: put {} first",
            "denied: fd_write \\x1b/x by the policy's default"])
        sent = json.loads(f.asked[0][2])
        self.assertEqual(sent, {"module": "wc", "args": ["-a", "b"], "env": {"WASMD_T": "v"},
                                "policy": '{"env": {"pass": ["WASMD_T"]}}'})
        self.assertEqual(len(f.asked), 2)

    def test_lines_are_whole(self):
        """The guest writes to the same descriptor: a line is one write."""

        def play(conn, _):
            event(conn, event="denied", denial={"call": "path_open", "path": "/a\x1bb" * 9})
            event(conn, event="exited", instance=instance("trap", message="why"))

        read, write = os.pipe2(os.O_DIRECT)
        with started(play) as f:
            subprocess.run([WASMCTL, "-H", f.path, "run", "wc"], stderr=write, timeout=PATIENCE)
        os.close(write)
        self.assertTrue(os.read(read, 4096).endswith(b"b by the policy's default\n"))
        self.assertEqual(os.read(read, 4096), b"wasmctl: wc trapped: why\n")
        os.close(read)

    def test_statuses(self):
        for cause, own, status in (("exited", 0, 0), ("exited", 255, 255), ("exited", 256, 255),
                                   ("exited", 1 << 32, 255), ("trap", 0, 134), ("fuel", 0, 152),
                                   ("wall", 0, 124), ("killed", 0, 137), ("unheard-of", 0, 125)):
            def play(conn, _):
                event(conn, event="exited", instance=instance(cause, own, "why"))

            with started(play) as f:
                r = ctl("run", "wc", sock=f.path)
                self.assertEqual(r.returncode, status, cause)
                self.assertEqual(r.stderr.startswith(b"wasmctl: wc "), cause != "exited", cause)
        self.assertEqual(r.stderr.splitlines()[-1][-5:], b": why")

    def test_event_with_the_101(self):
        early = json.dumps({"event": "exited", "instance": instance("exited", 4)}).encode() + b"\n"
        with started(lambda c, f: None, early) as f:
            self.assertEqual(ctl("run", "wc", sock=f.path).returncode, 4)

    def test_rm_and_failures(self):
        gone = {f"DELETE /v1/instances/{ID}": answer(204),
                f"GET /v1/instances/{ID}": answer(200, instance())}

        def play(conn, _):
            event(conn, event="exited", instance=instance("exited", 0))

        with started(play, **gone) as f:
            self.assertEqual(ctl("run", "--rm", "wc", sock=f.path).returncode, 0)
            self.assertEqual(f.asked[-1][0], f"DELETE /v1/instances/{ID}")
        refused = error(400, "invalid_module", "function 3")
        with started(play, **gone, **{f"POST /v1/instances/{ID}/start": refused}) as f:
            r = ctl("run", "wc", sock=f.path)
            self.assertEqual(r.returncode, 126)
            self.assertEqual(f.asked[-1][0], f"DELETE /v1/instances/{ID}")
        gone[f"GET /v1/instances/{ID}"] = answer(200, instance("failed"))
        for args, last in (["wc"], "GET"), (["--rm", "wc"], "DELETE"):
            with started(play, **gone, **{f"POST /v1/instances/{ID}/start": refused}) as f:
                self.assertEqual(ctl("run", *args, sock=f.path).returncode, 126)
                self.assertEqual(f.asked[-1][0], f"{last} /v1/instances/{ID}")
        for bad in (lambda c, _: None, lambda c, _: c.sendall(b"not json\n"),
                    lambda c, _: event(c, event="error", error={"code": "internal",
                                                                "message": "oh"}),
                    lambda c, _: event(c, event="exited", instance={}),
                    lambda c, _: c.sendall(b"[1]\n")):
            with started(bad) as f:
                r = ctl("run", "wc", sock=f.path)
                self.assertEqual(r.returncode, 125)
                self.assertIn(b"wasmctl run: ", r.stderr)

    def test_detached(self):
        with Fake({"POST /v1/instances": answer(201, instance()),
                   f"POST /v1/instances/{ID}/start": answer(200, instance())}) as f:
            r = ctl("run", "-d", "--name", "job1", "wc", sock=f.path)
            self.assertEqual((r.returncode, r.stdout.decode()), (0, ID + "\n"))
            self.assertEqual(json.loads(f.asked[0][2])["name"], "job1")

    def test_create_keys(self):
        with Fake({"POST /v1/instances": answer(201, instance()),
                   f"POST /v1/instances/{ID}/start": answer(200, instance())}) as f:
            for args, more in ((["create", "wc"], {}),
                               (["create", "-i", "wc"], {"stdin": "open"}),
                               (["run", "-id", "wc"], {"stdin": "open"}),
                               (["run", "-d", "--reactor", "wc"], {"reactor": True}),
                               (["run", "-d", "--restart", "on-failure:3", "wc"],
                                {"restart": "on-failure:3"})):
                f.asked.clear()
                self.assertEqual(ctl(*args, sock=f.path).returncode, 0)
                self.assertEqual(json.loads(f.asked[0][2]), {"module": "wc", "args": [], **more})

    def test_signals(self):
        stop, kill = threading.Event(), threading.Event()

        def play(conn, _):
            event(conn, event="started", id=ID)
            os.kill(child.pid, signal.SIGINT)
            assert stop.wait(PATIENCE)
            os.kill(child.pid, signal.SIGTERM)
            assert kill.wait(PATIENCE)
            event(conn, event="exited", instance=instance("killed", 0))

        def asked(which):
            def route(conn):
                which.set()
                time.sleep(0.5)
                return False
            return route

        with started(play, **{f"POST /v1/instances/{ID}/stop?grace=10": asked(stop),
                              f"POST /v1/instances/{ID}/kill": asked(kill)}) as f:
            child = subprocess.Popen([WASMCTL, "-H", f.path, "run", "wc"], stderr=subprocess.PIPE)
            err = child.communicate(timeout=PATIENCE)[1].decode()
            self.assertEqual(child.returncode, 137, err)
            self.assertIn("wc was killed on request", err)

    def test_logs(self):
        raw = "a\x1b[31m\u202eb\xff\n".encode("latin-1", "ignore") + "\u202e\n".encode()
        chunks = b"".join(b"1\r\n%c\r\n" % x for x in raw) + b"0\r\n\r\n"
        whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        with Fake({"GET /v1/instances/x/logs?stream=stdout": whole}) as f:
            args = [WASMCTL, "-H", f.path, "logs", "--stream", "stdout", "x"]
            self.assertEqual(subprocess.run(args, capture_output=True, timeout=PATIENCE).stdout, raw)
            master, slave = pty.openpty()
            subprocess.run(args, stdout=slave, timeout=PATIENCE, check=True)
            os.close(slave)
            self.assertEqual(os.read(master, 999), b"a\\x1b[31mb\\xff\r\n\\u{202e}\r\n")
            os.close(master)

    def test_logs_queries(self):
        got = answer(200, b"x\n")
        for args, query in ((["-t", "-n", "5"], "?tail=5&timestamps=1"),
                            (["--since", "2026-11-22T10:00:00Z"],
                             "?since=2026-11-22T10:00:00Z"),
                            (["-f", "--stream", "stderr"], "?stream=stderr&follow=1")):
            with Fake({"GET /v1/instances/x/logs" + query: got}) as f:
                r = ctl("logs", *args, "x", sock=f.path)
                self.assertEqual((r.stdout, r.stderr), (b"x\n", b""))
        with Fake({}) as f:
            ctl("logs", "--since", "10m", "x", sock=f.path)
            since = f.asked[0][0].split("=")[1]
            ago = time.time() - calendar.timegm(time.strptime(since, "%Y-%m-%dT%H:%M:%SZ"))
            self.assertTrue(595 < ago < 660, since)
            r = ctl("logs", "--since", "lunch", "x", sock=f.path)
            self.assertIn('--since: "lunch" is not a time', r.stderr.decode())
            r = ctl("logs", "--tail", "-1", "x", sock=f.path)
            self.assertIn("--tail: ", r.stderr.decode())

    def broken(self, *pieces):
        """A route that ends early all but the last time: with a piece each."""
        pieces = list(pieces)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

        def route(conn):
            data = pieces.pop(0)
            conn.sendall(head + (b"%x\r\n%s\r\n" % (len(data), data) if data else b"") +
                         (b"" if pieces else b"0\r\n\r\n"))
            return False

        return route

    def test_follow_through_a_restart(self):
        whole = self.broken(b"one\ntw", b"", b"one\ntwo\nthree\n", b"one\ntwo\nthree\nfour\n")
        with Fake({"GET /v1/instances/x/logs?follow=1": whole}) as f:
            r = ctl("logs", "-f", "x", sock=f.path)
            self.assertEqual((r.returncode, r.stdout, r.stderr), (0, b"one\ntwo\nthree\nfour\n", b""))
            self.assertEqual(len(f.asked), 4)
        with Fake({"GET /v1/instances/x/logs": self.broken(b"one\n", b"one\n")}) as f:
            self.assertEqual(ctl("logs", "x", sock=f.path).returncode, 125)

        def gone(conn):
            return False

        left = [gone, gone, answer(200, instance("exited", 7))]

        def wait(conn):
            reply = left.pop(0)
            if callable(reply):
                return reply(conn)
            conn.sendall(reply)
            return True

        with Fake({"POST /v1/instances/x/wait": wait}) as f:
            self.assertEqual(ctl("wait", "x", sock=f.path).stdout, b"7\n")
            self.assertEqual(len(f.asked), 3)

    def test_patience_ends(self):
        with Fake({"POST /v1/instances/x/wait": lambda conn: False}) as f:
            began = time.time()
            r = ctl("wait", "x", sock=f.path)
            self.assertEqual(r.returncode, 125)
            self.assertGreater(time.time() - began, 3)

    def test_events(self):
        def line(at, name):
            return json.dumps({"time": at, "event": "started", "instance":
                               {"name": name, "id": ID}, "n": 3}).encode() + b"\n"

        first, second = line("2026-01-01T00:00:01Z", "a\x1b[2J\u202e"), line("2026-01-01T00:00:02Z", "b")
        with Fake({"GET /v1/events": answer(200, first + second)}) as f:
            out = ctl("events", sock=f.path).stdout.decode().splitlines()
            self.assertEqual(out[0], "2026-01-01T00:00:01Z started name=a\\x1b[2J\\u{202e} "
                                     f"id={ID[:12]} n=3")
            out = ctl("events", "-o", "jsonl", sock=f.path).stdout.splitlines()
            self.assertEqual([json.loads(x) for x in out], [json.loads(first), json.loads(second)])
        with Fake({"GET /v1/events?follow=1&since=2026-01-01T00:00:01Z":
                       answer(200, first + second)}) as f:
            f.routes["GET /v1/events?follow=1"] = self.broken(first + second[:9], b"")
            out = ctl("events", "-f", sock=f.path).stdout.decode().splitlines()
            self.assertEqual([x.split()[0][-3:] for x in out], ["01Z", "02Z"])
        with Fake({"GET /v1/events": answer(200, b"{]\n")}) as f:
            self.assertIn(b"not JSON", ctl("events", sock=f.path).stderr)

    def test_attach(self):
        got = []

        def play(conn):
            while (f := read_frame(conn)) and f[1]:
                got.append(f[1])
            whole = (frame(1, b"to out\x1b[m\n") + frame(2, b"to err\n") + frame(1, b"") +
                     frame(3, b'{"event": "news"}') + exited("exited", 5))
            for i in range(len(whole)):
                conn.sendall(whole[i:i + 1])
            conn.recv(1)

        data = os.urandom(300000)
        with attached(play) as f:
            r = ctl("attach", "job1", sock=f.path, input=data)
            self.assertEqual((r.returncode, r.stdout, r.stderr), (5, b"to out\x1b[m\n", b"to err\n"))
            self.assertEqual(b"".join(got), data)
            self.assertEqual(f.asked[0][1]["upgrade"], "wasmd-stream")
        with attached(lambda c: None, frame(1, b"x") + exited("wall", 0, "why")) as f:
            r = ctl("attach", "--no-stdin", "job1", sock=f.path)
            self.assertEqual((r.returncode, r.stdout), (124, b"x"))
            self.assertIn(b"wasmctl: job1 ran longer", r.stderr)

    def test_attach_hostile(self):
        """What a guest or tenant named is escaped; what the guest wrote is its own."""
        denial = {"call": "path_open", "path": "/in/\x1b]0;x\x07\u202e", "rule": "r\u2066", "line": 3,
                  "allow": "put \x9b there"}
        early = (frame(1, b"\x1b[1mown\n") +
                 frame(3, json.dumps({"event": "denied", "denial": denial}).encode()) +
                 exited("trap", 0, "in func \x1b[31m\u200f"))
        with attached(lambda c: None, early) as f:
            r = ctl("attach", "job1", sock=f.path)
            self.assertEqual((r.returncode, r.stdout), (134, b"\x1b[1mown\n"))
            self.assertEqual(r.stderr.decode().splitlines(), [
                'denied: path_open /in/\\x1b]0;x\\x07\\u{202e} by rule "r\\u{2066}" '
                "(line 3 of its policy); to allow it: put \\u{9b} there",
                "wasmctl: job1 trapped: in func \\x1b[31m\\u{200f}"])

    def test_attach_both_ways_at_once(self):
        """A daemon that reads nothing before it has written everything."""
        def play(conn):
            for _ in range(64):
                conn.sendall(frame(1, b"o" * 65536))
            total = 0
            while (f := read_frame(conn)) and f[1]:
                total += len(f[1])
            conn.sendall(exited("exited", total >> 20))
            conn.recv(1)

        with attached(play) as f:
            r = ctl("attach", "job1", sock=f.path, input=b"i" * (4 << 20))
            self.assertEqual((r.returncode, len(r.stdout)), (4, 4 << 20), r.stderr)

    def test_attach_bad_daemon(self):
        for bad, text in ((frame(0, b"x"), "unknown kind"), (frame(4, b""), "unknown kind"),
                          (b"\1\0\0\1" + b"\0" * 4, "unknown kind"),
                          (b"\1\0\0\0\xff\xff\xff\xff", "above"), (frame(3, b"{"), "not JSON"),
                          (frame(1, b"abc")[:-1], "went away"), (b"", "went away"),
                          (frame(3, b'{"event": "error", "error": {"code": "busy", '
                                    b'"message": "no\\u001b"}}'), "no\\x1b")):
            with attached(lambda c: None, bad) as f:
                r = ctl("attach", "job1", sock=f.path, stdin=subprocess.DEVNULL)
                self.assertEqual(r.returncode, 125, bad)
                self.assertIn(text, r.stderr.decode())
        with Fake({"POST /v1/instances/job1/attach": answer(200, {})}) as f:
            self.assertIn(b"does not speak", ctl("attach", "job1", sock=f.path).stderr)
        with Fake({}) as f:
            self.assertEqual(ctl("attach", "job1", sock=f.path).returncode, 127)

    def on_terminal(self, play, act):
        """Attaches on a terminal; what was said, what was received, and that the
        terminal is as before."""
        master, slave = pty.openpty()
        before, got, played = termios.tcgetattr(slave), [], threading.Event()

        def receive(conn):
            conn.sendall(frame(1, b"ready\n"))
            try:
                play(conn, got)
            finally:
                played.set()

        with attached(receive) as f:
            child = subprocess.Popen([WASMCTL, "-H", f.path, "attach", "job1"], stdin=slave,
                                     stdout=slave, stderr=subprocess.PIPE)
            seen = b""
            while b"ready" not in seen:
                seen += os.read(master, 999)
            act(master, child)
            err = child.communicate(timeout=PATIENCE)[1].decode()
            self.assertTrue(played.wait(PATIENCE))
        self.assertEqual(termios.tcgetattr(slave), before)
        os.close(master)
        os.close(slave)
        return child.returncode, b"".join(got), err

    def test_attach_on_a_terminal(self):
        def play(conn, got):
            while (f := read_frame(conn)):
                got.append(f[1])

        def keys(master, _):
            os.write(master, b"fixd\x7fed\n\x10x")
            os.write(master, b"\x10")
            os.write(master, b"\x11")

        status, got, err = self.on_terminal(play, keys)
        self.assertEqual((status, got), (0, b"fixed\n\x10x"), err)
        self.assertIn("detached; it goes on: job1", err)
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            status, got, err = self.on_terminal(play, lambda _, c: c.send_signal(sig))
            self.assertEqual((status, got), (0, b""), err)
            self.assertIn("detached", err)
        status, got, err = self.on_terminal(
            lambda conn, got: (conn.sendall(exited("killed", 0)), conn.recv(1)), lambda m, c: None)
        self.assertEqual((status, err), (137, "wasmctl: job1 was killed on request\n"))
        status, got, err = self.on_terminal(lambda conn, got: None, lambda m, c: None)
        self.assertEqual(status, 125)

    def test_call(self):
        routes = {"POST /v1/instances/x/call": answer(200, {
            "results": [3, "9223372036854775807", 0.1, 0.10000000149011612, "\x1bnan", -0.0],
            "types": ["i32", "i64", "f64", "f32", "f64", "f64"]})}
        with Fake(routes) as f:
            r = ctl("call", "x", "add", "1", "-2", "0x10", "2.5", "-1e3", "9007199254740993",
                    "18446744073709551615", "nan", "-inf", "007", sock=f.path)
            self.assertEqual(r.stdout.decode(),
                             "3\n9223372036854775807\n0.1\n0.1\n\\x1bnan\n-0\n", r.stderr)
            self.assertEqual(json.loads(f.asked[0][2]), {"export": "add", "args": [
                1, -2, "0x10", 2.5, -1000.0, "9007199254740993", "18446744073709551615", "nan",
                "-inf", 7]})
            r = ctl("call", "-o", "jsonl", "x", "add", sock=f.path)
            self.assertEqual(json.loads(r.stdout)["types"][0], "i32")
            for bad in ("", " 1", "1 ", "x", "1x", "--", "0x", "-o"):
                r = ctl("call", "x", "add", "1", bad, sock=f.path)
                self.assertEqual(r.returncode, 125, bad)
                self.assertIn(f'argument 2: "{bad}" is not a number', r.stderr.decode())
        with Fake({"POST /v1/instances/x/call": error(422, "trap", "out of bounds")}) as f:
            r = ctl("call", "x", "add", sock=f.path)
            self.assertEqual((r.returncode, r.stderr), (134, b"wasmctl call: out of bounds\n"))
        with Fake({"POST /v1/instances/x/call": answer(200, {})}) as f:
            self.assertEqual(ctl("call", "x", "add", sock=f.path).returncode, 125)

    def test_life(self):
        done = answer(200, instance("exited", 300))
        with Fake({"POST /v1/instances/a/stop?grace=2": done, "POST /v1/instances/a/kill": done,
                   "POST /v1/instances/a/wait": done, "DELETE /v1/instances/a?force=1": answer(204),
                   "POST /v1/instances/a/start": done, "POST /v1/instances/a/pause": done,
                   "POST /v1/instances/a/restart?grace=10": done,
                   "POST /v1/instances/a/resume": done,
                   "POST /v1/prune": answer(200, {"instances": 2, "modules": 0, "bytes": 0}),
                   "POST /v1/prune?modules=1":
                       answer(200, {"instances": 3, "modules": 1, "bytes": 2048})}) as f:
            for args, out in ((["stop", "-t", "1500ms", "a"], "a\n"), (["kill", "a"], "a\n"),
                              (["wait", "a"], "255\n"), (["rm", "-f", "a"], "a\n"),
                              (["start", "a"], "a\n"), (["pause", "a"], "a\n"),
                              (["resume", "a"], "a\n"), (["restart", "a"], "a\n"),
                              (["prune"], "instances 2, modules 0, 0 B\n"),
                              (["prune", "--modules"], "instances 3, modules 1, 2 KiB\n")):
                r = ctl(*args, sock=f.path)
                self.assertEqual((r.returncode, r.stdout.decode()), (0, out), r.stderr)
            r = ctl("kill", "nope", "a", "nada", sock=f.path)
            self.assertEqual((r.returncode, r.stdout), (127, b"a\n"))
            self.assertEqual(len(r.stderr.splitlines()), 2)

    def test_full_output(self):
        with Fake({"GET /v1/instances": answer(200, {"instances": []})}) as f:
            with open("/dev/full", "wb") as full:
                r = subprocess.run([WASMCTL, "-H", f.path, "ps"], stdout=full,
                                   stderr=subprocess.PIPE, timeout=PATIENCE)
            self.assertEqual(r.returncode, 125)
            self.assertIn(b"No space left", r.stderr)


if __name__ == "__main__":
    unittest.main()
