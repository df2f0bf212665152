"""Modules whose initializer changes tables, references and segments, and calls that show what became of them."""

from __future__ import annotations

INIT = '(export "preinit_initialize")'
V = "(type $v (func (result i32)))"
ABC = "(func $a (result i32) i32.const 1) (func $b (result i32) i32.const 2) (func $c (result i32) i32.const 3)"


#: Name -> module, and the calls that tell its state: (export, i32 arguments...).
SHAPES: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "a_table_that_was_set_grown_filled_and_copied": (
        f"""(module {V} (table $t 4 100 funcref) (elem (i32.const 0) $a $b $c) {ABC}
            (func $d (result i32) i32.const 4) (elem declare func $d)
            (func {INIT} (table.set (i32.const 1) (ref.null func)) (drop (table.grow (ref.func $d) (i32.const 3)))
                (table.copy (i32.const 3) (i32.const 0) (i32.const 1)) (table.fill (i32.const 0) (ref.func $c) (i32.const 1)))
            (func (export "size") (result i32) table.size)
            (func (export "call") (param i32) (result i32) (call_indirect (type $v) (local.get 0)))
            (func (export "null") (param i32) (result i32) (ref.is_null (table.get (local.get 0)))))""",
        [("size",), *[(name, i) for name in ("call", "null") for i in range(8)]],
    ),
    "segments_keep_their_index": (
        f"""(module {V} {ABC} (table $t 10 funcref) (table $u 10 funcref)
            (elem $e0 (table $t) (i32.const 2) func $a $b) (elem $e1 func $b $c)
            (elem $e2 funcref (ref.func $c) (ref.null func))
            (elem $e3 (table $u) (i32.const 1) funcref (ref.func $a) (ref.null func)) (elem $e4 func $a)
            (elem declare func $c)
            (func {INIT} (table.init $t $e1 (i32.const 5) (i32.const 0) (i32.const 2)) (elem.drop $e1) (elem.drop $e0))
            (func (export "i0") (param i32) (table.init $t $e0 (i32.const 0) (i32.const 0) (local.get 0)))
            (func (export "i1") (param i32) (table.init $t $e1 (i32.const 0) (i32.const 0) (local.get 0)))
            (func (export "i2") (param i32) (table.init $u $e2 (i32.const 7) (i32.const 0) (local.get 0)))
            (func (export "i3") (param i32) (table.init $u $e3 (i32.const 0) (i32.const 0) (local.get 0)))
            (func (export "i4") (param i32) (table.init $t $e4 (i32.const 9) (i32.const 0) (local.get 0)))
            (func (export "t") (param i32) (result i32) (call_indirect $t (type $v) (local.get 0)))
            (func (export "u") (param i32) (result i32) (call_indirect $u (type $v) (local.get 0))))""",
        [
            *[(f"i{n}", k) for n in range(5) for k in (0, 1, 2)],
            *[(name, i) for name in "tu" for i in range(10)],
        ],
    ),
    "a_function_that_only_an_emptied_segment_declared": (
        f"""(module {V} (func $a (result i32) i32.const 1) (func $b (result i32) i32.const 2) (table 2 funcref)
            (elem (i32.const 0) $a $b) (func {INIT} (table.fill (i32.const 0) (ref.null func) (i32.const 2)))
            (func (export "go") (result i32)
                (table.set (i32.const 0) (ref.func $b)) (call_indirect (type $v) (i32.const 0))))""",
        [("go",)],
    ),
    "reference_globals": (
        f"""(module {V} {ABC} (elem declare func $a $b)
            (global $g (mut funcref) (ref.null func)) (global $g2 (mut (ref null $v)) (ref.func $a))
            (global $g3 (mut (ref $v)) (ref.func $a)) (global $i (ref $v) (ref.func $b))
            (global $x (mut externref) (ref.null extern)) (global $any (mut anyref) (ref.null any))
            (global $k funcref (global.get $i)) (table $t 1 funcref)
            (func {INIT} (global.set $g (ref.func $b)) (global.set $g2 (ref.null $v)) (global.set $g3 (ref.func $b))
                (global.set $any (ref.i31 (i32.const -5))))
            (func (export "o1") (result i32)
                (table.set (i32.const 0) (global.get $g)) (call_indirect (type $v) (i32.const 0)))
            (func (export "o2") (result i32) (ref.is_null (global.get $g2)))
            (func (export "o3") (result i32) (call_ref $v (global.get $g3)))
            (func (export "o4") (result i32) (call_ref $v (global.get $i)))
            (func (export "o5") (result i32) (i31.get_s (ref.cast (ref i31) (global.get $any))))
            (func (export "o6") (result i32) (ref.is_null (global.get $x))))""",
        [(f"o{i}",) for i in range(1, 7)],
    ),
    "tables_of_every_type": (
        f"""(module {V} {ABC} (table $p 5 10 funcref (ref.func $a)) (table $q 3 (ref null $v))
            (table $r 4 20 (ref $v) (ref.func $a)) (table $s i64 4 funcref) (table $x 3 externref) (table $i 3 i31ref)
            (elem (table $s) (i64.const 1) func $b) (elem $es (ref $v) (ref.func $a) (ref.func $b))
            (elem (table $r) (i32.const 1) (ref $v) (ref.func $b))
            (func {INIT} (table.set $p (i32.const 2) (ref.null func)) (table.set $q (i32.const 1) (ref.func $b))
                (drop (table.grow $r (ref.func $b) (i32.const 6))) (drop (table.grow $s (ref.func $a) (i64.const 2)))
                (drop (table.grow $x (ref.null extern) (i32.const 5))) (table.set $i (i32.const 1) (ref.i31 (i32.const 77))))
            (func (export "p") (param i32) (result i32) (call_indirect $p (type $v) (local.get 0)))
            (func (export "q") (param i32) (result i32) (call_ref $v (table.get $q (local.get 0))))
            (func (export "r") (param i32) (result i32) (call_ref $v (table.get $r (local.get 0))))
            (func (export "s") (param i32) (result i32) (call_indirect $s (type $v) (i64.extend_i32_u (local.get 0))))
            (func (export "xs") (result i32) (table.size $x))
            (func (export "ix") (param i32) (result i32) (i31.get_s (table.get $i (local.get 0))))
            (func (export "init_r") (table.init $r $es (i32.const 0) (i32.const 0) (i32.const 2))))""",
        [
            *[(name, i) for name in "pqrs" for i in range(11)],
            *[("xs",), ("ix", 0), ("ix", 1), ("init_r",), ("r", 0), ("r", 1)],
        ],
    ),
    "imported_functions_in_a_table": (
        f"""(module {V} (import "wasi_snapshot_preview1" "sched_yield" (func $h (result i32)))
            (import "wasi_snapshot_preview1" "sched_yield" (func $again (result i32))) {ABC}
            (table 4 funcref) (elem declare func $h $again $a)
            (func {INIT} (table.set (i32.const 0) (ref.func $h)) (table.set (i32.const 1) (ref.func $again))
                (table.set (i32.const 2) (ref.func $a)))
            (func (export "call") (param i32) (result i32) (call_indirect (type $v) (local.get 0))))""",
        [("call", i) for i in range(4)],
    ),
    "a_table_changed_by_the_start_function": (
        f"""(module {V} {ABC} (table 3 funcref) (elem (i32.const 0) $a $b) (elem declare func $c) (start $s)
            (func $s (table.set (i32.const 1) (ref.func $c)))
            (func {INIT} (table.set (i32.const 2) (table.get (i32.const 0))))
            (func (export "call") (param i32) (result i32) (call_indirect (type $v) (local.get 0))))""",
        [("call", i) for i in range(3)],
    ),
    "one_table_changed_and_one_not": (
        f"""(module {V} {ABC} (table $t 3 funcref) (table $u 3 funcref) (elem (table $t) (i32.const 0) func $a $b)
            (elem (table $u) (i32.const 0) func $c $b)
            (func {INIT} (table.copy $t $u (i32.const 1) (i32.const 0) (i32.const 2)))
            (func (export "t") (param i32) (result i32) (call_indirect $t (type $v) (local.get 0)))
            (func (export "u") (param i32) (result i32) (call_indirect $u (type $v) (local.get 0))))""",
        [(name, i) for name in "tu" for i in range(3)],
    ),
}
