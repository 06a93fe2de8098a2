"""The API from outside: every route, bad input, foreground starts, restarts."""
import base64
import json
import os
import signal
import socket
import time
import unittest

from wasmd import AS_ROOT, TENANT_UID, Daemon, UnixHTTP, events, guest, until

class Front(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.wasm = guest('front').read_bytes()
        cls.d = Daemon().start()
        assert cls.d.load(cls.wasm, "guest").status == 201

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def expect(self, answer, status, code=None):
        self.assertEqual(answer.status, status, answer.body)
        if code is not None:
            self.assertEqual(answer.error["code"], code)
            self.assertTrue(answer.error["message"])
        return answer

    def still_up(self):
        self.expect(self.d.call("GET", "/v1/info"), 200)


class Routes(Front):
    def test_unknown_path(self):
        self.expect(self.d.call("GET", "/v1/nothing"), 404, "not_found")
        self.expect(self.d.call("GET", "/"), 404, "not_found")

    def test_wrong_method(self):
        a = self.expect(self.d.call("PUT", "/v1/modules"), 405, "bad_request")
        self.assertEqual(a.headers["Allow"], "POST, GET")

    def test_unknown_query(self):
        self.expect(self.d.call("GET", "/v1/instances?al=1"), 400, "bad_request")

    def test_unknown_instance(self):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/kill"), ("POST", "/start"),
                             ("POST", "/wait"), ("POST", "/stop"), ("GET", "/logs")):
            self.expect(self.d.call(method, "/v1/instances/nobody" + path), 404, "not_found")

    def test_many_on_one_connection(self):
        c = UnixHTTP(self.d.socket)
        for _ in range(50):
            self.expect(self.d.call("GET", "/v1/info", conn=c), 200)
        c.close()

    def test_other_tenant_sees_nothing(self):
        if not AS_ROOT:
            print("\nSKIP tenants-apart: needs root")
            self.skipTest("one tenant without root")
        i = self.expect(self.d.create(module="guest"), 201).json
        who = {"Wasmd-Tenant": "bob"}
        self.expect(self.d.call("GET", "/v1/instances/" + i["id"], headers=who), 404, "not_found")
        self.expect(self.d.call("GET", "/v1/modules/guest", headers=who), 404, "not_found")
        self.expect(self.d.call("POST", "/v1/run?module=" + i["module"], headers=who), 404,
                    "not_found")
        self.expect(self.d.call("GET", "/v1/info", headers={"Wasmd-Tenant": "eve"}), 403,
                    "forbidden")

    def test_half_a_request(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.d.socket))
        s.sendall(b"POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"mod")
        s.close()
        for junk in (b"\0" * 100, b"GET\r\n\r\n", os.urandom(4096)):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(self.d.socket))
            s.sendall(junk)
            s.close()
        self.still_up()


