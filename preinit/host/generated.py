"""A generated module that provides the imports which only exist so that the guest can be linked, and counts calls.

A module, and not host functions: it can have every type that a module can import, and the engine's Python binding
can't build all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..binary import assembler as code
from ..binary import encoder as write
from ..binary import externs
from ..binary.constexpr import constant
from ..binary.cursor import leading_u32
from ..binary.module import Module, SectionId
from ..binary.sections import ExternKind, Global, Import
from ..binary.types import FUNCREF, I32, I64, NUMERIC_SIZES, FuncType, Limits, ValType, is_numeric, type_name
from ..engine.guest import GENERATED
from ..errors import ImportedState, Misfit, PauseRefused, printable, quoted
from ..options.hints import option
from ..options.numbers import encode, expected
from ..tuples import NamedTuple


class Provider(NamedTuple):
    """`wasm`, and the names of its exports: `names` of what it provides, in order, `counters` by position of imports.

    A counter is a global of type i64: how often that function was called. `late`: the table of functions to come, if
    there are any.
    """

    wasm: bytes
    names: list[str]
    counters: dict[int, str]
    late: tuple[str, ...] = ()


def provider(
    module: Module,
    imports: list[tuple[int, Import]],
    values: Mapping[str, str],
    stubs: Mapping[int, bytes | None],
    forwarded: Collection[int] = (),
    pausing: Collection[int] = (),
    late: Sequence[int] = (),
) -> Provider:
    """The module that provides `imports` (position among all imports, entry).

    It imports fault and note: (i32) -> (), and pause: (i32) -> (i32), then the functions at the positions `forwarded`,
    as the module does. Each function that it exports calls fault with its position, then traps; one that is forwarded
    calls the one that it stands for, and one for which `stubs` has a body (locals and expression) is that. Those call
    note with their position the first time, and count their calls. One of `pausing` first calls pause with its
    position, and returns zeros if that gave 1. One of `late` calls what is put into a table, in that order.
    Memories, tables and globals are fresh ones; `values`: `MODULE.NAME` of an imported global -> number.
    Raises `ImportedState` where something needs a value that nobody gave.
    """
    types, index_of, fault_type, pause_type = _types(module, imports)
    parts: dict[SectionId, list[bytes]] = {}
    bodies: list[bytes] = []
    exports: list[bytes] = []
    names: list[str] = []
    known: dict[object, str] = {}
    counters: dict[int, str] = {}
    targets = [position for position, _ in imports if position in forwarded]

    def add(section: SectionId, kind: ExternKind, content: bytes, before: int = 0, name: str | None = None) -> None:
        entries = parts.setdefault(section, [])
        exports.append(write.export(name or names[-1], kind, before + len(entries)))
        entries.append(content)

    def counted(position: int, body: bytes) -> bytes:
        """The body, after it was counted; a function without locals."""
        counter = len(parts.get(SectionId.GLOBAL, ()))
        counters[position] = f"calls{position}"
        zero = code.i64_const(0) + code.END
        add(SectionId.GLOBAL, ExternKind.GLOBAL, I64 + _MUTABLE + zero, name=counters[position])
        told = code.global_get(counter) + code.I64_EQZ + code.if_(code.i32_const(position) + code.call(_NOTE))
        count = code.global_get(counter) + code.i64_const(1) + code.I64_ADD + code.global_set(counter)
        return code.NO_LOCALS + told + count + body[len(code.NO_LOCALS) :]

    if late:
        size = Limits(len(late), len(late))
        add(SectionId.TABLE, ExternKind.TABLE, FUNCREF + write.limits(size), name=_LATE)

    for position, entry in imports:
        # A tag's type may be written twice, under two indices.
        tag = (entry.module, entry.name, module.types.functions[entry.type_index])
        key: object = tag if entry.kind == ExternKind.TAG else entry
        if key in known:  # one thing, imported twice: what is done to one of them shows in the other
            names.append(known[key])
            continue
        names.append(str(position))
        if entry.kind != ExternKind.FUNC:
            known[key] = names[-1]
        if entry.kind == ExternKind.FUNC:
            add(SectionId.FUNCTION, ExternKind.FUNC, write.uleb(index_of[entry.type_index]), before=_OWN + len(targets))
            stub = stubs.get(position)
            if position in forwarded or position in late:
                signature = module.types.functions[entry.type_index]
                assert signature is not None  # the module was parsed: a function import names a function type
                if position in late:
                    target = code.i32_const(late.index(position)) + code.call_indirect(index_of[entry.type_index], 0)
                else:
                    target = code.call(_OWN + targets.index(position))
                called = code.parameters(signature) + target
                body = counted(position, code.NO_LOCALS + called + code.END)
            elif stub:
                body = counted(position, stub)
            else:
                body = code.NO_LOCALS + code.i32_const(position) + code.call(_FAULT) + code.UNREACHABLE + code.END
            if position in pausing:
                body = _pausing(module, position, entry, body)
            bodies.append(write.code_entry(body))
        elif entry.kind == ExternKind.TAG:
            add(SectionId.TAG, ExternKind.TAG, b"\0" + write.uleb(index_of[entry.type_index]))
        elif entry.memory:
            add(SectionId.MEMORY, ExternKind.MEMORY, write.limits(entry.memory))
        elif entry.table:
            _check_nullable(entry, entry.table.type)
            add(SectionId.TABLE, ExternKind.TABLE, entry.table.type + write.limits(entry.table.limits))
        elif entry.global_:
            add(SectionId.GLOBAL, ExternKind.GLOBAL, _global(entry, entry.global_, values))
    kinds = {position: index_of[entry.type_index] for position, entry in imports if position in forwarded}
    own = (("fault", fault_type), ("note", fault_type), ("pause", pause_type))
    parts[SectionId.IMPORT] = [
        write.name("preinit") + write.name(title) + externs.function(index)
        for title, index in (*own, *((str(n), kinds[n]) for n in targets))
    ]
    parts[SectionId.EXPORT] = exports
    parts[SectionId.CODE] = bodies
    sections = [types]
    sections += [write.section(n, write.vector(parts[SectionId(n)])) for n in write.SECTION_ORDER if n in parts]
    sections.append(write.module_name(GENERATED))
    return Provider(write.assemble(sections), names, counters, (_LATE,) if late else ())


#: The export of the table of functions to come.
_LATE = "late"

#: The functions that the generated module imports first.
_FAULT, _NOTE, _PAUSE = range(3)
_OWN = 3
_MUTABLE = b"\x01"


def _pausing(module: Module, position: int, entry: Import, body: bytes) -> bytes:
    """The body of a function without locals, which returns zeros where the guest is paused before it."""
    signature = module.types.functions[entry.type_index]
    assert signature is not None  # the module was parsed: a function import names a function type
    for result in signature.results:
        if result[0] == 0x64:
            raise PauseRefused(
                f"the import returns {type_name(result)}, which has no null: it can't be paused before it is called",
                where=_label(entry),
            )
    zeros = b"".join(code.value(t, bytes(NUMERIC_SIZES.get(t, 0))) for t in signature.results)
    paused = code.i32_const(position) + code.call(_PAUSE) + code.if_(zeros + code.RETURN)
    return code.NO_LOCALS + paused + body[len(code.NO_LOCALS) :]


def _label(entry: Import) -> str:
    return f"import `{printable(entry.module)}.{printable(entry.name)}`"


def _check_nullable(entry: Import, reference_type: ValType) -> None:
    if reference_type[0] == 0x64:
        raise ImportedState(
            f"an imported {entry.kind.name.lower()} of {type_name(reference_type)} needs a value that can't be made",
            where=_label(entry),
            hint="Import it with a type that has null, or let the module define it.",
        )


def _global(entry: Import, value: Global, values: Mapping[str, str]) -> bytes:
    """A global's entry: with the value that was given; a mutable one without any starts at zero or null."""
    head = value.type + bytes((value.mutable,))
    given = values.get(f"{entry.module}.{entry.name}")
    if not is_numeric(value.type):
        if given is not None:
            raise Misfit(f"{given!r} can't be the value of a global of {type_name(value.type)}", where=_label(entry))
        if not value.mutable:
            raise ImportedState(
                f"the imported constant global of {type_name(value.type)} needs its value at build time",
                where=_label(entry),
                hint="A preloaded module can provide it: `--preload NAME=FILE`.",
            )
        _check_nullable(entry, value.type)
        return head + code.ref_null(value.type) + code.END
    if given is None:
        if not value.mutable:
            raise ImportedState(
                f"the imported constant global of type {type_name(value.type)} needs its value at build time",
                where=_label(entry),
                hint=f"Give it: {option('--import-global', f'{entry.module}.{entry.name}=VALUE')}",
            )
        return head + constant(value.type, bytes(NUMERIC_SIZES[value.type]))
    try:
        return head + constant(value.type, encode(value.type, given))
    except ValueError:
        raise Misfit(
            f"{quoted(given)} is not a number of type {type_name(value.type)}",
            where=f"`--import-global` for {_label(entry)}",
            hint=expected(value.type),
        ) from None


