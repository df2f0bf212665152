"""Imports that Python functions provide: their types, the guest that they see, and what is said of them."""

from __future__ import annotations

import array
import contextlib
import ctypes
import functools
import mmap
import threading

import pytest

from preinit import Guest, Host, Options, build
from preinit.bench import measure
from preinit.errors import GuestExit, GuestTrap, Misfit, StackExhausted, UnknownExport, UsageError
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


def mapped(content: bytes) -> mmap.mmap:
    made = mmap.mmap(-1, len(content))
    made[:] = content
    return made


def closed() -> mmap.mmap:
    made = mapped(b"gone")
    made.close()
    return made


@pytest.mark.parametrize(
    ("data", "written"),
    [
        (bytearray(b"abcd"), b"abcd"),
        (array.array("B", b"abcd"), b"abcd"),
        (array.array("H", [0x6261, 0x6463]), b"abcd"),
        (mapped(b"abcd"), b"abcd"),
        (memoryview(b"a-b-c-d-")[::2], b"abcd"),
        (memoryview(b"dcba")[::-1], b"abcd"),
        (memoryview(array.array("H", [0x6261, 0, 0x6463]))[::2], b"abcd"),
        (memoryview(b"abcd").cast("B", (2, 2)), b"abcd"),
        ((ctypes.c_uint16 * 2)(0x6261, 0x6463), b"abcd"),
        (array.array("B"), b""),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else type(value).__name__,
)
def test_bytes_of_any_object_that_has_some_are_written(data: object, written: bytes) -> None:
    seen = []

    def log(guest: Guest) -> int:
        guest.write(8, data)  # type: ignore[arg-type]
        seen.append(guest.read(6, len(written) + 4))
        return 0

    with_log(log)
    assert seen == [b"\0\0" + written + b"\0\0"]
    if isinstance(data, mmap.mmap):
        data.close()  # nothing holds it any more


@pytest.mark.parametrize(
    ("log", "error", "said"),
    [
        (lambda guest: guest.read(65_536, 1), GuestTrap, "asked for 1 byte at 0x10000"),
        (lambda guest: guest.read(-1, 1), GuestTrap, "asked for 1 byte at -0x1"),
        (lambda guest: guest.read(0, -1), GuestTrap, "asked for -1 bytes"),
        (lambda guest: guest.write(65_535, b"ab"), GuestTrap, "asked for 2 bytes at 0xffff"),
        (lambda guest: guest.text(70_000), GuestTrap, "asked for 1 byte at 0x11170"),
        (lambda guest: guest.read("8", 1), UsageError, "a value of type str as an address or a size"),
        (lambda guest: guest.text(0.5), UsageError, "a value of type float as an address or a size"),
        (
            lambda guest: guest.write(0, "text"),
            UsageError,
            "wrote a value of type str to the guest's memory, not bytes",
        ),
        (lambda guest: guest.write(0, 5), UsageError, "wrote a value of type int"),
        (lambda guest: guest.write(0, [1, 2]), UsageError, "wrote a value of type list"),
        (
            lambda guest: guest.write(0, closed()),
            UsageError,
            "of type mmap to the guest's memory, whose bytes can't be",
        ),
        (lambda guest: guest.write(65_533, array.array("H", [1, 2])), GuestTrap, "asked for 4 bytes at 0xfffd"),
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
        ({"env.log": 3}, UsageError, "that is no function: a value of type int"),
        ([("env.log", print), ("env.log", print)], UsageError, "two functions are given for one import"),
    ],
)
def test_functions_that_fit_no_import_are_refused(given: object, error: type[Exception], said: str) -> None:
    text = """(module (import "env" "log" (func)) (import "env" "list" (func (result i32 i32)))
      (func (export "preinit_initialize")) (func (export "go")))"""
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


#: Calls back through its table, as code of Emscripten's does for exceptions: `env.throw` leaves the function that
#: `env.invoke` called, which says so with `threw`.
CALLS_BACK = """(module
  (import "env" "invoke" (func $invoke (param i32 i32) (result i32)))
  (import "env" "throw" (func $throw (param i32)))
  (memory (export "memory") 1) (global $threw (mut i32) (i32.const 0))
  (table (export "__indirect_function_table") 7 funcref) (elem (i32.const 1) $double $fail $crash $plain $wide)
  (table (export "other") 2 funcref) (table (export "objects") 2 externref)
  (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $fail (param i32) (result i32) (call $throw (local.get 0)) (i32.const 1))
  (func $crash (param i32) (result i32) unreachable)
  (func $plain) (func $wide (param v128))
  (func (export "setThrew") (param i32) (global.set $threw (local.get 0)))
  (func (export "preinit_initialize")
    (i32.store (i32.const 8) (call $invoke (i32.const 1) (i32.const 21)))
    (i32.store (i32.const 12) (call $invoke (i32.const 2) (i32.const 33)))
    (i32.store (i32.const 16) (global.get $threw))))"""


class Thrown(Exception):
    """What a C++ program throws."""


def throw(guest: Guest, number: int) -> None:
    raise Thrown(number)


def invoke(guest: Guest, index: int, argument: int) -> int:
    try:
        (result,) = guest.call_table(index, argument)
    except Thrown as thrown:
        guest.call("setThrew", thrown.args[0])
        return 0
    return int(result)


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_a_function_calls_through_the_guest_s_table_and_catches_what_another_one_raised(engine: str) -> None:
    functions = {"env.invoke": invoke, "env.throw": throw}
    result = build(wasm(CALLS_BACK), functions=functions, engine=engine, cache=False)
    memory = Running(result.wasm).state().memories[0]
    assert [int.from_bytes(memory[at : at + 4], "little") for at in (8, 12, 16)] == [42, 0, 33]
    assert result.report.host.calls == {"env.invoke": 2, "env.throw": 1}
    verify(wasm(CALLS_BACK), result.wasm, functions=functions, engine=engine, cache=False)
    measure(wasm(CALLS_BACK), result.wasm, Options(host=Host(functions=functions)), rounds=3, seconds=0.01)


def called_with(call: object, engine: str = "whole") -> None:
    build(wasm(CALLS_BACK), functions={"env.invoke": call, "env.throw": throw}, engine=engine, cache=False)  # type: ignore[dict-item]


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda guest, *_: guest.call_table(0), GuestTrap, "element 0 of the table '__indirect_function_table', which"),
        (lambda guest, *_: guest.call_table(7), GuestTrap, "which has 7 elements"),
        (lambda guest, *_: guest.call_table(-1), GuestTrap, "which has 7 elements"),
        (lambda guest, *_: guest.call_table(1 << 70), GuestTrap, "which has 7 elements"),
        (lambda guest, *_: guest.call_table(0.5), UsageError, "0.5 is no index"),
        (lambda guest, *_: guest.call_table(1), UsageError, "takes 1 argument, 0 were given"),
        (lambda guest, *_: guest.call_table(4, 1), UsageError, "takes 0 arguments, 1 was given"),
        (lambda guest, *_: guest.call_table(1, 0.5), UsageError, "not a number of type i32"),
        (lambda guest, *_: guest.call_table(3, 1), GuestTrap, "unreachable"),
        (lambda guest, *_: guest.call_table(5, 1), Misfit, "which a Python function can't have"),
        (lambda guest, *_: guest.call_table(0, table="other"), GuestTrap, "element 0 of the table 'other', which is"),
        (lambda guest, *_: guest.call_table(0, table="objects"), UnknownExport, "no table of functions 'objects'"),
        (lambda guest, *_: guest.call_table(0, table="memory"), UnknownExport, "no table of functions 'memory'"),
    ],
)
def test_what_a_table_does_not_have_is_told(call: object, error: type[Exception], said: str, engine: str) -> None:
    with pytest.raises(error) as caught:
        called_with(call, engine)
    assert said in str(caught.value)


