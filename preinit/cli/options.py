"""Options of the command line, made of the declarations; from what was given there to `Options`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ..errors import UsageError, quoted
from ..options import Host, tables
from ..options.declared import Effect, Option, declared
from .completed import File, Folder
from .manual import LAST_COUNTS, under
from .wizer import spellings

Function = TypeVar("Function", bound=Callable[..., Any])
Wanted = Callable[[Option[Any, Any]], bool]

_WORLD = next(option.heading for option in declared(Host))

_HELP = ("-h", "--help")

#: Options that say how a module is built, or what is said, and are not declared.
_BESIDES = ("no_init_func", "init", "allow_wasi", "inherit_stdio", "inherit_env", "mapdir", "quiet")

#: What a value is, where shells can complete it.
_COMPLETED = {"dirs": Folder(), "stdin": File(), "preloads": File()}


def click_option(option: Option[Any, Any]) -> Callable[[Function], Function]:
    """The option of the command line; what was not given is None, or an empty tuple."""
    kind = option.kind
    names = [option.name, *([option.short] if option.short else [])]
    text = option.help
    if option.otherwise:
        text += f"  [default: {option.otherwise}]"
    elif kind.choices:
        text += f"  [default: {option.default}]"
    if kind.is_flag:
        flag = f"{option.flag}/--no-{option.key}" if option.default else option.flag
        return click.option(flag, *names, default=None, is_flag=True, help=text)
    completed = click.Choice(kind.choices) if kind.choices else _COMPLETED.get(option.name, click.STRING)
    metavar = option.metavar or "|".join(kind.choices) or None
    return click.option(
        option.flag,
        *names,
        type=completed,
        multiple=kind.repeats,
        metavar=metavar,
        help=text,
    )


def options_where(wanted: Wanted) -> Callable[[Function], Function]:
    """A decorator that adds the options of a build, those that are wanted, under their headings."""

    def add(function: Function) -> Function:
        groups: dict[str, list[Callable[[Any], Any]]] = {}
        for option in filter(wanted, tables.all_options().values()):
            assert option.heading is not None
            groups.setdefault(option.heading, []).append(click_option(option))
            if option.name == "init_funcs":
                groups[option.heading].append(_no_init_func)
        for heading, group in reversed(groups.items()):
            function = under(heading, *([spellings] if heading == _WORLD else []), *group)(function)
        return function

    return add


def _no_init_func(function: Function) -> Function:
    for option in (
        click.option("--no-init-func", is_flag=True, help="Run only the start function and _initialize."),
        click.option("--init", type=click.Choice(["auto", "none"]), hidden=True),
    ):
        function = option(function)
    return function


#: Everything that decides what the output is, for whoever runs the initializer again.
build_options = options_where(lambda option: option.effect is not Effect.VERDICT)
#: What is accepted.
verdict_options = options_where(lambda option: option.effect is Effect.VERDICT)
#: What matters to whoever only runs initializers.
run_options = options_where(
    lambda option: (
        option.name
        not in ("rename_funcs", "keep_init_func", "imports", "layout", "scrub_stack", "engine", "cache", "quiet_guest")
        and option.effect is not Effect.VERDICT
    )
)


def chosen_of_build(build: click.Command, before: list[str], more: list[str], place: str) -> dict[str, Any]:
    """What options of `preinit build` say: those `before`, and instead of them `more`, which an environment variable
    holds, `place`.

    Raises `UsageError` for what decides nothing about the build itself: files, help, targets, messages but `-q`.
    """
    try:
        context = build.make_context(place, list(more), help_option_names=[])
    except click.NoSuchOption as problem:
        if problem.option_name in _HELP:
            raise _misplaced(problem.option_name, place) from None
        raise
    for parameter in build.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is ParameterSource.COMMANDLINE and parameter.name not in (*tables.all_options(), *_BESIDES):
            given = context.params[parameter.name or ""]
            option = isinstance(parameter, click.Option)
            raise _misplaced(max(parameter.opts, key=len) if option else str(given[0]), place)
    return build.make_context(place, [*before, *more], obj=LAST_COUNTS).params


def _misplaced(given: str, place: str) -> UsageError:
    return UsageError(
        f"{quoted(given)} in ${place} is no option of the build itself",
        hint="Leave it out: only options that say how a module is built, and -q, have a meaning there.",
    )
