"""What an initializer is given: numbers that the user wrote, data, words of its memory."""

from __future__ import annotations

from itertools import accumulate
from typing import Literal

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import I32, FuncType, ValType, is_numeric, type_name
from ...errors import InitializerType, PreinitError, UnknownExport, counted, printable, quoted
from ...options.calls import (
    ALIGNED,
    ALLOCATORS,
    MALLOC,
    REALLOC,
    Argument,
    Argv,
    Number,
    Returned,
    Strings,
    Word,
)
from ...options.calls import Call as Given
from ...options.hints import few_of
from ...options.numbers import encode, expected
from ...symbols.linker import how_to_export_memory
from ...tuples import NamedTuple
from .written import Site, shown

#: What functions that allocate memory are given.
_FORMS = (MALLOC, ALIGNED, REALLOC)


#: What the call before returns, by its type: None where there is none, `ANY` where that is not known.
ANY: Literal["any"] = "any"
Before = FuncType | Literal["any"] | None


class Allocator(NamedTuple):
    """An export that allocates memory, and its arguments, of which None is the size in bytes."""

    name: str
    arguments: tuple[int | None, ...]


class Data(NamedTuple):
    """Something of which the function gets a copy. `content`: bytes, which it gets as address and length; or what
    becomes such copies: text, an array, a list."""

    content: bytes | str | Argv | Strings
    allocator: Allocator


Value = bytes | Data | Word | Returned


class Call(NamedTuple):
    """An export to call. `arguments` as they were written.

    `values`: those of 16 bytes each; data, which becomes one or two of them; words and what was returned, which become
    one. `expected`: the raw 16 bytes of what it must return.
    """

    name: str
    type: FuncType
    arguments: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    returns: Literal["result"] | None = None
    expected: bytes | None = None


def call_text(call: Call, more: str = "") -> str:
    """How `-f` takes a call, with something behind it, for messages; without what was read from files."""
    numbers = all(isinstance(value, bytes) for value in call.values)
    return f"'{printable(call.name)}({','.join(call.arguments) if numbers else '...'}){more}'"


def check_number(
    function_type: FuncType, name: str, site: Site, who: str, option: str, error: type[PreinitError]
) -> None:
    """Raises `error` where a call has more or fewer numbers than the function has parameters.

    `who` takes them, `option` is where they were written.
    """
    takes, given = len(function_type.params), len(site.starts)
    if takes != given:
        wanted = ",".join(f"<{type_name(t)}>" for t in function_type.params)
        raise error(
            f"the {who} takes {counted(takes, 'argument')}, {given} {'was' if given == 1 else 'were'} given",
            where=site.argument(takes),
            hint=f"Write numbers for them: {option} '{printable(name)}({wanted})'." if wanted else "Leave them out.",
        )


_HINT = "Export a function that takes them as i32."


def with_data(
    module: Module,
    given: Given,
    function_type: FuncType,
    site: Site,
    allocator: str | None = None,
    before: Before = ANY,
) -> Call:
    """A call that may be given more than numbers. `allocator`: the export that was named for that; `before`: what the
    call before it returns.

    Raises `InitializerType`, `UnknownExport`.
    """
    parameters = list(function_type.params)
    needed = sum(map(_taken, given.arguments))
    if needed != len(parameters):
        ends = accumulate(map(_taken, given.arguments))
        surplus = next((number for number, end in enumerate(ends) if end > len(parameters)), len(given.arguments))
        raise InitializerType(
            f"the initializer takes {counted(len(parameters), 'argument')}, {needed} would be given",
            where=site.argument(surplus),
            hint=_how_many(function_type, given),
        )
    found = None
    if any(isinstance(value, bytes | str | Argv | Strings) for value in given.arguments):
        _check_memory(module, site.export)
        found = _allocator(module, site.export, allocator)
    elif given.returns == "result" or any(isinstance(value, Word) for value in given.arguments):
        _check_memory(module, site.export)
    texts: list[str] = []
    values: list[Value] = []
    for place, value in enumerate(given.arguments):
        where = site.argument(place)
        taken, parameters = parameters[: _taken(value)], parameters[_taken(value) :]
        texts.append(shown(value))
        if isinstance(value, int | float | Number):
            values.append(number(taken[0], texts[-1], where))
            continue
        if not isinstance(value, Returned) and any(kind != I32 for kind in taken):
            raise InitializerType(
                f"data is given as addresses and lengths of 32 bits, not as {type_name(taken[0])}",
                where=where,
                hint=_HINT,
            )
        if isinstance(value, Word | Returned):
            _check_before(value, before, taken[0], where)
            values.append(value)
        else:
            assert found is not None
            values.append(Data(value, found))
    if given.returns == "result":
        _check_result(function_type, site.result())
        return Call(given.name, function_type, tuple(texts), tuple(values), "result")
    expects = None if given.returns is None else expected_result(function_type, given.returns, site.result())
    return Call(given.name, function_type, tuple(texts), tuple(values), expected=expects)


