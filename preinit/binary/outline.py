"""A module without its functions' bodies, and what those bodies depend on: so that they need be validated once only.

https://webassembly.github.io/spec/core/valid/conventions.html#contexts : whether a body is valid depends on the types
of all that it can name, not on what memories and globals hold.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

from ..errors import InputError
from ..tuples import NamedTuple
from . import encoder as write
from .constexpr import ConstantExpression
from .cursor import Cursor
from .digest import fingerprint
from .instructions import Scan
from .large import joined
from .mapped import give_back
from .module import Module, Section, SectionId, read_sections
from .opcodes import REF_FUNC
from .rope import Rope
from .sections import ExternKind, read_data, read_elements, read_exports, read_globals, read_memories, read_tables

#: A body that is valid whatever the function's type: no locals, `unreachable`, `end`.
UNREACHABLE = b"\0\0\x0b"

#: Sections that a body depends on as a whole.
_WHOLE = (SectionId.TYPE, SectionId.IMPORT, SectionId.FUNCTION, SectionId.TAG)

#: Bytes of bodies that are in doubt at most: validating all would soon take no longer.
_MOST_DOUBTED = 1 << 22

#: `memory.init` and `data.drop`; `array.new_data` and `array.init_data`. Without their immediates.
_NAMES_DATA = rb"\xfc(?:[\x08\x09]|[\x88\x89]\x80*\x00)"
_NAMES_DATA_OF_ARRAYS = rb"\xfb(?:[\x09\x12]|[\x89\x92]\x80*\x00)"

#: Bytes that none of these instructions exceeds: an opcode, and up to three integers.
_LONGEST_INSTRUCTION = 16

#: Functions that are looked for at most.
_MOST_DROPPED = 16

#: Bytes that are read before they are given back.
_AT_ONCE = 1 << 22

#: Bytes of data that are copied in the time in which one segment is read; and so many segments are read at once.
_SHORT, _MANY = 1_000, 1_000

#: Functions whose bodies are told apart together: a large module has some dozens of such groups.
GROUP = 64


class Context(NamedTuple):
    """What the validity of a module's bodies depends on.

    `fixed`: a digest of what must be the same. `declared`: functions that a reference may name: C.refs of
    https://webassembly.github.io/spec/core/valid/conventions.html#contexts . `segments`: how many data segments there
    are to name; None where code can't name one.
    """

    fixed: bytes
    declared: frozenset[int]
    segments: int | None


def outline(
    wasm: bytes | Rope,
    sections: Iterable[Section],
    contents: bool = True,
    module: Module | None = None,
    kept: Sequence[range] = (),
    standing: Mapping[int, bytes] = MappingProxyType({}),
) -> bytes:
    """The module without custom sections, each body replaced by one that traps; `contents`: what segments hold, too.

    It may be there all the same: where segments are short, to copy what they hold takes less time than to read all.

    `module`: one with the same code section; `kept`: ranges of its bodies, in order, that are not replaced. `standing`:
    what sections are replaced by.
    """
    rope = as_rope(wasm)
    pieces: list[list[bytes | memoryview]] = []
    for section in sections:
        if section.id in standing:
            pieces.append(write.section(section.id, standing[section.id]))
        elif section.id == SectionId.CODE:
            if module:  # a rope has the same bytes as a view, which nothing but a copy of could be read
                count, _ = module.code_entries()
            else:
                count = rope.cursor(section.start, section.end, section.label).count(2)
            code = b"".join(_entries(module, count, kept))
            pieces.append(write.section(SectionId.CODE, write.uleb(count) + code))
        elif section.id == SectionId.DATA and not (contents or _has_short(rope, section)):
            pieces.append(write.section(SectionId.DATA, write.vector(_emptied(rope, section))))
        elif section.id != SectionId.CUSTOM:
            pieces.append([*rope.parts(section.header, section.end)])
    return joined([write.PREAMBLE, *chain.from_iterable(pieces)])


def _has_short(rope: Rope, section: Section) -> bool:
    """Whether a data section has many segments for its size."""
    count = rope.cursor(section.start, min(section.start + 5, section.end), section.label).u32()
    return count > _MANY and count * _SHORT > section.end - section.start


def _entries(module: Module | None, count: int, kept: Sequence[range]) -> Iterator[bytes | memoryview]:
    """The `count` entries of a code section: those that are kept as they are in `module`, else such that trap."""
    traps, done = write.code_entry(UNREACHABLE), 0
    if module and kept:
        view, bodies = memoryview(module.data), module.bodies
        for numbers in kept:
            yield traps * (numbers.start - done)
            yield view[bodies[numbers.start].entry : bodies[numbers.stop - 1].end]
            done = numbers.stop
    yield traps * (count - done)


def groups(module: Module) -> list[range]:
    """The bodies of each group, by their numbers."""
    count = len(module.bodies)
    return [range(first, min(first + GROUP, count)) for first in range(0, count, GROUP)]


def group_digests(module: Module) -> list[bytes]:
    """For each group of a module's bodies, a fingerprint of them and of where they are in the order of functions."""
    view, found, given = memoryview(module.data), [], 0
    for group in groups(module):
        bodies = view[module.bodies[group[0]].entry : module.bodies[group[-1]].end]
        found.append(fingerprint(b"%d:" % group[0], bodies))
        given += len(bodies)
        if given > _AT_ONCE:
            give_back(view)
            given = 0
    return found


