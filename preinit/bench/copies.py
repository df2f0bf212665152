"""Copies of a compiled module in wasmtime."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

from ..binary import encoder as write
from ..binary.externs import function as function_import
from ..binary.module import Module, SectionId
from ..binary.sections import Export
from ..binary.types import FuncType
from ..engine import ffi
from ..engine.copies.deployed import deployed_engine
from ..engine.guest import original_frame
from ..engine.instance import Linkage
from ..engine.runtime import Deadline, has_winch, new_store
from ..engine.validation import check, first_line, link_problem
from ..engine.values import EngineError, GuestTrapped
from ..errors import GuestExit, GuestTrap, PreinitError, UncaughtException, Unsupported
from ..host.pausing import Watch
from ..host.wasi1.abi import MODULE
from ..host.world import World, memory_of
from ..options import Options
from ..options.pause import PausePoint
from ..passes.run.calls import Caller
from .subject import Subject


def engine_name() -> str:
    return f"wasmtime {version('wasmtime')}"


class Engine:
    """One for all modules: where it is told to stop, all of them do. Raises `Unsupported`: no such compiler."""

    def __init__(self, options: Options, deadline: Deadline) -> None:
        if options.compiler == "winch" and not has_winch():
            raise Unsupported("the compiler winch is not available on this machine", hint="Use `--compiler cranelift`.")
        self.compiler = "winch" if options.compiler == "winch" else "cranelift"
        self.interruptible = options.timeout is not None and not options.process_ends
        self.engine = deployed_engine(self.compiler, self.interruptible)
        deadline.watch(self.engine)


class _Printed(Exception):
    """The program is about to print for the first time: that is all that is measured of it."""


def _first_output() -> Watch:
    """Looks out for what a program prints first, or writes to a file."""
    found = Watch(PausePoint("import", f"{MODULE}.fd_write"), frozenset())

    def stop() -> None:
        raise _Printed

    found.stop = stop
    return found


class _Copy:
    """A copy that runs. `spent`: seconds in its functions. `failed`: what to raise for a trap."""

    def __init__(
        self,
        store: ffi.Store,
        instance: object,
        functions: ffi.HostFunctions,
        types: FunctionTypes,
        failed: Callable[[GuestTrapped], BaseException],
    ) -> None:
        self._store = store
        self._instance = instance
        self._functions = functions
        self._types = types
        self._known: dict[bytes, FuncType | None] = {}  # by a function's identity
        self._failed = failed
        self._nested = 0
        self.spent = 0.0

    def call(self, name: str, arguments: Sequence[bytes], results: int) -> list[bytes]:
        return self.call_function(ffi.export(self._store, self._instance, name), arguments, results)

    def call_function(self, function: object, arguments: Sequence[bytes], results: int) -> list[bytes]:
        self._functions.raised = None
        self._nested += 1
        began = time.perf_counter()
        try:
            return ffi.call(self._store, function, arguments, results)
        except GuestTrapped as trap:
            raise self._failed(trap) from trap
        finally:
            self._nested -= 1
            if not self._nested:
                self.spent += time.perf_counter() - began

    def lend(self, export: Export) -> object:
        return ffi.export(self._store, self._instance, export.name)

    def table_function(self, export: Export, index: int) -> object:
        return ffi.function_at(self._store, self.lend(export), index)

    def type_of(self, function: object) -> FuncType | None:
        pointer = ffi.function_pointer(function) or b""
        if pointer not in self._known:
            self._known[pointer] = self._types.of(self._store, function)
        return self._known[pointer]

    def memory(self, name: str) -> memoryview:
        return ffi.memory_reader(self._store, ffi.export(self._store, self._instance, name))()


class FunctionTypes:
    """Tells of which of a module's types a function is: modules that import one of each type are linked to it.

    The engine's own answer is of no use here: it aborts on some types.
    """

    def __init__(self, engine: ffi.Engine, module: Module) -> None:
        plain = (t for t in module.types.functions if t and all(len(v) == 1 for v in (*t.params, *t.results)))
        self._modules = dict.fromkeys(plain)  # type: dict[FuncType, ffi.Module | None]
        self._engine = engine

    def of(self, store: ffi.Store, function: object) -> FuncType | None:
        """None for one of another type than these."""
        for signature, known in self._modules.items():
            module = known or ffi.compile_module(self._engine, _importer(signature))
            self._modules[signature] = module
            try:
                ffi.instantiate(store, module, [function])
            except EngineError:
                continue
            return signature
        return None


def _importer(signature: FuncType) -> bytes:
    types = write.section(SectionId.TYPE, write.vector([write.function_type(signature)]))
    imports = write.section(SectionId.IMPORT, write.vector([write.name("") * 2 + function_import(0)]))
    return write.assemble([types, imports])


class Copies:
    """A module, compiled once with the engine's default settings, of which any number of copies can be started.

    `compile_seconds`: what that took. Raises `InvalidModule`, `UnsupportedProposal`, `Unsupported`.
    """

    def __init__(self, engine: Engine, subject: Subject, options: Options, deadline: Deadline) -> None:
        self._subject = subject
        self._options = options
        self._deadline = deadline
        self._interruptible = engine.interruptible
        self._engine = engine.engine
        began = time.perf_counter()
        try:
            self._module = ffi.compile_module(self._engine, subject.wasm)
            self._types = FunctionTypes(self._engine, subject.module)
            self.compile_seconds = time.perf_counter() - began
            self._preloads = {
                name: ffi.compile_module(self._engine, wasm) for name, wasm in subject.preload_code.items()
            }
        except EngineError as problem:
            check(subject.module.data)  # says it in terms of the file
            raise Unsupported(
                f"the engine refuses the module: {first_line(problem)}",
                hint="Try `--compiler cranelift`." if engine.compiler == "winch" else None,
            ) from problem

    def start(self) -> tuple[float, Callable[[], float]]:
        """Starts a copy: a store, an instance in it, and what is to be called. Seconds of that, and what frees it.

        What provides its imports is made in between, and looking up what is called is not counted either.
        """
        options, subject = self._options, self._subject
        world = World(
            subject.module,
            options.host,
            self._deadline,
            dict(options.import_globals),
            subject.preloads,
            stubs=options.stubs,
            functions=dict(options.host.functions),
            watch=_first_output() if subject.to_output else None,
        )
        clock = time.perf_counter
        began = clock()
        store = new_store(self._engine, options.max_memory, self._interruptible)
        spent = clock() - began
        functions = ffi.HostFunctions(store)

        def free() -> float:
            begun = clock()
            store.close()
            took = clock() - begun
            functions.close()
            world.close()
            return took

        try:
            self._deadline.check()
            externs = world.link(Linkage(store, functions, self._preloads))
            instantiate = ffi.instantiation(store, self._module, externs)
            began = clock()
            instance = instantiate()
            spent += clock() - began
            copy = _Copy(
                store, instance, functions, self._types, lambda trap: self._explained(trap, functions.raised, store)
            )
            if memory_of(subject.module) is not None:
                found = [extern for extern, entry in zip(externs, subject.module.imports, strict=True) if entry.memory]
                exported = "memory" in subject.module.exported_names
                memory = ffi.export(store, instance, "memory") if exported else found[0]
                world.bind(ffi.memory_reader(store, memory))
            world.bind_guest(copy)
            if subject.start:
                copy.call(subject.start, (), 0)
            perform = Caller(copy, "memory")
            for call in subject.calls:
                try:
                    perform(call)
                except (_Printed, GuestExit):
                    if not subject.to_output or call is not subject.calls[-1]:
                        raise
            spent += copy.spent
        except BaseException as problem:
            said = self._explained(problem, functions.raised, store)
            free()
            raise said from problem
        return spent, free

    def _explained(self, problem: BaseException, raised: BaseException | None, store: ffi.Store) -> BaseException:
        if isinstance(problem, EngineError):
            return link_problem(problem)
        if not isinstance(problem, GuestTrapped):
            return problem
        found = (original_frame(self._subject.module, f.function, f.offset, ()) for f in problem.frames)
        frames = tuple(frame for frame in found if frame)
        if raised is not None:
            if isinstance(raised, PreinitError):
                raised.frames = raised.frames or frames
            return raised
        if self._deadline.cancelled:
            return self._deadline.error()
        if ffi.takes_exception(store) or problem.code == ffi.UNCAUGHT_EXCEPTION:
            return UncaughtException("an exception left the function that was called", frames=frames)
        return GuestTrap(f"the module trapped: {first_line(problem)}", frames=frames)
