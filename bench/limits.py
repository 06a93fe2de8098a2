"""How far past its limits an instance gets by having functions compiled: what
it used beyond them, of bodies large and many."""
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'tests/e2e'))
from test_compile import bombs, calls_of, one_body  # noqa: E402
from wasmd import guest  # noqa: E402

ROUNDS = 7
CPU_MS, WALL_MS, FUEL = 20, 20, 1_000_000
SPIN = 'no first call: a loop'
MODULES = {SPIN: lambda: guest('spin').read_bytes(), '1 MB body': lambda: one_body(1 << 20), '7 MB body': lambda: one_body(7_000_000),
           '600,000 functions': lambda: calls_of(600_000), '7 MB, wide': bombs.calls_of_wide}


def used(d, name, **limits):
    """Medians over some runs: cpu and wall time in ms, and how they ended."""
    policy = json.dumps({'limits': limits})
    runs = [d.run(name, policy=policy).json for _ in range(ROUNDS)]
    cause = max(r['exit']['cause'] for r in runs)
    return [statistics.median(r['usage'][k] / 1e6 for r in runs) for k in ('cpu_ns', 'wall_ns')], cause


def run(d, bar):
    print(f'{"first calls: ms used, and the end":34}{"no limit":>20}{f"cpu {CPU_MS} ms":>16}'
          f'{f"wall {WALL_MS} ms":>16}{"fuel 1e6":>16}')
    over = {'cpu': 0, 'wall': 0, 'fuel': 0}
    for name, make in MODULES.items():
        answer = d.load(make(), 'first')
        if answer.status != 201:
            sys.exit(f'{name}: {answer.body}')
        free = used(d, 'first') if name != SPIN else ([0, 0], '-')
        cpu = used(d, 'first', cpu=f'{CPU_MS}ms')
        wall = used(d, 'first', wall=f'{WALL_MS}ms')
        fuel = used(d, 'first', fuel=FUEL)
        print(f'{name:34}{free[0][0]:12.1f} {free[1]:>7}{cpu[0][0]:8.1f} {cpu[1]:>7}'
              f'{wall[0][1]:8.1f} {wall[1]:>7}{fuel[0][0]:8.1f} {fuel[1]:>7}')
        d.http('DELETE', '/v1/modules/first')
        if name == SPIN:
            continue
        over['cpu'] = max(over['cpu'], cpu[0][0] - CPU_MS)
        over['wall'] = max(over['wall'], wall[0][1] - WALL_MS)
        over['fuel'] = max(over['fuel'], fuel[0][0])
    bar('daemon.first_call_past_cpu_ms', round(over['cpu'], 1), 10)
    bar('daemon.first_call_past_wall_ms', round(over['wall'], 1))
    bar('daemon.first_call_past_fuel_ms', round(over['fuel'], 1), 10)
