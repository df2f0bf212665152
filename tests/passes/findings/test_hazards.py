"""Warnings where an instance would differ from a fresh start, and strict builds, which fail with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from preinit.errors import RandomDenied, WarningsRefused
from preinit.options import Host
from preinit.result import Result
from tests.support.command import GOOD, fails, run
from tests.support.modules import build_text, wasm
from tests.support.wasi_guest import Guest, given, make_folder, needs_folders

BOTH = pytest.mark.parametrize("engine", ["whole", "ondemand"])

#: What a program in Rust does for its first hash map: two random keys are kept in memory.
HASHES = """(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $has_keys (mut i32) (i32.const 0))
  (func $__wasi_random_get (param i32 i32) (drop (call $random_get (local.get 0) (local.get 1))))
  (func $hashmap_random_keys
    (if (i32.eqz (global.get $has_keys))
      (then (call $__wasi_random_get (i32.const 1024) (i32.const 16)) (global.set $has_keys (i32.const 1)))))
  (func $HashMap::new (call $hashmap_random_keys))
  (func (export "wizer-initialize") (call $HashMap::new))
  (func (export "key") (result i64) (i64.load (i32.const 1024))))"""

#: A command whose initializer runs without constructors: a warning that has nothing to do with the host.
NO_CONSTRUCTORS = """(module (memory (export "memory") 1)
  (func (export "_start")) (func (export "wizer-initialize") (i32.store (i32.const 16) (i32.const 42))))"""


def codes(result: Result) -> list[str]:
    return [warning.code for warning in result.report.warnings]


# -- random numbers


@BOTH
def test_frozen_hash_keys_are_a_warning_that_says_who_took_them(engine: str) -> None:
    result = build_text(HASHES, engine=engine)
    assert codes(result) == ["entropy-frozen"]
    said = result.report.warnings[0].message
    assert "16 random bytes" in said
    assert "first in `hashmap_random_keys`, called from `HashMap::new`" in said  # not in the C library's wrapper


def test_where_the_innermost_function_has_no_name_its_index_is_said() -> None:
    unnamed = HASHES.replace("$__wasi_random_get", "$a").replace("$hashmap_random_keys", "$b")
    for name, index in (("$random_get", 0), ("$a", 1), ("$b", 2), ("$HashMap::new", 3)):
        unnamed = unnamed.replace(f"(func {name}", "(func").replace(f"call {name}", f"call {index}")
    said = build_text(unnamed).report.warnings[0].message
    assert "(first in function 1, called from `wizer-initialize`)" in said


@BOTH
def test_a_strict_build_of_a_guest_that_hashes_with_random_keys_fails_and_explains_the_hazard(engine: str) -> None:
    with pytest.raises(WarningsRefused, match="a warning") as caught:
        build_text(HASHES, engine=engine, strict=True)
    said = str(caught.value)
    assert "entropy-frozen" in said
    assert "every instance has the same ones" in said
    assert "hash tables against flooding" in said
    assert "`hashmap_random_keys`" in said
    assert "Seed again when an instance starts" in said
    assert (caught.value.code, caught.value.exit_code) == ("warnings", 1)


def test_the_strict_command_fails_too_and_leaves_the_output_as_it_was(tmp_path: Path) -> None:
    out, report = tmp_path / "out.wasm", tmp_path / "report.json"
    out.write_bytes(b"before")
    said = fails("build", "-", "--strict", "-o", out, "--report", report, stdin=wasm(HASHES))
    assert "error[warnings]" in said
    assert "entropy-frozen: the initializer took 16 random bytes (first in `hashmap_random_keys`" in said
    assert "what to do: Seed again" in said
    assert out.read_bytes() == b"before"
    error = json.loads(report.read_text())["error"]
    assert [warning["code"] for warning in error["warnings"]] == ["entropy-frozen"]
    assert set(error["warnings"][0]) == {"code", "message", "hint"}


def test_without_strict_the_command_says_the_same_and_writes_the_output(tmp_path: Path) -> None:
    done = run("build", "-", "-o", tmp_path / "out.wasm", stdin=wasm(HASHES), code=0)
    assert "warning[entropy-frozen]: the initializer took 16 random bytes" in done.stderr.decode()
    assert (tmp_path / "out.wasm").exists()


def test_the_way_from_a_frozen_hash_key_to_the_place_that_it_lies_at(tmp_path: Path) -> None:
    """A strict build says what is wrong, a seed makes builds equal, an audit names the bytes."""
    source = tmp_path / "in.wasm"
    named = HASHES.replace("(memory", '(global (export "KEYS") i32 (i32.const 1024)) (memory')
    source.write_bytes(wasm(named))

    def built(*options: str) -> tuple[bytes, str]:
        done = run("build", source, "-o", tmp_path / "out.wasm", *options, code=0)
        return (tmp_path / "out.wasm").read_bytes(), done.stderr.decode()

    assert "hash tables against flooding" in fails("build", source, "--strict", "-o", tmp_path / "out.wasm")
    assert built("--random", "seed:1")[0] == built("--random", "seed:1")[0] != built("--random", "seed:2")[0]
    said = built("--random", "seed:1", "--audit")[1]
    assert "  memory 0, 0x400 to 0x410, 16 bytes (KEYS): entropy\n" in said
    assert "audit: nothing depends on clock\n" in said


# -- strict builds


def test_a_strict_build_without_warnings_is_a_build(good: Path, tmp_path: Path) -> None:
    run("build", good, "--strict", "-o", tmp_path / "out.wasm", code=0)
    assert (tmp_path / "out.wasm").read_bytes() == build_text(GOOD).wasm


def test_warnings_about_the_module_count_too_and_all_are_listed() -> None:
    with pytest.raises(WarningsRefused, match="2 warnings") as caught:
        build_text(NO_CONSTRUCTORS, strict=True)
    assert [code for code, _, _ in caught.value.hazards] == ["start-runs-constructors", "no-constructors"]
    assert str(caught.value).count("what to do:") == 3


def test_a_terminal_is_not_steered_by_names_in_a_warning() -> None:
    named = HASHES.replace("$hashmap_random_keys", '$"\\1b[31mred"')
    assert "\x1b" not in fails("build", "-", "--strict", stdin=wasm(named))


# -- what is no hazard


def test_defaults_that_do_not_matter_are_no_warnings() -> None:
    guest = Guest()
    guest.call("clock_time_get", 1, 1, guest.room(8))
    guest.call("clock_res_get", 0, guest.room(8))
    guest.call("random_get", guest.room(8), 0)
    guest.write(1, b"")
    assert codes(guest.build(strict=True)) == []


def test_what_was_given_and_not_asked_for_is_no_warning() -> None:
    assert codes(build_text(GOOD, host=Host(env={"A": "1"}, args=("x",), stdin=b"abc"))) == []


# -- empty answers


#: What a guest asks, the answer that there is none, and what is said of it.
EMPTY = {
    "environ_sizes_get": ("environment-frozen", "the guest asked for its environment (first in `init`)"),
    "environ_get": ("environment-frozen", "the guest asked for its environment (first in `init`)"),
    "args_sizes_get": ("arguments-frozen", "the guest asked for its arguments (first in `init`)"),
    "args_get": ("arguments-frozen", "the guest asked for its arguments (first in `init`)"),
    "fd_prestat_get": ("folders-frozen", "the guest looked for its folders (first in `init`)"),
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("export", ["_initialize", "wizer-initialize"])
def test_an_empty_answer_is_frozen_as_much_as_another_one(name: str, export: str) -> None:
    """`getenv` of an instance finds what the build's environment had: nothing."""
    text = f"""(module (import "wasi_snapshot_preview1" "{name}" (func $ask (param i32 i32) (result i32)))
      (memory (export "memory") 1) (func $init (drop (call $ask (i32.const 8) (i32.const 16))))
      (func (export "{export}") (call $init)) (func (export "wizer.initialize")) (func (export "get")))"""
    code, said = EMPTY[name]
    result = build_text(text)
    assert codes(result) == [code]
    assert result.report.warnings[0].message.startswith(said[:-1])
    with pytest.raises(WarningsRefused):
        build_text(text, strict=True)


