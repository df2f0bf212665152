"""Globals: those whose value the module does not say are exported."""

from __future__ import annotations

from ...binary.module import Module
from ...binary.sections import ExternKind, Global
from ...binary.types import is_numeric
from .additions import Additions


def export_globals(add: Additions) -> dict[int, str]:
    """Index of each global that is read -> its export."""
    return {index: add.export(ExternKind.GLOBAL, index, "global") for index in read_globals(add.module)}


def read_globals(module: Module) -> list[int]:
    """The globals whose values must be read: they can change, or are not written in the module."""
    return [index for index, entry in enumerate(module.globals) if _is_read(entry)]


def _is_read(entry: Global) -> bool:
    return entry.mutable or not is_numeric(entry.type) or _is_from_outside(entry)


def _is_from_outside(entry: Global) -> bool:
    """Whether a constant global's value is not written in the module: imported, or computed from one that is."""
    return entry.initializer is None or bool(entry.initializer.globals)
