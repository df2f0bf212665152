"""What on-demand compilation has before the guest runs: an engine, the guest's state, code of earlier builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...binary.digest import fingerprint
from ...tuples import NamedTuple
from .. import ffi
from ..guest import StateCode
from ..profile import Code, Profile, StoredChunk, StoredPart
from ..runtime import DEEP_STACK, EngineSettings, new_engine
from ..validation import first_line
from ..values import EngineError, GuestTrapped, Unsuited

#: Bytes of a part from which on it is compiled on all cores: for smaller ones, that takes longer than it saves.
SMALL = 8_000


class Engines(NamedTuple):
    """The `engine` that runs the guest, and one that only compiles, both with these settings.

    One of them compiles a module on all cores, the other on one core; `parallel`: the guest's is the former.
    """

    settings: EngineSettings
    engine: ffi.Engine
    other: ffi.Engine
    parallel: bool

    def compile(self, compiler: str, wasm: bytes, beside: bool = False) -> ffi.Module:
        """A part of the guest, compiled. Raises `Unsuited`.

        `beside`: other things go on meanwhile. Then one core does it, if the guest's engine can: on all of them, and
        written down for that one, the large chunks of CPython take two thirds more of their time.
        """
        if self.parallel == (len(wasm) >= SMALL) or (beside and not self.parallel):
            return _compile(self.engine, compiler, wasm)
        # Code of one engine runs in another with the same settings, once it was written down.
        code = _serialize(_compile(self.other, compiler, wasm))
        try:
            return ffi.deserialize(self.engine, code)
        except EngineError as problem:  # too little memory, perhaps
            raise _refused("a part of it can't be taken over", problem) from problem


def new_engines(settings: EngineSettings, parallel: bool = False) -> Engines:
    """See `Engines`. Most parts are small: unless there are modules that are compiled as a whole, not `parallel`."""
    engine, other = (new_engine(settings, DEEP_STACK, parallel=on_all) for on_all in (parallel, not parallel))
    return Engines(settings, engine, other, parallel)


class Prepared(NamedTuple):
    """A module whose state is compiled, and nothing else.

    `keeps_code`: whether there will be a profile. `stored`: that of an earlier build, `stored_chunks`: function ->
    number of its chunk in that. `expected`: functions that will be called, which are compiled ahead.
    """

    code: StateCode
    engines: Engines
    state: ffi.Module
    preloads: Mapping[str, ffi.Module]
    keeps_code: bool
    stored: Profile
    stored_chunks: dict[int, int]
    expected: Sequence[int] = ()

    @property
    def compiler(self) -> str:
        return self.engines.settings.compiler

    @property
    def engine(self) -> ffi.Engine:
        """The one that runs the guest."""
        return self.engines.engine

    def with_code(self, profile: Profile) -> Prepared:
        """The same, that knows the code of `profile`."""
        places = {function: number for number, chunk in enumerate(profile.chunks) for function in chunk.functions}
        return self._replace(stored=profile, stored_chunks=places)

    @property
    def tail_calls(self) -> bool:
        """Whether the engine has them: then stubs need no stack, where the guest counts on that."""
        return self.compiler != "winch"

    @property
    def erases(self) -> bool:
        """Whether code is compiled without its exceptions, see `exceptions`."""
        return bool(self.code.original.tags) and not self.code.tags

    def compile(self, wasm: bytes) -> ffi.Module:
        """A part of the guest, compiled. Raises `Unsuited`."""
        return self.engines.compile(self.compiler, wasm)

    def compile_chunk(self, wasm: bytes) -> ffi.Module:
        """The same for what is compiled while the guest runs, other chunks are compiled, or the module is validated."""
        return self.engines.compile(self.compiler, wasm, beside=True)

    def part(self, wasm: bytes, made: list[StoredPart]) -> ffi.Module:
        """A part that each instance needs: as an earlier build compiled it, or compiled, and added to what was `made`.

        Raises `Unsuited`.
        """
        if not self.keeps_code:
            return self.compile(wasm)
        name = fingerprint(wasm).hex()
        known = next((part.code for part in self.stored.parts if part.name == name), None)
        module = self.load(known) if known else None
        if module is None:
            module = self.compile(wasm)
            made.append(StoredPart(name, self.serialize(module)))
        return module

    def serialize(self, module: ffi.Module) -> bytes:
        """A part's code, for another engine or a later build. Raises `Unsuited`."""
        return _serialize(module)

    def load(self, code: Code) -> ffi.Module | None:
        """A part that an earlier build compiled; None if the engine does not take it."""
        return _load(self.engine, code)

    def load_stored(self, stored: StoredChunk) -> ffi.Module | None:
        """A chunk that an earlier run compiled; None if the engine does not take it, or memory is short."""
        return _load_stored(self.engine, stored)

    def instantiate(self, store: ffi.Store, module: ffi.Module, externs: Sequence[Any]) -> Any:
        """A part's instance. Raises `Unsuited`."""
        try:
            return ffi.instantiate(store, module, externs)
        except (EngineError, GuestTrapped) as problem:  # too little memory or stack; what doesn't link was found before
            raise _refused("a part of it can't be instantiated", problem) from problem


def _serialize(module: ffi.Module) -> bytes:
    try:
        return ffi.serialize(module)
    except EngineError as problem:
        raise _refused("a part of it can't be written down", problem) from problem


def _refused(what: str, problem: Exception) -> Unsuited:
    return Unsuited("engine", f"{what}: {first_line(problem)}", lasting=False)


def _compile(engine: ffi.Engine, compiler: str, wasm: bytes) -> ffi.Module:
    try:
        return ffi.compile_module(engine, wasm)
    except EngineError as problem:
        other = "cranelift" if compiler == "winch" else None
        raise Unsuited("engine", f"the engine refuses a part of it: {first_line(problem)}", other) from problem


def prepare(
    code: StateCode,
    settings: EngineSettings,
    preloads: Mapping[str, bytes] | None = None,
    keeps_code: bool = False,
    stored: Profile | None = None,
    engines: Engines | None = None,
    state: ffi.Module | None = None,
) -> Prepared:
    """Compiles what is needed before the guest runs, see `Prepared`.

    `engines`: `new_engines`, which are used if they have the same `settings`; `state`: what those compiled of the
    guest's state, if they did. Raises `Unsuited`.
    """
    if engines is None or engines.settings != settings:
        engines, state = new_engines(settings), None
    engine = engines.engine
    state = state or engines.compile(settings.compiler, code.wasm)
    preload_code = {name: engines.compile(settings.compiler, wasm) for name, wasm in (preloads or {}).items()}
    known = Profile(settings.compiler)
    if stored and stored.compiler == settings.compiler and _fits(engine, stored):
        known = stored
    code = code._replace(wasm=b"")  # compiled, and no longer needed
    return Prepared(code, engines, state, preload_code, keeps_code, known, {}).with_code(known)


def _fits(engine: ffi.Engine, stored: Profile) -> bool:
    """Whether the engine takes code of that profile: not if another version compiled it, or for another machine."""
    chunks = all(_load_stored(engine, chunk) for chunk in stored.chunks[:1])
    return chunks and all(_load(engine, stubs.code) for stubs in stored.stubs[:1])


def _load_stored(engine: ffi.Engine, stored: StoredChunk) -> ffi.Module | None:
    try:
        code = stored.written()
    except EngineError:
        return None
    return _load(engine, code)


def _load(engine: ffi.Engine, code: Code) -> ffi.Module | None:
    try:
        return ffi.deserialize(engine, code)
    except EngineError:
        return None
