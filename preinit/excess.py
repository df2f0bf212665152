"""What is said about an output that is larger than it may be."""

from __future__ import annotations

from typing import Any, NamedTuple

from .errors import PreinitError, printable


class Excess(NamedTuple):
    """A budget that the output does not keep.

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
    """The output is larger than its budgets allow, see `excesses`."""

    code = "budget"

    def __init__(self, excesses: tuple[Excess, ...], hint: str) -> None:
        names = ", ".join(excess.budget for excess in excesses)
        super().__init__(f"the output does not keep its budget{'s'[: len(excesses) > 1]} {names}", hint=hint)
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
