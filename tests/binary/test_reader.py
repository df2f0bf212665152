"""Reading a module: what is not well-formed is refused with an offset, and nothing else ever comes out of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit.binary import encoder as write
from preinit.binary.instructions import Decoder
from preinit.binary.module import Module, parse
from preinit.binary.opcodes import Kind
from preinit.binary.sections import Mode
from preinit.engine.runtime import Deadline, EngineSettings
from preinit.engine.whole import compile_guest
from preinit.errors import (
    ComponentInput,
    DynamicLibrary,
    EngineLimit,
    Malformed,
    NotWasm,
    PreinitError,
    RelocatableObject,
    Truncated,
    UnsupportedProposal,
)
from preinit.passes.instrument import instrument
from tests.support.amounts import amount
from tests.support.binaries import offset_of
from tests.support.by_hand import module, section
from tests.support.modules import wasm

EVERY_SECTION = """(module $everything
  (type $callback (func (param i32 i64) (result f32 f64)))
  (import "env" "f" (func $imported (type $callback)))
  (func $f (export "wizer-initialize") (local i32 i64 v128) (drop (memory.grow (i32.const 1))) (data.drop $passive))
  (table $t 3 9 funcref)
  (memory $m (export "memory") 1 4)
  (tag $tag (param i32))
  (global $number (mut i64) (i64.const -7000000000))
  (global $float (mut f32) (f32.const nan:0x200000))
  (global $vector (mut v128) (v128.const i64x2 1 2))
  (global $function funcref (ref.func $f))
  (export "g" (global $number))
  (start $begin)
  (func $begin (drop (table.grow $t (ref.null func) (i32.const 1))))
  (data (i32.const 8) "active")
  (data (memory $m) (offset (i32.add (i32.const 1) (i32.const 2))) "explicit")
  (data $passive "passive")
  (@custom "note" (after data) "free text"))"""

SEGMENTS_OF_ALL_FORMS = """(module
  (table $t 10 funcref) (table $u 10 funcref)
  (func $f) (func $g)
  (elem (table $t) (i32.const 0) func $f $g)
  (elem func $f)
  (elem (table $u) (i32.const 1) func $f)
  (elem declare func $g)
  (elem (table $t) (i32.const 3) funcref (ref.func $f) (ref.null func))
  (elem funcref (ref.func $g))
  (elem (table $u) (i32.const 5) funcref (item ref.func $f))
  (elem declare funcref (ref.func $f)))"""

GARBAGE_COLLECTED = """(module
  (rec (type $node (sub (struct (field (mut (ref null $node))) (field i8)))) (type $leaf (sub final $node
    (struct (field (mut (ref null $node))) (field i8) (field (mut i16))))))
  (type $bytes (array (mut i8))) (type $f (func))
  (table 2 (ref null $node) (struct.new $node (ref.null $node) (i32.const 1)))
  (global (ref null $bytes) (array.new_fixed $bytes 2 (i32.const 1) (i32.const 2)))
  (global (mut anyref) (ref.null any)) (global (mut eqref) (ref.null eq)) (global (mut i31ref) (ref.i31 (i32.const 4)))
  (global (mut structref) (ref.null struct)) (global (mut arrayref) (ref.null array))
  (global (mut exnref) (ref.null exn)) (global (mut nullref) (ref.null none)) (global nullfuncref (ref.null nofunc))
  (global (mut externref) (ref.null extern)) (global nullexternref (ref.null noextern))
  (global nullexnref (ref.null noexn)) (global (mut (ref null func)) (ref.null func))
  (func $g (type $f)) (global (ref $f) (ref.func $g)) (export "wizer-initialize" (func $g))
  (elem (ref null $node) (ref.null $node)) (tag (type $f)))"""

WIDE = """(module
  (memory 1 2 (pagesize 1)) (memory i64 1) (memory i64 1 4) (memory 1 1 shared)
  (table i64 1 externref) (table i64 1 9 funcref)
  (func (export "wizer-initialize")
    (drop (memory.grow 1 (i64.const 1))) (drop (table.grow 1 (ref.null func) (i64.const 2))))
  (data (memory 1) (i64.const 4) "wide"))"""

NAMED = """(module (func $first (param $p i32) (local $l i64) unreachable) (global $sp (mut i32) (i32.const 70000))
  (memory 1) (data $d (i32.const 0) "x") (export "\\c3\\a9" (func $first)))"""

IMPORTS = """(module
  (import "a" "f" (func (param i32))) (import "a" "t" (table 1 funcref)) (import "a" "m" (memory 1 2))
  (import "a" "g" (global (mut i32))) (import "a" "e" (tag (param i64))) (export "e" (tag 0)))"""

TEXTS = [EVERY_SECTION, SEGMENTS_OF_ALL_FORMS, GARBAGE_COLLECTED, WIDE, NAMED, IMPORTS, "(module)"]

ENGINE = EngineSettings("auto")


def read_everything(data: bytes, engine: bool = True) -> None:
    """What a build does with untrusted bytes before it runs them; a `PreinitError` is the only way to fail."""
    try:
        module = parse(data)
        assert all(0 <= body.entry < body.start <= body.end <= len(data) for body in module.bodies)
        for index in range(len(module.function_types)):
            module.function_type(index)
        assert module.names.functions_among({0, 1}).items() <= module.names.functions.items()
        code, _ = instrument(module)
        if engine:
            deadline = Deadline(None)
            deadline.start(lambda: compile_guest(code, ENGINE)).result()
    except (Malformed, Truncated) as problem:
        assert problem.where is not None
        kind, _, offset = problem.where.partition("byte offset ")
        assert kind == ""
        assert 0 <= int(offset, 16) <= len(data)
    except PreinitError as problem:
        assert str(problem)


# -- any bytes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", TEXTS)
def test_every_module_that_others_are_made_from_is_read_and_instrumented(text: str) -> None:
    module = parse(wasm(text))
    instrument(module)
    assert module.data == wasm(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_everything(data, engine=False)


@given(st.lists(st.tuples(st.integers(0, 15), st.binary(max_size=40)), max_size=8))
def test_any_sections_are_read_or_refused(sections: list[tuple[int, bytes]]) -> None:
    read_everything(write.PREAMBLE + b"".join(section(number, payload) for number, payload in sections))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid module with a few bytes changed, removed, put in, doubled, or taken from another module."""
    data = bytearray(wasm(draw(st.sampled_from(TEXTS))))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(min(8, len(data)), len(data)))
        end = min(len(data), place + draw(st.integers(0, 12)))
        kind = draw(st.sampled_from(["change", "bit", "remove", "insert", "double", "splice"]))
        if kind == "change" and place < len(data):
            data[place] = draw(st.integers(0, 255))
        elif kind == "bit" and place < len(data):
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "remove":
            del data[place:end]
        elif kind == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=6))
        elif kind == "double":
            data[end:end] = data[place:end]
        elif kind == "splice":
            other = wasm(draw(st.sampled_from(TEXTS)))
            start = draw(st.integers(0, len(other)))
            data[place:end] = other[start : start + draw(st.integers(0, 40))]
    return bytes(data)


