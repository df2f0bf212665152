"""What was freed goes back to the system, where the C library can be asked."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from preinit.engine import heap

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")

SMALL = """
from preinit.bench.memory import usage
from preinit.engine.heap import give_back
parts = [b"x" * 8000 + bytes((number % 256,)) for number in range(8000)]
kept = parts[::100]
del parts
before = usage().resident
give_back()
print(before - usage().resident)
"""

LARGE = """
from preinit.bench.memory import usage
from preinit.engine.heap import give_back_large
give_back_large()
bytearray(20_000_000)
parts = [b"x" * 900_000 + bytes((number % 256,)) for number in range(60)]
kept = parts[-1]
before = usage().resident
del parts
print(before - usage().resident)
"""


@glibc
@pytest.mark.parametrize("program", [SMALL, LARGE], ids=["small parts", "large parts"])
def test_most_of_what_was_freed_goes_back(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40_000_000


def test_where_it_can_not_be_asked_for_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    heap._library.cache_clear()
    try:
        heap.give_back()
        heap.give_back_large()
        assert heap._library() is None
    finally:
        heap._library.cache_clear()
