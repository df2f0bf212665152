"""Calls from one chunk to another: of every type, in tail position, with exceptions, in great depth."""

from __future__ import annotations

import random

import pytest

from preinit import errors
from preinit.binary.module import parse
from preinit.engine.ondemand.stubs import Stubs
from preinit.engine.runtime import TABLE_ELEMENTS
from tests.support.both_engines import INIT, V, same
from tests.support.instances import Running
from tests.support.modules import wasm

CALLS = ["direct", "indirect"]


def caller(function: str, how: str) -> str:
    """The instruction that calls `$function`, of type `$function-type` and at index 0 of the table."""
    return f"call ${function}" if how == "direct" else f"i32.const 0 call_indirect (type ${function}-type)"


# -- types -------------------------------------------------------------------------------------------------------------

VALUES = {
    "i32": "i32.const -7",
    "i64": "i64.const -9223372036854775808",
    "f32": "i32.const 0x7fa00001 f32.reinterpret_i32",
    "f64": "i64.const 0xfff4000000000001 f64.reinterpret_i64",
    "v128": "v128.const i64x2 -2 0x0123456789abcdef",
    "funcref": "ref.func $init",
    "externref": "ref.null extern",
}
#: Types of parameters, types of results.
SIGNATURES: list[tuple[list[str], list[str]]] = [
    ([], []),
    *(([name], [name]) for name in VALUES),
    (["i32"] * 20, ["i64"]),
    (["f64", "i32", "f32", "i64"] * 4, ["f32", "i32"]),
    (["v128", "i32", "v128"], ["v128", "v128"]),
    ([], ["i32", "i64", "f32", "f64", "v128"] * 3),
    (["funcref", "i32", "externref"], ["externref", "funcref", "i64"]),
]


def passing(parameters: list[str], results: list[str], how: str) -> str:
    """A module that passes values to a function, which stores them, and back, three times."""
    stored = [name for name in VALUES if name != "externref"]
    fields = "".join(
        f"(global ${name} (mut {name}) ({'ref.null func' if name == 'funcref' else f'{name}.const 0'.replace('v128.const 0', 'v128.const i64x2 0 0')}))"
        for name in stored
    )
    keep = "".join(f"local.get {i} global.set ${t} " for i, t in enumerate(parameters) if t in stored)
    give = " ".join(VALUES[t] for t in results)
    take = "".join(f"global.set ${t} " if t in stored else "drop " for t in reversed(results))
    push = " ".join(VALUES[t] for t in parameters)
    signature = f"(param {' '.join(parameters)}) (result {' '.join(results)})"
    once = f"{push} {caller('callee', how)} {take}"
    return f"""(module {fields} (type $callee-type (func {signature})) (table 1 funcref) (elem (i32.const 0) $callee)
        (func $callee {signature} {keep} {give}) (func $middle {once}) (func $init {INIT} {once} call $middle {once}))"""


@pytest.mark.parametrize("how", CALLS)
@pytest.mark.parametrize(("parameters", "results"), SIGNATURES)
def test_values_of_every_type_are_passed_and_returned(parameters: list[str], results: list[str], how: str) -> None:
    assert same(passing(parameters, results, how), compiler="cranelift").wasm
    if not {"v128", "funcref", "externref"} & {*parameters, *results}:
        assert same(passing(parameters, results, how), compiler="winch").wasm


@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_a_chunk_may_have_many_types(compiler: str) -> None:
    """Indices of types have one byte up to 63 in blocks, up to 127 elsewhere."""
    kinds = [f"(param {'i32 ' * (i // 12)}) (result {'i32 ' * (i % 12)})" for i in range(150)]
    types = "".join(f"(type $t{i} (func {kind}))" for i, kind in enumerate(kinds))
    steps = "".join(
        f"""{"(i32.const 3)" * (i // 12)} (block (type $t{i}) {"drop " * (i // 12)} {"(i32.const 4)" * (i % 12)}) {"drop " * (i % 12)}
        {"(i32.const 5)" * (i // 12)} (call $f{i}) {"(global.set $g)" * (i % 12)}"""
        for i in range(len(kinds))
    )
    functions = "".join(f"(func $f{i} (type $t{i}) {f'(i32.const {i})' * (i % 12)})" for i in range(len(kinds)))
    text = f"(module (global $g (mut i32) (i32.const 0)) {types} {functions} (func {INIT} {steps}))"
    assert same(text, compiler=compiler).wasm