class Modules(Front):
    def test_bad_modules(self):
        bad = {"empty": b"", "text": b"hello world\n", "elf": b"\x7fELF" + bytes(4092),
               "component": b"\0asm\x0d\0\x01\0"}
        for name, body in bad.items():
            with self.subTest(name):
                a = self.d.load(body, "bad")
                self.assertEqual(a.status, 400, a.body)
                self.assertTrue(a.error["message"])
        self.expect(self.d.call("GET", "/v1/modules/bad"), 404)
        self.assertEqual(os.listdir(self.d.state / "modules/tmp"), [])
        self.still_up()

    def test_cut_uploads(self):
        before = sorted(os.listdir(self.d.state / "modules"))
        for n in (0, 1, 1000):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(self.d.socket))
            s.sendall(b"POST /v1/modules HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                      % len(self.wasm) + self.wasm[:n])
            time.sleep(0.05)
            s.close()
        until(lambda: not os.listdir(self.d.state / "modules/tmp"))
        self.assertEqual(sorted(os.listdir(self.d.state / "modules")), before)

    def test_chunked(self):
        wasm = self.wasm + b"\0\x02\x01x"  # a custom section: another digest
        parts = (wasm[i:i + 1000] for i in range(0, len(wasm), 1000))
        a = self.d.call("POST", "/v1/modules?name=chunked", parts)
        self.expect(a, 201)
        self.assertEqual(a.json["size"], len(wasm))
        self.expect(self.d.call("DELETE", "/v1/modules/chunked"), 204)
        self.expect(self.d.call("GET", "/v1/modules/chunked"), 404)

    def test_too_large(self):
        a = self.d.call("POST", "/v1/modules", headers={"Content-Length": str(300 << 20)})
        self.expect(a, 413, "limit_exceeded")

    def test_names(self):
        self.expect(self.d.load(self.wasm, "no/slash"), 400, "bad_request")
        m = self.expect(self.d.load(self.wasm, "again"), 201).json
        self.assertIn("again", m["names"])
        hexa = m["digest"][7:]
        for ref in (m["digest"], hexa, hexa[:6], "again"):
            self.expect(self.d.call("GET", "/v1/modules/" + ref), 200)
        self.expect(self.d.call("GET", "/v1/modules/" + hexa[:5]), 404)

    def test_in_use(self):
        wasm = self.wasm + b"\0\x02\x01y"
        self.expect(self.d.load(wasm, "busy"), 201)
        i = self.expect(self.d.create(module="busy", args=["spin"]), 201).json
        self.expect(self.d.call("POST", "/v1/instances/%s/start" % i["id"]), 200)
        self.expect(self.d.call("DELETE", "/v1/modules/busy"), 409, "wrong_state")
        self.expect(self.d.call("DELETE", "/v1/instances/%s?force=1" % i["id"]), 204)
        self.expect(self.d.call("DELETE", "/v1/modules/busy"), 204)


class Instances(Front):
    def start(self, *args, **fields):
        i = self.expect(self.d.create(module="guest", args=list(args), **fields), 201).json
        self.assertEqual(i["state"], "created")
        return i["id"]

    def post(self, ref, what):
        return self.d.call("POST", "/v1/instances/%s/%s" % (ref, what))

    def test_life(self):
        ref = self.start("err", name="life")
        self.expect(self.d.create(module="guest", name="life"), 409, "already_exists")
        self.expect(self.post("life", "start"), 200)
        i = self.expect(self.post("life", "wait"), 200).json
        self.assertEqual((i["state"], i["exit"]["cause"], i["exit"]["status"]),
                         ("exited", "exited", 0))
        self.assertEqual(self.d.call("GET", "/v1/instances/life/logs?stream=stdout").body,
                         b"out\n")
        self.assertEqual(self.d.call("GET", "/v1/instances/life/logs?stream=stderr").body,
                         b"err\n")
        self.expect(self.d.call("DELETE", "/v1/instances/" + ref[:8]), 204)
        self.expect(self.d.call("GET", "/v1/instances/life"), 404)

    def test_kill_twice(self):
        ref = self.start("spin")
        self.expect(self.post(ref, "kill"), 409, "wrong_state")
        self.expect(self.post(ref, "start"), 200)
        i = self.expect(self.post(ref, "kill"), 200).json
        self.assertEqual((i["exit"]["cause"], i["exit"]["status"]), ("killed", 137))
        self.expect(self.post(ref, "kill"), 409, "wrong_state")

    def test_stop(self):
        ref = self.start("spin")
        self.expect(self.post(ref, "start"), 200)
        self.expect(self.post(ref, "stop?grace=x"), 400, "bad_request")
        i = self.expect(self.post(ref, "stop?grace=5"), 200).json
        self.assertEqual(i["exit"]["cause"], "stopped")

    def test_list(self):
        ref = self.start("spin")
        self.expect(self.post(ref, "start"), 200)
        ids = [i["id"] for i in self.d.call("GET", "/v1/instances").json["instances"]]
        self.assertIn(ref, ids)
        self.expect(self.d.call("DELETE", "/v1/instances/" + ref), 409, "wrong_state")
        self.expect(self.post(ref, "kill"), 200)
        ids = [i["id"] for i in self.d.call("GET", "/v1/instances").json["instances"]]
        self.assertNotIn(ref, ids)
        ids = [i["id"] for i in self.d.call("GET", "/v1/instances?all=1").json["instances"]]
        self.assertIn(ref, ids)
        self.expect(self.d.call("DELETE", "/v1/instances/" + ref), 204)

    def test_bad_bodies(self):
        for body in (b"", b"{", b"[]", b'{"module":"guest","x":1}', b'{"module":7}',
                     b'{"module":"guest","module":"guest"}', b'[' * 100000,
                     b'{"module":"guest","name":"a b"}',
                     b'{"module":"guest","env":{"PATH":"x"}}'):
            self.expect(self.d.call("POST", "/v1/instances", body), 400, "bad_request")
        self.expect(self.d.call("POST", "/v1/instances", b'{"module":"none"}'), 404, "not_found")
        self.expect(self.d.call("POST", "/v1/instances", b" " * (5 << 20)), 413)

    def test_bad_policies(self):
        for policy in ('{"nme":"x"}', "{", '{"name":"a","name":"b"}', '{"limits":{"fuel":"x"}}'):
            a = self.expect(self.d.create(module="guest", policy=policy), 400, "bad_policy")
            self.assertIn("line", a.error["message"])
        self.expect(self.d.create(module="guest", policy="[" * 1000), 413, "limit_exceeded")
        self.expect(self.d.create(module="guest", args=["x"], policy='{"args":false}'), 400,
                    "bad_request")

    def test_missing_host_directory(self):
        policy = {"args": True, "mounts": [{"host": str(self.d.dir / "none"), "guest": "/in",
                                            "access": "ro"}]}
        ref = self.start("hello", policy=policy)
        a = self.post(ref, "start")
        self.assertGreaterEqual(a.status, 400, a.body)
        self.assertIn("/none", a.error["message"] + a.error.get("hint", ""))
        i = self.d.call("GET", "/v1/instances/" + ref).json
        self.assertEqual((i["state"], i["exit"]["cause"]), ("exited", "failed"))


class Run(Front):
    def test_output(self):
        i = self.expect(self.d.run("guest"), 200).json
        self.assertEqual((i["stdout"], i["stderr"], i["truncated"]), ("hello\n", "", False))
        i = self.expect(self.d.run("guest", "err"), 200).json
        self.assertEqual((i["stdout"], i["stderr"]), ("out\n", "err\n"))
        i = self.expect(self.d.run("guest", "bytes"), 200).json
        self.assertEqual(base64.b64decode(i["stdout_base64"]), b"\xff\0")
        self.assertEqual(self.d.call("GET", "/v1/instances/" + i["id"]).status, 404)

    def test_stdin(self):
        data = os.urandom(1 << 20).hex().encode()
        i = self.expect(self.d.run("guest", "cat", stdin=data), 200).json
        self.assertEqual(i["stdout"].encode(), data)

    def test_status(self):
        i = self.expect(self.d.run("guest", "exit", "42"), 200).json
        self.assertEqual((i["exit"]["cause"], i["exit"]["status"]), ("exited", 42))
        i = self.expect(self.d.run("guest", "trap"), 200).json
        self.assertEqual((i["exit"]["cause"], i["exit"]["status"]), ("trap", 134))
        i = self.expect(self.d.run("guest", "deep"), 200).json
        self.assertIn(i["exit"]["cause"], ("stack", "trap"))

    def test_name_is_argv0(self):
        self.assertEqual(self.d.run("guest", "argv0").json["stdout"], "guest\n")

    def test_limits(self):
        for limits, args, cause in (({"fuel": 1000000}, ["spin"], "fuel"),
                                    ({"wall": "200ms"}, ["spin"], "wall"),
                                    ({"output": "4KiB"}, ["fill"], "output"),
                                    ({"host_calls": 100}, ["fill"], "host_calls")):
            with self.subTest(cause):
                policy = json.dumps({"args": True, "limits": limits})
                i = self.expect(self.d.run("guest", *args, policy=policy), 200).json
                self.assertEqual(i["exit"]["cause"], cause)

    def test_truncated(self):
        policy = json.dumps({"args": True, "limits": {"output": "20MiB", "wall": "90s"}})
        i = self.expect(self.d.run("guest", "fill", policy=policy), 200).json
        self.assertTrue(i["truncated"])
        self.assertEqual(len(i["stdout"]), 16 << 20)

    def test_env(self):
        policy = json.dumps({"args": True, "env": {"pass": ["LANG"], "set": {"MODE": "prod"}}})
        self.assertEqual(self.d.run("guest", "env", "MODE", policy=policy).json["stdout"],
                         "prod\n")
        self.assertEqual(self.d.run("guest", "env", "LANG", policy=policy,
                                    env="LANG=C").json["stdout"], "C\n")
        a = self.d.run("guest", "env", "X", policy=policy, env="X=1")
        self.assertIn("X", self.expect(a, 400, "bad_request").error["message"])

    def test_bad(self):
        self.expect(self.d.call("POST", "/v1/run"), 400, "bad_request")
        self.expect(self.d.run("none"), 404, "not_found")
        self.expect(self.d.run("guest", modul="x"), 400, "bad_request")
        self.expect(self.d.run("guest", policy="{"), 400, "bad_policy")

    def test_vanishing_client(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.d.socket))
        s.sendall(b"POST /v1/run?module=guest&arg=spin HTTP/1.1\r\nHost: x\r\n"
                  b"Content-Length: 0\r\n\r\n")
        running = lambda: self.d.call("GET", "/v1/instances").json["instances"]
        until(running, why="it did not start")
        s.close()
        until(lambda: not running(), why="it was not killed")


