"""Reading a component's binary. Every count is bounded, every error names the offset in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import NotWasm, Truncated
from ..cursor import MOST_ITEMS, Cursor
from ..encoder import COMPONENT_PREAMBLE
from .canon import read_canon
from .recipe import (
    Bundle,
    Component,
    CoreBundle,
    CoreExport,
    CoreInstantiate,
    CoreModule,
    DefineCoreType,
    DefineType,
    Definition,
    Export,
    Import,
    InstanceExport,
    Instantiate,
    Nested,
    Outer,
    Placed,
    Section,
)
from .types import (
    DEEPEST,
    PRIMITIVES,
    Primitive,
    lacks,
    read_core_sort,
    read_core_type,
    read_extern_name,
    read_extern_type,
    read_sort,
    read_type,
)

CUSTOM, CORE_MODULE, CORE_INSTANCE, CORE_TYPE, COMPONENT, INSTANCE, ALIAS, TYPE, CANON, START, IMPORT, EXPORT = range(
    12
)


#: What sections with some number and payload define.
_Known = dict[tuple[int, bytes], Sequence[tuple[Definition, int, int]]]


def read_component(data: bytes, like: Component | None = None) -> Component:
    """Reads a component. `like`: one with many of the same sections, which are not read a second time.

    Raises `NotWasm`, `Truncated`, `Malformed`, `EngineLimit` with the byte offset; `UnsupportedProposal` for what is
    not understood.
    """
    return _component(data, 0, len(data), 0, _known(like) if like else {})


def _known(component: Component) -> _Known:
    """By number and payload: the definitions of a component's sections, with offsets in the payload."""
    found: _Known = {}
    for section in component.sections:
        if section.id in _READERS:
            payload = component.data[section.start : section.end]
            found[section.id, payload] = [
                (one, begin - section.start, end - section.start) for one, begin, end in component.of(section)
            ]
        elif section.id == COMPONENT:
            for nested, _, _ in component.of(section):
                assert isinstance(nested, Nested)
                found.update(_known(nested.component))
    return found


def _component(data: bytes, start: int, end: int, depth: int, known: _Known) -> Component:
    if data[start : start + 8] != COMPONENT_PREAMBLE or end - start < 8:
        raise NotWasm("a component does not start with its magic number and version", where=f"byte offset {start:#x}")
    at = Cursor(data, start + 8, end, "component")
    if depth > DEEPEST:
        raise at.exceeds(f"components within components, more than {DEEPEST} deep", start)
    sections: list[Section] = []
    definitions: list[Placed] = []
    while at.remaining:
        header = at.position
        number = at.byte()
        size = at.u32()
        if size > at.remaining:
            raise Truncated(
                f"section {number} of a component claims {size} bytes, there are {at.remaining} left",
                where=f"byte offset {header:#x}",
            )
        first = at.skip(size)
        if len(sections) >= MOST_ITEMS:
            raise at.exceeds(f"more than {MOST_ITEMS:,} sections", header)
        before = len(definitions)
        title, content = "", 0
        inner = Cursor(data, first, first + size, f"section {number} of a component")
        if number == CUSTOM:
            title = inner.name()
            content = inner.position
        elif number == CORE_MODULE:
            definitions.append(Placed(CoreModule(first, first + size), first, first + size))
        elif number == COMPONENT:
            nested = _component(data, first, first + size, depth + 1, known)
            definitions.append(Placed(Nested(nested), first, first + size))
        elif known and (same := known.get((number, data[first : first + size]))) is not None:
            new = tuple.__new__
            definitions += [new(Placed, (one, first + begin, first + stop)) for one, begin, stop in same]
        elif number in _READERS:
            read = _READERS[number]
            new, add = tuple.__new__, definitions.append  # a named tuple's own way takes twice as long
            for _ in range(inner.count()):
                begin = inner.position
                definition = read(inner)
                add(new(Placed, (definition, begin, inner.position)))
            if inner.remaining:
                raise inner.fail(f"{inner.remaining} bytes are left over")
        else:
            what = "a start function" if number == START else f"a section {number}"
            raise lacks(inner, what, header)
        sections.append(Section(number, header, first, first + size, before, len(definitions), title, content))
    return Component(data, start, end, tuple(sections), tuple(definitions))


def _core_instance(at: Cursor) -> Definition:
    start = at.position
    kind = at.byte()
    if kind == 0:
        module = at.u32()
        return CoreInstantiate(module, tuple(_core_argument(at) for _ in range(at.count(3))))
    if kind == 1:
        return CoreBundle(tuple((at.name(), read_core_sort(at), at.u32()) for _ in range(at.count(3))))
    raise lacks(at, f"a core instance of kind {kind:#x}", start)


def _core_argument(at: Cursor) -> tuple[str, int]:
    name = at.name()
    start = at.position
    if at.byte() != 0x12:
        raise at.fail("a core module is given something that is no instance", start)
    return name, at.u32()


def _instance(at: Cursor) -> Definition:
    start = at.position
    kind = at.byte()
    if kind == 0:
        component = at.u32()
        return Instantiate(component, tuple((at.name(), read_sort(at), at.u32()) for _ in range(at.count(3))))
    if kind == 1:
        return Bundle(tuple((read_extern_name(at), read_sort(at), at.u32()) for _ in range(at.count(3))))
    raise lacks(at, f"an instance of kind {kind:#x}", start)


def _alias(at: Cursor) -> Definition:
    start = at.position
    sort = read_sort(at)
    kind = at.byte()
    if kind == 0:
        return InstanceExport(sort, at.u32(), at.name())
    if kind == 1:
        return CoreExport(sort, at.u32(), at.name())
    if kind == 2:
        return Outer(sort, at.u32(), at.u32())
    raise lacks(at, f"an alias of kind {kind:#x}", start)


def _import(at: Cursor) -> Definition:
    return Import(read_extern_name(at), read_extern_type(at))


def _export(at: Cursor) -> Definition:
    found = Export(read_extern_name(at), read_sort(at), at.u32())
    if at.byte():
        read_extern_type(at)  # says less than what is exported
    return found


#: Types that have a name for another one, of one byte each: a section may have a million.
_ALIASES = {kind: DefineType(Primitive(name)) for kind, name in PRIMITIVES.items()}


def _type(at: Cursor) -> Definition:
    known = _ALIASES.get(at.peek())
    if known is None:
        return DefineType(read_type(at))
    at.position += 1
    return known


_READERS: dict[int, Callable[[Cursor], Definition]] = {
    CORE_INSTANCE: _core_instance,
    CORE_TYPE: lambda at: DefineCoreType(read_core_type(at)),
    INSTANCE: _instance,
    ALIAS: _alias,
    TYPE: _type,
    CANON: read_canon,
    IMPORT: _import,
    EXPORT: _export,
}
