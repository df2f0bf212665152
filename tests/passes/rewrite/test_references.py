"""Tables, references and dropped segments: the output answers every call as the original does after its initializer."""

from __future__ import annotations

import pytest

from preinit import Options, errors
from preinit.binary.module import SectionId, parse
from preinit.binary.sections import Mode
from preinit.passes.rewrite.runs import MOST_SEGMENTS
from tests.support.instances import Running, instantiate
from tests.support.modules import build_text, text_of, wasm
from tests.support.shapes.references import ABC, SHAPES

INIT = '(export "preinit_initialize")'
V = "(type $v (func (result i32)))"


def answer(running: Running, name: str, arguments: tuple[int, ...]) -> list[bytes] | str:
    function_type = running.module.function_type(running.module.exported(name).target)  # type: ignore[union-attr]
    raw = [number.to_bytes(4, "little", signed=True) for number in arguments]
    try:
        return [bits[:4] for bits in running.call(name, *raw, results=len(function_type.results))]  # type: ignore[union-attr]
    except errors.GuestTrap as trap:
        return trap.what


@pytest.mark.parametrize("layout", ["balanced", "size"])
@pytest.mark.parametrize("name", SHAPES)
def test_the_output_answers_as_the_original_does(name: str, layout: str) -> None:
    text, calls = SHAPES[name]
    original = Running(wasm(text))
    original.initialize(Options())
    resumed = Running(build_text(text, layout=layout).wasm)
    assert resumed.state().tables == original.state().tables
    for call, *arguments in calls:
        assert answer(resumed, call, tuple(arguments)) == answer(original, call, tuple(arguments)), (call, arguments)


@pytest.mark.parametrize("name", SHAPES)
def test_the_output_can_be_built_again_with_the_same_answers(name: str) -> None:
    """What a second initializer finds is what the first one left."""
    text, calls = SHAPES[name]
    again = text.replace(f"(func {INIT}", f'(func (export "second")) (func {INIT}')
    first = build_text(again).wasm
    from preinit import build

    second = build(first, Options(cache=False, init_funcs=("second",))).wasm
    one, two = Running(first), Running(second)
    for call, *arguments in calls:
        assert answer(one, call, tuple(arguments)) == answer(two, call, tuple(arguments)), (call, arguments)


def test_a_table_that_did_not_change_keeps_its_segments() -> None:
    text = f"""(module {V} {ABC} (table $t 3 funcref) (table $u 3 funcref) (elem (table $t) (i32.const 0) func $a)
        (elem $kept (table $u) (i32.const 1) func $c $b) (func {INIT} (table.set $t (i32.const 2) (table.get $t (i32.const 0)))))"""
    output = parse(build_text(text).wasm)
    assert [(e.mode, e.table, e.length) for e in output.elements] == [
        (Mode.ACTIVE, 0, 0),
        (Mode.ACTIVE, 1, 2),
        (Mode.ACTIVE, 0, 1),
        (Mode.ACTIVE, 0, 1),
    ]


def test_dropped_segments_are_empty_and_keep_their_form() -> None:
    text, _ = SHAPES["segments_keep_their_index"]
    output = parse(build_text(text).wasm)
    assert [(e.mode, e.length) for e in output.elements][:6] == [
        (Mode.ACTIVE, 0),
        (Mode.PASSIVE, 0),
        (Mode.PASSIVE, 2),
        (Mode.ACTIVE, 2),
        (Mode.PASSIVE, 1),
        (Mode.DECLARATIVE, 1),
    ]


#: Every second entry of a table of that SIZE is set.
HOLES = f"""(module (table SIZE funcref) (func $f) (elem declare func $f)
    (func {INIT} (local i32) (loop (table.set (local.get 0) (ref.func $f))
        (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 2))) (i32.const SIZE)))))
    (func (export "null") (param i32) (result i32) (ref.is_null (table.get (local.get 0)))))"""


def test_a_table_with_more_holes_than_there_may_be_segments_still_makes_a_valid_module() -> None:
    output = parse(build_text(HOLES.replace("SIZE", "300000")).wasm)
    assert 1 < len(output.elements) <= MOST_SEGMENTS


def test_holes_are_null_and_entries_set_where_segments_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a lower limit: the engine takes many seconds to compile a module with 100,000 segments."""
    monkeypatch.setattr("preinit.passes.rewrite.segments.MOST_SEGMENTS", 100)
    output = build_text(HOLES.replace("SIZE", "300")).wasm
    assert 1 < len(parse(output).elements) <= 100
    store, exports = instantiate(output)
    assert [exports["null"](store, index) for index in range(300)] == [0, 1] * 150


def test_no_declaration_is_added_where_code_takes_no_reference() -> None:
    text = f"""(module {V} {ABC} (table 3 funcref) (elem (i32.const 0) $a $b $c)
        (func {INIT} (table.set (i32.const 0) (ref.null func))))"""
    assert "declare" not in text_of(build_text(text).wasm)


def test_an_element_section_is_made_where_there_was_none() -> None:
    text = f"(module (table 2 funcref) (func $f {INIT} (table.set (i32.const 1) (ref.func $f))))"
    output = parse(build_text(text).wasm)
    assert output.section(SectionId.ELEMENT)
    assert output.elements[0].functions == (0,)
