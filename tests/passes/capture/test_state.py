"""What is captured, and where the output starts."""

from __future__ import annotations

import pytest

from preinit import Options, build
from preinit.binary import encoder as write
from preinit.binary.module import SectionId, parse
from tests.support.instances import Running, assert_same_state, instantiate
from tests.support.modules import build_text, text_of, wasm
from tests.support.shapes.state import COUNTER, SHAPES

INIT = '(export "preinit_initialize")'


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("layout", ["balanced", "size"])
def test_the_output_starts_where_the_initializer_ended(name: str, layout: str) -> None:
    result = assert_same_state(wasm(SHAPES[name]), Options(cache=False, layout=layout))
    assert "preinit_initialize" not in parse(result.wasm).exported_names


def test_a_memory_of_65536_pages_is_captured_to_its_last_byte() -> None:
    result = build_text("""(module (memory (export "memory") 1 65536)
        (func (export "preinit_initialize") (drop (memory.grow (i32.const 65535)))
            (i32.store8 (i32.const -1) (i32.const 1)) (i32.store (i32.const 2147483646) (i32.const 77)))
        (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))""")
    assert parse(result.wasm).memories[0].minimum == 65536
    store, exports = instantiate(result.wasm)
    assert [exports["load"](store, at) for at in (-1, -2, 2147483646, 0)] == [1, 0, 77, 0]


def test_a_64_bit_memory_beyond_4_gib_is_captured_where_it_was_touched() -> None:
    result = build_text(
        """(module (memory (export "memory") i64 1)
        (func (export "preinit_initialize") (drop (memory.grow (i64.const 131071)))
            (i64.store (i64.const 8589934584) (i64.const -2)) (i32.store (i64.const 5000000000) (i32.const 77)))
        (func (export "load") (param i64) (result i32) (i32.load8_u (local.get 0))))""",
        max_memory=8 << 30,
    )
    assert parse(result.wasm).memories[0].minimum == 131072
    assert result.report.snapshot.memories[0].bytes_written == 9
    store, exports = instantiate(result.wasm)
    assert [exports["load"](store, at) for at in (8589934584, 8589934591, 5000000000, 5000000001)] == [254, 255, 77, 0]


def test_a_start_function_and_initialize_run_once_and_are_gone() -> None:
    result = build_text("""(module (global $g (mut i32) (i32.const 0)) (start $s)
        (func $s (global.set $g (i32.add (global.get $g) (i32.const 1))))
        (func (export "_initialize") (global.set $g (i32.add (global.get $g) (i32.const 10))))
        (func (export "wizer.initialize") (global.set $g (i32.add (global.get $g) (i32.const 100))))
        (func (export "get") (result i32) (global.get $g)))""")
    assert [run.function for run in result.report.runs] == ["start function", "_initialize", "wizer.initialize"]
    module = parse(result.wasm)
    assert module.start is None
    assert module.exported_names == {"get"}
    store, exports = instantiate(result.wasm)
    assert exports["get"](store) == 111


def test_initializers_run_in_order_with_number_arguments() -> None:
    result = build_text(COUNTER, init_funcs=("add(7,2)", "double", "set(-2.5e3)", "add(0x10, -1)"))
    store, exports = instantiate(result.wasm)
    assert (exports["get"](store), exports["getf"](store)) == (27, -2500.0)
    assert {"add", "double", "set"}.isdisjoint(exports)


def test_an_initializer_may_run_twice() -> None:
    store, exports = instantiate(build_text(COUNTER, init_funcs=("add(1,0)", "double", "double")).wasm)
    assert exports["get"](store) == 4


def test_an_export_of_exactly_that_name_comes_before_arguments() -> None:
    store, exports = instantiate(build_text(COUNTER, init_funcs=("double(1,2)",)).wasm)
    assert exports["get"](store) == -1
    assert "double" in exports


def test_what_an_initializer_returns_is_in_the_report() -> None:
    assert build_text(COUNTER, init_funcs=("status",)).report.runs[0].results == (3, 0.5)


