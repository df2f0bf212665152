"""Modules with every kind of state, each with an initializer that changes it."""

from __future__ import annotations

INIT = '(export "preinit_initialize")'

#: Name -> module with an initializer `preinit_initialize`: the output's state must be the state after it.
SHAPES = {
    "globals_of_all_numeric_types": f"""(module
        (global $i (mut i32) (i32.const 1)) (global $l (mut i64) (i64.const 1))
        (global $f (mut f32) (f32.const 1)) (global $d (mut f64) (f64.const 1))
        (global $v (mut v128) (v128.const i64x2 0 0)) (global $constant i32 (i32.const 9))
        (func {INIT}
            (global.set $i (i32.const -2147483648)) (global.set $l (i64.const -9223372036854775808))
            (global.set $f (f32.const -0)) (global.set $d (f64.const inf))
            (global.set $v (v128.const i64x2 0x0123456789abcdef -2))))""",
    "a_signalling_nan_stays_one": f"""(module
        (global $f (mut f32) (f32.const 0)) (global $d (mut f64) (f64.const 0))
        (func {INIT}
            (global.set $f (f32.reinterpret_i32 (i32.const 0x7fa00001)))
            (global.set $d (f64.reinterpret_i64 (i64.const 0xfff4000000000001)))))""",
    "a_memory_that_grew": f"""(module (memory 1 10)
        (func {INIT} (drop (memory.grow (i32.const 3))) (i32.store (i32.const 262140) (i32.const 0x01020304))))""",
    "a_memory_without_data_section": f"""(module (memory 1)
        (func {INIT} (i32.store8 (i32.const 0) (i32.const 7)) (i32.store8 (i32.const 65535) (i32.const 9))))""",
    "no_memory_at_all": f"(module (global $g (mut i32) (i32.const 0)) (func {INIT} (global.set $g (i32.const 5))))",
    "a_memory_cleared_by_the_initializer": f"""(module (memory 1) (data (i32.const 100) "some data")
        (func {INIT} (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))))""",
    "several_memories": f"""(module (memory $a 1) (memory $b 2 4) (memory $c 0) (memory $d 1)
        (data (memory $b) (i32.const 70000) "hello")
        (func {INIT} (i32.store $a (i32.const 8) (i32.const 1)) (i32.store $b (i32.const 100000) (i32.const 2))
            (drop (memory.grow $c (i32.const 1))) (i32.store8 $c (i32.const 65535) (i32.const 3))))""",
    "a_64_bit_memory": f"""(module (memory i64 1 4) (data (i64.const 5) "abc")
        (func {INIT} (drop (memory.grow (i64.const 2))) (i64.store (i64.const 196600) (i64.const -1))))""",
    "words_far_from_the_rest": f"""(module (memory $a 1) (memory $b 300) (memory $c i64 300)
        (func {INIT} (i32.store $a (i32.const 8) (i32.const 1))
            (i32.store8 $b (i32.const 9) (i32.const 2)) (i32.store16 $b (i32.const 0x1200000) (i32.const 0x8180))
            (i64.store $c (i64.const 17) (i64.const -3)) (i32.store8 $c (i64.const 30) (i32.const -3))
            (i64.store $c (i64.const 0x1200001) (i64.const 0x8182838485868788))
            (i32.store $c (i64.const 0x1200009) (i32.const 0x818283))))""",
    "a_memory_full_to_its_maximum": f"""(module (memory 2 2)
        (func {INIT} (memory.fill (i32.const 0) (i32.const 255) (i32.const 131072))))""",
    "custom_page_sizes": f"""(module (memory 100 200 (pagesize 1)) (data (i32.const 95) "abcd")
        (func {INIT} (drop (memory.grow (i32.const 7))) (i32.store8 (i32.const 106) (i32.const 9))))""",
    "a_shared_memory_of_its_own": f"""(module (memory 1 4 shared)
        (func {INIT} (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 5))) (drop (memory.grow (i32.const 1)))))""",
    "a_start_function": f"""(module (memory 1) (global $g (mut i32) (i32.const 0)) (start $s)
        (func $s (global.set $g (i32.add (global.get $g) (i32.const 1))) (i32.store8 (i32.const 3) (i32.const 4)))
        (func {INIT} (global.set $g (i32.mul (global.get $g) (i32.const 10)))))""",
    "an_exception_caught_in_the_initializer": f"""(module (tag $e (param i32)) (global $g (mut i32) (i32.const 0))
        (func $throws (throw $e (i32.const 42)))
        (func {INIT} (block $h (result i32) (try_table (catch $e $h) (call $throws)) (i32.const 0)) (global.set $g)))""",
    "tail_calls": f"""(module (global $g (mut i32) (i32.const 0))
        (func $loop (param i32) (if (i32.eqz (local.get 0)) (then (return)))
            (global.set $g (i32.add (global.get $g) (i32.const 1)))
            (return_call $loop (i32.sub (local.get 0) (i32.const 1))))
        (func {INIT} (call $loop (i32.const 100000))))""",
    "simd_and_relaxed_simd": f"""(module (memory 1)
        (func {INIT} (v128.store (i32.const 16) (f32x4.relaxed_madd (v128.const f32x4 1 2 3 nan)
            (v128.const f32x4 0.1 0.2 0.3 0.4) (v128.const f32x4 5 6 7 8)))))""",
    "wide_arithmetic": f"""(module (global $lo (mut i64) (i64.const 0)) (global $hi (mut i64) (i64.const 0))
        (func {INIT} (i64.mul_wide_u (i64.const -1) (i64.const -1)) (global.set $hi) (global.set $lo)))""",
    "multi_value": f"""(module (global $a (mut i32) (i32.const 0)) (global $b (mut i64) (i64.const 0))
        (func $two (result i32 i64) (i32.const 3) (i64.const 4))
        (func {INIT} (call $two) (global.set $b) (global.set $a)))""",
    "live_and_dropped_passive_data": f"""(module (memory 1) (data $active (i32.const 10) "active")
        (data $dropped "passive, dropped") (data $live "passive, live") (data $empty "")
        (func {INIT} (memory.init $dropped (i32.const 50) (i32.const 0) (i32.const 16)) (data.drop $dropped))
        (func (export "use") (memory.init $live (i32.const 90) (i32.const 0) (i32.const 13))))""",
    "tables_that_stay_as_they_are": f"""(module (table 4 funcref) (elem (i32.const 1) $a $b)
        (table (export "t") 2 externref) (type $v (func (result i32)))
        (global $g (mut i32) (i32.const 0))
        (func $a (result i32) (i32.const 7)) (func $b (result i32) (i32.const 8))
        (func {INIT} (global.set $g (call_indirect 0 (type $v) (i32.const 2))))
        (func (export "call") (param i32) (result i32) (call_indirect 0 (type $v) (local.get 0))))""",
    "reference_globals_that_stay_as_they_are": f"""(module (func $f) (elem declare func $f)
        (type $t (func)) (global (mut funcref) (ref.func $f)) (global (mut externref) (ref.null extern))
        (global (ref $t) (ref.func $f)) (global $i (mut i31ref) (ref.i31 (i32.const 5)))
        (func {INIT}))""",
    "extended_constant_expressions": f"""(module (memory 1) (global $a i32 (i32.add (i32.const 3) (i32.const 4)))
        (data (offset (i32.mul (i32.const 5) (i32.const 6))) "x") (func {INIT} (i32.store8 (i32.const 1) (i32.const 2))))""",
    "functions_of_gc_types": f"""(module (rec (type $s (struct (field (mut i32) i8 (ref null $s)))) (type $f (func)))
        (type $sub (sub $s2 (struct (field i32)))) (type $s2 (sub (struct (field i32)))) (type $arr (array (mut v128)))
        (global $g (mut i32) (i32.const 0))
        (func {INIT} (type $f) (global.set $g (struct.get $s 0 (struct.new $s (i32.const 6) (i32.const 1) (ref.null $s))))))""".replace(
        "(type $sub (sub $s2 (struct (field i32)))) (type $s2 (sub (struct (field i32))))",
        "(type $s2 (sub (struct (field i32)))) (type $sub (sub $s2 (struct (field i32))))",
    ),
}


COUNTER = """(module (global $g (mut i32) (i32.const 0)) (global $f (mut f64) (f64.const 0))
    (func (export "add") (param i32 i32) (global.set $g (i32.add (global.get $g) (i32.sub (local.get 0) (local.get 1)))))
    (func (export "double") (global.set $g (i32.mul (global.get $g) (i32.const 2))))
    (func (export "set") (param f64) (global.set $f (local.get 0)))
    (func (export "double(1,2)") (global.set $g (i32.const -1)))
    (func (export "status") (result i32 f32) (i32.const 3) (f32.const 0.5))
    (func (export "get") (result i32) (global.get $g)) (func (export "getf") (result f64) (global.get $f)))"""
