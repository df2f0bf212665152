"""Frames: what an output says of the functions that were active, and the types that what goes on there needs.

Whether it does go on as the input would have, calls show: see `behaviour`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..binary.module import Module
from ..errors import Discrepancy
from ..passes.rewrite.frames import SECTION
from ..passes.rewrite.plan import Plan
from ..passes.snapshot import FramesState


def compare_frames(module: Module, output: Module, plan: Plan, state: FramesState) -> Iterator[Discrepancy]:
    """Where the output is another one than of a guest that was paused so."""
    first = len(module.types.functions)
    found = output.types.functions[first : first + len(plan.frames.types)]
    if found != plan.frames.types:
        yield Discrepancy("type", f"types from {first} on", f"{len(plan.frames.types)} that it needs", "other ones")
    own = output.custom(SECTION)
    said = output.data[own.content : own.end] if own else b""
    wanted = b"".join(plan.customs[0])
    if not wanted.endswith(said) or not said:
        yield Discrepancy("frame", f"custom section '{SECTION}'", f"{len(state.frames)} active functions", "others")
    names = output.names.functions
    for index, name in plan.frames.names.items():
        if names.get(index) != name:
            yield Discrepancy("frame", f"name of function {index}", name, names.get(index, "none"))
