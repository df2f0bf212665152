"""Choosing what to run, and what the output still exports."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import F32, F64, I32, I64, FuncType, is_nullable, is_numeric, type_name
from ...errors import InitializerType, Misfit, NoInitializer, UnknownExport, printable, quoted
from ...options import DEFAULT_INITIALIZERS, Options
from ...options.calls import Call as Given
from .arguments import Call as Call
from .arguments import number, separated, with_data

#: What a reactor exports to have its constructors run:
#: https://github.com/WebAssembly/WASI/blob/main/legacy/application-abi.md
REACTOR_START = "_initialize"

_WITH_ARGUMENTS = re.compile(r"(.*)\(([^()]*)\)", re.DOTALL)
#: Candidates that a message lists.
_FEW = 6
#: How alike two names must be to be taken for each other, from 0 to 1; how many names are compared, and how long ones.
_ALIKE = 0.5
_MOST_COMPARED = 5_000
_LONGEST_COMPARED = 200


def choose(module: Module, options: Options) -> list[Call]:
    """The exports to run after the start function, in order: `_initialize` if there is one, then the initializers.

    Raises
    ------
    NoInitializer: none was named, and the module has none of the usual names.
    UnknownExport: a name that is no exported function.
    InitializerType: arguments that don't fit, or parameters that can't be given.
    """
    functions = {e.name: e.target for e in module.exports if e.kind == ExternKind.FUNC}
    named: list[str | Given] = list(options.init_funcs)
    if not named and not options.start_only:
        named += [name for name in DEFAULT_INITIALIZERS if name in functions][:1]
        if not named:
            raise _no_initializer(module, functions)
    calls = [_call(module, functions, text) for text in named]
    if REACTOR_START in functions and all(call.name != REACTOR_START for call in calls):
        calls.insert(0, _call(module, functions, REACTOR_START))
    if not calls and module.start is None:
        raise NoInitializer(
            "there is nothing to run: the module has neither a start function nor `_initialize`",
            hint="Name an export with `-f`.",
        )
    return calls


def _call(module: Module, functions: dict[str, int], wanted: str | Given) -> Call:
    name, arguments = wanted if isinstance(wanted, str) else wanted.name, ""
    if name not in functions:
        match = _WITH_ARGUMENTS.fullmatch(name)
        if match and isinstance(wanted, str):
            name, arguments = match[1], match[2]
    if name not in functions:
        if "(" in name and not _WITH_ARGUMENTS.fullmatch(name):
            raise UnknownExport(
                f"the module exports no function {quoted(name)}",
                hint="A call is NAME(ARGUMENT,...), with both brackets.",
            )
        if name in module.exported_names:
            raise InitializerType(f"the export {quoted(name)} is not a function", hint=_candidates(module, functions))
        raise UnknownExport(f"the module exports no function {quoted(name)}", hint=_candidates(module, functions, name))
    function_type = module.function_type(functions[name])
    if function_type is None:
        raise InitializerType(
            f"the export {quoted(name)} has no function type that can be called", hint=_candidates(module, functions)
        )
    where = f"export {quoted(name)} of type {function_type}"
    if not isinstance(wanted, str):
        return with_data(module, wanted, function_type, where)
    unfit = next((t for t in function_type.params if t not in (I32, I64, F32, F64)), None)
    if unfit:
        raise InitializerType(
            f"an initializer can't have a parameter of type {type_name(unfit)}",
            where=where,
            hint="Only numbers can be given: export a function without that parameter, which calls this one.",
        )
    parts = separated(function_type, name, arguments, where, "initializer", "-f", InitializerType)
    raw = tuple(number(t, part, where) for t, part in zip(function_type.params, parts, strict=True))
    return Call(name, function_type, parts, raw)


def _candidates(module: Module, functions: dict[str, int], wanted: str = "") -> str:
    """Which functions could be named, with types where they take or return something: first those whose name is like
    the one that was `wanted`, then those that take nothing and return nothing, then others."""
    plain, others = {}, {}
    for name, index in functions.items():
        function_type = module.function_type(index)
        if function_type == FuncType((), ()):
            plain[name] = quoted(name)
        elif function_type and all(t in (I32, I64, F32, F64) for t in function_type.params):
            others[name] = f"{quoted(name)} {function_type}"
    found = plain | others
    if not found:
        return "The module exports no function that takes nothing but numbers."
    return f"Exported functions: {few_of(found, wanted)}."


def few_of(found: Mapping[str, str], wanted: str = "") -> str:
    """What is shown for each name, of a few names: first of those that are like the one that was `wanted`."""
    found = dict(found)
    alike: list[str] = []
    if wanted:
        from difflib import get_close_matches  # takes longer to import than a good build would want to wait

        names = [name for name in found if len(name) <= _LONGEST_COMPARED][:_MOST_COMPARED]
        alike = get_close_matches(wanted[:_LONGEST_COMPARED], names, _FEW // 2, _ALIKE)
    shown = [found.pop(name) for name in alike] + list(found.values())
    more = len(shown) - _FEW
    return f"{', '.join(shown[:_FEW])}{f' and {more:,} more' if more > 0 else ''}"


def _no_initializer(module: Module, functions: dict[str, int]) -> NoInitializer:
    hint = f"Name one with `-f NAME`. {_candidates(module, functions)}"
    if module.start is not None or REACTOR_START in functions:
        what = "its start function" if module.start is not None else "`_initialize`"
        hint += f" Or take the snapshot after {what}: `--init none`."
    return NoInitializer(f"the module exports none of {', '.join(DEFAULT_INITIALIZERS)}", hint=hint)


def output_exports(module: Module, calls: list[Call], options: Options) -> tuple[tuple[str, int, int], ...]:
    """Name, kind and index of each export of the output.

    What was run is gone, unless `keep_init_func`; `_initialize` even then, if it wasn't named: whoever calls it
    would run the constructors a second time. With "noop" all are there, as the functions of `no_ops`, which come after
    the module's own. A renamed export replaces the one whose name it takes.
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
        named = {call.name for call in calls if call.name != REACTOR_START}
        if any(text == REACTOR_START for text in options.init_funcs):
            named.add(REACTOR_START)
        removed -= named
    new_names = {source: destination for destination, source in options.rename_funcs}
    for source in new_names:
        if source not in module.exported_names:
            raise UnknownExport(f"there is no export {quoted(source)} to rename", hint="Write it as -r NEW=PRESENT.")
        if source in removed:
            raise Misfit(
                f"the export {quoted(source)} is an initializer that was run: it is removed, not renamed",
                hint="Keep it with `--keep-init-func`.",
            )
    replaced = set(new_names.values())
    _check_replaced(module, new_names, removed)
    exports = tuple(
        (new_names.get(e.name, e.name), e.kind, noops.get(e.name, e.target))
        for e in module.exports
        if e.name in new_names or (e.name not in removed and e.name not in replaced)
    )
    return exports if options.imports != "define" else _with_defined(module, exports)


def _check_replaced(module: Module, new_names: dict[str, str], removed: set[str]) -> None:
    """A function may take the place of a function, not of a memory: whoever imports that would find another thing."""
    for source, destination in new_names.items():
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


def _with_defined(module: Module, exports: tuple[tuple[str, int, int], ...]) -> tuple[tuple[str, int, int], ...]:
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
                hint="Rename the export: -r NEW=PRESENT.",
            )
        result[(entry.name, int(entry.kind), index)] = None
    return tuple(result)


def numeric_results(call: Call, raw: list[bytes]) -> tuple[int | float | None, ...]:
    """What a call returned, for the report; None for a value that is no number."""
    values: list[int | float | None] = []
    for value_type, bits in zip(call.type.results, raw, strict=True):
        if value_type in (I32, I64):
            values.append(int.from_bytes(bits[: 4 if value_type == I32 else 8], "little", signed=True))
        elif is_numeric(value_type) and value_type in (F32, F64):
            values.append(struct.unpack("<f" if value_type == F32 else "<d", bits[: 4 if value_type == F32 else 8])[0])
        else:
            values.append(None)
    return tuple(values)
