"""Components: the state of their core instances, and what calls of both return and print."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit import Host, errors, verify
from scripts.component_shapes import initializer
from tests.support.command import run
from tests.support.components import build_component
from tests.support.modules import text_of, wasm
from tests.support.places import FIXTURES

WORDS = (FIXTURES / "component.wat").read_text()
SHAPES = sorted((FIXTURES / "shapes/components").glob("*.wat"))
LEARN = 'learn(["ab", "c"])'


@pytest.mark.parametrize("path", SHAPES, ids=lambda path: path.stem)
def test_outputs_of_all_shapes_are_what_their_inputs_are(path: Path) -> None:
    text = path.read_text()
    call, _ = initializer(text)
    output = build_component(text, call, host=Host(quiet_guest=True)).wasm
    facts = verify(wasm(text), output, init_funcs=[call], calls=["check0", "check0"])
    assert facts.runs == ("wizer-initialize",)
    assert [one.outcome for one in facts.calls] == ["returned", "returned"]


def test_what_was_compared_is_said() -> None:
    facts = verify(wasm(WORDS), build_component(WORDS, LEARN).wasm, init_funcs=[LEARN], calls=["say"])
    assert facts.compared.memories == (65536,)
    assert (facts.compared.globals, facts.compared.exports, facts.compared.functions) == (2, 1, 4)
    assert facts.calls[0].detail == '"abc"'


def test_another_initializer_is_told_with_the_place_in_memory() -> None:
    output = build_component(WORDS, LEARN).wasm
    with pytest.raises(errors.Mismatch, match="of memory 0 of core instance 0"):
        verify(wasm(WORDS), output, init_funcs=['learn(["ab", "d"])'])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("i32.const 1000", "i32.const 1001"), "core instance 0"),
        (('(export (;3;) "get"', '(export (;3;) "other"'), "export 'get'"),
    ],
)
def test_another_component_is_told(change: tuple[str, str], said: str) -> None:
    text = """(component (core module $M (global $g (mut i32) (i32.const 0))
        (func (export "run") (global.set $g (i32.const 4)))
        (func (export "get") (result i32) (i32.add (global.get $g) (i32.const 1000))))
      (core instance $m (instantiate $M))
      (func (export "run") (canon lift (core func $m "run")))
      (func (export "get") (result u32) (canon lift (core func $m "get"))))"""
    printed = text_of(build_component(text, "run").wasm)
    changed = printed.replace(*change)
    assert changed != printed
    with pytest.raises(errors.Mismatch, match=said):
        verify(wasm(text), wasm(changed), init_funcs=["run"])


def test_another_entry_of_a_table_is_told_with_what_it_is() -> None:
    text = """(component (core module $M (table $t 3 funcref) (func $f) (elem declare func $f)
        (func (export "run") (param i32) (table.set $t (local.get 0) (ref.func $f))))
      (core instance $m (instantiate $M))
      (core module $N (import "m" "run" (func $run (param i32))) (func (export "run") (param i32) (call $run (local.get 0))))
      (core instance $n (instantiate $N (with "m" (instance $m))))
      (func (export "run") (param "n" u32) (canon lift (core func $n "run"))))"""
    output = build_component(text, "run(1)").wasm
    verify(wasm(text), output, init_funcs=["run(1)"])
    with pytest.raises(errors.Mismatch) as caught:
        verify(wasm(text), output, init_funcs=["run(2)"])
    first = caught.value.differences[0]
    assert (first.place, first.expected) == ("table 0 of core instance 0, element 1", "null")
    assert first.found == "function 0 of core instance 0"


def test_the_command_builds_and_verifies(tmp_path: Path) -> None:
    source, output = FIXTURES / "component.wat", tmp_path / "out.wasm"
    done = run("build", source, "-f", LEARN, "--verify", "-o", output, code=0)
    assert b"the output is what the input is after learn" in done.stderr
    assert b"1 returned" in run("verify", source, output, "-f", LEARN, "--call", "say", code=0).stdout
    assert b"1 returned" in run("verify", source, output, "-f", LEARN, "--call-all", code=0).stdout
    assert b"the output" in run("verify", source, output, "-f", LEARN, "--call", "nothing", code=1).stderr


#: A function with a parameter of nearly every kind, and others that can't be called with values; `%s`: what is returned.
VARIED = """(component
  (import "r" (type $r (sub resource)))
  (core module $M (memory (export "m") 2) (global $at (mut i32) (i32.const 1024)) (global $h (mut i32) (i32.const 0))
    (global $k i32 (i32.const 3))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $at (i32.add (global.get $at) (i32.add (local.get 3) (i32.const 8))))
      (i32.and (i32.sub (global.get $at) (local.get 3)) (i32.const -8)))
    (func (export "run") (global.set $h (i32.const 5))) (func (export "take") (param i32))
    (func (export "f") (param i32 i64 f32 f64 i32 i32 i32 i32 i32 i32 i32 i64 i32) (result i32) %s))
  (core instance $m (instantiate $M))
  (type $e' (enum "red" "green" "inf")) (export $e "e" (type $e'))
  (type $f' (flags "a" "b" "c")) (export $fl "fl" (type $f'))
  (func (export "run") (canon lift (core func $m "run")))
  (func (export "take") (param "r" (own $r)) (canon lift (core func $m "take")))
  (func (export "f") (param "a" s8) (param "b" u64) (param "c" f32) (param "d" f64) (param "e" string)
    (param "l" (list (tuple char bool))) (param "en" $e) (param "flags" $fl) (param "o" (option u64)) (param "r" bool)
    (result u32)
    (canon lift (core func $m "f") (memory (core memory $m "m")) (realloc (core func $m "realloc")))))"""


def test_all_functions_are_called_with_values_of_their_types() -> None:
    text = VARIED % "(i32.add (global.get $h) (local.get 5))"
    output = build_component(text, "run").wasm
    found = verify(wasm(text), output, init_funcs=["run"], call_all=True)
    assert {call.outcome for call in found.calls} == {"returned"}
    assert len({call.call for call in found.calls}) == len(found.calls) == 6
    assert all(call.call.startswith("f(") for call in found.calls)
    assert found.calls == verify(wasm(text), output, init_funcs=["run"], call_all=True).calls
    other = verify(wasm(text), output, init_funcs=["run"], call_all=True, seed=1).calls
    assert [call.call for call in other[:3]] == [call.call for call in found.calls[:3]]
    assert other != found.calls


def test_a_call_of_all_that_answers_otherwise_is_found() -> None:
    text = VARIED % "(i32.add (global.get $k) (local.get 0))"  # a number that never changes is not compared as state
    output = build_component(text, "run").wasm
    wrong = output.replace(b"\x7f\x00\x41\x03\x0b", b"\x7f\x00\x41\x04\x0b")
    assert wrong != output
    assert verify(wasm(text), wrong, init_funcs=["run"])
    with pytest.raises(errors.Mismatch, match=r"call of f\("):
        verify(wasm(text), wrong, init_funcs=["run"], call_all=True)


def test_long_results_are_compared_to_their_end() -> None:
    text = """(component
      (core module $M (memory (export "m") 1) (global $last i32 (i32.const 77)) (global $g (mut i32) (i32.const 0))
        (func (export "run") (global.set $g (i32.const 500)))
        (func (export "get") (result i32) (i32.store8 (i32.const 1000) (global.get $last))
          (i32.store (i32.const 0) (global.get $g)) (i32.store (i32.const 4) (i32.const 501)) (i32.const 0)))
      (core instance $m (instantiate $M))
      (func (export "run") (canon lift (core func $m "run")))
      (func (export "get") (result (list u8)) (canon lift (core func $m "get") (memory (core memory $m "m")))))"""
    output = build_component(text, "run").wasm
    assert verify(wasm(text), output, init_funcs=["run"], calls=["get"]).calls[0].outcome == "returned"
    with pytest.raises(errors.Mismatch, match="SHA-256 of what it returns"):
        verify(wasm(text.replace("77", "76")), output, init_funcs=["run"], calls=["get"])
