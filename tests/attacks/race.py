#!/usr/bin/env python3
"""The host exchanges directories with symbolic links to the outside while the
guest opens, creates, lists and truncates through them, and files with pipes.

    race.py SWAP TRIES [WAY...]

No fence alone may lose it once; with none at all it must be lost, or it was no
race.
"""
import os
import pathlib
import re
import subprocess
import sys

from attacks import TOKEN, Way, attacker, open_to_all, snapshot
from table import WAYS


def lay_out(g):
    """Two pairs: a directory and a link to the outside's, a file and a link."""
    for d in (g.rw / 'swap', g.outside):
        (d / 'sub').mkdir(parents=True)
        (d / 'file').write_text('inside' if d != g.outside else TOKEN + 'file')
    for name in ('swapfile', 'swappipe'):
        (g.rw / name).write_text('inside')
    (g.rw / 'deep').mkdir()
    (g.rw / 'other').symlink_to('../outside')
    (g.rw / 'otherfile').symlink_to(g.outside / 'file')
    os.mkfifo(g.rw / 'otherpipe')
    open_to_all(g.root)


def race(way, swap, tries):
    """(tries, opened, refused, outside), whether the outside changed, exchanges"""
    g = way.ground('race')
    lay_out(g)
    before = snapshot(g.outside)
    pairs = ['swap', 'other', 'swapfile', 'otherfile']
    if way.name in ('all', 'wasi'):  # to the others a pipe is what blocks
        pairs += ['swappipe', 'otherpipe']
    swapper = subprocess.Popen([swap, g.rw, *pairs],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        done = way.run(g, ['race', str(tries), '8' if 'swappipe' in pairs else '6'], wall='2h')
    finally:
        swaps, _ = swapper.communicate()
    counts = re.search(r'^race tries (\d+) opened (\d+) refused (\d+) outside (\d+)$', done.out, re.M)
    if counts is None or swapper.returncode != 0:
        raise RuntimeError(f'{way.name}: the race did not end: {done.out}{done.err}')
    return [int(n) for n in counts.groups()], snapshot(g.outside) != before, int(swaps)


def judged(name, counts, changed):
    tries, opened, refused, outside = counts
    if opened + refused != tries:
        return 'tries are missing'
    if name == 'none':
        return '' if outside and changed else 'nothing was lost without fences: no race'
    if outside or changed:
        return f'ESCAPED: {outside} opens led outside' + (', which was changed' if changed else '')
    return '' if opened and refused else 'the race was never close'


def main():
    swap, tries = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    ways = sys.argv[3:] or list(WAYS)
    bad = []
    attacker()

    def run(name):
        with Way(name) as way:
            counts, changed, swaps = race(way, swap, tries)
        wrong = judged(name, counts, changed)
        print('{}: {} tries, {} opened, {} refused, {} outside'.format(name, *counts) +
              f'; {swaps} exchanges' + (f': {wrong}' if wrong else ''), flush=True)
        if wrong:
            bad.append(name)

    for name in ways:  # one at a time: guest and host each have a processor
        run(name)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
