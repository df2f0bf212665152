"""Cutting a memory into segments."""

from __future__ import annotations

import itertools
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit import errors
from preinit.binary.constexpr import offset_constant
from preinit.binary.encoder import uleb
from preinit.options import LAYOUTS
from preinit.passes.rewrite.layout import PRICES, header_size, runs_of_memory
from preinit.passes.rewrite.runs import MOST_SEGMENTS, Run, Runs, within_limit
from tests.support.amounts import amount
from tests.support.instances import Running
from tests.support.modules import build_text

#: Memories made of islands in zeros: lengths around every price and around the grain at which zeros are skipped.
ISLANDS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 80), st.sampled_from([4000, 4096, 4105, 65535, 65536, 65537, 131072, 200000])),
        st.binary(min_size=1, max_size=40),
    ),
    max_size=12,
)


def memory_of(islands: list[tuple[int, bytes]], tail: int) -> bytes:
    return b"".join(bytes(gap) + content for gap, content in islands) + bytes(tail)


@given(ISLANDS, st.integers(0, 70000), st.sampled_from(LAYOUTS), st.booleans())
def test_runs_hold_every_byte_that_is_not_zero(
    islands: list[tuple[int, bytes]], tail: int, layout: str, is_64: bool
) -> None:
    content = memory_of(islands, tail)
    runs = runs_of_memory(memoryview(content), 0, is_64, layout)  # type: ignore[arg-type]
    rebuilt = bytearray(len(content))
    for start, end in runs:
        assert 0 <= start < end <= len(content)
        assert content[start] and content[end - 1], "a run starts and ends with a byte that is not zero"
        rebuilt[start:end] = content[start:end]
    assert rebuilt == content
    assert all(before[1] < after[0] for before, after in itertools.pairwise(runs))


@given(ISLANDS, st.sampled_from(LAYOUTS), st.integers(0, 3), st.booleans())
def test_no_gap_between_runs_is_cheaper_to_fill(
    islands: list[tuple[int, bytes]], layout: str, memory: int, is_64: bool
) -> None:
    content = memory_of(islands, 0)
    runs = runs_of_memory(memoryview(content), memory, is_64, layout)  # type: ignore[arg-type]

    def cost(start: int, end: int) -> int:
        return header_size(memory, start, end - start, is_64) + PRICES[layout] + end - start  # type: ignore[index]

    for before, after in itertools.pairwise(runs):
        assert cost(*before) + cost(*after) <= cost(before[0], after[1]) + 3


@given(st.integers(0, 3), st.integers(0, (1 << 32) - 1), st.integers(1, 1 << 28), st.booleans())
def test_a_header_has_the_size_that_is_reckoned_with(memory: int, start: int, size: int, is_64: bool) -> None:
    flags = b"\x00" if memory == 0 else b"\x02" + uleb(memory)
    assert header_size(memory, start, size, is_64) == len(flags + offset_constant(start, is_64) + uleb(size))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 50), st.integers(1, 9)), max_size=60), st.integers(3, 70))
def test_the_smallest_gaps_are_merged_over_the_limit(parts: list[tuple[int, int, int]], most: int) -> None:
    runs, position = [], dict.fromkeys(range(3), 0)
    for memory, gap, length in sorted(parts, key=lambda part: part[0]):
        start = position[memory] + gap
        runs.append(Run(memory, start, start + length))
        position[memory] = start + length
    merged = within_limit(Runs.of(runs), most)
    assert len(merged) <= max(most, len({run.memory for run in runs}))
    assert len(merged) == min(len(runs), most) or len(merged) == len({run.memory for run in runs})
    covered = {(m.memory, byte) for m in merged for byte in range(m.start, m.end)}
    assert covered >= {(r.memory, byte) for r in runs for byte in range(r.start, r.end)}


@given(ISLANDS, st.lists(st.integers(0, 300), max_size=6, unique=True))
def test_what_was_never_touched_is_not_read(islands: list[tuple[int, bytes]], places: list[int]) -> None:
    """The ranges that were touched are all that is looked at, however they are cut."""
    content = memory_of(islands, 70000)
    cuts = sorted({0, len(content), *(min(place * 997, len(content)) for place in places)})
    touched = [(low, high) for low, high in itertools.pairwise(cuts) if any(content[low:high])]
    found = runs_of_memory(memoryview(content), 0, False, "size", touched)
    assert [*found] == [*runs_of_memory(memoryview(content), 0, False, "size")]


