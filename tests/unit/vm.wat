;; What test-vm.c calls: one export for each way to end or to run long.
(module $vmtest
  (import "env" "host" (func $host (param i32) (result i32)))
  (memory (export "memory") 1 8192)
  (table 4 funcref)
  (elem (i32.const 0) $leaf)
  (global $g (mut i32) (i32.const 0))

  (func $leaf (export "leaf") (param i32 i32) (result i32)
    (i32.div_s (local.get 0) (local.get 1)))
  (func $middle (param i32) (result i32)
    (call $leaf (i32.const 7) (local.get 0)))
  (func $outer (export "outer") (param i32) (result i32)
    (call $middle (local.get 0)))

  (func (export "spin") (loop $again (br $again)))
  (func (export "spin_call") (loop $again (call $nothing) (br $again)))
  (func $nothing)

  ;; one fill of @0 bytes, again and again
  (func (export "fill") (param i32)
    (drop (memory.grow (i32.const 4095)))
    (loop $again
      (memory.fill (i32.const 0) (i32.const 1) (local.get 0))
      (br $again)))

  (func $recurse (export "recurse") (param i32) (result i32)
    (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))

  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "size") (result i32) (memory.size))
  (func (export "poke") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "peek") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "far") (param i32) (result i64) (i64.load offset=0x7fffffff (local.get 0)))

  ;; sums 0 .. @0 - 1
  (func (export "count") (param i32) (result i32) (local $i i32) (local $sum i32)
    (block $done
      (loop $again
        (br_if $done (i32.ge_u (local.get $i) (local.get 0)))
        (local.set $sum (i32.add (local.get $sum) (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $again)))
    (local.get $sum))

  (func (export "host") (param i32) (result i32)
    (i32.add (call $host (local.get 0)) (i32.const 1)))
  (func (export "indirect") (param i32) (result i32)
    (call_indirect (param i32 i32) (result i32) (i32.const 9) (i32.const 3) (local.get 0)))
  (func (export "wrong_type") (call_indirect (i32.const 0)))
  (func (export "unreachable") (unreachable))

  ;; what is on the stack keeps its value when the local changes
  (func (export "kept") (param i32) (result i32)
    (local.get 0)
    (if (i32.eqz (local.get 0)) (then (local.set 0 (i32.const 5))))
    (local.set 0 (i32.add (local.get 0) (i32.const 100)))
    (i32.add (local.get 0)))
  (func (export "swap") (param i32 i32) (result i32 i32) (local.get 1) (local.get 0))

  ;; more constants than a frame keeps, one of each class
  (func (export "consts") (param f64) (result f64)
    (f64.add (f64.mul (local.get 0) (f64.const 1.5)) (f64.const 0.25)))

  ;; a value goes along with each branch of the table, from two heights
  (func (export "table") (param i32) (result i32)
    (block $b (result i32)
      (i32.const 1000)
      (block $a (result i32)
        (br_table $a $b $a (i32.mul (local.get 0) (i32.const 10)) (local.get 0)))
      (i32.add)))
)