def _types(
    module: Module, imports: list[tuple[int, Import]]
) -> tuple[list[bytes | memoryview], dict[int, int], int, int]:
    """A type section with the types of `imports`, (i32) -> () and (i32) -> (i32); new index of each used type, indices
    of the last two.

    Each type costs compile time, so only the used ones are in it, unless they belong to recursion groups.
    """
    extra = [write.function_type(FuncType((I32,), results)) for results in ((), (I32,))]
    functions = module.types.functions
    if not module.types.has_gc:
        used = sorted({entry.type_index for _, entry in imports if entry.kind in (ExternKind.FUNC, ExternKind.TAG)})
        signatures = [functions[index] for index in used]
        holders = [holder for _, entry in imports if (holder := entry.table or entry.global_)]
        mentioned = [holder.type for holder in holders]
        mentioned += [t for signature in signatures if signature for t in signature.params + signature.results]
        if None not in signatures and all(len(t) == 1 for t in mentioned):
            content = write.vector([*(write.function_type(s) for s in signatures if s is not None), *extra])
            places = {old: new for new, old in enumerate(used)}
            return write.section(SectionId.TYPE, content), places, len(used), len(used) + 1
    section = module.section(SectionId.TYPE)
    if section is None:  # only types that need no section are imported
        return write.section(SectionId.TYPE, write.vector(extra)), {}, 0, 1
    groups, size = leading_u32(module.payload(section))
    content = write.uleb(groups + len(extra)) + bytes(module.payload(section)[size:]) + b"".join(extra)
    places = {index: index for index in range(len(functions))}
    return write.section(SectionId.TYPE, content), places, len(functions), len(functions) + 1
