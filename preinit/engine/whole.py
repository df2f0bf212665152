"""Instantiating a module as a whole: all of it is compiled before anything runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import wasmtime

from ..errors import (
    GrowthRefused,
    GuestTrap,
    InvalidModule,
    MemoryLimit,
    PreinitError,
    StackExhausted,
    UncaughtException,
    Unsupported,
    UnsupportedProposal,
)
from . import ffi
from .guest import GuestCode
from .pages import touched_extents
from .runtime import Deadline, EngineSettings, has_winch, new_engine, new_store
from .values import EngineError, GuestTrapped, RawValue

_STACK_OVERFLOW = wasmtime.TrapCode.STACK_OVERFLOW.value
_INTERRUPT = wasmtime.TrapCode.INTERRUPT.value
_OUT_OF_BOUNDS = (wasmtime.TrapCode.MEMORY_OUT_OF_BOUNDS.value, wasmtime.TrapCode.TABLE_OUT_OF_BOUNDS.value)
_UNREACHABLE = wasmtime.TrapCode.UNREACHABLE.value

#: What the engine says when a module uses a proposal that it does not have, or that is off.
_LACKS = re.compile(
    r"(support is not enabled|feature required|proposal not enabled|must be enabled|not enabled|requires the `?\S+`? "
    r"(?:feature|proposal)|is not supported|not yet implemented|Unsupported|illegal opcode|unknown opcode)",
    re.IGNORECASE,
)


class Linkage:
    """What a host can use to provide the imports of one instance."""

    def __init__(
        self, store: wasmtime.Store, functions: ffi.HostFunctions, preloads: Mapping[str, wasmtime.Module]
    ) -> None:
        self._store = store
        self._functions = functions
        self._preloads = preloads

    def define(self, parameters: Sequence[str], results: Sequence[str], function: ffi.HostFunction) -> Any:
        """An extern that calls `function` with unsigned 64-bit integers; types are "i32" or "i64"."""
        return self._functions.define(parameters, results, function)

    def provider(self, wasm: bytes, externs: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """The exports `names` of a fresh instance of a module that preinit generated."""
        return self._exports(ffi.compile_module(self._store.engine, wasm), externs, names)

    def preload(self, name: str, externs: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """The exports `names` of an instance of the preloaded module `name`."""
        return self._exports(self._preloads[name], externs, names)

    def in_use(self, extern: Any, is_table: bool) -> bool:
        """Whether a memory or table holds anything but zeros or null."""
        if is_table:
            return any(value.kind != "null" for value in ffi.table_values(self._store, extern))
        content = ffi.memory_view(*ffi.memory_place(self._store, extern))
        parts = (content[at : at + (1 << 20)] for at in range(0, len(content), 1 << 20))
        return any(part.tobytes().strip(b"\0") for part in parts)

    def _exports(self, module: wasmtime.Module, externs: Sequence[Any], names: Sequence[str]) -> list[Any]:
        instance = ffi.instantiate(self._store, module, externs)
        return [ffi.export(self._store, instance, name) for name in names]


#: Gives the externs for a module's imports, in their order.
Linker = Callable[[Linkage], Sequence[Any]]


class WholeInstance:
    """An instance of a module that was compiled as a whole. See `guest.Instance`."""

    def __init__(
        self,
        code: GuestCode,
        store: wasmtime.Store,
        module: wasmtime.Module,
        preloads: Mapping[str, wasmtime.Module],
        link: Linker,
        deadline: Deadline,
    ):
        self._code = code
        self._deadline = deadline
        self._store = store
        self._functions = ffi.HostFunctions(store)
        self._externs: dict[str, Any] = {}
        self._views: dict[str, tuple[tuple[int, int], memoryview]] = {}
        try:
            self._imports = link(Linkage(store, self._functions, preloads))
            self._instance = ffi.instantiate(store, module, self._imports)
        except GuestTrapped as trap:
            raise GuestTrap(f"instantiating the module trapped: {_first_line(trap)}") from trap
        except EngineError as problem:
            raise _link_problem(problem) from problem

    def _export(self, name: str) -> Any:
        extern = self._externs.get(name)
        if extern is None:
            extern = self._externs[name] = ffi.export(self._store, self._instance, name)
        return extern

    def call(self, name: str, arguments: Sequence[bytes], results: int) -> list[bytes]:
        self._functions.raised = None
        self._deadline.check()
        try:
            return ffi.call(self._store, self._export(name), arguments, results)
        except GuestTrapped as trap:
            raise self._explain(trap) from trap

    def _explain(self, trap: GuestTrapped) -> BaseException:
        frames = self._code.original_frames(trap.frames)
        raised = self._functions.raised
        if raised is not None:
            if isinstance(raised, PreinitError) and not raised.frames:
                raised.frames = frames
            return raised
        guard = self._code.guard_of(trap.frames)
        if guard and trap.code == _UNREACHABLE:
            return GrowthRefused(
                f"{guard.kind} {guard.target} could not grow; the guest would have gone on with what it had",
                frames=frames,
                hint=None if guard.kind == "memory" else "Make the initializer's tables smaller.",
            )
        if trap.code == _STACK_OVERFLOW:
            return StackExhausted("the initializer exhausted the guest's stack", frames=frames)
        if trap.code == _INTERRUPT:
            return self._deadline.error()
        if ffi.takes_exception(self._store) or trap.code == ffi.UNCAUGHT_EXCEPTION:
            return UncaughtException("an exception left the initializer", frames=frames)
        return GuestTrap(f"the initializer trapped: {_first_line(trap)}", frames=frames)

    def memory(self, name: str) -> memoryview:
        # Host functions ask for it in every call: only a memory that moved or grew needs a new view.
        place = ffi.memory_place(self._store, self._export(name))
        known = self._views.get(name)
        if known is None or known[0] != place:
            known = self._views[name] = (place, ffi.memory_view(*place))
        return known[1]

    def touched(self, name: str) -> list[tuple[int, int]] | None:
        return touched_extents(*ffi.memory_place(self._store, self._export(name)))

    def global_value(self, name: str, size: int) -> RawValue:
        return ffi.global_value(self._store, self._export(name), size)

    def table_values(self, name: str) -> list[RawValue]:
        return ffi.table_values(self._store, self._export(name))

    def resolve_function(self, pointer: bytes) -> int | None:
        return self._functions_by_pointer.get(pointer)

    @cached_property
    def _functions_by_pointer(self) -> dict[bytes, int]:
        # An imported function may be seen under the host's pointer, and under one of this instance's own.
        host = (pointer for pointer in map(ffi.function_pointer, self._imports) if pointer)
        result = {pointer: index for index, pointer in enumerate(host)}
        if self._code.candidates:
            values = self.table_values(self._code.candidates)
            for index, value in zip(self._code.references, values, strict=True):
                result[value.bits] = index
        return result

    def traps(self, name: str) -> bool:
        try:
            ffi.call(self._store, self._export(name), (), 0)
        except GuestTrapped as trap:
            if trap.code not in _OUT_OF_BOUNDS:
                raise self._explain(trap) from trap
            return True
        return False


class CompiledGuest(NamedTuple):
    """A module that the engine has compiled with `compiler`, ready to be instantiated any number of times."""

    code: GuestCode
    compiler: str
    interruptible: bool
    engine: wasmtime.Engine
    module: wasmtime.Module
    preloads: Mapping[str, wasmtime.Module]

    def instantiate(self, max_memory: int, link: Linker, deadline: Deadline) -> WholeInstance:
        """A fresh instance; nothing of the guest has run in it. `max_memory` in bytes for each memory.

        Raises `GuestTrap` where a segment does not fit, `MemoryLimit` where memory can't be had.
        """
        deadline.watch(self.engine)
        store = new_store(self.engine, max_memory, self.interruptible)
        deadline.check()  # after the store has its deadline: whoever cancels from now on, stops the guest
        return WholeInstance(self.code, store, self.module, self.preloads, link, deadline)


def compile_guest(
    code: GuestCode, settings: EngineSettings, preloads: Mapping[str, bytes] | None = None
) -> CompiledGuest:
    """Compiles the guest, and the modules that are preloaded beside it.

    `settings.compiler` may be "auto": the baseline compiler, or the optimizing one where that refuses.

    Raises `InvalidModule`, `UnsupportedProposal`: the engine refuses the module.
    """
    if settings.compiler == "winch" and not has_winch():
        raise Unsupported("the compiler winch is not available on this machine", hint="Use `--engine cranelift`.")
    compilers = [settings.compiler]
    if settings.compiler == "auto":
        compilers = ["winch", "cranelift"] if has_winch() else ["cranelift"]
    problem: EngineError | None = None
    for compiler in compilers:
        engine = new_engine(settings._replace(compiler=compiler))
        try:
            module = ffi.compile_module(engine, code.wasm)
            beside = {name: ffi.compile_module(engine, wasm) for name, wasm in (preloads or {}).items()}
            code = code._replace(wasm=b"")  # compiled: as large as the module, and no longer needed
            return CompiledGuest(code, compiler, settings.interruptible, engine, module, beside)
        except EngineError as refusal:
            problem = refusal
    assert problem is not None
    raise _refusal(code, problem, settings.compiler) from problem


def _link_problem(problem: EngineError) -> PreinitError:
    message = _first_line(problem)
    if re.search(r"exceeds memory limits|mmap|allocat|reserv", message):
        return MemoryLimit(f"the module's memory could not be created: {message}")
    return Unsupported(f"the module can't be instantiated: {message}")


def _refusal(code: GuestCode, problem: EngineError, compiler: str) -> PreinitError:
    """The error for a module that the engine refuses, in terms of the original file."""
    try:
        check(code.original.data)
    except (InvalidModule, UnsupportedProposal) as original:
        return original
    return Unsupported(
        f"the engine refuses the module: {_first_line(problem)}",
        hint="Try `--engine cranelift`." if compiler == "winch" else None,
    )


def check(wasm: bytes) -> None:
    """Validates a module with every proposal that the engine has.

    Raises `InvalidModule` or `UnsupportedProposal`, with the byte offset.
    """
    try:
        ffi.validate(new_engine(EngineSettings("cranelift")), wasm)
    except EngineError as problem:
        text = str(problem)
        offset = re.search(r"\(at offset (0x[0-9a-f]+|\d+)\)", text)
        where = f"byte offset {int(offset[1], 0):#x}" if offset else None
        lines = [line.strip() for line in text.splitlines() if line.strip() and "Caused by" not in line]
        detail = re.sub(r"^\d+: |\s*\(at offset \S+\)", "", lines[-1]) if lines else text
        if "legacy" in detail.lower() or "legacy_exceptions" in text:
            raise UnsupportedProposal(
                f"the module uses the legacy exception handling: {detail}",
                where=where,
                hint="Translate it with `wasm-opt --translate-to-exnref -all`, or compile with the exnref proposal.",
            ) from problem
        if _LACKS.search(detail):
            raise UnsupportedProposal(f"the engine lacks a proposal: {detail}", where=where) from problem
        raise InvalidModule(f"the module is not valid: {detail}", where=where) from problem


def _first_line(problem: Exception) -> str:
    """The line of an engine's message that says most, without its own backtrace."""
    lines = [re.sub(r"^\d+: ", "", line.strip()) for line in str(problem).splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("wasm trap:")]
    return (said or lines[-1:] or ["no message"])[0].removeprefix("wasm trap: ")
