"""Imports that Python functions provide while the initializer runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ..binary.module import Module
from ..binary.sections import Export, ExternKind, Import
from ..binary.types import FUNCREF, FuncType
from ..engine.instance import Linkage
from ..engine.values import Unsuited
from ..errors import (
    GuestTrap,
    InitializerFailed,
    Misfit,
    StackExhausted,
    UncaughtException,
    UnknownExport,
    UsageError,
    counted,
    quoted,
)
from ..options.callables import check_ran
from ..options.hints import few_of
from .ledger import Calls
from .numbers import Number, bits_of, number_of, plain
from .pausing import Watch

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: How compilers of C name the table of functions.
_USUAL_TABLE = "__indirect_function_table"


class Callee(Protocol):
    """An instance whose exports are called, see `engine.guest.Instance`."""

    def call(self, name: str, arguments: Sequence[bytes], results: int) -> list[bytes]:
        """Calls an export with raw values of 16 bytes."""

    def lend(self, export: Export) -> Any:
        """The extern of what the original exports."""

    def table_function(self, export: Export, index: int) -> Any:
        """The extern of a function in an exported table; None for null. Raises `IndexError` with the table's size."""

    def type_of(self, function: Any) -> FuncType | None:
        """The type of a function, an extern; None where it can't be told."""

    def call_function(self, function: Any, arguments: Sequence[bytes], results: int) -> list[bytes]:
        """Calls a function, an extern, with raw values of 16 bytes."""


#: Frames that Python must have left where the guest is called, which may call a Python function: an exception that is
#: raised before that function runs would be lost, and the guest would go on.
_HEADROOM = 60


def _descend(frames: int) -> None:
    """Raises `RecursionError` where Python has fewer frames left."""
    if frames:
        _descend(frames - 1)


