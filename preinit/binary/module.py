"""A module, parsed as far as preinit needs it: https://webassembly.github.io/spec/core/binary/modules.html .

A `Module` is read-only. Function bodies are not decoded, data is not copied: segments and sections are ranges of the
file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

from ..enums import IntEnum
from ..errors import ComponentInput, DynamicLibrary, NotWasm, RelocatableObject, Truncated, printable
from ..records import Value, value
from ..tuples import NamedTuple
from . import dylink, externs
from . import sections as read
from .bodies import BodyRanges, CodeReferences, read_bodies
from .constexpr import integer_of
from .cursor import MOST_ITEMS, Cursor
from .digest import fingerprint, sha256
from .encoder import COMPONENT_PREAMBLE, PREAMBLE, SECTION_ORDER
from .names import NameSection
from .types import FuncType, Limits, TypeSection, read_types

if TYPE_CHECKING:
    from .rope import Rope

T = TypeVar("T")


class SectionId(IntEnum):
    CUSTOM = 0
    TYPE = 1
    IMPORT = 2
    FUNCTION = 3
    TABLE = 4
    MEMORY = 5
    GLOBAL = 6
    EXPORT = 7
    START = 8
    ELEMENT = 9
    CODE = 10
    DATA = 11
    DATA_COUNT = 12
    TAG = 13


#: Sections of which code that is compiled on demand knows nothing, and those of which it is told apart.
_NOT_SURROUNDINGS = frozenset(
    (SectionId.CUSTOM, SectionId.GLOBAL, SectionId.CODE, SectionId.DATA, SectionId.DATA_COUNT)
)


class Section(NamedTuple):
    """The section is `header:end` in the file, its payload `start:end`.

    For a custom section, `title` is its name and `content` where that name ends.
    """

    id: int
    header: int
    start: int
    end: int
    title: str = ""
    content: int = 0

    @property
    def label(self) -> str:
        return f"custom section {self.title!r}" if self.id == 0 else f"{SectionId(self.id).name.lower()} section"


@value
class Module(Value):
    """One core module. Index spaces count imports first, as in the specification."""

    data: bytes
    sections: tuple[Section, ...]
    types: TypeSection
    imports: tuple[read.Import, ...]
    tables: tuple[read.Table, ...]
    memories: tuple[Limits, ...]
    tags: tuple[int, ...]
    globals: tuple[read.Global, ...]
    exports: tuple[read.Export, ...]
    start: int | None
    elements: tuple[read.ElementSegment, ...]
    data_segments: tuple[read.DataSegment, ...]
    function_types: tuple[int, ...]
    imported_functions: int
    imported_tables: int
    imported_memories: int
    imported_globals: int

    __eq__ = object.__eq__  # one is no other, and each can be held by what is kept about it
    __hash__ = object.__hash__
    __repr__ = object.__repr__

    @cached_property
    def sha256(self) -> str:
        """Of the file, in hex."""
        return sha256(self.data).hex()

    @cached_property
    def surroundings_fingerprint(self) -> str:
        """Of all that code compiled from some functions depends on besides their bodies, in hex: the same where only
        data differ, bodies, names or other custom sections, or the number that a global begins with."""
        pieces: list[bytes | memoryview] = []
        for section in self.sections:
            if section.id not in _NOT_SURROUNDINGS:
                pieces += bytes((section.id,)), self.payload(section)
        for entry in self.globals:
            simple = entry.initializer is None or integer_of(entry.initializer) is not None
            pieces.append(externs.global_(entry) + (b"" if simple or not entry.initializer else entry.initializer.raw))
        return fingerprint(*pieces).hex()

    @cached_property
    def code_fingerprint(self) -> str:
        """Of the code section, in hex."""
        section = self.section(SectionId.CODE)
        return fingerprint(self.payload(section) if section else b"").hex()

    def bodies_fingerprint(self, functions: Iterable[int]) -> str:
        """Of the bodies of functions, all of which the module defines, in hex."""
        first, bodies, data = self.imported_functions, self.bodies, memoryview(self.data)
        pieces = [data[bodies.starts[at] : bodies.ends[at]] for at in (function - first for function in functions)]
        return fingerprint(b",".join(b"%d" % len(piece) for piece in pieces), b";", *pieces).hex()

    def section(self, number: int) -> Section | None:
        """The non-custom section with that number."""
        return self._by_id.get(number)

    @cached_property
    def _by_id(self) -> dict[int, Section]:
        return {section.id: section for section in self.sections if section.id != SectionId.CUSTOM}

    def payload(self, section: Section) -> memoryview:
        """A section's payload, not copied."""
        return memoryview(self.data)[section.start : section.end]

    def custom(self, title: str) -> Section | None:
        """The first custom section of that name."""
        return self._by_title.get(title)

    @cached_property
    def _by_title(self) -> dict[str, Section]:
        return {section.title: section for section in reversed(self.sections) if section.id == SectionId.CUSTOM}

    @cached_property
    def bodies(self) -> BodyRanges:
        """The body of each defined function. Raises `Malformed`."""
        section = self.section(SectionId.CODE)
        if section is None:
            return BodyRanges([], [], [])
        return read_bodies(Cursor(self.data, section.start, section.end, section.label))

    @cached_property
    def code_references(self) -> CodeReferences:
        """Where code may refer to functions, of those that were looked for: see `keep_walk`."""
        return CodeReferences(frozenset(), ())

    def keep_walk(self, bodies: BodyRanges, references: CodeReferences) -> None:
        """Keeps what somebody read in the code section."""
        self.__dict__.update(bodies=bodies, code_references=references)

    def code_entries(self) -> tuple[int, memoryview]:
        """The number of defined functions, and the code section's bytes after that number."""
        section = self.section(SectionId.CODE)
        if section is None:
            return 0, memoryview(b"")
        cursor = Cursor(self.data, section.start, section.end, section.label)
        number = cursor.count(2)
        return number, memoryview(self.data)[cursor.position : section.end]

    @cached_property
    def names(self) -> NameSection:
        """The name section's maps; empty ones where there is none, or where it is malformed."""
        section = self.custom("name")
        return NameSection(self.data, section.content, section.end) if section else NameSection(b"", 0, 0)

    def function_type(self, index: int) -> FuncType | None:
        """The type of a function by its index; None when that is out of range or no function type."""
        if not 0 <= index < len(self.function_types):
            return None
        type_index = self.function_types[index]
        return self.types.functions[type_index] if type_index < len(self.types.functions) else None

    @cached_property
    def references(self) -> tuple[int, ...]:
        """The functions that a reference can name, in order: C.refs of the specification's validation.

        https://webassembly.github.io/spec/core/valid/modules.html#valid-module
        """
        found = {e.target for e in self.exports if e.kind == read.ExternKind.FUNC}
        for segment in self.elements:
            found.update(segment.functions)
        initializers = [entry.initializer for entry in self.globals] + [table.initializer for table in self.tables]
        for expression in filter(None, initializers):
            found.update(expression.functions)
        return tuple(sorted(found))

    @cached_property
    def has_typed_references(self) -> bool:
        """Whether a type, table or global says of references what they name."""
        types = [t for s in self.types.functions if s for t in s.params + s.results]
        types += [table.type for table in self.tables] + [entry.type for entry in self.globals]
        return self.types.has_gc or any(len(t) > 1 for t in types)

    def exported(self, title: str) -> read.Export | None:
        return self.exports_by_name.get(title)

    @cached_property
    def exports_by_name(self) -> dict[str, read.Export]:
        """The exports; of those that have one name, which is not valid, the first."""
        return {export.name: export for export in reversed(self.exports)}

    @cached_property
    def exported_names(self) -> frozenset[str]:
        return frozenset(export.name for export in self.exports)

    def function_names(self, wanted: Collection[int]) -> dict[int, str]:
        """What `function_name` says of several functions that the module defines, without reading all names."""
        exported = {e.target: e.name for e in reversed(self.exports) if e.kind == read.ExternKind.FUNC}
        named = self.names.functions_among(wanted)
        found = {index: named.get(index) or exported.get(index) for index in wanted}
        return {index: name for index, name in found.items() if name}

    def function_name(self, index: int) -> str | None:
        """What to call a function: its name in the name section, else its import's or an export's."""
        name = self.names.functions.get(index)
        if name:
            return name
        if index < self.imported_functions:
            imported = [entry for entry in self.imports if entry.kind == read.ExternKind.FUNC][index]
            return f"{imported.module}.{imported.name}"
        return next((e.name for e in self.exports if e.kind == read.ExternKind.FUNC and e.target == index), None)

    def function_place(self, index: int) -> str:
        """A function in the place that an error names."""
        name = self.function_name(index)
        return f"function {index}" + (f" (`{printable(name)}`)" if name else "")


