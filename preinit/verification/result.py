"""What a verification gives back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

#: Version of the JSON form.
VERIFICATION_VERSION = 1


@dataclass(frozen=True)
class Compared:
    """What was compared: `memories` and `tables` in bytes and entries of each, the others by their number.

    `functions` with `code_bytes` of code; `segments` that code could name.
    """

    memories: tuple[int, ...]
    tables: tuple[int, ...]
    globals: int
    segments: int
    exports: int
    imports: int
    functions: int
    code_bytes: int
    custom_sections: int


@dataclass(frozen=True)
class CallFacts:
    """A call that both answered alike: `outcome` is "returned", "exit" or an error's code, `detail` says it in words.

    "time-limit": at least one of them was stopped, so nothing is known.
    """

    call: str
    outcome: str
    detail: str


@dataclass(frozen=True)
class Verification:
    """An output that is what its input is after its initializer. `runs`: the functions that were run for it.

    `sha256` of both. `seconds` in all.
    """

    version: int
    preinit: str
    input_sha256: str
    output_sha256: str
    runs: tuple[str, ...]
    compared: Compared
    calls: tuple[CallFacts, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return dataclasses.asdict(self)
