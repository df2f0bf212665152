"""What goes wrong is told in the same words, with the same functions and offsets, however the code was compiled."""

from __future__ import annotations

import pytest

from preinit import errors
from preinit.engine.ondemand import prepared
from preinit.engine.values import EngineError, GuestTrapped, Unsuited
from tests.support.binaries import offsets_of
from tests.support.both_engines import (
    INIT,
    MOST_FRAMES,
    SIZES,
    Outcome,
    V,
    attempt,
    chunks_of,
    nothing_compiled_whole,
    same,
)
from tests.support.modules import wasm

#: Functions on the way to what goes wrong: with as many stubs between them, no more than the engine tells of.
CALLERS = [f"f{i}" for i in range(MOST_FRAMES // 2 - 2)]


def chain(last: str, things: str = "") -> str:
    """A module in which `last` comes at the end of a chain of calls; its parameter is 0."""
    calls = zip(CALLERS, [*CALLERS[1:], "last"], strict=True)
    functions = "".join(f"(func ${f} (param i32) (nop) (call ${g} (local.get 0)))" for f, g in calls)
    return f"""(module {things} {functions} (func $last (param i32) {last})
        (func $begin {INIT} (call $f0 (i32.const 0))))"""


TABLE = f"""{V} (type $w (func (param i64) (result i32))) (table $t 4 funcref) (elem (i32.const 1) $one)
    (func $one (result i32) (i32.const 1))"""

#: What goes wrong -> an instruction sequence, and what a module needs for it.
FAILING: dict[str, tuple[str, str]] = {
    "wasm `unreachable` instruction executed": ("unreachable", ""),
    "integer divide by zero": ("(drop (i32.div_s (i32.const 1) (local.get 0)))", ""),
    "integer overflow": ("(drop (i32.div_s (i32.const 0x80000000) (i32.sub (local.get 0) (i32.const 1))))", ""),
    "invalid conversion to integer": ("(drop (i32.trunc_f32_s (f32.const nan)))", ""),
    "out of bounds memory access": ("(drop (i64.load (i32.const 65529)))", "(memory 1)"),
    "undefined element: out of bounds table access": ("(drop (call_indirect (type $v) (i32.const 4)))", TABLE),
    "undefined element: out of bounds table access ": ("(drop (table.get $t (i32.const -1)))", TABLE),
    "uninitialized element": ("(drop (call_indirect (type $v) (local.get 0)))", TABLE),
    "indirect call type mismatch": ("(drop (call_indirect (type $w) (i64.const 0) (i32.const 1)))", TABLE),
}


@pytest.mark.parametrize("what", FAILING)
@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_a_trap_names_all_functions_and_their_offsets(what: str, compiler: str) -> None:
    text = chain(*FAILING[what])
    found = same(text, compiler=compiler)
    assert isinstance(found.error, errors.GuestTrap)
    assert found.error.what == f"the initializer trapped: {what.strip()}"
    assert found.names == ["last", *CALLERS[::-1], "begin"]
    *calls, first = offsets_of(wasm(text), "call")
    assert [frame.offset for frame in found.frames[1:]] == [*calls[::-1], first]


def test_a_trap_in_a_function_that_was_called_through_a_table_names_it() -> None:
    text = f"""(module {V} (table 2 funcref) (elem (i32.const 0) $first $second) (func $first (result i32)
        (i32.add (i32.const 1) (call_indirect (type $v) (i32.const 1)))) (func $second (result i32) (unreachable))
        (func $begin {INIT} (drop (call_indirect (type $v) (i32.const 0)))))"""
    assert same(text).names == ["second", "first", "begin"]


@pytest.mark.parametrize("depth", [MOST_FRAMES, 50])
def test_the_innermost_frames_of_a_deep_call_are_those_of_the_whole_module(depth: int) -> None:
    """The engine tells of so many frames; where the baseline compiler is used, stubs are among them."""
    functions = "".join(f"(func $f{i} (call $f{i + 1}) (nop))" for i in range(depth))
    text = f"(module {functions} (func $f{depth} unreachable) (func {INIT} (call $f0)))"
    whole = attempt(text, engine="whole")
    for size in SIZES:
        with chunks_of(size), nothing_compiled_whole():
            found = attempt(text, engine="ondemand", compiler="winch")
            assert len(found.frames) >= MOST_FRAMES // 2
            assert found.frames == whole.frames[: len(found.frames)]
            assert attempt(text, engine="ondemand", compiler="cranelift").frames == whole.frames


def test_a_trap_in_a_function_of_the_start_function_is_the_same() -> None:
    text = f"(module (func $deep unreachable) (func $begin (nop) (call $deep)) (start $begin) (func {INIT}))"
    assert same(text).names == ["deep", "begin"]


def test_functions_without_a_name_have_their_index() -> None:
    text = f"""(module (import "e" "x" (func)) (import "e" "y" (func)) (func) (func) (func (unreachable))
        (func (call 4)) (func {INIT} (call 5)))"""
    found = same(text)
    assert [(frame.function_index, frame.name) for frame in found.frames] == [
        (4, None), (5, None), (6, "preinit_initialize"),
    ]  # fmt: skip


# -- imports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call", ["(call $missing)", "(call_indirect (type $n) (i32.const 0))", "(call_indirect (type $n) (i32.const 1))"]
)
def test_a_call_of_a_missing_import_is_the_same(call: str) -> None:
    text = f"""(module (type $n (func)) (import "env" "missing" (func $missing)) (table 2 funcref) (elem (i32.const 0) $missing)
        (elem declare func $missing) (func $set (table.set (i32.const 1) (ref.func $missing)))
        (func $deep (call $set) {call}) (func $begin {INIT} (call $deep)))"""
    found = same(text)
    assert isinstance(found.error, errors.ImportCalled)
    assert "env.missing" in found.error.what
    assert found.names == ["deep", "begin"]


def test_an_initializer_that_is_a_missing_import_is_the_same() -> None:
    text = '(module (import "env" "missing" (func $missing)) (export "preinit_initialize" (func $missing)) (func))'
    assert isinstance(same(text).error, errors.ImportCalled)


def test_a_trap_in_a_module_that_is_preloaded_is_one_of_its_callers() -> None:
    library = wasm('(module (func (export "divide") (param i32) (drop (i32.div_u (i32.const 1) (local.get 0)))))')
    text = f"""(module (import "l" "divide" (func $divide (param i32))) (func) (func $deep (call $divide (i32.const 0)))
        (func $begin {INIT} (call $deep)))"""
    with nothing_compiled_whole():
        found = attempt(text, engine="ondemand", preloads=(("l", library),))
    assert isinstance(found.error, errors.GuestTrap)
    assert found.names[-2:] == ["deep", "begin"]


def test_an_initializer_that_exits_is_the_same() -> None:
    wasi = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))'
    found = same(chain("(call $exit (i32.const 3))", f'{wasi} (memory (export "memory") 1)'))
    assert isinstance(found.error, errors.GuestExit)
    assert found.names == ["last", *CALLERS[::-1], "begin"]


