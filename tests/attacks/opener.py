#!/usr/bin/env python3
"""The host exchanges a directory that clients grant with a symbolic link to
what is above their ceiling, while they start instances.

    opener.py SWAP STARTS

Each start is given what lies inside the ceiling, or is refused. With the
outside inside the ceiling, it must be reached, or it was no race.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from attacks import TOKEN, attacker, open_to_all
import wasmd

UID = wasmd.TENANT_UID if wasmd.AS_ROOT else os.getuid()


def lay_out(data, outside):
    for d, name in ((data / 'swap', 'inside'), (outside, TOKEN + 'outside')):
        (d / 'sub').mkdir(parents=True)
        (d / name).touch()
        (d / 'sub' / name).touch()
    (data / 'other').symlink_to(outside)
    open_to_all(data)
    open_to_all(outside)


def starts(d, swap, n):
    """How often the inside was seen, the outside, and nothing was granted."""
    seen = {'inside': 0, 'outside': 0, 'refused': 0}
    swapper = subprocess.Popen([swap, d.data, 'swap', 'other'], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        for i in range(n):
            host = d.data / 'swap' / ('sub' if i % 2 else '')
            r = d.ctl('run', '--rm', '-v', f'{host}:/rw:{"rw" if i % 4 else "ro"}', 'attacker',
                      '--', 'list', '/rw', '0')
            if r.returncode == 0:
                seen['outside' if TOKEN in r.out else 'inside'] += 1
            elif re.search('above the ceiling|was removed meanwhile', r.err):
                seen['refused'] += 1
            else:
                raise RuntimeError(f'exit {r.returncode}: {r.err}')
    finally:
        swapper.communicate()
    return seen


def race(swap, n, ceiling_holds):
    with tempfile.TemporaryDirectory(prefix='wasmd-outside-') as tmp:
        outside = pathlib.Path(tmp)
        d = wasmd.Daemon()
        mounts = [{'host': str(d.dir if ceiling_holds else '/'), 'access': 'rw'}]
        d.config = {'tenants': [{'name': 'alice', 'uid': UID, 'gid': UID, 'clients': [os.getuid()],
                                 'ceiling': {'mounts': mounts}}]}
        with d:
            lay_out(d.data, outside)
            d.ctl('module', 'load', attacker(), '--name', 'attacker', check=0)
            return starts(d, swap, n)


def main():
    swap, n = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    held, open_ = race(swap, n, True), race(swap, n, False)
    print(f'{n} starts below the ceiling: {held}; without one: {open_}')
    ok = held['outside'] == 0 and held['inside'] and held['refused'] and open_['outside']
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