class Guest:
    """The guest that called a Python function: its memory, its exported functions, and its tables of functions.

    All of it is checked: an address outside of memory, a name that is no export or a number that does not fit raises a
    `PreinitError`, which ends the build unless the function catches it. It can be used in the thread that called the
    function, and until the build ends.
    """

    def __init__(self, module: Module) -> None:
        self._module = module
        self._instance: Callee | None = None
        self._memory: Callable[[], memoryview] | None = None
        self._closed = False
        #: The thread in which the guest called a Python function.
        self.thread: int | None = None
        #: What ended a call so that the guest can't go on, even if the function caught it.
        self.ended: InitializerFailed | Unsuited | None = None

    def bind(self, instance: Callee, memory: Callable[[], memoryview] | None) -> None:
        """Says which instance it is, once there is one."""
        self._instance = instance
        self._memory = memory

    def close(self) -> None:
        """Says that there is no instance any more."""
        self._instance, self._memory, self._closed = None, None, True

    def _check_there(self) -> None:
        if self._closed:
            raise UsageError(
                "a Python function's guest was used after it had ended",
                hint="Take what is needed while the function runs: bytes and numbers, not the guest.",
            )
        if self.thread not in (None, threading.get_ident()):
            raise UsageError(
                "a Python function's guest was used in another thread than the one that called the function",
                hint="Use it in the function itself, and give threads bytes and numbers.",
            )

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes of the memory that is exported as `memory`. Raises `GuestTrap`."""
        return self._span(address, size).tobytes()

    def write(self, address: int, data: Buffer) -> None:
        """Writes bytes there: those of any object that has some (bytes, array.array, mmap, memoryview, ...).

        Raises `GuestTrap`, and `UsageError` for any other object.
        """
        try:
            view = memoryview(data)
        except (TypeError, ValueError, BufferError) as problem:  # no buffer, a closed one, one that it does not give
            what = "not bytes" if isinstance(problem, TypeError) else f"whose bytes can't be had: {problem}"
            raise UsageError(
                f"a Python function wrote a value of type {type(data).__name__} to the guest's memory, {what}",
                hint="Encode it: text.encode()." if isinstance(data, str) else "Give bytes.",
            ) from None
        with view:
            place = self._span(address, view.nbytes)
            place[:] = view if view.format == "B" and view.ndim == 1 else view.tobytes()

    def text(self, address: int) -> str:
        """The text that starts there and ends with NUL. Raises `GuestTrap`."""
        memory = self._view()
        self._check_whole(address)
        if not 0 <= address < len(memory):
            raise self._outside(address, 1, memory)
        found = bytearray()
        for start in range(address, len(memory), 256):
            part = memory[start : min(start + 256, len(memory))].tobytes()
            end = part.find(0)
            found += part if end < 0 else part[:end]
            if end >= 0:
                return found.decode("utf-8", "replace")
        raise GuestTrap(f"the text at {address:#x} has no end in memory")

    def call(self, name: str, *arguments: Number) -> tuple[Number, ...]:
        """Calls an exported function with numbers; what it returns, integers as signed ones.

        Raises `UnknownExport`, `UsageError`, and what the call raises.
        """
        self._check_there()
        export = self._module.exported(name)
        signature = self._module.function_type(export.target) if export and export.kind == ExternKind.FUNC else None
        if signature is None or self._instance is None:
            raise UnknownExport(
                f"the module exports no function {quoted(name)} that a Python function could call",
                hint="Call one of its exports.",
            )
        instance = self._instance
        return self._perform(partial(instance.call, name), signature, f"the export {quoted(name)}", arguments)

    def call_table(self, index: int, *arguments: Number, table: str | None = None) -> tuple[Number, ...]:
        """Calls the function at `index` of an exported table of functions; the rest is as in `call`.

        `table`: the table's export; None for the only one, or `__indirect_function_table` where there are several. So
        imports can be served that call back, such as `invoke_vii` of Emscripten's.

        Raises `UnknownExport` for what is no such table, `GuestTrap` where the table has no function at `index`,
        `UsageError`, and what the call raises.
        """
        self._check_there()
        export = self._table(table)
        if isinstance(index, bool) or not isinstance(index, int):
            raise UsageError(f"{index!r} is no index of a table", hint="Give an integer.")
        assert self._instance is not None
        name = f"element {index} of the table {quoted(export.name)}"
        try:
            function = self._instance.table_function(export, index)
        except IndexError as problem:
            raise GuestTrap(
                f"a Python function called {name}, which has {counted(problem.args[0], 'element')}",
                hint="Check what the guest gave the function.",
            ) from None
        if function is None:
            raise GuestTrap(
                f"a Python function called {name}, which is null", hint="Check what the guest gave the function."
            )
        signature = self._instance.type_of(function)
        if signature is None:
            raise Misfit(
                f"{name} is a function of another module, or of a type that a Python function can't have",
                hint="A Python function can call the guest's own functions there, which take numbers and return one.",
            )
        return self._perform(partial(self._instance.call_function, function), signature, name, arguments)

    def _table(self, name: str | None) -> Export:
        tables = {e.name: e for e in self._module.exports if e.kind == ExternKind.TABLE}
        plain = {title: e for title, e in tables.items() if self._module.tables[e.target].type == FUNCREF}
        if name is None:
            name = next(iter(plain)) if len(plain) == 1 else _USUAL_TABLE
        if name not in plain or self._instance is None:
            shown = few_of({title: quoted(title) for title in plain}, name)
            what = f"no table of functions {quoted(name)}" if len(plain) != 0 else "no table of functions"
            raise UnknownExport(
                f"the module exports {what} that a Python function could call through",
                hint=f"It exports {shown}: say which, `table=...`." if shown else "Have it export its table.",
            )
        return plain[name]

    def _perform(
        self,
        call: Callable[[list[bytes], int], list[bytes]],
        signature: FuncType,
        name: str,
        arguments: Sequence[Number],
    ) -> tuple[Number, ...]:
        """Makes a call with these numbers. What must end the build is kept, whatever the function does with it."""
        parameters, returned = plain(signature, name)
        if len(arguments) != len(parameters):
            were = "was" if len(arguments) == 1 else "were"
            raise UsageError(
                f"{name} takes {counted(len(parameters), 'argument')}, {len(arguments)} {were} given",
                hint=f"Its type is {signature}.",
            )
        raw = [bits_of(kind, value).ljust(16, b"\0") for kind, value in zip(parameters, arguments, strict=True)]
        try:
            _descend(_HEADROOM)
        except RecursionError:
            problem = StackExhausted(
                "Python functions and the guest call each other without end, or deeper than Python's recursion limit "
                "allows",
                hint="Have them call each other less deeply, or raise the limit: sys.setrecursionlimit(...).",
            )
            self.ended = self.ended or problem
            raise problem from None
        try:
            results = call(raw, len(returned))
        except (InitializerFailed, Unsuited) as problem:
            if not isinstance(problem, GuestTrap | UncaughtException):
                self.ended = self.ended or problem
            raise
        return tuple(number_of(kind, bits) for kind, bits in zip(returned, results, strict=True))

    def _view(self) -> memoryview:
        self._check_there()
        if self._memory is None:
            raise GuestTrap("a Python function can't use the guest's memory, which it does not export as `memory`")
        return self._memory()

    def _span(self, address: int, size: int) -> memoryview:
        memory = self._view()
        self._check_whole(address, size)
        if not (0 <= address <= len(memory) and 0 <= size <= len(memory) - address):
            raise self._outside(address, size, memory)
        return memory[address : address + size] if size else memoryview(bytearray())

    @staticmethod
    def _check_whole(*numbers: object) -> None:
        for number in numbers:
            if not hasattr(number, "__index__"):
                raise UsageError(
                    f"a Python function gave a value of type {type(number).__name__} as an address or a size in the "
                    "guest's memory",
                    hint="Give whole numbers, as the guest does.",
                )

    def _outside(self, address: int, size: int, memory: memoryview) -> GuestTrap:
        return GuestTrap(
            f"a Python function asked for {counted(size, 'byte')} at {address:#x}, and the guest's memory has "
            f"{len(memory):#x}",
            hint="Check what the guest gave the function.",
        )


#: A Python function that provides an import: it takes the guest and the arguments, and returns the result.
HostFunction = Callable[..., Number | None]


def without_functions(
    module: Module,
    functions: Mapping[str, HostFunction],
    bodies: Mapping[int, bytes | None],
    stubs: Sequence[str],
    preloads: Mapping[str, Module],
) -> dict[int, bytes | None]:
    """The bodies of stubs, by position among all imports, but for imports that a Python function provides.

    `stubs`: how they were named. Raises `Misfit` where a stub of that very name, or a preloaded module, provides one.
    """
    left = dict(bodies)
    for position, entry in enumerate(module.imports):
        name = f"{entry.module}.{entry.name}"
        if entry.kind != ExternKind.FUNC or name not in functions:
            continue
        if entry.module in preloads and entry.name in preloads[entry.module].exported_names:
            raise Misfit(
                f"the import {quoted(name)} is preloaded, and also provided by a Python function",
                hint=f"Leave out {quoted(name)} in `functions`, or the export of the preloaded module.",
            )
        if name in stubs:
            raise Misfit(
                f"the import {quoted(name)} is stubbed, and also provided by a Python function",
                hint=f"Leave out {quoted(name)} in `stubs`, or in `functions`.",
            )
        left.pop(position, None)
    return left


class PythonFunctions:
    """The imports for which there is a Python function, by `MODULE.NAME`. Raises `Misfit` for one that is none."""

    def __init__(
        self,
        module: Module,
        functions: Mapping[str, HostFunction],
        calls: Calls,
        guest: Guest,
        watch: Watch | None = None,
    ) -> None:
        self._module = module
        self._watch = watch
        self._functions = functions
        self._calls = calls
        self._guest = guest
        for name in functions:
            wanted = [e for e in module.imports if e.kind == ExternKind.FUNC and f"{e.module}.{e.name}" == name]
            if not wanted:
                raise Misfit(
                    f"the module imports no function {quoted(name)} that a Python function could provide",
                    hint="Name it MODULE.NAME; `preinit inspect` lists what the module imports.",
                )
            for entry in wanted:
                plain(self._type(entry), f"the import {quoted(name)}")

    def takes(self, position: int, entry: Import) -> bool:
        return entry.kind == ExternKind.FUNC and f"{entry.module}.{entry.name}" in self._functions

    def provide(self, linkage: Linkage, taken: Sequence[tuple[int, Import]]) -> Mapping[int, object]:
        return {position: self._define(linkage, entry) for position, entry in taken}

    def _type(self, entry: Import) -> FuncType:
        signature = self._module.types.functions[entry.type_index]
        assert signature is not None  # the module was parsed: a function import names a function type
        return signature

    def _define(self, linkage: Linkage, entry: Import) -> object:
        name = f"{entry.module}.{entry.name}"
        parameters, results = plain(self._type(entry), name)
        function, calls, guest, watch = self._functions[name], self._calls, self._guest, self._watch

        def called(*raw: int) -> int | None:
            if watch is not None and watch.before_import(name):
                return 0
            calls[name] += 1
            guest.thread = threading.get_ident()
            values = [number_of(kind, bits.to_bytes(8, "little")) for kind, bits in zip(parameters, raw, strict=True)]
            returned = function(guest, *values)
            if guest.ended is not None:
                raise guest.ended
            if returned is not None and not isinstance(returned, int | float):
                check_ran(f"the Python function for {quoted(name)}", returned)
            if not results:
                return None
            if isinstance(returned, bool) or not isinstance(returned, int | float):
                raise UsageError(
                    f"the Python function for {quoted(name)} returned {type(returned).__name__}, "
                    f"and the import returns {results[0]}",
                    hint="Return a number.",
                )
            return int.from_bytes(bits_of(results[0], returned).ljust(8, b"\0"), "little")

        return linkage.define(parameters, results, called)
