"""Frames: what the active functions held when they were unwound, see `instrument.frames`."""

from __future__ import annotations

from ...binary.module import Module
from ...binary.types import NUMERIC_SIZES, ValType, is_numeric, type_name
from ...engine.guest import Instance
from ...engine.values import RawValue
from ...errors import PauseDiffers, PauseRefused, printable, quoted
from ...host.filesread import shown_path
from ...options import Options
from ..instrument.frames import Site, is_function_reference
from ..run.paused import Paused
from ..snapshot import FramesState, FrameState, FrameValue, OpenFile
from .references import reference

_NULL = 1


def capture_frames(module: Module, paused: Paused, options: Options) -> FramesState:
    """The frames of a guest that was paused; none of one that was not.

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
    files = _open_files(paused, options)
    world = paused.world
    rest = (files, world.folders, world.closed_numbers(), world.kept_output, world.moved_streams())
    return FramesState(tuple(frames), pausing.run, *rest)


def _open_files(paused: Paused, options: Options) -> tuple[OpenFile, ...]:
    """What the output opens again. Raises `PauseRefused`."""
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
        name = self._module.function_name(body.function)
        where = f"function {body.function}" + (f" (`{printable(name)}`)" if name else "")
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