# -- the stack ---------------------------------------------------------------------------------------------------------

LESS = "(i32.sub (local.get 0) (i32.const 1))"
#: Recursion -> functions `$r` of type (i32) -> i32, that end where `until` ends them.
RECURSION = {
    "direct": f"(func $r (param i32) (result i32) until (i32.add (i32.const 1) (call $r {LESS})))",
    "mutual": f"""(func $r (param i32) (result i32) until (i32.add (i32.const 1) (call $s {LESS})))
        (func $s (param i32) (result i32) (i32.add (i32.const 1) (call $r {LESS})))""",
    "through a table": f"""(type $t (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $r)
        (func $r (param i32) (result i32) until
            (i32.add (i32.const 1) (call_indirect (type $t) {LESS} (i32.const 0))))""",
}


@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
@pytest.mark.parametrize("how", RECURSION)
def test_recursion_without_end_exhausts_the_stack(how: str, compiler: str) -> None:
    """In which function it ends depends on the size of frames: only the calls are those of the whole module."""
    functions = RECURSION[how].replace("until", "")
    text = f"(module {functions} (func {INIT} (drop (call $r (i32.const 1)))))"
    whole = attempt(text, engine="whole", compiler=compiler)
    for size in SIZES:
        with chunks_of(size):
            found = attempt(text, engine="ondemand", compiler=compiler)
        assert isinstance(found.error, errors.StackExhausted)
        assert whole.error
        assert (found.error.what, found.error.hint) == (whole.error.what, whole.error.hint)
        assert set(found.frames[1:]) <= set(whole.frames[1:])
        assert len(found.frames) >= MOST_FRAMES // 2 - 1


@pytest.mark.parametrize("how", RECURSION)
@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_recursion_that_the_whole_module_has_stack_for_ends(how: str, compiler: str) -> None:
    """Stubs of the baseline compiler take stack, too."""
    functions = RECURSION[how].replace("until", "(if (i32.eqz (local.get 0)) (then (return (i32.const 0))))")
    text = f"""(module {functions} (global $g (mut i32) (i32.const 0))
        (func (export "init") (param i32) (global.set $g (call $r (local.get 0)))))"""
    deepest = next(
        init
        for init in (f"init({depth})" for depth in (1_000_000, 750_000, 500_000, 250_000))
        if attempt(text, engine="whole", compiler=compiler, init_funcs=(init,)).wasm
    )
    assert same(text, compiler=compiler, init_funcs=(deepest,)).wasm


