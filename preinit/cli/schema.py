"""`preinit schema`."""

from __future__ import annotations

import json
from importlib.resources import files

import click

from ..files.outputs import STANDARD_OUTPUT, write_output
from .failure import explained, leave
from .manual import Command


@click.command(
    name="schema",
    cls=Command,
    examples=("preinit schema > preinit.schema.json", "preinit schema --jobs > jobs.schema.json"),
)
@click.option("--jobs", "what", flag_value="jobs", help="That of job files instead, see `preinit batch`.")
@click.option("--report", "what", flag_value="report", help="That of reports instead, see `preinit build --report`.")
def command(what: str | None) -> None:
    """Print the JSON schema of the config file.

    Editors that know it complete keys and show mistakes; to some, a first line of `#:schema ./preinit.schema.json`
    names it. It holds for preinit.toml, and for the table [tool.preinit] of pyproject.toml.
    """
    with explained(debug=False):
        write_output(STANDARD_OUTPUT, _schema(what))
    leave(0)


def _schema(what: str | None) -> bytes:
    if what == "report":
        from ..result.schema import schema

        return (json.dumps(schema(), indent=2) + "\n").encode()
    return files(f"preinit.{'batch' if what == 'jobs' else 'targets'}").joinpath("schema.json").read_bytes()
