"""Passive segments that the initializer dropped."""

from __future__ import annotations

from ...binary.module import Module
from ...engine.guest import Instance, Instrumented
from ...errors import UnsupportedState


def capture_dropped_data(instrumented: Instrumented, instance: Instance) -> frozenset[int]:
    """The indices of the passive data segments that were dropped. Runs the probes: capture everything else before."""
    return frozenset(index for index, probe in instrumented.probes.items() if instance.traps(probe))


def capture_dropped_elements(module: Module, instrumented: Instrumented, instance: Instance) -> frozenset[int]:
    """The indices of the passive element segments that were dropped.

    Raises `UnsupportedState` where a live one holds objects, which may have changed.
    """
    dropped = frozenset(index for index, probe in instrumented.element_probes.items() if instance.traps(probe))
    for index in instrumented.element_probes.keys() - dropped:
        if module.elements[index].allocates:
            raise UnsupportedState(
                f"element segment {index} holds objects (structs or arrays), whose contents may have changed",
                hint="Objects of the engine's heap can't be written to a module yet.",
            )
    return dropped
