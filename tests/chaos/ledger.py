"""What clients asked for and what they were told: the accountant's other book."""
import collections
import threading


class Entry:
    """An instance that a client was told of."""

    def __init__(self, ref, tenant, fields):
        self.ref, self.tenant, self.fields = ref, tenant, fields
        self.removal = ''  # '', 'asked' or 'done'
        self.starts = 0  # asked for
        self.told = {}  # number of the start -> (cause, status)
        self.output = None  # what a whole life writes to its log
        self.denied = 0  # how many lines of the audit a whole life makes
        self.stopped = None  # after so many starts it was stopped: none may follow
        self.mark = None  # the file to which each life adds a line


class Ledger:
    def __init__(self, scarce=False):
        self.scarce = scarce  # things run out: logs and audit may have holes, which are told
        self.lock = threading.Lock()
        self.entries = {}  # id -> Entry
        self.modules = {}  # (tenant, name) -> digest, or None: nobody knows
        self.runs = {}  # id of a run that ended by itself -> lines it made in the audit
        self.outcomes = collections.Counter()  # (job, how it went)
        self.causes = collections.Counter()
        self.refusals = collections.Counter()  # (code, sentence)
        self.faults = []
        self.requests = 0

    def fault(self, sentence):
        with self.lock:
            if len(self.faults) < 100:
                self.faults.append(sentence)

    def count(self, job, how):
        with self.lock:
            self.outcomes[job, how] += 1

    def created(self, instance, fields):
        entry = Entry(instance['id'], instance['tenant'], fields)
        with self.lock:
            self.entries[entry.ref] = entry
        return entry

    def told(self, entry, instance):
        """A client has the end of a life from the daemon: it must stay so."""
        if instance['state'] != 'exited':
            return
        end = instance['exit']['cause'], instance['exit']['status']
        with self.lock:
            before = entry.told.setdefault(instance['starts'], end)
        if before != end:
            self.fault(f'{entry.ref}: start {instance["starts"]} ended {before}, then {end}')
