"""What an inspection finds in a module, and what a snapshot added to it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import preinit
from preinit.binary.encoder import custom_section
from preinit.binary.module import parse
from preinit.errors import DynamicLibrary, InputError, Malformed, Misfit, NotWasm, Truncated, UsageError
from preinit.inspection.functions import group_of
from preinit.inspection.memory import MOST_STEPS
from preinit.inspection.model import Renamed
from preinit.report.inspection_page import inspection_page
from preinit.report.inspection_text import image_lines, lines
from tests.support.images import is_mapped
from tests.support.modules import build_text, wasm

PAGE = 1 << 16

GUEST = """(module
  (memory (export "memory") 4)
  (table 3 funcref) (elem (i32.const 1) func $init)
  (global $count (mut i32) (i32.const -1))
  (global (export "limit") f64 (f64.const 0.5))
  (data $.rodata (i32.const 65536) "abc")
  (data $.data (i32.const 131072) "\\00\\01")
  (func $rb_one (export "one")) (func $rb_two) (func $std::sort)
  (func $init (export "wizer-initialize")
    (i32.store8 (i32.const 131072) (i32.const 7))
    (i32.store (i32.const 196608) (i32.const 0x01020304))
    (global.set $count (i32.const 41))))"""


def states(found: preinit.Inspection, memory: int = 0) -> list[tuple[int, int, str]]:
    return [(run.first_page, run.pages, run.state) for run in found.memories[memory].runs]


# -- one module --------------------------------------------------------------------------------------------------------


def test_sections_have_the_specifications_names_and_sizes_that_fill_the_file() -> None:
    found = preinit.inspect(wasm(GUEST))
    names = [section.name for section in found.sections if not section.custom]
    assert names == ["type", "function", "table", "memory", "global", "export", "element", "code", "data"]
    assert sum(section.size for section in found.sections) + 8 == found.size == len(wasm(GUEST))
    assert next(section.items for section in found.sections if section.name == "code") == 4


def test_the_memory_map_tells_pages_with_data_from_zero_ones_and_names_them() -> None:
    found = preinit.inspect(wasm(GUEST))
    assert states(found) == [(0, 1, "zero"), (1, 1, "data"), (2, 1, "data"), (3, 1, "zero")]
    assert [run.name for run in found.memories[0].runs] == [None, ".rodata", ".data", None]
    assert [run.bytes_set for run in found.memories[0].runs] == [0, 3, 1, 0]


def test_globals_tables_and_segments_are_listed_with_what_they_start_with() -> None:
    found = preinit.inspect(wasm(GUEST))
    assert [(entry.type, entry.mutable, entry.value) for entry in found.globals] == [
        ("i32", True, "-1"),
        ("f64", False, "0.5"),
    ]
    assert found.globals[0].name == "count"
    assert [(table.type, table.size) for table in found.tables] == [("funcref", 3)]
    assert [(segment.mode, segment.offset, segment.length) for segment in found.element_segments] == [
        ("active", "1", 1)
    ]
    assert [(segment.offset, segment.size, segment.name) for segment in found.data_segments] == [
        (65536, 3, ".rodata"),
        (131072, 2, ".data"),
    ]


@pytest.mark.parametrize(
    ("type_", "value", "shown"),
    [
        ("i64", "i64.const -9223372036854775808", "-9223372036854775808"),
        ("f32", "f32.const nan:0x200000", "nan (bits 0x7fa00000)"),
        ("f32", "f32.const -inf", "-inf"),
        ("v128", "v128.const i64x2 1 0", f"{1:#034x}"),
        ("funcref", "ref.null func", "null"),
        ("funcref", "ref.func 0", "function 0"),
        ("i32", "i32.add (i32.const 1) (i32.const 2)", "an expression"),
    ],
)
def test_the_value_of_a_global_is_told_in_words(type_: str, value: str, shown: str) -> None:
    (entry,) = preinit.inspect(wasm(f"(module (func) (global {type_} ({value})))")).globals
    assert entry.value == shown


def test_imports_and_exports_have_types() -> None:
    found = preinit.inspect(
        wasm(
            '(module (import "env" "f" (func (param i32) (result f64))) (memory (export "m") 1 2) (export "g" (func 0)))'
        )
    )
    assert [(e.module, e.name, e.kind, e.type) for e in found.imports] == [("env", "f", "func", "(i32) -> (f64)")]
    assert [(e.name, e.type) for e in found.exports] == [("m", "1 to 2 pages"), ("g", "(i32) -> (f64)")]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("rb_str_new", "rb_"),
        ("_PyEval_Frame", "_PyEval_"),
        ("dlmalloc", "dlmalloc"),
        ("core::fmt::Formatter::pad", "core::"),
        ("<alloc::vec::Vec<T> as core::ops::Drop>::drop", "alloc::"),
        ("void std::__2::sort<int>(int*)", "std::"),
        ("_ZN4core3fmt5Write9write_fmt17h0123E", "core::"),
        ("_ZNKSt3__26vectorIiE4sizeEv", "std::"),
        ("_RNvNtCs1a2B_4core3fmt5write", "core::"),
        ("a" * 299 + " ::b", "a" * 60),
        ("::", "::"),
        ("", ""),
        ("_ZN999x", "x::"),
    ],
)
def test_functions_are_grouped_by_the_beginning_of_their_names(name: str, group: str) -> None:
    assert group_of(name) == group


def test_groups_hold_all_functions_and_all_bytes_of_bodies() -> None:
    found = preinit.inspect(wasm(GUEST))
    assert {group.name: group.functions for group in found.groups} == {"init": 1, "rb_": 2, "std::": 1}
    bodies = parse(wasm(GUEST)).bodies
    assert sum(group.size for group in found.groups) == sum(body.end - body.start for body in bodies)
    assert found.largest_functions[0].name == "init"


def test_functions_that_only_an_export_names_have_that_name() -> None:
    found = preinit.inspect(wasm('(module (func (export "run_it")) (func))'))
    assert {group.name for group in found.groups} == {"run_", "functions without a name"}


# -- against the original ----------------------------------------------------------------------------------------------


def test_a_snapshot_against_its_original_says_what_the_initializer_changed() -> None:
    result = build_text(GUEST, rename_funcs=(("two", "one"),))
    found = preinit.inspect(result.wasm, wasm(GUEST))
    assert states(found) == [(0, 1, "zero"), (1, 1, "data"), (2, 1, "changed"), (3, 1, "changed")]
    assert [run.bytes_changed for run in found.memories[0].runs] == [0, 0, 1, 4]
    assert found.memories[0].bytes_changed == 5
    added = found.against
    assert added is not None
    assert added.same_code
    assert added.functions_added == 0
    assert added.exports_gone == ("wizer-initialize",)
    assert added.exports_renamed == (Renamed("one", "two", "func"),)
    assert [(change.index, change.name, change.before, change.after) for change in added.globals] == [
        (0, "count", "-1", "41")
    ]
    assert {change.name for change in added.sections if not change.same} >= {"export", "data", "global", "producers"}
    assert {change.name for change in added.sections if change.same} >= {"type", "function", "table", "code"}
    assert [entry.name for entry in added.producers_new] == ["preinit"]


def test_names_of_segments_that_a_snapshot_lost_come_from_the_original() -> None:
    found = preinit.inspect(build_text(GUEST).wasm, wasm(GUEST))
    assert [run.name for run in found.memories[0].runs] == [None, ".rodata", ".data", None]


def test_bytes_that_the_initializer_cleared_are_changed_too() -> None:
    text = '(module (memory 1) (data (i32.const 5) "\\01\\02") (func (export "wizer-initialize") (i32.store8 (i32.const 5) (i32.const 0))))'
    (memory,) = preinit.inspect(build_text(text).wasm, wasm(text)).memories
    assert (memory.bytes_changed, memory.bytes_set, memory.runs[0].state) == (1, 1, "changed")


def test_a_memory_that_grew_and_a_start_function_that_is_gone_are_told() -> None:
    text = """(module (memory 1) (func $start (drop (memory.grow (i32.const 2)))
        (i32.store (i32.const 131072) (i32.const 1))) (start $start))"""
    found = preinit.inspect(build_text(text, init_funcs=[]).wasm, wasm(text))
    assert found.against is not None
    assert found.against.pages_before == (1,)
    assert found.against.start_removed
    assert found.start is None
    assert states(found) == [(0, 2, "zero"), (2, 1, "changed")]


def test_a_function_that_stands_in_for_the_initializer_is_an_added_one() -> None:
    found = preinit.inspect(build_text(GUEST, keep_init_func="noop").wasm, wasm(GUEST))
    assert found.against is not None
    assert (found.against.same_code, found.against.functions_added) == (True, 1)
    assert Renamed("wizer-initialize", "wizer-initialize", "func") in found.against.exports_renamed


def test_another_modules_code_is_not_taken_for_the_originals() -> None:
    found = preinit.inspect(wasm(GUEST), wasm("(module (func (result i32) (i32.const 1)))"))
    assert found.against is not None
    assert not found.against.same_code


def test_a_module_against_itself_has_nothing_beyond_it() -> None:
    found = preinit.inspect(wasm(GUEST), wasm(GUEST))
    added = found.against
    assert added is not None
    assert all(change.same for change in added.sections)
    assert found.memories[0].bytes_changed == 0
    assert not (
        added.globals or added.exports_gone or added.exports_new or added.exports_renamed or added.producers_new
    )


segments = st.lists(st.tuples(st.integers(0, 3 * PAGE), st.binary(max_size=6000)), max_size=6)


@given(segments, segments)
def test_the_map_counts_what_a_comparison_byte_by_byte_counts(
    now: list[tuple[int, bytes]], before: list[tuple[int, bytes]]
) -> None:
    def module(parts: list[tuple[int, bytes]]) -> tuple[bytes, bytes]:
        image = bytearray(3 * PAGE + 6000)
        entries = b""
        for offset, content in parts:
            image[offset : offset + len(content)] = content
            entries += b"\0\x41" + _sleb(offset) + b"\x0b" + _uleb(len(content)) + content
        section = _uleb(len(parts)) + entries
        data = b"\0asm\1\0\0\0" + b"\5\3\1\0\3" + b"\x0b" + _uleb(len(section)) + section
        return data, bytes(image[: 3 * PAGE])

    data, image = module(now)
    original, image_before = module(before)
    (memory,) = preinit.inspect(data, original).memories
    pages = [slice(page * PAGE, (page + 1) * PAGE) for page in range(3)]
    expected = []
    for page in pages:
        changed = sum(a != b for a, b in zip(image[page], image_before[page], strict=True))
        set_ = PAGE - image[page].count(0)
        expected.append(("changed" if changed else "data" if set_ else "zero", changed))
    found = [run.state for run in memory.runs for _ in range(run.pages)]
    assert found == [state for state, _ in expected]
    assert memory.bytes_changed == sum(changed for _, changed in expected)
    assert memory.bytes_set == len(image) - image.count(0)


def _uleb(number: int) -> bytes:
    from preinit.binary.encoder import uleb

    return uleb(number)


def _sleb(number: int) -> bytes:
    from preinit.binary.encoder import sleb

    return sleb(number)


# -- modules that mean no good -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "pages"),
    [("1", 1), ("65536", 65536), ("i64 0x1000000000000", 1 << 48), ("0", 0), ("(pagesize 1)", None)],
)
def test_a_memory_of_any_size_is_mapped_in_a_bounded_number_of_steps(limits: str, pages: int | None) -> None:
    text = f"(module (memory {limits}))" if pages is not None else "(module (memory 100000 (pagesize 1)))"
    (memory,) = preinit.inspect(wasm(text)).memories
    assert memory.pages == (100000 if pages is None else pages)
    assert sum(run.pages for run in memory.runs) == memory.pages
    assert -(-memory.pages // memory.step) <= MOST_STEPS


def test_segments_outside_of_the_memory_and_without_one_are_listed_but_not_mapped() -> None:
    outside = preinit.inspect(wasm('(module (memory 1) (data (i32.const -1) "abc") (data (i32.const 65535) "de"))'))
    assert outside.memories[0].bytes_set == 1
    assert [segment.offset for segment in outside.data_segments] == [0xFFFFFFFF, 65535]
    # A segment of a memory that isn't there: this is not validated.
    data = b"\0asm\1\0\0\0" + b"\x0b\x07\1\0\x41\0\x0b\1\1"
    assert preinit.inspect(data).data_segments[0].memory == 0


def test_indices_that_lead_nowhere_are_shown_as_they_are() -> None:
    exports = b"\5" + b"".join(
        b"\1" + name + bytes((kind, 0x7F)) for kind, name in enumerate((b"a", b"b", b"c", b"d", b"e"))
    )
    data = b"\0asm\1\0\0\0\7" + bytes((len(exports),)) + exports + b"\x08\1\x7f"
    found = preinit.inspect(data)
    assert [(e.kind, e.index, e.type) for e in found.exports] == [
        (kind, 127, "unknown") for kind in ("func", "table", "memory", "global", "tag")
    ]
    assert found.start == 127


@pytest.mark.parametrize("title", ["name", "producers", "target_features"])
@pytest.mark.parametrize("content", [b"", b"\xff", b"\xff\xff\xff\xff\x0f", b"\1\7\xff\xff\xff\xff\x0f", b"\1\3abc\2"])
def test_malformed_custom_sections_say_nothing(title: str, content: bytes) -> None:
    found = preinit.inspect(b"\0asm\1\0\0\0" + b"".join(custom_section(title, content)))
    assert (found.producers, found.groups) == ((), ())
    assert [section.name for section in found.sections] == [title]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NotWasm),
        (b"MZ\x90\0", NotWasm),
        (b"\0asm\1\0\0\0\1\x7f", Truncated),
        (b"\0asm\1\0\0\0\x0a\2\5\0", Malformed),
        (b"\0asm\x0d\0\1\0\1\x7f", Truncated),
        (b"\0asm\1\0\0\0\0\x09\x08dylink.0", DynamicLibrary),
        (Path("/nonexistent.wasm"), InputError),
        (5, UsageError),
    ],
)
def test_what_is_no_module_is_refused_with_the_usual_errors(data: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        preinit.inspect(data)  # type: ignore[arg-type]


def test_an_original_that_is_no_module_is_named_as_the_culprit() -> None:
    with pytest.raises(NotWasm) as caught:
        preinit.inspect(wasm(GUEST), b"MZ")
    assert caught.value.where is not None
    assert caught.value.where.startswith("the original")


def test_the_json_form_has_every_field() -> None:
    found = preinit.inspect(build_text(GUEST).wasm, wasm(GUEST))
    again = json.loads(json.dumps(found.to_dict()))
    assert set(again) == {field.name for field in dataclasses.fields(found)}
    assert again["version"] == 1
    assert again["memories"][0]["runs"][2]["state"] == "changed"
    assert again["against"]["exports_gone"] == ["wizer-initialize"]


def test_what_decides_whether_a_large_memory_is_mapped_is_said() -> None:
    def said(*places: tuple[int, int]) -> str:
        parts = "".join(f'(data (i32.const {at}) "{"x" * size}")' for at, size in places)
        found = preinit.inspect(wasm(f"(module (memory 1000) {parts})"))
        assert found.memories[0].image is not None or len(places) == 1
        return "\n".join(lines(found, "in.wasm"))

    assert "wasmtime" not in said((0, 100))
    assert "without what lies at 0x3000000 to 0x3000004, it would map it" in said((0, 100), (5000, 50), (0x3000000, 4))
    assert "0x0 to 0x3000000" in said((0x2FFFFFF, 1), (0, 1), (0x1000000, 1))
    spread = said(*((at << 20, 1) for at in range(40)))
    assert "wasmtime copies its data at each start: " in spread
    assert "19.5 MiB of zeros more, and it would map it" in spread
    (line,) = (line.strip() for line in spread.splitlines() if "wasmtime" in line)
    parts = "".join(f'(data (i32.const {at << 20}) "x")' for at in range(40))
    assert f"{line}." in inspection_page(preinit.inspect(wasm(f"(module (memory 1000) {parts})")), "in.wasm")


SPARSE = "".join(f'(data (memory $m) (i32.const {at << 20}) "x")' for at in range(40))


@pytest.mark.parametrize(
    ("other", "segments", "copied"),
    [
        ("(memory $m 1000)", SPARSE, True),
        ("(memory $m 1000)", '(data (memory $m) (i32.const 0) "x")', False),
        ("(memory $m 1 1 (pagesize 1))", '(data (memory $m) (i32.const 0) "x")', True),
        ("(memory $m 1 1 (pagesize 1))", "", False),
        ("(memory $m 1)", '(data (memory $m) (i32.const 65536) "x")', True),
        ("(memory $m 1) (global $g i32 (i32.const 0))", '(data (memory $m) (global.get $g) "x")', True),
        ('(import "env" "memory" (memory $m 1))', '(data (memory $m) (i32.const 0) "")', True),
        ('(import "env" "memory" (memory $m 1))', "", False),
        ("(memory $m 1000 1000 shared)", SPARSE, True),
        ("(memory $m 1 1 shared)", '(data (memory $m) (i32.const 0) "x")', False),
    ],
)
def test_the_engine_maps_the_data_of_all_memories_or_of_none_and_that_is_said_of_each(
    other: str, segments: str, copied: bool
) -> None:
    big_one = '(memory $big 300) (data (memory $big) (i32.const 9) "x") (data (memory $big) (i32.const 8000000) "x")'
    module = wasm(f"(module {other} {big_one} {segments})")
    assert is_mapped(module, 7_000_000) is not copied
    found = preinit.inspect(module)
    (big,) = (memory for memory in found.memories if memory.pages == 300)
    said = "\n".join(image_lines(big))
    if not copied:
        assert said == ""
        return
    assert said.startswith("  wasmtime copies its data at each start: ")
    assert said.endswith(f"it would map it, if it could map that of memory {1 - big.index}, too")


def test_of_each_memory_that_is_mapped_with_the_others_it_is_said_what_is_mapped() -> None:
    big = f'(data (memory $m) (i32.const 1) "{"x" * (9 << 20)}") (data (memory $m) (i32.const 0x1000010) "x")'
    found = preinit.inspect(wasm(f'(module (memory 1) (memory $m 1000) (data (i32.const 5) "x") {big})'))
    small, large = found.memories
    assert image_lines(small) == []
    assert image_lines(large) == ["  wasmtime maps its data: 9.0 MiB in 16.0 MiB, 0x1 to 0x1000011"]


def test_what_the_start_function_stores_first_is_shown_where_it_lies() -> None:
    text = """(module (memory 300) (global $g (mut i32) (i32.const 0)) (start $s) (data (i32.const 7) "abc")
      (func $s
        (i32.store8 (i32.const 8) (i32.const 0))
        (i64.store offset=8 (i32.const 0x20000) (i64.const -1))
        (global.set $g (i32.const 1))
        (i32.store (i32.const 0x40000) (i32.const 1))))"""
    (memory,) = preinit.inspect(wasm(text)).memories
    assert memory.stored == ((8, 9), (0x20008, 0x20010))
    assert memory.bytes_set == 2 + 8
    assert [(run.first_page, run.bytes_set) for run in memory.runs if run.state == "data"] == [(0, 2), (2, 8)]
    assert image_lines(memory) == ["  the start function stores 9 bytes in 2 places from 0x8 to 0x20010"]
    (other,) = preinit.inspect(wasm("(module (memory 300))"), wasm(text)).memories
    assert other.bytes_changed == 10


# -- components --------------------------------------------------------------------------------------------------------

COMPONENT = """(component
  (core module $m (memory 1) (func (export "run") (i32.store (i32.const 8) (i32.const 7))) (func (export "get")))
  (core instance $i (instantiate $m))
  (func (export "run") (canon lift (core func $i "run")))
  (func (export "get") (canon lift (core func $i "get"))))"""


def test_of_a_component_the_core_modules_are_inspected_and_compared() -> None:
    ready = preinit.build(wasm(COMPONENT), init_funcs=["run"], cache=False).wasm
    found = preinit.inspect(ready, against=COMPONENT.encode())
    assert isinstance(found, preinit.ComponentInspection)
    assert found.exports == (("func", "get"),)
    assert found.against is not None
    assert found.against.exports_gone == (("func", "run"),)
    assert found.modules[0].memories[0].bytes_changed == 1
    assert preinit.inspect(COMPONENT.encode()).size == len(wasm(COMPONENT))


@pytest.mark.parametrize(("given", "against"), [(COMPONENT, "(module)"), ("(module)", COMPONENT)])
def test_a_module_is_not_compared_with_a_component(given: str, against: str) -> None:
    with pytest.raises(Misfit):
        preinit.inspect(wasm(given), against=wasm(against))
