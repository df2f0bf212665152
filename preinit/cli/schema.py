"""`preinit schema`."""

from __future__ import annotations

from importlib.resources import files

import click

from ..files.outputs import STANDARD_OUTPUT, write_output
from .failure import explained, leave
from .help import Command


@click.command(
    name="schema",
    cls=Command,
    examples=("preinit schema > preinit.schema.json", "preinit schema --jobs > jobs.schema.json"),
    environment=("NO_COLOR",),
)
@click.option("--jobs", is_flag=True, help="That of job files instead, see `preinit batch`.")
def command(jobs: bool) -> None:
    """Print the JSON schema of the config file.

    Editors that know it complete keys and show mistakes; to some, a first line of `#:schema ./preinit.schema.json`
    names it. It holds for preinit.toml, and for the table [tool.preinit] of pyproject.toml.
    """
    with explained(debug=False):
        write_output(
            STANDARD_OUTPUT, files(f"preinit.{'batch' if jobs else 'targets'}").joinpath("schema.json").read_bytes()
        )
    leave(0)