def test_a_guest_that_exports_no_table_is_told() -> None:
    with pytest.raises(UnknownExport, match="exports no table of functions that") as caught:
        with_log(lambda guest: guest.call_table(0))
    assert caught.value.hint == "Have it export its table."


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_what_ends_the_guest_can_not_be_caught(engine: str) -> None:
    text = """(module (import "env" "try" (func $try))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "leave") (call $exit (i32.const 3)))
      (func $deep (export "deep") (call $deep))
      (func (export "preinit_initialize") (call $try) (i32.store (i32.const 8) (i32.const 1))))"""

    def caught(name: str) -> object:
        def attempt(guest: Guest) -> None:
            with contextlib.suppress(Exception):
                guest.call(name)

        return attempt

    for name, error in (("leave", GuestExit), ("deep", StackExhausted)):
        with pytest.raises(error):
            build(wasm(text), functions={"env.try": caught(name)}, engine=engine, cache=False)  # type: ignore[dict-item]


TO_AND_FRO = """(module (import "env" "log" (func $log (param i32) (result i32)))
  (memory (export "memory") 1) (table (export "t") 1 funcref) (elem (i32.const 0) $again)
  (func $again (export "again") (param i32) (result i32) (call $log (local.get 0)))
  (func (export "preinit_initialize") (drop (call $log (i32.const 8)))))"""


