"""A command whose help reads like a manual page: options under headings, then examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(self._separated(args)))

    def _separated(self, args: list[str]) -> Iterator[str]:
        """`-o=FILE` as `-o FILE`: most other tools take it so, and click for a file named `=FILE`."""
        options = [option for option in self.params if isinstance(option, click.Option)]
        with_value = {name for option in options if not option.is_flag for name in option.opts}
        flags = {name for option in options if option.is_flag for name in option.opts}
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                yield arg
                yield from rest
            elif arg in with_value:
                yield arg
                yield from islice(rest, 1)
            elif arg.startswith("-") and not arg.startswith("--"):
                behind = 1
                while f"-{arg[behind : behind + 1]}" in flags:
                    behind += 1
                name, sign, value = arg[: behind + 1], arg[behind + 1 : behind + 2], arg[behind + 2 :]
                yield from [name, value] if sign == "=" and f"-{name[-1]}" in with_value else [arg]
            else:
                yield arg

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
