"""Continuations: a program that is paused anywhere does afterwards what it would have done."""

from __future__ import annotations

import shutil
from functools import cache
from random import Random

import pytest

from preinit import Options, build, inspect
from preinit.binary.module import parse
from preinit.errors import PauseRefused
from preinit.passes.rewrite.frames import SECTION
from tests.support.amounts import amount
from tests.support.modules import build_text, text_of, wasm
from tests.support.pausing.in_node import node_traces
from tests.support.pausing.programs import Program
from tests.support.pausing.traces import TICKER, engine, paused, trace
from tests.support.places import FIXTURES

ENGINES = pytest.mark.parametrize("engine_name", ["whole", "ondemand"])
IMPORT = '(import "t" "tick" (func $tick (param i32) (result i32)))'


def told(body: str, number: int, engine_name: str = "whole", before: str = "") -> tuple[list[object], list[object]]:
    """What is told from call `number` on: by a program that was not paused, and by one that was paused before it."""
    binary = wasm(f'(module {IMPORT} (memory (export "memory") 1) {before} (func (export "_start") {body}))')
    whole = trace(engine(), binary)
    assert len(whole) > number  # it comes to the pause
    return whole[number - 1 :], trace(engine(), paused(binary, number, engine_name), number - 1)


@pytest.mark.parametrize("seed", range(amount(200, 12)))
def test_a_random_program_goes_on_where_it_was_paused(seed: int) -> None:
    binary = wasm(Program(seed, exceptions=seed % 2 == 0, typed=seed % 3 == 0).text())
    source = Random(seed)
    one = engine()
    whole = trace(one, binary)
    for number in sorted({1, *(source.randrange(1, len(whole)) for _ in range(3))} if len(whole) > 1 else ()):
        output = paused(binary, number, source.choice(["whole", "ondemand"]))
        assert trace(one, output, number - 1) == whole[number - 1 :], f"call {number}"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_a_random_program_goes_on_in_node_too() -> None:
    one, outputs, expected = engine(), [], []
    for seed in range(1000, 1020):
        binary = wasm(Program(seed, exceptions=False, typed=False).text())
        whole = trace(one, binary)
        if len(whole) > 2:
            number = Random(seed).randrange(1, len(whole))
            outputs.append((paused(binary, number), number - 1))
            expected.append([entry if isinstance(entry, int) else str(entry)[:8] for entry in whole[number - 1 :]])
    assert len(outputs) > 10
    assert node_traces(outputs) == expected


#: In C: 200 frames deep, in generators that are kept by hand, in one function of 100 KB.
C_PROGRAM = FIXTURES / "pausing" / "pausing.wasm"


@cache
def c_program() -> list[object]:
    return trace(engine(), C_PROGRAM.read_bytes())


@ENGINES
@pytest.mark.parametrize("number", [*range(1, 48, amount(1, 6))])
def test_a_program_in_c_goes_on_where_it_was_paused(engine_name: str, number: int) -> None:
    binary, one = C_PROGRAM.read_bytes(), engine()
    whole = c_program()
    assert len(whole) > number  # it comes to the pause
    assert trace(one, paused(binary, number, engine_name), number - 1) == whole[number - 1 :]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_a_program_in_c_goes_on_in_node_too() -> None:
    binary = C_PROGRAM.read_bytes()
    whole = trace(engine(), binary)
    numbers = (1, 6, 9, 20, 40)
    outputs = [(paused(binary, number), number - 1) for number in numbers]
    assert node_traces(outputs) == [whole[number - 1 :] for number in numbers]


#: In C: functions are left by longjmp, which is an exception.
JUMPS = FIXTURES / "pausing" / "jumps.wasm"


@ENGINES
def test_longjmp_comes_back_to_a_setjmp_that_was_called_before_the_pause(engine_name: str) -> None:
    binary, one = JUMPS.read_bytes(), engine()
    whole = trace(one, binary)
    assert whole[-1] == "returned" and len(whole) > 30
    for number in (2, 3, 5, 6, 8, 13, 23, 31):
        assert trace(one, paused(binary, number, engine_name), number - 1) == whole[number - 1 :]


