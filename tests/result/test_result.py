"""A result is written whole or not at all; a report is read again, and its schema says what it holds."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import preinit
from preinit import Call, Frame, Host, Options, Report, Word, build
from preinit.errors import InputError, OutputNotWritable
from preinit.report.json import failure
from preinit.result.schema import schema
from tests.support.command import GOOD, run
from tests.support.modules import build_text, wasm
from tests.support.schemas import accepts
from tests.support.wasi_guest import Guest


@pytest.fixture(scope="module")
def built() -> preinit.Result:
    """Of a build whose report says much."""
    guest = Guest()
    guest.write(1, b"hello\n")
    guest.call("random_get", guest.room(8), 8)
    guest.call("environ_sizes_get", guest.room(4), guest.room(4))
    return build(wasm(guest.wat()), audit=True, env={"A": "1"}, cache=False, measure_gzip=True)


def test_a_result_is_written_to_a_file(built: preinit.Result, tmp_path: Path) -> None:
    built.write(tmp_path / "out.wasm")
    assert (tmp_path / "out.wasm").read_bytes() == built.wasm
    built.write(str(tmp_path / "out.wasm"))
    assert [path.name for path in tmp_path.iterdir()] == ["out.wasm"]


@pytest.mark.parametrize("name", ["no/such/folder/out.wasm", "folder", "nu\0l"])
def test_a_result_that_can_not_be_written_says_why(built: preinit.Result, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputNotWritable, match="can't be written") as caught:
        built.write(tmp_path / name)
    assert isinstance(caught.value, OSError)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_report_is_read_again_as_it_was(built: preinit.Result) -> None:
    assert Report.from_json(built.report.to_json()) == built.report
    assert Report.from_json(built.report.to_json().encode()) == built.report
    assert Report.from_dict(built.report.to_dict()) == built.report


def test_the_command_writes_what_the_library_does(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD))
    run("build", "in.wasm", "-o", "out.wasm", "--report", "report.json", cwd=tmp_path, code=0)
    report = Report.from_json((tmp_path / "report.json").read_bytes())
    assert report.output.size == (tmp_path / "out.wasm").stat().st_size
    assert (tmp_path / "report.json").read_text() == report.to_json()


def _without(path: str) -> bytes:
    value = json.loads(build_text(GOOD).report.to_json())
    at = value
    *parts, last = path.split(".")
    for part in parts:
        at = at[part]
    del at[last]
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not the report of a build"),
        (b'{"version": 2}', "not the report of a build"),
        (b'{"version": 1, "error": {}}', "failed"),
        (b'{"version": 1}', "`report` has no"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Report.from_json(data)


@pytest.mark.parametrize("path", ["engine", "engine.compiler", "host.calls", "output.sha256", "snapshot.memories"])
def test_a_report_without_a_field_names_it(path: str) -> None:
    with pytest.raises(InputError, match=path.split(".")[-1]):
        Report.from_json(_without(path))


def test_the_schema_accepts_reports_and_nothing_else(built: preinit.Result) -> None:
    rule = schema()
    report = json.loads(built.report.to_json())
    assert accepts(rule, report)
    assert accepts(rule, json.loads(failure(InputError("what", where="there", frames=(Frame(1, None),)))))
    for key in ("version", "engine", "runs", "snapshot", "host"):
        assert not accepts(rule, {name: value for name, value in report.items() if name != key})
        assert not accepts(rule, {**report, key: "x"})


def test_the_schema_is_printed() -> None:
    assert json.loads(run("schema", "--report", code=0).stdout) == schema()


@pytest.mark.parametrize(
    "value",
    [
        Options(init_funcs=["f", Call("g", b"x", Word(4))], stubs={"a.b": "zero"}, host=Host(env={"A": "1"})),
        Host(dirs={"lib": "/lib"}, random="seed:7", clock="epoch:3"),
        Call("g", 1, 2.5, b"x", returns="result"),
        Word(4),
        Frame(3, "f", 0x41),
        preinit.BuildWarning("code", "message", "hint"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_can_be_copied_pickled_and_used_as_keys(value: Any) -> None:
    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert other == value
        assert hash(other) == hash(value)


def test_results_can_be_copied_and_pickled(built: preinit.Result) -> None:
    for other in (copy.deepcopy(built), pickle.loads(pickle.dumps(built))):
        assert (other.wasm, other.report) == (built.wasm, built.report)
    assert replace(built.report, layout="few") != built.report
