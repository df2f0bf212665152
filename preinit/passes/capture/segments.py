"""Passive segments that the initializer dropped."""

from __future__ import annotations

from ...binary.module import Module
from ...engine.guest import Instance
from ...errors import UnsupportedState
from ..instrument import Instrumented
from ..snapshot import SegmentsState
from .references import OBJECTS


def capture_segments(module: Module, instrumented: Instrumented, instance: Instance) -> SegmentsState:
    """Runs the probes, so views of memories that were taken before are no longer valid.

    Raises `UnsupportedState` where a live element segment holds objects, which may have changed.
    """
    state = dropped_segments(instrumented, instance)
    for index in instrumented.segments.elements.keys() - state.dropped_elements:
        if module.elements[index].allocates:
            raise UnsupportedState(
                f"element segment {index} holds objects (structs or arrays), whose contents may have changed",
                hint=f"Drop it before the initializer ends (`elem.drop`). {OBJECTS}",
            )
    return state


def dropped_segments(instrumented: Instrumented, instance: Instance) -> SegmentsState:
    """The same, whatever live ones hold."""
    elements = frozenset(i for i, probe in instrumented.segments.elements.items() if instance.traps(probe))
    data = frozenset(i for i, probe in instrumented.segments.data.items() if instance.traps(probe))
    return SegmentsState(data, elements)
