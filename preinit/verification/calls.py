"""Which calls are made of an output and its input: those that the user wrote, or some for every export."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.types import F32, F64, I32, I64, NUMERIC_SIZES, V128, FuncType, ValType, is_numeric, type_name
from ..errors import Misfit, UnknownExport, quoted
from ..options.grammar import Written, parse, read, read_numbers
from ..options.hints import few_of
from ..options.numbers import encode, expected
from ..options.reading import Mistake
from ..passes.plan.arguments import check_number
from ..passes.plan.written import site_of
from ..tuples import NamedTuple

#: Bytes that the engine takes for each argument.
_RAW = 16

_NUMBERS = "Write NAME or NAME(1,0.5): what both return is compared."

#: Calls of each export with parameters: so many have arguments at a boundary, so many random ones.
_BOUNDARIES, _RANDOM = 4, 4

_FLOATS = ("0", "-0", "1", "-1", "inf", "-inf", "nan", "0.1")
#: What most often goes wrong, for each type.
_EDGES: dict[ValType, tuple[bytes, ...]] = {
    I32: tuple(encode(I32, text) for text in ("0", "1", "-1", "0x7fffffff", "0x80000000", "0xffff", "0x10000", "8")),
    I64: tuple(encode(I64, text) for text in ("0", "1", "-1", "0x7fffffffffffffff", "0x8000000000000000", "0x10000")),
    F32: tuple(encode(F32, text) for text in (*_FLOATS, "3.4028234663852886e38", "1.401298464324817e-45")),
    F64: tuple(encode(F64, text) for text in (*_FLOATS, "1.7976931348623157e308", "5e-324")),
    V128: (bytes(16), b"\xff" * 16),
}


class Call(NamedTuple):
    """A call of an export: `text` as the user would write it, `raw` arguments of 16 bytes each."""

    text: str
    name: str
    type: FuncType
    raw: tuple[bytes, ...]


def _functions(output: Module) -> dict[str, FuncType]:
    found = {e.name: output.function_type(e.target) for e in output.exports if e.kind == ExternKind.FUNC}
    return {name: function_type for name, function_type in found.items() if function_type}


def read_call(output: Module, text: str) -> Call:
    """The call `NAME` or `NAME(1,0.5)`; an export of exactly that name comes first.

    Raises `UnknownExport`; `Misfit` for arguments that don't fit, `UsageError` for what is no call.
    """
    functions = _functions(output)
    name, written = text, None
    if text not in functions and "(" in text:
        written = _written(text)
        name = written.name
    function_type = functions.get(name)
    if function_type is None:
        known = {other: quoted(other) for other in functions}
        raise UnknownExport(
            f"the output exports no function {quoted(name)} that could be called",
            hint=f"It exports {few_of(known, name)}." if known else "It exports no functions.",
        )
    site = site_of(f"export {quoted(name)} of type {function_type}", text, written)
    unfit = next((place for place, t in enumerate(function_type.params) if not is_numeric(t)), None)
    if unfit is not None:
        raise Misfit(
            f"a call can't give a value of type {type_name(function_type.params[unfit])}",
            where=site.argument(unfit),
            hint="Only numbers can be given.",
        )
    check_number(function_type, name, site, "function", "--call", Misfit)
    parts = [part.values[0] for part in written.parts] if written else []
    raw = tuple(
        _argument(kind, part, site.argument(place))
        for place, (kind, part) in enumerate(zip(function_type.params, parts, strict=True))
    )
    return Call(text, name, function_type, raw)


def _written(text: str) -> Written:
    """A call whose arguments are numbers, or should be. Raises `UsageError`."""
    try:
        found = parse(text) or read_numbers(text) or read(text)
        other = next((part.start for part in found.parts if part.kind != "number"), None)
        if other is not None:
            raise Mistake(other, "only numbers can be given here", _NUMBERS)
        if found.returns is not None:
            raise Mistake(found.returns_at, "nothing can be said here of what is returned", _NUMBERS)
    except Mistake as mistake:
        raise Mistake(mistake.at, mistake.what, _NUMBERS).error(text) from None
    return found


def _argument(value_type: ValType, text: str, where: str) -> bytes:
    try:
        return encode(value_type, text).ljust(_RAW, b"\0")
    except ValueError:
        hint = "Write 0x and up to 32 digits." if value_type == V128 else expected(value_type)
        raise Misfit(
            f"{quoted(text)} is not a number of type {type_name(value_type)}", where=where, hint=hint
        ) from None


def for_all(output: Module, seed: int) -> Iterator[Call]:
    """Calls of every export that takes nothing but numbers: with arguments at their boundaries, and random ones.

    The same for the same seed.
    """
    for name, function_type in _functions(output).items():
        if not all(map(is_numeric, function_type.params)):
            continue
        if not function_type.params:
            yield Call(name, name, function_type, ())
            continue
        source = random.Random(f"{seed} {name}")
        seen = set()
        for number in range(_BOUNDARIES + _RANDOM):
            values = tuple(_value(source, t, number) for t in function_type.params)
            if values in seen:
                continue
            seen.add(values)
            shown = ",".join(show(t, bits) for t, bits in zip(function_type.params, values, strict=True))
            yield Call(f"{name}({shown})", name, function_type, tuple(bits.ljust(_RAW, b"\0") for bits in values))


def _value(source: random.Random, value_type: ValType, number: int) -> bytes:
    edges = _EDGES[value_type]
    if number < _BOUNDARIES:
        return edges[number % len(edges)]
    if source.random() < 0.5:
        return source.choice(edges)
    if value_type in (I32, I64) and source.random() < 0.5:
        return encode(value_type, str(source.randrange(1 << 16)))  # small enough for an address or a length
    bits = source.randbytes(NUMERIC_SIZES[value_type])
    return bits if not is_nan(value_type, bits) else encode(value_type, "nan")  # which can be written


def is_nan(value_type: ValType, bits: bytes) -> bool:
    """Whether these are the bits of a NaN: which one an instruction gives, the specification leaves open."""
    if value_type not in (F32, F64):
        return False
    (value,) = struct.unpack("<f" if value_type == F32 else "<d", bits)
    return bool(value != value)


def show(value_type: ValType, bits: bytes) -> str:
    """A number as `written` takes it."""
    size = NUMERIC_SIZES[value_type]
    number = int.from_bytes(bits[:size], "little")
    if value_type in (I32, I64):
        return str(number - (1 << 8 * size) if number >> 8 * size - 1 else number)
    if value_type == V128:
        return f"{number:#x}"
    return repr(struct.unpack("<f" if value_type == F32 else "<d", bits[:size])[0])