# -- tail calls --------------------------------------------------------------------------------------------------------

MILLION = 1_000_000


@pytest.mark.parametrize("how", CALLS)
@pytest.mark.parametrize("functions", [1, 2, 5])
def test_a_million_tail_calls_need_no_stack(functions: int, how: str) -> None:
    """Each function calls the next one; the engine's stack would hold fewer frames."""
    bodies = []
    for i in range(functions):
        following = (i + 1) % functions
        call = (
            f"return_call $f{following}" if how == "direct" else f"i32.const {following} return_call_indirect (type $t)"
        )
        bodies.append(f"""(func $f{i} (param i32 i64) (result i64)
            (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
            (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const {i + 1})) {call})""")
    text = f"""(module (type $t (func (param i32 i64) (result i64))) (table {functions} funcref)
        (elem (i32.const 0) {" ".join(f"$f{i}" for i in range(functions))}) {"".join(bodies)}
        (func {INIT} (result i64) (call $f0 (i32.const {2 * MILLION}) (i64.const 0))))"""
    found = same(text)
    assert found.report
    assert found.report.engine.compiler == "cranelift"
    assert found.report.runs[0].results == (MILLION * (functions + 1),)


def test_tail_calls_of_functions_with_many_parameters_need_no_stack() -> None:
    parameters = " ".join(["i32"] + ["i64"] * 30)
    rest = " ".join(f"(local.get {i})" for i in range(1, 31))
    text = f"""(module (func $f (param {parameters}) (if (i32.eqz (local.get 0)) (then (return)))
            (return_call $g (i32.sub (local.get 0) (i32.const 1)) {rest}))
        (func $g (param {parameters}) (return_call $f (local.get 0) {rest}))
        (func {INIT} (call $f (i32.const {MILLION}) {"(i64.const 1)" * 30})))"""
    assert same(text).wasm


# -- exceptions --------------------------------------------------------------------------------------------------------

THROWING = "(tag $e (param i32)) (tag $other) (global $g (mut i32) (i32.const 0))"
#: How an exception with the number 42 is caught, by `$catch`, which returns the number, or 9 if it can't know it.
CAUGHT = {
    "by its tag": "(block $h (result i32) (try_table (catch $e $h) {call}) (i32.const 0))",
    "with a reference": "(block $h (result i32 exnref) (try_table (catch_ref $e $h) {call}) unreachable) drop",
    "with all others": "(block $h (try_table (catch_all $h) {call}) unreachable) (i32.const 9)",
    "with all others, with a reference": "(block $h (result exnref) (try_table (catch_all_ref $h) {call}) unreachable) drop (i32.const 9)",
    "and thrown again": """(block $o (result i32) (try_table (catch $e $o)
        (block $h (result exnref) (try_table (catch_all_ref $h) {call}) unreachable) throw_ref) unreachable)""",
    "behind one that does not fit": """(block $h (result i32) (try_table (catch $e $h)
        (block $o (try_table (catch $other $o) {call}) unreachable)) unreachable)""",
}


def throwing(catch: str, how: str) -> str:
    return f"""(module {THROWING} (type $throws-type (func)) (table 1 funcref) (elem (i32.const 0) $middle)
        (func $throws (throw $e (i32.const 42))) (func $middle (call $throws) (nop))
        (func $catch (result i32) {catch.format(call=caller("middle", how).replace("$middle-type", "$throws-type"))})
        (func {INIT} (global.set $g (i32.add (i32.mul (call $catch) (i32.const 100)) (call $catch)))))"""


