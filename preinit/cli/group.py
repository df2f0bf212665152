"""`preinit`: finds the command; imports it only then."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import Any

import click

from .failure import explained, say_error

#: Command -> what it does. Each lives in a module of its name.
COMMANDS = {
    "batch": "Many builds of one module, on all cores or on a Dask cluster.",
    "bench": "Measure how fast a module starts, and how fast its output does.",
    "build": "Run a module's initializer, write a module that starts where it ended.",
    "capture": "Run a program in its JavaScript glue, write a module that starts where it ended.",
    "cache": "Show or clear the compiled code that is kept between builds.",
    "completion": "Print a script for a shell that completes what is typed.",
    "help": "Print the help of a command, or what all commands share.",
    "schema": "Print the JSON schema of config files, job files or reports.",
    "verify": "Compare an output with its input after the initializer: state, and calls of exports.",
    "inspect": "Show what is in a module, and what a snapshot added to it.",
    "serve": "Answer HTTP requests, each with a fresh instance of a command.",
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __package__).command
        gc.freeze()  # what was imported stays: a search for cycles can leave it out
        gc.enable()  # `main` put it off
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def make_context(self, *given: Any, **named: Any) -> click.Context:
        with explained(debug=False):  # its help and versions may not be printable where they go
            return super().make_context(*given, **named)

    def invoke(self, ctx: click.Context) -> Any:
        with explained(debug=False):  # an interrupt while a command is imported
            return super().invoke(ctx)


def _show_versions(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from .versions import versions

    for line in versions():
        click.echo(line)
    context.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`preinit COMMAND --help`: its options and examples. `preinit help topics`: how values are written, "
    "environment variables, exit codes. `preinit-wizer`: the command line of wizer.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_versions,
    help="Show the versions of preinit and of what it uses, and exit.",
)
def group() -> None:
    """Run a WebAssembly module's start-up once, and save the result as a new module that starts there.

    \b
    Examples:
      preinit build engine.wasm -o ready.wasm
      preinit build engine.wasm -f initialize-runtime --report - -o ready.wasm
      preinit inspect ready.wasm --against engine.wasm
      preinit bench engine.wasm ready.wasm
      preinit verify engine.wasm ready.wasm -f initialize-runtime --call-all
    """


def run() -> int:
    """Runs the command and returns its exit code. Raises `KeyboardInterrupt`, outside of commands too."""
    try:
        return int(group.main(prog_name="preinit", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as problem:
        click.echo(problem.format_message(), err=True)
        return problem.exit_code
    except click.ClickException as problem:
        from .usage import in_our_words

        named = [name for name in sys.argv[1:2] if name in COMMANDS]
        error = in_our_words(problem, " ".join(["preinit", *named]))
        say_error(error.code, str(error))
        return error.exit_code
    except click.Abort as problem:  # click's word for an interrupt
        cause = problem.__cause__
        raise (cause if isinstance(cause, KeyboardInterrupt) else KeyboardInterrupt()) from None
