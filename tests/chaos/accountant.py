"""Afterwards: nothing lost, nothing leaked, nothing run twice.

Two visits. books(): the daemon is up and idle; what it says is held against the ledger.
remains(): the daemon has ended; what it left on disk and in the kernel is looked at."""
import collections
import json
import pathlib
import re
import sqlite3
import subprocess
import time

from load import HANG, TENANTS
from processes import kind_of
from wasmd import AS_ROOT, until

STEADY = 0.5  # seconds without a change
ZYGOTE_FDS = 8  # beside one for each spare
IDLE_TICKS, MOST_KIB = 20, 256 << 10
LIVE = ('starting', 'running', 'paused', 'stopping')
STATE_FILES = {'wasmd.db', 'wasmd.db-wal', 'wasmd.db-shm', 'wasmd.lock', 'audit.jsonl', 'modules',
               'logs', 'zygotes'}
# What must never be read in the daemon's log.
ALARMS = re.compile(r'Sanitizer|runtime error|[Aa]ssert|off the table|no worker writes|'
                    r'broke the protocol|is not recorded|stays:|can.t be (read|taken over)|'
                    r'was not asked|the front ended \((status|signal (?!9\)))')


def mounts(service):
    """Those in our own namespace; without one, those that are the daemon's by their path. One
    may also go, with a directory that another removes."""
    return {line.split(' ', 1)[1].split(' ', 1)[1]
            for line in pathlib.Path('/proc/self/mountinfo').read_text().splitlines()
            if AS_ROOT or str(service.dir) in line}


def cgroups():
    """Those that bear our name: the others on a machine come and go."""
    return {str(p) for p in pathlib.Path('/sys/fs/cgroup').glob('**/*wasmd*') if p.is_dir()}


def shapes(process):
    """How many descriptors of each kind a process has: "socket", "/memfd:wasmd-slot".."""
    return collections.Counter(
        re.sub(r'[:\[]\[?\d+\]?$', '', re.sub(r' \(deleted\)$', '', fd)) for fd in process.fds())


