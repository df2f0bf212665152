"""Where a program is paused, as users write it: `stdin`, `import:MODULE.NAME#N`, `function:NAME#N`, `path:PATH`."""

from __future__ import annotations

import re
from typing import Any, Literal

from ..errors import UsageError, quoted
from ..tuples import NamedTuple
from .kinds import Kind, Path, misplaced, unfit
from .texts import matching_schema

PauseKind = Literal["stdin", "import", "function", "path"]

#: `path` alone may end in `#`: files can be called so.
_PATTERN = r"stdin|(import:[^\u0000]+\.[^\u0000]+?|function:[^\u0000]+?)(#[1-9][0-9]{0,8})?|path:[^\u0000]+"
_NUMBER = r"(.+)#([1-9][0-9]{0,8})"
_WANTED = "stdin, import:MODULE.NAME[#N], function:NAME[#N] or path:GUESTPATH"


class PausePoint(NamedTuple):
    """`kind` and what it names: an import, a function, a path. `number`: the how manieth call, from 1 on."""

    kind: PauseKind
    name: str = ""
    number: int = 1

    def __str__(self) -> str:
        number = f"#{self.number}" if self.number > 1 else ""
        return f"{self.kind}:{self.name}{number}" if self.name else self.kind


def pause_point(text: str) -> PausePoint:
    """What was written. Raises `ValueError`."""
    if re.fullmatch(_PATTERN, text) is None:
        raise ValueError
    if text == "stdin":
        return PausePoint("stdin")
    kind, _, name = text.partition(":")
    counted = re.fullmatch(_NUMBER, name, re.DOTALL)
    if kind == "path" or counted is None:
        return PausePoint("path" if kind == "path" else "import" if kind == "import" else "function", name)
    return PausePoint("import" if kind == "import" else "function", counted[1], int(counted[2]))


def _check(option: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise unfit(option, "a string", value)
    return _parse(value, option)


def _parse(text: str, flag: str) -> str:
    try:
        pause_point(text)
    except ValueError:
        raise UsageError(
            f"{quoted(text)} is not where a program can be paused: {_WANTED}", hint=f"For example: {flag} stdin"
        ) from None
    return text


def _read(value: Any, path: Path) -> str:
    if isinstance(value, str):
        try:
            pause_point(value)
        except ValueError:
            pass
        else:
            return value
    raise misplaced(path, _WANTED, value)


#: Where to pause.
PAUSE = Kind(_WANTED, _check, _read, lambda: matching_schema(_PATTERN), _parse)
