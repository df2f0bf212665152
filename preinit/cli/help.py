"""`preinit help`: the help of a command, and what all commands share."""

from __future__ import annotations

import click

from ..errors import UsageError, quoted
from ..options.tables import nearest
from .failure import explained, leave
from .manual import Command, listed

#: What stands on the page, by heading: what is written, what it means.
TOPICS: dict[str, dict[str, str]] = {
    "Calls of initializers (-f)": {
        "NAME": "The export NAME, without arguments.",
        "NAME(3,0.5)": "With numbers, one for each parameter.",
        "NAME(@FILE)": "With the address and length of a copy of FILE. In a folder of jobs, @{} is each job's file.",
        "NAME(*8)": "With the word that lies 8 bytes from the address that the call before returned.",
        "NAME(...)=0": "It must return that number; if it returns another one, the build fails.",
        "NAME(...)?": "It returns the address of a result; if that is an error, the build fails with its message.",
    },
    "Answers of imports (--stub)": {
        "MODULE.NAME=zero": "Zeros and null; =trap fails the build, =nosys returns that errno of WASI.",
        "MODULE.NAME=0x10": "That number; several with commas, where it has several results.",
        "MODULE.*=zero": "All functions of MODULE; MODULE.log_* some of them. A longer name wins.",
    },
    "Sizes, times and numbers": {
        "SIZE": "Bytes, or with a unit: 600KiB, 2MiB, 4GiB.",
        "SECONDS": "A number; 0.5 is half a second. After `epoch:`, seconds since 1970.",
        "seed:N": "N chooses the stream of random numbers: two builds with the same N see the same numbers.",
        "[=BOOL]": "true or false after a `=`, as in --keep-init-func=false. Without a value: true.",
    },
    "Files and folders": {
        "-": "Standard input where a file is read, standard output where one is written.",
        "HOST::GUEST": "A folder of this machine, and its name for the guest. Without ::GUEST both are the same.",
    },
    "Warnings (--accept)": {
        "WARNING": "The code of a warning, as it is printed: clock-frozen. docs/troubleshooting.md lists them.",
        "WARNING@FUNCTION": "Only where that function, or what it called, did it.",
    },
    "Spellings of wizer": {
        "--wasm-...": "Accepted and ignored: what a module uses is known from the module.",
        "--allow-wasi": "Accepted and ignored: WASI is there, unless --no-wasi is given.",
        "--inherit-stdio": "With =false, the same as --quiet-guest.",
        "--mapdir G::H": "The same as --dir H::G.",
        "--init none": "The same as --no-init-func, but -f still counts.",
        "-o=FILE": "The same as -o FILE. So it is with every option of one letter.",
    },
    "Environment variables": {
        "PREINIT_CACHE_DIR": "Folder for compiled code.  [default: preinit in $XDG_CACHE_HOME or ~/.cache]",
        "TMPDIR": "Folder where large modules are while they are built.  [default: /tmp or /var/tmp]",
        "PREINIT_WASM_TOOLS": "The program wasm-tools, which reads the text format.  [default: the package's own]",
        "PREINIT_WIZER_OPTIONS": "Options of `preinit build` for preinit-wizer, where another tool calls that.",
        "SOURCE_DATE_EPOCH": "Where the guest's clock stands, without --clock.",
        "NO_COLOR": "No colour, if it is set to anything.",
    },
    "Exit codes": {
        "0": "Done.",
        "1": "It failed; the message says why, and what to do.",
        "2": "Wrong usage: options that don't fit, files to be read that can't be.",
        "129": "Ended by SIGHUP: its terminal was closed.",
        "130": "Interrupted by Ctrl-C.",
        "141": "The reader of standard output has stopped reading.",
        "143": "Ended by SIGTERM.",
    },
}


@click.command(name="help", cls=Command, examples=("preinit help topics", "preinit help build"), shared=False)
@click.argument("what", metavar="[topics | COMMAND]", required=False)
@click.pass_context
def command(context: click.Context, what: str | None) -> None:
    """Print the help of COMMAND, or with `topics`, how values are written, environment variables and exit codes."""
    with explained(debug=False):
        program = context.find_root()
        group = program.command
        assert isinstance(group, click.Group)
        if what is None:
            click.echo(group.get_help(program))
        elif what == "topics":
            formatter = context.make_formatter()
            for heading, rows in TOPICS.items():
                listed(formatter, heading, list(rows.items()))
            click.echo(formatter.getvalue().strip("\n"))
        elif found := group.get_command(program, what):
            click.echo(found.get_help(click.Context(found, info_name=what, parent=program)))
        else:
            known = ["topics", *group.list_commands(program)]
            raise UsageError(f"there is no command {quoted(what)}", where="preinit help", hint=nearest(what, known))
    leave(0)
