#!/usr/bin/env python3
"""wasmctl and the daemon together: attach, logs, events, calls, the life of
instances that stay; and what survives a restart of the front."""
import json
import os
import pty
import signal
import subprocess
import sys
import unittest

import wasmd

CTL = str(wasmd.BUILD / "ctl" / "wasmctl")


def setUpModule():
    global daemon, repl, reactor
    daemon = wasmd.Daemon().start()
    repl = wasmd.guest("repl")
    reactor = wasmd.guest("reactor", "-mexec-model=reactor")
    daemon.ctl("module", "load", repl, "--name", "repl", check=0)
    daemon.ctl("module", "load", reactor, "--name", "sum", check=0)


def tearDownModule():
    daemon.stop()


def ctl(*args, check=0, **kw):
    return daemon.ctl(*args, check=check, **kw)


def begin(*args, **kw):
    env = dict(os.environ, WASMD_SOCKET=str(daemon.socket))
    return subprocess.Popen([CTL, *map(str, args)], env=env, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **kw)


class Attached(unittest.TestCase):
    def test_to_its_end(self):
        ctl("run", "-id", "--name", "a1", "repl")
        r = ctl("attach", "a1", stdin=b"hello\nexit 3\n", check=3)
        self.assertIn("HELLO", r.out)
        self.assertIn("HELLO", ctl("logs", "a1").out)
        self.assertEqual(ctl("wait", "a1").out, "3\n")

    def test_input_ends(self):
        ctl("run", "-id", "--name", "a2", "repl")
        self.assertIn("bye", ctl("attach", "a2", stdin=b"").out)

    def test_detached_it_goes_on(self):
        ctl("run", "-id", "--name", "a3", "repl")
        master, slave = pty.openpty()
        child = begin("attach", "a3", stdin=slave)
        os.write(master, b"one\n")
        wasmd.until(lambda: "ONE" in ctl("logs", "a3").out)
        os.write(master, b"\x10\x11")
        self.assertIn(b"detached", child.communicate(timeout=wasmd.PATIENCE)[1])
        self.assertEqual(child.returncode, 0)
        os.close(master)
        os.close(slave)
        self.assertIn("TWO", ctl("attach", "a3", stdin=b"two\nexit 0\n").out)

    def test_nobody_there(self):
        ctl("attach", "nobody", check=127)


class Life(unittest.TestCase):
    def test_pause_and_filters(self):
        ctl("run", "-id", "--name", "l1", "repl")
        ctl("pause", "l1")
        self.assertEqual(ctl("ps", "-o", "name", "--filter", "state=paused").out, "l1\n")
        self.assertIn("paused", ctl("stats", "l1").out)
        ctl("resume", "l1")
        self.assertEqual(ctl("ps", "-o", "name", "--filter", "name=l*", "--filter",
                             "module=repl").out, "l1\n")
        ctl("restart", "l1")
        self.assertEqual(json.loads(ctl("inspect", "l1").out)["starts"], 2)
        ctl("rm", "-f", "l1")
        ctl("inspect", "l1", check=127)

    def test_start_again_and_prune(self):
        ctl("create", "--name", "l2", "repl")
        ctl("start", "-a", "l2", stdin=b"exit 4\n", check=4)
        ctl("start", "-a", "l2", stdin=b"exit 5\n", check=5)
        self.assertRegex(ctl("prune").out, r"^instances [1-9]")
        ctl("inspect", "l2", check=127)

    def test_on_failure(self):
        ctl("run", "-d", "--name", "l3", "--restart", "on-failure:2", "front", check=127)
        ctl("module", "load", wasmd.guest("front"), "--name", "front")
        ctl("run", "-d", "--name", "l3", "--restart", "on-failure:2", "front", "exit", "1")

        def ended():
            i = json.loads(ctl("inspect", "l3").out)
            return i["state"] == "exited" and i["starts"] == 3
        wasmd.until(ended)

    def test_status_fd(self):
        read, write = os.pipe()
        ctl("run", "--status-fd", write, "repl", stdin=b"exit 300\n", check=255, pass_fds=[write])
        ctl("run", "--status-fd", write, "nothing", check=127, pass_fds=[write])
        os.close(write)
        with open(read) as f:
            first, second = map(json.loads, f)
        self.assertEqual(first["exit"]["status"], 300)
        self.assertEqual((second["error"]["code"], second["status"]), ("not_found", 127))


