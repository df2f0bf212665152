"""What was found valid once is not validated again: function bodies, as long as what they depend on is the same."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path

import pytest

from preinit import Builder, Options, build
from preinit.binary import encoder as write
from preinit.binary.module import Module, SectionId, parse
from preinit.binary.outline import Context, context, context_of_input, context_of_same_code, in_doubt, outline, united
from preinit.binary.rope import Rope
from preinit.engine import ffi, validation
from preinit.engine.runtime import EngineSettings, new_engine
from preinit.engine.values import EngineError
from preinit.errors import InvalidModule
from preinit.passes.rewrite import module as rewriting
from preinit.passes.validate import Validity
from tests.support.both_engines import INIT, attempt
from tests.support.modules import wasm

#: Code that is never called and as long as all else together, so that sizes tell what was validated.
LONG = f"(func (result i32) (i32.const 0) {'(i32.const 1) i32.add ' * 1000})"
COUNTER = f"""(module (memory (export "memory") 1) (global $g (mut i32) (i32.const 0)) {LONG}
    (func {INIT} (i32.store (i32.const 8) (i32.const 7)) (global.set $g (i32.const 9)))
    (func (export "other") (i32.store (i32.const 80) (i32.const 70)) (drop (memory.grow (i32.const 1)))))"""


@pytest.fixture(autouse=True)
def _small_modules_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("preinit.passes.validate.validity.worthwhile", "preinit.passes.validate.validity.validated_beside"):
        monkeypatch.setattr(name, lambda module: True)
    monkeypatch.setattr("preinit.binary.rope._LARGE", 8)  # outputs are in pieces, as those of large modules


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of all modules that are validated."""
    sizes: list[int] = []

    def validate(engine: object, data: bytes) -> None:
        sizes.append(len(data))
        original(engine, data)  # type: ignore[arg-type]

    original = ffi.validate
    monkeypatch.setattr(validation.ffi, "validate", validate)
    yield sizes


def built(folder: Path, source: str, **fields: object) -> bytes:
    found = attempt(source, cache_dir=str(folder), engine="whole", **fields)
    assert found.wasm, found.error
    return found.wasm


def test_bodies_are_validated_once(tmp_path: Path, looked: list[int]) -> None:
    first = built(tmp_path / "cache", COUNTER)
    assert max(looked) > len(LONG) // 10
    looked.clear()
    assert built(tmp_path / "cache", COUNTER) == first
    assert looked and max(looked) < 300


