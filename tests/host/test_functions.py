"""Imports that Python functions provide: their types, the guest that they see, and what is said of them."""

from __future__ import annotations

import pytest

from preinit import Guest, Host, build
from preinit.errors import GuestTrap, Misfit, UnknownExport, UsageError
from preinit.verification import verify
from tests.support.instances import Running
from tests.support.modules import wasm

TEXT = """(module
  (import "env" "log" (func $log (param i32 i32)))
  (import "env" "mix" (func $mix (param i32 i64 f32 f64) (result f64)))
  (import "env" "small" (func $small (param f32) (result f32)))
  (import "env" "wide" (func $wide (param i64) (result i64)))
  (memory (export "memory") 1) (data (i32.const 64) "hello\\00")
  (global $sum (export "sum") (mut f64) (f64.const 0))
  (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "crash") unreachable)
  (func (export "preinit_initialize")
    (call $log (i32.const 64) (i32.const 5))
    (global.set $sum (call $mix (i32.const -1) (i64.const -5000000000) (f32.const 0.5) (f64.const 0.25)))
    (if (f32.ne (call $small (f32.const 1.5)) (f32.const 3)) (then (unreachable)))
    (if (i64.ne (call $wide (i64.const -1)) (i64.const -2)) (then (unreachable)))))"""


def functions(seen: list[object]) -> dict[str, object]:
    def log(guest: Guest, address: int, size: int) -> None:
        seen.append((guest.read(address, size), guest.text(address), guest.call("double", 21)))
        guest.write(address, b"H")

    def mix(guest: Guest, a: int, b: int, c: float, d: float) -> float:
        seen.append((a, b, c, d))
        return 0.125

    return {
        "env.log": log,
        "env.mix": mix,
        "env.small": lambda guest, number: number * 2,
        "env.wide": lambda guest, number: number * 2,
    }


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_functions_take_and_return_numbers_and_see_the_guest(engine: str) -> None:
    seen: list[object] = []
    result = build(wasm(TEXT), functions=functions(seen), engine=engine, cache=False)  # type: ignore[arg-type]
    assert seen == [(b"hello", "hello", (42,)), (-1, -5_000_000_000, 0.5, 0.25)]
    assert b"Hello" in result.wasm
    assert {name: result.report.host.calls[name] for name in ("env.log", "env.mix")} == {"env.log": 1, "env.mix": 1}
    assert result.report.host.functions == ("env.log", "env.mix", "env.small", "env.wide")
    assert [warning.code for warning in result.report.warnings] == ["host-function"]


def test_the_report_has_their_names_and_a_build_can_be_verified_with_them() -> None:
    given = functions([])
    result = build(wasm(TEXT), functions=given, cache=False)  # type: ignore[arg-type]
    assert result.report.options["host"]["functions"] == sorted(given)
    with pytest.raises(UsageError, match="other Python functions"):
        verify(wasm(TEXT), result.wasm, report=result.report)


def with_log(log: object) -> None:
    text = """(module (import "env" "log" (func $log (result i32))) (memory (export "memory") 1)
      (func (export "crash") unreachable) (func (export "many") (param i64))
      (func (export "preinit_initialize") (drop (call $log))))"""
    build(wasm(text), functions={"env.log": log}, cache=False)  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("log", "error", "said"),
    [
        (lambda guest: guest.read(65_536, 1), GuestTrap, "asked for 1 byte at 0x10000"),
        (lambda guest: guest.read(-1, 1), GuestTrap, "asked for 1 byte at -0x1"),
        (lambda guest: guest.read(0, -1), GuestTrap, "asked for -1 bytes"),
        (lambda guest: guest.write(65_535, b"ab"), GuestTrap, "asked for 2 bytes at 0xffff"),
        (lambda guest: guest.text(70_000), GuestTrap, "asked for 1 byte at 0x11170"),
        (lambda guest: guest.call("nowhere"), UnknownExport, "no function 'nowhere'"),
        (lambda guest: guest.call("memory"), UnknownExport, "no function 'memory'"),
        (lambda guest: guest.call("many"), UsageError, "takes 1 argument, 0 were given"),
        (lambda guest: guest.call("many", 1 << 63), UsageError if False else None, ""),
        (lambda guest: guest.call("many", 1 << 64), UsageError, "not a number of type i64"),
        (lambda guest: guest.call("many", 0.5), UsageError, "not a number of type i64"),
        (lambda guest: guest.call("crash"), GuestTrap, "unreachable"),
        (lambda guest: None, UsageError, "returned NoneType, and the import returns i32"),
        (lambda guest: 1 << 32, UsageError, "not a number of type i32"),
        (lambda guest: 1 / 0, ZeroDivisionError, "division"),
    ],
)
def test_what_goes_wrong_in_a_function_ends_the_build(log: object, error: type[Exception] | None, said: str) -> None:
    if error is None:
        with pytest.raises(UsageError, match="returned tuple"):  # the call went well
            with_log(log)
        return
    with pytest.raises(error) as caught:
        with_log(log)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"env.nothing": print}, Misfit, "imports no function 'env.nothing'"),
        ({"env.list": print}, Misfit, "which a Python function can't have"),
        ({"env.log": 3}, UsageError, "a mapping of functions"),
        ([("env.log", print), ("env.log", print)], UsageError, "two functions are given for one import"),
    ],
)
def test_functions_that_fit_no_import_are_refused(given: object, error: type[Exception], said: str) -> None:
    text = """(module (import "env" "log" (func)) (import "env" "list" (func (result i32 i32)))
      (func (export "preinit_initialize")))"""
    with pytest.raises(error) as caught:
        build(wasm(text), host=Host(functions=given), cache=False)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_a_function_may_stand_in_for_one_of_wasi() -> None:
    text = """(module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "preinit_initialize") (drop (call $random (i32.const 8) (i32.const 4)))))"""

    def chosen(guest: Guest, address: int, size: int) -> int:
        guest.write(address, b"4" * size)
        return 0

    result = build(wasm(text), functions={"wasi_snapshot_preview1.random_get": chosen}, cache=False)
    assert Running(result.wasm).state().memories[0][8:12] == b"4444"
