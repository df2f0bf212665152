"""Preloaded modules that import what the guest exports: its memory, functions, globals and tables."""

from __future__ import annotations

import pytest

from preinit import errors
from preinit.verification import verify
from tests.support.instances import Running
from tests.support.modules import build_text, wasm

ENGINES = pytest.mark.parametrize("engine", ["whole", "ondemand"])

#: Asks for a greeting in its memory, of a length that it counts; then for a call of the second entry of its table.
ASKS = """(module
  (import "env" "greet" (func $greet (param i32) (result i32)))
  (import "env" "invoke" (func $invoke (param i32 i32) (result i32)))
  (import "env" "bump" (func $bump))
  (type $unary (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (table (export "table") 3 funcref) (elem (i32.const 1) $double)
  (global $count (export "count") (mut i32) (i32.const 5))
  (func $double (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "answer") (result i32) (call $greet (i32.const 200)))
  (func $set_up (export "preinit_initialize")
    (i32.store (i32.const 100) (call $greet (i32.const 64)))
    (i32.store (i32.const 104) (call $invoke (i32.const 1) (i32.const 21)))
    (call $bump) (call $bump)))"""

SERVES = """(module
  (import "guest" "memory" (memory 1)) (import "guest" "double" (func $double (param i32) (result i32)))
  (import "guest" "table" (table 1 funcref)) (import "guest" "count" (global $count (mut i32)))
  (type $unary (func (param i32) (result i32)))
  (func (export "greet") (param i32) (result i32)
    (i32.store (local.get 0) (i32.const 0x6c6c6548)) (i32.store8 offset=4 (local.get 0) (i32.const 33))
    (call $double (i32.const 4)))
  (func (export "invoke") (param i32 i32) (result i32)
    (table.set (i32.const 2) (ref.func $double))
    (call_indirect (type $unary) (local.get 1) (local.get 0)))
  (func (export "bump") (global.set $count (i32.add (global.get $count) (call $double (i32.const 1)))))
  (elem declare func $double))"""


@ENGINES
def test_a_preloaded_module_reads_and_changes_what_the_guest_exports(engine: str) -> None:
    result = build_text(ASKS, engine=engine, preloads={"env": wasm(SERVES)})
    state = Running(result.wasm).state()
    memory = state.memories[0]
    assert memory[64:69] == b"Hell!"
    assert memory[100:108] == (8).to_bytes(4, "little") + (42).to_bytes(4, "little")
    assert int.from_bytes(state.globals[0], "little") == 9
    assert state.tables[0][1] == state.tables[0][2] != "null"
    assert result.report.host.calls == {"env.greet": 1, "env.invoke": 1, "env.bump": 2}
    assert [frame.name for frame in result.report.host.first_calls["env.bump"]] == ["set_up"]
    assert [warning.code for warning in result.report.warnings] == []


def test_both_engines_write_the_same() -> None:
    outputs = {build_text(ASKS, engine=engine, preloads={"env": wasm(SERVES)}).wasm for engine in ("whole", "ondemand")}
    assert len(outputs) == 1


@ENGINES
def test_an_output_is_verified_and_its_exports_called_with_such_a_module(engine: str) -> None:
    preloads = {"env": wasm(SERVES)}
    result = build_text(ASKS, engine=engine, preloads=preloads, audit=True)
    assert result.report.audit == ()
    facts = verify(
        wasm(ASKS), result.wasm, preloads=preloads, engine=engine, cache=False, calls=["answer", "double(4)"]
    )
    assert [(call.call, call.outcome) for call in facts.calls] == [("answer", "returned"), ("double(4)", "returned")]
    wrong = {"env": wasm(SERVES.replace("(call $double (i32.const 4))", "(i32.const 9)"))}
    with pytest.raises(errors.Mismatch):
        verify(wasm(ASKS), result.wasm, preloads=wrong, engine=engine, cache=False)


@ENGINES
def test_a_module_may_need_the_guest_through_another_one(engine: str) -> None:
    inner = '(module (import "guest" "memory" (memory 1)) (func (export "read") (result i32) (i32.load (i32.const 8))))'
    outer = '(module (import "inner" "read" (func $r (result i32))) (func (export "f") (result i32) (call $r)))'
    text = """(module (import "outer" "f" (func $f (result i32))) (memory (export "memory") 1)
      (data (i32.const 8) "\\2a") (func (export "preinit_initialize") (i32.store (i32.const 12) (call $f))))"""
    result = build_text(text, engine=engine, preloads={"inner": wasm(inner), "outer": wasm(outer)})
    assert Running(result.wasm).state().memories[0][12] == 42


@ENGINES
def test_the_guest_s_start_function_may_call_it(engine: str) -> None:
    text = """(module (import "env" "f" (func $f)) (memory (export "memory") 1) (start $f)
      (func (export "preinit_initialize")))"""
    serves = '(module (import "guest" "memory" (memory 1)) (func (export "f") (i32.store (i32.const 8) (i32.const 7))))'
    result = build_text(text, engine=engine, preloads={"env": wasm(serves)})
    assert b"\x07" in result.wasm
    assert Running(result.wasm, preloads={"env": wasm('(module (func (export "f")))')}).state().memories[0][8] == 7


@ENGINES
def test_a_trap_below_it_shows_the_frames_of_the_guest(engine: str) -> None:
    text = """(module (import "env" "f" (func $f)) (func $inner (export "crash") unreachable)
      (func $outer (export "preinit_initialize") (call $f)))"""
    serves = wasm('(module (import "guest" "crash" (func $c)) (func (export "f") (call $c)))')
    with pytest.raises(errors.GuestTrap) as caught:
        build_text(text, engine=engine, preloads={"env": serves})
    assert [frame.name for frame in caught.value.frames] == ["inner", "outer"]


