"""`preinit build` with a plain line of arguments, read without click: that takes a fifth of a small build.

Nothing is decided here. One module, and options that are written out, each with a value that fits: that is read. All
else is click's to read, and what is wrong its to tell; a test holds both readings against each other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..options import tables
from ..options.declared import Option

#: Parameters of the command that are not declared as options of a build, as they are when they are not given.
_ABSENT: dict[str, Any] = {
    "output": "-", "verify": False, "report": None, "html": None,
    "config": None, "jobs": None, "force": False, "check": False, "depfile": None,
    "no_init_func": False, "init": None, "allow_wasi": False, "inherit_stdio": True, "inherit_env": False, "mapdir": (),
    "quiet": False, "verbose": False, "debug": False,
}  # fmt: skip

#: Those that are read here: with a value, and without.
_VALUES = {"-o": "output", "--output": "output", "--report": "report", "--html": "html"}
_FLAGS = {
    "--verify": "verify", "-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose",
    "--debug": "debug", "--no-init-func": "no_init_func",
}  # fmt: skip

#: Options whose value comes only after `=`: without, they mean `=true`.
OPTIONAL_VALUE = ("--keep-init-func", "--inherit-stdio", "--inherit-env")


#: What click expands on Windows, where shells don't: patterns of names, the home folder, variables.
_EXPANDED = frozenset("*?[~$%")


def read(args: Sequence[str], expands: bool = os.name == "nt") -> dict[str, Any] | None:
    """What click would give the command, by the parameter's name; None where click has to read that.

    `expands`: whether click replaces some arguments by others first.
    """
    if "_PREINIT_COMPLETE" in os.environ:  # a shell asks click how a line goes on
        return None
    if expands and any(_EXPANDED & set(arg) for arg in args):
        return None
    options = tables.all_options()
    kinds = {name: option.kind for name, option in options.items()}
    given = {**_ABSENT, **{name: () if kind.repeats else None for name, kind in kinds.items()}}
    flags, valued = _names(options)
    sources, seen = [], set()
    rest = iter(args)
    for arg in rest:
        if arg == "-" or not arg.startswith("-"):
            sources.append(arg)
            continue
        flag, sign, value = arg.partition("=")
        name = flags[arg][0] if arg in flags else valued.get(flag)
        if name is None or (sign and not flag.startswith("--")) or (not sign and flag in OPTIONAL_VALUE):
            return None
        kind = kinds.get(name)
        repeats = kind is not None and kind.repeats
        if name in seen and not repeats:
            return None
        seen.add(name)
        if arg in flags:
            given[name] = flags[arg][1]
            continue
        if not sign:
            value = next(rest, "--")
        if (value.startswith("-") and value != "-") or (kind and kind.choices and value not in kind.choices):
            return None
        given[name] = (*given[name], value) if repeats else value
    if len(sources) != 1 or not (sources[0] == "-" or set("./") & set(sources[0])):  # no name of a target has these
        return None
    return {**given, "sources": tuple(sources)}


def _names(options: Mapping[str, Option[Any, Any]]) -> tuple[dict[str, tuple[str, bool]], dict[str, str]]:
    """What is written -> the parameter: options without a value, with what they say, and those with one."""
    flags, valued = {flag: (name, True) for flag, name in _FLAGS.items()}, dict(_VALUES)
    for name, option in options.items():
        if not option.kind.is_flag:
            valued[option.flag] = name
            if option.short:
                valued[option.short] = name
            continue
        flags[option.flag] = name, True
        if option.default:
            flags[f"--no-{option.key}"] = name, False
    return flags, valued