@settings(max_examples=amount(600, 150))
@given(damaged())
def test_a_damaged_module_is_read_or_refused(data: bytes) -> None:
    read_everything(data)


@settings(max_examples=amount(300, 100))
@given(damaged(), st.integers(0, 400))
def test_a_damaged_body_gives_no_instructions_or_some(data: bytes, start: int) -> None:
    for instruction in Decoder(Kind).search(data, min(start, len(data)), len(data)).found:
        assert start <= instruction.start < instruction.end <= len(data)
        for reference in instruction.references:
            assert instruction.start < reference.start < reference.end <= instruction.end
            assert reference.target >= 0


@pytest.mark.parametrize("text", TEXTS)
def test_a_module_cut_anywhere_is_truncated_or_ends_between_sections(text: str) -> None:
    data = wasm(text)
    boundaries = {8} | {part.end for part in parse(data).sections}
    for size in range(len(data)):
        if size in boundaries:
            read_everything(data[:size], engine=False)
        else:
            with pytest.raises(Truncated if size else NotWasm) as problem:
                parse(data[:size])
            assert not size or 0 <= offset_of(problem) <= size


def sections_of(module: Module) -> Iterator[tuple[int, bytes]]:
    for part in module.sections:
        yield part.header, bytes(module.payload(part))


@pytest.mark.parametrize("text", [EVERY_SECTION, SEGMENTS_OF_ALL_FORMS, GARBAGE_COLLECTED, WIDE, IMPORTS])
def test_a_section_that_ends_early_or_late_is_refused_with_an_offset_in_it(text: str) -> None:
    data = wasm(text)
    for part in parse(data).sections:
        payload = data[part.start : part.end]
        if part.id == 0:
            continue
        for changed in (payload[:-1], payload + b"\0"):
            inner = data[: part.header] + section(part.id, changed) + data[part.end :]
            with pytest.raises((Malformed, Truncated)) as problem:
                _ = parse(inner).bodies
            assert part.header <= offset_of(problem) <= part.header + 6 + len(changed)


