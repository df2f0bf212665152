"""Functions that call an export with constants, and end the program where it does not return what it should."""

from __future__ import annotations

from collections.abc import Sequence

from ...binary import assembler as code
from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import F32, F64, I32, I64, NUMERIC_SIZES, FuncType
from ...host.imports import wasi_parameters
from ...host.wasi1.abi import MODULE
from ..plan.entries import Entry
from .plan import Added

#: How a program ends that fails.
_FAILURE = 1

#: From a result on the stack to a number that is another one than expected, bit by bit: so NaN equals NaN.
_BITS = {F32: (code.I32_REINTERPRET_F32, I32), F64: (code.I64_REINTERPRET_F64, I64)}
_DIFFERS = {I32: code.I32_OPS.ne, I64: code.I64_OPS.ne}


def wasi_functions(module: Module) -> dict[str, int]:
    """The functions of WASI that a module imports, and their index."""
    found: dict[str, int] = {}
    functions = [entry for entry in module.imports if entry.kind == ExternKind.FUNC]
    for index, entry in enumerate(functions):
        if entry.module == MODULE and wasi_parameters(module, entry) is not None:
            found.setdefault(entry.name, index)
    return found


def exits(module: Module, status: int) -> bytes:
    """Instructions that end the program: with a status where the module can, else they trap."""
    function = wasi_functions(module).get("proc_exit")
    return (b"" if function is None else code.i32_const(status) + code.call(function)) + code.UNREACHABLE


def entry_functions(module: Module, entries: Sequence[Entry], given: Sequence[Sequence[bytes]]) -> tuple[Added, ...]:
    """A function for each entry. `given`: the raw arguments of each call."""
    return tuple(
        Added(FuncType((), ()), code.NO_LOCALS, _body(module, entry, raw))
        for entry, raw in zip(entries, given, strict=True)
    )


def _body(module: Module, entry: Entry, raw: Sequence[bytes]) -> bytes:
    export = module.exported(entry.call.name)
    assert export is not None
    signature, returns = entry.call.type, entry.call.returns
    body = b"".join(
        code.value(kind, bits[: NUMERIC_SIZES[kind]]) for kind, bits in zip(signature.params, raw, strict=True)
    )
    body += code.call(export.target)
    failed = code.if_(exits(module, _FAILURE))
    if returns == "result":
        memory = module.exported("memory")
        assert memory is not None
        return body + code.i32_load8_u(0, memory.target) + failed
    if entry.call.expected is None:
        return body + code.DROP * len(signature.results)
    (kind,) = signature.results
    bits, kind = _BITS.get(kind, (b"", kind))
    return body + bits + code.value(kind, entry.call.expected[: NUMERIC_SIZES[kind]]) + _DIFFERS[kind] + failed
