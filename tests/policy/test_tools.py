#!/usr/bin/env python3
"""wasmctl policy compile, explain, test, diff and fmt, without a daemon."""
import copy
import functools
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

WASMCTL, ASM = (str(pathlib.Path(p).resolve()) for p in (sys.argv.pop(1), sys.argv.pop(1)))
ROOT = pathlib.Path(__file__).resolve().parents[2]

POLICY = '''{
  "default": "deny",
  "mounts": [
    { "host": "/x", "guest": "/work", "access": "rw" },
    { "tmpfs": "1MiB", "guest": "/tmp" },
    { "host": "/y", "guest": "/in", "only": ["**/*.png"] } ],
  "rules": [
    { "id": "git", "on": ["fs.write", "fs.create", "fs.delete"], "path": "/work/**/.git{,/**}", "then": "deny" },
    { "id": "full", "on": "fs.write", "path": "/tmp/full", "then": { "errno": "nospc" } },
    { "id": "trial", "on": "path_unlink_file", "then": "deny", "mode": "complain" },
    { "id": "watch", "on": "fs.delete", "then": "audit" },
    { "id": "files", "on": "fs.*", "then": "allow" },
    { "id": "boom", "on": "random", "then": "kill" } ]
}
'''

# A call and its first line of explanation under POLICY.
EXPLAINED = '''
path_open /work/a                  | allow by rule "files" (p.json:12)
path_open /work/a read write       | allow by rule "files" (p.json:12)
path_open /work/.git/x write       | deny (acces) by rule "git" (p.json:8)
path_open /work/.git/x read        | allow by rule "files" (p.json:12)
path_open /work/.git list          | allow by rule "files" (p.json:12)
path_open /tmp/full truncate       | deny (nospc) by rule "full" (p.json:9)
path_open /tmp/full create         | allow by rule "files" (p.json:12)
path_open /in/a.txt                | deny (noent): "only" of the mount /in (line 6) does not show /in/a.txt
path_open /in/sub/a.png            | allow by rule "files" (p.json:12)
path_open /in/sub list             | allow by rule "files" (p.json:12)
path_filestat_get /in/sub          | deny (noent): "only" of the mount /in (line 6) does not show /in/sub
path_filestat_get /in/sub dir      | allow by rule "files" (p.json:12)
path_open /in/a.png write          | deny (notcapable): the mount /in (line 6) is read-only
path_open /etc/passwd              | deny (notcapable): no mount has /etc/passwd
path_open /workshop                | deny (notcapable): no mount has /workshop
path_rename /work/a /work/b        | deny (acces) by rule "git" (p.json:8)
path_rename /work/a,b}c /work/d\\*e | deny (acces) by rule "git" (p.json:8)
path_rename /tmp/a /tmp/b          | allow, recorded by rule "watch" (p.json:11)
path_rename /tmp/a /work/b/.git    | deny (acces) by rule "git" (p.json:8)
path_link /tmp/a /work/b           | deny (xdev): /tmp and /work are two mounts
path_link /in/a.png /tmp/b         | deny (notcapable): the mount /in (line 6) is read-only
path_symlink /work/.git            | deny (acces) by rule "git" (p.json:8)
path_symlink /work/l               | allow by rule "files" (p.json:12)
path_unlink_file /work/a           | allow, with a complaint by rule "trial" (p.json:10)
path_unlink_file /work/a,{b}*"c    | allow, with a complaint by rule "trial" (p.json:10)
path_remove_directory /tmp/d       | allow, recorded by rule "watch" (p.json:11)
path_create_directory /in/d        | deny (notcapable): the mount /in (line 6) is read-only
fd_write stdout                    | allow by rule "files" (p.json:12)
fd_write 5 /work/.git/x            | deny (acces) by rule "git" (p.json:8)
fd_write /in/a.png                 | deny (notcapable): the mount /in (line 6) is read-only
fd_sync /in/a.png                  | allow by rule "files" (p.json:12)
fd_close 1                         | deny (acces) by default (p.json:2)
clock_time_get                     | deny (acces) by default (p.json:2)
random_get                         | kill by rule "boom" (p.json:13)
proc_exit                          | allow by default (p.json:2)
'''