def test_what_was_not_asked_for_is_not_said_to_be_empty() -> None:
    assert codes(build_text(GOOD)) == []


# -- the others


def test_a_frozen_time_of_day_is_a_warning() -> None:
    guest = Guest()
    guest.call("clock_time_get", 0, 1, guest.room(8))
    result = guest.build()
    assert codes(result) == ["clock-frozen"]
    assert "read the time of day (first in `wizer-initialize`)" in result.report.warnings[0].message


def test_an_environment_that_was_handed_over_is_a_warning_that_names_variables_not_values() -> None:
    guest = Guest()
    guest.call("environ_get", guest.room(64), guest.room(256))
    result = guest.build(Host(env={f"NAME{i}": "value" for i in range(7)}))
    assert codes(result) == ["environment-frozen"]
    said = result.report.warnings[0].message
    assert "the environment variables NAME0, NAME1, NAME2, NAME3, NAME4 and 2 more" in said
    assert "value" not in said


def test_arguments_that_were_handed_over_are_a_warning() -> None:
    guest = Guest()
    guest.call("args_get", guest.room(64), guest.room(64))
    assert codes(guest.build(Host(args=("program",)))) == ["arguments-frozen"]


def test_standard_input_that_was_read_is_a_warning_even_if_it_was_empty() -> None:
    """Whoever reads to the end keeps that it has ended."""
    guest = Guest()
    guest.read(0, 8)
    assert codes(guest.build()) == ["stdin-consumed"]
    assert "read 3 bytes" in guest.build(Host(stdin=b"abc")).report.warnings[0].message