def test_a_deep_stack_and_a_large_function_are_what_the_c_program_is_about() -> None:
    deepest = build(C_PROGRAM, pause_at="import:t.tick#6", preloads={"t": wasm(TICKER)}, cache=False).report.pause
    assert deepest and len(deepest.frames) == 202  # all levels, and what called the first
    largest = build(C_PROGRAM, pause_at="import:t.tick#40", preloads={"t": wasm(TICKER)}, cache=False).report.pause
    assert largest and max(frame.code for frame in largest.frames) > 100_000


@ENGINES
@pytest.mark.parametrize("number", [1, 2, 5, 6])
def test_what_is_left_of_an_iteration_comes_before_the_loop(engine_name: str, number: int) -> None:
    body = """(local $i i32)
      (loop $again
        (drop (call $tick (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 6))))
      (drop (call $tick (i32.const 99)))"""
    expected, found = told(body, number, engine_name)
    assert found == expected


@ENGINES
def test_operands_below_enclosing_blocks_are_kept(engine_name: str) -> None:
    body = """
      (i32.const 5) (i64.const -7) (f32.const 0.5) (f64.const nan:0x4) (v128.const i32x4 1 2 3 4)
      (block (param v128) (result v128)
        (block (drop (call $tick (i32.const 1))) (drop (call $tick (i32.const 2)))))
      (drop (call $tick (i32x4.extract_lane 2)))
      (drop (call $tick (i32.wrap_i64 (i64.reinterpret_f64))))
      (drop (call $tick (i32.reinterpret_f32)))
      (drop (call $tick (i32.wrap_i64))) (drop (call $tick))"""
    expected, found = told(body, 2, engine_name)
    assert found == expected


@ENGINES
def test_a_local_holds_its_function(engine_name: str) -> None:
    before = """(type $unary (func (param i32) (result i32))) (table funcref (elem $double $negate))
      (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
      (func $negate (type $unary) (i32.sub (i32.const 0) (local.get 0)))"""
    body = """(local $f funcref) (local $none funcref)
      (local.set $f (table.get (i32.const 1)))
      (drop (call $tick (i32.const 1)))
      (table.set (i32.const 0) (local.get $f))
      (drop (call $tick (call_indirect (type $unary) (i32.const 21) (i32.const 0))))
      (drop (call $tick (ref.is_null (local.get $none))))"""
    expected, found = told(body, 1, engine_name, before)
    assert found == expected


def test_an_exception_that_is_thrown_after_the_pause_is_caught_where_it_was_to_be() -> None:
    before = """(tag $e (param i32))
      (func $throws (throw $e (call $tick (i32.const 1))))"""
    body = """
      (drop (call $tick (block $caught (result i32)
        (try_table (catch $e $caught) (call $throws) (drop (call $tick (i32.const 2))))
        (i32.const 3))))"""
    expected, found = told(body, 1, before=before)
    assert found == expected
    assert 2 not in found


def test_a_call_through_a_typed_reference_goes_on() -> None:
    before = """(type $unary (func (param i32) (result i32)))
      (func $inner (type $unary) (call $tick (local.get 0))) (elem declare func $inner)"""
    body = """(local $f (ref $unary)) (local.set $f (ref.func $inner))
      (drop (call_ref $unary (i32.const 4) (local.get $f))) (drop (call_ref $unary (i32.const 5) (local.get $f)))"""
    for number in (1, 2):
        expected, found = told(body, number, before=before)
        assert found == expected


@ENGINES
def test_a_recursion_of_two_hundred_functions_goes_on(engine_name: str) -> None:
    before = """(func $down (param $n i32) (result i32)
      (if (result i32) (local.get $n)
        (then (i32.add (local.get $n) (call $down (i32.sub (local.get $n) (i32.const 1)))))
        (else (call $tick (i32.const 1)))))"""
    expected, found = told("(drop (call $tick (call $down (i32.const 200))))", 1, engine_name, before)
    assert found == expected
    assert len(found) == 3


def test_code_that_is_never_reached_is_no_hindrance() -> None:
    body = """(block $out (br $out) (drop (call $tick (i32.const 7))) (drop (i32.add)))
      (drop (call $tick (i32.const 1))) (drop (call $tick (i32.const 2)))"""
    expected, found = told(body, 1)
    assert found == expected


def test_an_output_can_be_paused_again() -> None:
    body = "(local $i i32) (loop $l (drop (call $tick (local.get $i))) (br_if $l (i32.lt_u (local.tee $i (i32.add "
    body += "(local.get $i) (i32.const 1))) (i32.const 9))))"
    binary = wasm(f'(module {IMPORT} (memory (export "memory") 1) (func (export "_start") {body}))')
    twice = paused(paused(binary, 4), 3)
    assert trace(engine(), twice) == [5, 6, 7, 8, "returned"]
    assert [section.title for section in parse(twice).sections].count(SECTION) == 1