MISTAKES = {
    'path_opne /work/a': 'there is no call "path_opne"; did you mean "path_open"?',
    'fs.read /work/a': '"fs.read" is a set of calls',
    'path_open': 'path_open needs an absolute guest path, such as /in/file',
    'path_open work/a': '"work/a" is no argument of path_open',
    'path_open /work/a reed': '"reed" is no argument of path_open; did you mean "read"?',
    'path_open /work/../a': 'no call is judged by the path "/work/../a"',
    'path_open /work//a': 'no call is judged by the path "/work//a"',
    'path_open /work/': 'no call is judged by the path "/work/"',
    'path_open /work/a /work/b': 'path_open takes one path, "/work/b" is left over',
    'path_rename /work/a': 'path_rename needs two absolute guest paths',
    'path_link /a /b /c': 'path_link takes two paths, "/c" is left over',
    'fd_write': 'fd_write needs a descriptor, such as stdout or 3, or the path of the file that it is',
    'fd_write 1 2': 'fd_write takes one descriptor, "2" is left over',
    'fd_write 4096': 'descriptor 4096: they go from 0 to 4095',
    'fd_write 99999999999999999999': 'descriptor 99999999999999999999: they go from 0 to 4095',
    'clock_time_get 1': 'clock_time_get takes no descriptor, "1" is left over',
    'clock_time_get /a': 'clock_time_get takes no path, "/a" is left over',
}


def section(text, name):
    found = re.search(r'^--- %s\n(.*?)(?=^--- |\Z)' % name, text, re.M | re.S)
    return found.group(1) if found else None


@functools.cache
def policies():
    """Every policy of the tree that is accepted: where, text."""
    found = [(f.name, section(f.read_text(), 'policy'))
             for f in sorted((ROOT / 'tests/policy/allow').glob('*.pol'))]
    found += [(f.name, f.read_text().replace('@DATA@', '/srv/books'))
              for f in sorted((ROOT / 'examples').rglob('*.json'))]
    found += [(f'docs/policy.md, block {i}', block) for i, block in enumerate(
        re.findall(r'^```json\n(.*?)^```', (ROOT / 'docs/policy.md').read_text(), re.M | re.S))]
    assert len(found) > 20
    return found + [('POLICY', POLICY), ('{}', '{}')]


def longest(code):
    """The longest path through a program without loops, counted anew."""
    insns = [struct.unpack_from('<BBhi', code, at) for at in range(0, len(code), 8)]
    best = [0] * (len(insns) + 1)
    for i in reversed(range(len(insns))):
        op, _, off, imm = insns[i]
        if op == 0:  # the second half of a 64-bit load: never an instruction of its own
            continue
        follows = [i + 2] if op == 0x18 else [i + 1]
        if op == 0x95:
            follows = []
        elif op in (0x05, 0x06):
            follows = [i + 1 + (off if op == 0x05 else imm)]
        elif op & 7 in (5, 6) and op != 0x85:
            follows.append(i + 1 + off)
        assert all(f > i for f in follows)
        best[i] = 1 + max((best[f] for f in follows), default=0)
    return best[0]