def test_its_own_state_is_warned_of_and_the_guest_s_is_not() -> None:
    text = '(module (import "env" "f" (func $f)) (memory (export "memory") 1) (func (export "preinit_initialize") (call $f)))'
    own = '(module (import "guest" "memory" (memory $m 1)) (global $n (mut i32) (i32.const 0)) (func (export "f")))'
    result = build_text(text, preloads={"env": wasm(own)})
    assert [warning.code for warning in result.report.warnings] == ["preload-state"]
    assert "mutable global 0" in result.report.warnings[0].message
    assert "memory" not in result.report.warnings[0].message.split("(")[1]


CALLS = '(module (import "env" "f" (func $f)) {} (func (export "preinit_initialize") (call $f)))'


@pytest.mark.parametrize(
    ("guest", "serves", "said", "hint"),
    [
        ('(memory (export "mem") 1)', '(import "guest" "memory" (memory 1))', "exports nothing of that name", "'mem'"),
        (
            '(func (export "g") (param i32))',
            '(import "guest" "g" (func))',
            r"as a function of type \(\) -> \(\), and the guest exports a function of type \(i32\)",
            "type that the guest",
        ),
        ('(memory (export "m") 1)', '(import "guest" "m" (memory i64 1))', "a memory of 64 bits", "type that"),
        (
            '(global (export "g") i32 (i32.const 1))',
            '(import "guest" "g" (global (mut i32)))',
            "a mutable",
            "type that",
        ),
        (
            '(memory (export "m") 1)',
            '(import "guest" "m" (memory 2))',
            "at least 2 pages, and it begins with 1",
            "limits",
        ),
        (
            '(memory (export "m") 1)',
            '(import "guest" "m" (memory 1 1))',
            "at most 1 page, and it may have any",
            "limits",
        ),
        ('(memory (export "m") 1 9)', '(import "guest" "m" (memory 1 8))', "may have 9 pages", "no maximum"),
        ('(table (export "t") 1 funcref)', '(import "guest" "t" (table 2 funcref))', "at least 2 elements", "limits"),
        ('(memory (export "m") 1 2 shared)', '(import "guest" "m" (memory 1 2 shared))', "can't be lent", "preloaded"),
        (
            '(memory (export "m") 1)',
            '(import "guest" "m" (memory 1)) (data (i32.const 0) "a")',
            "active data segments",
            "in a function",
        ),
        (
            '(table (export "t") 1 funcref)',
            '(import "guest" "t" (table 1 funcref)) (func $e) (elem (i32.const 0) $e)',
            "active element segments",
            "in a function",
        ),
        ('(func (export "g"))', '(import "guest" "g" (func $g)) (start $g)', "has a start function", "in a function"),
        (
            '(import "env" "m" (memory 1)) (func (export "g"))',
            '(import "guest" "g" (func)) (memory (export "m") 1)',
            "imports a memory from it: neither can be made before the other",
            "preload that before",
        ),
        ("", '(import "other" "g" (func))', "which no earlier one exports", "imported from `guest`"),
        ('(func (export "g"))', '(import "guest" "g" (func)) (memory 1) (data (i32.const 65536) "a")', "fit", None),
    ],
)
def test_what_can_not_be_lent_is_refused(guest: str, serves: str, said: str, hint: str | None) -> None:
    module = f'(module {serves} (func (export "f")))'
    with pytest.raises(errors.PreinitError, match=said) as caught:
        build_text(CALLS.format(guest), preloads={"env": wasm(module)})
    assert "'env'" in f"{caught.value.what} {caught.value.where}" or "env.m" in (caught.value.where or "")
    assert hint is None or hint in (caught.value.hint or "")


def test_a_function_of_the_module_itself_can_not_stay_in_the_guest_s_table() -> None:
    text = CALLS.format('(table (export "t") 1 funcref)')
    serves = """(module (import "guest" "t" (table 1 funcref)) (func $own) (elem declare func $own)
      (func (export "f") (table.set (i32.const 0) (ref.func $own))))"""
    for engine in ("whole", "ondemand"):
        with pytest.raises(errors.UnsupportedState, match="another module"):
            build_text(text, engine=engine, preloads={"env": wasm(serves)})


def test_a_function_that_the_guest_imports_may_stay_there() -> None:
    text = CALLS.format('(table (export "t") 1 funcref)')
    serves = """(module (import "guest" "t" (table 1 funcref)) (elem declare func $f)
      (func $f (export "f") (table.set (i32.const 0) (ref.func $f))))"""
    outputs = {build_text(text, engine=engine, preloads={"env": wasm(serves)}).wasm for engine in ("whole", "ondemand")}
    (output,) = outputs
    assert Running(output).state().tables[0] != ("null",)


def test_a_preloaded_module_named_guest_is_meant_by_that_name() -> None:
    text = '(module (import "env" "f" (func $f (result i32))) (memory (export "memory") 1)' + (
        '(func (export "preinit_initialize") (i32.store (i32.const 8) (call $f))))'
    )
    named = wasm('(module (func (export "g") (result i32) (i32.const 77)))')
    serves = wasm('(module (import "guest" "g" (func $g (result i32))) (func (export "f") (result i32) (call $g)))')
    result = build_text(text, preloads=(("guest", named), ("env", serves)))
    assert Running(result.wasm).state().memories[0][8] == 77
