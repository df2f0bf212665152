"""The copy of a module that is run: everything that must be read is exported, and nothing runs by itself.

All indices stay as they are; what is added comes last in its index space. Custom sections are left out: the engine has
no use for them, and names are taken from the original.
"""

from __future__ import annotations

from .binary import encoder as write
from .binary.extend import extended_section
from .binary.growth import Growth, growing_functions
from .binary.module import Module, SectionId
from .binary.opcodes import MEMORY_GROW
from .binary.sections import ExternKind, Global, Mode
from .binary.types import FUNCREF, I32, I64, FuncType, Limits, ValType, is_numeric
from .engine.guest import GrowthGuard, GuestCode, Instrumented

Pieces = list[bytes | memoryview]


class _Additions:
    """What one call of `instrument` adds to each section."""

    def __init__(self, module: Module, prefix: str) -> None:
        self.module = module
        self.prefix = prefix
        self.types: list[bytes] = []
        self.functions: list[bytes] = []
        self.tables: list[bytes] = []
        self.memories: list[bytes] = []
        self.exports: list[bytes] = []
        self.elements: list[bytes] = []
        self.bodies: list[bytes] = []
        self._type_indices: dict[FuncType, int] = {}

    def type(self, value: FuncType) -> int:
        if value not in self._type_indices:
            self._type_indices[value] = len(self.module.types.functions) + len(self.types)
            self.types.append(write.function_type(value))
        return self._type_indices[value]

    def function(self, value: FuncType, body: bytes) -> int:
        """Adds a function; `body` is locals and expression. Returns its index."""
        self.functions.append(write.uleb(self.type(value)))
        self.bodies.append(write.code_entry(body))
        return len(self.module.function_types) + len(self.functions) - 1

    def export(self, kind: ExternKind, index: int, label: str) -> str:
        name = f"{self.prefix}{label}{index}"
        self.exports.append(write.export(name, kind, index))
        return name


def instrument(module: Module) -> Instrumented:
    """The instrumented copy of a module."""
    add = _Additions(module, _free_prefix(module))
    memories = {i: add.export(ExternKind.MEMORY, i, "memory") for i in range(len(module.memories))}
    globals_ = {
        i: add.export(ExternKind.GLOBAL, i, "global")
        for i, entry in enumerate(module.globals)
        if entry.mutable or not is_numeric(entry.type) or _is_from_outside(entry)
    }
    tables = {i: add.export(ExternKind.TABLE, i, "table") for i in range(len(module.tables))}
    start = None if module.start is None else add.export(ExternKind.FUNC, module.start, "start")
    candidates = _candidates(add)
    probes = _data_probes(add)
    element_probes = _element_probes(add)
    guards: dict[int, GrowthGuard] = {}
    shifts: dict[int, list[tuple[int, int]]] = {}
    code, unknown = _code(add, guards, shifts)
    sections: list[Pieces] = []
    for number in write.SECTION_ORDER:
        if number == SectionId.START:
            continue
        if number == SectionId.CODE:
            if code:
                sections.append([bytes((number,)) + write.uleb(sum(map(len, code))), *code])
            continue
        added = {
            SectionId.TYPE: add.types,
            SectionId.FUNCTION: add.functions,
            SectionId.TABLE: add.tables,
            SectionId.MEMORY: add.memories,
            SectionId.EXPORT: add.exports,
            SectionId.ELEMENT: add.elements,
        }.get(SectionId(number), [])
        sections.append(extended_section(module, number, added))
    references = module.references if candidates else ()
    guest = GuestCode(module, write.assemble(sections), guards, shifts, candidates, references, unknown)
    return Instrumented(guest, memories, globals_, tables, start, probes, element_probes)


def _is_from_outside(entry: Global) -> bool:
    """Whether a constant global's value is not written in the module: imported, or computed from one that is."""
    return entry.initializer is None or bool(entry.initializer.globals)


def _free_prefix(module: Module) -> str:
    """A prefix that no export of the module has."""
    prefix = "preinit:"
    while any(name.startswith(prefix) for name in module.exported_names):
        prefix = "_" + prefix
    return prefix


def _candidates(add: _Additions) -> str | None:
    """A table that holds every function that a reference can name: who reads it knows each by its identity."""
    module = add.module
    holds_references = module.tables or any(g.mutable and not is_numeric(g.type) for g in module.globals)
    if not module.references or not holds_references:
        return None
    table = len(module.tables) + len(add.tables)
    size = len(module.references)
    add.tables.append(FUNCREF + write.limits(Limits(size, size)))
    functions = write.vector([write.uleb(index) for index in module.references])
    add.elements.append(b"\x02" + write.uleb(table) + _CONST_0 + _END + b"\x00" + functions)
    return add.export(ExternKind.TABLE, table, "candidates")


# -- probes ------------------------------------------------------------------------------------------------------------

_CONST_0, _CONST_1, _END, _UNREACHABLE = b"\x41\x00", b"\x41\x01", b"\x0b", b"\x00"
_NO_LOCALS = b"\0"