@needs_folders
def test_open_descriptors_are_a_warning_with_paths(tmp_path: Path) -> None:
    guest = Guest()
    guest.open("hello.txt")
    result = guest.build(given(make_folder(tmp_path)))
    assert codes(result) == ["descriptors-open"]
    said = result.report.warnings[0].message
    assert said.startswith("/hello.txt (descriptor 4, opened in `wizer-initialize`) is open when the initializer ends")


@needs_folders
def test_folders_that_the_guest_noted_are_a_warning(tmp_path: Path) -> None:
    guest = Guest()
    guest.call("fd_prestat_get", 3, guest.room(8))
    guest.open("hello.txt")
    guest.call("fd_close", 4)
    result = guest.build(given(make_folder(tmp_path), "/lib"))
    assert codes(result) == ["folders-frozen"]
    assert '`dirs={"HOST": "/lib"}`' in result.report.warnings[0].hint


# -- who is named

#: Of each function, one caller asks for nothing, before another one takes what is warned of.
HARMLESS_FIRST = """(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "hello.txt")
  (data (i32.const 64) "\\00\\01\\00\\00\\00\\00\\00\\00\\00\\01\\00\\00\\08\\00\\00\\00")
  (func $open_hello (drop (call $open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 9) (i32.const 0) (i64.const 2)
    (i64.const 0) (i32.const 0) (i32.const 32))))
  (func $harmless
    (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 128)))
    (drop (call $random (i32.const 128) (i32.const 0)))
    (drop (call $read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (drop (call $prestat (i32.const 9) (i32.const 128)))
    (call $open_hello)
    (drop (call $read (i32.load (i32.const 32)) (i32.const 72) (i32.const 1) (i32.const 128)))
    (drop (call $close (i32.load (i32.const 32)))))
  (func $time (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 128))))
  (func $key (drop (call $random (i32.const 128) (i32.const 8))))
  (func $input (drop (call $read (i32.const 0) (i32.const 72) (i32.const 1) (i32.const 128))))
  (func $folders (drop (call $prestat (i32.const 3) (i32.const 128))))
  (func $keeps_open (call $open_hello))
  (func (export "_initialize") (call $harmless))
  (func (export "wizer-initialize") (call $time) (call $key) (call $input) (call $folders) (call $keeps_open)))"""


