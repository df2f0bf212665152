"""Compiled code cuts memories as Python does, and writes the same segments."""

from __future__ import annotations

import mmap
import random
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit.binary.module import parse
from preinit.engine.own import cutter as cutters
from preinit.engine.own.cutter import WINDOW, Cutter, new_cutter
from preinit.options import LAYOUTS, Layout
from preinit.passes.rewrite import layout as layouts
from preinit.passes.rewrite.layout import IN_A_ROW, PRICES, Costs
from preinit.passes.rewrite.memories import active_entries, active_head
from preinit.passes.rewrite.runs import Runs
from preinit.passes.snapshot import MemoryState
from tests.support.amounts import amount
from tests.support.modules import build_text, wasm

#: `MAP_NORESERVE` of Linux, which Python 3.11 does not name: https://man7.org/linux/man-pages/man2/mmap.2.html
_NO_RESERVE = 0x4000


def cutter(is_64: bool) -> Cutter:
    found = new_cutter(is_64)
    assert found is not None
    return found


def costs_of(layout: Layout, fixed: int = 3) -> Costs:
    price = PRICES[layout]
    return Costs(6 + price, price, IN_A_ROW.get(layout, price), fixed)


#: Zeros, and what is not zero, in turn: around the sizes of words, of gaps, and of a window.
GAPS = st.one_of(st.integers(0, 40), st.sampled_from([255, 262, 268, 4096, 4102, 65536, WINDOW - 5, WINDOW]))
PARTS = st.lists(st.tuples(GAPS, st.one_of(st.integers(1, 20), st.integers(1, 40000))), max_size=25)


def memory_of(parts: list[tuple[int, int]], tail: int, seed: int) -> bytes:
    """Sparse where the seed is even: then bytes that are not zero are few in each part, too."""
    chance = random.Random(seed)
    found = bytearray()
    for zeros, size in parts:
        found += bytes(zeros)
        found += bytes(chance.choice(b"\0\0\0\0\0\0\0\1" if seed % 2 == 0 else b"\1\2\3") for _ in range(size))
    return bytes(found + bytes(tail))


@settings(max_examples=amount(400, 60), deadline=None)
@given(PARTS, st.integers(0, 30), st.sampled_from(LAYOUTS), st.booleans(), st.integers(0, 9), st.data())
def test_compiled_code_cuts_as_python_does(
    parts: list[tuple[int, int]], tail: int, layout: Layout, is_64: bool, seed: int, data: st.DataObject
) -> None:
    content = memory_of(parts, tail, seed)
    cuts = [0, *sorted(data.draw(st.sets(st.integers(0, len(content)), max_size=4))), len(content)]
    ranges = [(low, high) for low, high in pairwise(cuts) if high > low and any(content[low:high])]
    costs = costs_of(layout, data.draw(st.integers(3, 9)))
    one = cutter(is_64)
    try:
        found = one.cut(memoryview(content), ranges, costs, 1 << 20)
        again = one.cut(memoryview(content), [(0, len(content))], costs, 1 << 20)
    finally:
        one.close()
    assert found is not None
    assert again == found, "what is outside of the ranges is zero"
    expected = layouts.in_python(memoryview(content), is_64, costs, [(0, len(content))])
    assert found == (expected.starts, expected.ends)


@settings(max_examples=amount(200, 40), deadline=None)
@given(PARTS, st.integers(0, 9), st.booleans(), st.sampled_from([0, 1, 2, 200]), st.sampled_from(["size", "balanced"]))
def test_compiled_code_writes_the_segments_that_python_writes(
    parts: list[tuple[int, int]], seed: int, is_64: bool, memory: int, layout: Layout
) -> None:
    content = memoryview(memory_of(parts, 0, seed))
    costs = costs_of(layout)
    places = layouts.in_python(content, is_64, costs, [(0, len(content))])
    index = "i64" if is_64 else ""
    module = parse(wasm(f"(module {f'(memory {index} 1)' * (memory + 1)})"))
    states = [MemoryState(1, content)] * (memory + 1)
    expected = b"".join(active_entries(module, states, Runs({memory: places})))
    one = cutter(is_64)
    try:
        head = active_head(memory) + (b"\x42" if is_64 else b"\x41")
        assert b"".join(one.segments(content, places.starts, places.ends, head)) == expected
    finally:
        one.close()


@pytest.mark.skipif(sys.platform != "linux", reason="memories that take no room are those of Linux")
@pytest.mark.parametrize("is_64", [False, True])
def test_compiled_code_knows_offsets_of_all_sizes(is_64: bool) -> None:
    """From one byte of LEB128 to five, below and above the one from which on a 32-bit offset is negative."""
    size = 1 << 32
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
    with mmap.mmap(-1, size, flags=flags) as stands:
        content = memoryview(stands)
        chance = random.Random(1)
        near = [1 << bits for bits in (6, 7, 13, 14, 20, 21, 27, 28, 31)]
        places = [0, 1, *(place + shift for place in near for shift in (-40, -1, 0, 1, 60)), size - 40, size - 1]
        for place in places:
            content[place] = chance.randrange(1, 256)
        ranges = [(low - low % 4096, low - low % 4096 + 4096) for low in places]
        ranges = sorted({*ranges})
        costs = costs_of("size")
        one = cutter(is_64)
        try:
            found = one.cut(content, ranges, costs, 1000)
            expected = layouts.in_python(content, is_64, costs, ranges)
            assert found == (expected.starts, expected.ends)
            assert len(expected) > len(near) * 2
            module = parse(wasm(f"(module (memory {'i64' if is_64 else ''} 1))"))
            entries = active_entries(module, [MemoryState(1 << 16, content)], Runs({0: expected}))
            head = b"\0\x42" if is_64 else b"\0\x41"
            assert b"".join(one.segments(content, *found, head)) == b"".join(entries)
        finally:
            one.close()
            del entries
            content.release()


def test_more_runs_than_are_asked_for_are_left_to_python() -> None:
    content = memoryview(b"\1" + bytes(30)).tobytes() * 1000
    one = cutter(False)
    try:
        assert one.cut(memoryview(content), [(0, len(content))], costs_of("size"), 999) is None
        assert one.cut(memoryview(content), [(0, len(content))], costs_of("size"), 1000) is not None
    finally:
        one.close()


#: 6 MiB in which every other word of each KiB is set, and some of the words between them.
FILLED = """(module (memory (export "memory") 100)
    (func (export "preinit_initialize") (local $at i32)
        (loop $next
            (i32.store (local.get $at) (i32.const 0x01000001))
            (if (i32.and (local.get $at) (i32.const 0x400)) (then (i64.store offset=500 (local.get $at) (i64.const -1))))
            (local.set $at (i32.add (local.get $at) (i32.const 1016)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 6400000))))))"""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_output_is_the_same_whoever_cuts_its_memory(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []
    original = cutters.new_cutter
    monkeypatch.setattr(cutters, "new_cutter", lambda is_64: made.append(is_64) or original(is_64))
    compiled = build_text(FILLED, layout=layout)
    assert made, "such a memory is large"
    monkeypatch.setattr(cutters, "new_cutter", lambda _: None)
    assert build_text(FILLED, layout=layout).wasm == compiled.wasm


def test_many_runs_are_the_same_whoever_cuts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than compiled code finds, and more than engines take segments."""
    many = FILLED.replace("1016", "16").replace("(if (i32.and (local.get $at) (i32.const 0x400))", "(if (i32.const 0)")
    compiled = build_text(many, layout="size")
    monkeypatch.setattr(cutters, "new_cutter", lambda _: None)
    assert build_text(many, layout="size").wasm == compiled.wasm
