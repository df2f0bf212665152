"""Where two memories differ, in few ranges."""

from __future__ import annotations

import random

import pytest

from preinit.node.proof import changed_ranges


def by_hand(before: bytes, now: bytes, gap: int) -> list[tuple[int, int, int]]:
    found: list[list[int]] = []
    for at, (one, other) in enumerate(zip(before, now, strict=False)):
        if one == other:
            continue
        if found and at - found[-1][1] <= gap:
            found[-1][1] = at + 1
            found[-1][2] += 1
        else:
            found.append([at, at + 1, 1])
    return [(start, end, number) for start, end, number in found]


@pytest.mark.parametrize("seed", range(20))
def test_ranges_are_those_that_a_look_at_each_byte_gives(seed: int) -> None:
    source = random.Random(seed)
    before = source.randbytes(source.choice([0, 1, 4096, 10_000, 20_001]))
    now = bytearray(before)
    for _ in range(source.choice([0, 1, 10, 300]) if before else 0):
        at = source.randrange(len(now))
        now[at : at + source.choice([1, 3, 70])] = source.randbytes(1)
    now += bytes(source.choice([0, 5000]))
    assert list(changed_ranges(memoryview(before), memoryview(bytes(now)))) == by_hand(before, bytes(now), 64)
