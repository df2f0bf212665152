"""From a recording to a Snapshot, and what can't be captured."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.types import NUMERIC_SIZES, type_name
from ..errors import (
    CaptureRefused,
    DynamicLibrary,
    ImportedState,
    MemoryLimit,
    Unsupported,
    UnsupportedState,
    counted,
    exactly,
    printable,
)
from ..options import Options
from ..passes.parse.supported import check_room
from ..passes.plan.owners import Ownership
from ..passes.run.observed import depends_on_globals
from ..passes.snapshot import GlobalsState, MemoryState, Reference, SegmentsState, Snapshot, TablesState
from ..tuples import NamedTuple
from .imports import ENDING
from .recording import Held, Recording

#: Where a main module with dynamic linking imports addresses from: the glue gives them, from the same slots again.
_GOT = ("GOT.func", "GOT.mem")
#: What tells a library where its functions begin in the table; and where those of a main module do.
_TABLE_BASE, _MAIN_TABLE_BASE = "__table_base", 1
#: Places that a message lists.
_FEW = 6


class Captured(NamedTuple):
    """The snapshot; `foreign`: how many functions of JavaScript at the end of each table are left out, by index."""

    snapshot: Snapshot
    foreign: dict[int, int]


def check_module(module: Module, options: Options) -> None:
    """Refuses a module that can't be captured in any state. Raises `ImportedState`, `MemoryLimit`."""
    check_room(module, options)
    if any(memory.shared for memory in module.memories):
        raise ImportedState(
            "the module has a shared memory: each further instance, a thread, would overwrite what is in use",
            hint="Build it without threads (Emscripten: without pthreads).",
        )


def check_fits(module: Module, recording: Recording) -> None:
    """Whether it is the module's state that was told: a script may write files. Raises `Unsupported`."""
    now = recording.state
    sizes = {index: NUMERIC_SIZES.get(entry.type) for index, entry in enumerate(module.globals)}
    fits = sorted(recording.memories) == list(range(len(module.memories)))
    fits &= sorted(now.tables) == sorted(recording.before.tables) == list(range(len(module.tables)))
    fits &= all(len(bits) == sizes.get(index) for index, bits in now.numbers.items())
    fits &= now.numbers.keys() == recording.before.numbers.keys() and now.held.keys() == recording.before.held.keys()
    if not fits:
        raise Unsupported(
            "what Node told of the program is not the state of this module",
            hint="The script must leave the files alone that its environment variables name.",
        )


def check_owner(module: Module, recording: Recording) -> None:
    """Refuses a dynamic library: the memory that it was loaded into is its main module's, whose functions begin at the
    table's start. Raises `DynamicLibrary`."""
    imported = [entry for entry in module.imports if entry.kind == ExternKind.GLOBAL]
    for index, entry in enumerate(imported):
        base = int.from_bytes(recording.state.numbers.get(index, b""), "little")
        if entry.name == _TABLE_BASE and base > _MAIN_TABLE_BASE:
            raise DynamicLibrary(
                "the module was loaded as a dynamic library: the memory is its main module's",
                hint="Capture the main module, with libraries linked statically.",
            )


def check_pause(recording: Recording) -> None:
    """Refuses a moment at which a program can't be captured. Raises `CaptureRefused`."""
    if recording.instances > 1:
        more = recording.instances - len(recording.makers)
        makers = "; ".join(printable(maker) or "unknown" for maker in recording.makers)
        raise CaptureRefused(
            f"the script made {recording.instances} instances of the module (by {makers}"
            f"{f'; and {more} more' if more else ''}): an output holds the state of one",
            hint="Make one instance in the script. One that another part of the glue makes belongs into another run.",
        )
    if recording.depth:
        raise CaptureRefused(
            "the program is paused inside of a call of an export: what is under way can't be written to a module",
            hint="Call preinit.pause() after that call has returned, not in a function that the program calls.",
        )
    if recording.suspended > 0:
        raise CaptureRefused(
            "the program is paused while one of its functions is suspended, and would never go on",
            hint="Wait for the promise of each call in prepare(): `await program.work()`.",
        )
    check_alive(recording)


def check_alive(recording: Recording) -> None:
    """Refuses a program that has ended. Raises `CaptureRefused`."""
    ended = [entry for entry in recording.imports if entry.times and ENDING.fullmatch(entry.title)]
    exiting = any("exitRuntime" in call.frames[:3] for call in recording.calls)
    if ended or exiting or any(re.fullmatch(r"_*funcs_on_exit", name) for name in recording.called):
        said = f"it called `{printable(ended[0].title)}`" if ended else "what it does at its exit was run"
        raise CaptureRefused(
            f"the program has ended ({said}): its runtime can't be used any more",
            hint="Build it so that it stays alive after main (Emscripten: without EXIT_RUNTIME), or don't call exit.",
        )