@pytest.mark.parametrize("how", CALLS)
@pytest.mark.parametrize("name", CAUGHT)
def test_an_exception_is_caught_in_another_function(name: str, how: str) -> None:
    found = same(throwing(CAUGHT[name], how))
    assert found.wasm
    value = 909 if "others" in name else 4242
    assert Running(found.wasm).state().globals[0] == value.to_bytes(4, "little")


@pytest.mark.parametrize("how", CALLS)
def test_an_exception_that_nothing_catches_is_the_same_error(how: str) -> None:
    found = same(throwing("{call} (i32.const 1)", how))
    assert isinstance(found.error, errors.UncaughtException)


def test_a_trap_is_not_caught() -> None:
    text = f"""(module {THROWING} (func $traps unreachable) (func $f (call $traps))
        (func {INIT} (block $h (try_table (catch_all $h) (call $f)))))"""
    assert isinstance(same(text).error, errors.GuestTrap)


def test_an_exception_passes_a_table_of_imported_functions_and_the_start_function() -> None:
    text = f"""(module (import "wasi_snapshot_preview1" "sched_yield" (func $y (result i32))) {V} {THROWING} (table 2 funcref)
        (elem (i32.const 0) $y $f) (func $f (result i32) (drop (call_indirect (type $v) (i32.const 0))) (throw $other))
        (func $s (block $h (try_table (catch $other $h) (drop (call_indirect (type $v) (i32.const 1)))) unreachable)
            (global.set $g (i32.const 5))) (start $s) (func {INIT}))"""
    assert same(text).wasm


# -- programs at random ------------------------------------------------------------------------------------------------


def program(seed: int) -> str:
    """Functions that call each other in all ways, and mix what they do into a global."""
    chance = random.Random(seed)
    count = chance.randrange(5, 40)
    steps = ["(call $mix (i64.extend_i32_u (local.get 0)))"]
    bodies = []
    for i in range(count):
        body = list(steps)
        for _ in range(chance.randrange(1, 5)):
            target = chance.randrange(count)
            less = f"(i32.sub (local.get 0) (i32.const {chance.randrange(1, 4)}))"
            body.append(
                chance.choice(
                    [
                        f"(call $f{target} {less})",
                        f"(call_indirect (type $t) {less} (i32.const {target}))",
                        f"(table.set (i32.const {target}) (ref.func $f{chance.randrange(count)}))",
                        f"(i64.store (i32.const {8 * target}) (global.get $g))",
                        f"(loop (block (type $b) (call $f{target} {less})))",
                    ]
                )
            )
        limit = "(br_if 0 (i32.le_s (local.get 0) (i32.const 0)))"
        bodies.append(f"(func $f{i} (param i32) {limit} {' '.join(body)})")
    chance.shuffle(bodies)
    return f"""(module (type $t (func (param i32))) (type $b (func)) (memory 1) (global $g (mut i64) (i64.const {seed}))
        (table {count} funcref) (elem (i32.const 0) {" ".join(f"$f{i}" for i in range(count))})
        (func $mix (param i64) (global.set $g (i64.add (i64.mul (global.get $g) (i64.const 6364136223846793005))
            (local.get 0)))) {" ".join(bodies)} (func {INIT} (call $f0 (i32.const 6))))"""


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_programs_of_many_functions_do_the_same(seed: int, compiler: str) -> None:
    assert same(program(seed), compiler=compiler).wasm


def test_stubs_of_many_types_with_few_functions_each_fit_a_table() -> None:
    """As many stubs as one instance has of each type, and as many instances as functions need."""
    kinds = ("i32", "i64", "f32", "f64")
    types = [" ".join(kinds[number >> 2 * place & 3] for place in range(6)) for number in range(2500)]
    text = "".join(f"(type $t{i} (func (param {t})))" for i, t in enumerate(types))
    text += "".join(f"(func (type $t{i}))" * 26 for i in range(len(types)))
    stubs = Stubs(parse(wasm(f"(module {text})")), tail_calls=True)
    assert stubs.capacity <= TABLE_ELEMENTS
