#!/usr/bin/env python3
"""docs/threat-model.md shows tests/attacks/table.txt: compares, or --write."""
import pathlib
import sys

from table import Table, markdown

DOC = pathlib.Path(__file__).resolve().parents[2] / 'docs/threat-model.md'
BEGIN = '<!-- tests/attacks/document.py --write -->\n'
END = '<!-- the end of what is generated -->\n'


def main():
    table = Table()
    text = DOC.read_text()
    before, _, rest = text.partition(BEGIN)
    shown, end, after = rest.partition(END)
    if not end:
        print(f'{DOC}: the lines that hold the generated tables are gone')
        return 1
    wanted = markdown(table)
    if '--write' in sys.argv:
        DOC.write_text(before + BEGIN + wanted + END + after)
        return 0
    bad = [f'the note {n} is not both named and written' for n in table.undefined_notes()]
    bad += [f'{a.name}: all fences must hold, and the table says {a.cells["all"]}'
            for a in table.attacks() if a.expected('all') in ('escape', 'blocks', '?')]
    bad += [f'{a.name}: a fence that alone does not hold must have a note: {a.cells[w]}'
            for a in table.attacks() for w in ('wasi', 'mounts', 'landlock')
            if a.cells[w] in ('escape', 'blocks')]
    if shown != wanted:
        bad.append(f'{DOC.name} is not what the table says: tests/attacks/document.py --write')
    print('\n'.join(bad + [f'{len(table.attacks())} attacks are documented']))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
