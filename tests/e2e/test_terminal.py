#!/usr/bin/env python3
"""Standard streams of every kind: a terminal first of all, with a prompt on
it; then files, pipes, nothing. The terminal is left as it was found."""
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import wasmd

CTL = str(wasmd.BUILD / "ctl" / "wasmctl")


def setUpModule():
    global daemon, repl, cat
    daemon = wasmd.Daemon().start()
    repl, cat = wasmd.guest("repl"), wasmd.guest("cat")


def tearDownModule():
    daemon.stop()


class Terminal:
    """wasmctl ARGS in a session of its own, with a terminal for all streams."""

    def __init__(self, *args, under=()):
        self.master, self.slave = pty.openpty()
        self.before = self.state()
        self.seen = b""
        env = dict(os.environ, WASMD_SOCKET=str(daemon.socket))
        self.child = subprocess.Popen([*under, CTL, *map(str, args)], env=env, start_new_session=True,
                                      stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def state(self):
        return (termios.tcgetattr(self.slave), fcntl.fcntl(self.slave, fcntl.F_GETFL),
                fcntl.ioctl(self.slave, termios.TIOCGWINSZ, b"\0" * 8))

    def expect(self, text, seconds=wasmd.PATIENCE):
        end = time.time() + seconds
        while text.encode() not in self.seen:
            if time.time() > end or not select.select([self.master], [], [], 0.5)[0]:
                if time.time() > end:
                    raise AssertionError(f"no {text!r} in {self.seen!r}; {daemon.logged()}")
                continue
            self.seen += os.read(self.master, 4096)
        self.seen = self.seen[self.seen.index(text.encode()) + len(text):]

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self, test, status):
        left = time.time() + wasmd.PATIENCE
        while self.child.poll() is None and time.time() < left:
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 4096)
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 4096)
        test.assertEqual(self.child.poll(), status, self.seen)
        test.assertEqual(self.state(), self.before)
        os.close(self.master)
        os.close(self.slave)
        return self.seen.decode()


class Prompt(unittest.TestCase):
    def begin(self, *args):
        t = Terminal("run", "-it", *args, repl)
        t.expect("> ")
        return t

    def test_lines(self):
        t = self.begin()
        t.type("hellp\x7fo\n")
        t.expect("HELLO\r\n> ")
        t.type("\x04")
        self.assertIn("bye", t.end(self, 0))

    def test_status(self):
        t = self.begin()
        t.type("exit 7\n")
        t.end(self, 7)

    def test_trap(self):
        t = self.begin()
        t.type("trap\n")
        self.assertIn("trapped", t.end(self, 134))

    def test_flags_are_put_back(self):
        t = self.begin()
        t.type("nonblock\n")
        t.expect("0\r\n")
        t.child.send_signal(signal.SIGTERM)
        t.child.send_signal(signal.SIGINT)
        t.end(self, t.child.wait(wasmd.PATIENCE))

    def test_interrupts(self):
        for line, then in ("", ""), ("wait\n", "waiting"):
            t = self.begin()
            t.type(line)
            t.expect(then)
            t.type("\x03")
            t.expect("the next signal kills it")
            self.assertIn("was stopped on request", t.end(self, 143))

    def test_killed_from_elsewhere(self):
        t = self.begin("--name", "victim")
        daemon.ctl("kill", "victim", check=0)
        self.assertIn("was killed on request", t.end(self, 137))

    def test_suspended(self):
        """ctrl-z under a shell: what is typed then is the shell's."""
        t = Terminal("run", "-it", "--name", "sleeper", repl, under=[
            "bash", "-c", 'set -m; "$@"; echo "status $?"; read x; echo "shell got $x"; fg', "sh"])
        t.expect("> ")
        t.type("\x1a")
        t.expect("status 148")
        self.assertIn("paused", daemon.ctl("ps", check=0).out)
        t.type("mine\n")
        t.expect("shell got mine")
        t.type("on\n")
        t.expect("ON\r\n")
        t.type("exit 9\n")
        t.end(self, 9)


    def test_lua(self):
        lua = wasmd.ROOT / ".cache" / "real" / "lua.wasm"
        if not lua.exists():
            print("SKIP lua-prompt: the real programs were not fetched")
            return
        t = Terminal("run", "-it", lua, "--", "-i")
        for line, said in (("6 * 7", "42"), ("('wasm'):upper()", "WASM")):
            t.expect("> ")
            t.type(line + "\n")
            t.expect(said + "\r\n")
        t.type("os.exit(3)\n")
        t.end(self, 3)


class Streams(unittest.TestCase):
    def cat(self, **kw):
        env = dict(os.environ, WASMD_SOCKET=str(daemon.socket))
        done = subprocess.run([CTL, "run", str(cat)], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=wasmd.PATIENCE, **kw)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def test_file(self):
        data = os.urandom(100000)
        with tempfile.TemporaryFile() as f:
            f.write(data)
            f.seek(10)
            self.assertEqual(self.cat(stdin=f), data[10:])

    def test_pipe(self):
        data = os.urandom(1000000)
        self.assertEqual(self.cat(input=data), data)

    def test_null(self):
        self.assertEqual(self.cat(stdin=subprocess.DEVNULL), b"")

    def test_closed(self):
        self.assertEqual(self.cat(preexec_fn=lambda: os.close(0)), b"")


class Hostile(unittest.TestCase):
    """What wasmctl says itself is escaped; what a guest writes is the guest's."""

    def test_names(self):
        with tempfile.TemporaryDirectory() as d:
            os.chmod(d, 0o755)
            evil = f"{d}/\x1b[2J\u202ex.wasm"
            os.symlink(repl, evil)
            t = Terminal("run", evil)
            t.expect("> ")
            t.type("trap\n")
            said = t.end(self, 134)
        self.assertIn("\\x1b[2J\\u{202e}x.wasm trapped", said)
        self.assertNotRegex(said, re.compile("[\x1b\u202e]"))


if __name__ == "__main__":
    if not wasmd.BUILD.exists():
        sys.exit(77)
    unittest.main()
