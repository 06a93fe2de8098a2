#!/usr/bin/env python3
"""The JSON Schema and the parser, over the same documents: they agree, but
for what no schema can know."""
import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("SKIP policy-schema: python3-jsonschema is not installed")
    sys.exit(77)

WASMCTL, ROOT = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(__file__).resolve().parents[2]

# What the parser knows and a schema cannot: part of the parser's sentence, and why.
BEYOND = {
    r'this key stands here twice': 'JSON readers keep one of two equal keys',
    r'overlaps "': 'compares mounts with each other',
    r'the id ".*" is that of': 'compares rules with each other',
    r'found "\d+(B|KiB|MiB|GiB|TiB|kB|MB|GB)", expected a (size|count)': 'computes with a unit',
    r'found "\d+(ns|us|ms|s|m|h)", expected a duration': 'computes with a unit',
    r'found 1, expected a descriptor': 'JSON Schema holds 1.0 to be an integer',
    r'\$\.rules\[\d+\]\.path: .*glob|\$\.mounts\[\d+\]\.only\[\d+\]: .*glob|unclosed|not closed':
        'the grammar of globs nests',
}

# Put in the place of every value in turn.
VALUES = [None, True, False, 0, 1, 1.0, -1, 2.5, 5e9, 4096, 70000, 10**18, "", "x", "deny", "allow", "kill",
          "audit", "throttle", "rw", "1ms", "2h", "0s", "1MiB", "0B", "4KiB", "1TiB", "5GiBx", "99999999999999TiB",
          "unmetered", "/", "/a", "/a/", "/a//b", "/a/../b", "/a/./b", "../a", "a/../b", "**/*.png",
          "{a", "[a", "[z-a]", "path_open", "fs.write", "fs.*", "*", "proc_exit", "stdin", "complain",
          "a=b", ".hidden", "x" * 129, "x" * 4097, [], ["x"], ["proc_exit"], ["proc_exit", "net"], [[]],
          {}, {"x": 1}, {"errno": "nospc"}, {"errno": "nospcc"}, {"a": "b"}, [{}]]


def section(text, name):
    found = re.search(r'^--- %s\n(.*?)(?=^--- |\Z)' % name, text, re.M | re.S)
    return found.group(1) if found else None


def documents():
    """(where, text, whether it is to be accepted)"""
    for f in sorted((ROOT / 'tests/policy').glob('*/*.pol')):
        if f.parent.name in ('allow', 'deny'):
            yield str(f.relative_to(ROOT)), section(f.read_text(), 'policy'), f.parent.name == 'allow'
    for f in sorted((ROOT / 'examples').rglob('*.json')):
        yield str(f.relative_to(ROOT)), f.read_text().replace('@DATA@', '/srv/books'), True
    for doc in ('docs/policy.md', 'README.md'):
        for i, block in enumerate(re.findall(r'^```json\n(.*?)^```', (ROOT / doc).read_text(), re.M | re.S)):
            if '"tenants"' not in block:
                yield f'{doc}, block {i + 1}', block, True


def places(v, at=()):
    yield at
    for k, x in v.items() if isinstance(v, dict) else enumerate(v) if isinstance(v, list) else ():
        yield from places(x, at + (k,))


def changed(doc, at, how):
    doc = copy.deepcopy(doc)
    if not at:
        return how(doc, None)
    up = doc
    for k in at[:-1]:
        up = up[k]
    how(up, at[-1])
    return doc


def mutations(doc):
    """Every value replaced by every other, removed, and given a neighbour."""
    for at in places(doc):
        for v in VALUES:
            def put(up, k, v=v):
                if up is None or k is None:
                    return v
                up[k] = v
                return None
            yield changed(doc, at, put)
        if at:
            yield changed(doc, at, lambda up, k: up.pop(k))
            yield changed(doc, at, lambda up, k: up.update(nme=up[k]) if isinstance(up, dict) else
                          up.append(copy.deepcopy(up[k])))


def parser(texts):
    """The parser's sentence for each text, None where it accepts it."""
    said = []
    with tempfile.TemporaryDirectory() as tmp:
        for start in range(0, len(texts), 500):
            part = texts[start:start + 500]
            for i, t in enumerate(part):
                (pathlib.Path(tmp) / str(i)).write_text(t)
            r = subprocess.run([WASMCTL, 'policy', 'check'] + [str(i) for i in range(len(part))], cwd=tmp,
                               capture_output=True, text=True, timeout=100)
            ok = set(re.findall(r'^(\d+): ok', r.stdout, re.M))
            bad = dict(re.findall(r'^(\d+):(.*)$', r.stderr, re.M))
            assert len(ok) + len(bad) == len(part), r.stderr[-500:]
            said += [None if str(i) in ok else bad[str(i)] for i in range(len(part))]
    return said


def main():
    printed = subprocess.run([WASMCTL, 'policy', 'schema'], capture_output=True, text=True, check=True).stdout
    assert printed == (ROOT / 'docs/policy.schema.json').read_text(), 'policy schema prints another'
    schema = json.loads(printed)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    cases = list(documents())
    assert len(cases) > 80, len(cases)
    for name in ('tests/policy/allow/every-key.pol', 'docs/policy.md, block 4'):
        doc = json.loads(next(text for where, text, _ in cases if where == name))
        cases += [(f'{name}, changed', json.dumps(m), None) for m in mutations(doc)]
    words = schema['$defs']['operation']['enum'], \
        schema['$defs']['rule']['properties']['then']['oneOf'][1]['properties']['errno']['enum']
    cases.append(('every operation and error of the schema', json.dumps({'rules': [
        {'on': [words[0][i % len(words[0])], '*'], 'then': {'errno': words[1][i % len(words[1])]}}
        for i in range(max(map(len, words)))]}), True))
    for table, names in (('include/wasmd/gate.def', words[0]), ('policy/errnos.def', words[1])):
        rows = re.findall(r'\b(?:GATE|ERRNO)\("?(\w+)"?, ', (ROOT / table).read_text())
        assert len(rows) > 40 and set(rows) - {'name'} <= set(names), set(rows) - set(names)

    said, failed, beyond = parser([text for _, text, _ in cases]), 0, dict.fromkeys(BEYOND, 0)
    for (where, text, want), sentence in zip(cases, said):
        try:
            valid = validator.is_valid(json.loads(text))
        except ValueError:
            valid = False
        why = [k for k in BEYOND if sentence and re.search(k, sentence)]
        if want is not None and want != (sentence is None):
            print(f'{where}: the parser says {sentence}')
            failed += 1
        if valid == (sentence is None):
            continue
        if valid and why:
            beyond[why[0]] += 1
            continue
        failed += 1
        if failed < 40:
            print(f'{where}: the schema {"accepts" if valid else "refuses"} it, the parser: {sentence}\n'
                  f'    {text[:400]}')
    for k, n in beyond.items():
        if n == 0:
            failed += 1
            print(f'nothing was beyond the schema because it {BEYOND[k]}: {k}')
    print(f'{len(cases)} documents, {sum(beyond.values())} beyond a schema, {failed} disagreements')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
