"""A command whose help reads like a manual page: options under headings, then examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

_HEADING = "heading"
_OPTIONS = "Options"
_MESSAGES = "Messages"


class Command(click.Command):
    """A command with such a help.

    Parameters
    ----------
    examples: whole command lines, as a user would type them.
    shared: whether its options and values are explained by `preinit help topics`.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        shared: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(*args, **others)
        self.examples = tuple(examples)
        self.shared = shared

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options under their headings, in the order in which the headings come up first."""
        rows: dict[str, list[tuple[str, str]]] = {_OPTIONS: []}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if row:
                heading = vars(parameter).get(_HEADING, _OPTIONS)
                if "--help" in parameter.opts and _MESSAGES in rows:
                    heading = _MESSAGES
                rows.setdefault(heading, []).append(row)
        for heading, group in rows.items():
            listed(formatter, heading, group)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:  # never wrapped: they are to be copied
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        if self.shared:
            formatter.write_paragraph()
            formatter.write_text("How values are written, environment variables, exit codes: preinit help topics")


#: Columns of the options themselves: what is longer stands on a line of its own.
_WIDTH = 32


def listed(formatter: click.HelpFormatter, heading: str, rows: Sequence[tuple[str, str]]) -> None:
    """Names and what they mean, under a heading."""
    if rows:
        with formatter.section(heading):
            formatter.write_dl(rows, col_max=_WIDTH)


def under(heading: str, *options: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """A decorator that adds options under a heading of the help.

    `options`: what `click.option` gives, or other decorators that add options.
    """

    def add(function: Function) -> Function:
        before = len(getattr(function, "__click_params__", ()))
        for option in reversed(options):
            function = option(function)
        for parameter in function.__click_params__[before:]:  # type: ignore[attr-defined]
            vars(parameter).setdefault(_HEADING, heading)  # click's own class: it has no place for that
        return function

    return add


#: `quiet`, `verbose`, `debug`: how much a command says.
messages = under(
    _MESSAGES,
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    click.option("-v", "--verbose", is_flag=True, help="Say what is done, how long it takes, and what was chosen."),
    click.option("--debug", is_flag=True, help="Show Python's traceback of an error."),
)
