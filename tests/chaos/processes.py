"""The processes below this one: who they are, and signals that can't hit another's."""
import ctypes
import os
import pathlib
import signal
import subprocess
import threading

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS, MS_REC_PRIVATE = 0x20000, 0x44000


class Process:
    def __init__(self, pid, parent, name):
        self.pid, self.parent, self.name = pid, parent, name

    def fds(self):
        """What its descriptors point to; empty when it is gone."""
        out = []
        try:
            for fd in os.listdir(f'/proc/{self.pid}/fd'):
                out.append(os.readlink(f'/proc/{self.pid}/fd/{fd}'))
        except OSError:
            pass
        return out

    def ticks(self):
        """Of cpu time; 100 are a second."""
        try:
            text = pathlib.Path(f'/proc/{self.pid}/stat').read_text()
        except OSError:
            return 0
        return sum(map(int, text[text.rindex(')') + 2:].split()[11:13]))

    def resident(self):
        """KiB; 0 when it is gone."""
        try:
            status = pathlib.Path(f'/proc/{self.pid}/status').read_text()
        except OSError:
            return 0
        return int(status.split('VmRSS:')[1].split()[0])

    def maps(self, what):
        try:
            return pathlib.Path(f'/proc/{self.pid}/maps').read_text().count(what)
        except OSError:
            return 0


def stat_of(pid):
    """(name, state), or None when there is no such process."""
    try:
        text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return None
    return text[text.index('(') + 1:text.rindex(')')], text[text.rindex(')') + 2]


def children(pid):
    out = []
    try:
        for task in os.listdir(f'/proc/{pid}/task'):
            out += pathlib.Path(f'/proc/{pid}/task/{task}/children').read_text().split()
    except OSError:
        pass
    return [int(p) for p in out]


class Family:
    """Adopts what its descendants leave behind, so that nothing can hide; and, where it may,
    lives in a mount namespace that no others mount into."""

    def __init__(self):
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if libc.unshare(CLONE_NEWNS) == 0:
            libc.mount(None, b'/', None, MS_REC_PRIVATE, None)
        self.lock = threading.Lock()
        self.own = set()  # started here: whoever started them waits for them

    def start(self, *args, **kw):
        with self.lock:
            child = subprocess.Popen(*args, **kw)
            self.own.add(child.pid)
        return child

    def forget(self, child):
        with self.lock:
            self.own.discard(child.pid)

    def reap(self):
        """Adopted ones that have ended."""
        with self.lock:
            for pid in children(os.getpid()):
                if pid not in self.own and (stat_of(pid) or '  ')[1] == 'Z':
                    os.waitpid(pid, os.WNOHANG)

    def walk(self):
        """Every living process of the daemon's below us."""
        self.reap()
        found, todo = [], [(p, None) for p in children(os.getpid())]
        while todo:
            pid, parent = todo.pop()
            stat = stat_of(pid)
            if stat is None or stat[1] == 'Z':
                continue
            one = Process(pid, parent, stat[0])
            todo += [(p, one) for p in children(pid)]
            if one.name != 'wasmctl':
                found.append(one)
        return found

    def kill(self, process, sig=signal.SIGKILL):
        """False when it was gone already. Its number may be another's by now: so by pidfd,
        and only while it stands below us."""
        try:
            fd = os.pidfd_open(process.pid)
        except OSError:
            return False
        try:
            if not any(p.pid == process.pid and p.name == process.name for p in self.walk()):
                return False
            signal.pidfd_send_signal(fd, sig)
            return True
        except OSError:
            return False
        finally:
            os.close(fd)


def kind_of(process):
    """priv, front, opener (or another child of priv on its way), zygote, spare, worker."""
    parent = process.parent
    if process.name == 'wasmd':
        return 'priv' if parent is None or parent.name != 'wasmd' else 'opener'
    if process.name == 'wasmd-front':
        return 'front'
    if parent is None or parent.name != 'wasmd-zygote':
        return 'zygote' if process.name == 'wasmd-zygote' else 'opener'
    return 'worker' if 'anon_inode:[eventfd]' in process.fds() else 'spare'  # its doorbell