class Mounts(Front):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host = str(cls.d.dir / "in")
        os.mkdir(cls.host)
        if AS_ROOT:  # through an idmapped mount only what the tenant owns can be written
            os.chown(cls.host, TENANT_UID, TENANT_UID)
        for name in ("book.txt", "secret.txt"):
            with open(cls.host + "/" + name, "w") as f:
                f.write(name + "\n")

    def policy(self, access="ro"):
        return json.dumps({
            "name": "p", "args": True,
            "mounts": [{"host": self.host, "guest": "/in", "access": access}],
            "rules": [{"id": "no-secrets", "on": "path_open", "path": "/in/secret*",
                       "then": "deny"}]}, indent=1)

    def test_denied_by_rule(self):
        policy = self.policy()
        i = self.expect(self.d.run("guest", "open", "/in/book.txt", "/in/secret.txt",
                                   policy=policy), 200).json
        self.assertEqual(i["stdout"], "book.txt\n")
        self.assertEqual(len(i["denials"]), 1)
        d = i["denials"][0]
        self.assertEqual((d["call"], d["path"], d["rule"], d["errno"], d["count"]),
                         ("path_open", "/in/secret.txt", "no-secrets", "EACCES", 1))
        line = policy.splitlines()[d["line"] - 1]
        self.assertTrue("{" in line or "no-secrets" in line, line)
        self.assertTrue(d["allow"])
        self.assertGreaterEqual(i["usage"]["denied"], 1)
        with open(self.d.state / "audit.jsonl") as f:
            lines = [json.loads(text) for text in f]
        mine = [n for n in lines if n["instance"] == i["id"] and n.get("verdict") == "deny"]
        self.assertEqual(mine[0]["path"], "/in/secret.txt")
        self.assertEqual(mine[0]["source"], "worker")
        seqs = [n["seq"] for n in lines]
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))

    def test_identical_denials_are_counted(self):
        i = self.expect(self.d.run("guest", "again", "/in/secret.txt", policy=self.policy()),
                        200).json
        self.assertEqual(i["usage"]["denied"], 1000)
        with open(self.d.state / "audit.jsonl") as f:
            mine = [n for n in map(json.loads, f) if n["instance"] == i["id"]]
        denied = [n["count"] for n in mine if n.get("verdict") == "deny"]
        lost = sum(n["count"] for n in mine if n.get("event") == "lost")
        self.assertEqual(denied[0], 1)
        self.assertEqual(sum(denied), i["denials"][0]["count"])
        self.assertEqual(sum(denied) + lost, 1000)
        self.assertLess(len(denied), 10)

    def test_write(self):
        i = self.expect(self.d.run("guest", "write", "/in/new", policy=self.policy()), 200).json
        self.assertEqual(i["exit"]["status"], 1)
        i = self.expect(self.d.run("guest", "write", "/in/new", policy=self.policy("rw")), 200)
        self.assertEqual(i.json["exit"]["status"], 0, i.body)
        if AS_ROOT:
            self.assertEqual(os.stat(self.host + "/new").st_uid, TENANT_UID)


