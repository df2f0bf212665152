"""Tables that several core instances share: a module of our own, instantiated last, puts into them what they held.

It imports the tables and the functions, and has constant element segments. No index of the component moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...binary import encoder as write
from ...binary.component import writer
from ...binary.component.reader import ALIAS, CORE_INSTANCE, CORE_MODULE
from ...binary.constexpr import offset_constant
from ...binary.externs import table as table_type
from ...binary.module import SectionId
from ...binary.sections import ExternKind
from ...binary.types import EXTERNREF, FUNCREF, FuncType
from ...engine.component.cores import CoreInstance, Extern
from ...engine.component.scope import Scope
from ...errors import UnsupportedState
from .capture import Fix

#: The name under which the module imports all.
_FROM = "preinit"


#: Null of each type of references that names no type of a module.
_NULL = {FUNCREF: b"\xd0\x70", EXTERNREF: b"\xd0\x6f"}


class Fixup:
    """What to write into tables of one component's instances: `names`: the export of each extern that is needed."""

    def __init__(self, tables: Mapping[Extern, Mapping[int, Fix]], names: Mapping[Extern, str]) -> None:
        self._tables = tables
        self._names = names

    def sections(self, scope: Scope, module: int) -> Iterator[bytes]:
        """The sections to append: the module, which gets the index `module`, and its instance."""
        aliases: list[bytes] = []
        sizes = {"core func": scope.size("core func"), "core table": scope.size("core table")}
        placed = {sort: {id(extern): index for index, extern in enumerate(scope.all(sort))} for sort in sizes}
        bundle: list[tuple[str, int, int]] = []
        types: dict[FuncType, int] = {}
        functions: dict[Extern, int] = {}
        imports: list[bytes] = []
        for extern in dict.fromkeys(fix for entries in self._tables.values() for fix in entries.values() if fix):
            index = self._index(scope, extern, "core func", sizes, placed, aliases)
            if extern.signature is None:
                raise UnsupportedState("a shared table holds an asynchronous function that nothing imports")
            name = f"f{len(functions)}"
            functions[extern] = len(functions)
            bundle.append((name, writer.CORE_FUNCTION, index))
            kind = write.uleb(types.setdefault(extern.signature, len(types)))
            imports.append(write.name(_FROM) + write.name(name) + bytes((ExternKind.FUNC,)) + kind)
        segments: list[bytes] = []
        for number, (table, entries) in enumerate(self._tables.items()):
            index = self._index(scope, table, "core table", sizes, placed, aliases)
            assert table.owner is not None
            bundle.append((f"t{number}", writer.CORE_TABLE, index))
            defined = table.owner.module.tables[table.index]
            if defined.type not in _NULL:
                raise UnsupportedState(
                    f"table {table.index} of a core module, which several instances share, holds typed references and "
                    "was changed",
                    hint="Fill it from element segments, or have an export that instances call fill it.",
                )
            imports.append(write.name(_FROM) + write.name(f"t{number}") + table_type(defined))
            for first, run in _runs(entries):
                values = [_NULL[defined.type] if fix is None else b"\xd2" + write.uleb(functions[fix]) for fix in run]
                offset = offset_constant(first, defined.limits.is_64)
                content = write.vector([value + b"\x0b" for value in values])
                segments.append(b"\x06" + write.uleb(number) + offset + defined.type + content)
        wasm = write.assemble(
            [
                write.section(SectionId.TYPE, write.vector(list(map(write.function_type, types)))),
                write.section(SectionId.IMPORT, write.vector(imports)),
                write.section(SectionId.ELEMENT, write.vector(segments)),
            ]
        )
        yield writer.nested(CORE_MODULE, wasm)
        yield writer.section(ALIAS, aliases)
        instance = scope.size("core instance")
        yield writer.section(
            CORE_INSTANCE, [writer.core_bundle(bundle), writer.core_instantiate(module, [(_FROM, instance)])]
        )

    def _index(
        self,
        scope: Scope,
        extern: Extern,
        sort: str,
        sizes: dict[str, int],
        placed: Mapping[str, Mapping[int, int]],
        aliases: list[bytes],
    ) -> int:
        """The index of something in the component, by an alias that is added. `placed`: what there is, by identity."""
        if extern.owner is None:
            if id(extern) in placed[sort]:
                return placed[sort][id(extern)]
        elif (number := _number_of(scope, extern.owner)) is not None:
            kind = writer.CORE_FUNCTION if sort == "core func" else writer.CORE_TABLE
            aliases.append(writer.core_alias(kind, number, self._names[extern]))
            sizes[sort] += 1
            return sizes[sort] - 1
        raise UnsupportedState(
            "a table that several instances share holds a function of another component",
            hint="Clear that entry in the initializer.",
        )


def _runs(entries: Mapping[int, Fix]) -> Iterator[tuple[int, list[Fix]]]:
    """Entries that adjoin, with the first one's index."""
    start, found = 0, list[Fix]()
    for slot in sorted(entries):
        if found and slot != start + len(found):
            yield start, found
            found = []
        if not found:
            start = slot
        found.append(entries[slot])
    if found:
        yield start, found


def _number_of(scope: Scope, instance: CoreInstance) -> int | None:
    return scope.cores.get(instance)
