"""Provides the imports of a module for one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..binary.module import Module
from ..binary.sections import ExternKind, Import
from ..binary.types import FUNCREF, I32, I64, FuncType
from ..engine.instance import Linkage
from ..engine.runtime import Deadline
from ..errors import (
    GuestTrap,
    ImportCalled,
    ImportedState,
    OutputFlood,
    UsageError,
    WasiRefused,
    printable,
    quoted,
)
from ..options import Host
from .generated import provider
from .ledger import Calls, Original, settle
from .output import Output
from .stubs import stub_bodies
from .wasi1.abi import MODULE, NO_RESULT, SIGNATURES, WasiError
from .wasi1.files import Descriptor, Policy, preopen
from .wasi1.functions import Functions
from .wasi1.memory import GuestMemory
from .wasi1.process import Clock

if TYPE_CHECKING:
    from ..result import HostFacts

_TYPES = {"i32": I32, "i64": I64}


class World:
    """What one guest sees, and a count of what it asked for. Close it when the guest has ended.

    `shown`: how many bytes of what the guest prints to leave out, since an earlier run has printed the same.
    `resumes`: the guest is an output, and gets what its host must provide: preloaded memories and tables grow to what
    it asks for; those that need not be fresh hold something.
    Raises `UsageError` where a folder can't be opened.
    """

    def __init__(
        self,
        module: Module,
        host: Host,
        deadline: Deadline,
        import_globals: Mapping[str, str] | None = None,
        preloads: Mapping[str, Module] | None = None,
        must_be_fresh: bool = False,
        shown: int = 0,
        stubs: Iterable[tuple[str, str]] = (),
        resumes: bool = False,
    ) -> None:
        self._module = module
        self._resumes = resumes
        self._has_wasi = host.wasi
        self._stubs = stub_bodies(module, stubs)
        self._host = host
        self._values = import_globals or {}
        self._preloads = preloads or {}
        self._must_be_fresh = must_be_fresh
        self.deadline = deadline
        self._memory = GuestMemory(_no_memory)
        self.calls = Calls()
        self._counters: list[tuple[str, Callable[[], int]]] = []
        self._output = output = Output(host, shown)
        self._functions: dict[str, Callable[..., None]] = {}
        self._wasi = Functions(host, self._memory, output.to_output, output.to_error, deadline.check)
        self._wasi.preopen(preopens(host))

    def bind(self, memory: Callable[[], memoryview]) -> None:
        """Says where the guest's memory is: its export "memory", once there is an instance."""
        self._memory.view = memory

    def set_clock(self, clock: Clock) -> None:
        """Other clocks than the usual ones, for a guest that has not run yet."""
        self._wasi.set_clock(clock)

    def renew(self, host: Host, deadline: Deadline) -> Printed:
        """A fresh world for a guest that goes on after its initializer, as an instance of the output has one.

        What was open is closed; clocks, random numbers and standard input start anew. Returns what the guest prints
        from now on; it is not passed on. Raises `UsageError` as the constructor does.
        """
        self._output.end()
        self._wasi.close()
        printed = Printed(host.max_guest_output)
        self.deadline = deadline
        self._wasi = Functions(host, self._memory, printed.to_output, printed.to_error, deadline.check)
        self._wasi.preopen(preopens(host))
        self._functions.update({name: self._wasi[name] for name in self._functions})
        return printed

    def leave_out_digests(self) -> None:
        """No SHA-256 of the files that the guest will read."""
        self._wasi.files.digests = False

    def close(self) -> None:
        """Closes what is open on the host. May come while a call of the guest is under way, when time is over."""
        self._output.end()
        self._wasi.close()

    @property
    def preloads(self) -> Mapping[str, Module]:
        """The modules that some imports come from."""
        return self._preloads

    @property
    def printed(self) -> int:
        """How many bytes the guest printed."""
        return self._output.total

    def settle(self, original: Original) -> HostFacts:
        """What the guest asked for, up to now. To be called before `close`."""
        for name in {name for name, _ in self._counters}:  # one function may be imported under several types
            if number := sum(count() for title, count in self._counters if title == name):
                self.calls[name] = number
        memory = None if self._memory.view is _no_memory else self._memory.view()
        return settle(self._module, self._host, self.calls, self._wasi, original, memory)

    def link(self, linkage: Linkage) -> list[Any]:
        """The externs for the module's imports, in order."""
        self.calls.backtrace = linkage.backtrace
        preloaded: dict[tuple[str, str], Any] = {}
        for name, module in self._preloads.items():
            exports = [export.name for export in module.exports]
            wanted = [preloaded[entry.module, entry.name] for entry in module.imports]
            for title, extern in zip(exports, linkage.preload(name, wanted, exports), strict=True):
                preloaded[name, title] = extern
        externs: dict[int, Any] = {}
        others: list[tuple[int, Import]] = []
        forwarded: dict[int, Any] = {}
        for position, entry in enumerate(self._module.imports):
            here = self._has_wasi and position not in self._stubs
            parameters = wasi_parameters(self._module, entry) if here else None
            if (entry.module, entry.name) in preloaded:
                extern = externs[position] = preloaded[entry.module, entry.name]
                if entry.kind == ExternKind.FUNC:
                    forwarded[position] = extern
                    others.append((position, entry))
                if self._resumes and entry.memory and not entry.memory.shared:
                    linkage.grow(extern, False, entry.memory.minimum, entry.memory.page_size)
                elif self._resumes and entry.table and entry.table.type == FUNCREF:
                    linkage.grow(extern, True, entry.table.limits.minimum)
                holds = entry.memory or entry.table
                if self._must_be_fresh and holds and linkage.in_use(extern, entry.table is not None):
                    # A kept import is written as if it started empty: what the initializer cleared would come back.
                    raise ImportedState(
                        f"the preloaded {entry.kind.name.lower()} is in use before the initializer starts",
                        where=f"import `{printable(entry.module)}.{printable(entry.name)}`",
                        hint="Use `--imports restore`, which fills whatever it is given.",
                    )
            elif parameters is None:
                others.append((position, entry))
            else:
                results = () if entry.name in NO_RESULT else ("i32",)
                externs[position] = linkage.define(parameters, results, self._wasi_function(entry.name))
        if others:
            fault = linkage.define(("i32",), (), self._fault)
            externs |= self._provide(linkage, others, forwarded, fault)
            for position, entry in others:
                if self._resumes and not self._must_be_fresh and entry.memory:
                    linkage.fill(externs[position])
                elif self._resumes and not self._must_be_fresh and entry.table and entry.table.type == FUNCREF:
                    linkage.fill(externs[position], fault)
        functions = [n for n, entry in enumerate(self._module.imports) if entry.kind == ExternKind.FUNC]
        linkage.originals = {functions.index(position): extern for position, extern in forwarded.items()}
        return [externs[position] for position in range(len(self._module.imports))]

    def _provide(
        self, linkage: Linkage, imports: list[tuple[int, Import]], forwarded: Mapping[int, Any], fault: Any
    ) -> dict[int, Any]:
        """Externs of a generated module, by position; those in `forwarded` stand for the ones there."""
        made = provider(self._module, imports, self._values, self._stubs, forwarded)
        used = [fault, linkage.define(("i32",), (), self._note)]
        used += [forwarded[position] for position, _ in imports if position in forwarded]
        wanted = [*made.names, *made.counters.values()]
        found = linkage.provider(made.wasm, used, wanted)
        for position, counter in zip(made.counters, found[len(made.names) :], strict=True):
            self._counters.append((_title(self._module.imports[position]), linkage.number(counter)))
        return {position: extern for (position, _), extern in zip(imports, found, strict=False)}

    def _note(self, position: int) -> None:
        """A stub or a preloaded function is called for the first time; from then on, the generated module counts."""
        self.calls.note(_title(self._module.imports[position]))

    def _wasi_function(self, name: str) -> Callable[..., int | None]:
        self._functions[name] = self._wasi[name]
        functions, calls, memory = self._functions, self.calls, self._memory

        def call(*arguments: int) -> int:
            calls[name] += 1
            self.deadline.check()
            memory.current = None
            try:
                functions[name](*arguments)
            except WasiError as problem:
                return problem.number
            return 0

        return call

    def _fault(self, position: int) -> None:
        entry = self._module.imports[position]
        name = printable(_title(entry))
        if position in self._stubs:
            raise ImportCalled(
                f"the initializer called the import `{name}`, which is stubbed to trap",
                hint=f"Move the call out of the initializer, or let the stub answer: --stub {name}=zero.",
            )
        if entry.module == MODULE and not self._has_wasi:
            raise WasiRefused(f"the initializer called `{name}`, and WASI is refused (--no-wasi)")
        if entry.module == MODULE and entry.name in SIGNATURES:
            raise ImportCalled(
                f"the initializer called the import `{name}`, which has another type than WASI preview 1 gives it",
                hint="The module was built for another version of WASI: build it for wasm32-wasip1.",
            )
        raise ImportCalled(
            f"the initializer called the import `{name}`, which does not exist at build time",
            hint=f"Move the call out of the initializer, or answer it: --stub {name}=zero, --preload "
            f"{printable(entry.module)}=FILE.",
        )


