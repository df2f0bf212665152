"""Searching memory for addresses gives what looking at each word does."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preinit.passes.late import find
from preinit.passes.snapshot import MemoryState

#: Numbers whose bytes are alike, so that many begin within others.
HALVES = st.sampled_from([0x0000, 0x0001, 0x0100, 0x0101, 0x2E2E, 0x2E5D, 0x5D2E, 0xFFFF])


@given(st.lists(st.tuples(HALVES, HALVES), max_size=64), HALVES, HALVES, st.integers(0, 0x20000))
def test_words_within_a_range_are_those_that_looking_at_each_finds(
    words: list[tuple[int, int]], low: int, upper: int, length: int
) -> None:
    content = b"".join(struct.pack("<HH", *word) for word in words)
    first = low | upper << 16
    last = min(first + length, 0xFFFFFFFF)
    memory = MemoryState(1, memoryview(bytearray(content)))
    every = [(at, *struct.unpack_from("<I", content, at)) for at in range(0, len(content), 4)]
    assert sorted(find.words_within(memory, first, last)) == [(at, word) for at, word in every if first <= word <= last]


@pytest.mark.parametrize("value", [0x01020304, 0x2E2E2E2E, 0x00000100])
def test_words_are_found_at_the_ends_of_parts(value: int) -> None:
    content = bytearray(3 << 20)
    places = [0, (1 << 20) - 4, 1 << 20, (2 << 20) - 4, (3 << 20) - 4]
    for place in places:
        content[place : place + 4] = struct.pack("<I", value)
        content[place + 6 : place + 10] = struct.pack("<I", value)[: max(0, len(content) - place - 6)][:4]
    del content[3 << 20 :]
    memory = MemoryState(48, memoryview(content))
    expected = [number * 4 for number, (word,) in enumerate(struct.iter_unpack("<I", content)) if word == value]
    assert set(places) <= set(expected)
    assert [at for at, _ in find.words_within(memory, value, value)] == expected
    assert list(find.words(memory, value)) == expected
