"""Why something was done in one way and not in another."""

from __future__ import annotations

from ..tuples import NamedTuple


class Reason(NamedTuple):
    """`code` stays the same from version to version, and is for programs; `text` is for people."""

    code: str
    text: str

    def __str__(self) -> str:
        return self.text