class Foreground(Front):
    def create(self, *args, **fields):
        return self.expect(self.d.create(module="guest", args=list(args), **fields), 201).json["id"]

    def test_streams(self):
        out_r, out_w = os.pipe()
        in_r, in_w = os.pipe()
        os.write(in_w, b"from the client")
        os.close(in_w)
        s = self.d.upgrade(self.create("cat"), fds=[in_r, out_w, out_w])
        os.close(out_w)
        os.close(in_r)
        got = events(s)
        self.assertEqual(os.read(out_r, 100), b"from the client")
        self.assertEqual(os.read(out_r, 100), b"")
        os.close(out_r)
        self.assertEqual([e["event"] for e in got], ["started", "exited"])
        self.assertEqual(got[1]["instance"]["exit"]["cause"], "exited")
        s.close()

    def test_refused_streams(self):
        null = os.open("/dev/null", os.O_RDWR)
        for path, flags in (("/tmp", os.O_RDONLY), ("/dev/zero", os.O_RDWR),
                            ("/dev/null", os.O_PATH)):
            bad = os.open(path, flags)
            s = self.d.upgrade(self.create("hello"), fds=[null, bad, null])
            got = events(s)
            self.assertEqual([e["event"] for e in got], ["error"], path)
            self.assertEqual(got[0]["error"]["code"], "bad_request")
            os.close(bad)
            s.close()
        os.close(null)

    def test_wrong_number(self):
        null = os.open("/dev/null", os.O_RDWR)
        s = self.d.upgrade(self.create("hello"), fds=[null, null])
        self.assertEqual([e["event"] for e in events(s)], ["error"])
        s.close()
        os.close(null)

    def test_vanishing_client(self):
        null = os.open("/dev/null", os.O_RDWR)
        ref = self.create("spin")
        s = self.d.upgrade(ref, fds=[null, null, null])
        self.assertIn(b"started", s.recv(1000))
        s.close()
        os.close(null)
        i = self.d.call("POST", "/v1/instances/%s/wait" % ref).json
        self.assertEqual(i["exit"]["cause"], "client")

    def test_started_twice(self):
        ref = self.create("spin")
        self.expect(self.d.call("POST", "/v1/instances/%s/start" % ref), 200)
        a = self.d.call("POST", "/v1/instances/%s/start" % ref,
                        headers={"Connection": "Upgrade", "Upgrade": "wasmd-stdio"})
        self.expect(a, 409, "wrong_state")
        self.expect(self.d.call("POST", "/v1/instances/%s/kill" % ref), 200)


