"""Units: headers, abbreviations, and the values of single entries. Sections 7.5.1 to 7.5.5 of DWARF 5."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ...binary.module import Module
from ...tuples import NamedTuple
from . import forms
from .abbreviations import Abbreviation, Tables
from .forms import Damaged, uleb

_NAMES = ("info", "abbrev", "str", "line_str", "str_offsets", "addr")

AT_STR_OFFSETS_BASE, AT_ADDR_BASE = 0x72, 0x73

#: Unit types of DWARF 5 whose header ends after the offset of the abbreviations: compile, partial.
_PLAIN_UNITS = (0x01, 0x03)

#: Characters of a name that are read.
_LONGEST_NAME = 500


class Sections(NamedTuple):
    """The content of the custom sections `.debug_info` and so on; empty where there is none."""

    info: bytes
    abbrev: bytes
    str: bytes
    line_str: bytes
    str_offsets: bytes
    addr: bytes


def sections(module: Module) -> Sections:
    """Those of a module."""
    found = (module.custom(f".debug_{name}") for name in _NAMES)
    return Sections(*(module.data[section.content : section.end] if section else b"" for section in found))


class Unit:
    """One compilation unit: entries in `sections.info[first:end]`, offsets from `start` on."""

    def __init__(self, of: Sections, start: int, first: int, end: int, sizes: tuple[int, int]) -> None:
        self.of = of
        self.start, self.first, self.end = start, first, end
        self.address, self.offset = sizes
        self.abbreviations: Mapping[int, Abbreviation] = {}
        self._str_offsets_base = 2 * self.offset  # after the header of the section
        self._addr_base = 2 * self.offset

    def find_bases(self) -> None:
        """Reads what the unit's own entry says of other sections."""
        values = self.values(self.first)
        self._str_offsets_base = _integer(values.get(AT_STR_OFFSETS_BASE), self._str_offsets_base)
        self._addr_base = _integer(values.get(AT_ADDR_BASE), self._addr_base)

    def abbreviation(self, entry: int) -> tuple[Abbreviation | None, int]:
        """That of the entry at an offset, and where its values start; None for one that ends a list of children."""
        if not self.first <= entry < self.end:
            raise Damaged("an offset outside of the unit")
        code, at = uleb(self.of.info, entry)
        if not code:
            return None, at
        if code not in self.abbreviations:
            raise Damaged("an unknown abbreviation")
        return self.abbreviations[code], at

    def values(self, entry: int) -> dict[int, int | bytes]:
        """The attributes of an entry: integers, offsets of entries from the section's start, names, blocks.

        Raises `Damaged`, `IndexError`.
        """
        abbreviation, at = self.abbreviation(entry)
        if abbreviation is None:
            return {}
        found: dict[int, int | bytes] = {}
        for name, form, constant in abbreviation.attributes:
            found[name], at = (constant, at) if form == forms.IMPLICIT_CONST else self._value(form, at)
        return found

    def after(self, entry: int) -> int:
        """Where the values of an entry end."""
        abbreviation, at = self.abbreviation(entry)
        if abbreviation is None:
            return at
        size, steps = abbreviation.plan
        return at + size if size >= 0 else forms.skip(self.of.info, at, steps)

    def _value(self, form: int, at: int) -> tuple[int | bytes, int]:
        info = self.of.info
        size = forms.fixed_size(form, self.address, self.offset)
        if size is not None:
            number, at = int.from_bytes(info[at : at + size], "little"), at + size
        elif form in forms.BLOCKS:
            end = forms.skip(info, at, (forms.BLOCKS[form],))
            start = uleb(info, at)[1] if not forms.BLOCKS[form] else at + forms.BLOCKS[form]
            return info[start:end], end
        elif form == forms.STRING:
            end = info.index(b"\0", at, self.end)
            return info[at : min(end, at + _LONGEST_NAME)], end + 1
        else:
            number, at = uleb(info, at)
        if form in (forms.STRP, forms.LINE_STRP):
            return _string(self.of.str if form == forms.STRP else self.of.line_str, number), at
        if form == forms.STRX or forms.STRX1 <= form <= forms.STRX4:
            place = self._str_offsets_base + number * self.offset
            return _string(self.of.str, _at(self.of.str_offsets, place, self.offset)), at
        if form in (forms.REF1, forms.REF2, forms.REF4, forms.REF8, forms.REF_UDATA):
            number += self.start
        return number, at

    def indexed_address(self, index: int) -> int:
        """An entry of `.debug_addr`. Raises `Damaged`."""
        return _at(self.of.addr, self._addr_base + index * self.address, self.address)


def units(of: Sections, check: Callable[[], None]) -> Iterator[Unit]:
    """The compilation units, as far as their headers are well-formed, with their abbreviations.

    `check` is called now and then, and may raise.
    """
    tables = Tables(of.abbrev, check)
    at = 0
    while at + 11 <= len(of.info):
        check()
        start, offset = at, 4
        length = _at(of.info, at, 4)
        at += 4
        if length == 0xFFFFFFFF:
            offset, length = 8, int.from_bytes(of.info[at : at + 8], "little")
            at += 8
        end = at + length
        if end > len(of.info):
            return
        version = int.from_bytes(of.info[at : at + 2], "little")
        if version == 5:
            kind, address = of.info[at + 2 : at + 4].ljust(2, b"\0")
            table, first = at + 4, at + 4 + offset
        else:
            kind, table = _PLAIN_UNITS[0], at + 2
            first = table + offset + 1
            address = of.info[first - 1] if first <= end else 0
        if version in (4, 5) and kind in _PLAIN_UNITS and address in (4, 8) and first < end:
            unit = Unit(of, start, first, end, (address, offset))
            try:
                place = int.from_bytes(of.info[table : table + offset], "little")
                unit.abbreviations = tables.read(place, address, offset)
                unit.find_bases()
                yield unit
            except (Damaged, IndexError, ValueError):
                pass
        at = end


def _at(data: bytes, place: int, size: int) -> int:
    if place + size > len(data):
        raise Damaged("an offset outside of the section")
    return int.from_bytes(data[place : place + size], "little")


def _string(data: bytes, start: int) -> bytes:
    end = data.find(b"\0", start, start + _LONGEST_NAME)
    return data[start:end] if end >= 0 else data[start : start + _LONGEST_NAME]


def _integer(value: int | bytes | None, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