def test_more_islands_than_segments_are_allowed_still_make_a_valid_module() -> None:
    # One byte in 16 is set: with the layout `size`, each would be a segment of its own.
    text = """(module (memory (export "memory") 40)
        (func (export "preinit_initialize") (local i32)
            (loop (i32.store8 (local.get 0) (i32.const 1))
                (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 16))) (i32.const 2500000))))))"""
    result = build_text(text, layout="size")
    assert result.report.snapshot.data_segments == MOST_SEGMENTS
    memory = Running(result.wasm).state().memories[0]
    assert memory[:2500000] == (b"\1" + bytes(15)) * (2500000 // 16)
    assert not any(memory[2500000:])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_the_same_memory(layout: str) -> None:
    text = """(module (memory (export "memory") 3) (data (i32.const 100) "a\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00b")
        (data (i32.const 70000) "c") (func (export "preinit_initialize") (i32.store (i32.const 100000) (i32.const -1))))"""
    memory = Running(build_text(text, layout=layout).wasm).state().memories[0]
    assert {i: b for i, b in enumerate(memory) if b} == {
        100: 97, 112: 98, 70000: 99, 100000: 255, 100001: 255, 100002: 255, 100003: 255
    }  # fmt: skip


INIT = '(export "preinit_initialize")'


def test_passive_segments_up_to_the_limit_leave_no_room() -> None:
    text = f"""(module (memory 1) {"(data)" * 100_000}
        (func {INIT} (i32.store8 (i32.const 1) (i32.const 1)) (data.drop 0)))"""
    with pytest.raises(errors.PreinitError) as caught:
        build_text(text)
    assert caught.value.code == "output-too-large" or "bug in preinit" not in str(caught.value)


def chosen_by_definition(runs: list[Run], most: int) -> list[Run]:
    """The smallest gaps first, of equal ones the first."""
    gaps = sorted(
        (after.start - before.end, number)
        for number, (before, after) in enumerate(pairwise(runs), 1)
        if before.memory == after.memory
    )
    merged = {number for _, number in gaps[: max(0, len(runs) - most)]}
    result: list[Run] = []
    for number, run in enumerate(runs):
        if number in merged:
            result[-1] = Run(run.memory, result[-1].start, run.end)
        else:
            result.append(run)
    return result


@st.composite
def runs_of_memories(draw: st.DrawFn) -> list[Run]:
    runs = []
    for memory in range(draw(st.integers(0, 3))):
        at = 0
        for gap, size in draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), max_size=8)):
            runs.append(Run(memory, at + gap, at + gap + size))
            at += gap + size
    return runs


@settings(max_examples=amount(300, 100))
@given(runs_of_memories(), st.integers(-2, 20))
def test_the_smallest_gaps_are_merged_the_first_of_equal_ones_first(runs: list[Run], most: int) -> None:
    assert [*within_limit(Runs.of(runs), most)] == chosen_by_definition(runs, most)


@settings(max_examples=amount(300, 100))
@given(runs_of_memories(), st.integers(1, 8), st.integers(1, 8), st.integers(1, 20))
def test_merging_early_down_to_more_gives_the_same_in_the_end(
    runs: list[Run], most: int, spare: int, step: int
) -> None:
    """A memory's runs are merged while it is read, so that there are never too many."""
    kept = Runs({})
    for start in range(0, len(runs), step):
        kept = within_limit(Runs.of([*kept, *runs[start : start + step]]), most + spare)
    assert within_limit(kept, most) == within_limit(Runs.of(runs), most)


def test_equal_structures_in_a_row_stay_together_in_the_layout_of_wizer() -> None:
    def pieces(*parts: int) -> int:  # bytes that are not zero, zeros, and so on
        content = bytes(1 << 20) + b"".join(bytes([1 - place % 2]) * size for place, size in enumerate(parts))
        return len(runs_of_memory(memoryview(content), 0, False, "wizer"))

    zeros = max(size for size in range(1, 40) if pieces(1, size, 1) == 1)
    first = zeros + 110  # with what follows it is longer than 127 bytes, and so its length takes two
    assert pieces(first, zeros, 1) == 2
    assert pieces(1, zeros, first - zeros - 1, zeros, 1) == 1
    assert pieces(1, zeros - 1, first - zeros, zeros, 1) == 2
    assert pieces(1, zeros + 1, 1, zeros + 1, 1) == 3
