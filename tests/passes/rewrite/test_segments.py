"""Which segments the output has, and that code which names them keeps its bytes."""

from __future__ import annotations

import pytest

from preinit import Options, build
from preinit.binary import encoder as write
from preinit.binary.module import SectionId, parse
from preinit.binary.sections import Mode
from tests.support.images import is_mapped
from tests.support.instances import Running, instantiate
from tests.support.modules import build_text, text_of, wasm
from tests.support.shapes.state import SHAPES


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
        (func (export "preinit_initialize") (i32.store8 (i32.const 50) (i32.const 1))) (func (export "go")))""")
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


def test_emptied_segments_count_where_a_memory_is_restored_and_code_names_the_others() -> None:
    """Engines take 100,000 segments: ten slots of active segments and a passive one are among them."""
    active = "".join(f'(data (i32.const {i * 8}) "x")' for i in range(10))
    result = build_text(
        f"""(module (import "e" "m" (memory 100)) {active} (data $kept "q")
        (func (export "use") (memory.init $kept (i32.const 0) (i32.const 0) (i32.const 1)))
        (func (export "preinit_initialize") (local $at i32)
          (loop $again
            (i32.store8 (i32.add (i32.const 4096) (local.get $at)) (i32.const 1))
            (br_if $again
              (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 64))) (i32.const 6420000))))))""",
        imports="restore",
    )
    segments = parse(result.wasm).data_segments
    assert 90_000 < len(segments) <= 100_000
    assert all(segment.mode is Mode.ACTIVE for segment in segments[:10])
    assert all(segment.mode is Mode.PASSIVE for segment in segments[10:])


def test_the_slots_of_segments_of_a_restored_memory_keep_engines_from_mapping_no_other() -> None:
    slots = '(data (memory $given) (i32.const 8) "x")' * 3
    result = build_text(
        f"""(module (import "e" "m" (memory $given 1)) (memory $own 200) {slots} (data $kept "q")
        (func (export "use") (memory.init $own $kept (i32.const 0) (i32.const 0) (i32.const 1)))
        (func (export "preinit_initialize")
          (i32.store8 $own (i32.const 1) (i32.const 1)) (i32.store8 $own (i32.const 9000000) (i32.const 1))))""",
        imports="restore",
    )
    modes = [segment.mode for segment in parse(result.wasm).data_segments]
    assert modes[:4] == [Mode.ACTIVE, Mode.ACTIVE, Mode.ACTIVE, Mode.PASSIVE]
    assert is_mapped(result.wasm, 9_000_000 - 1)