def test_recursion_that_only_the_whole_module_has_stack_for_ends_as_well() -> None:
    """With many results, a stub's frame takes more stack than the function's own."""
    results = "i64 " * 10
    text = f"""(module (type $t (func (result {results}))) (global $n (mut i32) (i32.const 300000)) (table 1 funcref)
        (elem declare func $r) (func $r (result {results}) (global.set $n (i32.sub (global.get $n) (i32.const 1)))
            (if (i32.eqz (global.get $n)) (then {"(i64.const 0)" * 10} (return)))
            (call_indirect (type $t) (i32.const 0)))
        (func {INIT} (table.set (i32.const 0) (ref.func $r)) (call $r) {"drop " * 10}))"""
    whole = attempt(text, engine="whole", compiler="winch")
    assert whole.wasm
    for size in SIZES:
        with chunks_of(size):
            assert attempt(text, engine="ondemand", compiler="winch").wasm == whole.wasm


@pytest.mark.parametrize("problem", [GuestTrapped("call stack exhausted", 0, ()), EngineError("no memory")])
def test_a_part_that_can_not_be_instantiated_leaves_it_to_the_whole_module(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def instantiate(*_: object) -> None:
        raise problem

    monkeypatch.setattr(prepared.ffi, "instantiate", instantiate)
    with pytest.raises(Unsuited):
        prepared.Prepared.instantiate(None, None, None, ())  # type: ignore[arg-type]


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_loop_across_functions_ends_with_the_time() -> None:
    text = f"(module (func $nothing) (func $again (loop (call $nothing) (br 0))) (func {INIT} (call $again)))"
    with chunks_of(0), nothing_compiled_whole():
        found = attempt(text, engine="ondemand", timeout=0.2)
    assert isinstance(found.error, errors.TimeLimit)


# -- instantiating -----------------------------------------------------------------------------------------------------

#: What does not fit -> a module.
UNFIT = {
    "data": '(memory 1) (data (i32.const 65534) "abc")',
    "empty data": '(memory 1) (data (i32.const 65537) "")',
    "data at the end of the address space": '(memory 1) (data (i32.const -1) "abc")',
    "elements": "(table 2 funcref) (func $f) (elem (i32.const 1) $f $f)",
    "empty elements": "(table 2 funcref) (elem (i32.const 3))",
    "elements at the end of the index space": "(table 2 funcref) (func $f) (elem (i32.const -1) $f)",
    "elements before data": '(memory 1) (table 2 funcref) (func $f) (elem (i32.const 2) $f) (data (i32.const 65536) "a")',
}


def instantiated(things: str) -> Outcome:
    text = f"(module {things} (func {INIT}))"
    whole = attempt(text, engine="whole")
    found = attempt(text, engine="ondemand")
    assert found.told == whole.told
    return found


@pytest.mark.parametrize("name", UNFIT)
def test_segments_that_do_not_fit_are_the_same_trap(name: str) -> None:
    assert isinstance(instantiated(UNFIT[name]).error, errors.GuestTrap)
    with nothing_compiled_whole():  # which takes minutes for a large module, and tells no more
        found = attempt(f"(module {UNFIT[name]} (func {INIT}))", engine="ondemand")
    assert isinstance(found.error, errors.GuestTrap)


def test_what_is_out_of_bounds_of_a_shared_memory_is_the_same_trap() -> None:
    """It ended the process where several modules imported that memory."""
    text = f"(module (memory 1 4 shared) (func $load (drop (i32.load (i32.const 65533)))) (func {INIT} (call $load)))"
    whole, found = (attempt(text, engine=engine) for engine in ("whole", "ondemand"))
    assert isinstance(found.error, errors.GuestTrap)
    assert found.told == whole.told


def test_an_empty_segment_fits_an_empty_memory() -> None:
    assert same(f'(module (memory 0) (data (i32.const 0) "") (global $g (mut i32) (i32.const 1)) (func {INIT}))').wasm


@pytest.mark.parametrize("things", ["(table 2000000 funcref)", "(memory 60000 65536)", "(memory 1) (memory 60000)"])
def test_more_than_the_limits_allow_is_the_same_error(things: str) -> None:
    text = f"(module {things} (func {INIT}))"
    outcomes = [attempt(text, engine=engine, max_memory=1 << 30) for engine in ("whole", "ondemand")]
    assert outcomes[0].error
    assert outcomes[0].told == outcomes[1].told
