"""Warnings that a strict build accepts: WARNING, or WARNING@FUNCTION."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError, quoted
from ..tuples import NamedTuple
from .kinds import Kind
from .lists import read_list, texts
from .texts import matching, name_text

#: The warnings that a build can give.
WARNINGS = (
    "arguments-frozen",
    "assumed-global",
    "clock-frozen",
    "constructors-exported",
    "descriptors-open",
    "entropy-frozen",
    "environment-frozen",
    "environment-value",
    "folders-frozen",
    "glue-alive",
    "glue-descriptors",
    "glue-files",
    "glue-folder",
    "glue-handles",
    "glue-import-dropped",
    "glue-late",
    "glue-left",
    "glue-load",
    "glue-lost",
    "glue-modules",
    "glue-once",
    "glue-output",
    "glue-positions",
    "glue-slots",
    "glue-start",
    "glue-threw",
    "glue-unproven",
    "glue-written",
    "handles-open",
    "host-function",
    "imported-memory-grew",
    "imported-table-grew",
    "initializer-result",
    "late-arguments",
    "late-changed",
    "late-elsewhere",
    "late-environment",
    "late-folder-asked",
    "late-remains",
    "late-several",
    "no-constructors",
    "nothing-exported",
    "output-before-pause",
    "output-unflushed",
    "preload-state",
    "signature",
    "source-map-moved",
    "stack-pointer",
    "start-runs-constructors",
    "stdin-consumed",
    "stub-answered",
    "uncommon-proposal",
    "unlinked-import",
)

#: Functions of the world whose calls a warning is about: it can be accepted by who makes them.
CALLED = {
    "arguments-frozen": ("args_sizes_get", "args_get"),
    "clock-frozen": ("clock_time_get",),
    "entropy-frozen": ("random_get",),
    "environment-frozen": ("environ_sizes_get", "environ_get"),
    "folders-frozen": ("fd_prestat_get",),
    "stdin-consumed": ("fd_read",),
}


#: Bytes of a wrong name that are compared.
_LONGEST = 100


class Accepted(NamedTuple):
    """A warning that is accepted; with `function`, only of calls on the way from that function, a name or an index."""

    code: str
    function: str


def accepted(text: str) -> Accepted:
    """Of a text that was checked."""
    code, _, function = text.partition("@")
    return Accepted(code, function)


def watched(accept: tuple[str, ...]) -> frozenset[str]:
    """Functions of the world of which each caller must be known."""
    return frozenset(name for code, function in map(accepted, accept) if function for name in CALLED[code])


def accepted_kind() -> Kind:
    """A list of such texts."""

    def check(name: str, value: Any) -> str:
        text = name_text(name, value)
        code, found, function = text.partition("@")
        if code not in WARNINGS:
            from difflib import get_close_matches  # takes longer to import than a good build would want to wait

            close = get_close_matches(code[:_LONGEST], WARNINGS, 1)
            hint = f"Write `{close[0]}`." if close else f"One of {', '.join(WARNINGS)}."
            raise UsageError(f"there is no warning {quoted(code)} to accept", hint=hint)
        if found and not (function and code in CALLED):
            what = f"the warning {code} is not about calls of a function" if function else "no function is named"
            raise UsageError(
                f"{quoted(text)} can't be accepted: {what}",
                hint=f"Accept it as a whole: `--accept {code}`; by caller can be {', '.join(CALLED)}.",
            )
        return text

    pattern = rf"(?:{'|'.join(WARNINGS)})(?:@[^\u0000]+)?"
    read_one = matching("the code of a warning, or CODE@FUNCTION", pattern)
    return texts(check, pattern)._replace(
        read=lambda value, path: read_list(value, path, read_one, "a list of strings")
    )