def _title(entry: Import) -> str:
    return f"{entry.module}.{entry.name}"


def wasi_parameters(module: Module, entry: Import) -> Sequence[str] | None:
    """The parameters of the WASI function that an import names; None if it is none, or has another type."""
    if entry.kind != ExternKind.FUNC or entry.module != MODULE or entry.name not in SIGNATURES:
        return None
    parameters = SIGNATURES[entry.name]
    expected = FuncType(tuple(_TYPES[t] for t in parameters), () if entry.name in NO_RESULT else (I32,))
    return parameters if module.types.functions[entry.type_index] == expected else None


def _no_memory() -> memoryview:
    raise GuestTrap(
        "the initializer called WASI, but the module does not export its memory as `memory`",
        hint="WASI functions find the guest's memory by that export: export it.",
    )


def preopens(host: Host) -> list[Descriptor]:
    """The folders that a guest is given. Raises `UsageError` where one can't be opened."""
    opened: list[Descriptor] = []
    policy = Policy(host.writable, None if host.file_times == "host" else host.time)
    for folder, guest_path in host.dirs:
        try:
            opened.append(preopen(folder, guest_path, policy))
        except (OSError, ValueError) as problem:
            for entry in opened:
                entry.close()
            reason = problem.strerror if isinstance(problem, OSError) else problem
            raise UsageError(
                f"the folder {quoted(folder)} can't be opened: {reason}",
                hint="Name a folder that exists and that you may read.",
            ) from problem
    return opened


class Printed:
    """What a guest printed, at most `most` bytes of it. Raises `OutputFlood` after that many."""

    def __init__(self, most: int) -> None:
        self.output = bytearray()
        self.error = bytearray()
        self._most = most

    def to_output(self, data: bytes) -> None:
        self._take(self.output, data)

    def to_error(self, data: bytes) -> None:
        self._take(self.error, data)

    def _take(self, stream: bytearray, data: bytes) -> None:
        if len(self.output) + len(self.error) + len(data) > self._most:
            raise OutputFlood(f"the guest printed more than {self._most:,} bytes")
        stream += data
