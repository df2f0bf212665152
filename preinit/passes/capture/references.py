"""References: which can be written, and which are the same."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.guest import Instance
from ...engine.values import RawValue
from ...errors import UnsupportedState
from ..snapshot import I31, Reference

#: What to do about objects that an output would have to hold.
OBJECTS = (
    "Objects of the engine's heap can't be written to a module yet: keep what they say in linear memory, and make them "
    "when an instance starts. Languages whose objects all live there (Kotlin, Dart, Java) can't be pre-initialized."
)


def same(instance: Instance, before: Sequence[RawValue], after: Sequence[RawValue]) -> bool:
    """Whether these are the same references: a function may be seen under several pointers."""
    return before == after or (
        len(before) == len(after) and all(_names_same(instance, *pair) for pair in zip(before, after, strict=True))
    )


def _names_same(instance: Instance, before: RawValue, after: RawValue) -> bool:
    if before == after or before.kind != "func" or after.kind != "func":
        return before == after
    function = instance.resolve_function(before.bits)
    return function is not None and function == instance.resolve_function(after.bits)


def reference(instance: Instance, value: RawValue, holder: str, where: str | None) -> Reference:
    """What `holder` holds, `where` in it. Raises `UnsupportedState` for what can't be written to a module."""
    if value.kind == "null":
        return None
    if value.kind == "i31":
        return I31(int.from_bytes(value.bits, "little", signed=True))
    check_no_object(value, holder, where)
    function = instance.resolve_function(value.bits)
    if function is None:
        raise UnsupportedState(
            f"{holder} holds a function of another module",
            where=where,
            hint="Only the module's own functions and imports can be named in it: clear that entry in the initializer.",
        )
    return function


def check_no_object(value: RawValue, holder: str, where: str | None) -> None:
    """Raises `UnsupportedState` for an object, even one that did not change: its contents may have."""
    if value.kind == "object":
        raise UnsupportedState(
            f"{holder} holds an object (a struct, array, exception or host reference), whose contents may have changed",
            where=where,
            hint=f"Set it to null before the initializer ends. {OBJECTS}",
        )
