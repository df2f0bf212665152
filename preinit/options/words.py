"""Messages in the words of who reads them: a caller of the library finds fields where they name options of the command
line; who captures a program, its script where they name the initializer of a build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from ..errors import PreinitError, UsageError
from .declared import Option

#: What stays as it is: a text of somebody else's, between quotation marks, which begins and ends no word ("can't" has
#: none); and between backticks what does not begin with an option, the command line of a program.
_KEPT = r"""(?<!\w)'.*?'(?!\w)|(?<!\w)"[^"\n]*"(?!\w)|`[^`\s-][^`\n]*`"""

#: An option, between backticks or not, and its value: one word, a part of which may be in brackets, or a text between
#: quotes.
_OPTION = (
    rf"(?P<kept>{_KEPT})|"
    r"(?P<tick>`?)(?<![\w/.-])(?P<flag>--?[a-z][a-z-]*)(?![\w/])"
    r"(?:[ =](?P<value>'[^']*'|[A-Za-z0-9_.:$=<>@#*/,-]+(?:\[[^\]\s]*\]|(?<![.:,]))))?(?P=tick)"
)

#: What the message about an import that is not there says before its option, and what Python has in addition.
_GIVEN = "give it the function: "
_FUNCTIONS = '`functions={"MODULE.NAME": function}`'


@cache
def _by_flag() -> dict[str, tuple[Option[Any, Any], bool]]:
    """Each spelling of an option, and what a flag sets."""
    from .capture import Capturing
    from .declared import declared
    from .tables import all_options

    found: dict[str, tuple[Option[Any, Any], bool]] = {}
    for option in (*declared(Capturing), *all_options().values()):
        found |= {spelling: (option, True) for spelling in (option.flag, option.short) if spelling}
        found[f"--no-{option.key}"] = (option, False)
    return found


def in_python(text: str) -> str:
    """A message in which each option of the command line has become a field: `imports="restore"`."""

    def replaced(match: re.Match[str]) -> str:
        if match["kept"] is not None:
            return match[0]
        option, setting = _by_flag().get(match["flag"], (None, True))
        if option is None:
            return match[0]
        said = _field(option, setting, match["value"])
        if said is None:  # the next word is no value
            rest = match[0].removesuffix(match["tick"]).partition(match["flag"])[2] + match["tick"]
            return f"{match['tick']}{option.name}{rest}"
        return f"`{said}`"

    text = text.replace("`--no-init-func`", "`init_funcs=[]`").replace(_GIVEN, f"{_GIVEN}{_FUNCTIONS}, or ")
    return _MERGED.sub(_merged, re.sub(_OPTION, replaced, text))


#: Several values of one field, each as a list of its own.
_MERGED = re.compile(r"`(\w+)=\[([^`]*)\]`(?: `\1=\[[^`]*\]`)+")


def _merged(match: re.Match[str]) -> str:
    values = re.findall(rf"`{match[1]}=\[([^`]*)\]`", match[0])
    return f"`{match[1]}=[{', '.join(values)}]`"


def _field(option: Option[Any, Any], setting: bool, value: str | None) -> str | None:
    """The field as a keyword argument; None where what follows is no value of it."""
    kind = option.kind
    if kind.is_flag:
        return f"{option.name}={setting}" if value is None else None
    if value is None:
        return option.name
    value = value.strip("'")
    if value.endswith("]"):  # what can be left out: here it stands for what can be given
        value = re.sub(r"\[|\]$", "", value)
    if kind.choices and value not in kind.choices:
        return None
    try:
        plain = kind.parse(value, option.flag)
    except UsageError:  # a placeholder
        if not re.search("[A-Z]", value):
            return None
        return f"{option.name}={value}" if value.isupper() else f"{option.name}={_quoted(value)}"
    if kind.repeats and isinstance(plain, tuple):
        return f"{option.name}={{{_quoted(plain[0])}: {_quoted(plain[1])}}}"
    if kind.repeats and isinstance(plain, list):  # several in one word, between commas
        return f"{option.name}=[{', '.join(map(_quoted, plain))}]"
    return f"{option.name}=[{_quoted(plain)}]" if kind.repeats else f"{option.name}={_quoted(plain)}"


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


#: A build's words, and what they are in a capture.
_OF_A_BUILD = (
    (r"(?<=[Tt]he )initializer(?= (?:took|read|called)\b)", "program"),
    (r"(?<=[Tt]he )guest(?= (?:was|asked|noted)\b)", "program"),
    (r"\bAn initializer\b", "A script"),
    (r"\ban initializer\b", "a script"),
    (r"\binitializer\b", "script"),
    (r"(?<=[Tt]he )build\b", "capture"),
    (r"\bBuild(?= with (?:`|the layout))", "Capture"),
    (r"\bbuild(?= with (?:`|the layout))", "capture"),
    (r"\bbuild this module\b", "capture this program"),
)
_BUILDS = re.compile(f"({_KEPT})|" + "|".join(f"({pattern})" for pattern, _ in _OF_A_BUILD))


def in_capture(text: str) -> str:
    """A message of what builds and captures share, in the words of a capture."""

    def replaced(match: re.Match[str]) -> str:
        number = match.lastindex or 1
        return match[0] if number == 1 else _OF_A_BUILD[number - 2][1]

    return _BUILDS.sub(replaced, text)


@contextmanager
def for_capture() -> Iterator[None]:
    """Errors that are raised inside speak of a capture."""
    try:
        yield
    except PreinitError as problem:
        problem.what = in_capture(problem.what)
        problem.where = problem.where and in_capture(problem.where)
        problem.hint = problem.hint and in_capture(problem.hint)
        raise


@contextmanager
def for_python() -> Iterator[None]:
    """Errors that are raised inside speak to a caller of the library."""
    try:
        yield
    except PreinitError as problem:
        with suppress(OSError, ImportError):  # too many files may be open to import what this needs
            problem.what = in_python(problem.what)
            problem.hint = problem.hint and in_python(problem.hint)
        raise
