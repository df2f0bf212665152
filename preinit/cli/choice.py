"""One module, or targets of a config file? Which of them `preinit build` is to build, and the options for targets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from ..errors import ConfigError, UsageError, quoted
from .completed import File

if TYPE_CHECKING:
    from ..targets import Config

Function = TypeVar("Function", bound=Callable[..., Any])

#: Options that only targets have, and those that make sense for a module and for targets; the rest is a module's.
_FOR_TARGETS = ("config", "jobs", "force", "check", "depfile")
_FOR_BOTH = ("strict", "cache", "quiet", "verbose", "debug")

#: What can be the name of a target, so that other names are files without a look into a config file.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")

_NO_CONFIG = "there is no preinit.toml, and no pyproject.toml with [tool.preinit], in this folder or above it"

_OPTIONS = (
    click.option(
        "--config",
        type=File(),
        metavar="FILE",
        help="Config file.  [default: the nearest one above]",
    ),
    click.option(
        "-j", "--jobs", type=click.IntRange(1), metavar="N", help="Targets built at once.  [default: the cores]"
    ),
    click.option("--force", is_flag=True, help="Build targets that are up to date, too."),
    click.option("--check", is_flag=True, help="Write nothing; fail if an output is not what a build gives."),
    click.option(
        "--depfile", type=File(), metavar="FILE", help="Write what the outputs depend on, for make and ninja."
    ),
)


def target_options(function: Function) -> Function:
    """Adds the options of targets."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def chosen_config(context: click.Context, sources: Sequence[str]) -> Config | None:
    """The config file whose targets are to be built; None where `sources` is one module.

    Raises `UsageError` for options that don't go together, for a name that is both a file and a target, or neither;
    `ConfigError`, `click.UsageError`.
    """
    given = [name for name in context.params if name != "sources" and _is_given(context, name)]
    of_targets = [name for name in given if name in _FOR_TARGETS]
    of_modules = [name for name in given if name not in (*_FOR_TARGETS, *_FOR_BOTH)]
    if of_targets and of_modules:
        raise UsageError(
            f"`{_spelling(context, of_targets[0])}` is for targets, "
            f"`{_spelling(context, of_modules[0])}` for one module",
            hint=f"For one module, leave out `{_spelling(context, of_targets[0])}`; "
            "for targets, write the other into the config file.",
        )
    named = all(map(_NAME.fullmatch, sources))
    if of_modules and named and sources:
        _refuse_options_of_modules(context, sources, of_modules[0])
    if len(sources) == 1 and not of_targets and (of_modules or not named):
        return None
    if of_modules and not sources:
        raise click.UsageError(
            f"Missing argument 'IN': '{_spelling(context, of_modules[0])}' is for one module.", context
        )
    if of_modules or not (named or of_targets):
        _refuse_module(context, sources)
    from ..options.tables import nearest
    from ..targets import load

    config = context.params.get("config")
    if config == "":
        raise UsageError("the file name of `--config` is empty")
    if len(sources) == 1 and not of_targets and Path(sources[0]).is_file():
        _check_only_a_file(sources[0])
        return None
    path = Path(config) if config else _nearest_file()
    if path is not None:
        found = load(path)
        if len(sources) == 1 and not of_targets and sources[0] not in found.targets:
            raise UsageError(
                f"there is no file and no target {quoted(sources[0])}", hint=nearest(sources[0], found.targets)
            )
        return found
    if of_targets:
        option = _spelling(context, of_targets[0])
        raise UsageError(
            f"`{option}` is for targets, and {_NO_CONFIG}",
            hint=f"Name the file: `--config FILE`. For one module, leave out `{option}`.",
        )
    if len(sources) != 1:
        _refuse_module(context, sources)
    return None


def _nearest_file() -> Path | None:
    from ..targets import find

    try:
        return find(Path.cwd())
    except OSError:  # the current folder may be gone, or one above it closed to us
        return None


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) not in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP, None)


def _spelling(context: click.Context, name: str) -> str:
    """The option as users write it."""
    options = next(parameter.opts for parameter in context.command.params if parameter.name == name)
    return max(options, key=len)


def _refuse_module(context: click.Context, sources: Sequence[str]) -> None:
    """Raises what is wrong with the number of modules."""
    if sources:
        raise click.UsageError(f"Got unexpected extra argument ({' '.join(sources[1:])})", context)
    raise click.UsageError(f"Missing argument 'IN'; and {_NO_CONFIG}.", context)


def _refuse_options_of_modules(context: click.Context, sources: Sequence[str], option: str) -> None:
    """Raises `UsageError` where all names are those of targets, and of no files."""
    from ..targets import load

    try:
        path = _nearest_file()
        targets = load(path).targets if path is not None else ()
    except ConfigError:
        return
    if all(name in targets and not os.path.lexists(name) for name in sources):
        raise UsageError(
            f"{quoted(sources[0])} is a target of {path}, and `{_spelling(context, option)}` is for one module",
            hint="Write it into the config file; or name a file.",
        )


def _check_only_a_file(name: str) -> None:
    """Raises `UsageError` if a target has that name, too. A config file with mistakes has no say in that."""
    from ..targets import load

    try:
        path = _nearest_file()
        both = path is not None and name in load(path).targets
    except ConfigError:
        both = False
    if both:
        raise UsageError(
            f"{quoted(name)} is a file, and also a target of {path}",
            hint=f"For the file, write ./{name}; for the target: `--config {path}`.",
        )
