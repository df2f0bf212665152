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


#: As a context's object: of an option that is given several times, the last one counts.
LAST_COUNTS = object()


class Repeated(click.UsageError):
    """An option that can be given once only. `hint`: what to do."""

    def __init__(self, message: str, hint: str, ctx: click.Context) -> None:
        super().__init__(message, ctx)
        self.hint = hint


class Command(click.Command):
    """A command with such a help, which takes no option twice that has one value.

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

    def make_parser(self, ctx: click.Context) -> Any:
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_once(args: list[str]) -> Any:
            values, rest, order = parse(args)
            if not ctx.resilient_parsing and ctx.obj is not LAST_COUNTS:
                _check_once(ctx, order)
            return values, rest, order

        parser.parse_args = parse_once  # type: ignore[method-assign]
        return parser

    def _separated(self, args: list[str]) -> Iterator[str]:
        """`-o=FILE` as `-o FILE`: most other tools take it so, and click for a file named `=FILE`.

        And `-o FILE` as `--output FILE`: of a short name, click looks first for long ones that are like it.
        """
        options = [option for option in self.params if isinstance(option, click.Option)]
        with_value = {name for option in options if not option.is_flag for name in option.opts}
        flags = {name for option in options if option.is_flag for name in option.opts}
        longest = {name: _longest(option) for option in options for name in option.opts}
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                yield arg
                yield from rest
            elif arg in with_value:
                following = list(islice(rest, 1))
                yield longest[arg] if following else arg
                yield from following
            elif arg in flags:
                yield longest[arg]
            elif arg.startswith("-") and not arg.startswith("--"):
                behind = 1
                while f"-{arg[behind : behind + 1]}" in flags:
                    behind += 1
                name, sign, value = arg[: behind + 1], arg[behind + 1 : behind + 2], arg[behind + 2 :]
                yield from [longest.get(name, name), value] if sign == "=" and f"-{name[-1]}" in with_value else [arg]
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


def _check_once(ctx: click.Context, order: Sequence[click.Parameter]) -> None:
    """`order`: what was given, in that order. A flag that has no opposite says the same however often."""
    before: dict[str | None, click.Option] = {}
    for option in order:
        if not isinstance(option, click.Option) or option.multiple or option.count:
            continue
        other = before.setdefault(option.name, option)
        if other is not option:
            names = f"`{_longest(other)}` and `{_longest(option)}`"
            raise Repeated(f"{names} don't go together", "Give one of them.", ctx)
        if _given(order, option) > 1 and (not option.is_flag or option.secondary_opts):
            both = "".join(f" or `{name}`" for name in option.secondary_opts)
            raise Repeated(
                f"`{_longest(option)}`{both} is given several times, and can have one value",
                "Give it once: leave the others out.",
                ctx,
            )


def _given(order: Sequence[click.Parameter], option: click.Option) -> int:
    return sum(one is option for one in order)


def _longest(option: click.Option) -> str:
    return max(option.opts, key=len)


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
