"""What the command says about inputs and options that don't fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.command import GOOD, INIT, assert_initialized, fails, run
from tests.support.modules import wasm

# -- what is wrong with the input --------------------------------------------------------------------------------------


def test_a_missing_file_is_named() -> None:
    said = fails("build", "no-such-file.wasm", code=2)
    assert "error[unreadable]" in said
    assert "'no-such-file.wasm' can't be read: No such file" in said


def test_a_folder_is_no_input(tmp_path: Path) -> None:
    assert "Is a directory" in fails("build", tmp_path, code=2)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "not-wasm", "empty"),
        (b"\x7fELF\x02\x01", "not-wasm", "7f 45 4c 46"),
        (b"\0asm\1\0\0\0\1\x50\1", "truncated", "byte offset 0x8"),
        (b"\0asm\1\0\0\0\x63\0", "malformed", "unknown section number 99"),
        (b"(module\n  (func\n    (i32.cons 1)))", "text-syntax", "line 3, column 6"),
        (b"(module (func (result i32) (i64.const 1)))", "no-initializer", "no function that takes nothing but numbers"),
        (
            wasm('(module (func (export "wizer-initialize") (drop)) (func (export "go")))'),
            "invalid-module",
            "byte offset 0x",
        ),
        (wasm("(component)"), "no-initializer", "The component exports no function"),
        (b"\0asm\1\0\0\0\0\x09\x07linking\x02", "relocatable-object", "wasm-ld"),
        (b"\0asm\1\0\0\0\0\x09\x08dylink.0", "dynamic-library", "dylink.0"),
        (
            wasm('(module (import "m" "mem" (memory 1 2 shared)) (func (export "wizer-initialize")))'),
            "imported-state",
            "m.mem",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "-" in value else "",
)
def test_an_input_that_is_no_module_is_told_what_it_is(data: bytes, code: str, words: str) -> None:
    said = fails("build", "-", stdin=data)
    assert f"error[{code}]: " in said
    assert words in said
    assert "what to do:" in said


def test_the_input_is_named_where_something_is_wrong_in_it(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(b"\0asm\1\0\0\0\1\x50\1")
    assert f"where: {tmp_path}/in.wasm, byte offset 0x8" in fails("build", tmp_path / "in.wasm")
    assert "where: standard input" in fails("build", "-", stdin=b"")
    said = fails("build", "-", "--preload", f"m={tmp_path / 'in.wasm'}", stdin=wasm(GOOD))
    assert "preloaded module 'm', byte offset 0x8" in said


# -- what to run -------------------------------------------------------------------------------------------------------


def test_without_an_initializer_the_candidates_are_listed() -> None:
    text = '(module (func (export "warm-up")) (func (export "start") (param i32)) (func (export "boot")))'
    said = fails("build", "-", stdin=wasm(text))
    assert "error[no-initializer]" in said
    assert "'warm-up', 'boot', 'start' (i32) -> ()." in said


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "words"),
    [
        (["-f", "with-argument"], 1, "initializer-type", "-f 'with-argument(<i32>)'"),
        (["-f", "with-argument(one)"], 1, "initializer-type", "'one' is not a number of type i32"),
        (["-f", "with-argument(99999999999)"], 1, "initializer-type", "is not a number of type i32"),
        (["-f", "with-argument(1,2)"], 1, "initializer-type", "takes 1 argument, 2 were given"),
        (["-f", "memory"], 1, "initializer-type", "not a function"),
        (["-f", "with-argument(1_0)"], 1, "initializer-type", "from -2147483648 to 4294967295, decimal or 0x..."),
        (["-f", "run(1)"], 1, "initializer-type", "takes 0 arguments, 1 was given"),
        (["-r", "memory=run"], 1, "misfit", "the func 'run' would replace the memory 'memory'"),
        (["--dir", "no-such-folder"], 2, "usage", "Name a folder that exists"),
        (["-f", "back\\slash"], 1, "unknown-export", "no function 'back\\slash'"),
        (["-f", "vector(1)"], 1, "initializer-type", "v128"),
        (["-f", "missing"], 1, "unknown-export", "wizer-initialize"),
        (["-r", "a=missing"], 1, "unknown-export", "-r NEW=PRESENT"),
        (["-r", "a=wizer-initialize"], 1, "misfit", "--keep-init-func"),
        (["-r", "nonsense"], 2, "usage", "--rename-func DST=SRC"),
        (["-r", "a=run", "-r", "a=memory"], 2, "usage", "once"),
        (["-r", os.fsdecode(b"\xff=run")], 2, "usage", "not UTF-8"),
        (["--dir", "::/x"], 2, "usage", "HOST[::GUEST]"),
        (["--mapdir", "/x"], 2, "usage", "GUEST::HOST"),
        (["--env", "=x"], 2, "usage", "--env K=V"),
        (["--env", "NO_SUCH_VARIABLE"], 2, "usage", "NO_SUCH_VARIABLE"),
        (["--no-init-func", "-f", "run"], 2, "usage", "none is to be run"),
        (["--timeout", "0"], 2, "usage", "`--timeout` takes: a number of seconds, more than 0, at most 1,000,000,000"),
        (
            ["--timeout", "nan"],
            2,
            "usage",
            "`--timeout` takes: a number of seconds, more than 0, at most 1,000,000,000",
        ),
        (["--max-memory", "9"], 1, "memory-limit", "--max-memory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_that_does_not_fit_is_explained(arguments: list[str], exit_code: int, code: str, words: str) -> None:
    text = GOOD.replace(
        INIT, INIT + '(func (export "with-argument") (param i32)) (func (export "vector") (param v128))'
    )
    said = fails("build", "-", *arguments, stdin=wasm(text), code=exit_code)
    assert f"error[{code}]: " in said
    assert words in said
    if code != "usage" or arguments[0] in ("-r", "--dir", "--timeout", "--env"):
        assert "what to do:" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing command"),
        (["frobnicate"], "no such command"),
        (["build"], "missing argument 'IN'"),
        (["build", "a", "b"], "unexpected extra argument"),
        (["build", "-", "--frobnicate"], "there is no option"),
        (["build", "-", "--max-memory", "lots"], "`--max-memory` takes: a size"),
        (["build", "-", "--timeout", "soon"], "a number of seconds"),
        (["build", "-", "--timeout", "1_0"], "a number of seconds"),
        (["build", "-", "--inherit-env=maybe"], "'maybe' is not what `--inherit-env` takes: true or false"),
        (["build", "-", "--version"], "Write `preinit --version`."),
        (["build", "-", "--dir", "a::/in", "--dir", "b::/in/"], "two folders are '/in/' in the guest: 'a' and 'b'"),
        (["batch", "jobs.toml", "-j", "x"], "'x' is not what `--jobs` takes: a whole number"),
        (["build", "-", "--layout", "pretty"], "balanced"),
        (["build", "-", "--wasm-simd=perhaps"], "there is no option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_2(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    if arguments:
        assert words in done.stderr.decode()
    assert done.returncode == 2
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["build", "in.wasm", "-o", "a", "-o", "b"], "`--output` is given several times"),
        (["build", "in.wasm", "-o=a", "--output", "a"], "`--output` is given several times"),
        (["build", "in.wasm", "-o", "a", "--html", "b", "--html", "c"], "`--html` is given several times"),
        (["build", "in.wasm", "--cache", "--no-cache", "-o", "a"], "`--cache` or `--no-cache` is given several times"),
        (
            ["build", "--keep-init-func", "in.wasm", "--keep-init-func=false"],
            "`--keep-init-func` is given several times",
        ),
        (["build", "-t1", "in.wasm", "-t", "2"], "`--timeout` is given several times"),
        (["verify", "in.wasm", "b", "--from-report", "c", "--from-report", "d"], "`--from-report` is given several"),
        (["inspect", "in.wasm", "--json", "--json=x"], "`--json` is given several times"),
        (["bench", "in.wasm", "--runtime", "node", "--runtime", "node"], "`--runtime` is given several times"),
        (["batch", "jobs.toml", "-i", "a", "-i", "b"], "`--input` is given several times"),
        (["serve", "in.wasm", "--port", "1", "--port", "2"], "`--port` is given several times"),
        (["schema", "--jobs", "--report"], "`--jobs` and `--report` don't go together"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_with_one_value_is_given_once(arguments: list[str], what: str) -> None:
    said = fails(*arguments, code=2)
    assert f"error[usage]: {what}" in said
    assert "what to do: Give " in said


def test_what_can_be_given_several_times_still_can(good: Path, tmp_path: Path) -> None:
    given = ["-q", "--strict", "-q", "--strict", "--env", "A=1", "--env", "B=2"]
    run("build", good, "-o", tmp_path / "out.wasm", *given, code=0)
    run("schema", "--jobs", "--jobs", code=0)


@pytest.mark.parametrize("limit", ["inf", "1e300", "1e12", "1000000000.5"])
def test_a_time_limit_beyond_all_time_is_refused_with_the_bound(good: Path, limit: str) -> None:
    assert "more than 0, at most 1,000,000,000" in fails("build", good, "--timeout", limit, code=2)


def test_the_longest_time_limit_is_no_hindrance(good: Path) -> None:
    assert_initialized(run("build", good, "--timeout", "1e9", code=0).stdout)


@pytest.mark.parametrize("limit", ["64KiB", "1m", "2GB", "9223372036854775807", "999999999999999999999g"])
def test_a_memory_limit_takes_units_and_any_size(good: Path, limit: str) -> None:
    assert_initialized(run("build", good, "--max-memory", limit, code=0).stdout)


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [
        (["bulid"], "Write `build`."),
        (["build", "--layuot", "few"], "Write `--layout`."),
        (["build", "--keep-init-func", "false", "in.wasm"], "comes after `=`: `--keep-init-func=false`."),
        (["build", "--init", "start", "in.wasm"], "name it with `-f NAME`"),
        (["build", "--jobs", "4", "./in.wasm"], "For one module, leave out `--jobs`."),
        (
            ["build", "--no-init-func", "-f", "x", "in.wasm"],
            "Leave out `-f` or `--no-init-func`: with `-f NAME`, only NAME is run",
        ),
        (["build", "--layout", "x", "in.wasm"], "`preinit build --help` lists"),
        (["build", "in.wasm", "--timeout"], "`preinit build --help` lists"),
        (["bench", "in.wasm"], "For example: preinit bench engine.wasm ready.wasm"),
        (["bench", "in.wasm", "out.wasm", "--engine", "node"], "Write `--runtime`."),
        (["serve", "out.wasm", "--host", "::"], "Write `--bind`."),
        (["verify", "in.wasm", "out.wasm", "--report", "x"], "Write `--from-report`."),
        (["inspect", "in.wasm", "out.wasm"], "Leave it out"),
        (["completion", "tcsh"], "`preinit completion --help` lists"),
    ],
)
def test_wrong_usage_is_said_as_all_errors_are_with_a_way_out(arguments: list[str], way_out: str) -> None:
    said = run(*arguments, code=2).stderr.decode()
    assert said.startswith("error[usage]: ")
    assert f"what to do: {way_out}" in said or way_out in said.partition("what to do: ")[2]


def test_a_text_is_not_overwritten_by_the_module_that_is_made_from_it(tmp_path: Path) -> None:
    source = tmp_path / "in.wat"
    source.write_text(GOOD)
    said = run("build", source, "-o", source, code=2).stderr.decode()
    assert "would overwrite the text" in said
    assert "Name another file with `-o`." in said
    assert source.read_text() == GOOD


def test_a_module_may_take_the_place_of_the_binary_that_it_is_made_from(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD))
    run("build", tmp_path / "in.wasm", "-o", tmp_path / "in.wasm", code=0)
    assert b"wizer-initialize" not in (tmp_path / "in.wasm").read_bytes()


@pytest.mark.parametrize("option", ["--stdin", "--preload"])
def test_no_other_input_is_overwritten(tmp_path: Path, option: str) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD))
    (tmp_path / "other.wasm").write_bytes(wasm('(module (func (export "f")))'))
    before = (tmp_path / "other.wasm").read_bytes()
    value = "other.wasm" if option == "--stdin" else "env=other.wasm"
    said = run("build", "in.wasm", option, value, "-o", "other.wasm", code=2, cwd=tmp_path).stderr.decode()
    assert "the module would overwrite the input" in said
    assert (tmp_path / "other.wasm").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--enviroment", "A=1", "in.wasm"], "Write `--env`."),
        (["--max-memry", "1MiB", "in.wasm"], "Write `--max-memory`."),
        (["--inherit-env", "LANG", "in.wasm"], "write `--env NAME`"),
        (["--inherit-env=LANG", "in.wasm"], "write `--env NAME`"),
        (["--inherit-env", "false", "in.wasm"], "`--inherit-env=false`"),
    ],
)
def test_the_option_that_is_meant_is_named(arguments: list[str], hint: str) -> None:
    assert hint in run("build", *arguments, code=2).stderr.decode()
