"""Whether an output is valid: of many that have the same code, that is validated once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

from .binary import encoder as write
from .binary.cursor import Cursor
from .binary.module import Module, SectionId, parse, read_sections
from .engine.validation import check
from .errors import InvalidModule, UnsupportedProposal

#: Contexts in which code is known to be valid: builds with other exports or imports have another one.
_MOST = 8

#: A body that is valid whatever the function's type: no locals, `unreachable`, `end`.
_UNREACHABLE = write.code_entry(b"\0\0\x0b")

#: Sections of which an output may have others beside the same code.
_APART = (SectionId.CODE, SectionId.DATA, SectionId.DATA_COUNT, SectionId.MEMORY)


class Validity:
    """Validates everything."""

    def output(self, wasm: bytes) -> None:
        """Raises `InvalidModule`, `UnsupportedProposal`."""
        check(wasm)

    def input(self, module: Module) -> None:
        """Raises `InvalidModule`, `UnsupportedProposal`."""
        check(module.data)


class _Context(NamedTuple):
    """What of a module the validity of its code depends on, C of
    https://webassembly.github.io/spec/core/valid/conventions.html#contexts : limits are not part of it."""

    same: tuple[Any, ...]
    elements: tuple[bytes, ...]
    references: frozenset[int]

    def has_all_of(self, other: _Context) -> bool:
        """Whether code that is valid in `other` is valid here."""
        return (
            self.same == other.same
            and self.elements[: len(other.elements)] == other.elements
            and self.references >= other.references
        )


class _Known(NamedTuple):
    """Code that is valid beside such sections (all but `_APART`), with such memories, so many data segments."""

    code: bytes
    beside: bytes
    memories: tuple[Any, ...]
    data_segments: int | None
    context: _Context


class _Parts:
    """An output, in parts."""

    def __init__(self, wasm: bytes) -> None:
        self.wasm = wasm
        self.view = memoryview(wasm)
        self.sections = {section.id: section for section in read_sections(wasm) if section.id != SectionId.CUSTOM}
        self.beside = self._module(number for number in self.sections if number not in _APART)
        memories = parse(self._module({SectionId.MEMORY} & self.sections.keys())).memories
        self.memories = tuple((memory.is_64, memory.shared, memory.page_size_log2) for memory in memories)
        counted = self.sections.get(SectionId.DATA_COUNT)
        self.data_segments = Cursor(wasm, counted.start, counted.end, counted.label).u32() if counted else None

    def _module(self, numbers: Iterable[int]) -> bytes:
        chosen = (self.sections[number] for number in numbers)
        return write.assemble([self.view[section.header : section.end]] for section in chosen)

    @cached_property
    def context(self) -> _Context:
        module = parse(self.beside)
        types = self.sections.get(SectionId.TYPE)
        same = (
            self.wasm[types.start : types.end] if types else b"",
            module.function_types,
            module.tags,
            tuple((table.type, table.limits.is_64, table.limits.shared) for table in module.tables),
            tuple((memory.is_64, memory.shared, memory.page_size_log2) for memory in module.memories),
            tuple((entry.type, entry.mutable) for entry in module.globals),
        )
        return _Context(same, tuple(segment.type for segment in module.elements), frozenset(module.references))

    def has_all_of(self, known: _Known) -> bool:
        """Whether the code is that, and valid here."""
        code = self.sections[SectionId.CODE]
        return (
            code.end - code.header == len(known.code)
            and self.wasm.startswith(known.code, code.header)
            and self.memories == known.memories
            and (self.data_segments is None) == (known.data_segments is None)
            and (self.data_segments or 0) >= (known.data_segments or 0)
            and (self.beside == known.beside or self.context.has_all_of(known.context))
        )

    def without_bodies(self) -> bytes:
        """The module with bodies that do nothing, without custom sections: all the rest is as it is."""
        pieces: list[list[bytes | memoryview]] = []
        for number, section in self.sections.items():
            if number == SectionId.CODE:
                count = Cursor(self.wasm, section.start, section.end, section.label).u32()
                pieces.append(write.section(SectionId.CODE, write.uleb(count) + _UNREACHABLE * count))
            else:
                pieces.append([self.view[section.header : section.end]])
        return write.assemble(pieces)


class KnownCode(Validity):
    """Validates the input once, and code of outputs once for each context in which it stands; for any thread."""

    def __init__(self) -> None:
        self._known: list[_Known] = []
        self._input_is_valid = False

    def input(self, module: Module) -> None:
        if not self._input_is_valid:
            super().input(module)
            self._input_is_valid = True

    def output(self, wasm: bytes) -> None:
        parts = _Parts(wasm)
        code = parts.sections.get(SectionId.CODE)
        if code and any(map(parts.has_all_of, self._known)):
            try:
                check(parts.without_bodies())
                return
            except (InvalidModule, UnsupportedProposal):
                pass  # the whole output says where
        super().output(wasm)
        if code and len(self._known) < _MOST:
            raw = wasm[code.header : code.end]
            self._known.append(_Known(raw, parts.beside, parts.memories, parts.data_segments, parts.context))
