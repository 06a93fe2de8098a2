"""Modules that are small to send and large to hold: bombs.py DIR writes them all.

Each is valid wasm unless its name says otherwise; what a loader may make of
them is to take them within its limits, or to refuse them in a sentence.
"""
import pathlib
import sys


def leb(n):
    out = bytearray()
    while True:
        out.append(n & 0x7f | (0x80 if n > 0x7f else 0))
        n >>= 7
        if not n:
            return bytes(out)


def vec(items):
    return leb(len(items)) + b''.join(items)


def section(number, body):
    return bytes([number]) + leb(len(body)) + body


def module(*sections):
    return b'\0asm\1\0\0\0' + b''.join(sections)


def body(code, locals_=b'\0'):
    text = locals_ + code + b'\x0b'
    return leb(len(text)) + text


def functions(n, code):
    """@n functions () -> () with one @code, the first exported as _start."""
    return module(section(1, vec([NOTHING])), section(3, leb(n) + b'\0' * n), MEMORY, START,
                  section(10, leb(n) + code * n))


def with_type(ftype, *bodies):
    """Function 0 is _start, () -> (); the others have type 1, @ftype."""
    types = section(3, vec([b'\0'] + [b'\1'] * (len(bodies) - 1)))
    return module(section(1, vec([NOTHING, ftype])), types, MEMORY, START, section(10, vec(bodies)))


NOTHING = b'\x60\0\0'
WIDE = b'\x60' + leb(1000) + b'\x7f' * 1000 + leb(1000) + b'\x7f' * 1000
START = section(7, vec([b'\6_start\0\0', b'\6memory\2\0']))
MEMORY = section(5, vec([b'\0\1']))
ENOUGH = 7_000_000  # bytes of code that still pass as one body
MANY = 1_000_000


def one_body(code, locals_=b'\0'):
    return functions(1, body(code, locals_))


def nested(depth):
    return one_body(b'\x02\x40' * depth + b'\x0b' * depth)


ONES = b'\x41\0' * 1000
IDENTITY = body(b''.join(b'\x20' + leb(i) for i in range(1000)))


def calls_of_wide():
    """Each call, of two bytes, takes and gives a thousand values."""
    return with_type(WIDE, body(ONES + b'\x10\1' * (ENOUGH // 2) + b'\x1a' * 1000), IDENTITY)


def blocks_of_wide():
    """Each block, of three bytes, does so twice."""
    return with_type(WIDE, body(ONES + b'\x02\1\x0b' * (ENOUGH // 3) + b'\x1a' * 1000))


def branches_of_wide():
    """A table of a million labels, each carrying a thousand values."""
    wide = b'\x20\0' * 1000 + b'\x41\0' + b'\x0e' + leb(MANY - 1) + b'\0' * MANY
    return with_type(WIDE, body(ONES + b'\x10\1' + b'\x1a' * 1000), body(wide))


def branches_that_alternate():
    """The same, no two neighbours naming the same label."""
    inner = b'\x02\1' + b'\x41\0\x0e' + leb(MANY) + b'\0\1' * (MANY // 2) + b'\0' + b'\x0b'
    return with_type(WIDE, body(ONES + b'\x10\1' + b'\x1a' * 1000), body(b'\x20\0' * 1000 + inner))


def names():
    """A million names, each given to the same function's neighbours."""
    sub = leb(MANY) + b''.join(leb(i) + b'\1f' for i in range(MANY))
    return module(section(0, b'\4name' + b'\1' + leb(len(sub)) + sub))


def exports():
    one = [leb(len(str(i))) + str(i).encode() + b'\0\0' for i in range(MANY)]
    return module(section(1, vec([NOTHING])), section(3, b'\1\0'), section(7, vec(one)),
                  section(10, vec([body(b'')])))


def table(entries, n=1):
    return module(section(4, vec([b'\x70\0' + leb(entries)] * n)))


def data(n, size):
    return module(MEMORY, section(11, vec([b'\0\x41\0\x0b' + leb(size) + b'x' * size] * n)))


BOMBS = {
    'locals-past-limit': lambda: one_body(b'', b'\1' + leb(2**32 - 1) + b'\x7f'),
    'locals-in-many-runs': lambda: one_body(b'', leb(MANY) + b'\xff\xff\xff\xff\x0f\x7f' * MANY),
    'locals-of-many-functions': lambda: functions(MANY, body(b'', b'\1' + leb(49_999) + b'\x7f')),
    'functions': lambda: functions(MANY, body(b'')),
    'functions-past-limit': lambda: functions(MANY + 1, body(b'')),
    'functions-that-lie': lambda: module(section(1, vec([NOTHING])), section(3, leb(2**32 - 1))),
    'nested': lambda: nested(9_999),
    'nested-past-limit': lambda: nested(3_000_000),
    'nested-in-many': lambda: functions(100, body(b'\x02\x40' * 9_000 + b'\x0b' * 9_000)),
    'calls-of-wide': calls_of_wide,
    'blocks-of-wide': blocks_of_wide,
    'branches-of-wide': branches_of_wide,
    'branches-that-alternate': branches_that_alternate,
    'branches': lambda: one_body(b'\x41\0\x0e' + leb(MANY - 1) + b'\0' * MANY),
    'operands': lambda: one_body(b'\x41\0' * 900_000 + b'\x1a' * 900_000),
    'names': names,
    'name-past-limit': lambda: module(section(2, vec([leb(MANY) + b'n' * MANY + b'\1f\0\0']))),
    'exports': exports,
    'types': lambda: module(section(1, leb(MANY) + NOTHING * MANY)),
    'types-that-are-wide': lambda: module(section(1, leb(20_000) + WIDE * 20_000)),
    'globals': lambda: module(section(6, leb(MANY) + b'\x7f\0\x41\0\x0b' * MANY)),
    'table': lambda: table(10_000_000),
    'tables': lambda: table(10_000_000, 100),
    'table-past-limit': lambda: table(2**32 - 1),
    'memory': lambda: module(section(5, b'\1\0' + leb(65536))),
    'memory-past-limit': lambda: module(section(5, b'\1\0' + leb(65537))),
    'data-segments': lambda: data(100_000, 1),
    'data-segments-past-limit': lambda: data(100_001, 1),
    'data': lambda: data(1, 60_000),
    'data-that-lies': lambda: module(MEMORY, section(11, b'\1\0\x41\0\x0b' + leb(2**32 - 1))),
    'elements': lambda: module(
        section(1, vec([NOTHING])), section(3, b'\1\0'), section(4, b'\1\x70\0' + leb(MANY)),
        section(9, b'\1\0\x41\0\x0b' + leb(MANY) + b'\0' * MANY), section(10, vec([body(b'')]))),
    'customs': lambda: module(section(0, b'\1x') * MANY),
    'empty-sections-that-repeat': lambda: module(section(1, b'\0') * MANY),
}


def main():
    top = pathlib.Path(sys.argv[1])
    top.mkdir(parents=True, exist_ok=True)
    for name, make in BOMBS.items():
        (top / f'{name}.wasm').write_bytes(make())


if __name__ == '__main__':
    main()
