"""Spellings of wizer's that scripts still use, and options whose value is optional: it comes only after `=`.

https://github.com/bytecodealliance/wasmtime/tree/main/crates/wizer
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

import click

from ..files.outputs import STANDARD_OUTPUT
from . import manual
from .plain import OPTIONAL_VALUE
from .usage import GIVEN

Function = TypeVar("Function", bound=Callable[..., Any])

#: Where this one takes a file, it is optional, too.
_JSON = "--json"

#: The engine knows which proposals a module uses: `--wasm-simd`, `--wasm-bulk-memory=false` and so on say nothing new.
_PROPOSAL = r"--wasm-[a-z0-9-]+(?:=(?:true|false))?"


class Command(manual.Command):
    """A command that understands those spellings."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = ctx.meta[GIVEN] = list(self._modern(args))
        return super().parse_args(ctx, list(given))

    def _modern(self, args: list[str]) -> Iterator[str]:
        with_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        has_file = _JSON in with_value
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                yield arg
                yield from rest
            elif arg in OPTIONAL_VALUE:  # what follows is the input, not a value
                yield f"{arg}=true"
            elif arg == _JSON and has_file:
                yield f"{arg}={STANDARD_OUTPUT}"
            elif arg in with_value:
                yield arg
                yield from islice(rest, 1)
            elif not (arg.startswith("--wasm-") and re.fullmatch(_PROPOSAL, arg)):
                yield arg


def spellings(function: Function) -> Function:
    """Adds wizer's options that preinit has other names for, hidden: `allow_wasi`, `inherit_stdio`, ..."""
    for option in (
        click.option("--allow-wasi", is_flag=True, hidden=True),  # WASI is always there
        click.option("--inherit-stdio", type=click.BOOL, default=True, hidden=True),
        click.option(
            "--inherit-env",
            type=click.BOOL,
            default=False,
            metavar="[=BOOL]",
            help="All of your environment variables.",
        ),
        click.option("--mapdir", multiple=True, metavar="GUEST::HOST", hidden=True),
    ):
        function = option(function)
    return function
