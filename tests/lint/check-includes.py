#!/usr/bin/env python3
"""The include arrows. Fails when a file includes what its room may not see.

The table below and the one in ARCHITECTURE.md ("The arrows") are the same
lines; the test compares them.
"""
import pathlib
import re
import sys

# Public headers and the room whose face they are; all others are base.
FACE = {
    'vm.h': 'vm', 'traps.def': 'vm', 'wasi.h': 'wasi', 'policy.h': 'policy',
    'gate.h': 'gate', 'gate.def': 'gate', 'client.h': 'client',
    'api.h': 'api', 'api.def': 'api', 'causes.def': 'api',
}

# room: what it may include (faces by name, private headers by folder).
MAY = {
    'include/wasmd': 'base vm gate api',
    'vm':            'base vm vm/',
    'vm/wasi':       'base gate vm wasi vm/wasi/',
    'policy':        'base gate policy policy/',
    'daemon':        'base api policy daemon/',
    'daemon/front':  'base gate api policy daemon/ daemon/front/ daemon/locked/self.h',
    'daemon/priv':   'base api policy daemon/ daemon/priv/ daemon/locked/',
    'daemon/locked': 'base gate api vm wasi policy daemon/ daemon/locked/',
    'ctl':           'base gate api policy client ctl/ daemon/syscalls.def',
}

# Where the two worlds meet: nobody else includes both.
MEETING = {'daemon/locked/worker.c'}

# Rooms that see the engine only through the bare runner or a test are free.
FREE = ('tests', 'bench')


def room_of(path):
    parts = path.parent.as_posix()
    while parts not in MAY:
        if '/' not in parts:
            return None
        parts = parts.rsplit('/', 1)[0]
    return parts


def what(name, here):
    """The word of MAY that an include stands for."""
    if name.startswith('wasmd/'):
        return FACE.get(name[len('wasmd/'):], 'base')
    if '/' not in name:
        name = f'{here}/{name}'
    return name


def allowed(name, may):
    words = may.split()
    if '/' not in name:
        return name in words
    folder = name.rsplit('/', 1)[0] + '/'
    return name in words or folder in words


def check(root):
    bad, seen = [], 0
    for path in sorted(root.rglob('*.*')):
        rel = path.relative_to(root)
        if path.suffix not in ('.c', '.h', '.def', '.inc') or rel.parts[0] in FREE:
            continue
        room = room_of(rel)
        if room is None:
            continue
        seen += 1
        names = re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M)
        for name in names:
            word = what(name, rel.parent.as_posix())
            if not allowed(word, MAY[room]):
                bad.append(f'{rel}: {room} may not include "{name}" (it may: {MAY[room]})')
        faces = {FACE.get(n[len('wasmd/'):]) for n in names if n.startswith('wasmd/')}
        if {'wasi', 'policy'} <= faces and rel.as_posix() not in MEETING:
            bad.append(f'{rel}: only {", ".join(MEETING)} may include both wasi.h and policy.h')
    return bad, seen


def documented(root):
    """ARCHITECTURE.md shows the same table."""
    text = (root / 'ARCHITECTURE.md').read_text()
    return [f'ARCHITECTURE.md, "The arrows": the row for {room} should read `{room}` | `{may}`'
            for room, may in MAY.items() if f'| `{room}` | `{may}` |' not in text]


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    bad, seen = check(root)
    bad += documented(root)
    if seen < 20:
        bad.append(f'only {seen} files seen: wrong folder?')
    for line in bad:
        print(line)
    print(f'{seen} files, {len(bad)} arrows that must not exist')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
