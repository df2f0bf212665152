"""Wrong inputs of `verify`, guests that misbehave when they are called, and what is made of what calls do."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from preinit import Host, Options, build, errors, verify
from preinit.binary import encoder as write
from preinit.binary.module import parse
from preinit.engine.runtime import Deadline
from preinit.errors import Discrepancy, Misfit, Mismatch
from preinit.options.record import read_report
from preinit.passes.observer import Observer
from preinit.passes.plan.initializers import choose
from preinit.passes.plan.job import Job
from preinit.verification import Calls
from preinit.verification.behaviour import STOPPED, Outcome, differences
from preinit.verification.calls import for_all, read_call
from preinit.verification.check import _make
from preinit.verification.instances import Both, run_both
from preinit.verification.state import Comparison
from tests.support.command import GOOD
from tests.support.modules import build_text, wasm
from tests.support.waiting import with_time_enough

INIT = '(export "preinit_initialize")'
OPTIONS = Options(cache=False)

MISBEHAVES = f"""(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "env" "log" (func $log))
    (memory (export "memory") 1 2) (data (i32.const 8) "\\10\\00\\00\\00\\06\\00\\00\\00hello\\n")
    (global $g (mut i32) (i32.const 0)) (tag $e)
    (func {INIT} (global.set $g (i32.const 1)))
    (func $say (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0))))
    (func (export "traps") (unreachable)) (func (export "spins") (loop (br 0)))
    (func (export "floods") (loop (call $say) (br 0)))
    (func (export "exits") (call $say) (call $exit (i32.const 3)))
    (func (export "recurses") (call $deep)) (func $deep (call $deep) (call $deep))
    (func (export "asks") (call $log)) (func (export "throws") (throw $e))
    (func (export "grows") (result i32) (memory.grow (i32.const 100)))
    (func (export "ref") (param externref)) (func (export "add") (param i32 f64) (result i32) (local.get 0)))"""


def outcome(call: str, **fields: Any) -> tuple[str, str]:
    (facts,) = verify(wasm(MISBEHAVES), build_text(MISBEHAVES).wasm, OPTIONS, calls=[call], **fields).calls
    return facts.outcome, facts.detail


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("traps", ("trap", "trapped: wasm `unreachable` instruction executed")),
        ("exits", ("exit", "exits with 3")),
        ("recurses", ("stack-exhausted", "exhausted the guest's stack")),
        ("asks", ("import-called", "called the import `env.log`, which does not exist at build time")),
        ("throws", ("uncaught-exception", "an exception left the initializer")),
        ("grows", ("returned", "returns -1")),
        ("add( -1, 0x1p3 )", ("returned", "returns -1")),
    ],
)
def test_what_a_call_comes_to(call: str, expected: tuple[str, str]) -> None:
    code, detail = outcome(call)
    assert code == expected[0]
    assert detail == expected[1].replace("the initializer", "it") or expected[1] in detail


def test_a_call_that_never_ends_is_stopped_and_nothing_is_said_of_it() -> None:
    assert outcome("spins", call_timeout=0.2) == (STOPPED, "still runs after 0.2 s")


def test_a_call_that_prints_without_end_is_ended_in_both_alike() -> None:
    host = Host(max_guest_output=600)
    assert outcome("floods", call_host=host) == ("guest-output", "the guest printed more than 600 bytes")


def test_the_time_limit_of_all_holds_for_calls_too() -> None:
    output = build_text(MISBEHAVES).wasm

    def check(seconds: float) -> None:
        options = dataclasses.replace(OPTIONS, timeout=seconds)
        with pytest.raises(errors.TimeLimit, match="the verification took longer than its time limit"):
            verify(wasm(MISBEHAVES), output, options, calls=["spins"] * 9, call_timeout=1000)

    with_time_enough(check)


def test_an_initializer_that_never_ends_is_stopped() -> None:
    text = f"(module (func {INIT} (nop)))"
    endless = f"(module (func {INIT} (loop (br 0))))"
    output = replaced_code(build_text(text).wasm, wasm(endless))
    with pytest.raises(errors.TimeLimit):
        verify(wasm(endless), output, dataclasses.replace(OPTIONS, timeout=0.3))


def replaced_code(binary: bytes, other: bytes) -> bytes:
    """A module with the code section of another one."""
    module, source = parse(binary), parse(other)
    code = source.section(10)
    assert code
    pieces: list[list[bytes | memoryview]] = [
        [other[code.header : code.end] if section.id == 10 else binary[section.header : section.end]]
        for section in module.sections
    ]
    return write.assemble(pieces)


@pytest.mark.parametrize(
    ("call", "problem", "said"),
    [
        ("none", errors.UnknownExport, "the output exports no function 'none'"),
        ("memory", errors.UnknownExport, "the output exports no function 'memory'"),
        ("preinit_initialize", errors.UnknownExport, "exports no function"),
        ("", errors.UnknownExport, "exports no function ''"),
        ("add", Misfit, "takes 2 arguments, 0 were given"),
        ("add(1)", Misfit, "takes 2 arguments, 1 was given"),
        ("add(1,2,3)", Misfit, "takes 2 arguments, 3 were given"),
        ("traps(1)", Misfit, "takes 0 arguments, 1 was given"),
        ("add(1.5,2)", Misfit, "'1.5' is not a number of type i32"),
        ("add(4294967296,2)", Misfit, "is not a number of type i32"),
        ("add(1,x)", Misfit, "'x' is not a number of type f64"),
        ("add(1,", errors.UsageError, "an argument must stand here"),
        ("add(1,2) 3", errors.UsageError, "nothing can stand here"),
        ("add(1,2)=3", errors.UsageError, "nothing can be said here of what is returned"),
        ('add(argv["a("], 2)', errors.UsageError, "only numbers can be given here"),
        ("ref(0)", Misfit, "a call can't give a value of type externref"),
    ],
)
def test_a_call_that_can_not_be_made(call: str, problem: type[errors.PreinitError], said: str) -> None:
    with pytest.raises(problem, match=said.replace("(", r"\(")):
        outcome(call)


def test_the_time_limit_of_a_call_must_be_a_time() -> None:
    with pytest.raises(errors.UsageError, match="more than 0"):
        outcome("traps", call_timeout=0)


def test_an_output_of_another_module() -> None:
    with pytest.raises(Mismatch) as caught:
        verify(wasm(GOOD), build_text(MISBEHAVES).wasm, OPTIONS)
    assert "options of the build" in str(caught.value)


def test_the_input_as_its_own_output() -> None:
    with pytest.raises(Mismatch, match="hold the same bytes"):
        verify(wasm(GOOD), wasm(GOOD), OPTIONS)


def test_input_and_output_swapped() -> None:
    with pytest.raises(errors.UsageError, match="seem to be swapped"):
        verify(build_text(GOOD).wasm, wasm(GOOD), OPTIONS)


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (b"", errors.NotWasm),
        (b"nothing", errors.NotWasm),
        (b"(module", errors.TextSyntax),
        (b"\0asm\1\0\0\0\1", errors.Truncated),
        (build_text(GOOD).wasm[:-30], errors.InputError),
        (b"\0asm\x0d\0\1\0", errors.ComponentInput),
    ],
)
def test_an_output_that_is_no_module(output: bytes, problem: type[errors.PreinitError]) -> None:
    with pytest.raises(problem) as caught:
        verify(wasm(GOOD), output, OPTIONS)
    assert caught.value.where
    assert caught.value.where.startswith("the output")


def test_an_output_that_is_not_valid() -> None:
    text = f'(module (func $f (result i32) (i32.const 1)) (func {INIT}) (export "f" (func $f)))'
    binary = bytearray(build_text(text).wasm)
    function = parse(bytes(binary)).section(3)
    assert function
    binary[function.start + 1 : function.start + 3] = bytes(reversed(binary[function.start + 1 : function.start + 3]))
    with pytest.raises(Mismatch):
        verify(wasm(text), bytes(binary), OPTIONS)


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_output_is_never_taken_for_a_good_one(seed: int) -> None:
    """Only a byte that the format leaves open, the padding of an integer say, may differ without being found."""
    import random

    source = random.Random(seed)
    good = build_text(MISBEHAVES).wasm
    binary = bytearray(good)
    binary[source.randrange(8, len(binary))] ^= 1 << source.randrange(8)
    with pytest.raises(errors.PreinitError):
        verify(wasm(MISBEHAVES), bytes(binary), OPTIONS)


def test_an_initializer_that_sees_the_systems_clock_is_said_to_differ_by_itself() -> None:
    text = f"""(module (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
        (memory (export "memory") 1) (func {INIT} (drop (call $time (i32.const 0) (i64.const 0) (i32.const 8)))))"""
    options = Options(cache=False, host=Host(clock="host"))
    with pytest.raises(Mismatch, match="build without them"):
        verify(wasm(text), build(wasm(text), options).wasm, options)


def test_folders_that_may_be_written_are_refused(tmp_path: Path) -> None:
    host = Host(dirs=((str(tmp_path), "/"),), writable=True)
    with pytest.raises(errors.UsageError, match="may write files"):
        verify(wasm(GOOD), build_text(GOOD).wasm, Options(cache=False, host=host))


def test_options_are_given_once() -> None:
    report = build_text(GOOD).report.to_dict()
    with pytest.raises(errors.UsageError):
        verify(wasm(GOOD), wasm(GOOD), OPTIONS, cache=True)
    with pytest.raises(errors.UsageError):
        verify(wasm(GOOD), wasm(GOOD), OPTIONS, report=report)
    with pytest.raises(errors.UsageError, match="no option"):
        verify(wasm(GOOD), wasm(GOOD), nothing=1)


# -- reports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '"x"', "1", "{}", '{"version": 1}', '{"version": 1, "options": {}}', "[" * 100_000, '{"version": 1, "options": {"host": []}}'],
)  # fmt: skip
def test_a_file_that_is_no_report(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(errors.InputError, match=r"the report '.*report\.json'"):
        read_report(path)


def test_a_report_that_is_not_there_or_not_of_a_build(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="No such file"):
        read_report(tmp_path / "none.json")
    with pytest.raises(errors.InputError, match="of a build that failed"):
        read_report({"version": 1, "error": {}})
    with pytest.raises(errors.InputError, match="is not the report of a build, version 1"):
        read_report({"version": 2})


@pytest.mark.parametrize("path", ["", "options", "options.host", "options.host.stdin", "input", "output", "host"])
def test_any_value_of_a_report_may_be_of_a_wrong_type_or_missing(path: str) -> None:
    built = build_text(GOOD)
    part = whole = json.loads(json.dumps(built.report.to_dict()))
    for name in filter(None, path.split(".")):
        part = part[name]
    for name in list(part):
        for value in (None, 3, "text", [], {}, [[]], [3], {"x": 1}, -1.5):
            kept, part[name] = part[name], value
            with suppress(errors.PreinitError):
                verify(wasm(GOOD), built.wasm, report=whole, cache=False)
            part[name] = kept


def test_a_report_of_another_input_or_output() -> None:
    good, other = build_text(GOOD), build_text(MISBEHAVES)
    with pytest.raises(errors.InputError, match="another input"):
        verify(wasm(GOOD), good.wasm, report=other.report.to_dict(), cache=False)
    report = build_text(GOOD, layout="size").report.to_dict()
    report["output"]["sha256"] = "0" * 64
    with pytest.raises(Mismatch, match="SHA-256 of the output"):
        verify(wasm(GOOD), good.wasm, report=report, cache=False)


READS = f"""(module
    (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "l" "number" (func $number (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "\\40\\00\\00\\00\\04\\00\\00\\00") (global $g (mut i32) (i32.const 0))
    (func {INIT} (drop (call $environ (i32.const 1024) (i32.const 2048))) (global.set $g (call $number))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 512)))))"""
LIBRARY = '(module (func (export "number") (result i32) (i32.const {})))'


def test_what_a_report_does_not_hold_must_be_given_again(tmp_path: Path) -> None:
    library = tmp_path / "library.wasm"
    library.write_bytes(wasm(LIBRARY.format(4)))
    host = Host(env=(("KEY", "secret!!"),), stdin=b"abcd")
    result = build(wasm(READS), Options(cache=False, host=host, preloads=(("l", str(library)),)))
    report = json.loads(json.dumps(result.report.to_dict()))
    assert "secret!!" not in json.dumps(report)
    with pytest.raises(errors.UsageError, match="'KEY'"):
        verify(wasm(READS), result.wasm, report=report, cache=False)
    assert verify(wasm(READS), result.wasm, report=report, cache=False, host=host)
    library.write_bytes(wasm(LIBRARY.format(5)))
    with pytest.raises(errors.InputError, match="preloaded module 'l' is not the one"):
        verify(wasm(READS), result.wasm, report=report, cache=False, host=host)
    report["options"]["preloads"][0]["path"] = None
    with pytest.raises(errors.UsageError, match="where the preloaded module 'l' is"):
        verify(wasm(READS), result.wasm, report=report, cache=False, host=host)
    given = (("l", wasm(LIBRARY.format(4))),)
    assert verify(wasm(READS), result.wasm, report=report, cache=False, host=host, preloads=given)


def test_files_that_changed_since_the_build_are_named(tmp_path: Path) -> None:
    text = f"""(module (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\\00\\00\\00\\00\\04\\00\\00\\00file")
        (func {INIT} (drop (call $open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 4) (i32.const 0)
            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))
            (i32.store (i32.const 0) (i32.const 64))
            (drop (call $read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 20)))
            (i32.store (i32.const 64) (i32.const 0))))"""
    (tmp_path / "file").write_bytes(b"abcd")
    result = build(wasm(text), Options(cache=False, host=Host(dirs=((str(tmp_path), "/d"),))))
    report = json.loads(json.dumps(result.report.to_dict()))
    assert verify(wasm(text), result.wasm, report=report, cache=False)
    (tmp_path / "file").write_bytes(b"abcx")
    with pytest.raises(errors.InputError, match=r"the file '.*file' is not what it was"):
        verify(wasm(text), result.wasm, report=report, cache=False)


# -- what is made of two outcomes --------------------------------------------------------------------------------------


def found(a: Outcome, b: Outcome) -> list[str]:
    module = parse(wasm(MISBEHAVES))
    call = read_call(module, "add(1,2)")
    return [str(unlike) for unlike in differences(Comparison(module, module), call, a, b)]


RETURNED = Outcome("returned", "returns 1", ("1",), b"", b"", None, 0.01)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (RETURNED._replace(detail="returns 2"), ["call add(1,2): the input has returns 1, the output returns 2"]),
        (RETURNED._replace(code="trap", detail="trapped: x"), ["call add(1,2): the input has returns 1, the output trapped: x"]),
        (RETURNED._replace(output=b"a"), ["call add(1,2), standard output, byte 0: the input has its end, the output 'a'"]),
        (RETURNED._replace(error=b"a"), ["call add(1,2), standard error, byte 0: the input has its end, the output 'a'"]),
        (RETURNED._replace(code=STOPPED, detail="stopped", seconds=10), ["call add(1,2): the input has returns 1, the output stopped"]),
        (RETURNED._replace(code=STOPPED, detail="stopped", seconds=0.02), []),
        (RETURNED._replace(seconds=5), []),
    ],
)  # fmt: skip
def test_outcomes_that_differ(other: Outcome, said: list[str]) -> None:
    assert found(RETURNED, other) == said
    assert bool(found(other, RETURNED)) == bool(said)


def test_a_call_that_ends_otherwise_is_a_mismatch() -> None:
    """What has the same state and other code is found before; here, it is called all the same."""
    text = f'(module (func {INIT}) (func (export "f") (result i32) (i32.const 1)))'
    one, other = (_both(changed) for changed in (text, text.replace("i32.const 1", "i32.const 2")))
    mixed = one._replace(output_job=other.output_job, resumed=other.resumed)
    call = read_call(one.job.module, "f")
    assert [facts.detail for facts in _make(one, [call], Calls())] == ["returns 1"]
    with pytest.raises(Mismatch) as caught:
        list(_make(mixed, [call], Calls()))
    assert caught.value.differences == (Discrepancy("call", "call f", "returns 1", "returns 2"),)


def _both(text: str) -> Both:
    module = parse(wasm(text))
    job = Job(module, tuple(choose(module, OPTIONS)), OPTIONS, {}, {}, Deadline(None), goes_on=True)
    return run_both(job, parse(build_text(text).wasm), Observer())


def test_random_arguments_are_the_same_for_the_same_seed_and_can_be_written() -> None:
    module = parse(
        wasm('(module (func (export "f") (param i32 i64 f32 f64 v128)) (func (export "g") (param externref)))')
    )
    calls = list(for_all(module, 7))
    assert calls == list(for_all(module, 7)) != list(for_all(module, 8))
    assert {call.name for call in calls} == {"f"}
    assert [read_call(module, call.text) for call in calls] == calls
    assert list(Calls(every=True, seed=7).of(module)) == calls


def test_names_in_a_message_can_not_steer_the_terminal() -> None:
    text = f'(module (func {INIT}) (func (export "\\1b[31m\\0ared") (nop)))'
    with pytest.raises(Mismatch) as caught:
        verify(wasm(text), build_text(f"(module (func {INIT}) (func nop))").wasm, OPTIONS)
    assert r"export '\x1b[31m\nred'" in str(caught.value)
    assert "\x1b" not in str(caught.value)
