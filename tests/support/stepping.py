"""A module of steps, each of which is longer or shorter in the code that is run than in the original."""

from __future__ import annotations

from functools import cache

from tests.support.modules import wasm

#: Instructions with an index that is another one in the code that is run, or that others stand for there.
STEPS = (
    "(nop)",
    "(call $callee)",
    "(drop (memory.grow $second (i32.const 1)))",
    "(drop (call_indirect $t (type $rare) (i64.const 1) (i32.const 1)))",
    "(i64.const 1) (block (type $rare) (drop) (i32.const 2)) (drop)",
    "(table.set $t (i32.const 0) (ref.func $callee))",
    "(drop (table.grow $t (ref.func $callee) (i32.const 1)))",
    "(loop (call $callee) (call $other)) (if (i32.const 0) (then (call $callee)))",
    "(drop (memory.grow $first (i32.const 0))) (drop (memory.grow $second (i32.const 0)))",
    "(drop (call $add (call $add (i32.const 3))))",
)


@cache
def stepping(before: int) -> bytes:
    """A module with so many functions and types in front of others; `init(n)` ends behind step n, `init(n + 100)` in a
    function that is called there."""
    places = "".join(
        f"{step} (drop (i32.div_u (i32.const 1) (i32.ne (local.get 0) (i32.const {n}))))"
        f"(call $check (i32.sub (local.get 0) (i32.const {n + 100})))"
        for n, step in enumerate(STEPS)
    )
    return wasm(f"""(module {"(type (func))" * before} (type $rare (func (param i64) (result i32)))
        (memory $first 1) (memory $second 1) (table $t 2 funcref) (elem (i32.const 1) $indirect)
        {"(func (type 0))" * before}
        (func $callee (type 0)) (func $other (type 0) (drop (memory.grow $second (i32.const 1))) (call $callee))
        (elem declare func $callee)
        (func $indirect (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
        (func $add (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func $check (param i32) (drop (i32.div_s (i32.const 1) (local.get 0))))
        (func $steps (param i32) {places})
        (func (export "init") (param i32) (call $steps (local.get 0))))""")
