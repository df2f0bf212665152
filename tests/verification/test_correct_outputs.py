"""An output that is what its input is after its initializer passes, whatever the module and the options."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from preinit import Options, build, errors, verify
from preinit.errors import Mismatch
from preinit.verification import Verification
from tests.support.amounts import amount
from tests.support.any_module import modules
from tests.support.modules import UNUSABLE, build_text, wasm
from tests.support.shapes import references, state
from tests.support.shapes.imports import STATE, VALUES
from tests.support.smith import FAIR, SMITH, callable_exports, smith

INIT = '(export "preinit_initialize")'


def outcomes(facts: Verification) -> dict[str, str]:
    """Call -> what it came to."""
    return {call.call: call.detail for call in facts.calls}


def same(text: str, *calls: str, **fields: object) -> Verification:
    """Builds and verifies, with calls of everything."""
    options = Options(cache=False, **{**UNUSABLE, **fields})
    output = build(wasm(text), options).wasm
    return verify(wasm(text), output, options, calls=calls, call_all=True)


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
@pytest.mark.parametrize("name", state.SHAPES)
def test_whatever_state_there_is(name: str, engine: str) -> None:
    facts = same(state.SHAPES[name], engine=engine)
    assert facts.runs[-1] == "preinit_initialize"


@pytest.mark.parametrize("name", references.SHAPES)
def test_whatever_references_there_are(name: str) -> None:
    text, calls = references.SHAPES[name]
    written = [f"{call}({','.join(map(str, arguments))})" if arguments else call for call, *arguments in calls]
    facts = same(text, *written)
    assert len(facts.calls) >= len(calls)


@pytest.mark.parametrize("keep_init_func", [False, True, "noop"])
@pytest.mark.parametrize("imports", ["keep", "define", "restore"])
def test_whatever_becomes_of_imports(imports: str, keep_init_func: bool | str) -> None:
    facts = same(STATE, imports=imports, import_globals=VALUES, keep_init_func=keep_init_func)
    assert outcomes(facts)["a"] == "returns 777"
    assert outcomes(facts)["r"] == "returns 5"


def test_functions_that_do_nothing_return_what_the_last_run_returned() -> None:
    text = """(module (global $g (mut i32) (i32.const 0)) (func (export "get") (result i32) (global.get $g))
        (func (export "add") (param i32) (result i32)
            (global.set $g (i32.add (global.get $g) (local.get 0))) (global.get $g)))"""
    facts = same(text, init_funcs=("add(5)", "add(2)"), keep_init_func="noop", rename_funcs=(("sum", "add"),))
    assert outcomes(facts)["sum(-1)"] == "returns 7"


def test_what_was_renamed_is_called_by_its_old_name_in_the_input() -> None:
    text = f"""(module (func {INIT}) (func (export "_start") (unreachable)) (memory (export "memory") 1)
        (func (export "resume") (i32.store8 (i32.const 7) (i32.const 1))))"""
    assert outcomes(same(text, rename_funcs=(("_start", "resume"),))) == {"_start": "returns"}
    twice = (("_start", "resume"), ("again", "resume"))
    assert outcomes(same(text, rename_funcs=twice)) == {"_start": "returns", "again": "returns"}


@pytest.mark.parametrize("imports", ["keep", "restore"])
def test_preloaded_memories_and_tables_that_grew(imports: str) -> None:
    library = wasm('(module (table (export "t") 1 9 funcref) (memory (export "m") 1 9))')
    text = f"""(module (import "l" "t" (table $t 1 9 funcref)) (import "l" "m" (memory 1 9)) (func $f)
        (elem declare func $f) (func {INIT} (drop (table.grow $t (ref.func $f) (i32.const 3)))
            (drop (memory.grow (i32.const 1))) (i32.store8 (i32.const 70000) (i32.const 3)))
        (func (export "call") (param i32) (call_indirect (local.get 0))))"""
    facts = same(text, "call(3)", imports=imports, preloads=(("l", library),))
    assert outcomes(facts)["call(3)"] == "returns"


def test_an_imported_shared_memory_that_is_defined() -> None:
    same(
        f'(module (import "e" "m" (memory 1 2 shared)) (func {INIT} (i32.store8 (i32.const 1) (i32.const 7))))',
        imports="define",
    )


def test_memories_of_4_gib_where_they_were_touched() -> None:
    same(f"""(module (memory 1 65536)
        (func {INIT} (drop (memory.grow (i32.const 65535))) (i32.store8 (i32.const -1) (i32.const 1))) (func (export "go")))""")


def test_an_initializer_that_was_run_twice_in_a_row() -> None:
    text = state.COUNTER
    once = build_text(text, init_funcs=("add(3,1)",)).wasm
    again = build(once, Options(cache=False, init_funcs=("double",))).wasm
    facts = verify(once, again, Options(cache=False, init_funcs=("double",)), calls=["get"])
    assert outcomes(facts) == {"get": "returns 4"}


def test_each_call_is_made_in_fresh_instances() -> None:
    text = f"""(module (global $g (mut i32) (i32.const 0)) (func {INIT} (global.set $g (i32.const 5)))
        (func (export "next") (result i32) (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g)))"""
    facts = verify(wasm(text), build_text(text).wasm, Options(cache=False), calls=["next", "next"])
    assert [call.detail for call in facts.calls] == ["returns 6", "returns 6"]


def test_what_the_initializer_consumed_is_there_for_calls_of_both() -> None:
    """An output starts in a world of its own: its random numbers, clocks and input begin anew."""
    text = f"""(module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\\40\\00\\00\\00\\04\\00\\00\\00")
        (func $all (drop (call $random (i32.const 128) (i32.const 8))) (drop (call $time (i32.const 1) (i64.const 0)
            (i32.const 256))) (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 512))))
        (func {INIT} (call $all) (call $all)) (func (export "again") (result i64) (call $all)
            (i64.xor (i64.load (i32.const 128)) (i64.xor (i64.load (i32.const 256)) (i64.load (i32.const 64))))))"""
    from preinit import Host

    assert same(text, host=Host(stdin=b"abcdefgh")).calls


def test_any_nan_is_as_good_as_another() -> None:
    text = f"""(module (global $g (mut i32) (i32.const 0x7fc00000)) (func {INIT} (global.set $g (i32.const 0x7fc00000)))
        (func (export "nan") (result f32) (f32.reinterpret_i32 (global.get $g)))
        (func (export "sqrt") (param f64) (result f64) (f64.sqrt (local.get 0))))"""
    assert outcomes(same(text))["nan"] == "returns nan"


@settings(max_examples=amount(25, 10))
@given(modules())
def test_any_module(text: str) -> None:
    try:
        same(text)
    except errors.GuestTrap as trap:
        assert "out of bounds" in str(trap)


@pytest.mark.parametrize("config", SMITH)
def test_modules_by_smith(config: str) -> None:
    verified = 0
    for seed in range(amount(30, 15)):
        binary = smith(seed, SMITH[config])
        if binary is None:
            continue
        for name in callable_exports(binary)[:2]:
            options = Options(cache=False, init_funcs=(name,))
            try:
                output = build(binary, options).wasm
            except FAIR:
                continue
            verify(binary, output, options, call_all=True, seed=seed)
            verified += 1
    assert verified >= 3, "most seeds should give a module that can be built"


def test_the_facts_say_what_was_compared() -> None:
    text = f"""(module (memory 2) (table 3 funcref) (global (mut i32) (i32.const 0)) (data "passive")
        (func {INIT}) (func (export "f") (data.drop 0)))"""
    facts = same(text)
    compared = facts.compared
    assert (compared.memories, compared.tables, compared.globals) == ((131072,), (3,), 1)
    assert (compared.segments, compared.functions, compared.exports) == (1, 2, 1)


def test_outputs_of_both_layouts_and_a_damaged_one_are_told_apart() -> None:
    text = state.SHAPES["several_memories"]
    outputs = {layout: build_text(text, layout=layout).wasm for layout in ("size", "few")}
    for output in outputs.values():
        assert verify(wasm(text), output, Options(cache=False))
    other = build_text(text.replace("hello", "hellO")).wasm
    with pytest.raises(Mismatch):
        verify(wasm(text), other, Options(cache=False))
