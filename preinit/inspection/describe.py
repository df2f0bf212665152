"""What stands in a module, section by section. Nothing is validated: indices may lead nowhere."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ..binary.constexpr import ConstantExpression, constant_value
from ..binary.cursor import Cursor, leading_u32
from ..binary.module import Module, Section, SectionId
from ..binary.sections import DataSegment, ElementSegment, ExternKind, Global, Import, Mode, Table
from ..binary.types import Limits, type_name
from ..errors import InputError
from .model import (
    DataFacts,
    ElementFacts,
    ExportFacts,
    GlobalFacts,
    ImportFacts,
    Producer,
    SectionFacts,
    TableFacts,
)

#: Most items of a kind that an inspection lists: engines take no more data segments.
MOST_LISTED = 100_000

#: Most producers and features: there are a handful.
_MOST_TOOLS = 1000

_NOT_VECTORS = (SectionId.CUSTOM, SectionId.START, SectionId.DATA_COUNT)


def section_name(section: Section) -> str:
    """A custom section's own name, or the specification's."""
    return section.title if section.id == SectionId.CUSTOM else SectionId(section.id).name.lower().replace("_", " ")


def sections(module: Module) -> tuple[SectionFacts, ...]:
    found = []
    for section in module.sections[:MOST_LISTED]:
        items = None if section.id in _NOT_VECTORS else _items(module, section)
        custom = section.id == SectionId.CUSTOM
        size = section.end - section.header
        found.append(SectionFacts(section_name(section), custom, section.header, size, items))
    return tuple(found)


def _items(module: Module, section: Section) -> int:
    """What a section holds. Several imports, and several types, may be one entry of theirs."""
    if section.id == SectionId.IMPORT:
        return len(module.imports)
    if section.id == SectionId.TYPE:
        return len(module.types.functions)
    return leading_u32(module.payload(section))[0]


def constant_text(expression: ConstantExpression | None) -> str | None:
    """What a constant expression gives, for people: a number, `null`, `function 3`, or what it is made of."""
    if expression is None:
        return None
    raw = expression.raw
    opcode, operands = raw[0], raw[1:-1]
    if not operands and opcode != 0xD0:
        return "an expression"
    if opcode in (0x41, 0x42) and _one_integer(operands):
        bits = 32 if opcode == 0x41 else 64
        value = constant_value(raw[:-1])
        return str(value - (1 << bits) if value >> bits - 1 else value)
    if opcode == 0x43 and len(operands) == 4:
        return _float(struct.unpack("<f", operands)[0], operands)
    if opcode == 0x44 and len(operands) == 8:
        return _float(struct.unpack("<d", operands)[0], operands)
    if opcode == 0xFD and len(operands) == 17:
        return f"{int.from_bytes(operands[1:], 'little'):#034x}"
    if opcode == 0xD0 and _one_integer(operands):
        return "null"
    if opcode == 0xD2 and _one_integer(operands):
        return f"function {expression.functions[0]}"
    if opcode == 0x23 and _one_integer(operands):
        return f"global {expression.globals[0]}"
    return "an expression"


def _one_integer(operands: bytes) -> bool:
    return bool(operands) and operands[-1] < 0x80 and all(byte >= 0x80 for byte in operands[:-1])


def _float(value: float, raw: bytes) -> str:
    return repr(value) if value == value else f"nan (bits {int.from_bytes(raw, 'little'):#x})"


def globals_(module: Module) -> tuple[GlobalFacts, ...]:
    names = module.names.globals
    return tuple(
        GlobalFacts(
            index,
            index < module.imported_globals,
            type_name(entry.type),
            entry.mutable,
            constant_text(entry.initializer),
            names.get(index),
        )
        for index, entry in enumerate(module.globals[:MOST_LISTED])
    )


def tables(module: Module) -> tuple[TableFacts, ...]:
    return tuple(
        TableFacts(
            index,
            index < module.imported_tables,
            type_name(entry.type),
            entry.limits.is_64,
            entry.limits.minimum,
            entry.limits.maximum,
        )
        for index, entry in enumerate(module.tables[:MOST_LISTED])
    )


def data_segments(module: Module) -> tuple[DataFacts, ...]:
    names = module.names.data_segments

    def facts(index: int, segment: DataSegment) -> DataFacts:
        active = segment.mode is Mode.ACTIVE
        memory = segment.memory if active else None
        return DataFacts(
            index, segment.mode.value, memory, segment.offset, segment.end - segment.start, names.get(index)
        )

    return tuple(facts(index, segment) for index, segment in enumerate(module.data_segments[:MOST_LISTED]))


def element_segments(module: Module) -> tuple[ElementFacts, ...]:
    def facts(index: int, segment: ElementSegment) -> ElementFacts:
        table = segment.table if segment.mode is Mode.ACTIVE else None
        offset = constant_text(segment.offset)
        return ElementFacts(index, segment.mode.value, table, offset, type_name(segment.type), segment.length)

    return tuple(facts(index, segment) for index, segment in enumerate(module.elements[:MOST_LISTED]))


_KINDS = {int(kind): kind.name.lower() for kind in ExternKind}


def kind_name(kind: int) -> str:
    return _KINDS.get(kind, f"kind {kind}")


def imports(module: Module) -> tuple[ImportFacts, ...]:
    return tuple(
        ImportFacts(entry.module, entry.name, kind_name(entry.kind), _import_type(module, entry))
        for entry in module.imports[:MOST_LISTED]
    )


def _import_type(module: Module, entry: Import) -> str:
    if entry.memory:
        return _memory_type(entry.memory)
    if entry.table:
        return _table_type(entry.table)
    if entry.global_:
        return _global_type(entry.global_)
    return _function_type(module, entry.type_index)


def _function_type(module: Module, type_index: int) -> str:
    known = module.types.functions[type_index] if 0 <= type_index < len(module.types.functions) else None
    return str(known) if known else f"type {type_index}"


def _limits(limits: Limits) -> str:
    most = f" to {limits.maximum:,}" if limits.maximum is not None else ""
    return f"{limits.minimum:,}{most}"


def _memory_type(limits: Limits) -> str:
    return f"{_limits(limits)} pages{', shared' if limits.shared else ''}{', 64-bit' if limits.is_64 else ''}"


def _table_type(table: Table) -> str:
    return f"{_limits(table.limits)} of {type_name(table.type)}"


def _global_type(entry: Global) -> str:
    return f"{'mutable ' if entry.mutable else ''}{type_name(entry.type)}"


def exports(module: Module) -> tuple[ExportFacts, ...]:
    def type_of(kind: int, index: int) -> str:
        if kind == ExternKind.FUNC and index < len(module.function_types):
            return _function_type(module, module.function_types[index])
        if kind == ExternKind.MEMORY and index < len(module.memories):
            return _memory_type(module.memories[index])
        if kind == ExternKind.TABLE and index < len(module.tables):
            return _table_type(module.tables[index])
        if kind == ExternKind.GLOBAL and index < len(module.globals):
            return _global_type(module.globals[index])
        if kind == ExternKind.TAG and index < len(module.tags):
            return _function_type(module, module.tags[index])
        return "unknown"

    return tuple(
        ExportFacts(entry.name, kind_name(entry.kind), entry.target, type_of(entry.kind, entry.target))
        for entry in module.exports[:MOST_LISTED]
    )


def producers(module: Module) -> tuple[Producer, ...]:
    """https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md ; what is malformed is left out."""
    found: list[Producer] = []
    section = module.custom("producers")
    if section:
        at = Cursor(module.data, section.content, section.end, "producers section")
        try:
            for _ in range(at.count(2, _MOST_TOOLS)):
                field = at.name()
                found.extend(Producer(field, at.name(), at.name()) for _ in range(at.count(2, _MOST_TOOLS)))
        except InputError:
            pass
    return tuple(found[:_MOST_TOOLS])


def features(module: Module) -> tuple[str, ...]:
    """What the module says that it uses ("+simd128", ...); what is malformed is left out.

    https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md#target-features-section
    """
    found: list[str] = []
    section = module.custom("target_features")
    if section:
        at = Cursor(module.data, section.content, section.end, "target_features section")
        try:
            for _ in range(at.count(2, _MOST_TOOLS)):
                prefix = chr(at.byte())
                found.append(prefix + at.name())
        except InputError:
            pass
    return tuple(found)


def counts(module: Module) -> dict[str, int]:
    """How many there are of what an inspection lists, and of functions."""
    listed: dict[str, Sequence[object]] = {
        "sections": module.sections,
        "types": module.types.functions,
        "functions": module.function_types,
        "imported_functions": range(module.imported_functions),
        "memories": module.memories,
        "data_segments": module.data_segments,
        "tables": module.tables,
        "element_segments": module.elements,
        "globals": module.globals,
        "tags": module.tags,
        "imports": module.imports,
        "exports": module.exports,
    }
    return {name: len(items) for name, items in listed.items()}
