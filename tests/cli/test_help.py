"""Help that reads like a manual page, for every command."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import preinit
from preinit.cli.group import COMMANDS
from preinit.cli.help import TOPICS
from preinit.cli.manual import Command, messages, under
from tests.support.command import run


@click.command(
    cls=Command,
    examples=["tool one --that-is much-too-long --to-fit on-a-line --of eighty-columns-or --so"],
)
@click.option("--plain", help="Without a heading.")
@under("Second", click.option("--two", help="Another."), click.option("--hidden", hidden=True))
@under("First", click.option("--one", help="One."), click.option("--more", help="More."))
@messages
def tool(**_given: object) -> None:
    """Does nothing."""


def sections(text: str) -> dict[str, str]:
    """Heading -> what stands under it."""
    parts = [part.split("\n", 1) for part in text.split("\n\n")]
    return {part[0].removesuffix(":"): part[1] for part in parts if len(part) == 2 and part[0].endswith(":")}


def test_options_stand_under_their_headings_in_order() -> None:
    said = CliRunner().invoke(tool, ["--help"]).output
    found = sections(said)
    assert list(found) == ["Options", "Second", "First", "Messages", "Examples"]
    assert [line.split()[0] for line in found["First"].splitlines()] == ["--one", "--more"]
    assert found["Messages"].splitlines()[-1].split()[0] == "--help"
    assert "--hidden" not in said


def test_examples_are_never_wrapped() -> None:
    assert sections(CliRunner().invoke(tool, ["--help"]).output)["Examples"].strip() == tool.examples[0]


#: Lines of two screens.
TWO_SCREENS = 110


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_and_fits_two_screens(name: str) -> None:
    said = run(name, "--help", code=0, COLUMNS="80").stdout.decode()
    assert all("preinit " in line for line in sections(said)["Examples"].splitlines())
    assert f"preinit {name}" in sections(said)["Examples"]
    assert len(said.splitlines()) <= TWO_SCREENS


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_the_same_in_both_ways_to_ask(name: str) -> None:
    assert run("help", name, code=0).stdout == run(name, "--help", code=0).stdout


def test_what_all_commands_share_stands_on_one_page() -> None:
    found = sections(run("help", "topics", code=0).stdout.decode())
    assert list(found) == list(TOPICS)
    assert {"PREINIT_CACHE_DIR", "NO_COLOR"} <= {
        line.split()[0] for line in found["Environment variables"].splitlines()
    }
    assert {"0", "1", "2", "129", "130", "141", "143"} <= {line.split()[0] for line in found["Exit codes"].splitlines()}


def test_every_variable_that_is_looked_at_is_on_that_page() -> None:
    source = "".join(path.read_text() for path in Path(preinit.__file__).parent.rglob("*.py"))
    looked_at = set(re.findall(r"\b(?:PREINIT_[A-Z_]+|NO_COLOR|SOURCE_DATE_EPOCH)\b", source)) - {
        "PREINIT_COMPLETE",
        "PREINIT_AUDIT",
        "PREINIT_LATE",
        "PREINIT_JOB",
    }  # of a shell, of a guest, of our script in Node
    assert looked_at <= set(TOPICS["Environment variables"])


def test_help_of_a_command_that_there_is_not_names_the_one_that_is_meant() -> None:
    said = run("help", "biuld", code=2).stderr.decode()
    assert "error[usage]: there is no command 'biuld'" in said
    assert "Write `build`." in said


def test_a_word_that_is_missing_is_named_on_one_line() -> None:
    said = run("cache", code=2).stderr.decode()
    assert said.splitlines()[0].endswith("missing argument 'info|clear'. Choose from: info, clear")