# -- by name -----------------------------------------------------------------------------------------------------------


def test_an_empty_file_is_not_wasm() -> None:
    with pytest.raises(NotWasm, match="empty"):
        parse(b"")


def test_another_format_is_not_wasm() -> None:
    with pytest.raises(NotWasm, match="7f 45 4c 46"):
        parse(b"\x7fELF\x02\x01\x01\0")


def test_an_unknown_version_is_refused_where_it_stands() -> None:
    with pytest.raises(NotWasm, match="02 00 00 00") as problem:
        parse(b"\0asm\2\0\0\0")
    assert offset_of(problem) == 4


def test_a_section_with_an_unknown_number_is_refused() -> None:
    with pytest.raises(Malformed, match="unknown section number 99") as problem:
        parse(write.PREAMBLE + section(99, b""))
    assert offset_of(problem) == 8


@pytest.mark.parametrize(("first", "second"), [(5, 5), (7, 6), (10, 12), (11, 10), (6, 13)])
def test_a_section_that_stands_twice_or_out_of_order_is_refused(first: int, second: int) -> None:
    with pytest.raises(Malformed, match="twice or out of order") as problem:
        parse(write.PREAMBLE + section(first, b"\0") + section(second, b"\0"))
    assert offset_of(problem) == 11


def test_a_name_that_is_not_utf_8_is_refused_at_the_byte() -> None:
    payload = b"\x01\x04ok\xff\xfe\x00\x00"
    with pytest.raises(Malformed, match="not UTF-8") as problem:
        parse(write.PREAMBLE + section(7, payload))
    assert offset_of(problem) == 14


def test_a_custom_section_whose_name_is_longer_than_itself_is_refused() -> None:
    with pytest.raises(Malformed, match="custom section") as problem:
        parse(write.PREAMBLE + section(0, b"\x09ab") + section(1, b"\0"))
    assert offset_of(problem) == 11


def test_a_malformed_name_section_gives_the_names_before_the_damage() -> None:
    names = b"\x04name" + b"\x01\x0a\x02\x00\x03one\x01\x09two"
    module = parse(write.PREAMBLE + section(0, names))
    assert module.names.functions == {0: "one"}
    assert module.names.globals == {}


@pytest.mark.parametrize(
    ("number", "payload", "message"),
    [
        (1, b"\x01\x60\x01\x01\x00", "is not a value type"),
        (2, b"\x01\x01a\x01b\x09\x00", "unknown kind"),
        (4, b"\x01\x70\x10\x00", "unknown flags"),
        (4, b"\x01\x40\x01\x70\x00\x00", "reserved byte"),
        (5, b"\x01\x08\x00\x11", "page size"),
        (6, b"\x01\x7f\x04\x41\x00\x0b", "mutability"),
        (9, b"\x01\x08\x00\x00", "unknown flags"),
        (9, b"\x01\x01\x01\x00", "element kind"),
        (11, b"\x01\x03\x00\x00", "unknown flags"),
        (13, b"\x01\x01\x00", "tag attribute"),
        (8, b"\x00\x00", "left over"),
    ],
)
def test_a_byte_with_no_meaning_is_refused(number: int, payload: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message) as problem:
        parse(write.PREAMBLE + section(number, payload))
    assert 10 <= offset_of(problem) < 10 + len(payload)


@pytest.mark.parametrize(
    ("number", "payload"),
    [(1, b"\x01\x33"), (6, b"\x01\x7f\x00\xe5\x0b"), (6, b"\x01\x7f\x00\xfb\x30\x0b")],
    ids=["type form", "instruction", "GC instruction"],
)
def test_what_only_a_future_proposal_could_mean_is_called_unsupported(number: int, payload: bytes) -> None:
    with pytest.raises(UnsupportedProposal) as problem:
        parse(write.PREAMBLE + section(number, payload))
    assert 10 <= offset_of(problem) < 10 + len(payload)


def test_a_component_an_object_and_a_dynamic_library_are_told_from_a_module() -> None:
    with pytest.raises(ComponentInput):
        parse(wasm("(component)"))
    with pytest.raises(RelocatableObject):
        parse(write.PREAMBLE + section(0, b"\x07linking\x02"))
    with pytest.raises(RelocatableObject):
        parse(wasm('(module (import "env" "__linear_memory" (memory 0)))'))
    with pytest.raises(DynamicLibrary):
        parse(write.PREAMBLE + section(0, b"\x08dylink.0"))