class Accountant:
    def __init__(self, service, ledger):
        self.d, self.ledger = service, ledger
        self.mounts, self.cgroups = mounts(service), cgroups()
        self.sums = collections.Counter()

    def fault(self, sentence):
        self.ledger.fault(sentence)

    # ---- what the daemon says ------------------------------------------------

    def headers(self, tenant):
        return {'Wasmd-Tenant': tenant} if tenant else {}

    def instances(self):
        out = []
        for tenant in TENANTS:
            a = self.d.call('GET', '/v1/instances?all=1', headers=self.headers(tenant))
            out += [(tenant, i) for i in a.json['instances']]
        return out

    def settle(self):
        """Ends what still lives; then everything that was started has a final state."""
        for tenant, i in self.instances():
            if i['state'] in LIVE or i['restarts_at']:
                self.d.call('POST', f'/v1/instances/{i["id"]}/kill', headers=self.headers(tenant))
        still = lambda: [i for _, i in self.instances() if i['state'] in LIVE or i['restarts_at']]
        until(lambda: not still(), HANG, lambda: f'they never ended: {still()}')

    def books(self):
        self.within(self.settle)
        there = {i['id']: i for _, i in self.instances()}
        self.sums['instances on record'] = len(there)
        for entry in self.ledger.entries.values():
            self.balance(entry, there.get(entry.ref))
        self.modules()
        self.within(self.processes)
        return there

    def within(self, what):
        try:
            what()
        except AssertionError as late:
            self.fault(str(late))

    def balance(self, entry, i):
        """One instance that a client was told of."""
        if i is None:
            if not entry.removal and entry.tenant != 'bob':
                self.fault(f'{entry.ref} was acknowledged and is not there')
            return
        if entry.removal == 'done':
            self.fault(f'{entry.ref} was removed and is there again')
        if i['starts'] > entry.starts and i['restart'] == 'no':
            self.fault(f'{entry.ref} was started {i["starts"]} times, asked {entry.starts} times')
        if entry.stopped is not None and i['starts'] != entry.stopped:
            self.fault(f'{entry.ref} was stopped and started again by itself')
        told = entry.told.get(i['starts'])
        if told is not None and told != (i['exit']['cause'], i['exit']['status']):
            self.fault(f'{entry.ref} ended {told} for a client and {i["exit"]} on record')
        self.ledger.causes[i['exit']['cause'] if i['exit'] else 'created'] += 1
        self.lives(entry, i)
        self.log(entry, i)

    def lives(self, entry, i):
        if entry.mark is None:
            return
        lines = entry.mark.read_text().count('\n') if entry.mark.exists() else 0
        self.sums['lives that left a mark'] += lines
        if lines > i['starts']:
            self.fault(f'{entry.ref} was started {i["starts"]} times and lived {lines} times')
        if lines == 0 and i['exit'] and i['exit']['cause'] == 'exited':
            self.fault(f'{entry.ref} exited and never ran')

    def log(self, entry, i):
        if entry.output is None or i['starts'] != 1:
            return
        got = self.d.call('GET', f'/v1/instances/{entry.ref}/logs',
                          headers=self.headers(entry.tenant if AS_ROOT else None)).body
        self.sums['logs read'] += 1
        if not entry.output.startswith(got):
            self.fault(f'{entry.ref}: its log is not what it wrote')
        if i['exit']['cause'] == 'exited' and got != entry.output and not self.ledger.scarce:
            self.fault(f'{entry.ref}: {len(got)} of {len(entry.output)} bytes are in its log')

    def modules(self):
        for (tenant, name), digest in self.ledger.modules.items():
            if digest is None:
                continue
            a = self.d.call('GET', f'/v1/modules/{name}',
                            headers=self.headers(tenant if AS_ROOT else None))
            if a.status != (200 if digest else 404) or (digest and a.json['digest'] != digest):
                self.fault(f'module {name}: {digest or "removed"}, and now {a.body[:100]}')
            self.sums['modules held against the ledger'] += 1

    # ---- what the kernel says ------------------------------------------------

    def kinds(self):
        out = collections.defaultdict(list)
        for p in self.d.family.walk():
            out[kind_of(p)].append(p)
        return out

    def processes(self):
        """Priv, a front, zygotes with their spares, and nobody else."""
        def quiet():
            k = self.kinds()
            return not k['worker'] and not k['opener'] and len(k['priv']) == len(k['front']) == 1
        until(quiet, HANG, lambda: f'processes: {[(k, len(v)) for k, v in self.kinds().items()]}')

    def idle(self):
        """With nothing to do nobody does anything: a descriptor that nobody serves would be
        polled for ever. And what they hold by now is bounded."""
        all_of = self.d.family.walk()
        before = {p.pid: p.ticks() for p in all_of}
        time.sleep(1)
        for p in all_of:
            if p.ticks() - before[p.pid] > IDLE_TICKS:
                self.fault(f'{kind_of(p)} is busy: {p.ticks() - before[p.pid]} ticks in a second')
        for who in ('front', 'priv'):
            (p,) = self.kinds()[who]
            self.sums[f'KiB of the {who}'] = p.resident()
            if p.resident() > MOST_KIB:
                self.fault(f'the {who} holds {p.resident()} KiB')

    def clear_modules(self):
        """Every module goes, and with it its file and its zygote."""
        self.zygotes()
        for tenant in TENANTS:
            a = self.d.call('GET', '/v1/modules', headers=self.headers(tenant))
            for m in a.json['modules']:
                self.d.call('DELETE', f'/v1/modules/{m["digest"]}', headers=self.headers(tenant))
        self.within(lambda: until(lambda: not self.kinds()['zygote'], HANG, 'zygotes stay'))

    def descriptors(self):
        """Of priv and front, once the last connections are gone for good."""
        seen = []

        def steady():
            time.sleep(STEADY)
            seen.append(self.counted())
            return len(seen) > 1 and seen[-2] == seen[-1]
        until(steady, HANG, lambda: f'descriptors come and go: {seen[-2:]}')
        slots = self.kinds()['front'][0].maps('wasmd-slot')
        if slots:
            self.fault(f'the front maps {slots} rings of instances that are gone')
        return seen[-1]

    def counted(self):
        k = self.kinds()
        front, priv = shapes(k['front'][0]), shapes(k['priv'][0])
        front.pop('/memfd:wasmd-policy', None)  # the cache of compiled ones
        priv.pop('user', None)  # id maps, one a tenant
        return front, priv

    def zygotes(self):
        """Each holds what it needs for its spares, and nothing of instances that are gone."""
        k = self.kinds()
        self.sums['zygotes warm at the end'] += len(k['zygote'])
        for z in k['zygote']:
            spares = sum(s.parent.pid == z.pid for s in k['spare'])
            if shapes(z).total() > ZYGOTE_FDS + spares:
                self.fault(f'a zygote with {spares} spares holds {dict(shapes(z))}')

    def leaks(self, after, fresh):
        for who, a, b in zip(('front', 'priv'), after, fresh):
            if a != b:
                self.fault(f'descriptors of the {who}: more {dict(a - b)}, fewer {dict(b - a)}')
            self.sums[f'descriptors of the {who}'] = a.total()

    # ---- what is left --------------------------------------------------------

    def remains(self, there):
        """@there: instances on record by id, as the daemon said before it ended."""
        left = [(p.pid, p.name) for p in self.d.family.walk()]
        if left:
            self.fault(f'processes are left: {left}')
        if left := mounts(self.d) - self.mounts:
            self.fault(f'mounts are left: {left}')
        if left := cgroups() - self.cgroups:
            self.fault(f'cgroups are left: {left}')
        self.database(there)
        self.audit()
        self.alarms()

    def database(self, there):
        db = sqlite3.connect(self.d.state / 'wasmd.db')
        try:
            (sound,), = db.execute('PRAGMA integrity_check').fetchall()
            rows = db.execute('SELECT tenant, id, state FROM instances').fetchall()
            digests = {d.hex() for d, in db.execute('SELECT digest FROM modules')}
            names = {d.hex() for d, in db.execute('SELECT digest FROM names')}
        finally:
            db.close()
        if sound != 'ok':
            self.fault(f'the database: {sound}')
        if names - digests:
            self.fault(f'names of modules that are not there: {names - digests}')
        if {i for _, i, _ in rows} != set(there):
            self.fault('the database and the daemon tell of different instances')
        if wrong := [r for r in rows if r[2] not in ('created', 'exited')]:
            self.fault(f'no final state in the database: {wrong}')
        self.files(digests, {(t, i) for t, i, _ in rows})

    def files(self, digests, ids):
        """Modules and logs are files: each has its record, each module on record its file."""
        state = self.d.state
        found = {p.name for p in (state / 'modules').iterdir()} - {'tmp'}
        if found != digests:
            self.fault(f'modules without record {found - digests}, without file {digests - found}')
        if tmp := [*(state / 'modules/tmp').iterdir(), *(state / 'zygotes').glob('*')]:
            self.fault(f'temporary files are left: {tmp}')
        logs = {(p.parent.name, p.stem) for p in (state / 'logs').glob('*/*')}
        if logs - ids:
            self.fault(f'logs of instances that are not on record: {logs - ids}')
        if other := {p.name for p in state.iterdir()} - STATE_FILES:
            self.fault(f'strange files in the state directory: {other}')
        self.sums['module files'], self.sums['logs'] = len(found), len(logs)
        for digest in digests:
            got = subprocess.run(['sha256sum', state / 'modules' / digest], capture_output=True)
            if got.stdout[:64].decode() != digest:
                self.fault(f'module {digest} is damaged')

    def audit(self):
        """Every line whole, numbered without a gap; each life that ended by itself complete."""
        calls, lost, last = collections.Counter(), collections.Counter(), 0
        for n, text in enumerate((self.d.state / 'audit.jsonl').read_text().splitlines(), 1):
            try:
                line = json.loads(text)
            except ValueError:
                self.fault(f'audit line {n} is no JSON: {text[:80]}')
                continue
            missing = line['seq'] - last - 1
            last = line['seq']
            if line['source'] == 'daemon' and line.get('event') == 'lost':
                self.sums['lines it counts as lost'] += line['count']
                missing -= line['count']
            elif line.get('event') == 'lost':
                lost[line['instance']] += line['count']
            elif 'event' in line and line['event'] != 'forbidden system call (SIGSYS)':
                self.fault(f'audit line {n}: {line["event"]}')
            elif line.get('verdict') == 'deny':
                calls[line['instance']] += line['count']
            if missing:
                self.fault(f'audit line {n}: {missing} before it are missing')
        self.sums['lines of the audit'] = last
        self.sums['records it counts as lost'] = lost.total()
        for ref, n in self.expected():
            self.sums['lives whose audit is whole'] += 1
            if calls[ref] + lost[ref] != n and not self.ledger.scarce:
                self.fault(f'{ref}: {n} denials, {calls[ref]} in the audit, {lost[ref]} lost')

    def expected(self):
        """(id, denials) of every life that ended by itself, told or on record."""
        yield from self.ledger.runs.items()
        for e in self.ledger.entries.values():
            if e.denied and e.told.get(1, ('',))[0] == 'exited':
                yield e.ref, e.denied

    def alarms(self):
        for line in self.d.said().splitlines():
            if ALARMS.search(line) and not (self.ledger.scarce and 'not recorded' in line):
                self.fault(f'the daemon said: {line}')
