#!/usr/bin/env python3
"""A release cannot have the switch that turns fences off.

    switch.py ATTACKABLE PROGRAM...

No program of another build holds the switch's name, and meson makes no release
of one that has it. (That such a build heeds no variable, attacks.py shows.)
"""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'e2e'))
import wasmd  # noqa: E402

NAME = b'WASMD_ATTACK_OFF'


def programs(attackable, paths):
    for p in paths:
        held = NAME in pathlib.Path(p).read_bytes()
        if held and not attackable:
            yield f'{p} can switch fences off'
    if attackable and NAME not in pathlib.Path(paths[0]).read_bytes():
        yield f'{paths[0]} was built with -Dattack=true and holds no switch'


def release_is_refused():
    for kind in ('release', 'minsize', 'plain', 'custom'):
        with tempfile.TemporaryDirectory() as tmp:
            done = subprocess.run(['meson', 'setup', tmp, wasmd.ROOT, '-Dattack=true',
                                   f'-Dbuildtype={kind}'], capture_output=True, text=True)
        if done.returncode == 0 or 'never a release' not in done.stdout:
            yield f'meson made a build of type {kind} whose fences can be switched off'


def fields(pid):
    text = pathlib.Path(f'/proc/{pid}/status').read_text()
    return dict(line.split(':\t', 1) for line in text.splitlines() if ':\t' in line)


def zygote_with(off):
    """/proc/PID/status of a zygote that waits, with these fences off."""
    with wasmd.Daemon(env=dict(os.environ, WASMD_ATTACK_OFF=off)) as d:
        d.ctl('module', 'load', wasmd.guest('hello'), '--name', 'hello', check=0)
        return next(fields(pid) for pid, name in d.leftovers() if name.startswith('wasmd-zygote'))


def switched():
    """Each of those that leave a trace in a process leaves none when off."""
    every = zygote_with('')
    for off, field in (('seccomp', 'Seccomp'), ('capabilities', 'CapBnd')):
        if zygote_with(off)[field] == every[field]:
            yield f'{off} is off, and {field} is still {every[field]}'


def main():
    attackable = sys.argv[1] == 'true'
    bad = list(programs(attackable, sys.argv[2:])) + list(release_is_refused())
    if attackable:
        bad += switched()
    print('\n'.join(bad) or 'the switch is where it may be')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
