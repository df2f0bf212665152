"""Codes of errors and warnings: each error has its own, and whoever names one names one that there is."""

from __future__ import annotations

import re
from collections import Counter

from scripts.code_tables import warnings
from tests.support.everything import errors
from tests.support.hostile.guests import GUESTS
from tests.support.hostile.modules import BUILT
from tests.support.places import ROOT, TESTS

CODES = {kind.code for kind in errors()}
WARNINGS = {warning.code for warning in warnings()}
FILES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted(TESTS.rglob("*.py"))]

#: As the command writes it before what an error or a warning says.
SAID = re.compile(r"\b(error|warning)\[([a-z][a-z-]*)\]")
#: The rows of a table whose first column is headed "code", and in each the first thing between backticks.
TABLE = re.compile(r"^\| *code\b.*\n\|[ :|-]+\n((?:\|.*\n)+)", re.MULTILINE)
FIRST = re.compile(r"^\| *`([^`]+)`", re.MULTILINE)


def unknown(text: str) -> set[str]:
    """The codes that a text names, and that there are not."""
    said = {code for kind, code in SAID.findall(text) if code not in (CODES if kind == "error" else WARNINGS)}
    return said | {code for rows in TABLE.findall(text) for code in FIRST.findall(rows)} - CODES - WARNINGS


def test_what_names_a_code_that_is_none_is_found() -> None:
    table = (
        "| code (class) | what |\n| --- | :-: |\n| `trap` (GuestTrap) | `x` |\n| `snare` | |\n| `clock-frozen` | |\n\n"
    )
    other = "| option | what |\n|---|---|\n| `--layout` | |\n"
    said = "error[time-limit]: a\nwarning[clock-frozen]: b\nerror[" + "clock-frozen]: c\nwarning[" + "trap]: d\n"
    assert unknown(said + table + other) == {"clock-frozen", "trap", "snare"}


def test_documents_and_tests_name_codes_that_there_are() -> None:
    found = {str(path.relative_to(ROOT)): unknown(path.read_text(encoding="utf-8")) for path in FILES}
    assert {path: codes for path, codes in found.items() if codes} == {}


def test_what_a_hostile_guest_may_end_with_is_the_code_of_an_error() -> None:
    found = {name: set(guest.codes) - CODES - {BUILT} for name, guest in GUESTS.items()}
    assert {name: codes for name, codes in found.items() if codes} == {}


def test_an_error_has_a_code_of_its_own() -> None:
    """And so one exit code."""
    shared = {code for code, number in Counter(kind.code for kind in errors()).items() if number > 1}
    assert shared == set()
