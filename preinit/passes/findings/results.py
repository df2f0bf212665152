"""What initializers returned, where nobody said what it means."""

from __future__ import annotations

from collections.abc import Sequence

from ...binary.types import I32
from ...errors import quoted
from ...options.calls import Returned, Word
from ...result import BuildWarning
from ..plan.arguments import Call, call_text
from ..plan.entries import Entry


def result_warnings(
    calls: Sequence[Call], returned: Sequence[Sequence[bytes]], entries: Sequence[Entry] = ()
) -> tuple[BuildWarning, ...]:
    """A warning for each i32 that is not zero: that is how C says that something failed.

    `returned`: the raw results of each call, none of one that exited. What the next call takes is no status; behind the
    last one, that is what `entries` of the output take.
    """
    found = []
    for position, (call, raw) in enumerate(zip(calls, returned, strict=True)):
        if not raw or call.type.results != (I32,) or call.returns or call.expected is not None:
            continue
        later = [calls[position + 1]] if position + 1 < len(calls) else [entry.call for entry in entries]
        following = [value for one in later for value in one.values]
        if any(isinstance(value, Word | Returned) for value in following):
            continue
        number = int.from_bytes(raw[0][:4], "little", signed=True)
        if number:
            found.append(
                BuildWarning(
                    "initializer-result",
                    f"the initializer {quoted(call.name)} returned {number}: many return something else than 0 when "
                    "they fail, and the output holds what it left",
                    f"Where 0 says that all is well, have that checked: {_checked(call, 0)}; where {number} does: "
                    f"{_checked(call, number)}",
                )
            )
    return tuple(found)


def _checked(call: Call, result: int) -> str:
    """How a call is written whose result must be that. What texts and data it has is not known any more."""
    if all(isinstance(value, bytes) for value in call.values):
        return f"`-f {call_text(call, f'={result}')}`"
    return f"write `={result}` behind its brackets"