def test_initializers_are_kept_when_asked_for() -> None:
    result = build_text(COUNTER, init_funcs=("double",), keep_init_func=True)
    assert "double" in parse(result.wasm).exported_names


def test_initialize_is_removed_even_then_unless_it_was_named() -> None:
    text = """(module (func (export "_initialize")) (func (export "init")) (func (export "f")))"""
    assert parse(build_text(text, init_funcs=("init",), keep_init_func=True).wasm).exported_names == {"init", "f"}
    named = build_text(text, init_funcs=("_initialize",), keep_init_func=True)
    assert parse(named.wasm).exported_names == {"_initialize", "init", "f"}


def test_a_renamed_export_replaces_the_one_whose_name_it_takes() -> None:
    result = build_text(
        """(module (func (export "preinit_initialize")) (func (export "_start") (unreachable))
        (func (export "resume")) (memory (export "memory") 1))""",
        rename_funcs=(("_start", "resume"),),
    )
    store, exports = instantiate(result.wasm)
    exports["_start"](store)
    assert set(exports) == {"_start", "memory"}


def test_only_the_start_function_runs_when_asked_for() -> None:
    text = """(module (global $g (mut i32) (i32.const 0)) (start $s) (func $s (global.set $g (i32.const 3)))
        (func (export "get") (result i32) (global.get $g)))"""
    store, exports = instantiate(build_text(text, start_only=True).wasm)
    assert exports["get"](store) == 3


def test_the_first_of_the_usual_names_is_run() -> None:
    text = """(module (global $g (mut i32) (i32.const 0)) (func (export "preinit_initialize") unreachable)
        (func (export "wizer-initialize") (global.set $g (i32.const 1))) (func (export "wizer.initialize") unreachable))"""
    assert build_text(text).report.runs[0].function == "wizer-initialize"


def test_code_keeps_its_bytes() -> None:
    binary = wasm(SHAPES["live_and_dropped_passive_data"])
    output = build_text(SHAPES["live_and_dropped_passive_data"]).wasm
    sections = [m.payload(s) for m in (parse(binary), parse(output)) if (s := m.section(SectionId.CODE))]
    assert sections[0] == sections[1]


def test_memory_init_of_a_dropped_segment_traps_and_of_a_live_one_works() -> None:
    result = build_text("""(module (memory (export "memory") 1) (data $active (i32.const 10) "active")
        (data $dropped "gone") (data $live "alive") (data $last (i32.const 200) "last")
        (func (export "preinit_initialize") (data.drop $dropped) (i32.store8 (i32.const 300) (i32.const 1)))
        (func (export "active") (param i32) (memory.init $active (i32.const 0) (i32.const 0) (local.get 0)))
        (func (export "dropped") (param i32) (memory.init $dropped (i32.const 0) (i32.const 0) (local.get 0)))
        (func (export "live") (param i32) (memory.init $live (i32.const 0) (i32.const 0) (local.get 0)))
        (func (export "last") (param i32) (memory.init $last (i32.const 0) (i32.const 0) (local.get 0))))""")
    running = Running(result.wasm)
    for name, traps_at_one in (("active", True), ("dropped", True), ("live", False), ("last", True)):
        running.call(name, b"\0")
        if traps_at_one:
            with pytest.raises(Exception, match="out of bounds"):
                running.call(name, b"\1")
        else:
            running.call(name, b"\5")
    assert running.state().memories[0][:5] == b"alive"
    assert result.report.snapshot.dropped_data_segments == (1,)


