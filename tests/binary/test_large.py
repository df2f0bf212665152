"""Memory in large pages: it holds what ordinary bytes would."""

from __future__ import annotations

import pickle
import random
from itertools import pairwise
from typing import cast

import pytest

from preinit.binary import large
from preinit.binary.rope import Rope

_SIZE = large.LARGE + 12_345


def test_pieces_are_joined_as_bytes_are() -> None:
    text = random.Random(1).randbytes(_SIZE)
    cuts = [0, 1, 4_096, 2 << 20, (2 << 20) + 7, _SIZE]
    pieces = [memoryview(text)[start:end] for start, end in pairwise(cuts)]
    assert large.joined(pieces)[:] == text
    assert large.joined(pieces[:2]) == text[:4_096]
    assert large.joined([]) == b""


def test_what_is_left_over_is_given_back() -> None:
    made = large.new(_SIZE)
    made[:3] = b"abc"
    if not large.shrink(made, 3):
        pytest.skip("memory can't be made smaller here")
    assert made[:] == b"abc"
    assert len(made) == 3


def test_memory_that_is_looked_at_is_not_made_smaller() -> None:
    made = large.new(_SIZE)
    view = memoryview(made)
    assert not large.shrink(made, 3)
    assert len(view) == _SIZE


def test_a_rope_keeps_it_as_it_is() -> None:
    made = large.new(_SIZE)
    made[-1] = 7
    rope = Rope([b"head", cast(bytes, made)])
    assert rope.pieces[1] is cast(bytes, made)
    assert rope[len(rope) - 1] == 7
    assert rope.joined() == b"head" + made[:]


def test_a_copy_for_another_process_is_bytes() -> None:
    made = large.new(_SIZE)
    made[5] = 1
    assert pickle.loads(pickle.dumps(made)) == made[:]
    assert pickle.loads(pickle.dumps(Rope([cast(bytes, made)]))).joined() == made[:]
