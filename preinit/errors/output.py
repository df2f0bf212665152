"""Errors of the output: it is invalid, too large, unlike what it should be, or can't be written."""

from __future__ import annotations

from typing import Any

from ..tuples import NamedTuple
from .base import PreinitError, printable


class WarningsRefused(PreinitError):
    """A strict build has warnings. `hazards`: the stable code of each, what and where, what to do."""

    code = "warnings"
    hint = (
        "Do what is said with each warning. Where one does not matter, let it pass: `--accept WARNING`, with its code; "
        "where only one function's calls do not: --accept WARNING@FUNCTION"
    )

    def __init__(self, hazards: tuple[tuple[str, str, str], ...]) -> None:
        number = "a warning" if len(hazards) == 1 else f"{len(hazards)} warnings"
        super().__init__(f"the build has {number}, and warnings are errors (`--strict`); nothing was written")
        self.hazards = hazards

    @property
    def details(self) -> dict[str, Any]:
        return {"warnings": [dict(zip(("code", "message", "hint"), hazard, strict=True)) for hazard in self.hazards]}

    def __str__(self) -> str:
        what, *rest = super().__str__().split("\n")
        listed = (f"  {code}: {said}\n    what to do: {hint}" for code, said, hint in self.hazards)
        return "\n".join([what, *listed, *rest])


class OutputStale(PreinitError):
    """An output is not what a build gives now (`preinit build --check`)."""

    code = "stale"
    hint = "Build it again, without `--check`."


class LateBinding(PreinitError):
    """What instances are to bring themselves can't be bound when they start (`--late`)."""

    code = "late-binding"
    hint = "Leave `--late` out, and fetch it in an entry point."


class LateFolderOpened(PreinitError):
    """The initializer opened files of a folder that only instances have (`--late-dir`)."""

    code = "late-folder"
    hint = "Open them in an entry point, or give the folder to the build: --dir HOST::GUEST"


class OutputTooLarge(PreinitError):
    """The snapshot does not fit into a module: engines bound segments and the size of a section."""

    code = "output-too-large"
    hint = "Have the initializer leave less: only what is not zero is written."


class OutputInvalid(PreinitError):
    """The module that was written does not validate: a bug in preinit, caught before anybody could use it."""

    code = "output-invalid"
    hint = "This is a bug in preinit: please report it with the module. No output was written."


class AnswerDiffers(PreinitError):
    """An output does not answer in its own glue as its input does (`preinit capture`)."""

    code = "answer-differs"
    hint = (
        "What only JavaScript knew is missing: repeat it in resume(program), have import calls made again "
        "(--replay IMPORT), or have an export that runs again run once (--once EXPORT)."
    )


class OutputNotWritable(PreinitError, OSError):
    """An output, a report or a page can't be written where it should be."""

    code = "output-not-writable"
    hint = "Name another file, or make its folder writable."


class Excess(NamedTuple):
    """A budget that the output exceeds.

    `budget`: its name, "max-size" and so on. `limit`, `actual`: in `unit`s, "bytes", "segments" or "pages".
    `contributors`: what takes most of it, largest first: a phrase, and how many units (None where it has no number).
    """

    budget: str
    limit: int
    actual: int
    unit: str
    contributors: tuple[tuple[str, int | None], ...]

    def __str__(self) -> str:
        over = self.actual - self.limit
        lines = [f"  {self.budget}: {self._counted(self.actual)}, {over:,} more than the {self.limit:,} that it allows"]
        for phrase, units in self.contributors:
            lines.append(f"    {printable(phrase)}" + ("" if units is None else f": {self._counted(units)}"))
        return "\n".join(lines)

    def _counted(self, number: int) -> str:
        return f"{number:,} {self.unit if number != 1 else self.unit.removesuffix('s')}"


class BudgetExceeded(PreinitError):
    """The output is larger than its budgets allow. `excesses` says which, and by how much.

    What to do: Reduce what the message lists, build with `--layout size`, or raise the budget.
    """

    code = "budget"

    def __init__(self, excesses: tuple[Excess, ...], hint: str) -> None:
        names = ", ".join(excess.budget for excess in excesses)
        super().__init__(f"the output exceeds its budget{'s'[: len(excesses) > 1]} {names}", hint=hint)
        self.excesses = excesses

    @property
    def details(self) -> dict[str, Any]:
        listed = []
        for excess in self.excesses:
            most = [{"what": phrase.strip(), "units": units} for phrase, units in excess.contributors]
            listed.append({**excess._asdict(), "contributors": most})
        return {"budgets": listed}

    def __str__(self) -> str:
        what, *rest = super().__str__().split("\n")
        return "\n".join([what, *map(str, self.excesses), *rest])


#: Differences that a message lists besides the first.
_FEW = 3


class Discrepancy(NamedTuple):
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
    """The output is not what the input is after its initializer. `differences`: the first ones, at least one."""

    code = "mismatch"
    hint = (
        "Verify with the options of the build, or with its report (`--from-report FILE`); or the output is not of this "
        "input."
    )

    def __init__(self, differences: tuple[Discrepancy, ...], *, hint: str | None = None) -> None:
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
