"""Exceptions that are never thrown: the baseline compiler, which has none, serves as long as that is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit import build, errors
from preinit.engine.runtime import has_winch
from tests.support.both_engines import INIT, SIZES, attempt, chunks_of, nothing_compiled_whole, same
from tests.support.instances import Running
from tests.support.modules import wasm

pytestmark = pytest.mark.skipif(not has_winch(), reason="the machine has no baseline compiler")

STATE = "(memory 1) (tag $e (param i32)) (tag $other) (global $g (mut i32) (i32.const 0))"
#: Code that handles exceptions, which `{call}` does not throw, and leaves 7.
HANDLED = {
    "by a tag": "(block $h (result i32) (try_table (catch $e $h) {call}) (i32.const 7))",
    "with a reference": "(block $h (result i32 exnref) (try_table (catch_ref $e $h) {call}) (i32.const 7) (ref.null exn)) drop",
    "all": "(block $h (try_table (catch_all $h) {call} (local.set $n (i32.const 7)))) (local.get $n)",
    "all, and throws them again": """(block $o (result i32) (local.set $x (block $h (result exnref)
        (try_table (catch_all_ref $h) {call} (br $o (i32.const 7))) unreachable)) (throw_ref (local.get $x)))""",
    "with a result": "(block $h (try_table (result i32) (catch_all $h) {call} (i32.const 7)) (local.set $n)) (local.get $n)",
    "with several results": """(block $h (try_table (result i32 i32) (catch_all $h) {call} (i32.const 3) (i32.const 4))
        i32.add (local.set $n)) (local.get $n)""",
    "with parameters": """(block $h (result i32) (i32.const 5) (try_table (param i32) (result i32) (catch $e $h) {call}
        (i32.add (i32.const 2))))""",
    "and chooses among references": """(block $h (try_table (catch_all $h) {call} (drop (select (result exnref) (ref.null exn)
        (local.get $x) (i32.const 1))) (local.set $n (i32.add (i32.const 6) (ref.is_null (local.get $x)))))) (local.get $n)""",
    "in a loop": """(loop $l (block $h (try_table (catch_all $h) {call}
        (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $l (i32.lt_u (local.get $n) (i32.const 7)))))) (local.get $n)""",
}  # fmt: skip


def handling(code: str, thrown: str = "", more: str = "") -> str:
    """A module that stores what `code` leaves. `thrown`: what the function does that `code` calls."""
    return f"""(module {STATE} {more} (func $called (i32.store (i32.const 8) (i32.const 1)) {thrown})
        (func $handles (result i32) (local $n i32) (local $x exnref) {code.format(call="(call $called)")})
        (func {INIT} (global.set $g (call $handles))))"""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", HANDLED)
def test_code_that_handles_exceptions_is_compiled_by_the_baseline_compiler(name: str, size: int) -> None:
    with chunks_of(size), nothing_compiled_whole():
        found = attempt(handling(HANDLED[name]), engine="ondemand")
    assert found.report, found.error
    assert (found.report.engine.name, found.report.engine.compiler) == ("ondemand", "winch")
    assert found.wasm == attempt(handling(HANDLED[name]), engine="whole").wasm
    assert Running(found.wasm).state().globals[0] == (7).to_bytes(4, "little")


#: Code that holds references to exceptions, and neither handles nor throws one; it leaves 7.
HOLDING = {
    "a variable": "(local $x exnref) (i32.add (i32.const 6) (ref.is_null (local.get $x)))",
    "a null": "(drop (ref.null exn)) (i32.const 7)",
    "a block": "(i32.add (i32.const 6) (ref.is_null (block (result exnref) (ref.null exn))))",
    "a block that takes one": "(ref.null exn) (block (param exnref) (result i32) drop (i32.const 7))",
    "a choice": """(i32.add (i32.const 6)
        (ref.is_null (select (result exnref) (ref.null exn) (ref.null exn) (i32.const 1))))""",
}


#: Calls `$holds`, and leaves what that leaves.
CALLS = "(block $h (result i32) (try_table (result i32) (catch $e $h) (call $holds)))"


@pytest.mark.parametrize("name", HOLDING)
def test_code_that_only_holds_exceptions_is_compiled_by_the_baseline_compiler(name: str) -> None:
    text = handling(CALLS, more=f"(func $holds (result i32) {HOLDING[name]})")
    with nothing_compiled_whole():
        found = attempt(text, engine="ondemand")
    assert found.report, found.error
    assert found.report.engine.compiler == "winch"
    assert found.wasm == attempt(text, engine="whole").wasm
    assert Running(found.wasm).state().globals[0] == (7).to_bytes(4, "little")


def test_a_function_of_another_type_is_no_function_that_gives_an_exception() -> None:
    more = """(type $gives (func (result exnref))) (type $other (func (result funcref))) (table 1 funcref)
        (elem (i32.const 0) $one) (func $one (type $other) (ref.null func))
        (func $holds (result i32) (drop (call_indirect (type $gives) (i32.const 0))) (i32.const 7))"""
    found = same(handling(CALLS, more=more))
    assert isinstance(found.error, errors.GuestTrap)


@pytest.mark.parametrize("thrown", ["(throw $e (i32.const 1))", "(throw $other)", "(throw_ref (ref.null exn))"])
@pytest.mark.parametrize("name", HANDLED)
def test_where_one_is_thrown_another_compiler_has_its_turn(name: str, thrown: str) -> None:
    found = same(handling(HANDLED[name], thrown))
    if found.report:
        assert (found.report.engine.name, found.report.engine.compiler) == ("ondemand", "cranelift")


def test_the_next_build_knows_that_one_is_thrown(tmp_path: Path) -> None:
    text = handling(HANDLED["by a tag"], "(throw $e (i32.const 9))")
    notes: list[str] = []
    for _ in range(2):
        notes.append("")
        build(
            wasm(text), engine="ondemand", cache_dir=str(tmp_path / "cache"), accept=("nothing-exported",),
            progress=lambda event: notes.append(event.said) if event.kind == "note" else None,
        )  # fmt: skip
    first, second = "\n".join(notes).split("\n\n")
    assert "starting again, on demand, compiler cranelift" in first
    assert "starting again" not in second


OTHERWISE = {
    "a tag that is exported": '(export "t" (tag $e))',
    "a function that takes an exception": "(func (param exnref))",
    "a table of exceptions": "(table 1 exnref)",
    "a global that can hold one": "(global (mut exnref) (ref.null exn))",
    "a null of exceptions alone": "(func (result (ref null exn)) (ref.null exn))",
}


@pytest.mark.parametrize("more", OTHERWISE.values(), ids=list(OTHERWISE))
def test_exceptions_that_others_see_are_left_as_they_are(more: str) -> None:
    found = same(handling(HANDLED["all"], more=more))
    assert found.report
    assert found.report.engine.compiler == "cranelift"


@pytest.mark.parametrize("where", ["(block $h (try_table (catch_all $h) (call $called))) unreachable", "unreachable"])
def test_an_error_behind_a_handler_has_the_offset_of_the_input(where: str) -> None:
    code = f"(block $a (try_table (catch_all $a) (call $called))) (i32.const 0) {where}"
    found = same(handling(code))
    assert isinstance(found.error, errors.GuestTrap)
    assert found.frames[0].name == "handles"


def test_what_an_earlier_build_compiled_without_exceptions_serves_the_next(tmp_path: Path) -> None:
    text = handling(HANDLED["all, and throws them again"])
    built = [attempt(text, engine="ondemand", cache_dir=str(tmp_path / "cache")) for _ in range(2)]
    assert built[0].wasm == built[1].wasm
    reports = [found.report for found in built if found.report]
    assert [report.engine.compiler for report in reports] == ["winch", "winch"]
    assert reports[1].engine.chunks_from_cache == reports[1].engine.chunks > 0
