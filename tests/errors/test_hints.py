"""Hints that are command lines: they can be copied into a shell, and the command takes them."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

import preinit
from preinit.cli.group import COMMANDS
from preinit.errors import UsageError
from preinit.options import tables
from tests.support.command import fails, run
from tests.support.modules import wasm
from tests.support.wasi_guest import needs_folders

ROOT = Path(preinit.__file__).parent

#: An option of a command line in a text, and its value: a word, or one between quotes. Others have their own options.
OPTION = re.compile(r"(?<![\w,=/-])(--?[a-z][a-z-]*)(?:[ =]('[^']*'|[^\s`')]+))?")
OTHERS = re.compile(r"`?(?:wasm-tools|wasm-opt|dask|pip|ulimit|ruff)\b[^`.]*`?|`-[Wmf][^`]*`|`-c`")
#: What stands for a number where a value is one.
NUMBERS = re.compile(r"\b(?:N|SIZE|SECONDS)\b")
ENDS = (".", ",", ";", ":")
#: Takes the place of what a message fills in.
FILLED = "NAME"


class Copied(NamedTuple):
    """An option as it stands in a message: `flag`, `value`, and whether what follows would be copied with it."""

    place: str
    flag: str
    value: str | None
    runs_on: bool


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The strings of a file that are said, f-strings with their fields filled: no docstrings, no single words."""
    silent: set[int] = set()
    for node in ast.walk(tree):
        first = node.body[0] if isinstance(getattr(node, "body", None), list) and node.body else None  # type: ignore[attr-defined]
        if isinstance(first, ast.Expr):
            silent.add(id(first.value))
        if isinstance(node, ast.JoinedStr):
            silent.update(id(part) for part in ast.walk(node) if part is not node)
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        said = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            said = node.value
        elif isinstance(node, ast.JoinedStr):
            said = "".join(str(part.value) if isinstance(part, ast.Constant) else FILLED for part in node.values)
        if " " in said:
            yield node.lineno, said  # type: ignore[attr-defined]


def copied(place: str, said: str) -> Iterator[Copied]:
    said = OTHERS.sub("", said)
    for match in OPTION.finditer(said):
        value = match[2]
        runs_on = bool(value) and not value.startswith("'") and value.endswith(ENDS)
        yield Copied(place, match[1], value and value.strip("'"), runs_on)


def commands() -> dict[str, click.Command]:
    return {name: import_module(f"preinit.cli.{name}").command for name in COMMANDS}


def parsers(flag: str) -> list[tuple[str, click.Command]]:
    """The commands that have the option."""
    found = []
    for name, command in commands().items():
        known = [spelling for one in command.params for spelling in (*one.opts, *one.secondary_opts)]
        if flag in known:
            found.append((name, command))
    return found


def takes(command: click.Command, arguments: list[str]) -> None:
    """Parses a command line. Raises `click.UsageError`, and `UsageError` for a value that an option does not take."""
    context = click.Context(command)
    command.make_parser(context).parse_args(list(arguments))
    by_flag: dict[str, Any] = {}
    for option in tables.all_options().values():
        by_flag |= {spelling: option for spelling in (option.flag, option.short) if spelling}
    flag, *values = arguments
    if values and flag in by_flag and not by_flag[flag].kind.is_flag:
        by_flag[flag].kind.parse(NUMBERS.sub("1", values[0]), flag)


MESSAGES = [
    pytest.param(path, id=str(path.relative_to(ROOT)))
    for path in sorted(ROOT.rglob("*.py"))
    if path.parent.name not in ("cli", "report") or path.name in ("failure.py", "usage.py", "choice.py", "build.py")
]


@pytest.mark.parametrize("path", MESSAGES)
def test_every_option_in_a_message_can_be_copied_and_is_taken(path: Path) -> None:
    for line, said in texts(ast.parse(path.read_text())):
        for one in copied(f"{path.name}, line {line}: {said!r}", said):
            able = parsers(one.flag)
            if not able:  # another program's, or one that preinit does not have and says so
                assert not one.flag.startswith("--") or one.flag in said, one.place
                continue
            assert not one.runs_on, f"{one.place}: a full stop would be copied with {one.value}"
            problems = []
            for _, command in able:
                option = next(p for p in command.params if one.flag in (*p.opts, *p.secondary_opts))
                has_value = isinstance(option, click.Option) and not option.is_flag
                try:
                    takes(command, [one.flag, one.value] if has_value and one.value else [one.flag])
                except UsageError as problem:
                    problems.append(str(problem))
                except click.UsageError as problem:
                    if has_value and not one.value:  # the option alone is named, not a command line
                        continue
                    problems.append(problem.format_message())
            assert len(problems) < len(able), f"{one.place}: {problems}"


