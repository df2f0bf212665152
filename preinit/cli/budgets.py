"""Options that limit the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .arguments import Size

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--max-size", type=Size(), metavar="SIZE", help="Most bytes that the output may have."),
    click.option("--max-gzip", type=Size(), metavar="SIZE", help="Most bytes that it may have compressed (gzip -6)."),
    click.option("--max-segments", type=click.IntRange(0), metavar="N", help="Most data segments that it may have."),
    click.option(
        "--max-memory-pages",
        type=click.IntRange(0),
        metavar="N",
        help="Most pages of 64 KiB that its memories may have at the start.",
    ),
)


def budget_options(function: Function) -> Function:
    """Adds the options that set the fields of `Options` that `options.BUDGETS` names, under their names."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
