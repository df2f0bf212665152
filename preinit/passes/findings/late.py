"""What an instance was to bring itself, and does not, or not in the way that it should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import printable
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
            "what it copied is the same in every instance, and what it fetches again is the instance's",
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
            f"{facts.elsewhere} more word{'s' * (facts.elsewhere != 1)} of memory hold{'s' * (facts.elsewhere == 1)} "
            "the address of an array of the build's environment and can't be bound: what reads the environment through "
            f"{'it' if facts.elsewhere == 1 else 'them'} sees the build's",
            "Where a variable is missing in instances, fetch it in an entry point: docs/world.md says how, for each "
            "language.",
        )
    if facts.environment_globals:
        indices, many = ", ".join(map(str, facts.environment_globals)), len(facts.environment_globals) > 1
        yield BuildWarning(
            "late-elsewhere",
            f"global{'s' * many} {indices} still hold{'s' * (not many)} the address of the build's environment: what "
            f"reads the environment through {'them' if many else 'it'} sees the build's",
            "Keep that address in memory, where it is bound, or have the program take it again when an instance "
            "starts.",
        )
    if facts.entries_held:
        places = [f"the entry of {printable(name)}" if name else "its end" for name in facts.entries_held]
        yield BuildWarning(
            "late-elsewhere",
            "words of memory, or globals, still point into the build's array of the environment, to "
            f"{', '.join(places)}: what the guest took while it was built is the build's in every instance",
            "Have it look through `environ` again when an instance starts, and keep no place in it of before.",
        )
    if facts.variables_held:
        names, many = ", ".join(map(printable, facts.variables_held)), len(facts.variables_held) > 1
        yield BuildWarning(
            "late-elsewhere",
            "words of memory, or globals, still hold an address within the build's text of the environment "
            f"variable{'s' * many} {names}: what the guest took while it was built is the build's in every instance",
            "Have it call `getenv` again when an instance starts, and keep nothing of it before.",
        )
    if facts.arguments_held:
        numbers, many = ", ".join(map(str, facts.arguments_held)), len(facts.arguments_held) > 1
        yield BuildWarning(
            "late-elsewhere",
            "words of memory, or globals, still hold an address within the build's text of "
            f"argument{'s' * many} number {numbers}: what the guest took while it was built is the build's in every "
            "instance",
            "Have it take arguments from `argv` again when an instance starts.",
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
    if facts.arguments == "unbound" and facts.arguments_cause:
        yield BuildWarning(
            "late-arguments",
            f"the arguments are those of the build in every instance: {facts.arguments_cause}",
            "Fetch them in an entry point: docs/world.md.",
        )
    elif facts.arguments == "unbound":
        yield BuildWarning(
            "late-arguments",
            "the guest fetched its arguments and keeps no array of them that could be bound when an instance starts "
            "(it was given none, or changed or freed the array): what it took is the same in every instance, and what "
            "it fetches again is the instance's",
            "Where what it took should be the instance's: build with as many `--arg` as an instance gets, or fetch "
            "them in an entry point: docs/world.md.",
        )