def parse(data: bytes, data_of: Module | None = None, libraries: bool = False) -> Module:
    """Parses a core module. `data_of`: another one with the same data section, if it is known. `libraries`: dynamic
    libraries, too, of which a loader says where their memory lies.

    Raises
    ------
    NotWasm, Truncated, Malformed: with the byte offset.
    ComponentInput, RelocatableObject, DynamicLibrary: Wasm, but nothing that can be pre-initialized.
    UnsupportedProposal: a type or constant expression that this version does not know.
    """
    _check_preamble(data)
    found = read_sections(data)
    by_id = {section.id: section for section in found if section.id}

    def cursor(number: SectionId) -> Cursor:
        section = by_id.get(number)
        if section is None:
            return Cursor(b"\0", 0, 1, "empty section")  # a vector of length 0
        return Cursor(data, section.start, section.end, section.label)

    def whole(number: SectionId, reader: read.Reader[T]) -> T:
        at = cursor(number)
        result = reader(at)
        if at.remaining:
            raise at.fail(f"{at.remaining} bytes are left over")
        return result

    for section in found:
        if section.title == "linking":
            raise RelocatableObject(
                "the input is a relocatable object, not a linked module (it has a section 'linking')"
            )
    if SectionId.DATA_COUNT in by_id:
        whole(SectionId.DATA_COUNT, Cursor.u32)  # whether it is right is for validation to say
    types = whole(SectionId.TYPE, read_types)
    imports = whole(SectionId.IMPORT, read.read_imports)
    if any((entry.module, entry.name) == ("env", "__linear_memory") for entry in imports):
        raise RelocatableObject("the input is a relocatable object (it imports `env.__linear_memory`)")
    for section in () if libraries else found:
        content = Cursor(data, section.content, section.end, section.label)
        if section.title in (dylink.TODAY, dylink.BEFORE) and dylink.is_library(section.title, content, imports):
            raise DynamicLibrary(f"the input is a dynamic library (it has a custom section {section.title!r})")

    def imported(kind: read.ExternKind) -> list[read.Import]:
        return [entry for entry in imports if entry.kind == kind]

    imported_functions = [entry.type_index for entry in imported(read.ExternKind.FUNC)]
    imported_tables = [entry.table for entry in imported(read.ExternKind.TABLE) if entry.table]
    imported_memories = [entry.memory for entry in imported(read.ExternKind.MEMORY) if entry.memory]
    imported_globals = [entry.global_ for entry in imported(read.ExternKind.GLOBAL) if entry.global_]
    imported_tags = [entry.type_index for entry in imported(read.ExternKind.TAG)]
    return Module(
        data=data,
        sections=found,
        types=types,
        imports=imports,
        tables=(*imported_tables, *whole(SectionId.TABLE, read.read_tables)),
        memories=(*imported_memories, *whole(SectionId.MEMORY, read.read_memories)),
        tags=(*imported_tags, *whole(SectionId.TAG, read.read_tags)),
        globals=(*imported_globals, *whole(SectionId.GLOBAL, read.read_globals)),
        exports=whole(SectionId.EXPORT, read.read_exports),
        start=whole(SectionId.START, Cursor.u32) if SectionId.START in by_id else None,
        elements=whole(SectionId.ELEMENT, read.read_elements),
        data_segments=_moved_data(data_of, by_id) if data_of else whole(SectionId.DATA, read.read_data),
        function_types=(*imported_functions, *whole(SectionId.FUNCTION, lambda at: at.u32s(at.count()))),
        imported_functions=len(imported_functions),
        imported_tables=len(imported_tables),
        imported_memories=len(imported_memories),
        imported_globals=len(imported_globals),
    )


