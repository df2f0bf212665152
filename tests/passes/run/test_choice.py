"""Which way a module is compiled, and what the report says of it."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from preinit import errors
from preinit.engine.ondemand.suitability import WORTHWHILE, worthwhile
from preinit.engine.runtime import has_winch
from preinit.report.json import dumps
from preinit.result import EngineFacts
from tests.support.both_engines import INIT, V, attempt, chunks_of
from tests.support.command import fails, run
from tests.support.modules import build_text, wasm
from tests.support.shapes.state import SHAPES

#: What counts as large here, so that these tests are quick; the command knows the true number only.
LARGE = 100_000

SMALL = f"(module (memory 1) (func $f) (func $g) (func {INIT} (call $f) (i32.store8 (i32.const 1) (i32.const 1))))"


@cache
def large(things: str = "", code: str = "", size: int = LARGE) -> bytes:
    """A module with at least so many bytes of code, in functions of which the initializer calls one in ten."""
    work = "(global.set $g (i32.add (global.get $g) (i32.const 1)))"  # 7 bytes
    functions = size // 1000
    bodies = "".join(f"(func $f{i} {work * 142} nop nop nop nop)" for i in range(functions))  # 1000 bytes each
    calls = "".join(f"(call $f{i})" for i in range(0, functions, 10))
    return wasm(f"(module (global $g (mut i32) (i32.const 0)) {things} {bodies} (func {INIT} {calls} {code}))")


@pytest.fixture(autouse=True)
def _own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `pytest --ondemand` changes, these tests are about."""
    monkeypatch.setattr("preinit.passes.run.strategies.worthwhile", worthwhile)
    monkeypatch.setattr("preinit.engine.ondemand.suitability.WORTHWHILE", LARGE)


def facts(source: str | bytes, **fields: Any) -> EngineFacts:
    found = attempt(source, **fields)
    assert found.report, found.error
    return found.report.engine


def test_small_code_is_compiled_as_a_whole() -> None:
    engine = facts(SMALL)
    assert (engine.name, engine.reason_code) == ("whole", "code-small")
    assert (engine.functions, engine.functions_compiled, engine.chunks) == (3, 3, 1)


def test_large_code_is_compiled_on_demand() -> None:
    engine = facts(large())
    assert (engine.name, engine.reason_code) == ("ondemand", "code-large")


def test_a_little_less_than_large_is_small() -> None:
    binary = large(size=LARGE - 20_000)
    assert LARGE - 25_000 < len(binary) < LARGE
    assert facts(binary).reason == "its code is small"


def test_large_data_does_not_make_code_large() -> None:
    data = f'(memory 20) (data (i32.const 0) "{"x" * (LARGE + 1)}")'
    assert facts(f"(module {data} (func {INIT}))").reason == "its code is small"


def test_large_code_that_can_not_be_compiled_on_demand_is_compiled_as_a_whole() -> None:
    engine = facts(large('(memory 1) (data "passive")'))
    assert (engine.name, engine.reason_code) == ("whole", "passive-data")


def test_code_that_needs_the_whole_module_is_found_when_it_is_called() -> None:
    engine = facts(large('(data $empty "")', "(data.drop $empty)"))
    assert engine.name == "whole"
    assert engine.reason_code == "code-names-segment"


@pytest.mark.parametrize("source", [SMALL, large()], ids=["small", "large"])
@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_what_is_asked_for_is_done(source: str | bytes, engine: str) -> None:
    found = facts(source, engine=engine)
    assert (found.name, found.reason) == (engine, "asked for")


@pytest.mark.parametrize("engine", ["auto", "whole", "ondemand"])
def test_every_choice_gives_the_same_module(engine: str) -> None:
    assert attempt(large(), engine=engine).wasm == attempt(large(), engine="whole", compiler="cranelift").wasm


# -- compilers ---------------------------------------------------------------------------------------------------------

needs_winch = pytest.mark.skipif(not has_winch(), reason="this machine has no baseline compiler")
TAIL_CALL = f"(module (memory 1) (func $f) (func $g (return_call $f)) (func {INIT} (i32.store8 (i32.const 1) (i32.const 1)) (call $g)))"
TAG = f"(module (tag $e) (func {INIT} (block $h (try_table (catch $e $h) (throw $e)))))"


@needs_winch
@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_the_baseline_compiler_is_the_one_that_is_chosen(engine: str) -> None:
    assert facts(SMALL, engine=engine).compiler == "winch"
    assert facts(SMALL, engine=engine, compiler="cranelift").compiler == "cranelift"


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
@pytest.mark.parametrize("text", [TAIL_CALL, TAG])
def test_what_the_baseline_compiler_lacks_is_compiled_by_the_other(text: str, engine: str) -> None:
    found = facts(text, engine=engine)
    assert (found.name, found.compiler) == (engine, "cranelift")