# -- hints with names of modules and files, as they are said


def hint_of(said: str) -> str:
    return said.rpartition("what to do: ")[2].strip()


def options_in(hint: str) -> list[list[str]]:
    """The options of a hint with their values, as a shell would read them: up to its end."""
    start = re.search(r"(?<!\S)`?--?[a-z]", hint)
    assert start, hint
    words = shlex.split(hint[start.start() :].split("`")[1] if hint[start.start()] == "`" else hint[start.start() :])
    return [words[at : at + 2] for at in range(0, len(words), 2)]


def build_fails(tmp_path: Path, text: str, *options: str) -> str:
    (tmp_path / "in.wasm").write_bytes(wasm(text))
    return hint_of(fails("build", tmp_path / "in.wasm", "-o", tmp_path / "out.wasm", *options))


NASTY = ["a b", "it's", "$HOME", "a;b", "`id`", "--x", "*"]
INIT = '(func (export "wizer.initialize")'
GO = '(func (export "go"))'


@pytest.mark.parametrize("name", NASTY)
def test_names_in_a_hint_are_quoted_for_a_shell(name: str, tmp_path: Path) -> None:
    text = f'(module (import "{name}" "g" (global i32)) {INIT}) (func (export "go")))'
    hint = build_fails(tmp_path, text)
    ((flag, value),) = [options_in(hint)[0]] if "`id`" not in name else [shlex.split(hint.partition(": ")[2])]
    assert (flag, value) == ("--import-global", f"{name}.g=VALUE")
    (tmp_path / "in.wasm").write_bytes(wasm(text))
    run("build", tmp_path / "in.wasm", "-o", tmp_path / "out.wasm", flag, f"{name}.g=1", code=0)


def test_what_is_imported_from_a_module_without_a_name_has_no_option_that_could_provide_it(tmp_path: Path) -> None:
    hint = build_fails(tmp_path, f'(module (import "" "f" (func $f)) {INIT} (call $f)) (func (export "go")))')
    assert "--preload" not in hint
    hint = build_fails(tmp_path, f'(module (import "lib" "f" (func $f)) {INIT} (call $f)) (func (export "go")))')
    assert "--preload lib=FILE" in hint


@needs_folders
@pytest.mark.parametrize("guest_path", [".", "/", "/a b"])
def test_folders_in_a_hint_end_where_their_names_end(guest_path: str, tmp_path: Path) -> None:
    text = f"""(module (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
      (memory (export "memory") 1) {INIT} (drop (call $prestat (i32.const 3) (i32.const 8)))))"""
    (tmp_path / "in.wasm").write_bytes(wasm(text))
    options = ("--dir", f"{tmp_path}::{guest_path}")
    done = run("build", tmp_path / "in.wasm", "-o", tmp_path / "out.wasm", *options, code=0)
    (hint,) = re.findall("what to do: (.*same order: .*)", done.stderr.decode())
    assert shlex.split(hint.rpartition("order: ")[2]) == ["--dir", f"HOST::{guest_path}"]


@pytest.mark.parametrize(
    ("memory", "says"),
    [
        ("(memory 1)", "`-Wl,--export-memory`"),
        ("", "has no memory"),
    ],
)
def test_a_memory_that_is_not_exported_is_told_with_the_linkers_flags(memory: str, says: str, tmp_path: Path) -> None:
    imported = '(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))'
    text = f"(module {imported} {memory} {INIT} (drop (call $random (i32.const 8) (i32.const 8)))) {GO})"
    assert says in build_fails(tmp_path, text)


def test_of_each_option_that_is_named_in_a_hint_the_python_library_says_the_field() -> None:
    from preinit.options.words import in_python

    assert in_python("Give it: --import-global 'a b.g=VALUE'") == 'Give it: `import_globals={"a b.g": "VALUE"}`'
    given = 'give it the function: `functions={"MODULE.NAME": function}`, or `preloads={"lib": "FILE"}`'
    assert in_python("give it the function: --preload lib=FILE") == given
