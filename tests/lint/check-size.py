#!/usr/bin/env python3
"""Functions that fit a screen and files with one job, measured.

Counts from the brace in column 0 to the brace in column 0 (kernel style).
Prints the figures of style; fails past the hard bounds.
"""
import pathlib
import re
import statistics
import sys

ROOMS = ('vm', 'policy', 'daemon', 'ctl')
MAX_FILE, MAX_FUNC, MEDIAN, P90 = 900, 120, 15, 50
EXEMPT = {'vm/run.c', 'policy/run.c'}  # one dispatch loop each


def functions(path):
    name, start = '', None
    for n, line in enumerate(path.read_text().splitlines(), 1):
        if line == '{':
            start = n
        elif line.startswith('}') and start is not None:
            yield name, n - start - 1
            start = None
        elif start is None:
            m = re.match(r'^[a-z].*?(\w+)\(', line)
            name = m.group(1) if m else name


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    bad, sizes = [], []
    for path in sorted(p for room in ROOMS for p in (root / room).rglob('*.[ch]')):
        rel = path.relative_to(root).as_posix()
        lines = path.read_text().count('\n')
        if lines > MAX_FILE:
            bad.append(f'{rel}: {lines} lines, at most {MAX_FILE}')
        for name, size in functions(path):
            sizes.append(size)
            if size > MAX_FUNC and rel not in EXEMPT:
                bad.append(f'{rel}: {name} has {size} lines, at most {MAX_FUNC}')
    if len(sizes) < 100:
        bad.append(f'only {len(sizes)} functions seen: wrong folder?')
        sizes += [0, 0]
    cuts = statistics.quantiles(sizes, n=100)
    median, p90, p99 = cuts[49], cuts[89], cuts[98]
    if median > MEDIAN or p90 > P90:
        bad.append(f'median {median:.0f} (at most {MEDIAN}), p90 {p90:.0f} (at most {P90})')
    print('\n'.join(bad + [f'{len(sizes)} functions: median {median:.0f}, p90 {p90:.0f}, '
                           f'p99 {p99:.0f}, longest {max(sizes)}']))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
