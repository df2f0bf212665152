"""Zeros with which engines map data as an image of memory."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preinit import Host, Options, Report, Result, build, errors, verify
from preinit.binary.encoder import custom_section
from preinit.binary.images import ALWAYS, LARGEST, data_places, spread_of, stretching, without_few
from preinit.binary.module import parse
from preinit.binary.stores import stores_at_start
from preinit.options import LAYOUTS, Layout
from preinit.passes.parse.text import wasm_tools
from preinit.passes.plan.owners import ownership
from preinit.passes.rewrite.images import MOST_STORED, MOST_STORED_BYTES, mapped
from preinit.passes.rewrite.plan import make_plan
from preinit.passes.rewrite.runs import Run, Runs
from preinit.report.text import summary
from tests.support.components import RunningComponent, build_component
from tests.support.images import is_mapped
from tests.support.instances import Running
from tests.support.modules import UNUSABLE, build_text, wasm

#: One byte in each page of so many, which spans just as much as the engine always maps, or some pages more.
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
    lacks, added, missing, said = facts(SPARSE.format(pages=300), layout)
    assert (lacks, added, missing) == (9797333, 0, 9797333)
    assert said == [
        "memory 0: wasmtime copies its data at each start; 9,797,333 zeros more, and it would map it (--layout start)"
    ]


def test_nobody_is_told_to_add_so_many_zeros_that_the_file_would_be_of_no_use() -> None:
    *_, said = facts(SPARSE.format(pages=8000), "balanced")
    assert len(said) == 1 and said[0].endswith("zeros more, and it would map it")


def test_the_layout_start_adds_as_many_zeros_as_an_image_needs_and_not_one_more() -> None:
    lacks, added, missing, said = facts(SPARSE.format(pages=300), "start")
    assert (lacks, added, missing) == (0, 9797333, 0)
    assert said == ["memory 0: 9,797,333 zeros were added, with which wasmtime maps its data"]
    result = build_text(SPARSE.format(pages=300), layout="start")
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
    imported = SPARSE.format(pages=300).replace('(memory (export "memory")', '(memory (import "env" "memory")')
    shared = SPARSE.format(pages=300).replace("300)", "300 300 shared)", 1)
    small = SPARSE.format(pages=300).replace("300)", f"{300 << 16} (pagesize 1))", 1)
    for text in (imported, shared, small):
        (memory,) = build_text(text, layout="start").report.snapshot.memories
        assert (memory.zeros_added, memory.zeros_missing) == (0, 0)


MODULE = parse(wasm('(module (memory (export "memory") 65536))'))
PLAN = make_plan(ownership(MODULE, "keep"), "start", ())


@given(st.lists(st.tuples(st.integers(1, 40 << 20), st.integers(1, 2 << 20)), min_size=1, max_size=30))
def test_zeros_close_gaps_and_change_nothing_else(parts: list[tuple[int, int]]) -> None:
    runs, at = [], 0
    for gap, size in parts:
        runs.append(Run(0, at + gap, at + gap + size))
        at += gap + size
    before = spread_of((run.start, run.end) for run in runs)
    written, images = mapped(MODULE, PLAN, Runs.of(runs))
    after = spread_of((run.start, run.end) for run in written)
    held = sorted([*written, *images.stored])
    assert (held[0].start, held[-1].end) == (before.first, before.end)
    assert all(a.end < b.start for a, b in pairwise(held))
    assert all(any(new.start <= run.start and run.end <= new.end for new in held) for run in runs)
    assert set(images.stored) <= set(runs)
    assert len(images.stored) <= MOST_STORED
    stored = sum(run.end - run.start for run in images.stored)
    assert stored <= MOST_STORED_BYTES
    if images.missing:
        assert before.span > LARGEST
        assert (written, images.missing[0]) == (Runs.of(runs), before.missing)
    else:
        assert after.missing == 0
        assert after.data - before.data + stored == images.added.get(0, 0) <= before.missing
        assert not images.stored or 2 * images.added.get(0, 0) <= before.missing


@given(
    st.lists(st.tuples(st.integers(1, 40 << 20), st.integers(1, 60)), min_size=1, max_size=12),
    st.integers(0, 5),
    st.integers(0, 100),
)
def test_as_little_as_can_be_is_left_off_at_the_ends(parts: list[tuple[int, int]], few: int, most: int) -> None:
    places, at = [], 0
    for gap, size in parts:
        places.append((at + gap, at + gap + size))
        at += gap + size
    ways = []
    for low in range(len(places)):
        for high in range(len(places) - low):
            off = sum(end - start for start, end in places[:low] + places[len(places) - high :])
            if low + high <= few and off <= most:
                ways.append((spread_of(places[low : len(places) - high]).missing, low + high))
    spread, (low, high) = without_few(places, few, most)
    assert spread == spread_of(places[low : len(places) - high])
    assert (spread.missing, low + high) == min(ways)


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


def test_of_few_places_those_with_least_data_are_the_stray_ones() -> None:
    data, strays = (1 << 10, 70_000), [(at, at + 8) for at in (32 << 20, (32 << 20) + 100, (32 << 20) + 900)]
    found = stretching([data, *strays])
    assert found is not None
    assert found[1] == (strays[0][0], strays[-1][1])
    found = stretching([*((start - (32 << 20), end - (32 << 20)) for start, end in strays), (40 << 20, 41 << 20)])
    assert found is not None
    assert found[1] == (0, 908)


# -- words far from the rest -------------------------------------------------------------------------------------------

#: Nine of seventeen MiB are data; far above lies a word: half of the zeros up to it would be 28 MB.
STRAY = """(module {more} (memory (export "memory") 1200)
  (func (export "preinit_initialize")
    (memory.fill (i32.const 65536) (i32.const 7) (i32.const 9437184))
    (i32.store8 (i32.const 17825792) (i32.const 7))
    (i32.store (i32.const 78000000) (i32.const 0x01020304)))
  (func (export "word") (result i32) (i32.load (i32.const 78000000))))"""
SPAN = 16 << 20


def built(text: str, **options: object) -> Result:
    """The output, in whose memory the word is, and which is what its input is after its initializer."""
    given = Options(cache=False, **{**UNUSABLE, **options})
    result = build(wasm(text), given)
    verify(wasm(text), result.wasm, given, calls=["word"])
    running = Running(result.wasm)
    running.start()
    assert running.call("word", results=1)[0][:4] == b"\4\3\2\1"
    return result


def image_line(result: Result) -> str:
    (line,) = (line for line in summary(result.report) if "wasmtime" in line)
    return line


@pytest.mark.parametrize("layout", ["balanced", "start"])
def test_a_word_far_from_the_rest_does_not_decide_whether_that_is_mapped(layout: Layout) -> None:
    result = built(STRAY.format(more=""), layout=layout)
    assert is_mapped(result.wasm, SPAN)
    assert len(result.wasm) < 10 << 20
    (memory,) = result.report.snapshot.memories
    assert (memory.zeros_added, memory.zeros_missing, memory.stored) == (0, 0, ((78000000, 78000004),))
    assert memory.segments == 2 == result.report.snapshot.data_segments
    assert memory.bytes_written == 9437184 + 1 + 4
    assert image_line(result) == (
        "memory 0: the start function stores 4 bytes at 0x4a62f80, with which wasmtime maps its data"
    )


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"balanced", "start"}))
def test_other_layouts_store_nothing(layout: Layout) -> None:
    result = built(STRAY.format(more=""), layout=layout)
    assert parse(result.wasm).start is None
    assert not is_mapped(result.wasm, SPAN)
    assert "copies its data at each start" in image_line(result)


def test_zeros_that_are_few_are_added_rather_than_a_start_function() -> None:
    result = build_text(HALF, layout="start")
    assert parse(result.wasm).start is None


def test_a_word_is_stored_and_zeros_are_added_where_both_are_needed() -> None:
    text = STRAY.replace("9437184", "8000000")
    block = "memory.fill (i32.const 17825792) (i32.const 7) (i32.const 4096)"
    text = text.replace("i32.store8 (i32.const 17825792) (i32.const 7)", block)
    result = built(text.format(more=""), layout="start")
    assert is_mapped(result.wasm, SPAN)
    (memory,) = result.report.snapshot.memories
    assert memory.stored == ((78000000, 78000004),)
    assert memory.zeros_added == (17825792 + 4096 - 65536) // 2 + 1 - 8000000 - 4096
    assert image_line(result).startswith(
        f"memory 0: {memory.zeros_added:,} zeros were added and the start function stores 4 bytes at 0x4a62f80"
    )
    # These are more than 2% of the output.
    copied = built(text.format(more=""), layout="balanced")
    assert parse(copied.wasm).start is None


def test_words_below_and_above_the_rest_are_stored() -> None:
    text = """(module (memory (export "memory") 1200)
      (func (export "preinit_initialize")
        (i32.store (i32.const 1024) (i32.const 0x05060708))
        (i32.store (i32.const 2048) (i32.const 0x05060708))
        (memory.fill (i32.const 40000000) (i32.const 7) (i32.const 9437184))
        (i32.store8 (i32.const 57760256) (i32.const 7))
        (i32.store (i32.const 78000000) (i32.const 0x01020304)))
      (func (export "word") (result i32) (i32.load (i32.const 78000000))))"""
    result = built(text)
    assert is_mapped(result.wasm, SPAN)
    stores, nothing_else = stores_at_start(parse(result.wasm))
    assert nothing_else
    assert [(store.address, store.data) for store in stores] == [
        (1024, b"\x08\7\6\5"),
        (2048, b"\x08\7\6\5"),
        (78000000, b"\4\3\2\1"),
    ]
    assert "stores 12 bytes in 3 places from 0x400 to 0x4a62f84" in image_line(result)


def test_more_than_a_few_words_decide_still() -> None:
    words = "".join(f"(i32.store (i32.const {78000000 + 4096 * n}) (i32.const -1))" for n in range(MOST_STORED + 1))
    text = STRAY.format(more="").replace("(i32.store (i32.const 78000000) (i32.const 0x01020304))", words)
    result = build_text(text)
    assert parse(result.wasm).start is None
    (memory,) = result.report.snapshot.memories
    assert memory.zeros_missing and not memory.stored


def test_an_output_that_is_built_again_stores_the_word_again() -> None:
    first = built(STRAY.format(more="")).wasm
    again = build(first, Options(cache=False, init_funcs=(), **UNUSABLE)).wasm
    assert parse(again).start is not None
    assert [(s.address, s.data) for s in stores_at_start(parse(again))[0]] == [(78000000, b"\4\3\2\1")]
    assert is_mapped(again, SPAN)
    # A layout that stores nothing has the word in a segment again.
    other = build(first, Options(cache=False, init_funcs=(), layout="size", **UNUSABLE)).wasm
    assert parse(other).start is None
    running = Running(other)
    assert running.call("word", results=1)[0][:4] == b"\4\3\2\1"


def test_a_start_function_that_is_there_anyway_stores_the_word_too() -> None:
    more = '(import "e" "g" (global $g (mut i32)))'
    text = STRAY.format(more=more).replace("(memory.fill", "(global.set $g (i32.const 5)) (memory.fill", 1)
    options = Options(cache=False, import_globals=(("e.g", "1"),), **UNUSABLE)
    result = build(wasm(text), options)
    verify(wasm(text), result.wasm, options, calls=["word"])
    output = parse(result.wasm)
    stores, nothing_else = stores_at_start(output)
    assert [store.address for store in stores] == [78000000] and not nothing_else
    assert is_mapped(result.wasm, SPAN)


def test_a_memory_that_is_filled_by_the_start_function_keeps_no_other_from_being_mapped() -> None:
    text = STRAY.format(more='(import "e" "m" (memory $m 1))').replace("(memory (export", "(memory $own (export")
    for what in ("memory.fill", "i32.store8", "i32.store", "i32.load"):
        text = text.replace(f"({what} (", f"({what} $own (")
    text = text.replace("(memory.fill", "(i32.store $m (i32.const 8) (i32.const 9)) (memory.fill", 1)
    result = build_text(text, imports="restore")
    assert [memory.stored for memory in result.report.snapshot.memories] == [(), ((78000000, 78000004),)]
    assert is_mapped(result.wasm, SPAN)
    # A segment of an imported memory keeps engines from that.
    kept = build_text(text)
    assert parse(kept.wasm).start is None
    assert not any(memory.stored for memory in kept.report.snapshot.memories)


def test_a_word_is_not_stored_where_that_would_move_code_whose_place_is_written_elsewhere() -> None:
    mapped_source = custom_section("sourceMappingURL", b"\5a.map")
    data = wasm(STRAY.format(more="")) + b"".join(mapped_source)
    assert parse(build(data, Options(cache=False, **UNUSABLE)).wasm).start is None
    for functions, start in ((127, None), (126, 126), (128, 128)):
        many = STRAY.format(more="").replace('(func (export "word', f'{"(func)" * (functions - 2)} (func (export "word')
        assert parse(built(many).wasm).start == start


def test_storing_asks_for_no_proposal() -> None:
    body = """(local $at i32) (local.set $at (i32.const 65536)) (loop $again (i32.store8 (local.get $at) (i32.const 7))
      (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 9502720))))"""
    text = STRAY.format(more="").replace("(memory.fill (i32.const 65536) (i32.const 7) (i32.const 9437184))", body)
    result = built(text)
    assert stores_at_start(parse(result.wasm))[0]
    command = [wasm_tools(), "validate", "--features", "wasm1", "-"]
    assert subprocess.run(command, input=result.wasm, capture_output=True).returncode == 0


def test_an_output_that_stores_another_word_is_not_what_its_input_is() -> None:
    text = STRAY.format(more="")
    options = Options(cache=False, **UNUSABLE)
    result = build(wasm(text), options).wasm
    body = parse(result).bodies[-1]
    changed = bytearray(result)
    changed[result.index(b"\x36\x00\x00", body.start) - 1] ^= 1  # of the number that is stored
    with pytest.raises(errors.Mismatch, match="memory 0, 0x4a62f8"):
        verify(wasm(text), bytes(changed), options)


def test_a_value_of_the_environment_that_is_stored_is_found() -> None:
    text = """(module
      (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
      (memory (export "memory") 1200)
      (func (export "preinit_initialize")
        (memory.fill (i32.const 65536) (i32.const 7) (i32.const 9437184))
        (i32.store8 (i32.const 17825792) (i32.const 7))
        (drop (call $get (i32.const 32) (i32.const 78000000)))
        (i32.store (i32.const 32) (i32.const 0))))"""
    result = build_text(text, host=Host(env={"TOKEN": "very-secret-text"}))
    (memory,) = result.report.snapshot.memories
    assert memory.stored == ((78000000, 78000022),)
    assert "environment-value" in [found.code for found in result.report.warnings]


def test_a_report_that_says_what_is_stored_can_be_read_again() -> None:
    report = build_text(STRAY.format(more="")).report
    assert report.snapshot.memories[0].stored
    assert Report.from_json(report.to_json()) == report


@pytest.mark.parametrize("more", ["(nop)", "(i32.store8 (i32.const 9) (i32.const 2)) (call 0)"])
def test_a_start_function_that_does_more_than_to_store_is_not_taken_for_one_that_was_built(more: str) -> None:
    bytes_ = "(i32.store8 (i32.const 9) (i32.const 2)) (i32.store16 (i32.const 0x1200000) (i32.const 0x8180))"
    text = '(module (memory 300) (func {}) {} (func (export "nothing")))'
    before = wasm(text.format(f'(export "preinit_initialize") {bytes_}', ""))
    options = Options(cache=False, **UNUSABLE)
    assert parse(build(before, options).wasm).start == 2
    stored = '(start 2) (data (i32.const 9) "\\02")'
    store = "(func (i32.store16 (i32.const 0x1200000) (i32.const 0x8180)) {})"
    after = f'(module (memory 300) (func {bytes_}) (func (export "nothing")) {store} {stored})'
    verify(before, wasm(after.format("")), options)
    with pytest.raises(errors.Mismatch, match="start function"):
        verify(before, wasm(after.format(more)), options)


def test_a_core_module_of_a_component_stores_words_that_lie_far_off() -> None:
    text = """(component
      (core module $m (memory (export "memory") 300)
        (func (export "set") (i32.store8 (i32.const 9) (i32.const 2)) (i32.store (i32.const 0x1200000) (i32.const 77)))
        (func (export "get") (result i32) (i32.add (i32.load8_u (i32.const 9)) (i32.load (i32.const 0x1200000)))))
      (core instance $i (instantiate $m))
      (core module $other (import "m" "memory" (memory 300)) (func $s (i32.store (i32.const 40) (i32.const 1))) (start $s))
      (core instance (instantiate $other (with "m" (instance $i))))
      (func (export "set") (canon lift (core func $i "set")))
      (func (export "get") (result s32) (canon lift (core func $i "get"))))"""
    result = build_component(text, "set")
    (memory,) = (memory for memory in result.report.snapshot.memories if memory.stored)
    assert memory.stored == ((0x1200000, 0x1200001),)
    assert "the start function stores 1 byte at 0x1200000" in image_line(result)
    assert RunningComponent(result.wasm).call("get") == 79
    verify(wasm(text), result.wasm, Options(cache=False, init_funcs=("set",)), calls=["get"])
