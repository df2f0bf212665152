"""Frames: what the active functions held when they were unwound, see `instrument.frames`."""

from __future__ import annotations

from collections.abc import Sequence

from ...binary.cursor import Cursor
from ...binary.instructions import decoder
from ...binary.module import Module
from ...binary.opcodes import (
    CALL,
    CALL_INDIRECT,
    MISC_PREFIX,
    RETURN_CALL,
    RETURN_CALL_INDIRECT,
    RETURN_CALL_REF,
    code,
)
from ...binary.sections import ExternKind
from ...binary.types import NUMERIC_SIZES, ValType, is_numeric, type_name
from ...engine.guest import Instance
from ...engine.values import RawValue
from ...errors import PauseDiffers, PauseRefused, quoted
from ...host.filesread import shown_path
from ...options import Options
from ..instrument.frames import Site, is_function_reference
from ..run.paused import Paused
from ..snapshot import FramesState, FrameState, FrameValue, OpenFile
from .references import reference

_NULL = 1
_TAIL_CALLS = decoder(frozenset(), frozenset((RETURN_CALL, RETURN_CALL_INDIRECT, RETURN_CALL_REF)))
#: `table.set`, `table.init`, `table.copy`, `table.fill`: what puts something else where an element is.
_TABLE_CHANGES = frozenset((0x26, *(code(MISC_PREFIX, second) for second in (0x0C, 0x0E, 0x11))))
_TAIL_CALLS_AND_CHANGES = decoder(
    frozenset(), frozenset((RETURN_CALL, RETURN_CALL_INDIRECT, RETURN_CALL_REF)) | _TABLE_CHANGES
)


def capture_frames(module: Module, paused: Paused, options: Options, called: Sequence[str]) -> FramesState:
    """The frames of a guest that was paused; none of one that was not. `called`: the exports that were.

    Raises `PauseDiffers` where they are not those of the first run, `PauseRefused` for a value that can't be written.
    """
    pausing, probes = paused.pausing, paused.instrumented.frames
    if pausing is None or probes is None:
        return FramesState()
    instance = paused.instance
    used = int.from_bytes(instance.global_value(probes.used, 4).bits, "little")
    content = instance.memory(probes.memory)[:used].tobytes()
    reader = _Reader(module, instance, content, instance.table_values(probes.functions)[1:])
    frames: list[FrameState] = []
    while reader.remaining:
        frames.append(reader.frame(pausing.watched.sites))
    wanted = pausing.stack if pausing.watched.hooked is None else pausing.stack[1:]
    if [frame.body.function for frame in frames] != wanted:
        raise PauseDiffers("other functions were unwound at the pause than were active in the first run")
    lends = bool(options.preloads) and any(export.kind == ExternKind.TABLE for export in module.exports)
    _check_tail_calls(module, paused, frames[0] if frames else None, called[pausing.run], lends)
    files = _open_files(paused, options)
    world = paused.world
    rest = (files, world.folders, world.closed_numbers(), world.kept_output, world.moved_streams())
    return FramesState(tuple(frames), pausing.run, *rest)


def _check_tail_calls(module: Module, paused: Paused, innermost: FrameState | None, export: str, lends: bool) -> None:
    """Raises `PauseRefused` where the innermost call that is under way is not the one that was paused.

    What ended by a tail call is on no stack: the call under way is that of a function that has done something since,
    and would do it again.
    """
    pausing = paused.pausing
    assert pausing is not None
    if innermost is not None:
        callee = None if _may_be_another(module, innermost, lends) else _callee(module, paused, innermost)
    else:
        exported = module.exported(export)
        callee = exported.target if exported else None
    hooked = pausing.watched.hooked
    if hooked is not None:
        # What was entered several times in one call has called itself so.
        if innermost is None:
            body = module.bodies[hooked - module.imported_functions]
            tails = _TAIL_CALLS.search(module.data, body.start, body.end).found
            again = pausing.pause.point.number > 1 and bool(tails)
        else:
            probes = paused.instrumented.frames
            assert probes is not None  # it was paused
            again = int.from_bytes(paused.instance.global_value(probes.begun, 4).bits[:4], "little") != 1
        if callee == hooked and not again:
            return
    else:
        functions = [place for place, entry in enumerate(module.imports) if entry.kind == ExternKind.FUNC]
        if callee is not None and callee < len(functions) and functions[callee] in pausing.pause.imports:
            return
    raise PauseRefused(
        f"a function came to the pause ({pausing.pause.point}) by a tail call (`return_call`), or may have: it is "
        "not on the stack any more, and all that it did would be done again",
        where=module.function_place(innermost.body.function) if innermost else f"export {quoted(export)}",
        hint="Pause at a call that is no tail call (--pause-at function:NAME or import:MODULE.NAME), or compile "
        "without tail calls (for clang, leave out -mtail-call).",
    )


