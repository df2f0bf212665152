"""Variables that lie at a fixed address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from ...binary.module import Module
from ...tuples import NamedTuple
from . import forms
from .abbreviations import Abbreviation
from .forms import Damaged, Steps, uleb
from .units import Unit, sections, units

TAG_ARRAY, TAG_CLASS, TAG_POINTER, TAG_STRUCTURE, TAG_TYPEDEF, TAG_UNION = 0x01, 0x02, 0x0F, 0x13, 0x16, 0x17
TAG_MEMBER, TAG_REFERENCE, TAG_SUBRANGE, TAG_CONST, TAG_SUBPROGRAM, TAG_VARIABLE = 0x0D, 0x10, 0x21, 0x26, 0x2E, 0x34
TAG_VOLATILE, TAG_RESTRICT, TAG_NAMESPACE, TAG_RVALUE_REFERENCE, TAG_ATOMIC = 0x35, 0x37, 0x39, 0x42, 0x47

AT_LOCATION, AT_NAME, AT_BYTE_SIZE, AT_UPPER_BOUND, AT_ABSTRACT_ORIGIN = 0x02, 0x03, 0x0B, 0x2F, 0x31
AT_COUNT, AT_DECLARATION, AT_SPECIFICATION, AT_TYPE = 0x37, 0x3C, 0x47, 0x49

OP_ADDR, OP_PLUS_UCONST, OP_ADDRX = 0x03, 0x23, 0xA1

#: What gives the names within it another name before theirs.
_SCOPES = frozenset((TAG_NAMESPACE, TAG_CLASS, TAG_STRUCTURE, TAG_UNION, TAG_SUBPROGRAM))
_SAME_SIZE = frozenset((TAG_TYPEDEF, TAG_CONST, TAG_VOLATILE, TAG_RESTRICT, TAG_ATOMIC))
_POINTERS = frozenset((TAG_POINTER, TAG_REFERENCE, TAG_RVALUE_REFERENCE))
_EXPRESSIONS = frozenset(forms.BLOCKS)

#: Variables of one module, types that one is made of, dimensions of an array, names before a name, entries within each
#: other, characters of a name.
_MOST_VARIABLES, _MOST_TYPES, _MOST_DIMENSIONS, _MOST_SCOPES, _DEEPEST, _LONGEST = 200_000, 32, 32, 16, 1_000, 500
#: Entries between two looks at the clock.
_ENTRIES = 1 << 12


class Variable(NamedTuple):
    """A variable at a fixed address, with the names that it stands in: `app::Cache::secret`. `size` in bytes, 0 where
    that is not known."""

    address: int
    size: int
    name: str


def variables(module: Module, check: Callable[[], None] = lambda: None) -> list[Variable]:
    """The variables of a module that its DWARF gives a fixed address, by address, each once.

    `check` is called now and then, and may raise.
    """
    found: set[Variable] = set()
    of = sections(module)
    if not of.info or not of.abbrev:
        return []
    for unit in units(of, check):
        for variable in _of_unit(unit, check):
            found.add(variable)
            if len(found) >= _MOST_VARIABLES:
                return sorted(found)
    return sorted(found)


#: How to go on after an entry: see `forms.Plan`; whether it has children; its kind.
_Line = tuple[int, Steps, bool, int]


class _Found(NamedTuple):
    entry: int
    address: int
    scopes: tuple[int, ...]


def _of_unit(unit: Unit, check: Callable[[], None]) -> Iterator[Variable]:
    declared: dict[int, tuple[int, ...]] = {}
    places: list[_Found] = []
    with suppress(Damaged, IndexError, ValueError):  # what was found up to there is right
        _walk(unit, places, declared, check)
    describe = _Describe(unit, declared)
    for number, place in enumerate(places):
        if not number % _ENTRIES:
            check()
        try:
            yield Variable(place.address, *describe(place))
        except (Damaged, IndexError, ValueError):
            continue


def _walk(unit: Unit, places: list[_Found], declared: dict[int, tuple[int, ...]], check: Callable[[], None]) -> None:
    """Looks at every entry. `declared`: those that declare a member -> what they stand in."""
    info, at, end, table = unit.of.info, unit.first, unit.end, unit.abbreviations
    stack: list[int] = []  # entries with children that are open; 0 for those that give no name
    lines: dict[int, _Line] = {}  # of those that occur: many small units may share one large table
    number = 0
    while at < end:
        number += 1
        if not number % _ENTRIES:
            check()
        entry = at
        code = info[at]
        at += 1
        if not code:
            if not stack:
                return
            stack.pop()
            continue
        if code > 0x7F:
            code, at = uleb(info, entry)
        line = lines.get(code)
        if line is None:
            if code not in table:
                raise Damaged("an unknown abbreviation")
            known = table[code]
            line = lines[code] = (known.plan.size, known.plan.steps, known.has_children, _kind(known))
        size, steps, has_children, kind = line
        if kind == _VARIABLE:
            address = _address(unit, unit.values(entry).get(AT_LOCATION))
            if address is not None:
                places.append(_Found(entry, address, _named(stack)))
                if len(places) >= _MOST_VARIABLES:
                    return
        elif kind == _DECLARATION and len(declared) < _MOST_VARIABLES:
            declared[entry] = _named(stack)
        at = at + size if size >= 0 else forms.skip(info, at, steps)
        if has_children:
            if len(stack) >= _DEEPEST:
                raise Damaged("entries within entries without end")
            stack.append(entry if kind == _SCOPE else 0)


def _named(stack: list[int]) -> tuple[int, ...]:
    return tuple(entry for entry in stack if entry)[-_MOST_SCOPES:]


_OTHER, _VARIABLE, _DECLARATION, _SCOPE = range(4)


def _kind(abbreviation: Abbreviation) -> int:
    if abbreviation.tag == TAG_VARIABLE and abbreviation.form(AT_LOCATION) in _EXPRESSIONS:
        return _VARIABLE
    if abbreviation.tag in (TAG_VARIABLE, TAG_MEMBER) and abbreviation.form(AT_DECLARATION):
        return _DECLARATION
    return _SCOPE if abbreviation.tag in _SCOPES else _OTHER


def _address(unit: Unit, expression: int | bytes | None) -> int | None:
    """What a location expression says, if it is an address and no more than an offset from it."""
    if not isinstance(expression, bytes) or not expression:
        return None
    if expression[0] == OP_ADDR:
        at = 1 + unit.address
        address = int.from_bytes(expression[1:at], "little")
    elif expression[0] == OP_ADDRX:
        index, at = uleb(expression, 1)
        address = unit.indexed_address(index)
    else:
        return None
    # Linkers put zeros or ones in place of what they dropped.
    if not address or address >= (1 << 8 * unit.address) - 2:
        return None
    if at < len(expression) and expression[at] == OP_PLUS_UCONST:
        offset, at = uleb(expression, at + 1)
        address += offset
    return address if at == len(expression) else None


class _Describe:
    """Size and name of a unit's variables."""

    def __init__(self, unit: Unit, declared: dict[int, tuple[int, ...]]) -> None:
        self._unit = unit
        self._declared = declared
        self._sizes: dict[int, int] = {}
        self._names: dict[int, str] = {}

    def __call__(self, place: _Found) -> tuple[int, str]:
        values = self._unit.values(place.entry)
        scopes, kind = place.scopes, values.get(AT_TYPE)
        origin = values.get(AT_SPECIFICATION, values.get(AT_ABSTRACT_ORIGIN))
        if isinstance(origin, int):
            scopes = self._declared.get(origin, scopes)
            kind = self._unit.values(origin).get(AT_TYPE, kind)
        names = [self._name(entry) or "(anonymous)" for entry in scopes]
        own = self._name(place.entry)
        if not own:
            raise Damaged("a variable without a name")
        return self._size(kind), "::".join([*names, own])[:_LONGEST]

    def _name(self, entry: int, depth: int = 0) -> str:
        """The name of an entry, or of the one that it completes."""
        name = self._names.get(entry)
        if name is None:
            values = self._unit.values(entry)
            given = values.get(AT_NAME)
            origin = values.get(AT_SPECIFICATION, values.get(AT_ABSTRACT_ORIGIN))
            if isinstance(given, bytes):
                name = given.decode("utf-8", "replace")
            else:
                name = self._name(origin, depth + 1) if isinstance(origin, int) and depth < _MOST_SCOPES else ""
            self._names[entry] = name
        return name

    def _size(self, entry: int | bytes | None) -> int:
        """Bytes of a type, 0 where that is not known."""
        if not isinstance(entry, int):
            return 0
        known = self._sizes.get(entry)
        if known is None:
            try:
                known = self._size_of(entry)
            except (Damaged, IndexError, ValueError):
                known = 0
            self._sizes[entry] = known
        return known

    def _size_of(self, entry: int) -> int:
        factor = 1
        for _ in range(_MOST_TYPES):
            abbreviation, _ = self._unit.abbreviation(entry)
            if abbreviation is None:
                return 0
            values = self._unit.values(entry)
            size = values.get(AT_BYTE_SIZE)
            if isinstance(size, int):
                return factor * size
            if abbreviation.tag in _POINTERS:
                return factor * self._unit.address
            if abbreviation.tag == TAG_ARRAY and abbreviation.has_children:
                factor *= self._elements(entry)
            elif abbreviation.tag not in _SAME_SIZE:
                return 0
            kind = values.get(AT_TYPE)
            if not isinstance(kind, int) or not factor:
                return 0
            entry = kind
        return 0

    def _elements(self, entry: int) -> int:
        """How many elements an array has, 0 where that is not known."""
        result = 1
        at = self._unit.after(entry)
        for _ in range(_MOST_DIMENSIONS):
            abbreviation, _ = self._unit.abbreviation(at)
            if abbreviation is None:
                return result
            if abbreviation.tag != TAG_SUBRANGE or abbreviation.has_children:
                return 0
            values = self._unit.values(at)
            count, last = values.get(AT_COUNT), values.get(AT_UPPER_BOUND)
            if isinstance(count, int):
                result *= count
            else:
                result *= last + 1 if isinstance(last, int) else 0
            at = self._unit.after(at)
        return 0
