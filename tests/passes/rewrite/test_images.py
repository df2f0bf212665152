"""Zeros with which engines map data as an image of memory."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preinit.binary.images import ALWAYS, LARGEST, data_places, spread_of, stretching
from preinit.binary.module import parse
from preinit.options import LAYOUTS, Layout
from preinit.passes.plan.owners import ownership
from preinit.passes.rewrite.images import mapped
from preinit.passes.rewrite.layout import Run
from preinit.passes.rewrite.plan import MemoriesPlan
from preinit.report.text import summary
from tests.support.modules import build_text, wasm

#: One byte in each page of so many, which spans just as much as the engine always maps, or a page more.
SPARSE = """(module (memory (export "memory") {pages})
  (func (export "preinit_initialize") (local $page i32)
    (loop $again
      (i32.store8 (i32.shl (local.get $page) (i32.const 16)) (i32.const 1))
      (br_if $again (i32.lt_u (local.tee $page (i32.add (local.get $page) (i32.const 1))) (i32.const {pages}))))))"""

#: Nearly half of what it spans is data: 200,500 bytes more would be, 1.9% of the output.
HALF = """(module (memory (export "memory") 400)
  (func (export "preinit_initialize")
    (memory.fill (i32.const 0) (i32.const 7) (i32.const 6000000))
    (i32.store8 (i32.const 9000000) (i32.const 7))
    (memory.fill (i32.const 16900000) (i32.const 7) (i32.const 4499000))))"""


def facts(text: str, layout: Layout) -> tuple[int, int, int, list[str]]:
    """What the output's data still lacks, the zeros that were added and that are missing, and the line about it."""
    result = build_text(text, layout=layout)
    module = parse(result.wasm)
    (memory,) = result.report.snapshot.memories
    places = data_places(module)[0]
    assert places
    assert memory.bytes_written == sum(end - start for start, end in places)
    said = [line for line in summary(result.report) if "wasmtime" in line]
    return spread_of(places).missing, memory.zeros_added, memory.zeros_missing, said


@pytest.mark.parametrize("layout", ["balanced", "size"])
def test_sparse_data_is_left_as_it_is_and_said_to_be_copied(layout: Layout) -> None:
    lacks, added, missing, said = facts(SPARSE.format(pages=257), layout)
    assert (lacks, added, missing) == (8388352, 0, 8388352)
    assert said == [
        "memory 0: wasmtime copies its data at each start; 8,388,352 zeros more, and it would map it (--layout start)"
    ]


def test_nobody_is_told_to_add_so_many_zeros_that_the_file_would_be_of_no_use() -> None:
    *_, said = facts(SPARSE.format(pages=8000), "balanced")
    assert len(said) == 1 and said[0].endswith("zeros more, and it would map it")


def test_the_layout_start_adds_as_many_zeros_as_an_image_needs_and_not_one_more() -> None:
    lacks, added, missing, said = facts(SPARSE.format(pages=257), "start")
    assert (lacks, added, missing) == (0, 8388352, 0)
    assert said == ["memory 0: 8,388,352 zeros were added, with which wasmtime maps its data"]
    result = build_text(SPARSE.format(pages=257), layout="start")
    spread = spread_of(data_places(parse(result.wasm))[0] or ())
    assert spread.span >= ALWAYS
    assert spread._replace(data=spread.data - 1).missing == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_data_that_is_mapped_anyway_gets_no_zeros(layout: Layout) -> None:
    assert facts(SPARSE.format(pages=256), layout)[:3] == (0, 0, 0)


def test_the_layout_balanced_adds_zeros_where_they_are_few() -> None:
    lacks, added, missing, said = facts(HALF, "balanced")
    assert (lacks, added, missing) == (0, 200_500, 0)
    assert len(said) == 1
    assert facts(HALF, "size")[:3] == (200_500, 0, 200_500)
    # 3% of it is more than they are worth.
    assert facts(HALF.replace("16900000", "17100000"), "balanced")[1:3] == (0, 300_500)


def test_a_memory_that_engines_never_map_gets_no_zeros() -> None:
    imported = SPARSE.format(pages=257).replace('(memory (export "memory")', '(memory (import "env" "memory")')
    shared = SPARSE.format(pages=257).replace("257)", "257 257 shared)", 1)
    small = SPARSE.format(pages=257).replace("257)", f"{257 << 16} (pagesize 1))", 1)
    for text in (imported, shared, small):
        (memory,) = build_text(text, layout="start").report.snapshot.memories
        assert (memory.zeros_added, memory.zeros_missing) == (0, 0)


MODULE = parse(wasm('(module (memory (export "memory") 65536))'))


@given(st.lists(st.tuples(st.integers(1, 40 << 20), st.integers(1, 2 << 20)), min_size=1, max_size=30))
def test_zeros_close_gaps_and_change_nothing_else(parts: list[tuple[int, int]]) -> None:
    runs, at = [], 0
    for gap, size in parts:
        runs.append(Run(0, at + gap, at + gap + size))
        at += gap + size
    before = spread_of((run.start, run.end) for run in runs)
    written, zeros = mapped(MODULE, MemoriesPlan(ownership(MODULE, "keep").memories, "start"), runs)
    after = spread_of((run.start, run.end) for run in written)
    assert (after.first, after.end) == (before.first, before.end)
    assert all(a.end < b.start for a, b in pairwise(written))
    assert all(any(new.start <= run.start and run.end <= new.end for new in written) for run in runs)
    if before.span > LARGEST:
        assert (written, zeros.missing.get(0, 0)) == (runs, before.missing)
    else:
        assert after.missing == 0
        assert after.data - before.data == zeros.added.get(0, 0) == before.missing


def test_a_stray_word_that_alone_decides_is_found() -> None:
    dense = [(at << 20, (at << 20) + 900_000) for at in range(20)]
    for stray in ((60 << 20, (60 << 20) + 4), (1 << 10, (1 << 10) + 4)):
        places = sorted([*((a + (40 << 20), b + (40 << 20)) for a, b in dense), stray]) if stray[0] < 1 << 20 else [
            *dense, stray
        ]  # fmt: skip
        found = stretching(places)
        assert found is not None
        assert found[1] == stray
        assert not found[0].missing
    assert stretching([(at << 20, (at << 20) + 10) for at in range(40)]) is None
    assert stretching([(0, 1), (ALWAYS << 1, (ALWAYS << 1) + 1)]) is not None