@needs_folders
@BOTH
def test_each_warning_names_the_call_that_it_is_about_and_not_the_first_one_of_that_function(
    engine: str, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path)
    result = build_text(HARMLESS_FIRST, engine=engine, host=Host(dirs={str(folder): "/"}, stdin=b"abc"))
    said = {warning.code: warning.message for warning in result.report.warnings}
    assert "first in `time`, called from `wizer-initialize`" in said["clock-frozen"]
    assert "first in `key`, called from `wizer-initialize`" in said["entropy-frozen"]
    assert "first in `input`, called from `wizer-initialize`" in said["stdin-consumed"]
    assert "first in `folders`, called from `wizer-initialize`" in said["folders-frozen"]
    assert "opened in `open_hello`, called from `keeps_open`" in said["descriptors-open"]
    assert not any("harmless" in message for message in said.values())


@needs_folders
def test_reading_nothing_from_standard_input_is_no_warning(tmp_path: Path) -> None:
    text = HARMLESS_FIRST.replace("(call $time) (call $key) (call $input) (call $folders) (call $keeps_open)", "")
    host = Host(dirs={str(make_folder(tmp_path)): "/"}, stdin=b"abc")
    assert build_text(text, host=host).report.host.stdin_read is False


@needs_folders
def test_of_several_open_descriptors_each_is_said_with_the_function_that_opened_it(tmp_path: Path) -> None:
    text = HARMLESS_FIRST.replace("(func $time (drop", "(func $time (call $open_hello) (drop")
    result = build_text(text, host=Host(dirs={str(make_folder(tmp_path)): "/"}))
    said = {warning.code: warning.message for warning in result.report.warnings}["descriptors-open"]
    assert "(descriptor 4, opened in `open_hello`, called from `time`" in said
    assert "(descriptor 5, opened in `open_hello`, called from `keeps_open`" in said
    facts = result.report.to_dict()["host"]["open_descriptors"]
    assert [entry["opened_in"][1]["name"] for entry in facts] == ["time", "keeps_open"]


# -- what a strict build accepts

#: Takes random bytes in two places, none in a third one, and reads the clock in a fourth.
TAKERS = """(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $fill (param i32) (drop (call $random_get (i32.const 8) (local.get 0))))
  (func $hash (call $fill (i32.const 8))) (func $key (call $fill (i32.const 4))) (func $none (call $fill (i32.const 0)))
  (func $monotonic (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 16))))
  (func $now (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 16))))
  (func $getenv (drop (call $environ_sizes_get (i32.const 32) (i32.const 36))))
  (func (export "hashes") (call $none) (call $hash) (call $hash))
  (func (export "both") (call $hash) (call $key) (call $hash))
  (func (export "time") (call $monotonic) (call $now))
  (func (export "env") (call $getenv)) (func (export "get")))"""


@BOTH
@pytest.mark.parametrize(
    ("run", "accept"),
    [
        ("hashes", ["entropy-frozen"]),
        ("hashes", ["entropy-frozen@hash"]),
        ("hashes", ["entropy-frozen@4", "clock-frozen"]),
        ("both", ["entropy-frozen@hash", "entropy-frozen@key"]),
        ("both", ["entropy-frozen@both"]),
        ("both", ["entropy-frozen@key", "entropy-frozen"]),
        ("time", ["clock-frozen@now"]),
        ("env", ["environment-frozen@getenv"]),
    ],
)
def test_a_strict_build_lets_pass_what_is_accepted_and_says_it_all_the_same(
    run: str, accept: list[str], engine: str
) -> None:
    result = build_text(TAKERS, init_funcs=[run], strict=True, accept=accept, engine=engine)
    assert len(result.report.warnings) == 1
    assert result.wasm == build_text(TAKERS, init_funcs=[run]).wasm


