"""Troubles: what befalls the daemon, how often, and until when."""
import collections
import random
import resource
import signal
import threading
import time

from processes import kind_of

STORM = 0.75  # of the time; then the front that is alive lives to the end, and its leaks are seen
LOOK = 0.3  # seconds in which a process of the kind must show itself
PAUSE = 0.5  # seconds at most that one is stopped, or something is used up
ROOM = 2.5  # seconds after a full disk: what was not recorded is recorded now


class Kill:
    """SIGKILL, or @sig, to one of a kind. An opener lives for milliseconds: it is waited for."""

    def __init__(self, kind, sig=signal.SIGKILL, name='killed'):
        self.kind, self.sig, self.name = kind, sig, f'{kind} {name}'

    def found(self, killer):
        end = time.monotonic() + LOOK
        while time.monotonic() < end:
            if found := [p for p in killer.family.walk() if kind_of(p) == self.kind]:
                return killer.rnd.choice(found)
        return None

    def strike(self, killer):
        victim = self.found(killer)
        return victim is not None and killer.family.kill(victim, self.sig)


class Stop(Kill):
    """SIGSTOP, and SIGCONT after a while: all that waits for it waits."""

    def __init__(self, kind):
        super().__init__(kind, name='stopped')

    def strike(self, killer):
        victim = self.found(killer)
        if victim is None or not killer.family.kill(victim, signal.SIGSTOP):
            return False
        time.sleep(killer.rnd.random() * PAUSE)
        killer.family.kill(victim, signal.SIGCONT)
        return True


class Limit(Kill):
    """A resource of one process is used up for a while: so many more than @used() it may have."""

    def __init__(self, kind, what, more, used):
        super().__init__(kind)
        self.what, self.more, self.used = what, more, used
        self.name = f'{kind} short of {"descriptors" if used else "processes"}'

    def strike(self, killer):
        victim = self.found(killer)
        if victim is None:
            return False
        try:
            before = resource.prlimit(victim.pid, self.what)
            most = self.used(victim) + self.more if self.used else self.more
            resource.prlimit(victim.pid, self.what, (most, before[1]))
            time.sleep(killer.rnd.random() * PAUSE)
            resource.prlimit(victim.pid, self.what, before)
        except OSError:  # it has ended, or is another's and we lack CAP_SYS_RESOURCE
            return False
        return True


class FullDisk:
    """The state directory takes no more; then there is room again, and time to use it."""

    name = 'disk full'

    def strike(self, killer):
        filler = killer.service.state / 'filler'
        with open(filler, 'wb', buffering=0) as f:
            try:
                while f.write(bytes(4096)):
                    pass
            except OSError:
                pass
        time.sleep(killer.rnd.random() * PAUSE)
        filler.unlink()
        time.sleep(ROOM)
        return True


# What, how often a second, and whether also after the storm.
TROUBLES = (
    (Kill('worker'), 2.0, True),
    (Kill('spare'), 1.0, True),
    (Kill('zygote'), 0.7, True),
    (Kill('opener'), 1.0, False),
    (Kill('front'), 0.15, False),
    (Kill('priv'), 0.08, False),
    (Kill('priv', signal.SIGTERM, 'told to end'), 0.04, False),
    (Stop('zygote'), 0.2, True),
    (Stop('front'), 0.1, True),
    (Stop('priv'), 0.1, True),
)


# With --scarce. The killer does one thing at a time: nothing is killed meanwhile.
SCARCE = (
    (FullDisk(), 0.05, False),
    (Limit('front', resource.RLIMIT_NOFILE, 2, lambda p: len(p.fds())), 0.1, False),
    (Limit('zygote', resource.RLIMIT_NPROC, 1, None), 0.3, True),
)


class Killer(threading.Thread):
    def __init__(self, service, seconds, seed, troubles):
        super().__init__()
        self.service, self.family = service, service.family
        self.rnd = random.Random(seed)
        self.began = time.monotonic()
        self.plan = sorted(self.planned(seconds, troubles), key=lambda row: row[0])
        self.done, self.missed = collections.Counter(), collections.Counter()

    def planned(self, seconds, troubles):
        """(when, what); each at least once, however short the time."""
        for trouble, rate, always in troubles:
            span = seconds * (1 if always else STORM)
            for _ in range(max(1, round(rate * span))):
                yield self.rnd.uniform(0.05, 1) * span, trouble

    def run(self):
        for when, trouble in self.plan:
            time.sleep(max(0, self.began + when - time.monotonic()))
            (self.done if trouble.strike(self) else self.missed)[trouble.name] += 1
