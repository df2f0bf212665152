"""A module that imports state of every kind, values for its imports, and calls that show what became of it."""

from __future__ import annotations

INIT = '(export "preinit_initialize")'

STATE = f"""(module (type $v (func (result i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func $h (result i32)))
    (import "e" "mem" (memory 1 10)) (import "e" "t" (table $t 3 20 funcref))
    (import "e" "sp" (global $sp (mut i32))) (import "e" "base" (global $base i32))
    (import "e" "vg" (global $vg (mut v128))) (import "e" "fimm" (global $fi f32))
    (import "e" "dimm" (global $di f64)) (import "e" "limm" (global $li i64))
    (import "e" "fref" (global $fr (mut funcref)))
    (global $k i32 (global.get $base)) (data (global.get $base) "hello") (elem (global.get $k) $a $h)
    (func $a (result i32) (i32.const 5)) (memory $own 1) (global $mine (mut i64) (i64.const 3))
    (table $other 2 funcref) (elem (table $other) (i32.const 0) func $a)
    (func {INIT} (global.set $sp (i32.const 777)) (global.set $vg (v128.const i64x2 5 6))
        (drop (memory.grow (i32.const 2))) (i32.store (i32.const 150000) (i32.const 99)) (global.set $mine (i64.const 4))
        (i32.store $own (i32.const 8) (i32.const 1)) (global.set $fr (ref.func $a))
        (drop (table.grow $t (ref.func $a) (i32.const 2))))
    (func (export "a") (result i32) (global.get $sp))
    (func (export "b") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "c") (param i32) (result i32) (call_indirect $t (type $v) (local.get 0)))
    (func (export "d") (result i32) (i32.add (memory.size) (table.size $t)))
    (func (export "e") (result i32) (i32.add (global.get $k) (global.get $base)))
    (func (export "v") (result i64) (i64x2.extract_lane 1 (global.get $vg)))
    (func (export "r") (result i32) (table.set $other (i32.const 1) (global.get $fr))
        (call_indirect $other (type $v) (i32.const 1))))"""
VALUES = (("e.base", "1"), ("e.fimm", "0.5"), ("e.dimm", "-2"), ("e.limm", "0x10"))
CALLS = [("a",), *[("b", i) for i in (1, 0, 150000)], *[("c", i) for i in range(6)], ("d",), ("e",), ("v",), ("r",)]
