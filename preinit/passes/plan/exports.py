"""What the output still exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import is_nullable, is_numeric, type_name
from ...errors import InitializerType, Misfit, NothingLeft, UnknownExport, printable, quoted
from ...options import Options
from .arguments import Call
from .entries import entries, renamed
from .initializers import COMMAND_START, REACTOR_START, checked_result, constructors_exported

#: Name, kind and index of an export.
Export = tuple[str, int, int]


def output_exports(
    module: Module, calls: Sequence[Call], options: Options, resumed: Mapping[str, int] | None = None
) -> tuple[Export, ...]:
    """Name, kind and index of each export of the output. `resumed`: functions that exports become.

    What was run is gone, unless `keep_init_func`; what runs the constructors even then, if it wasn't named: whoever
    calls it would run them a second time. With "noop" all are there, as the functions of `no_ops`, which come after
    the module's own, and before those of `entries`. A renamed export replaces the one whose name it takes; it may take
    several names.
    Raises `UnknownExport`, `Misfit`, `InitializerType`.
    """
    removed = {call.name for call in calls}
    noops: dict[str, int] = {}
    if options.keep_init_func == "noop":
        for call in calls:
            _check_noop(call)
        noops = {name: len(module.function_types) + i for name, i in _stand_ins(module, calls).items()}
        removed.clear()
    elif options.keep_init_func:
        removed &= _always_removed(module, options)
    removed -= set(resumed or ())
    functions = {**noops, **(resumed or {})}
    made = entries(module, options)
    new_names: dict[str, list[str]] = {}
    for destination, source in renamed(module, options).items():
        new_names.setdefault(source, []).append(destination)
    for source in new_names:
        if source not in module.exported_names:
            hint = checked_result(source, module.exported_names, "-r", f"{new_names[source][0]}=")
            raise UnknownExport(
                f"there is no export {quoted(source)} to rename", hint=hint or "Write it as `-r NEW=PRESENT`."
            )
        if source in removed:
            raise Misfit(
                f"the export {quoted(source)} is an initializer that was run: it is removed, not renamed",
                hint="Keep it with `--keep-init-func`.",
            )
    replaced = {destination for destination, _ in options.rename_funcs}
    _check_replaced(module, new_names, removed)
    _check_replaced(module, {entry.call.name: [entry.name] for entry in made}, removed)
    exports = tuple(
        (name, e.kind, functions.get(e.name, e.target))
        for e in module.exports
        for name in new_names.get(e.name, [e.name])
        if e.name in new_names or (e.name not in removed and e.name not in replaced)
    )
    first = len(module.function_types) + len(set(noops.values()))
    exports += tuple((entry.name, int(ExternKind.FUNC), first + number) for number, entry in enumerate(made))
    if options.imports == "define":
        exports = _with_defined(module, exports)
    return exports


#: The warning of an output that is written though nothing could use it: who accepts that gets it.
NOTHING_EXPORTED = "nothing-exported"


def check_usable(module: Module, calls: Sequence[Call], exports: Sequence[Export], options: Options) -> None:
    """Refuses to write an output that nothing could use, but for who accepts that. Raises `NothingLeft`."""
    missing = missing_exports(module, calls, exports)
    if missing and NOTHING_EXPORTED not in options.accept:
        raise NothingLeft(f"nothing could use what was initialized: {missing}", hint=_ways_out(module, calls, options))


def missing_exports(module: Module, calls: Sequence[Call], exports: Sequence[Export]) -> str | None:
    """What an output lacks that nothing could use; None if something can. `exports`: without those of `entries`.

    After a whole program, a function or table must be left: what it does is done. After an initializer, state that can
    be read is enough, and state that is the host's needs no export.
    """
    if any(call.name == COMMAND_START for call in calls):
        if has_code(module, exports):
            return None
        return f"the program runs to its end in `{COMMAND_START}`, and among the output's exports is no other function"
    if has_code(module, exports) or any(_is_state(module, kind, index) for _, kind, index in exports):
        return None
    if any(e.memory or e.table or (e.global_ and e.global_.mutable) for e in module.imports):
        return None
    other = "no function other than what was run" if calls else "no function of its own"
    return f"among the output's exports is {other}, and no memory, table or mutable global"


def _is_state(module: Module, kind: int, index: int) -> bool:
    """Whether what an initializer did can be seen in an export. An immutable global may hold an object."""
    if kind == ExternKind.GLOBAL:
        if index >= len(module.globals):
            return False  # the module is not valid, which is said later
        found = module.globals[index]
        return found.mutable or not is_numeric(found.type)
    return kind in (ExternKind.MEMORY, ExternKind.TABLE)


def _ways_out(module: Module, calls: Sequence[Call], options: Options) -> str:
    ways = "Export a function that goes on from there when you link the module (`clang -Wl,--export=NAME`)"
    if any(call.name == COMMAND_START for call in calls):
        ways += (
            ", and one for what comes before, and run that one. Where hosts call `_start`, let it take that name: "
            "`-r _start=FUNCTION`."
        )
    else:
        ways += "; its memory or a mutable global is enough for a host that reads them."
    if any(call.name not in _always_removed(module, options) for call in calls):
        ways += " To keep what was run, so that it can be called again: `--keep-init-func=true`."
    return f"{ways} To write the output nevertheless: `--accept {NOTHING_EXPORTED}`."


def _always_removed(module: Module, options: Options) -> set[str]:
    """Exports that run the constructors, and were not named: the output has them with no `keep_init_func`."""
    once = {REACTOR_START, *(export.name for export in constructors_exported(module))}
    return once - set(options.init_funcs or ())


def has_code(module: Module, exports: Sequence[Export]) -> bool:
    """Whether a host can call something of the module: not functions that do nothing, or that are the host's."""
    functions = range(module.imported_functions, len(module.function_types))
    return any(
        kind == ExternKind.TABLE or (kind == ExternKind.FUNC and index in functions) for _, kind, index in exports
    )