def _data_probes(add: _Additions) -> dict[int, str]:
    """`memory.init` of one byte into a scratch memory: traps if and only if the segment was dropped."""
    module = add.module
    passive = [i for i, s in enumerate(module.data_segments) if s.mode is Mode.PASSIVE and s.end > s.start]
    if not passive or module.section(SectionId.DATA_COUNT) is None:  # without a count, no code can drop one
        return {}
    scratch = len(module.memories) + len(add.memories)
    add.memories.append(write.limits(Limits(1, 1, page_size_log2=0)))
    probes = {}
    for index in passive:
        init = b"\xfc\x08" + write.uleb(index) + write.uleb(scratch)
        body = _NO_LOCALS + _CONST_0 * 2 + _CONST_1 + init + _END
        probes[index] = add.export(ExternKind.FUNC, add.function(FuncType((), ()), body), "data")
    return probes


def _element_probes(add: _Additions) -> dict[int, str]:
    """`table.init` of one element into a scratch table of the segment's type."""
    module = add.module
    scratch: dict[ValType, int] = {}
    probes = {}
    for index, segment in enumerate(module.elements):
        if segment.mode is not Mode.PASSIVE or not segment.length:
            continue
        nullable = b"\x63" + segment.type[1:] if segment.type[0] == 0x64 else segment.type
        if nullable not in scratch:
            scratch[nullable] = len(module.tables) + len(add.tables)
            add.tables.append(nullable + write.limits(Limits(1, 1)))
        init = b"\xfc\x0c" + write.uleb(index) + write.uleb(scratch[nullable])
        body = _NO_LOCALS + _CONST_0 * 2 + _CONST_1 + init + _END
        probes[index] = add.export(ExternKind.FUNC, add.function(FuncType((), ()), body), "element")
    return probes


# -- growth guards -----------------------------------------------------------------------------------------------------


def _code(
    add: _Additions, guards: dict[int, GrowthGuard], shifts: dict[int, list[tuple[int, int]]]
) -> tuple[Pieces, int | None]:
    """The code section's payload, with every growth instruction replaced by a call of a guard.

    A refused growth gives the guest -1, it goes on with what it has, and a snapshot would freeze that. The guard traps
    instead, but not where the module's own maximum is the reason: that is the same everywhere.
    """
    module = add.module
    if module.section(SectionId.CODE) is None and not add.bodies:
        return [], None
    found, unknown = growing_functions(module)
    ranges = module.bodies if found else ()
    numbers: dict[tuple[int, int], int] = {}
    pieces: Pieces = []
    count, entries = module.code_entries()
    base = module.section(SectionId.CODE)
    position = base.end - len(entries) if base else 0
    view = memoryview(module.data)
    for defined, growths in found.items():
        entry, start, end = ranges[defined]
        body: Pieces = []
        at = start
        shift = 0
        moved = shifts.setdefault(module.imported_functions + defined, [])
        for growth in growths:
            key = (growth.opcode, growth.target)
            if key not in numbers:
                numbers[key] = _guard(add, growth)
                guards[numbers[key]] = GrowthGuard("memory" if growth.opcode == MEMORY_GROW else "table", growth.target)
            call = b"\x10" + write.uleb(numbers[key])
            body += [view[at : growth.start], call]
            shift += len(call) - (growth.end - growth.start)
            at = growth.end
            moved.append((at - start + shift, shift))
        body.append(view[at:end])
        size = write.uleb(sum(map(len, body)))
        pieces += [view[position:entry], size, *body]
        position = end
    if base:
        pieces.append(view[position : base.end])
    return [write.uleb(count + len(add.bodies)), *pieces, *add.bodies], unknown


def _guard(add: _Additions, growth: Growth) -> int:
    """A function that grows, and traps when a size within the declared maximum is refused. Returns its index."""
    if growth.opcode == MEMORY_GROW:
        limits = add.module.memories[growth.target]
        operands: tuple[ValType, ...] = ()
        size, grow = b"\x3f" + write.uleb(growth.target), b"\x40" + write.uleb(growth.target)
        highest = ((1 << 64) if limits.is_64 else (1 << 32)) // limits.page_size
    else:
        table = add.module.tables[growth.target]
        limits, operands = table.limits, (table.type,)
        size, grow = b"\xfc\x10" + write.uleb(growth.target), b"\xfc\x0f" + write.uleb(growth.target)
        highest = 1 << (64 if limits.is_64 else 32)
    address = I64 if limits.is_64 else I32
    width = 64 if limits.is_64 else 32
    maximum = min(limits.maximum if limits.maximum is not None else highest, highest, (1 << width) - 1)
    const = b"\x42" if limits.is_64 else b"\x41"
    signed = maximum - (1 << width) if maximum >> (width - 1) else maximum
    equal, subtract, at_most = (b"\x51", b"\x7d", b"\x58") if limits.is_64 else (b"\x46", b"\x6b", b"\x4d")
    delta = len(operands)
    result = delta + 1
    pushed = b"".join(b"\x20" + write.uleb(i) for i in range(len(operands)))
    body = (
        b"\x01\x01" + address  # one local, the result
        + pushed + b"\x20" + write.uleb(delta) + grow + b"\x22" + write.uleb(result)
        + const + write.sleb(-1) + equal + b"\x04\x40"  # refused: was delta <= maximum - size?
        + b"\x20" + write.uleb(delta) + const + write.sleb(signed) + size + subtract + at_most
        + b"\x04\x40" + _UNREACHABLE + _END + _END
        + b"\x20" + write.uleb(result) + _END
    )  # fmt: skip
    return add.function(FuncType((*operands, address), (address,)), body)
