#!/usr/bin/env python3
"""Writes a module of pairs: f0, p0, f1, p1, ... Both of a pair say the same;
in the second every operand lies in a block of its own, behind which the
compiler can join nothing with what stands before."""
import itertools
import sys

CMP = ['eq', 'ne'] + [f'{o}_{s}' for o in ('lt', 'gt', 'le', 'ge') for s in 'su']
A, B, X, Y = ('(local.get $%s)' % v for v in 'abxy')
TRIPLE = f'(i32.mul {A} (i32.const 3))'
ADDRESSES = [A, f'(i32.add {A} {B})', f'(i32.add {A} (i32.const -24))', TRIPLE,
             f'(i32.add {TRIPLE} {B})', f'(i32.add {TRIPLE} (i32.const 40))']
OFFSETS = [0, 1016, 65600]


def typed(pairs):
    """(type, text with {0}, {1} ..., operands as (type, text))"""
    for n, (kind, text, parts) in enumerate(pairs):
        yield 'f%d' % n, kind, text.format(*(p for _, p in parts))
        yield 'p%d' % n, kind, text.format(*(f'(block (result {t}) {p})' for t, p in parts))


def comparisons():
    one = f'(i32.add {A} (i32.const 1))'
    for op, (x, y) in itertools.product(CMP, [(A, B), (A, '(i32.const -7)'), (one, B), (A, one),
                                              (one, '(i32.const 9)')]):
        cmp = ('i32', f'(i32.{op} {x} {y})')
        yield 'i32', f'(select {A} {B} {{0}})', [cmp]
        yield 'i32', f'(if (result i32) {{0}} (then {A}) (else {B}))', [cmp]
        yield 'i32', '(i32.eqz {0})', [cmp]
    for op, x in itertools.product(('eq', 'ne', 'lt', 'gt', 'le', 'ge'), (X, f'(f64.neg {X})')):
        for cmp in (f'(f64.{op} {x} {Y})', f'(f64.{op} {Y} {x})'):
            yield 'i32', '(if (result i32) {0} (then (i32.const 3)) (else (i32.const 4)))', [('i32', cmp)]
            yield 'i32', '(if (result i32) (i32.eqz {0}) (then (i32.const 3)) (else (i32.const 4)))', [('i32', cmp)]


def loops():
    count = '(local.tee $a (i32.add (local.get $a) (i32.const {})))'
    for k, call in itertools.product((1, -3), ('', '(call $nothing)')):
        c = ('i32', count.format(k))
        tests = [f'(i32.{op} {{0}} {y})' for op in CMP for y in (B, '(i32.const 100)')]
        tests += [f'(i32.{op} {B} {{0}})' for op in CMP] + ['{0}']
        for test in tests:
            yield 'i32', (f'(loop $l {call} (local.set $n (i32.add (local.get $n) (i32.const 1)))'
                          f' (if (i32.gt_u (local.get $n) (i32.const 20)) (then (return (i64.extend_i32_u {A}))))'
                          f' (br_if $l {test})) (i32.add {A} (local.get $n))'), [c]
    yield 'i32', ('(loop $l (local.set $b (i32.add (local.get $b) (i32.const 5))) '
                  '(local.set $a (i32.add {0} (i32.const 3))) '
                  '(br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 9)))) '
                  f'(i32.xor {A} {B})'), [('i32', A)]


def memory():
    for at, off in itertools.product(ADDRESSES, OFFSETS):
        f = ('f64', f'(f64.load offset={off} {at})')
        i = ('i32', f'(i32.load offset={off} {at})')
        for op, (x, y) in itertools.product(('add', 'sub', 'mul'), [(X, f), (f'(f64.abs {X})', f), (f, X)]):
            parts = [p for p in (x, y) if p is f]
            yield 'f64', '(f64.%s %s %s)' % (op, *('{0}' if p is f else p for p in (x, y))), parts
        for op, x in itertools.product(('add', 'mul', 'xor'), (B, f'(i32.shl {B} (i32.const 1))')):
            yield 'i32', f'(i32.{op} {x} {{0}})', [i]
            yield 'i32', f'(i32.{op} {{0}} {B})', [i]
        for op in ('add', 'sub'):
            yield 'f64', f'(f64.{op} {X} {{0}})', [('f64', f'(f64.mul {Y} {f[1]})')]
            yield 'f64', f'(f64.{op} {{0}} {X})', [('f64', f'(f64.mul {Y} {f[1]})')]
        for value in (f'i64.store offset={off} {{0}} (i64.const 77)', f'i32.store offset={off} {{0}} {B}',
                      f'f64.store offset={off} {{0}} {X}', f'i32.store8 offset={off} {{0}} {B}'):
            yield 'i64', f'({value}) (i64.load offset={off} {{0}})', [('i32', at)]


def products():
    for op in ('add', 'sub'):
        for m in (f'(f64.mul {X} {Y})', f'(f64.mul (f64.neg {X}) {Y})', f'(f64.mul {Y} (f64.neg {X}))'):
            for z in (X, '(f64.const 0.1)'):
                yield 'f64', f'(f64.{op} {z} {{0}})', [('f64', m)]
                yield 'f64', f'(f64.{op} {{0}} {z})', [('f64', m)]
            yield 'f64', f'(f64.{op} (local.tee $y (f64.sqrt {Y})) {{0}})', [('f64', f'(f64.mul {X} {X})')]


AS_I64 = {'i32': 'i64.extend_i32_u', 'i64': 'i64.or (i64.const 0)', 'f64': 'i64.reinterpret_f64'}


def main():
    out = ['(module (memory (export "memory") 2 2) (func $nothing)']
    out.append('(data (i32.const 0) "%s")' % ''.join(
        '\\%02x' % (i * 37 + i // 7 & 255) for i in range(4096)))
    for name, kind, text in typed(itertools.chain(comparisons(), loops(), memory(), products())):
        head, _, tail = text.rpartition(') (i64.load')
        if kind == 'i64':
            text = head + ')'
            out.append(f'(func (export "{name}") (param $a i32) (param $b i32) (param $x f64) '
                       f'(param $y f64) (result i64) {text} (i64.load{tail})')
            continue
        out.append(f'(func (export "{name}") (param $a i32) (param $b i32) (param $x f64) '
                   f'(param $y f64) (result i64) (local $n i32) (local $r {kind})\n'
                   f'  {text} local.set $r ({AS_I64[kind]} (local.get $r)))')
    sys.stdout.write('\n'.join(out) + ')\n')


main()
