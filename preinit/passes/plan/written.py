"""A call as it was written, for errors that point at one of its characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...options.calls import Argument, Argv, Number, Returned, Strings, Word
from ...options.calls import Call as Given
from ...tuples import NamedTuple

if TYPE_CHECKING:
    from ...options.grammar import Written


class Site(NamedTuple):
    """Where a call stands.

    Parameters
    ----------
    export: what is called, and its type.
    text: the call; nothing where it is a name only.
    starts: where each argument stands in it; `closing`: the bracket behind them; `returns`: what must be returned.
    """

    export: str
    text: str = ""
    starts: tuple[int, ...] = ()
    closing: int = 0
    returns: int = 0

    def argument(self, number: int) -> str:
        """Where an argument is, from 0 on; behind the last one, where one is missing."""
        return self._pointed(self.starts[number] if number < len(self.starts) else self.closing)

    def result(self) -> str:
        """Where it is said what must be returned."""
        return self._pointed(self.returns)

    def _pointed(self, at: int) -> str:
        from ...options.reading import pointed

        return f"{self.export}, {pointed(self.text, at)}" if self.text else self.export


def site_of(export: str, text: str, written: Written | None, before: str = "") -> Site:
    """The site of a call that was read from a text, behind what was written `before` it."""
    if written is None:
        return Site(export)
    shift = len(before)
    starts = tuple(shift + part.start for part in written.parts)
    return Site(export, before + text, starts, shift + written.closing, shift + written.returns_at)


def site_of_given(export: str, given: Given, before: str = "") -> Site:
    """The site of a call, as the command line or a file has it, or as it would be written there."""
    if given.text is not None:
        from ...options.grammar import read

        return site_of(export, given.text, read(given.text), before)
    text, starts = f"{before}{given.name}(", []
    for number, value in enumerate(given.arguments):
        text += ", " if number else ""
        starts.append(len(text))
        text += shown(value)
    closing = len(text)
    text += ")" + {None: "", "result": "?"}.get(given.returns, f"={given.returns}")
    return Site(export, text, tuple(starts), closing, closing + (1 if given.returns == "result" else 2))


def shown(value: Argument) -> str:
    """An argument as it is written, and in a report: of bytes only how many."""
    from ...options.grammar import quoted_text

    match value:
        case bytes():
            return f"{len(value)} bytes"
        case str():
            return quoted_text(value)
        case Number(text):
            return text
        case Word(offset):
            return f"*{offset}"
        case Returned():
            return "*"
        case Argv(texts):
            return f"argv[{_listed(texts)}]"
        case Strings(texts):
            return f"list[{_listed(texts)}]"
    return str(value)


def _listed(texts: Sequence[str]) -> str:
    from ...options.grammar import quoted_text

    return ", ".join(map(quoted_text, texts))