#: `dylink.0` with mem-info: bytes of memory and their alignment, entries of the table and their alignment.
def _dylink(memory: int, table: int = 0) -> bytes:
    info = write.uleb(memory) + write.uleb(4) + write.uleb(table) + write.uleb(0)
    needed = b"\x02\x05\x01\x03lib"  # of another subsection
    return section(0, b"\x08dylink.0" + needed + b"\x01" + write.uleb(len(info)) + info)


def test_a_main_module_that_can_load_libraries_is_no_library() -> None:
    rest = wasm('(module (import "GOT.func" "exit" (global (mut i32))) (memory 1))')[len(write.PREAMBLE) :]
    assert parse(write.PREAMBLE + _dylink(0, 300) + rest).memories[0].minimum == 1
    assert parse(write.PREAMBLE + section(0, b"\x06dylink\0\0\0\0\0") + rest).memories[0].minimum == 1
    for base in ("__memory_base", "__table_base"):
        library = wasm(f'(module (import "env" "{base}" (global i32)))')[len(write.PREAMBLE) :]
        with pytest.raises(DynamicLibrary):
            parse(write.PREAMBLE + _dylink(0) + library)
    for asks in (_dylink(1), section(0, b"\x06dylink\x08\0\0\0\0"), section(0, b"\x06dylink")):
        with pytest.raises(DynamicLibrary):
            parse(write.PREAMBLE + asks + rest)


@pytest.mark.parametrize("content", [b"\x01", b"\x01\x05\0", b"\x01\x01\x80", b"\x01\x01\x80\0\0\0\0"])
def test_a_damaged_section_of_dynamic_linking_is_told_where(content: bytes) -> None:
    with pytest.raises((Malformed, Truncated)) as problem:
        parse(write.PREAMBLE + section(0, b"\x08dylink.0" + content))
    assert 10 <= offset_of(problem) <= 19 + len(content)


def test_all_forms_of_element_segments_are_told_apart() -> None:
    active, passive, declarative = Mode.ACTIVE, Mode.PASSIVE, Mode.DECLARATIVE
    module = parse(wasm(SEGMENTS_OF_ALL_FORMS))
    assert [(s.mode, s.table, s.length, s.functions) for s in module.elements] == [
        (active, 0, 2, (0, 1)),
        (passive, -1, 1, (0,)),
        (active, 1, 1, (0,)),
        (declarative, -1, 1, (1,)),
        (active, 0, 2, (0,)),
        (passive, -1, 1, (1,)),
        (active, 1, 1, (0,)),
        (declarative, -1, 1, (0,)),
    ]


def test_ranges_of_sections_and_segments_are_those_of_the_file() -> None:
    data = wasm(EVERY_SECTION)
    module = parse(data)
    assert [data[s.start : s.end] for s in module.data_segments] == [b"active", b"explicit", b"passive"]
    assert [s.mode for s in module.data_segments] == [Mode.ACTIVE, Mode.ACTIVE, Mode.PASSIVE]
    note = module.custom("note")
    assert note is not None
    assert data[note.content : note.end] == b"free text"
    assert b"".join(section(s.id, data[s.start : s.end]) for s in module.sections) == data[8:]


def test_limits_of_every_form_are_read() -> None:
    module = parse(wasm(WIDE))
    assert [(m.minimum, m.maximum, m.shared, m.is_64, m.page_size) for m in module.memories] == [
        (1, 2, False, False, 1),
        (1, None, False, True, 65536),
        (1, 4, False, True, 65536),
        (1, 1, True, False, 65536),
    ]
    assert [(t.limits.is_64, t.limits.maximum) for t in module.tables] == [(True, None), (True, 9)]


def test_a_custom_section_is_the_first_of_its_name() -> None:
    named = b"".join(
        section(0, b"\x01" + name + content) for name, content in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))
    )
    parsed = parse(module(after=named))
    found = parsed.custom("a")
    assert found is not None
    assert parsed.data[found.content : found.end] == b"1"
    assert parsed.custom("c") is None


def test_one_byte_imports_in_groups_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.binary.sections.MOST_ITEMS", 1000)
    group = b"\x01m\0\x7e\0\0" + write.uleb(600) + b"\0" * 600
    with pytest.raises(EngineLimit, match="more than 1,000 imports"):
        parse(module({2: b"\x02" + group * 2}))


def test_types_in_groups_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.binary.types.MOST_ITEMS", 1000)
    group = b"\x4e" + write.uleb(600) + b"\x60\0\0" * 600
    with pytest.raises(EngineLimit, match="more than 1,000 types"):
        parse(module({1: b"\x02" + group * 2}))
