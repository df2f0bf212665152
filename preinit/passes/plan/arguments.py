"""What an initializer is given: numbers that the user wrote, data, words of its memory."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import I32, FuncType, ValType, is_numeric, type_name
from ...errors import InitializerType, PreinitError, counted, printable, quoted
from ...options.calls import ALLOCATORS, Word
from ...options.calls import Call as Given
from ...options.numbers import encode, expected
from ...symbols.linker import how_to_export_memory


class Data(NamedTuple):
    """Bytes that a function gets as address and length, and the export that allocates memory for them."""

    content: bytes
    allocator: str


class Call(NamedTuple):
    """An export to call. `arguments` as they were written.

    `values`: those of 16 bytes each, data, which becomes two of them, and words, which become one. `expected`: the raw
    16 bytes of what it must return.
    """

    name: str
    type: FuncType
    arguments: tuple[str, ...] = ()
    values: tuple[bytes | Data | Word, ...] = ()
    returns: Literal["result"] | None = None
    expected: bytes | None = None


def written(call: Call, more: str = "") -> str:
    """How `-f` takes a call, with something behind it, for messages; without what was read from files."""
    numbers = all(isinstance(value, bytes) for value in call.values)
    return f"'{printable(call.name)}({','.join(call.arguments) if numbers else '...'}){more}'"


def separated(
    function_type: FuncType, name: str, text: str, where: str, who: str, option: str, error: type[PreinitError]
) -> tuple[str, ...]:
    """The arguments that were written in the brackets of `NAME(...)`, one for each parameter.

    Raises `error` where they are more or fewer; `who` takes them, `option` is where they were written.
    """
    parts = tuple(part.strip() for part in text.split(",")) if text.strip() else ()
    if len(parts) != len(function_type.params):
        wanted = ",".join(f"<{type_name(t)}>" for t in function_type.params)
        takes, given = len(function_type.params), f"{len(parts)} {'was' if len(parts) == 1 else 'were'} given"
        raise error(
            f"the {who} takes {counted(takes, 'argument')}, {given}",
            where=where,
            hint=f"Write numbers for them: {option} '{printable(name)}({wanted})'." if wanted else "Leave them out.",
        )
    return parts


def with_data(module: Module, given: Given, function_type: FuncType, where: str) -> Call:
    """A call that may be given more than numbers. Raises `InitializerType`."""
    shown: list[str] = []
    values: list[bytes | Data | Word] = []
    allocator = _allocator(module)
    parameters = list(function_type.params)
    needed = sum(2 if isinstance(value, bytes) else 1 for value in given.arguments)
    if needed != len(parameters):
        raise InitializerType(
            f"the initializer takes {len(parameters)} argument{'s' * (len(parameters) != 1)}, {needed} would be given",
            where=where,
            hint="Data counts as two: its address and its length.",
        )
    for value in given.arguments:
        kind, *rest = parameters
        if isinstance(value, int | float):
            text = str(value)
            values.append(number(kind, text, where))
        else:
            taken, rest = (parameters[:2], rest[1:]) if isinstance(value, bytes) else ([kind], rest)
            if any(value_type != I32 for value_type in taken):
                raise InitializerType(
                    f"data is given as addresses and lengths of 32 bits, not as {type_name(kind)}",
                    where=where,
                    hint="Export a function that takes them as i32.",
                )
            text = f"{len(value)} bytes" if isinstance(value, bytes) else f"*{value.offset}"
            values.append(value if isinstance(value, Word) else Data(value, allocator or ""))
        parameters = rest
        shown.append(text)
    returns: Literal["result"] | None = "result" if given.returns == "result" else None
    expects = None
    if returns is None and given.returns is not None:
        expects = expected_result(function_type, str(given.returns), where)
    if returns and function_type.results != (I32,):
        raise InitializerType(
            "the address of a result is an i32, and the initializer returns something else",
            where=where,
            hint='Leave out returns="result" (or the ? after the call).',
        )
    memory = module.exported("memory")
    if any(not isinstance(value, bytes) for value in values) or returns:
        if memory is None or memory.kind != ExternKind.MEMORY or module.memories[memory.target].is_64:
            raise InitializerType(
                "data can't be given to the initializer: the module exports no memory of 32 bits as `memory`",
                where=where,
                hint=how_to_export_memory(module),
            )
        if any(isinstance(value, Data) for value in values) and allocator is None:
            raise InitializerType(
                "data can't be given to the initializer: the module exports nothing that allocates memory",
                where=where,
                hint=f"Export one of {', '.join(ALLOCATORS)} with its usual type.",
            )
    return Call(given.name, function_type, tuple(shown), tuple(values), returns, expects)


def expected_result(function_type: FuncType, text: str, where: str) -> bytes:
    """The raw 16 bytes of the number that a function must return. Raises `InitializerType`."""
    if len(function_type.results) != 1 or not is_numeric(function_type.results[0]):
        raise InitializerType(
            f"an initializer that must return {quoted(text)} has one result, a number, and this one has another type",
            where=where,
            hint=f"Leave out `={printable(text)}`.",
        )
    return number(function_type.results[0], text, where)


def _allocator(module: Module) -> str | None:
    """The export of a module that allocates memory; None if there is none."""
    for name, arguments in ALLOCATORS.items():
        export = module.exported(name)
        wanted = FuncType((I32,) * len(arguments), (I32,))
        if export and export.kind == ExternKind.FUNC and module.function_type(export.target) == wanted:
            return name
    return None


def number(value_type: ValType, text: str, where: str) -> bytes:
    """The raw 16 bytes of a number that the user wrote. Raises `InitializerType`."""
    try:
        return encode(value_type, text).ljust(16, b"\0")
    except ValueError:
        raise InitializerType(
            f"{quoted(text)} is not a number of type {type_name(value_type)}", where=where, hint=expected(value_type)
        ) from None