def test_of_a_module_of_which_one_function_changed_its_group_is_validated(
    tmp_path: Path, looked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preinit.binary.outline.GROUP", 1)
    source = COUNTER.replace("(i32.const 70)", "(i32.const 71)")
    built(tmp_path / "cache", COUNTER)
    looked.clear()
    second = built(tmp_path / "cache", source)
    assert looked and max(looked) < 300
    assert second == attempt(source, engine="whole").wasm
    looked.clear()
    built(tmp_path / "cache", COUNTER)  # what was noted first is there still
    assert looked and max(looked) < 300


def test_a_changed_function_that_is_not_valid_is_found_beside_those_that_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preinit.binary.outline.GROUP", 1)
    built(tmp_path / "cache", COUNTER)
    data = wasm(COUNTER)
    place = data.index(b"\x41\x01\x40\x00\x1a")  # i32.const 1, memory.grow, drop
    wrong = data[:place] + b"\x42" + data[place + 1 :]
    for _ in range(2):
        with pytest.raises(InvalidModule) as caught:
            build(wrong, Options(cache_dir=tmp_path / "cache", engine="ondemand"))
        assert caught.value.where == f"byte offset {place + 2:#x}"


def test_a_function_that_is_valid_at_one_place_may_not_be_at_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preinit.binary.outline.GROUP", 1)
    text = f'(module (memory (export "m") 1) {LONG} (func (result i32) (i32.const 5)) (func (result i64) (i64.const 5)) (func {INIT}))'
    built(tmp_path / "cache", text)
    data = wasm(text)
    one, other = b"\x04\x00\x41\x05\x0b", b"\x04\x00\x42\x05\x0b"
    assert one + other in data
    with pytest.raises(InvalidModule):
        build(data.replace(one + other, other + one), Options(cache_dir=tmp_path / "cache", engine="ondemand"))


def test_what_is_left_of_a_note_that_was_damaged_is_not_taken_for_more(tmp_path: Path, looked: list[int]) -> None:
    first = built(tmp_path / "cache", COUNTER)
    for note in (tmp_path / "cache" / "valid").iterdir():
        note.write_bytes(note.read_bytes()[:-1])
    looked.clear()
    assert built(tmp_path / "cache", COUNTER) == first
    assert max(looked) > len(LONG) // 10


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_without_a_cache_bodies_are_validated_in_the_input_and_not_again_in_the_output(
    engine: str, looked: list[int]
) -> None:
    for _ in range(2):
        looked.clear()
        assert attempt(COUNTER, engine=engine).wasm
        assert sum(size > len(LONG) // 10 for size in looked) == 1


def test_another_memory_and_another_value_do_not_matter_to_bodies(tmp_path: Path, looked: list[int]) -> None:
    source = COUNTER.replace(INIT, '(export "one") (export "two")')
    built(tmp_path / "cache", source, init_funcs=("one",), keep_init_func=True)
    looked.clear()
    built(tmp_path / "cache", source, init_funcs=("other",), keep_init_func=True)
    assert max(looked) < 300


def test_bodies_of_another_output_need_not_be_validated(tmp_path: Path, looked: list[int]) -> None:
    built(tmp_path / "cache", COUNTER)
    looked.clear()
    built(tmp_path / "cache", COUNTER, init_funcs=("other",))
    assert looked and max(looked) < 300


#: A function that an export declares, and a reference to it in code that is never called.
DECLARED = f"""(module (func (export "one")) (func $two (export "two")) (func (drop (ref.func $two))) {LONG})"""


def test_what_an_initializer_declared_is_looked_at_again_without_it(tmp_path: Path) -> None:
    built(tmp_path / "cache", DECLARED, init_funcs=("one",))  # "two" is declared by its export
    made = built(tmp_path / "cache", DECLARED, init_funcs=("two",))  # and is no longer exported
    assert made == attempt(DECLARED, engine="whole", init_funcs=("two",)).wasm
    validation.check(made)


def test_what_is_not_valid_is_never_taken_for_valid(tmp_path: Path) -> None:
    # In the text format, a type that does not fit is written as it is.
    source = COUNTER.replace("(func (result i32) (i32.const 0)", "(func (result i64) (i32.const 0)")
    for _ in range(2):
        found = attempt(source, cache_dir=str(tmp_path / "cache"), engine="ondemand")
        assert isinstance(found.error, InvalidModule)


CONTEXTS = {
    "a type": ("(type (func (param i32)))", "(type (func (param i64)))"),
    "a global's type": ("(global i32 (i32.const 1))", "(global i64 (i64.const 1))"),
    "whether a global is mutable": ("(global i32 (i32.const 1))", "(global (mut i32) (i32.const 1))"),
    "a memory's address type": ("(memory 1)", "(memory i64 1)"),
    "a memory's page size": ("(memory 1)", "(memory 1 (pagesize 1))"),
    "a second memory": ("(memory 1)", "(memory 1) (memory 1)"),
    "a table's type": ("(table 1 funcref)", "(table 1 externref)"),
    "an import": ('(import "a" "b" (global i32))', '(import "a" "b" (global i64))'),
    "what a global declares": ("(global funcref (ref.func 0))", "(global funcref (ref.null func))"),
    "what a segment declares": ("(elem declare func 0)", ""),
    "what an export declares": ('(export "f" (func 0))', '(export "f" (func 1))'),
    "a tag": ("(type $t (func (param i32))) (tag (type $t))", "(type $t (func (param i32)))"),
    "the number of segments": ('(memory 1) (data "a") (data "b")', '(memory 1) (data "a")'),
}  # fmt: skip


def _of_same_code(one: bytes, other: bytes) -> Context:
    """The context of one, told by what it has in common with the other."""
    found = context_of_same_code(one, parse(other))
    assert found and found[1] == parse(one).sections
    return found[0]


@pytest.mark.parametrize("name", CONTEXTS)
def test_bodies_depend_on(name: str) -> None:
    uses = "(func (data.drop 0))" if "(data" in CONTEXTS[name][0] else "(func)"
    data = [wasm(f"(module {fields} (func) {uses})") for fields in CONTEXTS[name]]
    contexts = [context(one, parse(one).sections) for one in data]
    assert contexts[0] != contexts[1]
    assert [context_of_input(parse(one)) for one in data] == contexts
    assert [_of_same_code(one, other) for one, other in permutations(data)] == contexts


def doubted(known: Context, wanted: Context, module: Module) -> list[int] | None:
    found = in_doubt(known, wanted, module)
    return None if found is None else [number for numbers in found for number in numbers]


def both(before: str, after: str) -> tuple[Context, Context, Module]:
    known, wanted = wasm(f"(module {before})"), wasm(f"(module {after})")
    module = parse(known)
    return context(known, module.sections), context(wanted, parse(wanted).sections), module


@pytest.mark.parametrize(
    ("body", "may_name"),
    [
        ("(drop (ref.func 1))", True),
        ("(drop (ref.func 2))", False),
        ("(drop (i32.const 0x152))", False),  # 0xd2 0x02
        ("(drop (i32.const -0x2e))", False),  # 0x52
        ("(drop (i32.const 0xd2)) (drop (i32.const -174)) (drop (ref.func 1))", True),
        ("(drop (i64.const 0xd2))", True),  # 0xd2 0x01, and it names nothing
    ],
)
def test_what_is_no_longer_declared_matters_where_a_body_may_name_it(body: str, may_name: bool) -> None:
    exports = '(export "a" (func 1)) (export "b" (func 2))'
    functions = f"(func) (func) (func) (func {body})"
    known, wanted, module = both(exports + functions, '(export "b" (func 2))' + functions)
    assert doubted(known, wanted, module) == [3] * may_name
    assert doubted(wanted, known, module) == []


def test_a_reference_is_found_however_its_number_is_written() -> None:
    data = wasm('(module (export "a" (func 0)) (func (drop (ref.func 0)) (nop) (nop)))')
    longer = data.replace(b"\xd2\x00\x1a\x01\x01", b"\xd2\x80\x80\x00\x1a")
    assert longer != data
    for one in (data, longer):
        module = parse(one)
        validation.check(one)
        known = context(one, module.sections)
        assert doubted(known, known._replace(declared=frozenset()), module) == [0]


@pytest.mark.parametrize(
    ("body", "may_name"),
    [
        ("(data.drop 0)", True),
        ("(memory.init 1 (i32.const 0) (i32.const 0) (i32.const 0))", True),
        ("(drop (array.new_data $a 1 (i32.const 0) (i32.const 0)))", True),
        ("(array.init_data $a 0 (array.new_default $a (i32.const 0)) (i32.const 0) (i32.const 0) (i32.const 0))", True),
        ("(drop (i64.const 0x47c)) (drop (i64.const 0x4fc))", True),  # the same bytes, and nothing is named
        ("(drop (i32.const -900)) (drop (i64.const 0x49c))", False),
    ],
)  # fmt: skip
def test_fewer_segments_matter_to_bodies_that_may_name_one(body: str, may_name: bool) -> None:
    fields = '(type $a (array (mut i8))) (memory 1) (data "a") (data "b") (func nop)'
    data = wasm(f"(module {fields} (func {body}))")
    module = parse(data)
    known = context(data, module.sections)._replace(segments=2)
    assert [doubted(known, known._replace(segments=left), module) for left in (2, 1, None)] == [
        [],
        [1] * may_name,
        [1] * may_name,
    ]
    assert doubted(known._replace(segments=None), known, module) == []


@pytest.mark.parametrize("at_once", range(1, 12))
def test_what_is_in_doubt_does_not_depend_on_how_much_is_read_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = "(func (drop (ref.func 0))) (func (drop (ref.func 1))) (func (data.drop 0)) (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0)))"
    module = parse(wasm(f'(module (memory 1) (data "a") (export "a" (func 0)) (export "b" (func 1)) {bodies})'))
    known = context_of_input(module)
    monkeypatch.setattr("preinit.binary.outline._AT_ONCE", at_once)
    assert doubted(known, known._replace(declared=frozenset({0})), module) == [1]
    assert doubted(known, known._replace(segments=0), module) == [2, 3]


def test_where_too_much_is_in_doubt_all_is(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = '(memory 1) (data "a") (func (data.drop 0) (data.drop 0)) (func (data.drop 0))'
    data = wasm(f"(module {fields})")
    module = parse(data)
    known = context(data, module.sections)
    sizes = [module.bodies.size(number) for number in range(2)]
    for most, found in ((sum(sizes), [0, 1]), (sum(sizes) - 1, None)):
        monkeypatch.setattr("preinit.binary.outline._MOST_DOUBTED", most)
        assert doubted(known, known._replace(segments=0), module) == found


def test_ranges_that_lie_in_others_are_left_out() -> None:
    assert united([range(9, 10), range(4), range(3, 4), range(1), range(4, 5)]) == [
        range(4),
        range(4, 5),
        range(9, 10),
    ]


SAME = {
    "a global's value": ("(global i32 (i32.const 1))", "(global i32 (i32.const 2))"),
    "a memory's size": ("(memory 1)", "(memory 2 9)"),
    "data": ('(memory 1) (data (i32.const 0) "a")', '(memory 1) (data (i32.const 9) "bc")'),
    "a table's size": ("(table 1 funcref)", "(table 2 9 funcref)"),
    "where a segment goes": ("(table 9 funcref) (elem (i32.const 0) 1)", "(table 9 funcref) (elem (i32.const 5) 1)"),
    "the start function": ("(start 0)", "(start 1)"),
    "a custom section": ('(@custom "a" "b")', '(@custom "a" "c")'),
}


@pytest.mark.parametrize("name", SAME)
def test_bodies_do_not_depend_on(name: str) -> None:
    data = [wasm(f"(module {fields} (func) (func))") for fields in SAME[name]]
    assert len({context(one, parse(one).sections) for one in data}) == 1
    contexts = {context(one, parse(one).sections) for one in data}
    assert {context_of_input(parse(one)) for one in data} == contexts
    assert {_of_same_code(one, other) for one, other in permutations(data)} == contexts


def test_an_outline_of_a_module_has_its_bugs_but_for_those_in_bodies() -> None:
    engine = new_engine(EngineSettings("cranelift"))
    for fields, valid in (
        ("(func (result i32))", True),
        ("(func) (start 5)", False),
        ('(func) (export "a" (func 0)) (export "a" (func 0))', False),
        ("(func) (global i32 (i64.const 0))", False),
        ('(func) (data (i32.const 0) "a")', False),
    ):
        data = wasm(f"(module {fields})")
        sketch = outline(data, parse(data).sections)
        if valid:
            ffi.validate(engine, sketch)
        else:
            with pytest.raises(EngineError):
                ffi.validate(engine, sketch)


def test_an_outline_without_contents_has_all_segments_where_they_were() -> None:
    data = wasm(f"""(module (memory 1) (memory i64 1) (data (i32.const 70000) "{"x" * 300}") (data (memory 1) (i64.const 9) "")
        (data "passive") (data (i32.const 1) "a") (func (data.drop 2)))""")
    sketch = outline(data, parse(data).sections, contents=False)
    ffi.validate(new_engine(EngineSettings("cranelift")), sketch)
    before, after = (parse(one).data_segments for one in (data, sketch))
    assert [(s.mode, s.memory, s.offset, s.offset_is_64) for s in after] == [
        (s.mode, s.memory, s.offset, s.offset_is_64) for s in before
    ]
    assert all(segment.start == segment.end for segment in after)


def test_an_outline_keeps_what_many_short_segments_hold() -> None:
    """To find where each ends would take longer than to copy it."""
    for size, kept in ((10, True), (3000, False)):
        segments = "".join(f'(data (i32.const {at}) "{"x" * size}")' for at in range(1200))
        data = wasm(f"(module (memory 1) {segments})")
        sketch = outline(data, parse(data).sections, contents=False)
        ffi.validate(new_engine(EngineSettings("cranelift")), sketch)
        assert len(parse(sketch).data_segments) == 1200
        assert (sketch == data) is kept
        assert kept or len(sketch) < 20_000


def test_an_outline_empties_segments_however_their_size_is_written() -> None:
    entries = [b"\0\x41\x01\x0b" + size + b"a" for size in (b"\x01", b"\x81\x00", b"\x81\x80\x80\x80\x00")]
    memory = write.section(SectionId.MEMORY, write.vector([b"\0\x01"]))
    data = write.assemble([memory, write.section(SectionId.DATA, write.vector([*entries, b"\x01\x80\x00"]))])
    emptied = write.section(SectionId.DATA, write.vector([b"\0\x41\x01\x0b\0"] * 3 + [b"\x01\0"]))
    assert outline(data, parse(data).sections, contents=False) == write.assemble([memory, emptied])


def with_count(text: str, segments: int) -> bytes:
    """A module that says how many data segments it has, though no code names one."""
    module = parse(wasm(text))
    code = module.section(SectionId.CODE)
    assert code
    count = b"".join(write.section(SectionId.DATA_COUNT, write.uleb(segments)))
    return module.data[: code.header] + count + module.data[code.header :]


@pytest.mark.parametrize("cached", [False, True])
def test_of_an_output_in_pieces_the_bodies_in_doubt_are_validated_alone(
    cached: bool, tmp_path: Path, looked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preinit.passes.run.attempt.validated_beside", lambda module: False)
    monkeypatch.setattr("preinit.passes.validate.validity.validated_beside", lambda module: False)
    doubt = f"(func (drop (i64.const 0x47c)) {'(drop (i32.const 0)) ' * 100})"  # the bytes of `memory.init`
    source = with_count(COUNTER.replace(LONG, f'(data (i32.const 0) "a") {doubt} {LONG}'), 1)
    output = attempt(source, cache=cached, cache_dir=str(tmp_path), engine="ondemand").wasm
    assert output and parse(output).section(SectionId.DATA_COUNT) is None
    assert len(source) in looked and len(output) not in looked
    assert any(300 < size < 900 for size in looked)  # with that body, and without the long one
    validation.check(output)


def test_code_that_names_a_segment_is_found_in_an_output_in_pieces(looked: list[int]) -> None:
    text = COUNTER.replace(LONG, f'(data (i32.const 0) "a") (func (data.drop 0)) {LONG}')
    output = attempt(text, engine="ondemand").wasm
    assert output and parse(output).section(SectionId.DATA_COUNT)
    validation.check(output)


def _claims_more(section: int, pieces: write.Pieces) -> write.Pieces:
    whole = b"".join(pieces)
    return [whole[:1] + bytes((whole[1] + 1,)) + whole[2:]] if section == SectionId.MEMORY else [whole]


def _lacks_a_byte(section: int, pieces: write.Pieces) -> write.Pieces:
    whole = b"".join(pieces)
    return [whole[:-1] if section == SectionId.DATA else whole]


def _other_code(section: int, pieces: write.Pieces) -> write.Pieces:
    whole = b"".join(pieces)
    return [whole.replace(b"\x41\x01\x6a", b"\x42\x01\x6a", 1) if section == SectionId.CODE else whole]


def _other_export(section: int, pieces: write.Pieces) -> write.Pieces:
    return write.section(7, write.vector([write.export("a", 0, 77)])) if section == SectionId.EXPORT else pieces


def _other_global(section: int, pieces: write.Pieces) -> write.Pieces:
    return write.section(6, write.vector([b"\x7f\x01\x42\x00\x0b"])) if section == SectionId.GLOBAL else pieces


@pytest.mark.parametrize("damage", [_claims_more, _lacks_a_byte, _other_code, _other_export, _other_global])
@pytest.mark.parametrize("beside", [True, False])
def test_an_output_in_pieces_that_is_not_valid_is_refused(
    damage: Callable[[int, write.Pieces], write.Pieces], beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*given: object) -> Iterator[write.Pieces]:
        for pieces in original(*given):  # type: ignore[arg-type]
            yield damage(pieces[0][0], pieces) if pieces else []

    original = rewriting._in_order
    monkeypatch.setattr(rewriting, "_in_order", damaged)
    monkeypatch.setattr("preinit.passes.run.attempt.validated_beside", lambda module: beside)
    monkeypatch.setattr("preinit.passes.validate.validity.validated_beside", lambda module: beside)
    assert attempt(COUNTER, engine="ondemand").error


def test_what_an_output_has_of_its_input_is_not_copied_until_somebody_asks_for_its_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("preinit.binary.rope._LARGE", 1000)
    source = wasm(COUNTER.replace(LONG, LONG * 40))
    result = build(source, Options(cache=False, engine="ondemand", init_funcs=("other",)))
    views = [piece for piece in result.written.pieces if isinstance(piece, memoryview)]
    assert sum(len(view) for view in views if view.obj is source) > len(source) * 0.9
    assert len(result.written) == len(result.wasm)
    assert [*result.written.pieces] == [result.wasm]


@pytest.mark.parametrize("init", ["preinit_initialize", "other"])
def test_a_build_takes_no_memory_for_a_copy_of_its_input(
    init: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preinit.binary.rope._LARGE", 1000)
    source = wasm(COUNTER) + b"".join(write.custom_section("large", bytes(20_000_000)))
    options = Options(cache=False, engine="ondemand", init_funcs=(init,), measure_gzip=True)
    build(source, options)  # imports what it needs
    tracemalloc.start()
    try:
        result = build(source, options)
        result.write(tmp_path / "out.wasm")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
    assert (tmp_path / "out.wasm").read_bytes() == result.wasm


def test_a_builder_with_many_outputs_keeps_no_more_about_them_than_about_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    doubt = '(func (export "e") (drop (i64.const 0x47c)))'  # the bytes of `memory.init`
    source = with_count(COUNTER.replace(LONG, f'(data (i32.const 0) "a") {doubt} {LONG}'), 1)
    kept: list[int] = []
    checked = Validity.check

    def counting(self: Validity, output: bytes | Rope, parallel: bool = True) -> None:
        checked(self, output, parallel)
        kept.append(len(self._known))

    monkeypatch.setattr(Validity, "check", counting)
    renamed = [((f"n{number}", "e"),) for number in range(3)]
    with Builder(source, cache=False, engine="ondemand") as builder:
        outputs = {builder.build(rename_funcs=names).wasm for names in renamed}
        outputs |= {builder.build(rename_funcs=names).wasm for names in renamed}
    assert len(outputs) == 3
    assert kept[-1] == kept[0]
