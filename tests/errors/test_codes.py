"""Codes of errors: each error has its own, and whoever names one names one that there is."""

from __future__ import annotations

import re
from collections import Counter

from tests.support.everything import errors
from tests.support.hostile.guests import GUESTS
from tests.support.hostile.modules import BUILT
from tests.support.places import ROOT, TESTS

CODES = {kind.code for kind in errors()}
FILES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted(TESTS.rglob("*.py"))]

#: As the command writes it before what an error says.
SAID = re.compile(r"\berror\[([a-z][a-z-]*)\]")
#: The rows of a table whose first column is headed "code", and in each the first thing between backticks.
TABLE = re.compile(r"^\| *code\b.*\n\|[ :|-]+\n((?:\|.*\n)+)", re.MULTILINE)
FIRST = re.compile(r"^\| *`([^`]+)`", re.MULTILINE)


def named(text: str) -> set[str]:
    """The codes of errors that a text names."""
    return {*SAID.findall(text), *(code for rows in TABLE.findall(text) for code in FIRST.findall(rows))}


def test_what_names_a_code_is_found() -> None:
    table = "| code (class) | what |\n| --- | :-: |\n| `trap` (GuestTrap) | `unreachable` |\n| `component` | |\n\n"
    assert named(f"error[time-limit]: x\n{table}| option | what |\n|---|---|\n| `--layout` | |\n") == {
        "time-limit", "trap", "component",
    }  # fmt: skip


def test_documents_and_tests_name_codes_that_there_are() -> None:
    unknown = {str(path.relative_to(ROOT)): named(path.read_text(encoding="utf-8")) - CODES for path in FILES}
    assert {path: codes for path, codes in unknown.items() if codes} == {}


def test_what_a_hostile_guest_may_end_with_is_the_code_of_an_error() -> None:
    unknown = {name: set(guest.codes) - CODES - {BUILT} for name, guest in GUESTS.items()}
    assert {name: codes for name, codes in unknown.items() if codes} == {}


def test_an_error_has_a_code_of_its_own() -> None:
    """But those that differ in their exit code only."""
    shared = {code for code, number in Counter(kind.code for kind in errors()).items() if number > 1}
    assert shared == {"input"}  # files that can't be read are wrong usage: `Unreadable`