def captured(module: Module, recording: Recording, owners: Ownership, max_memory: int) -> Captured:
    """Raises `CaptureRefused`, `UnsupportedState`, `MemoryLimit` for what can't be written to a module."""
    size = sum(map(len, recording.memories.values()))
    if size > max_memory:
        raise MemoryLimit(f"the memories have {exactly(size)} at the pause, the limit is {exactly(max_memory)}",
                          hint="Have prepare() use less memory.")  # fmt: skip
    memories = tuple(
        MemoryState(len(recording.memories[i]) // limits.page_size, recording.memories[i])
        for i, limits in enumerate(module.memories)
    )
    for index, segment in enumerate(module.elements):
        if segment.allocates and index not in recording.dropped_elements:
            raise UnsupportedState(f"element segment {index} holds objects, whose contents may have changed")
    tables, foreign = _tables(module, recording, owners)
    segments = SegmentsState(recording.dropped_data, recording.dropped_elements)
    return Captured(Snapshot(memories, _globals(module, recording), tables, segments), foreign)


def _globals(module: Module, recording: Recording) -> GlobalsState:
    now, before = recording.state, recording.before
    numbers_before = dict(before.numbers)
    imported = [entry for entry in module.imports if entry.kind == ExternKind.GLOBAL]
    for index, entry in enumerate(imported):
        if entry.module in _GOT and index in now.numbers:
            numbers_before[index] = now.numbers[index]
    references: dict[int, Reference] = {}
    for index, value in now.held.items():
        if value == "undefined" == before.held[index]:
            continue
        if isinstance(value, str):
            name = module.names.globals.get(index)
            what = "a function of another module" if value == "foreign" else "an object of JavaScript"
            raise UnsupportedState(
                f"global {index}{f' ({printable(name)})' if name else ''} of {type_name(module.globals[index].type)} "
                f"holds {what}",
                hint="Set it to null before the pause, and again in resume(program).",
            )
        if value != before.held[index]:
            references[index] = value
    return GlobalsState(now.numbers, numbers_before, references)


def _tables(module: Module, recording: Recording, owners: Ownership) -> tuple[TablesState, dict[int, int]]:
    changed: dict[int, tuple[Reference, ...]] = {}
    foreign: dict[int, int] = {}
    for index, entries in recording.state.tables.items():
        before = recording.before.tables[index]
        if "object" in entries or "undefined" in entries:
            is_pyodide = any(entry.name.startswith(("hiwire_", "JsProxy_")) for entry in recording.imports)
            raise CaptureRefused(
                f"table {index} of {type_name(module.tables[index].type)} holds objects of JavaScript, which no module "
                "can hold",
                hint="Release them before the pause: set its entries to null, as undefined is an object, too."
                + " Pyodide makes its own snapshots: give loadPyodide `_makeSnapshot`." * is_pyodide,
            )
        end = _own_end(entries, before)
        if "foreign" in entries[:end]:
            slots = [slot for slot, entry in enumerate(entries[:end]) if entry == "foreign"]
            shown = ", ".join(map(str, slots[:_FEW])) + (f" and {len(slots) - _FEW} more" if slots[_FEW:] else "")
            raise CaptureRefused(
                f"table {index} holds {counted(len(slots), 'function')} of other modules or of JavaScript between its "
                f"own (at {shown})",
                hint="Link libraries statically instead of loading them (dlopen), and call addFunction after all else.",
            )
        if cut := sum(entry == "foreign" for entry in entries[end:]):
            foreign[index] = cut
        wanted = depends_on_globals(module, index) or owners.tables.restores(index)
        own = tuple(entry for entry in entries[:end] if not isinstance(entry, str))
        if wanted or own != before:
            changed[index] = own
    return TablesState(changed), foreign


def _own_end(entries: Sequence[Held], before: Sequence[Held]) -> int:
    """Where what JavaScript appended to a table begins: it gets the same slots again, in the same order."""
    added = entries[len(before) :]
    if "foreign" not in added:
        return len(entries)
    first = len(before) + added.index("foreign")
    last = max((slot for slot in range(first, len(entries)) if isinstance(entries[slot], int)), default=first - 1)
    return last + 1
