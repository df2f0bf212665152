"""What stands in for imported functions that don't exist at build time: `MODULE.NAME` -> trap, zero, or an errno."""

from __future__ import annotations

from collections.abc import Iterable

from ..binary import assembler as code
from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.types import I32, NUMERIC_SIZES, FuncType, ValType, is_numeric, type_name
from ..errors import Misfit, UsageError, quoted
from .wasi1.errnos import Errno

#: First byte of the type of a reference without null, where a heap type follows.
_NOT_NULLABLE = 0x64


def stub_bodies(module: Module, stubs: Iterable[tuple[str, str]]) -> dict[int, bytes | None]:
    """The body of the function that stands in for each stubbed import, by position among all imports; None: it traps.

    Raises `Misfit` for what can't be stubbed, or not so; `UsageError` for what no stub can be.
    """
    found: dict[int, bytes | None] = {}
    for name, what in stubs:
        named = [(i, e) for i, e in enumerate(module.imports) if f"{e.module}.{e.name}" == name]
        functions = [(i, e) for i, e in named if e.kind == ExternKind.FUNC]
        if not functions:
            raise Misfit(
                f"the import {quoted(name)} is no function, so it can't be stubbed"
                if named
                else f"the module imports no function {quoted(name)} that could be stubbed",
                hint="Write it as MODULE.NAME=trap|zero|ERRNO, with a function that the module imports.",
            )
        for position, entry in functions:
            signature = module.types.functions[entry.type_index]
            assert signature is not None  # the module was parsed: a function import names a function type
            found[position] = _body(name, what, signature)
    return found


def _body(name: str, what: str, signature: FuncType) -> bytes | None:
    if what == "trap":
        return None
    if what == "zero":
        return code.NO_LOCALS + b"".join(_zero(name, result) for result in signature.results) + code.END
    number = _errno(what)
    if number is None:
        raise UsageError(
            f"a stub can't be {quoted(what)}, for {quoted(name)}",
            hint="It can be trap, zero, or the name or number of a WASI errno, such as nosys or 52.",
        )
    if signature.results != (I32,):
        raise Misfit(
            f"{quoted(name)} has type {signature}, so its stub can't return an errno, an i32", hint="Use trap or zero."
        )
    return code.NO_LOCALS + code.i32_const(number) + code.END


def _zero(name: str, result: ValType) -> bytes:
    if is_numeric(result):
        return code.value(result, bytes(NUMERIC_SIZES[result]))
    if result[0] == _NOT_NULLABLE:
        raise Misfit(
            f"{quoted(name)} returns {type_name(result)}, which has no null: its stub can't be zero",
            hint="Use trap, or a preloaded module that provides it: --preload NAME=FILE.",
        )
    return code.ref_null(result)


def _errno(text: str) -> int | None:
    """Of `nosys`, `ENOSYS`, `52`."""
    if text.isascii() and text.isdigit() and len(text) < 4:
        return int(text) if int(text) < len(Errno) else None
    upper = text.upper()
    name = upper if upper in Errno.__members__ else upper.removeprefix("E")
    return int(Errno[name]) if name in Errno.__members__ else None