def test_functions_of_the_input_keep_their_bytes_and_their_places() -> None:
    binary = wasm(Program(3).text())
    output = paused(binary, 2)
    before, after = parse(binary), parse(output)
    count, code = before.code_entries()
    more, others = after.code_entries()
    assert more > count
    assert others[: len(code)] == code


def test_both_engines_and_two_builds_give_the_same_bytes() -> None:
    binary = wasm(Program(11, exceptions=False, typed=False).text())
    assert len({paused(binary, 3, name) for name in ("whole", "ondemand", "whole")}) == 1


def test_continuations_are_called_as_their_functions_are() -> None:
    binary = wasm(Program(3).text())
    assert ".resumed" in text_of(paused(binary, 2))


def test_inspecting_an_output_shows_what_was_active() -> None:
    binary = wasm(Program(3).text())
    facts = inspect(paused(binary, 2))
    assert facts.frames and facts.frames[0].name and facts.frames[0].name.startswith("f")


def test_the_call_that_was_paused_is_made_with_its_arguments() -> None:
    source = f"""(module {IMPORT} (memory (export "memory") 1)
      (func (export "_start") (drop (call $tick (i32.const 1234)))))"""
    result = build_text(source, pause_at="import:t.tick", preloads={"t": wasm(TICKER)})
    assert trace(engine(), result.wasm) == [1234, "returned"]


def test_a_program_that_is_paused_before_it_did_anything_is_the_same() -> None:
    source = f'(module {IMPORT} (func $main (export "_start") (drop (call $tick (i32.const 5)))))'
    output = build(wasm(source), Options(pause_at="function:main", cache=False)).wasm
    assert trace(engine(), output) == [5, "returned"]


TAILS = """(type $unary (func (param i32) (result i32)))
  (table funcref (elem $tick $before)) (elem declare func $tick)
  (global $n (mut i32) (i32.const 0))
  (func $did (global.set $n (i32.add (global.get $n) (i32.const 1))))
  (func $before (param i32) (result i32) (call $did) (return_call $tick (global.get $n)))
  (func $looked_up (param i32) (result i32)
    (call $did) (return_call_indirect (type $unary) (global.get $n) (i32.const 0)))
  (func $hooked (param $left i32) (result i32) (call $did)
    (if (local.get $left) (then (return_call $hooked (i32.sub (local.get $left) (i32.const 1)))))
    (call $tick (global.get $n)))
  (func $plain (param i32) (result i32) (call $did) (call $tick (global.get $n)))
  (func $to_plain (param i32) (result i32) (call $did) (return_call $plain (i32.const 0)))"""


@pytest.mark.parametrize(
    ("call", "where"),
    [
        ("(call $before (i32.const 0))", "import:t.tick"),
        ("(call $looked_up (i32.const 0))", "import:t.tick"),
        ("(call_indirect (type $unary) (i32.const 0) (i32.const 1))", "import:t.tick"),
        ("(call $to_plain (i32.const 0))", "function:plain"),
        ("(call $hooked (i32.const 5))", "function:hooked#3"),
        ("(call $hooked (call $hooked (i32.const 1)))", "function:hooked#4"),
        ("(return_call $to_end)", "function:end"),
    ],
)
def test_what_ended_by_a_tail_call_is_never_done_twice(call: str, where: str) -> None:
    ends = call.startswith("(return")
    body = f'(func $end) (func $to_end (call $did) (return_call $end)) (func (export "_start") {"" if ends else "(drop"} {call})'
    binary = wasm(f"(module {IMPORT} {TAILS} {body}{'' if ends else ')'})")
    with pytest.raises(PauseRefused, match=r"by a tail call \(`return_call`\), or may have") as caught:
        build(binary, pause_at=where, preloads={"t": wasm(TICKER)}, cache=False)
    assert "_start" in str(caught.value.where)


