"""What the engine would refuse is refused before it is compiled: compiling takes a hundred times as long."""

from __future__ import annotations

import pytest

from preinit import build, errors
from preinit.engine.ondemand.suitability import WORTHWHILE
from preinit.passes.observer import Event
from tests.support.both_engines import INIT
from tests.support.modules import wasm

OLD_EXCEPTIONS = "(func $old try catch_all end)"
GO = '(func (export "go"))'
#: So much code that compiling it takes much longer than validating it.
LARGE = f"(func $large {'nop ' * WORTHWHILE})"


@pytest.mark.parametrize(
    "things",
    [
        f"(memory 1) {OLD_EXCEPTIONS}",
        f"(type $object (struct)) {OLD_EXCEPTIONS}",
        f'(memory 1) (data $passive "x") (func (data.drop $passive)) {OLD_EXCEPTIONS}',
        "(memory 1) (func (result i32) (i64.const 1))",
    ],
)
@pytest.mark.parametrize("compiler", ["auto", "cranelift"])
def test_what_validation_can_tell_is_told_before_a_module_is_compiled_as_a_whole(things: str, compiler: str) -> None:
    events: list[Event] = []
    with pytest.raises((errors.UnsupportedProposal, errors.InvalidModule)) as caught:
        build(
            wasm(f"(module {things} {LARGE} (func {INIT}) {GO})"),
            progress=events.append, cache=False, engine="whole", compiler=compiler,
        )  # fmt: skip
    assert "byte offset" in (caught.value.where or "")
    assert "compile" not in [event.said for event in events]


@pytest.mark.parametrize("things", [OLD_EXCEPTIONS, "(func (result i32) (i64.const 1))"])
def test_a_small_module_is_validated_once_and_refused_in_the_same_words(things: str) -> None:
    events: list[Event] = []
    said = []
    for large in ("", LARGE):
        with pytest.raises((errors.UnsupportedProposal, errors.InvalidModule)) as caught:
            build(
                wasm(f"(module (memory 1) {things} (func {INIT}) {large} {GO})"),
                progress=events.append, cache=False, engine="whole",
            )  # fmt: skip
        said.append((type(caught.value), caught.value.what.split(" (")[0]))
        assert ("check" in [event.said for event in events]) == bool(large)
    assert said[0] == said[1]


def test_of_a_module_with_exceptions_nothing_runs_on_demand_before_it_was_validated() -> None:
    events: list[Event] = []
    with pytest.raises(errors.UnsupportedProposal) as caught:
        build(
            wasm(f"(module (memory 1) (tag $thrown) {OLD_EXCEPTIONS} (func {INIT}) {GO})"),
            progress=events.append, cache=False, engine="ondemand",
        )  # fmt: skip
    assert "legacy exception handling" in caught.value.what
    assert "instantiate" not in [event.said for event in events]


@pytest.mark.parametrize("things", [OLD_EXCEPTIONS, "(func (result i32) (i64.const 1))"])
@pytest.mark.parametrize("does", ["", "unreachable"])
def test_a_large_module_with_exceptions_is_validated_before_it_runs(things: str, does: str) -> None:
    events: list[Event] = []
    with pytest.raises((errors.UnsupportedProposal, errors.InvalidModule)) as caught:
        build(
            wasm(f"(module (memory (export \"m\") 1) (tag $thrown) {things} (func {INIT} {does}) {LARGE})"),
            progress=events.append, cache=False, engine="ondemand",
        )  # fmt: skip
    assert "byte offset" in (caught.value.where or "")
    assert "instantiate" not in [event.said for event in events]


def test_on_demand_a_valid_module_is_not_validated_before_it_runs() -> None:
    events: list[Event] = []
    result = build(
        wasm(f"(module (memory 1) (func {INIT} (i32.store8 (i32.const 1) (i32.const 1))) {GO})"),
        progress=events.append, cache=False, engine="ondemand",
    )  # fmt: skip
    assert result.report.engine.name == "ondemand"
    assert "check" not in [event.said for event in events]


@pytest.mark.parametrize("tag", ["(tag $thrown)", '(import "host" "thrown" (tag))'])
@pytest.mark.parametrize("engine", ["auto", "whole", "ondemand"])
def test_of_a_large_module_old_exceptions_are_refused_whatever_else_goes_on_meanwhile(tag: str, engine: str) -> None:
    events: list[Event] = []
    with pytest.raises(errors.UnsupportedProposal, match="legacy exception handling"):
        build(
            wasm(f"(module {tag} (memory 1) {LARGE} {OLD_EXCEPTIONS} (func {INIT}) {GO})"),
            progress=events.append, cache=False, engine=engine,
        )  # fmt: skip
    said = [event.said for event in events]
    assert "rewrite" not in said
    assert "compile" not in said or engine != "whole"


@pytest.mark.parametrize("wrong", ["", "(func (result i32) (i64.const 1))"])
def test_a_large_module_with_tags_that_has_no_old_exceptions_is_built_or_refused_as_ever(wrong: str) -> None:
    text = f"(module (tag $thrown) (memory 1) {LARGE} {wrong} (func {INIT}) {GO})"
    if not wrong:
        assert build(wasm(text), cache=False).wasm
        return
    with pytest.raises(errors.InvalidModule, match="type mismatch"):
        build(wasm(text), cache=False)
    with pytest.raises(errors.NoInitializer):
        build(wasm(text.replace(INIT, "")), cache=False)