class Restart(unittest.TestCase):
    def test_records_survive(self):
        d = Daemon().start()
        try:
            wasm = guest('front').read_bytes()
            self.assertEqual(d.load(wasm, "guest").status, 201)
            created = d.create(module="guest", name="waits", args=["hello"]).json["id"]
            ended = d.create(module="guest", name="ended", args=["exit", "3"]).json["id"]
            runs = d.create(module="guest", name="runs", args=["spin"]).json["id"]
            for ref in (ended, runs):
                self.assertEqual(d.call("POST", "/v1/instances/%s/start" % ref).status, 200)
            d.call("POST", "/v1/instances/%s/wait" % ended)
            waiter = UnixHTTP(d.socket)
            waiter.request("POST", "/v1/instances/waits/wait")
            for _ in range(10):  # who asks later is answered after that one was read
                self.assertEqual(d.call("GET", "/v1/info").status, 200)
            self.assertEqual(d.stop(), 0, d.logged())
            self.assertEqual(waiter.getresponse().status, 503)
            d.start()
            self.assertEqual(d.call("GET", "/v1/modules/guest").status, 200)
            self.assertEqual(d.call("GET", "/v1/instances/ended").json["exit"]["status"], 3)
            self.assertEqual(d.call("GET", "/v1/instances/runs").json["state"], "exited")
            i = d.call("GET", "/v1/instances/" + created).json
            self.assertEqual(i["state"], "created")
            self.assertEqual(d.call("POST", "/v1/instances/waits/start").status, 200)
            i = d.call("POST", "/v1/instances/waits/wait").json
            self.assertEqual(i["exit"]["cause"], "exited", i)
            self.assertEqual(d.call("GET", "/v1/instances/waits/logs").body, b"hello\n")
        finally:
            d.close()

    def test_files_without_record_go(self):
        d = Daemon().start()
        try:
            digest = d.load(guest('front').read_bytes(), "guest").json["digest"][7:]
            self.assertEqual(d.stop(), 0)
            modules = d.state / "modules"
            orphan = modules / ("0123456789abcdef" * 4)
            for path in (orphan, modules / "tmp" / "half"):
                path.write_bytes(b"a crash came before its record")
            d.start()
            self.assertEqual(sorted(os.listdir(modules)), [digest, "tmp"])
            self.assertEqual(os.listdir(modules / "tmp"), [])
            self.assertEqual(d.run("guest").json["stdout"], "hello\n")
        finally:
            d.close()

    def children(self, d, name):
        """Pids of the daemon's children that run @name."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid) as f:
                    comm, rest = f.read().split("(", 1)[1].rsplit(")", 1)
            except OSError:
                continue
            if comm == name[:15] and int(rest.split()[1]) == d.proc.pid:
                found.append(int(pid))
        return found

    def test_killed_zygote(self):
        d = Daemon().start()
        try:
            self.assertEqual(d.load(guest('front').read_bytes(), "guest").status, 201)
            ref = d.create(module="guest", args=["spin"]).json["id"]
            self.assertEqual(d.call("POST", "/v1/instances/%s/start" % ref).status, 200)
            for pid in self.children(d, "wasmd-zygote"):
                os.kill(pid, signal.SIGKILL)
            i = d.call("POST", "/v1/instances/%s/wait" % ref).json
            self.assertEqual(i["exit"]["cause"], "lost")
            self.assertEqual(d.run("guest").json["stdout"], "hello\n")
        finally:
            d.close()

    def test_killed_front(self):
        d = Daemon().start()
        try:
            self.assertEqual(d.load(guest('front').read_bytes(), "guest").status, 201)
            ref = d.create(module="guest", args=["spin"]).json["id"]
            self.assertEqual(d.call("POST", "/v1/instances/%s/start" % ref).status, 200)
            for pid in self.children(d, "wasmd-front"):
                os.kill(pid, signal.SIGKILL)
            d.ready()
            i = d.call("GET", "/v1/instances/" + ref).json
            self.assertEqual((i["state"], i["exit"]), ("running", None))
            self.assertEqual(d.run("guest").json["stdout"], "hello\n")
        finally:
            d.close()

    def test_killed_daemon(self):
        d = Daemon().start()
        try:
            self.assertEqual(d.load(guest('front').read_bytes(), "guest").status, 201)
            ref = d.create(module="guest", args=["spin"]).json["id"]
            self.assertEqual(d.call("POST", "/v1/instances/%s/start" % ref).status, 200)
            d.stop(signal.SIGKILL)
            d.start()
            i = d.call("GET", "/v1/instances/" + ref).json
            self.assertEqual((i["state"], i["exit"]), ("running", None))
        finally:
            d.close()


if __name__ == "__main__":
    unittest.main()
