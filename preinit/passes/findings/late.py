"""What an instance was to bring itself, and does not, or not in the way that it should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...result import BuildWarning

if TYPE_CHECKING:
    from ..late import Late

_ENTRY = "Fetch it in an entry point: docs/world.md says how, for each language."


def late_warnings(late: Late) -> Iterator[BuildWarning]:
    facts = late.facts
    if facts.environment == "unbound" and facts.cause:
        yield BuildWarning(
            "late-environment", f"the environment is that of the build in every instance: {facts.cause}", _ENTRY
        )
    elif facts.environment == "unbound":
        yield BuildWarning(
            "late-environment",
            "the guest fetched its environment and keeps no array of it that could be bound when an instance starts: "
            "what it copied is the same in every instance",
            _ENTRY,
        )
    if facts.environment_arrays > 1:
        yield BuildWarning(
            "late-several",
            f"the guest fetched its environment several times and keeps {facts.environment_arrays} arrays of it: all "
            "of them become the instance's",
            "Fetch it once.",
        )
    if facts.environment_changed:
        yield BuildWarning(
            "late-changed",
            "the guest changed its environment while it was built, and an instance has its own: those changes are gone",
            "Change it when an instance starts.",
        )
    if facts.elsewhere and facts.environment_arrays:
        yield BuildWarning(
            "late-elsewhere",
            f"{facts.elsewhere} more word{'s' * (facts.elsewhere != 1)} of memory held the environment's address in "
            "one of two runs only: what reads the environment through "
            f"{'it' if facts.elsewhere == 1 else 'them'} sees the build's",
            "If a variable is missing in instances: " + _ENTRY,
        )
    if facts.texts:
        one = facts.texts == 1
        yield BuildWarning(
            "late-elsewhere",
            f"{facts.texts} more word{'' if one else 's'} of memory hold{'s' * one} the address of a text of the "
            f"build: what reads an argument or a variable through {'it' if one else 'them'} sees the build's",
            "If it should be the instance's: take it from `argv` or `getenv` again when an instance starts.",
        )
    for number, what in ((facts.environment_active, "environment"), (facts.arguments_active, "arguments")):
        if number:
            one = number == 1
            yield BuildWarning(
                "late-elsewhere",
                f"{number} local{'s' * (not one)} or operand{'s' * (not one)} of active functions point{'s' * one} "
                f"to the build's {what}: what reads the {what} through "
                f"{'it' if one else 'them'} sees the build's",
                "Pause before the program takes it from `environ` or `argv`, or have it take it again after the pause.",
            )
    if facts.arguments == "unbound":
        yield BuildWarning(
            "late-arguments",
            "the guest fetched its arguments and keeps no array of them that could be bound when an instance starts "
            "(it was given none, or changed or freed the array): what it took is the same in every instance",
            "Build with as many `--arg` as an instance gets, or fetch them in an entry point: docs/world.md.",
        )