class Calls(unittest.TestCase):
    def test_calls(self):
        ctl("run", "-d", "--reactor", "--name", "c1", "sum")
        self.assertEqual(ctl("call", "c1", "add", "2", "-5").out, "-3\n")
        ctl("call", "c1", "add", "2", check=125)
        self.assertEqual(ctl("call", "c1", "half", "5").out, "2.5\n")
        self.assertEqual(ctl("call", "c1", "halff", "0.2").out, "0.1\n")
        self.assertEqual(ctl("call", "c1", "add64", "9223372036854775806", "0x1").out,
                         "9223372036854775807\n")
        self.assertEqual(ctl("call", "c1", "nothing").out, "")
        self.assertEqual(json.loads(ctl("call", "-o", "json", "c1", "add", "1", "1").out),
                         {"results": [2], "types": ["i32"]})
        self.assertIn('exports no "ad"', ctl("call", "c1", "ad", check=125).err)
        self.assertIn("unreachable", ctl("call", "c1", "fault", check=134).err)
        ctl("stop", "c1")


class Watching(unittest.TestCase):
    def test_logs(self):
        ctl("run", "-id", "--name", "w1", "repl")
        child = begin("logs", "-f", "w1")
        ctl("attach", "w1", stdin=b"one\ntwo\nexit 0\n")
        out = child.communicate(timeout=wasmd.PATIENCE)[0].decode()
        self.assertEqual(out, "> ONE\n> TWO\n> ")
        self.assertEqual(ctl("logs", "w1").out, out)
        self.assertEqual(ctl("logs", "-n", "1", "w1").out, "> ")
        self.assertEqual(ctl("logs", "--since", "1h", "w1").out, out)
        self.assertEqual(ctl("logs", "--stream", "stderr", "w1").out, "")
        self.assertRegex(ctl("logs", "-t", "w1").out, r"^20\d\d-\d\d-\d\dT\S+Z > ONE\n20")

    def test_events(self):
        follower = begin("events", "-f", "--since", "1m", "-o", "jsonl")
        ctl("run", "--name", "w2", "repl", stdin=b"exit 6\n", check=6)
        seen = []
        while "exited" not in seen:
            e = json.loads(follower.stdout.readline())
            if e.get("name") == "w2":
                seen.append(e["event"])
        follower.kill()
        follower.communicate()
        self.assertEqual(seen, ["created", "started", "exited"])
        self.assertIn("started", ctl("events", "--since", "1h").out)

    def test_the_front_is_killed(self):
        """Whatever follows asks again; the instance goes on and ends as it would have."""
        ctl("run", "-id", "--name", "w3", "repl")
        waiter, logs = begin("wait", "w3"), begin("logs", "-f", "w3")
        wasmd.until(lambda: ctl("logs", "w3").out)
        os.kill(next(pid for pid, name in daemon.leftovers() if name == "wasmd-front"),
                signal.SIGKILL)
        while daemon.ctl("attach", "w3", stdin=b"one\nexit 6\n").returncode != 6:
            time.sleep(0.1)
        out, err = waiter.communicate(timeout=wasmd.PATIENCE)
        self.assertEqual((waiter.returncode, err), (0, b""))
        self.assertEqual(out, b"6\n")
        out, err = logs.communicate(timeout=wasmd.PATIENCE)
        self.assertEqual((logs.returncode, err), (0, b""))
        self.assertEqual(out, b"> ONE\n> ")


if __name__ == "__main__":
    if not wasmd.BUILD.exists():
        sys.exit(77)
    unittest.main()
