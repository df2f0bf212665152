"""Hostile and broken guests: each ends with a clear error within limits, or is built; the output stays untouched."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.amounts import amount
from tests.support.hostile.command import check
from tests.support.hostile.guests import GUESTS

#: Where both engines are of interest, guests take turns, unless many examples are asked for.
CASES = [
    (name, engine)
    for turn, (name, guest) in enumerate(GUESTS.items())
    for engine in guest.engines[turn % len(guest.engines) :][: amount(len(guest.engines), 1)]
]

#: What a terminal obeys, apart from the ends of lines.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing tells here how much memory a process took")
@pytest.mark.parametrize(("name", "engine"), CASES)
def test_a_hostile_guest_ends_within_limits(name: str, engine: str, tmp_path: Path) -> None:
    said = check(GUESTS[name], engine, tmp_path)
    assert not STEERING.search(said), said


def test_there_are_at_least_forty_of_them() -> None:
    assert len(GUESTS) >= 40
