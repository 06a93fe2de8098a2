#!/usr/bin/env python3
"""The table of docs/wasi.md, from vm/wasi/wasi.def and include/wasmd/gate.def.

usage: table.py [--write]     (without: fails when the document has another)
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOC = ROOT / 'docs' / 'wasi.md'
BEGIN, END = '<!-- table: tests/wasi/table.py -->\n', '<!-- end of table -->\n'

# What prep_<name>() adds to the request, beside descriptors and paths.
ADDS = {
    'none': '', 'number': 'number', 'flags': 'flags', 'size': 'size', 'extent': 'offset, length',
    'iov': 'length, address', 'iov_at': 'offset, length, address',
    'readdir': 'cookie, length, address', 'seek': 'offset, whence',
    'poll': 'count, address', 'random': 'length, address',
    'link': 'lookup flags', 'rename': '', 'symlink': 'text of the link',
    'open': 'rights, open and descriptor flags',
}
# Sets that depend on what is asked.
ASKED = {
    'path_open': '`fs.list`, `fs.read`, `fs.write`, `fs.create`, as asked for',
    'path_link': '`fs.read` of the old, `fs.create` of the new',
    'path_rename': '`fs.delete` of the old, `fs.create` and `fs.delete` of the new',
}


def rows(path, macro):
    text = (ROOT / path).read_text()
    return re.findall(rf'^\t{macro}\((\w+),\s*(.*?)\)\s*\\?$', text, re.M)


def answers():
    text = (ROOT / 'vm/wasi/wasi.def').read_text()
    groups = dict(re.findall(r'^#define (WASI_FD|WASI_PATH)\s+"([^"]*)"$', text, re.M))
    return {name: re.sub(r'WASI_\w+', lambda m: groups[m[0]], what).replace('"', '').split()
            for name, what in rows('vm/wasi/wasi.def', 'ANSWERS')}


def sets():
    gate = (ROOT / 'include/wasmd/gate.def').read_text()
    words = dict(re.findall(r'SET\((\w+),\s*"([^"]+)"', gate))
    return {name: ', '.join(f'`{words[s]}`' for s in re.findall(r'GATE_(\w+)', rest.split(',')[0]))
            for name, rest in rows('include/wasmd/gate.def', 'GATE')}


def objects(sig):
    """What a request of this signature names."""
    said = {('d', 0): 'descriptor', ('d', 1): 'path', ('dd', 0): 'both descriptors',
            ('dd', 2): 'both paths', ('', 0): ''}
    return said[''.join(c for c in sig if c == 'd'), sig.count('p')]


def rights(first, second):
    def words(r):
        both = {'READ_AT': ['FD_READ', 'FD_SEEK'], 'WRITE_AT': ['FD_WRITE', 'FD_SEEK']}
        return ', '.join(f'`{w.lower()}`' for w in both.get(r, [r]) if w != 'NONE')
    return '; '.join(w for w in (words(first), words(second)) if w)


def table():
    judged, errnos = sets(), answers()
    out = '| function | right | set | the request holds | errno |\n|---|---|---|---|---|\n'
    for name, rest in rows('vm/wasi/wasi.def', 'CALL'):
        sig, first, second, prep = (w.strip() for w in rest.split(','))
        holds = ', '.join(w for w in (objects(sig.strip('"')), ADDS[prep]) if w)
        told = ' '.join(f'`{e.lower()}`' for e in errnos[name])
        out += (f'| `{name}` | {rights(first, second)} | {ASKED.get(name, judged[name])} | {holds} '
                f'| {told} |\n')
    return re.sub(r' {2,}', ' ', out)


def main():
    text = DOC.read_text()
    head, _, rest = text.partition(BEGIN)
    old, end, tail = rest.partition(END)
    if not end:
        sys.exit(f'{DOC}: the marks of the table are missing')
    if '--write' in sys.argv:
        DOC.write_text(head + BEGIN + table() + END + tail)
    elif old != table():
        sys.exit(f'{DOC.relative_to(ROOT)}: its table is not that of vm/wasi/wasi.def; '
                 'tests/wasi/table.py --write makes it so')
    return 0


if __name__ == '__main__':
    sys.exit(main())
