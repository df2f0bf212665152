"""What a build gives back: the output, and a report about it that can be written, and read again."""

from __future__ import annotations

from .captured import CaptureFacts, LoadedDifference, StandInFacts, StartTimes
from .component import ComponentFacts, CoreInstanceFacts, HandleFacts
from .values import (
    REPORT_VERSION,
    BuildWarning,
    DescriptorFacts,
    Difference,
    EngineFacts,
    FileFacts,
    HostFacts,
    LateFacts,
    MemoryFacts,
    ModuleFacts,
    PauseFacts,
    Report,
    Result,
    ResumedFrame,
    RunFacts,
    ScrubFacts,
    SnapshotFacts,
)

__all__ = [
    "REPORT_VERSION",
    "BuildWarning",
    "CaptureFacts",
    "ComponentFacts",
    "CoreInstanceFacts",
    "DescriptorFacts",
    "Difference",
    "EngineFacts",
    "FileFacts",
    "HandleFacts",
    "HostFacts",
    "LateFacts",
    "LoadedDifference",
    "MemoryFacts",
    "ModuleFacts",
    "PauseFacts",
    "Report",
    "Result",
    "ResumedFrame",
    "RunFacts",
    "ScrubFacts",
    "SnapshotFacts",
    "StandInFacts",
    "StartTimes",
]