@BOTH
@pytest.mark.parametrize(
    ("run", "accept", "other"),
    [
        ("hashes", ["clock-frozen"], "frozen: the initializer took 16 random bytes (first in `fill`"),
        ("hashes", ["entropy-frozen@none"], "way of `none` only, and it is also done in `fill`, called from `hash`"),
        (
            "both",
            ["entropy-frozen@hash"],
            "way of `hash` only, and it is also done in `fill`, called from `key`, `both`",
        ),
        ("time", ["clock-frozen@monotonic"], "way of `monotonic` only, and it is also done in `now`"),
        ("env", ["environment-frozen@main"], "and it is also done in `getenv`"),
    ],
)
def test_what_others_do_is_not_accepted_with_it(run: str, accept: list[str], other: str, engine: str) -> None:
    with pytest.raises(WarningsRefused, match="a warning") as caught:
        build_text(TAKERS, init_funcs=[run], strict=True, accept=accept, engine=engine)
    assert other in str(caught.value)


def test_callers_that_are_too_many_to_be_told_apart_are_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    from preinit.host import ledger

    monkeypatch.setattr(ledger, "MOST_CALLERS", 1)
    with pytest.raises(WarningsRefused, match="it is also done elsewhere"):
        build_text(TAKERS, init_funcs=["both"], strict=True, accept=["entropy-frozen@both"])


@pytest.mark.parametrize(
    ("accept", "said"),
    [
        ("entropy-frozn", "Write `entropy-frozen`"),
        ("entropy-frozen@", "no function is named"),
        ("signature@main", "not about calls of a function"),
        ("", "there is no warning"),
    ],
)
def test_what_can_not_be_accepted_is_refused(accept: str, said: str) -> None:
    assert said in fails("build", "-", "--strict", "--accept", accept, stdin=wasm(TAKERS), code=2)


def test_the_command_takes_what_its_hint_proposes(tmp_path: Path) -> None:
    given = ("build", "-", "--strict", "-f", "both", "-o", tmp_path / "out.wasm")
    assert "--accept WARNING@FUNCTION" in fails(*given, stdin=wasm(TAKERS))
    run(*given, "--accept", "entropy-frozen@both", stdin=wasm(TAKERS), code=0)


def test_all_warnings_that_there_are_can_be_accepted() -> None:
    from preinit.options.accepted import CALLED, WARNINGS
    from scripts.code_tables import warnings

    assert sorted({warning.code for warning in warnings()}) == list(WARNINGS)
    assert set(CALLED) <= set(WARNINGS)


def test_asking_for_no_random_bytes_is_no_request_that_is_denied() -> None:
    text = TAKERS.replace('(export "get")', '(export "wizer-initialize") (call $none)')
    assert build_text(text, host=Host(random="deny"), strict=True).report.host.random_bytes == 0
    with pytest.raises(RandomDenied):
        build_text(TAKERS, init_funcs=["hashes"], host=Host(random="deny"))


def test_functions_of_the_c_library_that_nobody_linked_are_told() -> None:
    """An older wasi-libc, and a linker that lets undefined functions become imports."""

    def text(*names: str) -> str:
        imports = "".join(f'(import "env" "{name}" (func))' for name in names)
        return f"""(module {imports} (memory (export "memory") 1) (func (export "wizer-initialize")))"""

    (warning,) = build_text(text("__wasilibc_reset_preopens", "log", "__wasi_x")).report.warnings
    assert warning.code == "unlinked-import"
    assert "`env.__wasilibc_reset_preopens`, `env.__wasi_x`:" in warning.message
    (warning,) = build_text(text(*(f"__wasilibc_{n}" for n in range(5)))).report.warnings
    assert "`env.__wasilibc_2` and 2 more" in warning.message
    assert codes(build_text(text("log", "__cxa_throw", "wasilibc"))) == []
    library = wasm('(module (func (export "__wasilibc_reset_preopens")))')
    assert codes(build_text(text("__wasilibc_reset_preopens"), preloads={"env": library})) == []