def test_data_segments_that_code_does_not_name_go_with_their_count() -> None:
    """Compilers write a count always, so it says nothing about what code names."""
    plain = wasm("""(module (memory 1) (data (i32.const 0) "a") (data (i32.const 9) "b")
        (func (export "preinit_initialize") (i32.store8 (i32.const 50) (i32.const 1))))""")
    module = parse(plain)
    pieces: list[list[bytes | memoryview]] = []
    for section in module.sections:
        if section.id == SectionId.CODE:
            pieces.append(write.section(SectionId.DATA_COUNT, b"\2"))
        pieces.append([memoryview(plain)[section.header : section.end]])
    counted = write.assemble(pieces)
    assert parse(counted).section(SectionId.DATA_COUNT)
    output = parse(build(counted, Options(cache=False)).wasm)
    assert output.section(SectionId.DATA_COUNT) is None
    assert len(output.data_segments) == 2


def test_a_module_without_bulk_memory_needs_none_afterwards() -> None:
    import subprocess

    from preinit.passes.parse.text import wasm_tools

    result = build_text("""(module (memory 1) (data (i32.const 0) "a") (table 2 funcref) (elem (i32.const 0) $f)
        (global $g (mut i32) (i32.const 0)) (func $f)
        (func (export "preinit_initialize") (i32.store (i32.const 4000) (i32.const 1)) (global.set $g (i32.const 1))))""")
    command = [wasm_tools(), "validate", "--features", "wasm1,mutable-global", "-"]
    subprocess.run(command, input=result.wasm, check=True)


def test_a_function_that_only_its_export_declared_can_still_be_referenced() -> None:
    result = build_text("""(module (table 1 funcref)
        (func $init (export "preinit_initialize"))
        (func (export "set") (table.set (i32.const 0) (ref.func $init)) (call_indirect (i32.const 0))))""")
    store, exports = instantiate(result.wasm)
    exports["set"](store)
    assert "elem" in text_of(result.wasm)


def test_no_element_segment_is_added_without_need() -> None:
    result = build_text("""(module (func (export "preinit_initialize")) (func (export "f")))""")
    assert parse(result.wasm).section(SectionId.ELEMENT) is None


def test_imports_that_are_never_called_are_kept() -> None:
    result = build_text("""(module (import "env" "f" (func $f (param i32 v128 externref) (result i64)))
        (import "env" "f" (func $again (result i32))) (func (export "preinit_initialize")))""")
    assert [entry.name for entry in parse(result.wasm).imports] == ["f", "f"]


@pytest.mark.parametrize("form", [b"\0\x7f\x02\1f\0\0\1g\0\1", b"\0\x7e\0\0\x02\1f\1g"])
def test_compact_imports_are_understood(form: bytes) -> None:
    imports = b"\x01\x03env" + form
    module = (
        b"\0asm\1\0\0\0" + b"\x01\x08\x02\x60\0\0\x60\x01\x7f\0" + b"\x02" + bytes((len(imports),)) + imports
        + b"\x03\x02\x01\0" + b"\x07\x16\x01\x12preinit_initialize\0\x02" + b"\x0a\x04\x01\x02\0\x0b"
    )  # fmt: skip
    result = build(module, Options(cache=False))
    assert [(entry.module, entry.name) for entry in parse(result.wasm).imports] == [("env", "f"), ("env", "g")]


def test_the_report_tells_what_the_snapshot_holds() -> None:
    report = build_text(SHAPES["a_memory_that_grew"], measure_gzip=True).report
    memory = report.snapshot.memories[0]
    assert (memory.pages_before, memory.pages, memory.segments, memory.bytes_written) == (1, 4, 1, 4)
    assert report.input.sha256 != report.output.sha256
    assert sum(report.output.sections.values()) + 8 == report.output.size
    assert report.output.gzip_size


def test_both_compilers_give_the_same_bytes() -> None:
    for name in ("globals_of_all_numeric_types", "a_64_bit_memory", "several_memories", "a_start_function"):
        outputs = {build_text(SHAPES[name], compiler=compiler).wasm for compiler in ("winch", "cranelift")}
        assert len(outputs) == 1, name


def test_the_compiler_that_was_used_is_in_the_report() -> None:
    assert build_text(SHAPES["a_memory_that_grew"]).report.engine.compiler == "winch"
    assert build_text(SHAPES["an_exception_caught_in_the_initializer"]).report.engine.compiler == "cranelift"
