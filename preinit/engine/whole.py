"""Instantiating a module as a whole: all of it is compiled before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import Frame
from ..tuples import NamedTuple
from . import ffi
from .code import compile_module
from .guest import GrowthGuard, GuestCode
from .instance import EngineInstance, Linkage, Linker
from .runtime import Deadline, EngineSettings, has_winch, new_engine, new_store
from .validation import first_line, link_problem, refusal
from .values import EngineError, GuestTrapped, RawFrame

if TYPE_CHECKING:
    from .profile import Profile


class WholeInstance(EngineInstance):
    """An instance of a module that was compiled as a whole."""

    def __init__(
        self,
        code: GuestCode,
        store: ffi.Store,
        module: ffi.Module,
        preloads: Mapping[str, ffi.Module],
        link: Linker,
        deadline: Deadline,
        functions: ffi.HostFunctions | None = None,
    ):
        super().__init__(store, deadline, code.original, preloads, functions)
        self._code = code
        self._listed = (module, *preloads.values())
        try:
            linkage = Linkage(store, self._functions, preloads)
            self._given = self._imports = link(linkage)
            self._originals, self._lent = linkage.originals, linkage.references
            self._instance = ffi.instantiate(store, module, self._imports)
            self._write_data(code.original.data, code.data)
        except GuestTrapped as trap:
            raise self._instantiation_trap(first_line(trap)) from trap
        except EngineError as problem:
            raise link_problem(problem) from problem

    def original_frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        return self._code.original_frames(frames)

    def original_functions(self, frames: Sequence[RawFrame]) -> list[int]:
        return self._code.original_functions(frames)

    def guard_of(self, frames: Sequence[RawFrame]) -> GrowthGuard | None:
        return self._code.guard_of(frames)

    def _modules(self) -> tuple[Sequence[ffi.Module], Callable[[int, int], int | None]]:
        original = self._code.original

        def function_of(number: int, defined: int) -> int | None:
            index = original.imported_functions + defined
            return index if number == 0 and defined < len(original.bodies) else None

        return self._listed, function_of

    def resolve_function(self, pointer: bytes) -> int | None:
        return self._functions_by_pointer.get(pointer)

    def compiled(self) -> tuple[int, int, int]:
        bodies = self._code.original.bodies
        return len(bodies), sum(body.end - body.start for body in bodies), 1

    @cached_property
    def _functions_by_pointer(self) -> dict[bytes, int]:
        # An imported function may be seen under the host's pointer, and under one of this instance's own.
        host = (pointer for pointer in map(ffi.function_pointer, self._imports) if pointer)
        result = {pointer: index for index, pointer in enumerate(host)}
        result |= ffi.function_indices(self._originals.items())
        result |= ffi.function_indices(self._lent)
        if self._code.candidates:
            values = self.table_values(self._code.candidates)
            for index, value in zip(self._code.references, values, strict=True):
                result[value.bits] = index
        return result


class CompiledGuest(NamedTuple):
    """A module that the engine has compiled with `compiler`, ready to be instantiated any number of times."""

    code: GuestCode
    compiler: str
    interruptible: bool
    engine: ffi.Engine
    module: ffi.Module
    preloads: Mapping[str, ffi.Module]

    @property
    def engines(self) -> None:
        """None: another run compiles all that it needs."""
        return None

    @property
    def known(self) -> Profile | None:
        """Nothing: all is compiled."""
        return None

    def knowing(self, _profile: Profile | None) -> CompiledGuest:
        """Itself: all is compiled."""
        return self

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
    """Compiles the guest, and the modules that are preloaded for it.

    `settings.compiler` may be "auto": the baseline compiler, or the optimizing one where that refuses.

    Raises `InvalidModule`, `UnsupportedProposal`: the engine refuses the module; `Unsupported`: no such compiler.
    """
    compilers = [settings.compiler]
    if settings.compiler == "auto":
        compilers = ["winch", "cranelift"] if has_winch() else ["cranelift"]
    problem: EngineError | None = None
    for compiler in compilers:
        engine = new_engine(settings._replace(compiler=compiler))
        try:
            cache = settings.cache
            told = settings._replace(compiler=compiler, cache=None)
            module = compile_module(engine, code.wasm, told, cache)
            preload_code = {name: compile_module(engine, wasm, told, cache) for name, wasm in (preloads or {}).items()}
            code = code._replace(wasm=b"")  # compiled: as large as the module, and no longer needed
            return CompiledGuest(code, compiler, settings.interruptible, engine, module, preload_code)
        except EngineError as refused:
            problem = refused
            if compiler == compilers[-1]:
                break
            try:  # what is not valid needs not be compiled once more to be refused
                ffi.validate(new_engine(settings._replace(compiler=compilers[-1])), code.wasm)
            except EngineError as invalid:
                problem = invalid
                break
    assert problem is not None
    raise refusal(code, problem, settings.compiler) from problem
