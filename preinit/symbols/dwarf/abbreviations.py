"""Abbreviations: which attributes the entries of one kind have. Section 7.5.3 of DWARF 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...tuples import NamedTuple
from . import forms
from .forms import Damaged, Plan, uleb

#: Attributes of one kind of entry, those among them that take no byte of an entry, and kinds of entries: compilers
#: have far fewer.
_MOST_ATTRIBUTES, _MOST_EMPTY, _MOST_KINDS = 1_000, 32, 20_000
#: Tables that are kept for the next unit, and bytes that each counts for at least.
_MOST_TABLES, _SMALLEST_TABLE = 16, 16


class Abbreviation(NamedTuple):
    """What the entries of one kind look like. `attributes`: (name, form, constant)."""

    tag: int
    has_children: bool
    attributes: tuple[tuple[int, int, int], ...]
    plan: Plan

    def form(self, attribute: int) -> int:
        """The form of an attribute, 0 if such an entry lacks it."""
        return next((form for name, form, _ in self.attributes if name == attribute), 0)


class Tables:
    """Tables of abbreviations by their offset. Those of compilers don't overlap: so few bytes are read twice.

    `check` is called now and then, and may raise.
    """

    def __init__(self, data: bytes, check: Callable[[], None]) -> None:
        self._data = data
        self._check = check
        self._tables: dict[tuple[int, int, int], Mapping[int, Abbreviation]] = {}
        self._kinds: dict[tuple[bytes, int, int], Abbreviation] = {}  # many units have the same ones
        self._budget = 2 * len(data) + _SMALLEST_TABLE

    def read(self, start: int, address: int, offset: int) -> Mapping[int, Abbreviation]:
        """The table at an offset, for units with addresses and offsets of so many bytes.

        Raises `Damaged`, `IndexError`.
        """
        known = self._tables.get((start, address, offset))
        if known is not None:
            return known
        if self._budget < 0:
            raise Damaged("tables of abbreviations overlap")
        found: dict[int, Abbreviation] = {}
        at = start
        try:
            while True:
                if not len(found) % 1000:
                    self._check()
                code, at = uleb(self._data, at)
                if not code:
                    break
                if len(found) >= _MOST_KINDS:
                    raise Damaged("too many kinds of entries")
                found[code], at = self._entry(at, address, offset)
        finally:
            self._budget -= max(at - start, _SMALLEST_TABLE)
        while len(self._tables) >= _MOST_TABLES:
            del self._tables[next(iter(self._tables))]
        self._tables[start, address, offset] = found
        return found

    def _entry(self, start: int, address: int, offset: int) -> tuple[Abbreviation, int]:
        data = self._data
        tag, at = uleb(data, start)
        has_children = data[at] == 1
        at += 1
        attributes: list[tuple[int, int, int]] = []
        empty = 0
        while True:
            name, at = uleb(data, at)
            form, at = uleb(data, at)
            constant = 0
            if form == forms.IMPLICIT_CONST:
                constant, at = uleb(data, at)  # signed, but nobody asks for one that could be negative
            if not (name or form):
                break
            attributes.append((name, form, constant))
            empty += form in forms.EMPTY
            if len(attributes) > _MOST_ATTRIBUTES or empty > _MOST_EMPTY:
                raise Damaged("an entry with thousands of attributes")
        key = (data[start:at], address, offset)
        known = self._kinds.get(key)
        if known is None:
            if len(self._kinds) >= _MOST_KINDS:
                raise Damaged("too many kinds of entries")
            plan = forms.plan([form for _, form, _ in attributes], address, offset)
            known = self._kinds[key] = Abbreviation(tag, has_children, tuple(attributes), plan)
        return known, at
