"""A binary in pieces is read as one in one piece is."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preinit.binary import rope as ropes
from preinit.binary.module import read_sections
from preinit.binary.rope import Rope
from preinit.errors import Malformed, Truncated
from tests.support.modules import wasm

WHOLE = bytes(range(40))


def cut(data: bytes, places: set[int]) -> list[bytes | memoryview]:
    """The pieces of `data`, cut there: by turns bytes and views."""
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    pieces = [memoryview(data)[start:end] for start, end in pairwise(ends)]
    return [bytes(piece) if number % 2 else piece for number, piece in enumerate(pieces)]


@given(places=st.sets(st.integers(0, 40)), large=st.integers(0, 20), start=st.integers(0, 40), size=st.integers(0, 40))
def test_any_part_is_that_of_the_whole(places: set[int], large: int, start: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ropes, "_LARGE", large)
        rope = Rope(cut(WHOLE, places))
    end = min(start + size, len(WHOLE))
    start = min(start, end)
    assert len(rope) == len(WHOLE)
    assert rope.part(start, end) == WHOLE[start:end] == rope[start:end]
    assert rope.cursor(start, end, "it").take(end - start) == WHOLE[start:end]
    assert b"".join(rope.pieces) == WHOLE == rope.joined()
    assert rope.part(start, end) == WHOLE[start:end]


def test_large_pieces_are_not_copied_and_small_ones_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ropes, "_LARGE", 10)
    rope = Rope([b"a", b"b", memoryview(WHOLE)[:10], b"c", WHOLE, memoryview(WHOLE)[:9], b""])
    assert [*rope.pieces] == [b"ab", WHOLE[:10], b"c", WHOLE, WHOLE[:9]]
    assert isinstance(rope.pieces[1], memoryview)
    assert rope.pieces[1].obj is WHOLE
    assert rope.pieces[3] is WHOLE
    part = rope.part(13, 20)
    assert isinstance(part, memoryview)
    assert part.obj is WHOLE


def test_what_may_change_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ropes, "_LARGE", 1)
    memory = bytearray(b"before")
    rope = Rope([memoryview(memory)])
    memory[:] = b"behind"
    assert rope.joined() == b"before"


def test_a_rope_is_joined_once() -> None:
    rope = Rope([b"a", WHOLE])
    assert rope.joined() is rope.joined()
    assert Rope([WHOLE]).joined() == WHOLE
    assert Rope([]).joined() == b""
    for other in (copy.deepcopy(rope), pickle.loads(pickle.dumps(rope))):
        assert other.joined() == rope.joined()


@given(places=st.sets(st.integers(0, 1000)))
def test_sections_are_found_across_pieces(places: set[int]) -> None:
    data = wasm('(module (@custom "title" "content") (func (export "f")) (memory 1) (data (i32.const 1) "a"))')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ropes, "_LARGE", 1)
        rope = Rope(cut(data, places))
        short = Rope(cut(data[:-1], places))
        wrong = Rope(cut(data[:8] + b"\x7f\x00" + data[8:], places))
    assert read_sections(rope) == read_sections(data)
    with pytest.raises(Truncated):
        read_sections(short)
    with pytest.raises(Malformed):
        read_sections(wrong)
