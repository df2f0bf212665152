"""Custom sections: where they stand, and that what they say stays true."""

from __future__ import annotations

from preinit import Options, build
from preinit.binary import encoder as write
from preinit.binary.cursor import Cursor
from preinit.binary.module import Module, parse
from preinit.version import VERSION
from tests.support.modules import build_text, text_of, wasm
from tests.support.shapes.segments import PASSIVE


def with_customs(binary: bytes, *customs: tuple[int, str, bytes]) -> bytes:
    """The module with custom sections before its n-th section: (n, title, content)."""
    module = parse(binary)
    pieces: list[list[bytes | memoryview]] = []
    for place, section in enumerate(module.sections):
        pieces += [write.custom_section(title, content) for at, title, content in customs if at == place]
        pieces.append([memoryview(binary)[section.header : section.end]])
    pieces += [write.custom_section(title, content) for at, title, content in customs if at >= len(module.sections)]
    return write.assemble(pieces)


def contents(module: Module, title: str) -> list[bytes]:
    return [module.data[s.content : s.end] for s in module.sections if s.id == 0 and s.title == title]


def features(module: Module) -> list[str]:
    (content,) = contents(module, "target_features")
    at = Cursor(content, 0, len(content), "target_features")
    return [chr(at.byte()) + at.name() for _ in range(at.count())]


def test_unknown_custom_sections_stay_where_they_are() -> None:
    plain = wasm(
        '(module (memory 1) (global (mut i32) (i32.const 0)) (func (export "preinit_initialize")) (func (export "go")))'
    )
    marked = with_customs(plain, (0, "first", b"1"), (2, "middle", b"\0\xff"), (3, "middle", b"3"), (99, "last", b""))
    output = parse(build(marked, Options(cache=False)).wasm)
    before = [(s.id, s.title) for s in parse(marked).sections]
    after = [(s.id, s.title) for s in output.sections]
    assert [entry for entry in after if entry != (0, "producers")] == before
    assert contents(output, "middle") == [b"\0\xff", b"3"]


def test_a_new_data_section_stands_before_the_custom_sections_that_follow_the_code() -> None:
    text = '(module (memory 1) (func $init (export "preinit_initialize") (i32.store8 (i32.const 1) (i32.const 1))))'
    titles = [s.title or s.id for s in parse(build_text(text).wasm).sections]
    assert titles.index(11) < titles.index("name")


def test_names_of_segments_that_kept_their_index_stay() -> None:
    output = parse(build_text(PASSIVE).wasm)
    assert output.names.data_segments == {1: "gone", 2: "kept"}
    assert output.names.functions == {0: "init"}


def test_names_of_segments_that_are_gone_go() -> None:
    text = '(module (memory 1) (data $a (i32.const 0) "x") (func $init (export "preinit_initialize")))'
    output = parse(build_text(text).wasm)
    assert output.names.data_segments == {}
    assert output.names.functions == {0: "init"}


def test_a_malformed_name_section_is_copied() -> None:
    plain = wasm('(module (func (export "preinit_initialize")) (func (export "go")))')
    output = parse(build(with_customs(plain, (99, "name", b"\x01\xff\xff")), Options(cache=False)).wasm)
    assert contents(output, "name") == [b"\x01\xff\xff"]


def test_preinit_is_among_the_producers() -> None:
    plain = wasm('(module (func (export "preinit_initialize") (nop)) (func (export "f")))')
    old = write.vector(
        [
            write.name("language") + write.vector([write.name("C") + write.name("17")]),
            write.name("processed-by") + write.vector([write.name("clang") + write.name("18")]),
        ]
    )
    output = build(with_customs(plain, (99, "producers", old)), Options(cache=False, keep_init_func=True)).wasm
    again = build(output, Options(cache=False)).wasm
    for binary in (output, again):
        (content,) = contents(parse(binary), "producers")
        assert content.count(b"preinit") == 1
        assert write.name("preinit") + write.name(VERSION) in content
        assert write.name("clang") + write.name("18") in content
        assert write.name("C") + write.name("17") in content


def test_a_module_without_producers_gets_some() -> None:
    (content,) = contents(parse(build_text('(module (func (export "preinit_initialize")))').wasm), "producers")
    assert b"preinit" in content


def test_target_features_gain_what_the_output_newly_uses() -> None:
    plain = wasm("""(module (table 1 funcref) (func $init (export "preinit_initialize"))
        (func (export "f") (table.set (i32.const 0) (ref.func $init))))""")
    old = write.vector([b"+" + write.name("simd128"), b"-" + write.name("bulk-memory")])
    output = parse(build(with_customs(plain, (99, "target_features", old)), Options(cache=False)).wasm)
    assert features(output) == ["+simd128", "+bulk-memory", "+reference-types"]


def test_target_features_stay_when_nothing_new_is_used() -> None:
    plain = wasm('(module (func (export "preinit_initialize")) (func (export "go")))')
    old = write.vector([b"+" + write.name("simd128")])
    output = parse(build(with_customs(plain, (99, "target_features", old)), Options(cache=False)).wasm)
    assert contents(output, "target_features") == [old]


def test_relocations_are_dropped() -> None:
    plain = wasm('(module (func (export "preinit_initialize")) (func (export "go")))')
    output = parse(build(with_customs(plain, (99, "reloc.CODE", b"\0\0")), Options(cache=False)).wasm)
    assert output.custom("reloc.CODE") is None


def test_a_source_map_and_a_signature_are_warned_about() -> None:
    plain = wasm(
        '(module (global (export "g") (mut i32) (i32.const 0)) '
        '(func (export "preinit_initialize") (global.set 0 (i32.const 77777))))'
    )
    marked = with_customs(plain, (99, "sourceMappingURL", write.name("a.map")), (99, "signature", b"x"))
    codes = {warning.code for warning in build(marked, Options(cache=False)).report.warnings}
    assert codes == {"source-map-moved", "signature"}


def test_a_stack_pointer_that_moved_is_warned_about() -> None:
    text = """(module (global $__stack_pointer (mut i32) (i32.const 65536)) (memory (export "memory") 1)
        (func (export "preinit_initialize") (global.set $__stack_pointer (i32.const 65520))))"""
    (warning,) = build_text(text).report.warnings
    assert warning.code == "stack-pointer"
    assert "65520" in warning.message


def test_a_command_is_warned_about_its_constructors() -> None:
    text = """(module (func $__wasm_call_ctors) (func (export "_start") (call $__wasm_call_ctors))
        (func (export "preinit_initialize")) (func (export "resume")))"""
    codes = [warning.code for warning in build_text(text).report.warnings]
    assert codes == ["start-runs-constructors", "no-constructors"]
    renamed = build_text(text, rename_funcs=(("_start", "resume"),))
    assert [warning.code for warning in renamed.report.warnings] == ["no-constructors"]


def test_a_command_whose_initializer_calls_the_constructors_itself_is_fine() -> None:
    text = """(module (func $__wasm_call_ctors) (func (export "_start") (call $__wasm_call_ctors)) (func $run)
        (func $init.command_export (export "preinit_initialize") (call $__wasm_call_ctors)) (func (export "resume")))"""
    assert not build_text(text, rename_funcs=(("_start", "resume"),)).report.warnings


def test_names_in_the_output_are_those_of_the_text() -> None:
    assert "(func $init" in text_of(build_text(PASSIVE).wasm)
