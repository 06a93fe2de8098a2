#!/usr/bin/env python3
"""chaos.py [--seconds N] [--seed N] [--clients N] [--scarce] [--verbose]

Mixed clients against a daemon whose processes are killed at random; then an accountant.
Prints what was done in numbers, and the seed; exits 1 when anything was lost, leaked, run
twice or wrong. The same seed makes the same plan; what the machine makes of it differs."""
import argparse
import collections
import os
import pathlib
import random
import re
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'e2e'))

from accountant import Accountant  # noqa: E402  pylint: disable=wrong-import-position
from killer import SCARCE, TROUBLES, Killer  # noqa: E402  pylint: disable=wrong-import-position
from ledger import Ledger  # noqa: E402  pylint: disable=wrong-import-position
from load import TENANTS, Client  # noqa: E402  pylint: disable=wrong-import-position
from processes import Family  # noqa: E402  pylint: disable=wrong-import-position
from service import Service  # noqa: E402  pylint: disable=wrong-import-position
from wasmd import AS_ROOT, OTHER_UID, TENANT_UID, guest  # noqa: E402  pylint: disable=wrong-import-position


def options():
    p = argparse.ArgumentParser()
    p.add_argument('--seconds', type=float, default=120)
    p.add_argument('--seed', type=int, default=random.SystemRandom().randrange(10**6))
    p.add_argument('--clients', type=int, default=12)
    p.add_argument('--scarce', action='store_true',
                   help='root: now and then the disk is full, descriptors or processes are used up')
    p.add_argument('--verbose', action='store_true')
    return p.parse_args()


def furnish(service):
    """What the clients take for granted. Reading of the secrets is what a rule denies."""
    for tenant, uid in (('alice', TENANT_UID), ('bob', OTHER_UID)):
        (service.data / tenant).mkdir()
        if AS_ROOT:
            os.chown(service.data / tenant, uid, uid)
    for tenant in TENANTS:
        headers = {'Wasmd-Tenant': tenant} if tenant else {}
        for name, flags in (('front', ()), ('reactor', ('-mexec-model=reactor',))):
            known = {'front': 'guest', 'reactor': 'library'}[name]
            a = service.call('POST', f'/v1/modules?name={known}',
                             guest(name, *flags).read_bytes(), headers)
            assert a.status == 201, a.body


def trouble(o, service, ledger):
    """Clients and a killer, at once. A plan for each comes from the seed."""
    plan = random.Random(o.seed)
    until, wasm = time.monotonic() + o.seconds, guest('front').read_bytes()
    clients = [Client(service, ledger, wasm, plan.randrange(10**9), until)
               for _ in range(o.clients)]
    killer = Killer(service, o.seconds, plan.randrange(10**9),
                    TROUBLES + SCARCE if o.scarce else TROUBLES)
    for t in (*clients, killer):
        t.start()
    for t in (*clients, killer):
        t.join()
    return killer


def audit(service, ledger, accountant):
    """The accountant's visits, with a clean end and a new start between them."""
    service.rest()
    there = accountant.books()
    accountant.idle()
    accountant.clear_modules()
    after = accountant.descriptors()
    if service.stop(signal.SIGINT) != 0:
        ledger.fault('SIGINT did not end it well')
    accountant.remains(there)
    service.start()
    again = {i['id']: i for _, i in accountant.instances()}
    if again != there:
        ledger.fault('after a clean end and a new start, other instances are on record')
    accountant.leaks(after, accountant.descriptors())
    if service.stop(signal.SIGINT) != 0:
        ledger.fault('SIGINT did not end it well, again')
    accountant.remains(there)


def say(title, counts):
    print(f'{title}:', ', '.join(f'{k if isinstance(k, str) else " ".join(map(str, k))} {n}'
                                 for k, n in sorted(counts.items())))


def sentences(service):
    """The daemon's log by kind of sentence."""
    return collections.Counter(
        re.sub(r'[0-9a-f]{32}|\d+', 'N', line)[:100] for line in service.said().splitlines())


def report(o, service, ledger, killer, accountant):
    say('troubles', killer.done)
    say('came to nothing', killer.missed)
    print(f'requests: {ledger.requests}; the daemon was started {service.births} times')
    by_job = collections.defaultdict(dict)
    for (job, how), n in sorted(ledger.outcomes.items()):
        by_job[job][how] = n
    for job, hows in by_job.items():
        say(f'  {job}', hows)
    say('instances ended', ledger.causes)
    say('accounts', accountant.sums)
    if o.verbose or ledger.faults:
        say('refusals', ledger.refusals)
        say('daemon.log', sentences(service))
    for fault in ledger.faults:
        print('FAULT', fault)
    print(f'{len(ledger.faults)} faults; seed {o.seed}, {o.seconds:g} s, {o.clients} clients')
    return 1 if ledger.faults or not ledger.requests or not killer.done else 0


def main():
    o = options()
    print(f'seed {o.seed}', flush=True)
    service, ledger = Service(Family()), Ledger(o.scarce)
    try:
        if o.scarce:
            service.small_disk()
        accountant = Accountant(service, ledger)
        service.keep()
        furnish(service)
        killer = trouble(o, service, ledger)
        audit(service, ledger, accountant)
        return report(o, service, ledger, killer, accountant)
    finally:
        service.close()


if __name__ == '__main__':
    sys.exit(main())
