#!/usr/bin/env python3
"""Runs a local copy of the public preview 1 suite, every program in its own
instance of the real daemon, and closes with the counts.

usage: suite.py DIR [NAME..]     (without DIR: where WASI_TESTSUITE points)

DIR holds, at any depth, folders with a manifest.json that says wasm32-wasip1,
and in each NAME.wasm with an optional NAME.json: arguments, environment, the
directory that is its root, and what it must answer.
"""
import json
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'e2e'))
from wasmd import AS_ROOT, TENANT_UID, Daemon  # noqa: E402

INTERFACE = 'wasm32-wasip1'


def programs(top):
    """(folder, program) of all folders for this interface, and how many others there are."""
    mine, others = [], 0
    for manifest in sorted(pathlib.Path(top).rglob('manifest.json')):
        found = sorted(manifest.parent.glob('*.wasm'))
        if json.loads(manifest.read_text()).get('version') == INTERFACE:
            mine += found
        else:
            others += len(found)
    return mine, others


def fresh(d, source):
    """A copy of @source that the tenant may write."""
    root = d.data / 'root'
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(source, root, symlinks=True,
                    ignore=shutil.ignore_patterns('*.cleanup'))
    for p in [root, *root.rglob('*')]:
        if not p.is_symlink():
            p.chmod(0o755 if p.is_dir() else 0o644)
        if AS_ROOT:
            os.lchown(p, TENANT_UID, TENANT_UID)
    return root


def run(d, wasm):
    """What the program did otherwise than it must; '' if nothing."""
    spec = wasm.with_suffix('.json')
    spec = json.loads(spec.read_text()) if spec.exists() else {}
    unknown = spec.keys() - {'args', 'env', 'root', 'exit_code', 'stdout', 'stderr'}
    if unknown:
        return f'its description has keys that are not known here: {sorted(unknown)}'
    policy = {'args': True, 'random': True, 'env': {'set': spec.get('env', {})},
              'limits': {'wall': '60s'}}
    if spec.get('root') is not None:
        root = fresh(d, wasm.parent / spec['root'])
        policy['mounts'] = [{'host': str(root), 'guest': '/', 'access': 'rw'}]
    r = d.ctl('run', '--rm', '--policy', d.policy(**policy), wasm, '--',
              *spec.get('args', []), stdin=b'', timeout=120)
    if r.returncode != spec.get('exit_code', 0):
        return f'exit status {r.returncode}, not {spec.get("exit_code", 0)}: {r.out}{r.err}'
    for name, said in (('stdout', r.out), ('stderr', r.err)):
        if spec.get(name) not in (None, said):
            return f'{name} is {said!r}, not {spec[name]!r}'
    return ''


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else os.environ.get('WASI_TESTSUITE', '')
    if not top:
        print('SKIP wasi-suite: WASI_TESTSUITE does not name a copy of it')
        return 77
    mine, others = programs(top)
    chosen = [w for w in mine if w.stem in sys.argv[2:] or not sys.argv[2:]]
    failed = 0
    with Daemon() as d:
        for wasm in chosen:
            wrong = run(d, wasm)
            failed += wrong != ''
            print(f'{"FAILED" if wrong else "ok"}  {wasm.relative_to(top)}', flush=True)
            if wrong:
                print('    ' + wrong.strip().replace('\n', '\n    '), flush=True)
    if others:
        print(f'not for this interface: {others} programs')
    if not chosen:
        print(f'suite: there is no program for {INTERFACE} below {top}', file=sys.stderr)
    print(f'{len(chosen) - failed} passed, {failed} failed, {len(mine) - len(chosen)} skipped')
    return 0 if chosen and not failed else 1


if __name__ == '__main__':
    sys.exit(main())