@pytest.mark.parametrize(
    ("call", "where", "number"),
    [
        ("(call_indirect (type $unary) (i32.const 7) (i32.const 0))", "import:t.tick", 1),
        ("(call_ref $unary (i32.const 7) (ref.func $tick))", "import:t.tick", 1),
        ("(call $hooked (i32.const 5))", "function:hooked", 1),
        ("(call $hooked (call $hooked (i32.const 1)))", "function:hooked#3", 2),
        ("(call $to_plain (call $plain (i32.const 0)))", "import:t.tick#2", 2),
    ],
)
def test_tail_calls_that_are_not_on_the_way_to_the_pause_are_no_hindrance(call: str, where: str, number: int) -> None:
    binary = wasm(f'(module {IMPORT} {TAILS} (func (export "_start") (drop (call $tick {call}))))')
    output = build(binary, pause_at=where, preloads={"t": wasm(TICKER)}, cache=False).wasm
    assert trace(engine(), output, number - 1) == trace(engine(), binary)[number - 1 :]


REPLACES = """(type $unary (func (param i32) (result i32)))
  (table $table 2 funcref) (elem (i32.const 0) $replaces $tick) (elem declare func $tick $hooked)
  (global $n (mut i32) (i32.const 0))
  (func $hooked (param i32) (result i32) (call $tick (i32.add (local.get 0) (i32.const 40))))
  (func $replaces (param i32) (result i32)
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    {change} ({tail} {function} (i32.add (local.get 0) (i32.const 100))))
  (func (export "_start") (drop (call_indirect (type $unary) (i32.const 7) (i32.const 0))))"""


@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        "(table.set (i32.const 0) (ref.func {}))",
        "(table.copy (i32.const 0) (i32.const 1) (i32.const 1))",
        "(table.fill (i32.const 0) (ref.func {}) (i32.const 1))",
    ],
)
def test_a_tail_call_of_what_was_put_in_the_place_of_the_caller_is_never_done_twice(change: str, hooked: bool) -> None:
    function, where = ("$hooked", "function:hooked") if hooked else ("$tick", "import:t.tick")
    text = REPLACES.format(change=change.format(function), tail="return_call", function=function)
    with pytest.raises(PauseRefused, match=r"by a tail call \(`return_call`\), or may have"):
        build_text(f"(module {IMPORT} {text})", pause_at=where, preloads={"t": wasm(TICKER)})
    text = text.replace("return_call", "call")  # the caller is on the stack
    output = build_text(f"(module {IMPORT} {text})", pause_at=where, preloads={"t": wasm(TICKER)}).wasm
    assert trace(engine(), output) == trace(engine(), wasm(f"(module {IMPORT} {text})"))


def nested(loops: int, depth: int, size: int) -> bytes:
    """A program whose function `deep`, of some `size` bytes, calls itself in `loops` loops, `depth` times."""
    filler = "(local.set $n (local.get $n))" * (size // 4)
    call = "(if (local.get $n) (then (call $deep (i32.sub (local.get $n) (i32.const 1)))) (else (drop (call $tick (i32.const 1)))))"
    return wasm(f"""(module {IMPORT} (memory (export "memory") 1)
      (func $deep (param $n i32) {"(loop " * loops} {call} {filler} {")" * loops})
      (func (export "_start") (call $deep (i32.const {depth - 1})) (drop (call $tick (i32.const 2)))))""")


def test_what_is_left_of_a_deep_recursion_is_added_up_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    binary = nested(loops=1, depth=100, size=2_000)
    result = build(binary, pause_at="import:t.tick", preloads={"t": wasm(TICKER)}, cache=False)
    assert trace(engine(), result.wasm) == [1, 2, "returned"]
    assert result.report.pause
    added = sum(frame.continuation for frame in result.report.pause.frames)
    monkeypatch.setattr("preinit.passes.rewrite.frames.MOST_CODE", added)
    assert paused(binary, 1) == result.wasm
    monkeypatch.setattr("preinit.passes.rewrite.frames.MOST_CODE", added - 2_000)
    monkeypatch.setattr("preinit.passes.rewrite.frames._Continuation.function", None)  # nothing is made
    with pytest.raises(PauseRefused, match="what is left to do of 101 active functions takes") as e:
        paused(binary, 1)
    assert "This one is active 100 times, for " in e.value.what and e.value.where == "function 1 (`deep`)"


def test_many_loops_around_a_pause_make_no_function_that_engines_refuse() -> None:
    with pytest.raises(PauseRefused, match="engines take functions of at most 7,654,321") as caught:
        paused(nested(loops=200, depth=1, size=40_000), 1)
    assert caught.value.where == "function 1 (`deep`)"
