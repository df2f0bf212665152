"""`preinit`: finds the command; imports it only then."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from ..version import VERSION
from .failure import explained

#: Command -> what it does. Each lives in a module of its name.
COMMANDS = {
    "build": "Run a module's initializer, write a module that starts where it ended.",
    "schema": "Print the JSON schema of the config file.",
    "verify": "Compare an output with its input after the initializer: state, and calls of exports.",
    "inspect": "Show what is in a module, and what a snapshot added to it.",
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __package__).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        with explained(debug=False):  # an interrupt while a command is imported
            return super().invoke(ctx)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Run `preinit COMMAND --help` for a command's options and examples.",
)
@click.version_option(VERSION, prog_name="preinit")
def group() -> None:
    """Pre-initialize WebAssembly modules.

    \b
    Examples:
      preinit build engine.wasm -o ready.wasm
      preinit build engine.wasm -f initialize-runtime --report - -o ready.wasm
      preinit verify engine.wasm ready.wasm -f initialize-runtime --call-all
    """


def run() -> int:
    """Runs the command and returns its exit code. Raises `KeyboardInterrupt`, outside of commands too."""
    _open_standard_streams()
    try:
        return int(group.main(prog_name="preinit", standalone_mode=False) or 0)
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except click.Abort:  # click's word for an interrupt
        raise KeyboardInterrupt from None


def _open_standard_streams() -> None:
    """Makes streams that are closed lead nowhere: else the next file that is opened would be taken for one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
