"""Plain lines of `preinit build` are read without click: as click reads them, or not at all."""

from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preinit.cli.build import command
from preinit.cli.plain import read

#: What can be in a line: all options of the command, with and without values of all kinds, and what is none.
FLAGS = sorted({flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)})
WORDS = (
    "a.wasm",
    "./b",
    "name",
    "-",
    "",
    "x=1",
    "--",
    "--nothing",
    "-qv",
    "-o=c",
    "-oc",
    "size",
    "none",
    "true",
    "5",
    "-5",
)

written = st.one_of(
    st.sampled_from(FLAGS),
    st.sampled_from(WORDS),
    st.builds("{}={}".format, st.sampled_from(FLAGS), st.sampled_from(WORDS)),
)


def by_click(args: list[str]) -> dict[str, Any] | None:
    """What click makes of a line; None where it says that it is wrong, or shows help."""
    try:
        return command.make_context("build", list(args)).params
    except (click.ClickException, click.exceptions.Exit):
        return None


@given(st.lists(written, max_size=5), st.lists(st.sampled_from(("a.wasm", "-o", "out.wasm")), max_size=3))
@example(["a.wasm", "--keep-init-func", "true"], [])
@example(["a.wasm", "--keep-init-func=noop", "-f", "go(1)"], [])
@example(["a.wasm", "--layout", "siz"], [])
@example(["a.wasm", "--no-cache", "--no-cache"], [])
@example(["a.wasm", "-f", "-f"], [])
def test_what_is_read_without_click_is_what_click_reads(some: list[str], more: list[str]) -> None:
    found = read([*some, *more])
    assert found is None or found == by_click([*some, *more])


@pytest.mark.parametrize(
    "line",
    [
        "in.wasm -o out.wasm",
        "- -o -",
        "in.wasm --output=out.wasm -f one -f two(1,2) --init-func three -q",
        "./in --dir lib::/lib --dir=etc::/etc --env A=B --arg x --stdin - --report report.json --html page.html -v",
        "in.wasm -o out.wasm --pause-at stdin --late env,args --late-room 1MiB --layout size --engine ondemand --verify",
        "in.wasm -r _start=resume --keep-init-func=noop --stub env.log=zero --random deny --clock host --strict --audit",
        "in.wasm -o out.wasm --no-cache --no-init-func",
    ],
)
def test_what_scripts_write_needs_no_click(line: str) -> None:
    assert read(line.split()) is not None


@pytest.mark.parametrize(
    "line", ["", "target", "in.wasm two.wasm", "in.wasm --help", "in.wasm --jobs 2", "in.wasm -oout"]
)
def test_all_else_is_left_to_click(line: str) -> None:
    assert read(line.split()) is None


def test_a_shell_that_completes_a_line_is_left_to_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_PREINIT_COMPLETE", "bash_complete")
    assert read(["in.wasm"]) is None


@pytest.mark.parametrize("arg", ["./*.wasm", "~/a.wasm", "$NAME.wasm", "%NAME%.wasm", "./a?.wasm", "./[ab].wasm"])
def test_what_is_expanded_first_is_left_to_click(arg: str) -> None:
    """On Windows, where no shell does that."""
    assert read([arg], expands=True) is None
    assert read(["./a.wasm", "-o", arg], expands=True) is None
    assert read([arg], expands=False) is not None