#: An active data segment of the first memory, at a plain constant, up to its content: most are such. Its length.
_PLAIN_SEGMENT = re.compile(rb"\0\x41[\x80-\xff]{0,4}+[\0-\x7f]\x0b([\x80-\xff]{0,3}+[\0-\x7f])")


def _emptied(rope: Rope, section: Section) -> list[bytes]:
    """The segments of a data section with nothing in them, where they were."""
    at = rope.cursor(section.start, min(section.start + 5, section.end), section.label)
    first = at.position
    count = at.u32()
    found: list[bytes] = []
    following = 0  # where the next one begins, in a part
    for part in rope.parts(section.start + at.position - first, section.end):
        while following < len(part):
            plain = _PLAIN_SEGMENT.match(part, following)
            if plain is None or len(found) == count:  # or it goes on in the next part
                return _emptied_slowly(rope, section)
            begin, end = plain.span(1)
            found.append(part[following:begin].tobytes() + b"\0")
            size = part[begin]
            if end > begin + 1:
                size = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(plain[1]))
            following = end + size
        following -= len(part)
    return found if not following and len(found) == count else _emptied_slowly(rope, section)


def _emptied_slowly(rope: Rope, section: Section) -> list[bytes]:
    """The same for all kinds of segments. Raises what reading them raises."""
    found = []
    at = rope.cursor(section.start, section.end, section.label)
    data = at.buffer
    for _, _, raw, start, _, _, _ in read_data(at):
        size = start - 1  # the number of bytes: only its last byte is less than 0x80, and so is the one before it
        while data[size - 1] >= 0x80:
            size -= 1
        found.append(data[raw:size] + b"\0")
    if at.remaining:
        found.append(b"")  # the section is not valid, and that has to show
    return found


#: What reads the entries of sections of which something counts.
_READ: dict[int, Callable[[Cursor], Sequence[Any]]] = {
    SectionId.TABLE: read_tables, SectionId.MEMORY: read_memories, SectionId.GLOBAL: read_globals,
    SectionId.EXPORT: read_exports, SectionId.ELEMENT: read_elements,
}  # fmt: skip


