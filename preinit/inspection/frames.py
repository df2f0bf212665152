"""The stack of a program that was paused in the middle."""

from __future__ import annotations

from ..binary.module import Module
from ..binary.paused import active_functions
from .model import PausedFrame


def paused_frames(module: Module) -> tuple[PausedFrame, ...]:
    """What was active, innermost first; nothing where the module says nothing of that. Raises `Malformed`."""
    active = active_functions(module)
    names = module.function_names({one.function for one in active})
    bodies, first = module.bodies, module.imported_functions
    frames = []
    for one in active:
        body, resumed = bodies[one.function - first], bodies[one.resumed - first]
        sizes = (body.end - body.start, resumed.end - resumed.start)
        frames.append(PausedFrame(one.function, names.get(one.function), one.offset, sizes[0], one.resumed, sizes[1]))
    return tuple(frames)
