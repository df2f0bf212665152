"""Values of the builder's environment in the output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from preinit import BuildWarning, Host, Options, build
from preinit.binary.module import parse
from preinit.errors import UsageError
from preinit.passes.findings.leaks import SHORTEST, leaks
from preinit.passes.rewrite import Run
from preinit.passes.snapshot import GlobalsState, MemoryState, SegmentsState, Snapshot, TablesState
from tests.support.command import run
from tests.support.modules import build_text, wasm
from tests.support.places import ROOT
from tests.support.wasi_guest import Guest

SECRET = "hunter2-hunter2"
ENGINES = pytest.mark.parametrize("engine", ["whole", "ondemand"])


def reader(pages: int = 1) -> tuple[Guest, int]:
    """A guest that keeps its environment, and where it keeps the strings."""
    guest = Guest(pages)
    array, buffer = guest.room(64), guest.room(512)
    guest.call("environ_get", array, buffer)
    return guest, buffer


def warned(host: Host, **options: object) -> list[BuildWarning]:
    warnings = reader()[0].build(host, **options).report.warnings
    return [warning for warning in warnings if warning.code == "environment-value"]


@ENGINES
def test_a_value_in_the_output_is_warned_of_by_name_and_place(engine: str) -> None:
    place = reader()[1] + len("SHORT=1\0TOKEN=")
    (warning,) = warned(Host(env={"SHORT": "1", "TOKEN": SECRET}), engine=engine)
    assert "TOKEN" in warning.message
    assert f"memory 0, offset {place:#x}" in warning.message
    assert SECRET not in str(warning)


def test_short_values_are_not_looked_for() -> None:
    assert not warned(Host(env={"A": "x" * (SHORTEST - 1)}))
    assert warned(Host(env={"A": "x" * SHORTEST}))


def test_a_value_that_the_caller_calls_public_is_not_warned_of() -> None:
    assert not warned(Host(env={"A": SECRET}, public_env=("A",)))
    assert len(warned(Host(env={"A": SECRET, "B": SECRET}, public_env=("A",)))) == 1


def test_two_variables_with_one_value_are_both_named() -> None:
    (warning,) = warned(Host(env={"A": SECRET, "B": SECRET}))
    assert "the values of the environment variables A, B are in the output: memory 0, offset 0x" in warning.message


def test_a_value_that_the_initializer_clears_is_not_in_the_output() -> None:
    guest, buffer = reader()
    guest.call("random_get", buffer, 512)
    assert not any(w.code == "environment-value" for w in guest.build(Host(env={"A": SECRET})).report.warnings)


def test_a_value_that_the_input_holds_is_no_secret() -> None:
    guest = Guest()
    guest.put(SECRET.encode())
    guest.call("sched_yield")
    assert guest.build(Host(env={"A": SECRET})).report.warnings == ()


def test_a_value_in_another_memory_is_found() -> None:
    guest, _ = reader()
    text = guest.wat().replace('(memory (export "memory") 1)', '(memory (export "memory") 1) (memory 1)')
    text = (
        text.removesuffix("))")
        + "(memory.copy 1 0 (i32.const 0) (i32.const 0) (i32.const 65536)) (memory.fill 0 (i32.const 0) (i32.const 0) (i32.const 65536))))"
    )
    warnings = build_text(text, host=Host(env={"A": SECRET})).report.warnings
    (warning,) = [found for found in warnings if found.code == "environment-value"]
    assert "memory 1" in warning.message


def test_a_value_that_is_not_utf8_is_found() -> None:
    assert warned(Host(env={"A": "secret-\udcff"}))


@pytest.mark.parametrize("place", [0, (1 << 20) - 7, (1 << 20), (2 << 20) - 1, (3 << 20) - len(SECRET)])
def test_a_value_is_found_wherever_it_lies(place: int) -> None:
    content = bytearray(b"\xff" * (3 << 20))
    content[place : place + len(SECRET)] = SECRET.encode()
    state = MemoryState(48, memoryview(content))
    snapshot = Snapshot((state,), GlobalsState({}, {}, {}), TablesState({}), SegmentsState(frozenset(), frozenset()))
    module = parse(wasm("(module (memory 48))"))
    host = Host(env={"A": SECRET, "B": "not anywhere"})
    (warning,) = leaks(module, host, snapshot, [Run(0, 0, len(content))])
    assert warning.message.endswith(f"memory 0, offset {place:#x}")


def test_names_of_public_variables_are_a_list() -> None:
    with pytest.raises(UsageError, match="Write a list"):
        Host(public_env="A")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--env", "TOKEN"], True),
        (["--inherit-env"], True),
        (["--env", f"TOKEN={SECRET}"], False),
        (["--inherit-env", "--env", f"TOKEN={SECRET}"], False),
        (["--env", "TOKEN=x", "--env", "TOKEN"], True),
        ([], False),
    ],
    ids=str,
)
def test_the_command_warns_of_values_that_were_not_written_but_inherited(
    tmp_path: Path, arguments: list[str], found: bool
) -> None:
    source, report = tmp_path / "in.wasm", tmp_path / "report.json"
    array, buffer = 0x1000, 0x10000
    source.write_bytes(build_input(array, buffer))
    done = run("build", source, *arguments, "--report", report, "-o", tmp_path / "out.wasm", code=0, TOKEN=SECRET)
    said = done.stderr.decode()
    warnings = json.loads(report.read_text())["warnings"]
    messages = [warning["message"] for warning in warnings if warning["code"] == "environment-value"]
    assert any("environment-value" in line and "TOKEN" in line for line in said.splitlines()) == found
    assert any("TOKEN" in message for message in messages) == found
    assert SECRET not in said
    assert SECRET not in report.read_text()


def build_input(array: int, buffer: int) -> bytes:
    """A guest that keeps an environment of any size."""
    return wasm(f"""(module
      (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
      (memory (export "memory") 8)
      (func (export "wizer-initialize") (drop (call $get (i32.const {array}) (i32.const {buffer})))))""")


def test_a_build_without_an_environment_looks_for_nothing() -> None:
    warnings = build(reader()[0].wat().encode(), Options(cache=False)).report.warnings
    assert "environment-value" not in [warning.code for warning in warnings]


# -- what instances bring themselves ---------------------------------------------------------------------------------


def remains(**options: object) -> list[BuildWarning]:
    given = {"late": ["env"], "rename_funcs": {"_start": "answer"}, "cache": False, **options}
    warnings = build(ROOT / "fixtures/world/world.wasm", **given).report.warnings  # type: ignore[arg-type]
    assert SECRET not in str(warnings)
    return [warning for warning in warnings if warning.code == "late-remains"]


def test_what_the_build_was_given_and_instances_bring_themselves_is_told_where_it_can_still_be_read() -> None:
    (warning,) = remains(env={"TOKEN": SECRET}, public_env=["TOKEN"])
    assert "the text of the build's variable TOKEN can still be read in the output: memory 0, offset 0x" in str(warning)
    assert not remains()


def test_a_short_value_is_found_together_with_its_name() -> None:
    (warning,) = remains(env={"PIN_CODE": "1"})
    assert "variable PIN_CODE can still be read" in warning.message
    (warning,) = remains(env={"P": "1"})
    assert "variable P can still be read" in warning.message


def test_a_variable_is_told_in_one_warning_only() -> None:
    assert not remains(env={"TOKEN": SECRET}), "`environment-value` says it"
    (warning,) = remains(env={"TOKEN": SECRET, "PUBLIC": SECRET, "SHORT": "123"}, public_env=["PUBLIC"])
    assert "variables PUBLIC, SHORT can" in warning.message


def test_an_environment_that_is_the_builds_in_every_instance_is_told_as_that() -> None:
    assert not remains(env={"LEVEL": SECRET}, late=[])


def test_arguments_that_can_still_be_read_are_told_by_number() -> None:
    given = {"pause_at": "stdin", "args": ["p", f"--password={SECRET}", "--short"], "late": None, "cache": False}
    warnings = build(ROOT / "fixtures/world/command.wasm", **given).report.warnings  # type: ignore[arg-type]
    (message,) = [warning.message for warning in warnings if warning.code == "late-remains"]
    assert "the texts of the build's arguments number 2, 3 can still be read" in message and SECRET not in message


#: Reads a file and keeps its path, which it has from its arguments.
OPENS = """(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 4) (data (i32.const 700) "script.py") (func $pause (export "pause"))
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4))) (drop (call $get (i32.const 16) (i32.const 1024)))
    (drop (call $open (i32.const 3) (i32.const 0) (i32.const 700) (i32.const 9) (i32.const 0) (i64.const 2) (i64.const 0)
      (i32.const 0) (i32.const 8)))
    (i32.store (i32.const 100) (i32.const 600)) (i32.store (i32.const 104) (i32.const 4))
    (drop (call $read (i32.load (i32.const 8)) (i32.const 100) (i32.const 1) (i32.const 12)))
    (drop (call $close (i32.load (i32.const 8))))
    (i32.store (i32.const 512) (i32.const 16)) (call $pause)))"""


def test_an_argument_that_is_the_path_of_a_file_that_was_read_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("pass")

    def told(argument: str, folder: str) -> bool:
        given = {"pause_at": "function:pause", "args": ["p", argument], "dirs": {str(tmp_path): folder}, "cache": False}
        warnings = build(wasm(OPENS), **given).report.warnings  # type: ignore[arg-type]
        return any(warning.code == "late-remains" for warning in warnings)

    assert not told("/app/script.py", "/app") and not told("/script.py", "/")
    assert told("/data/script.py", "/app") and told("/secret of the build", "/")


def test_a_strict_build_refuses_what_can_still_be_read_unless_it_is_accepted(tmp_path: Path) -> None:
    options = ["--late", "env", "-e", f"TOKEN={SECRET}", "-r", "_start=answer", "--strict", "-o", tmp_path / "out.wasm"]
    done = run("build", ROOT / "fixtures/world/world.wasm", *options, code=1)
    assert b"late-remains" in done.stderr and SECRET.encode() not in done.stderr
    run("build", ROOT / "fixtures/world/world.wasm", *options, "--accept", "late-remains", code=0)


#: Fetches what it is asked for to addresses that don't depend on its size: so nothing can be bound.
KEEPS = """(module (import "wasi_snapshot_preview1" "{name}_get" (func $get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "preinit_initialize") (drop (call $get (i32.const 16) (i32.const 1024))) (i32.store (i32.const 16)
    (i32.const 0))))"""


@pytest.mark.parametrize(
    ("late", "options", "named"),
    [("env", {"env": {"A": "2345"}, "public_env": ["A"]}, "variable A"), ("args", {"args": ["12345678"]}, "number 1")],
)
def test_what_could_not_be_bound_and_can_be_read_is_told_too(late: str, options: dict[str, object], named: str) -> None:
    text = KEEPS.replace("{name}", "environ" if late == "env" else "args")
    warnings = build(text.encode(), late=[late], cache=False, **options).report.warnings  # type: ignore[arg-type]
    (message,) = [warning.message for warning in warnings if warning.code == "late-remains"]
    assert "instances were to have" in message and named in message


def test_the_shortest_argument_that_is_looked_for_is_the_one_that_the_documents_name() -> None:
    def told(text: str) -> bool:
        result = build(KEEPS.replace("{name}", "args").encode(), late=["args"], args=[text], cache=False)
        return any(warning.code == "late-remains" for warning in result.report.warnings)

    assert told("1234567") and not told("123456")
