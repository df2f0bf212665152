"""Writing parts of components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import InputError
from .. import encoder as write
from ..cursor import Cursor
from .recipe import Section
from .types import read_extern_name, read_sort

#: Sorts of core things as aliases and bundles name them.
CORE_FUNCTION, CORE_TABLE, CORE_INSTANCE = 0x00, 0x01, 0x12
_CORE_MODULE_SORT = b"\x00\x11"
_COMPONENT_SORT = b"\x04"
_SORT_NAMES = 1


def section(number: int, entries: Sequence[bytes]) -> bytes:
    """A section with those definitions."""
    return b"".join(write.section(number, write.vector(entries)))


def nested(number: int, content: bytes) -> bytes:
    """A section that is a core module, or a component."""
    return b"".join(write.section(number, content))


def core_alias(sort: int, instance: int, name: str) -> bytes:
    """An alias of what a core instance exports."""
    return bytes((0, sort, 1)) + write.uleb(instance) + write.name(name)


def core_bundle(exports: Sequence[tuple[str, int, int]]) -> bytes:
    """A core instance made of things: name, sort, index."""
    return b"\x01" + write.vector(
        [write.name(name) + bytes((sort,)) + write.uleb(index) for name, sort, index in exports]
    )


def core_instantiate(module: int, arguments: Sequence[tuple[str, int]]) -> bytes:
    """An instance of a core module; name and core instance of each argument."""
    given = [write.name(name) + bytes((CORE_INSTANCE,)) + write.uleb(instance) for name, instance in arguments]
    return b"\x00" + write.uleb(module) + write.vector(given)


def instance_of(data: bytes, start: int, end: int, number: int) -> bytes:
    """The definition `start:end` of a core instance, or an instance, of another core module, or component."""
    at = Cursor(data, start + 1, end, "instance")
    at.u32()
    return b"\x00" + write.uleb(number) + data[at.position : end]


def export_of(data: bytes, start: int, end: int, number: int) -> bytes:
    """The export `start:end`, of something with another index."""
    at = Cursor(data, start, end, "export")
    read_extern_name(at)
    read_sort(at)
    before = at.position
    at.u32()
    return data[start:before] + write.uleb(number) + data[at.position : end]


def renumbered_names(data: bytes, found: Section, modules: Mapping[int, int], components: Mapping[int, int]) -> bytes:
    """A `component-name` section in which core modules and components have other indices; as it is where malformed."""
    at = Cursor(data, found.content, found.end, "component-name section")
    parts = [data[found.start : found.content]]
    try:
        while at.remaining:
            begin = at.position
            number, size = at.byte(), at.u32()
            start = at.skip(size)
            content = data[start : start + size]
            sorts = {_CORE_MODULE_SORT: modules, _COMPONENT_SORT: components}
            sort = next((sort for sort in sorts if content.startswith(sort)), None)
            if number != _SORT_NAMES or sort is None:
                parts.append(data[begin : start + size])
                continue
            inner = Cursor(data, start + len(sort), start + size, "names")
            names = [(inner.u32(), inner.name()) for _ in range(inner.count(2))]
            entries = [write.uleb(sorts[sort].get(index, index)) + write.name(name) for index, name in names]
            payload = sort + write.vector(entries)
            parts.append(bytes((number,)) + write.uleb(len(payload)) + payload)
    except InputError:
        return data[found.header : found.end]
    return b"".join(write.section(0, b"".join(parts)))
