"""A verification as a few lines for people, and as JSON."""

from __future__ import annotations

from collections import Counter

from ..errors import counted
from ..result.write import text
from ..verification import Verification

#: What calls came to, in words; of any other outcome, the error's code.
_OUTCOMES = {
    "returned": "returned",
    "exit": "ended the program",
    "trap": "trapped",
    "import-called": "called an import that does not exist here",
    "time-limit": "took too long: nothing is known of them",
}
#: Calls that took too long, which are listed.
_FEW = 5


def lines(facts: Verification) -> list[str]:
    """What was compared, and what the calls came to."""
    compared = facts.compared
    parts = [
        _number(len(compared.memories), "memory", f"{sum(compared.memories):,} bytes", "memories"),
        _number(len(compared.tables), "table", _number(sum(compared.tables), "entry", plural="entries")),
        _number(compared.globals, "global"),
        _number(compared.segments, "passive segment"),
        _number(compared.exports, "export"),
        _number(compared.imports, "import"),
        _number(compared.functions, "function", f"{compared.code_bytes:,} bytes"),
        _number(compared.custom_sections, "custom section"),
    ]
    said = [
        f"the output is what the input is after {', '.join(facts.runs)}",
        f"compared: {', '.join(filter(None, parts)) or 'nothing, there is nothing in it'}",
    ]
    if facts.calls:
        counted = Counter(call.outcome for call in facts.calls)
        outcomes = [f"{number:,} {_OUTCOMES.get(code, code)}" for code, number in counted.most_common()]
        said.append(f"{_number(len(facts.calls), 'call')}, none of which differs: {', '.join(outcomes)}")
        unknown = [call.call for call in facts.calls if call.outcome == "time-limit"]
        said += [f"  took too long: {call}" for call in unknown[:_FEW]]
        if len(unknown) > _FEW:
            said.append(f"  and {len(unknown) - _FEW:,} more: see --json")
    return [*said, f"{facts.seconds:.2f} s"]


def _number(count: int, noun: str, more: str = "", plural: str | None = None) -> str:
    if not count:
        return ""
    return counted(count, noun, plural or "") + (f" ({more})" if more else "")


def dumps(facts: Verification) -> str:
    """The facts as JSON."""
    return text({**facts.to_dict(), "same": True})
