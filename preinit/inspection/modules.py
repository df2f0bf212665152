"""What is in a core module that was parsed."""

from __future__ import annotations

from ..binary.module import Module
from ..version import VERSION
from . import describe
from .added import added
from .frames import paused_frames
from .functions import function_groups
from .memory import memory_maps
from .model import INSPECTION_VERSION, Inspection


def inspect_module(module: Module, original: Module | None = None) -> Inspection:
    """What is in a module, and beyond the one that it was made from. Raises `Malformed` where the code section is."""
    groups, largest = function_groups(module)
    return Inspection(
        version=INSPECTION_VERSION,
        preinit=VERSION,
        size=len(module.data),
        sha256=module.sha256,
        counts=describe.counts(module),
        sections=describe.sections(module),
        memories=memory_maps(module, original),
        data_segments=describe.data_segments(module),
        data_bytes=sum(segment.end - segment.start for segment in module.data_segments),
        tables=describe.tables(module),
        element_segments=describe.element_segments(module),
        globals=describe.globals_(module),
        imports=describe.imports(module),
        exports=describe.exports(module),
        start=module.start,
        producers=describe.producers(module),
        features=describe.features(module),
        groups=groups,
        largest_functions=largest,
        frames=paused_frames(module),
        against=added(module, original) if original else None,
    )
