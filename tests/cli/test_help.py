"""Help that reads like a manual page, for every command."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from preinit.cli.group import COMMANDS
from preinit.cli.help import ENVIRONMENT, Command, messages, under
from tests.support.command import run


@click.command(
    cls=Command,
    examples=["tool one --that-is much-too-long --to-fit on-a-line --of eighty-columns-or --so"],
    environment=["NO_COLOR"],
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
    return {part[0].removesuffix(":"): part[1] for part in parts if len(part) == 2}


def test_options_stand_under_their_headings_in_order() -> None:
    said = CliRunner().invoke(tool, ["--help"]).output
    found = sections(said)
    assert list(found) == ["Options", "Second", "First", "Messages", "Environment variables", "Exit codes", "Examples"]
    assert [line.split()[0] for line in found["First"].splitlines()] == ["--one", "--more"]
    assert found["Messages"].splitlines()[-1].split()[0] == "--help"
    assert "--hidden" not in said


def test_examples_are_never_wrapped() -> None:
    assert sections(CliRunner().invoke(tool, ["--help"]).output)["Examples"].strip() == tool.examples[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_headings_environment_exit_codes_and_examples(name: str) -> None:
    said = run(name, "--help", code=0).stdout.decode()
    found = sections(said)
    assert {"Environment variables", "Exit codes", "Examples"} <= set(found)
    assert all(line.split()[0] in ENVIRONMENT for line in found["Environment variables"].splitlines() if line[2] != " ")
    assert all(line.strip().startswith(f"preinit {name}") for line in found["Examples"].splitlines())
