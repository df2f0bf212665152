"""Faults on purpose, a few of each kind; `python -m tests.support.faults` does many."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

if os.name != "posix":
    pytest.skip("signals, limits and pipes of POSIX systems", allow_module_level=True)

from tests.support.faults import FAULTS

FEW = {"interrupts": 2, "deaths": 1, "flips": 4, "limits": 4, "no_files": 10, "idle": 40}


@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_goes_wrong(tmp_path: Path, kind: str) -> None:
    found = FAULTS[kind](tmp_path, FEW[kind], random.Random(20))
    assert found.wrong == [], found
    assert sum(found.ends.values()) >= FEW[kind]


def test_each_kind_is_injected_here() -> None:
    assert FEW.keys() == FAULTS.keys()
