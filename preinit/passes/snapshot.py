"""What a paused guest holds: one frozen value for each kind of state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tuples import NamedTuple

if TYPE_CHECKING:
    from ..binary.typed import Call, TypedBody


class I31(NamedTuple):
    """An i31 reference: a number of 31 bits, signed."""

    value: int


#: A reference that can be written: null, a function by its index, an i31.
Reference = int | I31 | None


class MemoryState(NamedTuple):
    """A memory's size in pages, and its bytes: a view of the running instance, not a copy.

    `touched`: ranges outside of which all is zero; None where that isn't known.
    """

    pages: int
    content: memoryview
    touched: list[tuple[int, int]] | None = None


class GlobalsState(NamedTuple):
    """Globals by index.

    `numbers`: of those of a numeric type, mutable or imported or computed from an imported one, the raw little-endian
    bytes; `numbers_before`: the same before anything ran. `references`: those of a reference type that changed, or that
    the output must set.
    """

    numbers: dict[int, bytes]
    numbers_before: dict[int, bytes]
    references: dict[int, Reference]


class TablesState(NamedTuple):
    """All entries of each table that changed, or that the output must fill, by index."""

    changed: dict[int, tuple[Reference, ...]]


class SegmentsState(NamedTuple):
    """Indices of the passive segments that were dropped."""

    dropped_data: frozenset[int]
    dropped_elements: frozenset[int]


#: What a local or operand of an active function held: the raw little-endian bytes of a number, or a reference.
FrameValue = bytes | Reference


class FrameState(NamedTuple):
    """A function that is in the middle of a call: `call`, one of `body.calls`.

    `locals` by index, those that were set; `operands`: all that lies on its stack below the call, the lowest first;
    `arguments`: what the call takes, of the innermost function, whose call has not begun.
    """

    body: TypedBody
    call: Call
    locals: dict[int, FrameValue]
    operands: tuple[FrameValue, ...]
    arguments: tuple[FrameValue, ...]


class OpenFile(NamedTuple):
    """A file or folder that is open: the arguments of `path_open`, its descriptor, and how far it was read."""

    number: int
    folder: int
    flags: int
    path: bytes
    open_flags: int
    rights: int
    inheriting: int
    fd_flags: int
    position: int


class FramesState(NamedTuple):
    """The active functions, innermost first. `run`: which of the calls that were made is under way; None for none.

    Of what else goes on: `files` that are open, besides so many `folders` of the guest, `closed` descriptors that every
    instance starts with, what was `printed`, in order, and to which of the streams 1 and 2, and streams that were
    `moved`, from which number to which; as far as the output is to do that again.
    """

    frames: tuple[FrameState, ...] = ()
    run: int | None = None
    files: tuple[OpenFile, ...] = ()
    folders: int = 0
    closed: tuple[int, ...] = ()
    printed: tuple[tuple[int, bytes], ...] = ()
    moved: tuple[tuple[int, int], ...] = ()


class Snapshot(NamedTuple):
    """All state of an instance that can differ from the state after instantiation. `memories` by memory index."""

    memories: tuple[MemoryState, ...]
    globals: GlobalsState
    tables: TablesState
    segments: SegmentsState
    frames: FramesState = FramesState()