def _check_replaced(module: Module, new_names: dict[str, list[str]], removed: set[str]) -> None:
    """A function may take the place of a function, not of a memory: whoever imports that would find another thing."""
    for source, destination in ((source, name) for source, names in new_names.items() for name in names):
        new, old = module.exported(source), module.exported(destination)
        if new and old and new.kind != old.kind and destination not in removed and destination not in new_names:
            kinds = [ExternKind(export.kind).name.lower() for export in (new, old)]
            raise Misfit(
                f"the {kinds[0]} {quoted(source)} would replace the {kinds[1]} {quoted(destination)}",
                hint="Rename it to another name, or rename what has that name, too.",
            )


def _check_noop(call: Call) -> None:
    unfit = next((t for t in call.type.results if not is_numeric(t) and not is_nullable(t)), None)
    if unfit:
        raise InitializerType(
            f"a function that does nothing can't return a {type_name(unfit)}",
            where=f"export {quoted(call.name)} of type {call.type}",
            hint="Leave it out of the output: no `--keep-init-func`.",
        )


def _type_index(module: Module, name: str) -> int:
    export = module.exported(name)
    assert export is not None
    return module.function_types[export.target]


def _stand_ins(module: Module, calls: Sequence[Call]) -> dict[str, int]:
    """Which of the functions of `no_ops` each export that was run becomes: one for each type, or for what returns."""
    numbers: dict[str | int, int] = {}
    return {
        call.name: numbers.setdefault(call.name if call.type.results else _type_index(module, call.name), len(numbers))
        for call in calls
    }


def no_ops(
    module: Module, calls: Sequence[Call], returned: Sequence[Sequence[bytes]], options: Options
) -> tuple[tuple[int, Sequence[bytes]], ...]:
    """The functions that the output has in place of what was run: index of the type, and what its last run returned."""
    if options.keep_init_func != "noop":
        return ()
    numbers = _stand_ins(module, calls)
    found = {
        numbers[call.name]: (_type_index(module, call.name), raw) for call, raw in zip(calls, returned, strict=True)
    }
    return tuple(found[number] for number in range(len(found)))


def _with_defined(module: Module, exports: tuple[Export, ...]) -> tuple[Export, ...]:
    """The exports and, by the names of their imports, what the module now defines itself. Raises `Misfit`."""
    result = dict.fromkeys(exports)
    by_name = {name: (kind, index) for name, kind, index in exports}
    counts = dict.fromkeys(ExternKind, 0)
    for entry in module.imports:
        index = counts[entry.kind]
        counts[entry.kind] += 1
        if entry.kind not in (ExternKind.TABLE, ExternKind.MEMORY, ExternKind.GLOBAL):
            continue
        if by_name.setdefault(entry.name, (entry.kind, index)) != (entry.kind, index):
            raise Misfit(
                f"two things would be exported as {quoted(entry.name)}: the import "
                f"`{printable(entry.module)}.{printable(entry.name)}`, and an export or import of the same name",
                hint="Rename the export: `-r NEW=PRESENT`.",
            )
        result[(entry.name, int(entry.kind), index)] = None
    return tuple(result)