@pytest.mark.parametrize("fails", [False, True])
def test_a_guest_that_is_kept_beyond_its_build_can_not_be_used(fails: bool) -> None:
    kept: list[Guest] = []

    def log(guest: Guest, number: int) -> int:
        kept.append(guest)
        return guest.call("crash")[0] if fails else 0  # type: ignore[return-value]

    with contextlib.suppress(UnknownExport):
        build(wasm(TO_AND_FRO), functions={"env.log": log}, cache=False)
    (guest,) = kept
    for use in (
        lambda: guest.read(0, 16),
        lambda: guest.write(0, b"x"),
        lambda: guest.text(0),
        lambda: guest.call("again", 1),
        lambda: guest.call_table(0, 1),
    ):
        with pytest.raises(UsageError, match="was used after it had ended"):
            use()


def test_a_guest_is_used_in_the_thread_of_its_function_only() -> None:
    said: list[str] = []

    def use(guest: Guest) -> None:
        for call in (lambda: guest.call("again", 1), lambda: guest.read(0, 1)):
            try:
                call()
            except UsageError as problem:
                said.append(problem.what)

    def log(guest: Guest, number: int) -> int:
        other = threading.Thread(target=use, args=(guest,))
        other.start()
        other.join()
        return 0

    build(wasm(TO_AND_FRO), functions={"env.log": log}, cache=False)
    assert said == ["a Python function's guest was used in another thread than the one that called the function"] * 2


@pytest.mark.parametrize("catches", [False, True])
def test_calls_to_and_fro_without_end_end_the_build(catches: bool) -> None:
    def log(guest: Guest, number: int) -> int:
        with contextlib.suppress(Exception) if catches else contextlib.nullcontext():
            return int(guest.call("again", number + 1)[0])
        return -1

    with pytest.raises(StackExhausted):
        build(wasm(TO_AND_FRO), functions={"env.log": log}, cache=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, ""), ({"late": ["env"]}, "`late` runs the initializer again"), ({"audit": True}, "`audit` runs")],
)
def test_functions_that_are_called_in_several_runs_are_warned_of(options: dict[str, object], said: str) -> None:
    result = build(wasm(TO_AND_FRO), functions={"env.log": lambda guest, number: 0}, cache=False, **options)  # type: ignore[arg-type]
    (warning,) = [found for found in result.report.warnings if found.code == "host-function"]
    assert said in warning.message
    assert said or "again" not in warning.message


def test_functions_that_are_given_as_what_becomes_of_imports_are_told_where_they_go() -> None:
    with pytest.raises(UsageError, match="imports must be a word, not dict") as caught:
        build(wasm("(module)"), imports={"env.log": print})  # type: ignore[call-overload]
    assert "given as `functions`" in (caught.value.hint or "")


ONE_CALL = """(module (import "env" "f" (func $f)) (memory (export "memory") 1)
  (func (export "preinit_initialize") (call $f)))"""


def test_functions_that_do_not_run_when_they_are_called_are_refused() -> None:
    async def waits(guest: Guest) -> None: ...

    async def asynchronous(*_: object) -> object:
        yield

    def generator(*_: object) -> object:
        yield

    class Waits:
        async def __call__(self, *_: object) -> None: ...

    for function in (waits, asynchronous, generator, Waits(), functools.partial(waits)):
        for options in ({"functions": {"env.f": function}}, {"stdout": function}, {"stderr": function}):
            with pytest.raises(UsageError, match="which does not run when it is called"):
                Host(**options)  # type: ignore[arg-type]
    for function in (waits, generator):
        with pytest.raises(UsageError, match=r"the Python function for 'env\.f' returned .*it has not run") as caught:
            build(wasm(ONE_CALL), functions={"env.f": lambda guest, does=function: does(guest)}, cache=False)
        assert caught.value.hint and "plain function" in caught.value.hint


NEEDY = """(module (import "env" "f" (func $f (param i32) (result i32))) (memory (export "memory") 1)
  (func (export "preinit_initialize") (i32.store (i32.const 16) (call $f (i32.const 4)))))"""


def test_an_import_has_one_provider() -> None:
    given = {"functions": {"env.f": lambda guest, number: number + 1}, "cache": False}
    with pytest.raises(Misfit, match=r"'env\.f' is stubbed, and also provided by a Python function"):
        build(wasm(NEEDY), stubs={"env.f": "zero"}, **given)  # type: ignore[arg-type]
    other = wasm('(module (func (export "f") (param i32) (result i32) (i32.const 9)))')
    with pytest.raises(Misfit, match=r"'env\.f' is preloaded, and also provided by a Python function"):
        build(wasm(NEEDY), preloads={"env": other}, **given)  # type: ignore[arg-type]


def test_a_function_wins_over_a_stub_for_all_of_a_module_and_no_stub_is_said_to_have_answered() -> None:
    result = build(
        wasm(NEEDY), stubs={"env.*": "zero"}, functions={"env.f": lambda guest, number: number + 1}, cache=False
    )
    assert b"\x05" in result.wasm
    assert [warning.code for warning in result.report.warnings] == ["host-function"]