@needs_winch
@pytest.mark.parametrize("text", [TAIL_CALL, TAG])
def test_what_the_baseline_compiler_lacks_is_an_error_where_only_that_is_wanted(text: str) -> None:
    whole, found = (attempt(text, engine=engine, compiler="winch") for engine in ("whole", "ondemand"))
    assert isinstance(found.error, errors.Unsupported)
    assert 'compiler="cranelift"' in (found.error.hint or "")
    assert found.told == whole.told


@needs_winch
def test_what_the_baseline_compiler_lacks_is_no_matter_where_it_is_not_called() -> None:
    text = f"(module (memory 1) (func $f) (func $g (return_call $f)) (func {INIT} (i32.store8 (i32.const 1) (i32.const 1))))"
    assert facts(text, engine="ondemand", compiler="winch").name == "ondemand"


# -- what the report says ----------------------------------------------------------------------------------------------


def test_only_what_is_called_is_compiled() -> None:
    with chunks_of(0):
        engine = facts(large())
    called = LARGE // 10_000 + 1
    assert (engine.functions_compiled, engine.chunks) == (called, called)
    assert engine.functions == LARGE // 1000 + 1
    assert LARGE // 10 < engine.bytes_compiled < LARGE // 10 + 1000


def test_chunks_hold_what_is_likely_to_be_called() -> None:
    engine = facts(large())
    assert 1 <= engine.chunks < engine.functions_compiled == LARGE // 10_000 + 1


def test_what_is_called_through_a_table_is_compiled_when_it_is_called() -> None:
    text = f"""(module {V} (table 3 funcref) (elem (i32.const 0) $a $b $c) (func $a (result i32) (i32.const 1))
        (func $b (result i32) (i32.const 2)) (func $c (result i32) (i32.const 3))
        (func {INIT} (drop (call_indirect (type $v) (i32.const 1)))))"""
    engine = facts(text, engine="ondemand")
    assert (engine.functions, engine.functions_compiled) == (4, 2)


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_the_report_in_json_has_the_facts(engine: str) -> None:
    found = attempt(large(), engine=engine)
    assert found.report
    written = json.loads(dumps(found.report))["engine"]
    assert written == dataclasses.asdict(found.report.engine)
    assert set(written) == {
        "name", "compiler", "reason", "reason_code", "functions", "functions_compiled", "bytes_compiled", "chunks",
        "chunks_from_cache", "not_kept", "compiled_anew",
    }  # fmt: skip


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), ("ondemand", "its code is large")),
        (("--engine", "auto"), ("ondemand", "its code is large")),
        (("--engine", "whole"), ("whole", "asked for")),
        (("--engine=ondemand", "--compiler", "cranelift"), ("ondemand", "asked for")),
    ],
)
def test_the_command_takes_the_engine(tmp_path: Path, flags: tuple[str, ...], expected: tuple[str, str]) -> None:
    module, report = tmp_path / "in.wasm", tmp_path / "report.json"
    module.write_bytes(large(size=WORTHWHILE))
    done = run(
        "build", module, *flags, "--accept", "nothing-exported", "--report", report, "-o", tmp_path / "out.wasm", code=0
    )
    assert b"Traceback" not in done.stderr
    engine = json.loads(report.read_text())["engine"]
    assert (engine["name"], engine["reason"]) == expected
    if "cranelift" in flags:
        assert engine["compiler"] == "cranelift"
    assert (tmp_path / "out.wasm").read_bytes() == attempt(large(size=WORTHWHILE), engine="whole").wasm


@pytest.mark.parametrize("flags", [("--engine", "quick"), ("--engine",), ("--compiler", "gcc")])
def test_the_command_refuses_other_engines(tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(SMALL))
    said = fails("build", tmp_path / "in.wasm", "-o", tmp_path / "out.wasm", *flags, code=2)
    assert flags[0] in said


def test_other_engines_are_refused() -> None:
    found = attempt(SMALL, engine="quick")
    assert isinstance(found.error, errors.UsageError)


@pytest.mark.parametrize("engine", ["whole", "ondemand", "auto"])
def test_a_compiler_that_this_machine_lacks_is_refused(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.engine.ffi.machine", lambda: "riscv64")
    found = attempt(large(size=WORTHWHILE), engine=engine, compiler="winch")
    assert isinstance(found.error, errors.Unsupported)
    assert "winch is not available" in found.error.what


def test_both_compilers_give_the_same_bytes() -> None:
    for name in ("globals_of_all_numeric_types", "a_64_bit_memory", "several_memories", "a_start_function"):
        outputs = {build_text(SHAPES[name], compiler=compiler).wasm for compiler in ("winch", "cranelift")}
        assert len(outputs) == 1, name


def test_the_compiler_that_was_used_is_in_the_report() -> None:
    assert build_text(SHAPES["a_memory_that_grew"]).report.engine.compiler == "winch"
    assert build_text(SHAPES["an_exception_caught_in_the_initializer"]).report.engine.compiler == "cranelift"