def _may_be_another(module: Module, frame: FrameState, lends: bool) -> bool:
    """Whether a frame may call another function than the one that its element of a table has by now: what it called can
    have put that there, and have ended by a tail call of it."""
    if module.data[frame.call.start] != CALL_INDIRECT:
        return False
    tails = changes = False
    for body in module.bodies:
        for found in _TAIL_CALLS_AND_CHANGES.search(module.data, body.start, body.end).found:
            if found.opcode in _TABLE_CHANGES:
                changes = True
            else:
                tails = True
        if tails and (changes or lends):
            return True
    return False


def _callee(module: Module, paused: Paused, frame: FrameState) -> int | None:
    """The function that a frame calls, whose call has not begun; None where nothing shows it."""
    call = frame.call
    at = Cursor(module.data, call.start, call.end, "function body")
    opcode = at.byte()
    if opcode == CALL:
        return at.u32()
    given = frame.arguments[-1]
    if opcode != CALL_INDIRECT:
        return given if isinstance(given, int) else None
    at.u32()
    entries = paused.instance.table_values(paused.instrumented.tables[at.u32()])
    assert isinstance(given, bytes)
    entry = entries[int.from_bytes(given, "little")]
    return None if entry.kind != "func" else paused.instance.resolve_function(entry.bits)


def _open_files(paused: Paused, options: Options) -> tuple[OpenFile, ...]:
    """What the output opens again. Raises `PauseRefused`."""
    for what in paused.world.unrepeatable():
        raise PauseRefused(
            f"the program {what}, and no instance can go on from there",
            hint="Pause before it does that, or when that is over: when the listing was read to its end, the "
            "descriptor was closed, or its flags are what they were.",
        )
    found = paused.world.open_files()
    for number, entry in found:
        name = f"{quoted(shown_path(entry.guest_path))} (descriptor {number})"
        if entry.opening is None:
            raise PauseRefused(f"the program has moved the folder {name}, which can't be done again")
        if not options.reopen:
            raise PauseRefused(
                f"{name} is open at the pause, and no instance has that descriptor",
                hint="Have the output open it again when it goes on (--reopen), or pause where it is closed.",
            )
    return tuple(
        OpenFile(number, *entry.opening, entry.position) for number, entry in found if entry.opening is not None
    )


class _Reader:
    """Reads stored frames, innermost first. `functions`: the references to functions in them, in order."""

    def __init__(self, module: Module, instance: Instance, content: bytes, functions: list[RawValue]) -> None:
        self._module = module
        self._instance = instance
        self._content = content
        self._functions = functions
        self._at = 0
        self._innermost = True

    @property
    def remaining(self) -> bool:
        return self._at < len(self._content)

    def frame(self, sites: tuple[Site, ...]) -> FrameState:
        site = sites[int.from_bytes(self._take(4), "little")]
        body, call = site.body, site.call
        where = self._module.function_place(body.function)
        values = [self._value(t, where) for t in site.types[: len(site.locals) + len(call.operands)]]
        given = site.types[len(values) :]
        arguments = [self._value(t, where) if self._innermost else self._skip(t) for t in given]
        self._innermost = False
        locals_ = dict(zip(site.locals, values, strict=False))
        operands = tuple(values[len(site.locals) :])
        return FrameState(body, call, locals_, operands, tuple(arguments))

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._content[self._at - size : self._at]

    def _skip(self, value_type: ValType) -> FrameValue:
        """What another function took, which has ended since."""
        if is_numeric(value_type) or not is_function_reference(self._module, value_type):
            self._take(NUMERIC_SIZES.get(value_type, 4))
        else:
            self._functions.pop(0)
        return None

    def _value(self, value_type: ValType, where: str) -> FrameValue:
        if is_numeric(value_type):
            return self._take(NUMERIC_SIZES[value_type])
        if is_function_reference(self._module, value_type):
            return reference(self._instance, self._functions.pop(0), "an active function", where)
        if int.from_bytes(self._take(4), "little") != _NULL:
            raise PauseRefused(
                f"an active function holds an object ({type_name(value_type)}), which can't be written to a module",
                where=where,
                hint="Pause where no active function holds objects of the engine, of the host, or exceptions.",
            )
        return None
