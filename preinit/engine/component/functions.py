"""Functions between components and core Wasm: their types, lifting and lowering.

https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#canonical-abi-explainer
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...binary.types import F32, F64, I32, I64, FuncType
from ...errors import EngineLimit, GuestTrap, ImportCalled, printable
from .aggregates import Record
from .handles import Handles
from .values import Context, ValueType, together

_CORE = {"i32": I32, "i64": I64, "f32": F32, "f64": F64}
_NAMES = {value: name for name, value in _CORE.items()}

#: The type of a `realloc`: old address and size, alignment, new size.
REALLOC = FuncType((I32,) * 4, (I32,))

#: What Python raises where a value has another type than a function of the host takes, or than it is declared to give.
_MISFITS = (TypeError, ValueError, LookupError, AttributeError, OverflowError, struct.error)

#: Calls a core function with raw bits; how many results it has.
CoreCall = Callable[[Sequence[int], int], list[int]]


def named(types: Sequence[bytes]) -> list[str] | None:
    """Numeric core types by name; None where there are others."""
    return [_NAMES[found] for found in types] if all(found in _NAMES for found in types) else None


class FunctionType:
    """A function's type. `core(lowered)`: that of the core function which it is lifted from, or lowered to."""

    def __init__(
        self, names: Sequence[str], types: Sequence[ValueType], result: ValueType | None, is_async: bool = False
    ) -> None:
        self.names, self.types, self.result, self.is_async = names, types, result, is_async
        self.flat = together([found.flat for found in types])
        self.pointed = Record(types, None) if self.flat is None else None
        self.result_pointed = result is not None and (result.flat is None or len(result.flat) > 1)

    def core(self, lowered: bool) -> FuncType:
        parameters = list(self.flat) if self.flat is not None else ["i32"]
        results = list(self.result.flat or ()) if self.result else []
        if self.result_pointed:
            parameters, results = ([*parameters, "i32"], []) if lowered else (parameters, ["i32"])
        return FuncType(tuple(_CORE[name] for name in parameters), tuple(_CORE[name] for name in results))


class Function:
    """A component-level function: `call` takes and gives values. `imported`: its name, of one of the host."""

    def __init__(self, function_type: FunctionType, call: Callable[..., Any], imported: str = "") -> None:
        self.type = function_type
        self.call = call
        self.imported = imported


class Canonical:
    """What the options of a canonical function name, resolved. `post_return`: a core function, or None."""

    def __init__(
        self,
        instance: Handles,
        memory: Callable[[], memoryview] | None,
        reallocate: CoreCall | None,
        encoding: str,
        post_return: CoreCall | None = None,
    ) -> None:
        self._handles = instance
        self._memory = memory
        self._reallocate = reallocate
        self._encoding = encoding
        self._post_return = post_return

    def context(self) -> Context:
        """For one call."""
        return Context(self._handles, self._memory, self._allocate if self._reallocate else None, self._encoding)

    def _allocate(self, *arguments: int) -> int:
        assert self._reallocate is not None
        with self._handles.staying():
            return self._reallocate(arguments, 1)[0] & 0xFFFFFFFF

    def lowered(self, function: Function) -> Callable[..., int | None]:
        """The host function that a core module calls for `function`: takes and returns raw bits."""
        signature = function.type

        def call(*bits: int) -> int | None:
            self._handles.check_leaving()
            cx = self.context()
            flat = iter(bits)
            if signature.pointed:
                values = signature.pointed.load(cx, _address(next(flat), signature.pointed))
            else:
                values = [found.lift(cx, flat) for found in signature.types]
            try:
                return give(cx, function.call(*values), flat)
            except RecursionError as problem:
                raise EngineLimit("components call each other more deeply than preinit follows") from problem
            except _MISFITS as problem:
                if not function.imported:
                    raise
                raise ImportCalled(
                    f"the component declares the import `{printable(function.imported)}` with another type than it has",
                    hint="Build the component for WASI 0.2.",
                ) from problem

        def give(cx: Context, result: Any, flat: Iterator[int]) -> int | None:
            cx.release()
            if signature.result is None:
                return None
            if signature.result_pointed:
                address = _address(next(flat), signature.result)
                cx.read(address, signature.result.size)
                signature.result.store(cx, result, address)
                return None
            return signature.result.lower(cx, result)[0]

        return call

    def lifted(self, core: CoreCall, signature: FunctionType) -> Function:
        """The function that a core function is lifted to."""

        def call(*values: Any) -> Any:
            with self._handles.entered():
                return perform(values)

        def perform(values: Sequence[Any]) -> Any:
            cx = self.context()
            if signature.pointed:
                address = cx.allocate(signature.pointed.size, signature.pointed.align)
                signature.pointed.store(cx, values, address)
                flat = [address]
            else:
                given = zip(signature.types, values, strict=True)
                flat = [bits for found, value in given for bits in found.lower(cx, value)]
            results = core(flat, len(signature.core(False).results))
            if any(handle.held for handle in cx.borrowed):
                raise GuestTrap("a function returned and kept a borrowed handle that it was given")
            result = None
            if signature.result is not None:
                if signature.result_pointed:
                    address = _address(results[0], signature.result)
                    result = signature.result.load(cx, address)
                else:
                    result = signature.result.lift(cx, iter(results))
            if self._post_return is not None:
                with self._handles.staying():
                    self._post_return(results, 0)
            cx.release()
            return result

        return Function(signature, call)


def _address(bits: int, pointed: ValueType) -> int:
    address = bits & 0xFFFFFFFF
    if address & (pointed.align - 1):
        raise GuestTrap(f"the guest passed values at address {address:#x}, which is not aligned")
    return address