class Tools(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.dir = pathlib.Path(tmp.name)
        self.put('p.json', POLICY)

    def put(self, name, text):
        (self.dir / name).write_text(text)

    def run_policy(self, *args, text=True):
        return subprocess.run([WASMCTL, 'policy', *args], cwd=self.dir, capture_output=True, text=text,
                              timeout=60)

    def good(self, *args, text=True):
        r = self.run_policy(*args, text=text)
        self.assertEqual((r.returncode, r.stderr), (0, '' if text else b''), args)
        return r.stdout

    def explain(self, file, call):
        first, second = self.good('explain', file, *call.split()).splitlines()
        return first, second

    def test_compile(self):
        for where, text in policies():
            with self.subTest(where):
                self.put('q.json', text)
                asm, code = self.good('compile', 'q.json'), self.good('compile', 'q.json', '--emit', 'bin',
                                                                     text=False)
                back = subprocess.run([ASM], input=asm.encode(), capture_output=True, timeout=60)
                self.assertEqual((back.returncode, back.stderr), (0, b''))
                self.assertEqual(back.stdout, code)
                name = json.loads(text).get('name', 'unnamed')
                self.assertEqual(asm.splitlines()[0], f'; policy {name}: {len(code) // 8} instructions, '
                                 f'at most {longest(code)} are run')

    def test_compile_names_rules(self):
        asm = self.good('compile', 'p.json', '--emit=asm')
        for rule, line in (('git', 8), ('full', 9), ('trial', 10), ('watch', 11), ('files', 12), ('boom', 13)):
            self.assertIn(f'; rule "{rule}", line {line}\n', asm)
        ids, named, told = [r['id'] for r in json.loads(POLICY)['rules']], None, 0
        for line in asm.splitlines():
            if m := re.search(r'; rule "(\w+)"', line):
                named = m.group(1)
            if (m := re.match(r'\tlddw r[07], 0x(\w+)', line)) and int(m.group(1), 16) >> 32 < len(ids):
                self.assertEqual(named, ids[int(m.group(1), 16) >> 32], line)
                told += 1
        self.assertGreater(told, 20)
        part = re.search(r'^; .*random_get$\n(.*?)(?=^;|\Z)', asm, re.M | re.S).group(1)
        self.assertEqual(re.findall(r'rule "(\w+)"', part), ['boom'])

    def test_explain(self):
        for row in EXPLAINED.strip().splitlines():
            call, want = (part.strip() for part in row.split(' | '))
            with self.subTest(call):
                self.assertEqual(self.explain('p.json', call)[0], want)

    def test_fences(self):
        """Each part is held by what would be another without it."""
        self.put('q.json', json.dumps({
            'limits': {'memory': '1MiB', 'fuel': 5}, 'clock': {'resolution': '1ms'},
            'mounts': [{'host': '/x', 'guest': '/a'}, {'tmpfs': '1MiB', 'guest': '/t', 'only': ['*.png']}],
            'rules': [{'id': 'none', 'on': 'random_get', 'then': 'deny'},
                      {'id': 'first', 'on': 'sched_yield', 'then': 'deny'},
                      {'id': 'late', 'on': 'sched_yield', 'then': 'kill'},
                      {'id': 'close', 'on': 'fd_close', 'then': 'deny'},
                      {'id': 'path', 'on': 'fs.*', 'path': '/a/x', 'then': 'deny'},
                      {'id': 'seen', 'on': 'net', 'then': 'audit'},
                      {'id': 'trial', 'on': 'net', 'then': 'deny', 'mode': 'complain'}]}))
        rows = [re.split(r'  +', line) for line in self.good('explain', '--fences', 'q.json').splitlines()]
        self.assertEqual([[r[0], *r[2:]] for r in rows[1:]], [
            ['mount /a', 'mounts, Landlock', '-'],
            ['mount /a: ro', 'mounts, Landlock', '-'],
            ['mount /t', 'mounts, Landlock', '-'],
            ['mount /t: only', 'worker', '-'],
            ['limits.memory', 'worker, rlimits', '-'],
            ['limits.fuel', 'worker', '-'],
            ['clock.resolution', 'worker', '-'],
            ['no random', 'worker', '-'],
            ['rule none', 'gate, seccomp', 'refused whole: random_get'],
            ['rule first', 'gate', '-'],  # without it the next would refuse the same
            ['rule late', 'nothing', 'without it nothing would change'],
            ['rule close', 'gate', '-'],  # other operations make its system call
            ['rule path', 'gate', '-'],
            ['rule seen', 'gate', 'only records'],
            ['rule trial', 'gate', 'only records']])
        self.put('q.json', json.dumps({'default': 'deny', 'rules': [{'on': 'clock_res_get', 'then': 'allow'}]}))
        out = self.good('explain', '--fences', 'q.json')
        self.assertRegex(out, r'rule rule-1 .* gate, seccomp +let through: clock_res_get\n')
        self.assertRegex(out, r'default: deny .* gate, seccomp +refused whole: .* and \d+ more\n')
        for args, want in ((('--fences', 'q.json', 'x'), '"x" is left over'), (('q.json',), 'which call?')):
            r = self.run_policy('explain', *args)
            self.assertEqual(r.returncode, 125)
            self.assertIn(want, r.stderr)

    def apply(self, doc, change):
        """Does what a second line of explain says."""
        for part in re.split(r', and (?=set|add|take|put|grant|let)', change):
            rule = re.search(r'(\{"id": .*\})(?: before rule "(.*?)"|\]| to "rules")', part)
            if rule:
                rules = doc.setdefault('rules', [])
                ids = [r.get('id', f'rule-{i + 1}') for i, r in enumerate(rules)]
                rules.insert(ids.index(rule.group(2)) if rule.group(2) else len(rules),
                             json.loads(rule.group(1)))
            elif m := re.fullmatch(r'take "mode" out of rule "(\w+)" \(line \d+\)', part):
                del next(r for r in doc['rules'] if r['id'] == m.group(1))['mode']
            elif m := re.fullmatch(r'set "mode" of the policy to "enforce"', part):
                doc['mode'] = 'enforce'
            elif m := re.fullmatch(r'set "random" to true', part):
                doc['random'] = True
            elif m := re.fullmatch(r'set "access" of the mount in line (\d+) to "rw"', part):
                doc['mounts'][int(m.group(1)) - 4]['access'] = 'rw'
            elif m := re.fullmatch(r'let "only" of the mount in line (\d+) match (.*)', part):
                doc['mounts'][int(m.group(1)) - 4]['only'].append(m.group(2))
            elif m := re.fullmatch(r'add a mount, such as (\{.*\})', part):
                doc['mounts'].append(json.loads(m.group(1).replace('DIRECTORY', '"/z"')))
            else:
                return False
        return True  # all of it could be done

    def test_flips(self):
        flipped = 0
        for extra in ({}, {'default': 'granted'}, {'mode': 'complain'}, {'rules': []}):
            for row in EXPLAINED.strip().splitlines():
                call, doc = row.split(' | ')[0].strip(), {**json.loads(POLICY), **copy.deepcopy(extra)}
                with self.subTest(call, **extra):
                    lines = json.dumps(doc['mounts']).replace('}, {', '},\n{')
                    self.put('q.json', '{\n\n\n"mounts": ' + lines + ',\n' +
                             json.dumps({k: v for k, v in doc.items() if k != 'mounts'})[1:])
                    before, change = self.explain('q.json', call)
                    verb, change = re.fullmatch(r'to (allow|deny) it: (.*)', change).groups()
                    self.assertEqual(verb, 'deny' if before.startswith('allow') else 'allow')
                    if not self.apply(doc, change):
                        self.assertRegex(change, 'proc_exit is always allowed|grant one mount')
                        continue
                    self.put('r.json', json.dumps(doc))
                    after = self.explain('r.json', call)[0]
                    self.assertEqual(after.startswith('allow'), not before.startswith('allow'),
                                     (before, change, after))
                    flipped += 1
        self.assertGreater(flipped, 110)

    def test_mistakes(self):
        for call, want in MISTAKES.items():
            with self.subTest(call):
                r = self.run_policy('explain', 'p.json', *call.split())
                self.assertEqual((r.returncode, r.stdout), (125, ''))
                self.assertEqual(r.stderr.splitlines()[0], 'wasmctl policy explain: ' + want)

    def test_explain_escapes(self):
        out = self.good('explain', 'p.json', 'path_open', '/nowhere/a\x1b[2J\u202eb')
        self.assertNotIn('\x1b', out)
        self.assertNotIn('\u202e', out)

    def test_table(self):
        rows = [row.split(' | ') for row in EXPLAINED.strip().splitlines()]
        table = ['# calls', '']
        for call, want in rows:
            kind, error = re.match(r'(allow|kill|deny)(?: \((\w+)\))?', want.strip()).groups()
            table.append(f'{kind}{":" + error if error else ""} {call.strip()}')
        self.put('t.txt', '\n'.join(table))
        self.assertEqual(self.good('test', 'p.json', 't.txt'), f'{len(rows)} calls, 0 not as expected\n')
        self.put('t.txt', 'deny path_open /work/a\nallow fd_write 1  # fine\ndeny:io clock_time_get\n'
                          'allow path_open "/work/a b" read\n')
        r = self.run_policy('test', 'p.json', 't.txt')
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stdout, 't.txt:1: path_open /work/a: expected deny, found allow by rule "files" '
                         '(p.json:12)\nt.txt:3: clock_time_get: expected deny (io), found deny (acces) by '
                         'default (p.json:2)\n4 calls, 2 not as expected\n')

    def test_bad_tables(self):
        for text, want in (('\nallow fd_wirte 1\n', 't.txt:2: there is no call "fd_wirte"; did you mean'),
                           ('fd_write 1\n', 't.txt:1: "fd_write": a line begins with allow, deny'),
                           ('deny: fd_write 1\n', 't.txt:1: there is no call "deny:"'),
                           ('deny:nospcc fd_write 1\n', 't.txt:1: there is no error "nospcc"; did you mean '
                            '"nospc"?'),
                           ('allow\n', 't.txt:1: "allow" and no call'),
                           ('allow path_open "/a\n', 't.txt:1: a quote is not closed'),
                           ('allow path_open /a b c d e f g h i j\n', 't.txt:1: more than'),
                           ('# nothing\n', 'the table t.txt has no calls')):
            with self.subTest(text):
                self.put('t.txt', text)
                r = self.run_policy('test', 'p.json', 't.txt')
                self.assertEqual(r.returncode, 125)
                self.assertIn(want, r.stderr)
        for name in ('none.txt', '.'):
            r = self.run_policy('test', 'p.json', name)
            self.assertEqual(r.returncode, 125)
            self.assertIn(f'the table {name}', r.stderr)

    def test_diff(self):
        self.put('q.json', POLICY.replace('"nospc"', '"dquot"').replace('"kill"', '"deny"'))
        self.put('t.txt', 'path_open /work/a\ndeny path_open /tmp/full write\nrandom_get\n')
        r = self.run_policy('diff', 'p.json', 'q.json', '--over', 't.txt')
        self.assertEqual((r.returncode, r.stderr), (1, ''))
        self.assertEqual(r.stdout, 't.txt:2: path_open /tmp/full write: deny (nospc) by rule "full" (p.json:9) '
                         '-> deny (dquot) by rule "full" (q.json:9)\nt.txt:3: random_get: kill by rule "boom" '
                         '(p.json:13) -> deny (acces) by rule "boom" (q.json:13)\n3 calls, 2 differ\n')
        self.assertEqual(self.good('diff', 'p.json', 'p.json', '--over=t.txt'), '3 calls, 0 differ\n')
        r = self.run_policy('diff', 'p.json', 'q.json')
        self.assertEqual(r.returncode, 125)
        self.assertIn('--over TABLE', r.stderr)

    def test_fmt(self):
        order = list(json.loads((ROOT / 'docs/policy.schema.json').read_text())['properties'])
        for where, text in policies():
            with self.subTest(where):
                self.put('q.json', text)
                out = self.good('fmt', 'q.json')
                self.put('r.json', out)
                self.assertEqual(self.good('fmt', 'r.json'), out)
                self.assertEqual(json.loads(out), json.loads(text))
                keys = list(json.loads(out))
                self.assertEqual(keys, sorted(keys, key=order.index))
                for line in out.splitlines():
                    self.assertTrue(len(line) <= 96 or '": "' in line, line)
                self.assertEqual(self.good('compile', 'q.json', '--emit', 'bin', text=False),
                                 self.good('compile', 'r.json', '--emit', 'bin', text=False))
        self.put('q.json', '{"rules":[{"then":{"errno":"io"},"on":"net"}],"limits":{"fuel":5e9},"args":true}')
        self.assertEqual(self.good('fmt', 'q.json'), '{\n  "limits": { "fuel": 5000000000 },\n  "args": true,\n'
                         '  "rules": [\n    { "on": "net", "then": { "errno": "io" } }\n  ]\n}\n')

    def test_docs(self):
        """The examples of docs/policy.md, under the policy of the README."""
        docs = (ROOT / 'docs/policy.md').read_text()
        readme = (ROOT / 'README.md').read_text()
        self.put('p.json', re.search(r'^```json\n(.*?)^```', readme, re.M | re.S).group(1))
        call, said = re.search(r'^\$ wasmctl policy explain p.json (.*)\n((?:.+\n)+?)```', docs, re.M).groups()
        self.assertEqual(self.good('explain', 'p.json', *call.split()), said)
        table = re.search(r'^```\n(allow .*?)^```', docs, re.M | re.S).group(1)
        self.put('t.txt', table)
        self.assertEqual(self.good('test', 'p.json', 't.txt'), f'{table.count(chr(10))} calls, 0 not as expected\n')

    def test_broken_policy(self):
        self.put('p.json', '{ "default": "deyn" }')
        for verb in (['compile', 'p.json'], ['explain', 'p.json', 'proc_exit'], ['fmt', 'p.json'],
                     ['test', 'p.json', 't.txt'], ['diff', 'p.json', 'p.json', '--over', 't.txt']):
            r = self.run_policy(*verb)
            self.assertEqual((r.returncode, r.stdout), (125, ''), verb)
            self.assertIn('p.json:1:14: $.default: found "deyn"', r.stderr)


if __name__ == '__main__':
    unittest.main()
