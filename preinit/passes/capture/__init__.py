"""From a running instance to a Snapshot."""

from __future__ import annotations

from ...binary.module import Module
from ...engine.guest import Instance, Instrumented
from ...options import Imports
from ..snapshot import Snapshot
from .memory import capture_memories
from .references import (
    References,
    capture_reference_globals,
    capture_tables,
    observe_again,
    observe_references,
)
from .segments import capture_dropped_data, capture_dropped_elements

__all__ = ["References", "capture", "observe_references"]


def capture(
    module: Module, instrumented: Instrumented, instance: Instance, before: References, imports: Imports
) -> Snapshot:
    """The state of an instance after its initializer.

    `before`: what `observe_references` gave before it ran. `imports`: what becomes of imports; where they don't just
    stay, they are captured even if they did not change. The snapshot's memories are views of the instance: keep it.
    Raises `UnsupportedState` for what can't be written to a module.
    """
    after = observe_again(module, instrumented, instance, before)
    tables = capture_tables(module, before, after, instance, imports != "keep")
    references = capture_reference_globals(module, before, after, instance, imports == "define")
    dropped_elements = capture_dropped_elements(module, instrumented, instance)
    dropped_data = capture_dropped_data(instrumented, instance)  # runs probes, so it comes before the views
    return Snapshot(
        memories=capture_memories(module, instrumented, instance),
        globals=after.numbers,
        globals_before=before.numbers,
        tables=tables,
        references=references,
        dropped_data=dropped_data,
        dropped_elements=dropped_elements,
    )
