"""Options that say what the guest sees of the world, and the `Host` that they make."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ..errors import UsageError
from ..options import DEFAULT_MAX_OUTPUT, FILE_TIMES, Host
from ..options.text import clock, random
from .arguments import File, Folder, Size, folder, mapped_folder, read, variable

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--dir", "dirs", type=Folder(), multiple=True, metavar="HOST[::GUEST]", help="Folder that the guest may read."
    ),
    click.option("--writable", is_flag=True, help="The guest may write the folders of --dir, too."),
    click.option(
        "--file-times",
        type=click.Choice(FILE_TIMES),
        default="fixed",
        show_default=True,
        help="What times of files the guest sees: the clock's (fixed), or their own (host).",
    ),
    click.option("--env", "env", multiple=True, metavar="K[=V]", help="Environment variable; without =V, ours."),
    click.option(
        "--arg", "args", multiple=True, metavar="ARG", help="Argument of the guest; the first is its program name."
    ),
    click.option("--stdin", type=File(), metavar="FILE", help="What the guest reads from standard input."),
    click.option(
        "--clock",
        metavar="epoch:SECONDS|host",
        help="Where the guest's clock stands, or the system's clocks.  [default: epoch:$SOURCE_DATE_EPOCH or epoch:0]",
    ),
    click.option(
        "--random",
        metavar="seed:N|deny|host",
        default="seed:0",
        show_default=True,
        help="Random numbers: a seeded stream, none (asking for some fails the build), or the system's.",
    ),
    click.option("--no-wasi", is_flag=True, help="Fail when the guest calls any function of WASI."),
    click.option("--quiet-guest", is_flag=True, help="Drop what the guest prints."),
    click.option(
        "--max-guest-output",
        type=Size(),
        default=DEFAULT_MAX_OUTPUT,
        metavar="SIZE",
        help="Most that the guest may print.  [default: 64MiB]",
    ),
)


def world_options(function: Function) -> Function:
    """Adds the options that `host` takes."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def host(given: Mapping[str, Any]) -> Host:
    """The `Host` for what was given to those options, and wizer's spellings of them. Raises `UsageError`."""
    if given["no_wasi"] and given["allow_wasi"]:
        raise UsageError("WASI is allowed and refused", hint="Leave out `--allow-wasi` or `--no-wasi`.")
    if given["writable"] and not (given["dirs"] or given["mapdir"]):
        raise UsageError("no folder is given that could be written", hint="Give one: --dir HOST[::GUEST].")
    kind, seed = random(given["random"], "--random")
    return Host(
        env=_environment(given["env"], given["inherit_env"]),
        args=given["args"],
        dirs=(*map(folder, given["dirs"]), *map(mapped_folder, given["mapdir"])),
        stdin=read(given["stdin"]) if given["stdin"] else b"",
        seed=seed,
        quiet=given["quiet_guest"] or not given["inherit_stdio"],
        clock=clock(given["clock"], "--clock", os.environ),  # type: ignore[arg-type]
        random=kind,  # type: ignore[arg-type]
        writable=given["writable"],
        file_times=given["file_times"],
        wasi=not given["no_wasi"],
        max_output=given["max_guest_output"],
        public_env=_public(given["env"]),
    )


def _environment(given: tuple[str, ...], inherited: bool) -> tuple[tuple[str, str], ...]:
    """What the user gave; before that, with wizer's `--inherit-env`, all of our own."""
    return tuple({**(os.environ if inherited else {}), **dict(map(variable, given))}.items())


def _public(given: tuple[str, ...]) -> tuple[str, ...]:
    """The variables of which the user wrote the value: those of our environment may hold secrets."""
    written = {name: bool(found) for name, found, _ in (text.partition("=") for text in given)}
    return tuple(name for name, found in written.items() if found)
