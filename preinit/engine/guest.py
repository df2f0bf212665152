"""What the engine is given to run, and what it offers about the instance: one interface for all ways to instantiate."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..binary.module import Module
from ..binary.sections import Export
from ..binary.types import FuncType
from ..errors import Frame
from ..tuples import NamedTuple
from .runtime import Deadline
from .values import RawFrame, RawValue

if TYPE_CHECKING:
    from ..binary.growth import Bounds
    from .profile import Profile

#: The module name of modules that preinit generates: their frames are not the guest's.
GENERATED = "preinit"


class GrowthGuard(NamedTuple):
    """A function that grows memory or table `target` in the guest's stead, and traps where the host refuses."""

    kind: str  # "memory" or "table"
    target: int


class ActiveData(NamedTuple):
    """Bytes `start:end` of the original, to be written to a memory at `offset` before anything runs.

    The engine makes a program of all active data segments, and compiles that: 20 us for each.
    """

    memory: str
    offset: int
    start: int
    end: int


class GuestCode(NamedTuple):
    """The copy of a module that is run: `wasm`, made from `original`.

    Functions keep their index. `guards` are the functions that were added as growth guards, by index. `shifts` tells,
    for each function whose body was changed, which code offsets moved: `(offset in the copy's body, bytes added)`.
    `candidates` is the export of a table that holds the functions `references`: all that a reference can name.
    `data`: memory's export -> what its active data segments hold, which the copy lacks: see `ActiveData`.
    `unknown_instruction` is the offset of one after which growth can't be watched, or None.
    """

    original: Module
    wasm: bytes
    guards: Mapping[int, GrowthGuard]
    shifts: Mapping[int, Sequence[tuple[int, int]]]
    candidates: str | None
    references: tuple[int, ...]
    unknown_instruction: int | None
    data: Sequence[ActiveData] = ()

    def original_frames(self, frames: Sequence[RawFrame]) -> tuple[Frame, ...]:
        """The frames that are the guest's own, with names and offsets of the original file."""
        found = (
            original_frame(self.original, frame.function, frame.offset, self.shifts.get(frame.function, ()))
            for frame in frames
            if frame.module != GENERATED
        )
        return tuple(frame for frame in found if frame)

    def original_functions(self, frames: Sequence[RawFrame]) -> list[int]:
        """The functions of the frames that are the guest's own, by their index in the original."""
        first = self.original.imported_functions
        defined = range(first, first + len(self.original.bodies))
        return [frame.function for frame in frames if frame.module != GENERATED and frame.function in defined]

    def guard_of(self, frames: Sequence[RawFrame]) -> GrowthGuard | None:
        """The guard that trapped, if the innermost frame is one."""
        return self.guards.get(frames[0].function) if frames and frames[0].module != GENERATED else None


class StateCode(NamedTuple):
    """A module with the state of `original` and none of its functions: see `ondemand`.

    `tables`, `memories`, `globals`, `tags`: the export of each, in the order of the original's index spaces.
    `entries`: names under which a function can be called besides its exports -> its index. `bounds`: how far memories
    and tables may grow together.
    """

    original: Module
    wasm: bytes
    tables: tuple[str, ...]
    memories: tuple[str, ...]
    globals: tuple[str, ...]
    tags: tuple[str, ...]
    entries: Mapping[str, int]
    data: Sequence[ActiveData] = ()
    bounds: Bounds | None = None


def original_frame(module: Module, function: int, offset: int, moved: Sequence[tuple[int, int]]) -> Frame | None:
    """A frame of the function with that index in the original; None if the module defines no such function.

    `offset` is one in the body that was run, `moved` how that differs: `(offset in it, bytes added up to there)`.
    """
    defined = function - module.imported_functions
    if not 0 <= defined < len(module.bodies):
        return None
    before = bisect_right([at for at, _ in moved], offset)
    if before:
        offset -= moved[before - 1][1]
    body = module.bodies[defined]
    place = body.start + offset if body.start + offset < body.end else None
    return Frame(function, module.function_name(function), place)


class Instance(Protocol):
    """A running guest. Names are exports of the copy that is run.

    `active`: calls of it that are under way: more than one where a function of the host makes another.
    """

    active: int

    def call(self, name: str, arguments: Sequence[bytes], results: int) -> list[bytes]:
        """Calls an export with raw values of 16 bytes. Raises an `InitializerFailed`."""

    def memory(self, name: str) -> memoryview:
        """A memory's bytes, not copied; valid until the guest runs again."""

    def touched(self, name: str) -> list[tuple[int, int]] | None:
        """The ranges of a memory outside of which nothing was ever written; None where that isn't known."""

    def global_value(self, name: str, size: int) -> RawValue:
        """A global's value; `size` in bytes for a numeric type."""

    def set_integer(self, name: str, number: int, size: int) -> None:
        """Gives a mutable global that integer of 4 or 8 bytes, unsigned."""

    def table_values(self, name: str, places: range | None = None) -> list[RawValue]:
        """The entries of a table: all, or those at `places`, one after the other. Raises `IndexError`."""

    def before_tables_change(self, look: Callable[[], None]) -> None:
        """Calls `look` before the guest runs anything that can change a table: now, later, or never."""

    def resolve_function(self, pointer: bytes) -> int | None:
        """The index of the function with that identity (`RawValue.bits`); None for one of another module."""

    def traps(self, name: str) -> bool:
        """Calls an export of type () -> () and tells whether it trapped."""

    def original_functions(self, frames: Sequence[RawFrame]) -> list[int]:
        """The functions of the frames that are the guest's own, by their index in the original."""

    def stack(self) -> list[int | None]:
        """The functions that are active while a function of the host runs which the guest called, innermost first.

        By their index in the original; None for one of a module that was preloaded.
        """

    def set_host_function(self, name: str, index: int, function: Callable[[], None]) -> None:
        """Puts a function of the host into a table of functions."""

    def lend(self, export: Export) -> Any:
        """The extern of what the original exports, for others to use."""

    def table_function(self, export: Export, index: int) -> Any:
        """The extern of the function there in a table of functions that the original exports; None for null.

        Raises `IndexError`, whose argument is the table's size.
        """

    def type_of(self, function: Any) -> FuncType | None:
        """The type of a function of the guest, an extern; None for one of another module."""

    def call_function(self, function: Any, arguments: Sequence[bytes], results: int) -> list[bytes]:
        """Calls a function, an extern, as `call` does."""

    def compiled(self) -> tuple[int, int, int]:
        """How many functions were compiled, how many bytes of their code, in how many modules."""

    def reused(self) -> int:
        """How many of those modules an earlier build had compiled."""

    def close(self) -> None:
        """Frees it at once, memories included: no view of them may be used any more."""

    def set_deadline(self, deadline: Deadline) -> None:
        """What ends the calls from now on."""

    def profile(self) -> Profile | None:
        """What to keep for the next build of the module; None if there is nothing new."""
