#!/usr/bin/env python3
"""Counts what `meson test` ran, from its logs, and holds every skip against
tests/skips.txt. A test says `SKIP name: reason` on a line of its own; a skip
that is not listed fails the run. Closes with the counts.
"""
import json
import pathlib
import re
import sys


def listed(root):
    rows = {}
    for line in (root / 'tests/skips.txt').read_text().splitlines():
        if line.strip() and not line.startswith('#'):
            name, _, reason = line.partition(':')
            rows[name.strip()] = reason.strip()
    return rows


def main():
    root, builds = pathlib.Path(__file__).resolve().parents[2], sys.argv[1:]
    allowed, passed, failed, skips, unlisted = listed(root), 0, 0, [], []
    for build in builds:
        logs = sorted(pathlib.Path(build, 'meson-logs').glob('testlog*.json'))
        if not logs:
            unlisted.append(f'{build}: no test ran')
        for log in logs:
            for line in log.read_text().splitlines():
                test = json.loads(line)
                out = test.get('stdout', '') + test.get('stderr', '')
                found = re.findall(r'^(?:\[ *\w+ *\] )?SKIP ([\w.-]+): ?(.*)$', out, re.M)
                skips += [(build, name, why) for name, why in found]
                if test['result'] == 'SKIP' and not found:
                    unlisted.append(f'{build}: {test["name"]} skipped and did not say why')
                ok = test['result'] in ('OK', 'EXPECTEDFAIL')
                passed += ok
                failed += not ok and test['result'] != 'SKIP'
    for build, name, why in skips:
        print(f'skipped in {build}: {name}: {why}')
        if name not in allowed:
            unlisted.append(f'{build}: the skip {name} is not in tests/skips.txt')
    print('\n'.join(unlisted))
    print(f'{passed} passed, {failed + len(unlisted)} failed, {len(skips)} skipped')
    return 1 if failed or unlisted or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