def context(
    wasm: bytes | Rope, sections: Iterable[Section], known: Mapping[int, Sequence[Any]] = MappingProxyType({})
) -> Context:
    """All that the validity of a module's bodies depends on. Raises what reading its sections raises.

    `known`: the entries of the sections in `_READ`, where they were read.

    Of a global, that is its type and the functions that it declares; of a memory, its address type and page size; of
    a table, its types; of an element segment, its type and what it declares.
    """
    rope = as_rope(wasm)
    told: list[bytes] = []
    declared: set[int] = set()
    segments = None
    for section in sections:
        place = section.start, section.end
        entries: Sequence[Any] = ()
        if section.id in _READ:
            read = _READ[section.id]
            entries = known[section.id] if section.id in known else read(rope.cursor(*place, section.label))
        initializers: list[ConstantExpression | None] = []
        if section.id in _WHOLE:
            said: object = fingerprint(rope.part(*place))
        elif section.id == SectionId.GLOBAL:
            initializers = [entry.initializer for entry in entries]
            said = [(entry.type, entry.mutable) for entry in entries]
        elif section.id == SectionId.TABLE:
            initializers = [table.initializer for table in entries]
            said = [(table.type, table.limits.is_64, table.limits.shared) for table in entries]
        elif section.id == SectionId.MEMORY:
            said = [(m.shared, m.is_64, m.page_size_log2) for m in entries]
        elif section.id == SectionId.ELEMENT:
            declared.update(*(segment.functions for segment in entries))
            said = [segment.type for segment in entries]
        else:
            if section.id == SectionId.EXPORT:
                declared.update(export.target for export in entries if export.kind == ExternKind.FUNC)
            elif section.id == SectionId.DATA_COUNT:
                segments = rope.cursor(*place, section.label).u32()
            continue
        declared.update(*(expression.functions for expression in initializers if expression))
        told.append(repr((int(section.id), said)).encode())
    return Context(fingerprint(*told), frozenset(declared), segments)


def context_of_input(module: Module) -> Context:
    """The same of a module that was parsed."""
    return context(module.data, module.sections, _entries_read(module))


def _entries_read(module: Module) -> dict[int, Sequence[Any]]:
    """The entries of those of its sections that are in `_READ`."""
    return {
        SectionId.TABLE: module.tables[module.imported_tables :],
        SectionId.MEMORY: module.memories[module.imported_memories :],
        SectionId.GLOBAL: module.globals[module.imported_globals :],
        SectionId.EXPORT: module.exports,
        SectionId.ELEMENT: module.elements,
    }


def rest_digest(module: Module) -> bytes:
    """A fingerprint of all that is validated of a module, but for its functions' bodies."""
    pieces: list[bytes | memoryview] = [b"rest:"]
    for section in module.sections:
        if section.id not in (SectionId.CUSTOM, SectionId.CODE):
            pieces += b"%d:%d:" % (section.id, section.end - section.start), module.payload(section)
    return fingerprint(*pieces)


#: Gives what a `decoder` of functions finds in the body `data[start:end]`.
Scanner = Callable[[bytes, int, int], Scan]


def in_doubt(known: Context, wanted: Context, module: Module, scan: Scanner | None = None) -> list[range] | None:
    """Of bodies of `module` that are valid in one context, those that may not be in another one; None: all of them.

    More to name does no harm; less of it only where a body names what is gone. Few bytes of a large module's code look
    as if it did, and whether they do, only decoding the body tells, with `scan`; else validating it does.
    """
    if known.fixed != wanted.fixed:
        return None
    code, functions = module.section(SectionId.CODE), known.declared - wanted.declared
    fewer = known.segments is not None and (wanted.segments is None or wanted.segments < known.segments)
    if code is None or not (functions or fewer):
        return []
    if len(functions) > _MOST_DROPPED:
        return None
    # One pattern at a time: what begins with one byte is found ten times as fast.
    patterns = []
    places: Iterable[int] = ()
    if functions <= module.code_references.functions:
        places = (place for place in module.code_references.places if _index_at(module, code, place + 1) in functions)
    elif functions:
        numbers = b"|".join(re.escape(form) for function in functions for form in _spellings(function))
        patterns.append(bytes((REF_FUNC,)) + b"(?:" + numbers + b")")
    if fewer:
        patterns += [_NAMES_DATA, _NAMES_DATA_OF_ARRAYS] if module.types.has_gc else [_NAMES_DATA]
    found: set[int] = set()
    room = _MOST_DOUBTED
    searched = (_places(re.compile(pattern, re.DOTALL), module, code) for pattern in patterns)
    for place in chain(places, chain.from_iterable(searched)):
        index = bisect_right(module.bodies.starts, place) - 1
        if index < 0 or index in found:
            continue
        found.add(index)
        room -= module.bodies.size(index)
        if room < 0:
            return None
    if scan and not fewer:
        found = {index for index in found if _may_refer(scan(module.data, *module.bodies[index][1:]), functions)}
    return [range(index, index + 1) for index in sorted(found)]


