"""tests/attacks/table.txt, read."""
import pathlib
import re

TABLE = pathlib.Path(__file__).with_name('table.txt')

# way: what is switched off in it (include/wasmd/attack.h).
WAYS = {
    'all': '',
    'wasi': 'policy,mounts,landlock,seccomp',
    'mounts': 'wasi,policy,landlock,seccomp',
    'landlock': 'wasi,policy,mounts,seccomp',
    'none': 'wasi,policy,mounts,landlock,seccomp',
}


class Attack:
    def __init__(self, name, steps, cells):
        self.name, self.steps = name, steps
        self.cells = dict(zip(WAYS, cells))

    def expected(self, way):
        return re.sub(r'\(.*', '', self.cells[way])


class Table:
    """sections: [(title, [Attack])], notes: {name: sentence}"""

    def __init__(self, text=None):
        self.sections, self.notes = [], {}
        for line in (text or TABLE.read_text()).splitlines():
            if line.startswith('== '):
                self.sections.append((line[3:], []))
            elif line.startswith('note '):
                name, _, sentence = line[5:].partition(': ')
                self.notes[name] = sentence
            elif line.strip() and not line.startswith('#'):
                self.sections[-1][1].append(self.row(line))

    @staticmethod
    def row(line):
        name, steps, cells = (line + '|' * (2 - line.count('|'))).split('|')
        cells = cells.split()
        if cells and len(cells) != len(WAYS):
            raise ValueError(f'{len(WAYS)} outcomes are wanted: {line}')
        return Attack(name.strip(), steps.split(), cells or ['?'] * len(WAYS))

    def attacks(self):
        return [a for _, rows in self.sections for a in rows]

    def undefined_notes(self):
        named = set(re.findall(r'\((\w+)\)', ' '.join(
            c for a in self.attacks() for c in a.cells.values())))
        return named ^ set(self.notes)


def markdown(table):
    """The table as docs/threat-model.md shows it."""
    order = list(table.notes)
    out = []

    def cell(text):
        for i, name in enumerate(order, 1):
            text = text.replace(f'({name})', f' <sup>{i}</sup>')
        return re.sub(r'^(escape|blocks)', r'**\1**', text)

    for title, rows in table.sections:
        out += [f'### {title}', '', '| attack | steps | all fences | only WASI | only mounts | '
                'only Landlock | none |', '|---|---|---|---|---|---|---|']
        for a in rows:
            steps = ' '.join(a.steps).replace('|', r'\|')
            out.append(f'| {a.name} | `{steps}` | ' + ' | '.join(
                cell(a.cells[w]) for w in WAYS) + ' |')
        out.append('')
    out += [f'{i}. {table.notes[name]}' for i, name in enumerate(order, 1)]
    return '\n'.join(out) + '\n'
