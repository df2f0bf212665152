"""What an inspection gives back: plain values, in the words of the specification."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from typing import Any

#: Version of an inspection's JSON form.
INSPECTION_VERSION = 1


@dataclass(frozen=True)
class SectionFacts:
    """A section: `offset` of its header in the file, `size` with the header, in bytes; `items` where it is a vector.

    `name` is that of the specification, or a custom section's own.
    """

    name: str
    custom: bool
    offset: int
    size: int
    items: int | None


@dataclass(frozen=True)
class MemoryRun:
    """Pages in one state: "zero", "data" (the module's segments fill some of it) or "changed" (by the initializer).

    `bytes_set`: those that are not zero. `bytes_changed`: those that differ from the original's. `name`: the region,
    the segments or the symbols there, as far as linkers left names.
    """

    first_page: int
    pages: int
    state: str
    bytes_set: int
    bytes_changed: int
    name: str | None


@dataclass(frozen=True)
class ImageFacts:
    """Whether wasmtime maps the data of a memory, which begins at `first` and ends before `end`, or copies it at each
    start: it maps where `missing` is 0; else so many bytes more would have to be data. `stray_first`, `stray_end`: the
    few data without which it would map the rest. `prevented_by`: another memory, whose data it can't map, so that it
    copies that of all. Addresses and sizes in bytes."""

    first: int
    end: int
    data: int
    missing: int
    stray_first: int | None
    stray_end: int | None
    prevented_by: int | None = None


@dataclass(frozen=True)
class MemoryMap:
    """A memory as an instance starts with it. Sizes in pages of `page_size` bytes.

    `runs` cover all pages in order, in steps of `step` pages: more than one where a memory has very many. `image`: None
    where all is mapped or copied, however much data there is. `stored`: ranges, from and up to, that the start function
    fills with constants before anything else.
    """

    index: int
    imported: bool
    is_64: bool
    shared: bool
    page_size: int
    pages: int
    maximum: int | None
    step: int
    bytes_set: int
    bytes_changed: int
    runs: tuple[MemoryRun, ...]
    image: ImageFacts | None = None
    stored: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class DataFacts:
    """A data segment of `size` bytes. `memory` and `offset` are None for a passive one, `offset` also where it is no
    plain constant."""

    index: int
    mode: str
    memory: int | None
    offset: int | None
    size: int
    name: str | None


@dataclass(frozen=True)
class ElementFacts:
    """An element segment of `length` references."""

    index: int
    mode: str
    table: int | None
    offset: str | None
    type: str
    length: int


@dataclass(frozen=True)
class TableFacts:
    """A table, its size in elements."""

    index: int
    imported: bool
    type: str
    is_64: bool
    size: int
    maximum: int | None


@dataclass(frozen=True)
class GlobalFacts:
    """A global. `value`: what it starts with, as text; None for an imported one."""

    index: int
    imported: bool
    type: str
    mutable: bool
    value: str | None
    name: str | None


@dataclass(frozen=True)
class ImportFacts:
    module: str
    name: str
    kind: str
    type: str


@dataclass(frozen=True)
class ExportFacts:
    name: str
    kind: str
    index: int
    type: str


@dataclass(frozen=True)
class Producer:
    """An entry of the producers section: `field` is "language", "processed-by" or "sdk"."""

    field: str
    name: str
    version: str


@dataclass(frozen=True)
class FunctionGroup:
    """Functions whose names begin alike, and the bytes of their bodies together."""

    name: str
    functions: int
    size: int


@dataclass(frozen=True)
class FunctionFacts:
    index: int
    name: str | None
    size: int


@dataclass(frozen=True)
class SectionChange:
    """Sizes of a section in both modules, in bytes, None where there is none. `same`: byte for byte."""

    name: str
    custom: bool
    before: int | None
    after: int | None
    same: bool


@dataclass(frozen=True)
class GlobalChange:
    """A global that starts with another value. `before` is None where it was imported."""

    index: int
    name: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Renamed:
    """An export that has another name now, or (`before == after`) another target."""

    before: str
    after: str
    kind: str


@dataclass(frozen=True)
class Added:
    """What a snapshot has that its original hasn't, and the other way round.

    `same_code`: the original's function bodies are there byte for byte; `functions_added` come after them.
    """

    size_before: int
    sha256_before: str
    same_code: bool
    functions_added: int
    start_removed: bool
    sections: tuple[SectionChange, ...]
    data_segments_before: int
    data_bytes_before: int
    element_segments_before: int
    pages_before: tuple[int, ...]
    table_sizes_before: tuple[int, ...]
    globals: tuple[GlobalChange, ...]
    globals_changed: int
    exports_gone: tuple[str, ...]
    exports_new: tuple[str, ...]
    exports_renamed: tuple[Renamed, ...]
    imports_gone: tuple[str, ...]
    imports_new: tuple[str, ...]
    producers_new: tuple[Producer, ...]


@dataclass(frozen=True)
class PausedFrame:
    """A function that was active where the program was paused: `offset` of the call under way in its code of `size`
    bytes. Function `resumed` goes on there, with `resumed_size` bytes of code."""

    index: int
    name: str | None
    offset: int
    size: int
    resumed: int
    resumed_size: int


@dataclass(frozen=True)
class Inspection:
    """What is in a module. Sizes are in bytes unless something else is said.

    Lists are cut off where a module has more than engines take; `counts` has the true numbers. `start`: the index of
    the start function. `groups`: the functions of the code section by the beginning of their names, largest first.
    `against`: what the module has beyond the original that was given. `frames`: of a program that was paused in the
    middle, what was active, innermost first.
    """

    version: int
    preinit: str
    size: int
    sha256: str
    counts: dict[str, int]
    sections: tuple[SectionFacts, ...]
    memories: tuple[MemoryMap, ...]
    data_segments: tuple[DataFacts, ...]
    data_bytes: int
    tables: tuple[TableFacts, ...]
    element_segments: tuple[ElementFacts, ...]
    globals: tuple[GlobalFacts, ...]
    imports: tuple[ImportFacts, ...]
    exports: tuple[ExportFacts, ...]
    start: int | None
    producers: tuple[Producer, ...]
    features: tuple[str, ...]
    groups: tuple[FunctionGroup, ...]
    largest_functions: tuple[FunctionFacts, ...]
    against: Added | None = None
    frames: tuple[PausedFrame, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The inspection as JSON values."""
        values: dict[str, Any] = _plain(self)
        return values


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        value = vars(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