def _index_at(module: Module, code: Section, place: int) -> int | None:
    """The index that stands there; None for what is none."""
    try:
        return Cursor(module.data, place, code.end, code.label).u32()
    except InputError:
        return None


def _may_refer(scan: Scan, functions: Collection[int]) -> bool:
    """Whether a body may have references to some functions."""
    found = zip(scan.simple.opcodes, scan.simple.targets, strict=True)
    return scan.unknown is not None or any(opcode == REF_FUNC and target in functions for opcode, target in found)


def _places(pattern: re.Pattern[bytes], module: Module, section: Section) -> Iterator[int]:
    """Where in a section an instruction may be; one at a border is found twice."""
    for at in range(section.start, section.end, _AT_ONCE):
        for place in pattern.finditer(module.data, at, min(at + _AT_ONCE + _LONGEST_INSTRUCTION, section.end)):
            yield place.start()
        give_back(module.data)


def united(ranges: Iterable[range]) -> list[range]:
    """The ranges in order, without those that lie in others; none overlap otherwise."""
    found: list[range] = []
    for numbers in sorted(ranges, key=lambda each: (each.start, -each.stop)):
        if not found or numbers.start >= found[-1].stop:
            found.append(numbers)
    return found


def _spellings(number: int) -> Iterator[bytes]:
    """All ways to write an integer of 32 bits: it may end in zeros that it does not need."""
    shortest = write.uleb(number)
    yield shortest
    for size in range(len(shortest) + 1, 6):
        yield shortest[:-1] + bytes((shortest[-1] | 0x80,)) + b"\x80" * (size - len(shortest) - 1) + b"\0"


def context_of_same_code(wasm: bytes | Rope, module: Module) -> tuple[Context, tuple[Section, ...]] | None:
    """The `context` and the sections of a binary, if its code section is that of `module`, byte for byte."""
    rope = as_rope(wasm)
    sections = read_sections(rope)
    code = module.section(SectionId.CODE)
    found = next((section for section in sections if section.id == SectionId.CODE), None)
    if not code or not found or not is_same(rope, found, module):
        return None
    return context(rope, sections, entries_of(rope, sections, module)), sections


def entries_of(wasm: bytes | Rope, sections: Iterable[Section], module: Module) -> dict[int, Sequence[Any]]:
    """The entries of those of its sections that are in `_READ`; those are not read that are the module's.

    Without those of sections with bytes that are left over: what is there is not all. Raises what reading them raises.
    """
    rope, known = as_rope(wasm), _entries_read(module)
    found: dict[int, Sequence[Any]] = {}
    for section in sections:
        if section.id not in _READ:
            continue
        if is_same(rope, section, module):
            found[section.id] = known[section.id]
            continue
        at = rope.cursor(section.start, section.end, section.label)
        entries = _READ[section.id](at)
        if not at.remaining:
            found[section.id] = entries
    return found


def is_same(rope: Rope, section: Section, module: Module) -> bool:
    """Whether a section of a rope is, byte for byte, the module's."""
    own = module.section(section.id)
    if own is None or own.end - own.start != section.end - section.start:
        return False
    return module.data.startswith(rope.part(section.start, section.end), own.start)


def as_rope(wasm: bytes | Rope) -> Rope:
    return wasm if isinstance(wasm, Rope) else Rope([wasm])