def _moved_data(other: Module, sections: Mapping[int, Section]) -> tuple[read.DataSegment, ...]:
    """The segments of a module's data section, which stands elsewhere: there may be tens of thousands."""
    before = other.section(SectionId.DATA)
    if before is None:
        return ()
    moved = sections[SectionId.DATA].start - before.start
    new, kind = tuple.__new__, read.DataSegment  # a named tuple's own way takes twice as long
    return tuple(
        [
            new(kind, (mode, memory, raw + moved, start + moved, end + moved, *rest))
            for mode, memory, raw, start, end, *rest in other.data_segments
        ]
    )


def _check_preamble(data: bytes) -> None:
    if data[:8] == PREAMBLE:
        return
    if data[:8] == COMPONENT_PREAMBLE:
        raise ComponentInput("the input is a component, not a core module")
    if not data:
        raise NotWasm("the input is empty")
    if data[:4] == PREAMBLE[: len(data[:4])]:
        if len(data) < 8:
            raise Truncated("the file ends in the middle of the preamble", where=f"byte offset {len(data):#x}")
        raise NotWasm(f"unknown version {data[4:8].hex(' ')}", where="byte offset 0x4")
    raise NotWasm(f"the input does not start with the Wasm magic number (it starts with {data[:4].hex(' ')})")


def read_sections(wasm: bytes | Rope) -> tuple[Section, ...]:
    """Where a module's sections are, in order. Raises `Truncated`, `Malformed`."""
    data = cast("bytes", wasm)  # single bytes are read, and names: of a rope, too
    order = {number: place for place, number in enumerate(SECTION_ORDER)}
    at = Cursor(data, len(PREAMBLE), len(data), "module")
    found: list[Section] = []
    last_place = -1
    while at.remaining:
        header = at.position
        number = at.byte()
        size = at.u32()
        if size > at.remaining:
            raise Truncated(
                f"section {number} claims {size} bytes, the file has {at.remaining} left",
                where=f"byte offset {header:#x}",
            )
        start = at.skip(size)
        if number == SectionId.CUSTOM:
            inner = Cursor(data, start, start + size, "custom section")
            title = inner.name()
            if len(found) >= MOST_ITEMS:
                raise at.fail(f"more than {MOST_ITEMS} sections", header)
            found.append(Section(number, header, start, start + size, title, inner.position))
            continue
        if number not in order:
            raise at.fail(f"unknown section number {number}", header)
        if order[number] <= last_place:
            raise at.fail(f"{SectionId(number).name.lower()} section stands twice or out of order", header)
        last_place = order[number]
        found.append(Section(number, header, start, start + size))
    return tuple(found)
