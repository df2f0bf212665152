"""Passive segments that the initializer dropped."""

from __future__ import annotations

from ..binary.module import Module
from ..engine.guest import Instance, Instrumented
from ..errors import UnsupportedState


def capture_dropped_data(instrumented: Instrumented, instance: Instance) -> frozenset[int]:
    """The indices of the passive data segments that were dropped. Runs the probes: capture everything else before."""
    return frozenset(index for index, probe in instrumented.probes.items() if instance.traps(probe))


def check_elements_kept(module: Module, instrumented: Instrumented, instance: Instance) -> None:
    """Raises `UnsupportedState` where a passive element segment was dropped, or holds objects that may have changed."""
    for index, probe in instrumented.element_probes.items():
        if instance.traps(probe):
            raise UnsupportedState(
                f"the initializer dropped element segment {index}",
                hint="Writing dropped element segments back is not supported yet: don't use `elem.drop` there.",
            )
        if module.elements[index].allocates:
            raise UnsupportedState(
                f"element segment {index} holds objects (structs or arrays), whose contents may have changed",
                hint="Objects of the engine's heap can't be written to a module yet.",
            )
