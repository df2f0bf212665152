"""`preinit completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..files.outputs import STANDARD_OUTPUT, write_output
from .failure import explained, leave
from .manual import Command

SHELLS = ("bash", "zsh", "fish")

#: The variable by which click recognizes a shell's question: of the program's name.
_VARIABLE = "_PREINIT_COMPLETE"


@click.command(
    name="completion",
    cls=Command,
    examples=(
        'preinit completion bash >> ~/.bashrc             # or: eval "$(preinit completion bash)"',
        "preinit completion zsh >> ~/.zshrc               # after compinit",
        "preinit completion fish > ~/.config/fish/completions/preinit.fish",
    ),
)
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
@click.option("--debug", is_flag=True, help="Show Python's traceback of an error.")
@click.pass_context
def command(context: click.Context, shell: str, debug: bool) -> None:
    """Print a script that lets SHELL (bash, zsh or fish) complete preinit's commands, options, values and files.

    The script asks preinit each time, so it stays true when preinit changes.
    """
    with explained(debug):
        found = get_completion_class(shell)
        assert found is not None  # click knows all of them
        about = found(context.find_root().command, {}, "preinit", _VARIABLE)
        # Not `source()`: for bash, that starts a shell to see which version it is, and this one may not be installed.
        script = about.source_template % about.source_vars()
        write_output(STANDARD_OUTPUT, (script.strip() + "\n").encode())
    leave(0)
