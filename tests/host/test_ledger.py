"""The ledger: the report lists what the guest asked of the world, how often, and where first."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from preinit.host import filesread
from preinit.options import Host
from preinit.report.text import summary
from preinit.result import FileFacts, HostFacts
from tests.support.command import run
from tests.support.modules import build_text, wasm
from tests.support.wasi_guest import Guest, given, held, make_folder, needs_folders

ENGINES = ["whole", "ondemand"]
BOTH = pytest.mark.parametrize("engine", ENGINES)

#: Takes random numbers in two places, and yields.
SEEDS = """(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (memory (export "memory") 1)
  (func $hash_keys (drop (call $random (i32.const 64) (i32.const 16))))
  (func $other (drop (call $random (i32.const 80) (i32.const 8))) (drop (call $yield)))
  (func $new_map (call $hash_keys))
  (func (export "wizer-initialize") (call $new_map) (call $other) (call $new_map)))"""

#: Calls itself a number of times, then yields.
DEEP = """(module
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (memory (export "memory") 1)
  (func $down (param i32)
    (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else (drop (call $yield)))))
  (func (export "wizer-initialize") (call $down (i32.const 1000))))"""


def names(facts: HostFacts, call: str) -> list[str | None]:
    return [frame.name for frame in facts.first_calls[call]]


@BOTH
def test_each_import_is_counted_with_the_backtrace_of_its_first_call(engine: str) -> None:
    facts = build_text(SEEDS, engine=engine).report.host
    assert facts.calls == {"random_get": 3, "sched_yield": 1}
    assert names(facts, "random_get") == ["hash_keys", "new_map", "wizer-initialize"]
    assert names(facts, "sched_yield") == ["other", "wizer-initialize"]
    assert [frame.function_index for frame in facts.first_calls["random_get"]] == [2, 4, 5]


def test_both_engines_and_compilers_give_the_same_facts() -> None:
    found = [
        build_text(SEEDS, engine=engine, compiler=compiler).report.host
        for engine in ENGINES
        for compiler in ("winch", "cranelift")
    ]
    assert found == [found[0]] * 4


@BOTH
def test_of_a_deep_recursion_the_innermost_frames_are_kept(engine: str) -> None:
    frames = names(build_text(DEEP, engine=engine).report.host, "sched_yield")
    assert set(frames) == {"down"}
    assert 10 <= len(frames) <= 100


@BOTH
def test_a_guest_that_asks_for_nothing_has_nothing_in_its_ledger(engine: str) -> None:
    result = build_text('(module (memory 1) (func (export "wizer-initialize")))', engine=engine)
    facts = result.report.host
    assert not any(getattr(facts, name) for name in facts.__dataclass_fields__)
    assert not any("frozen: " in line for line in summary(result.report))


def test_random_bytes_and_clock_reads_are_counted() -> None:
    guest = Guest()
    guest.call("random_get", guest.room(24), 24)
    for clock in (0, 1, 1, 2, 9):
        guest.call("clock_time_get", clock, 1, guest.room(8))
    facts = guest.build().report.host
    assert (facts.random_bytes, facts.clock_reads, facts.monotonic_reads) == (24, 1, 3)


def test_the_environment_and_the_arguments_are_listed_once_the_guest_asked_for_them() -> None:
    host = Host(env={"B": "2", "A": "1"}, args=("program", "-x"))
    facts = build_text(SEEDS, host=host).report.host
    assert (facts.environment_read, facts.environment, facts.arguments_read, facts.arguments) == (False, (), False, ())
    asking = Guest()
    asking.call("environ_get", asking.room(64), asking.room(64))
    asking.call("args_get", asking.room(64), asking.room(64))
    facts = asking.build(host).report.host
    assert (facts.environment_read, facts.environment) == (True, ("A", "B"))
    assert (facts.arguments_read, facts.arguments) == (True, ("program", "-x"))


def test_who_only_asks_how_large_the_environment_is_has_read_it_too() -> None:
    """wasi-libc does not fetch an empty one, and keeps that it is empty."""
    guest = Guest()
    guest.call("environ_sizes_get", guest.room(4), guest.room(4))
    facts = guest.build().report.host
    assert (facts.environment_read, facts.environment) == (True, ())


def test_what_was_read_of_standard_input_is_counted() -> None:
    guest = Guest()
    guest.read(0, 3)
    guest.read(0, 2)
    facts = guest.build(Host(stdin=b"abcdefgh")).report.host
    assert (facts.stdin_read, facts.stdin_bytes) == (True, 5)


@needs_folders
class TestFiles:
    def test_files_that_were_read_have_size_and_digest(self, tmp_path: Path) -> None:
        folder = make_folder(tmp_path)
        guest = Guest()
        guest.open("sub/data")  # 4
        guest.open("hello.txt")  # 5: read in part, and left open
        guest.read(4, 300)
        guest.read(5, 4)
        guest.call("fd_close", 4)
        facts = guest.build(given(folder, "/lib")).report.host
        assert facts.files == (
            FileFacts("/lib/hello.txt", 12, hashlib.sha256(b"Hello, world").hexdigest()),
            FileFacts("/lib/sub/data", 256, hashlib.sha256(bytes(range(256))).hexdigest()),
        )
        assert [(entry.number, entry.path) for entry in facts.open_descriptors] == [(5, "/lib/hello.txt")]

    def test_a_file_that_was_opened_and_not_read_is_not_listed(self, tmp_path: Path) -> None:
        guest = Guest()
        guest.open("hello.txt")
        guest.call("fd_close", 4)
        facts = guest.build(given(make_folder(tmp_path))).report.host
        assert (facts.files, facts.open_descriptors) == ((), ())

    def test_a_file_that_another_descriptor_took_the_place_of_is_listed(self, tmp_path: Path) -> None:
        guest = Guest()
        guest.open("hello.txt")
        guest.open("sub/data")
        guest.call("fd_pread", 4, *guest.vectors((guest.room(4), 4)), 2, guest.room(4))
        guest.call("fd_renumber", 5, 4)
        facts = guest.build(given(make_folder(tmp_path))).report.host
        assert [file.path for file in facts.files] == ["/hello.txt"]
        assert [(entry.number, entry.path) for entry in facts.open_descriptors] == [(4, "/sub/data")]

    def test_a_file_too_long_to_be_hashed_is_listed_without_its_digest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(filesread, "LONGEST_HASHED", 11)
        guest = Guest()
        guest.open("hello.txt")
        guest.read(4, 1)
        assert guest.build(given(make_folder(tmp_path))).report.host.files == (FileFacts("/hello.txt", 12, None),)

    def test_files_are_listed_without_digests_where_nobody_wants_them(self, tmp_path: Path) -> None:
        guest = Guest()
        guest.open("hello.txt")
        guest.read(4, 1)
        host = given(make_folder(tmp_path))
        assert build_text(guest.wat(), host=host, digest_files=False).report.host.files == (
            FileFacts("/hello.txt", 12, None),
        )

    def test_large_files_are_digested_beside_the_guest_and_nothing_stays_open(self, tmp_path: Path) -> None:
        folder = make_folder(tmp_path)
        contents = {name: name.encode() * (5 << 20) for name in ("a", "b", "c")}
        guest = Guest()
        for number, (name, content) in enumerate(contents.items()):
            (folder / name).write_bytes(content)
            guest.open(name)
            guest.read(4 + number, 8)
        guest.call("fd_close", 4)
        guest.call("fd_close", 5)
        facts = guest.build(given(folder)).report.host
        assert facts.files == tuple(
            FileFacts(f"/{name}", 5 << 20, hashlib.sha256(content).hexdigest()) for name, content in contents.items()
        )
        assert held(folder) == []

    def test_folders_are_listed_and_whether_the_guest_asked_for_them(self, tmp_path: Path) -> None:
        host = given(make_folder(tmp_path), "/usr/lib")
        facts = build_text(SEEDS, host=host).report.host
        assert (facts.folders, facts.folders_listed) == (("/usr/lib",), False)
        guest = Guest()
        guest.call("fd_prestat_dir_name", 3, guest.room(8), 8)
        assert guest.build(host).report.host.folders_listed

    def test_an_open_folder_is_a_descriptor_and_not_a_file(self, tmp_path: Path) -> None:
        guest = Guest()
        guest.open(".", how=2)
        facts = guest.build(given(make_folder(tmp_path))).report.host
        assert facts.files == ()
        assert [(entry.number, entry.path) for entry in facts.open_descriptors] == [(4, "/")]


# -- as users see it


def test_the_json_report_has_it_all_with_frames_by_name(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(SEEDS))
    run("build", tmp_path / "in.wasm", "-o", tmp_path / "out.wasm", "--report", tmp_path / "r.json", code=0)
    facts = json.loads((tmp_path / "r.json").read_text())["host"]
    assert facts["random_bytes"] == 40
    assert list(facts["calls"]) == ["random_get", "sched_yield"]
    first = facts["first_calls"]["random_get"][0]
    assert first == {"function_index": 2, "name": "hash_keys", "offset": None}


def test_the_summary_has_a_line_about_what_was_frozen() -> None:
    guest = Guest()
    guest.call("random_get", guest.room(1), 1)
    guest.call("environ_get", guest.room(64), guest.room(64))
    report = guest.build(Host(env={"A": "1", "B": "2"})).report
    assert "frozen: 1 random byte, 2 environment variables" in summary(report)


def test_the_summary_says_that_the_guest_keeps_an_empty_environment_and_no_folders() -> None:
    guest = Guest()
    guest.call("environ_sizes_get", guest.room(4), guest.room(4))
    guest.call("fd_prestat_get", 3, guest.room(8))
    assert "frozen: an empty environment, no folders" in summary(guest.build().report)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("environ", {"env": {"A": "1"}}, "the size of the environment"),
        ("args", {"args": ["a"]}, "the size of the arguments"),
        ("environ", {}, "an empty environment"),
        ("args", {}, "no arguments"),
    ],
)
def test_who_only_asks_for_sizes_is_not_said_to_have_been_given_nothing(
    name: str, options: dict[str, Any], said: str
) -> None:
    guest = Guest()
    guest.call(f"{name}_sizes_get", guest.room(4), guest.room(4))
    report = guest.build(Host(**options)).report
    assert f"frozen: {said}" in summary(report)
    (message,) = [warning.message for warning in report.warnings if warning.code.endswith("-frozen")]
    assert ("asked for the size of its" in message) == bool(options)