def _check_before(value: Word | Returned, before: Before, wanted: ValType, where: str) -> None:
    """Raises `InitializerType` where the call before does not return what `*` stands for."""
    results = before.results if isinstance(before, FuncType) else ()
    if before == ANY or results == (wanted,) or (results and isinstance(value, Word)):
        return
    returned = " ".join(map(type_name, results)) or "nothing"
    raise InitializerType(
        "`*` stands for what the call before returned: "
        + ("there is none" if before is None else f"the call before returned {returned}")
        + ("" if isinstance(value, Word) else f", and type {type_name(wanted)} is needed"),
        where=where,
        hint="Give `*` to the call right behind the one that returns it.",
    )


def _how_many(function_type: FuncType, given: Given) -> str:
    if any(_taken(value) > 1 for value in given.arguments):
        return "The bytes of a file, argv[...] and list[...] count as two."
    return f"Give it {counted(len(function_type.params), 'argument')}." if function_type.params else "Leave them out."


def _taken(value: Argument) -> int:
    """How many parameters an argument fills."""
    return 2 if isinstance(value, bytes | Argv | Strings) else 1


def _check_result(function_type: FuncType, where: str) -> None:
    if function_type.results != (I32,):
        raise InitializerType(
            "the address of a result is an i32, and the initializer returns something else",
            where=where,
            hint='Leave out returns="result" (or the ? after the call).',
        )


def expected_result(function_type: FuncType, text: str, where: str) -> bytes:
    """The raw 16 bytes of the number that a function must return. Raises `InitializerType`."""
    if len(function_type.results) != 1 or not is_numeric(function_type.results[0]):
        raise InitializerType(
            f"an initializer that must return {quoted(text)} has one result, a number, and this one has another type",
            where=where,
            hint=f"Leave out `={printable(text)}`.",
        )
    return number(function_type.results[0], text, where)


def _check_memory(module: Module, where: str) -> None:
    memory = module.exported("memory")
    if memory is None or memory.kind != ExternKind.MEMORY or module.memories[memory.target].is_64:
        raise InitializerType(
            "data can't be given to the initializer: the module exports no memory of 32 bits as `memory`",
            where=where,
            hint=how_to_export_memory(module),
        )


def _allocator(module: Module, where: str, named: str | None) -> Allocator:
    """The export of a module that allocates memory."""
    if named is not None:
        return _named_allocator(module, named)
    for name, arguments in ALLOCATORS.items():
        if _function(module, name) == FuncType((I32,) * len(arguments), (I32,)):
            return Allocator(name, arguments)
    raise InitializerType(
        "data can't be given to the initializer: the module exports nothing that allocates memory",
        where=where,
        hint=f"Name what does, `--allocator NAME`, or export one of {', '.join(ALLOCATORS)} with its usual type.",
    )


def _named_allocator(module: Module, name: str) -> Allocator:
    found = _function(module, name)
    if found is None:
        raise UnknownExport(
            f"the module exports no function {quoted(name)} that could allocate memory",
            hint=_other_allocators(module, name),
        )
    for arguments in _FORMS:
        if found == _allocating(arguments):
            return Allocator(name, arguments)
    raise InitializerType(
        f"the export {quoted(name)} of type {found} can't allocate memory",
        hint="It must take a size, a size and an alignment, or what cabi_realloc takes, all i32, and return an i32. "
        + _other_allocators(module, name),
    )


def _allocating(arguments: tuple[int | None, ...]) -> FuncType:
    """The type of what is given these arguments and returns an address."""
    return FuncType((I32,) * len(arguments), (I32,))


def _other_allocators(module: Module, wanted: str) -> str:
    """What to do where the export `wanted` is none: the exports that may be what was meant, by their types."""
    known = next((name for name, given in ALLOCATORS.items() if _function(module, name) == _allocating(given)), None)
    if known:
        return f"The module exports {quoted(known)}, which is found by itself: leave `--allocator` out."
    fitting = {
        export.name: quoted(export.name)
        for export in module.exports
        if _function(module, export.name) in [_allocating(form) for form in _FORMS]
    }
    if not fitting:
        return "No export of the module has such a type: have it export its allocator."
    return f"Name another with `--allocator NAME`. Exports whose type fits: {few_of(fitting, wanted)}."


def _function(module: Module, name: str) -> FuncType | None:
    export = module.exported(name)
    return module.function_type(export.target) if export and export.kind == ExternKind.FUNC else None


#: How arguments begin that the command line and files take, and are no numbers.
_NO_NUMBERS = ("*", '"', "@", "argv[", "list[")


def number(value_type: ValType, text: str, where: str) -> bytes:
    """The raw 16 bytes of a number that the user wrote. Raises `InitializerType`."""
    try:
        return encode(value_type, text).ljust(16, b"\0")
    except ValueError:
        hint = expected(value_type)
        if text.strip().startswith(_NO_NUMBERS):
            hint = "Text in Python passes numbers only: a `preinit.Call` passes the rest, see docs/calls.md."
        elif text.strip().startswith("'"):
            hint = 'Texts stand between double quotes: "text".'
        raise InitializerType(
            f"{quoted(text)} is not a number of type {type_name(value_type)}", where=where, hint=hint
        ) from None
