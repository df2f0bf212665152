"""Wrong usage that click finds, said as all other errors are, with the way out."""

from __future__ import annotations

import re

import click

from ..errors import UsageError, printable
from ..options.tables import nearest
from .manual import Repeated

#: In the metadata of a command's context: what it was given, for hints.
GIVEN = "preinit.given"

#: Options whose value comes only after `=`, and what it can be.
_ONLY_AFTER = {"--keep-init-func": ("true", "false", "noop"), "--inherit-env": ("true", "false")}


#: What some options of other commands, and of other tools, are called here.
_ELSEWHERE = {
    "preinit bench --engine": "--runtime",
    "preinit serve --host": "--bind",
    "preinit serve --address": "--bind",
}


#: What click says of a value, and what would be one, by what it calls it.
_WANTED = {
    "boolean": "true or false",
    "integer": "a whole number",
    "integer range": "a whole number",
    "float": "a number",
}
_NOT_VALID = re.compile(rf"('.*') is not a valid ({'|'.join(_WANTED)})\.", re.DOTALL)


def in_our_words(problem: click.ClickException, command: str) -> UsageError:
    """The same in our words. `command`: what was called, `preinit build`, say."""
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    if isinstance(problem, click.NoSuchOption):
        what = f"there is no option `{printable(problem.option_name)}`"
    elif isinstance(problem, click.BadParameter) and problem.param and (value := _NOT_VALID.match(problem.message)):
        what = f"{printable(value[1])} is not what `{problem.param.opts[-1]}` takes: {_WANTED[value[2]]}"
    else:
        what = printable(" ".join(problem.format_message().split()).removesuffix("."))
    return UsageError(f"{what[:1].lower()}{what[1:]}", where=command, hint=_hint(problem, context, command))


def _hint(problem: click.ClickException, context: click.Context | None, command: str) -> str:
    """What to do about it."""
    given: list[str] = context.meta.get(GIVEN, []) if context else []
    said = problem.format_message()
    if isinstance(problem, Repeated):
        return problem.hint
    if isinstance(problem, click.NoSuchOption):
        if problem.option_name == "--version":
            return "Write `preinit --version`."
        meant = _ELSEWHERE.get(f"{command} {problem.option_name}")
        if meant or (meant := _close(problem.option_name, context)):
            return f"Write `{meant}`."
    if isinstance(problem, click.BadParameter) and problem.param is not None and "--init" in problem.param.opts:
        return "To run an export, name it with `-f NAME`; to run none, give `--no-init-func`."
    if isinstance(problem, click.BadParameter) and problem.param is not None and "--inherit-env" in problem.param.opts:
        return "It passes all variables, or none with `=false`. For one variable, write `--env NAME`."
    if "unexpected extra argument" in said:
        for option, values in _ONLY_AFTER.items():
            if f"{option}=true" in given and (value := next((v for v in values if v in given), None)):
                return f"A value of `{option}` comes after `=`: `{option}={value}`."
        if "--inherit-env=true" in given:
            return "`--inherit-env` passes all variables. For one variable, write `--env NAME`."
        if command == "preinit build":
            return "`preinit build` takes one module. For several, write a preinit.toml, or see `preinit batch`."
        return "Leave it out; put what has spaces in it between quotation marks."
    if "No such command" in said and context is not None and isinstance(context.command, click.Group):
        return nearest(said.partition("'")[2].partition("'")[0], context.command.list_commands(context))
    examples = getattr(context.command, "examples", ()) if context else ()
    if isinstance(problem, click.MissingParameter) or "Missing argument" in said:
        return f"For example: {examples[0]}" if examples else f"`{command} --help` says more."
    return f"`{command} --help` lists what there is."


def _close(name: str, context: click.Context | None) -> str | None:
    """The option that was probably meant."""
    from difflib import get_close_matches  # for messages only

    options = [one for one in context.command.params if isinstance(one, click.Option)] if context else []
    known = [flag for option in options if not option.hidden for flag in (*option.opts, *option.secondary_opts)]
    longer = [flag for flag in known if len(name) > 3 and flag.startswith(name)]
    shorter = [flag for flag in known if len(flag) > 4 and name.startswith(flag)]
    near = get_close_matches(name, known, 1, 0.8)
    return next(iter(longer or near or sorted(shorter, key=len, reverse=True)), None) or next(
        iter(get_close_matches(name, known, 1, 0.6)), None
    )
