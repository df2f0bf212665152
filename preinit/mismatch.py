"""What `verify` finds where an output is not what its input is after its initializer."""

from __future__ import annotations

from typing import Any, NamedTuple

from .errors import PreinitError, printable

#: Differences that a message lists besides the first.
_FEW = 3


class Unlike(NamedTuple):
    """One place where an output is not what the input is after its initializer.

    `kind`: "memory", "global", "table", "data segment", "export", "import", "code", "call" and so on. `place` in words,
    with the name of what lies there; `expected` what the input has there, `found` what the output has.
    """

    kind: str
    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.place}: the input has {self.expected}, the output {self.found}"


class Mismatch(PreinitError):
    """The output is not what the input is after its initializer: `differences`, the first ones, at least one."""

    code = "mismatch"
    hint = (
        "Verify with the options of the build, or with its report (--report FILE); or the output is not of this input."
    )

    def __init__(self, differences: tuple[Unlike, ...], *, hint: str | None = None) -> None:
        super().__init__(
            "the output is not what the input is after its initializer",
            where=printable(differences[0].place),
            hint=hint,
        )
        self.differences = differences

    @property
    def details(self) -> dict[str, Any]:
        return {"differences": [found._asdict() for found in self.differences]}

    def __str__(self) -> str:
        what, where, *rest = super().__str__().split("\n")
        first, *others = self.differences
        lines = [what, where, f"  the input has: {first.expected}", f"  the output has: {first.found}"]
        lines += [f"  also {other}" for other in others[:_FEW]]
        if len(others) > _FEW:
            lines.append(f"  and {len(others) - _FEW} more")
        return "\n".join(printable(line) for line in [*lines, *rest])
