"""`--keep-init-func=noop`: what was run is exported still, as functions that do nothing, for a host that calls it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from preinit import Options, build, errors
from preinit.binary.module import SectionId, parse
from tests.support.behaviour import answer
from tests.support.command import run
from tests.support.instances import Running, instantiate
from tests.support.modules import build_text, wasm
from tests.support.shapes.imports import STATE, VALUES

COUNTER = """(module (global $g (mut i32) (i32.const 0)) (start $count) (func $count (global.set $g (i32.add (global.get $g) (i32.const 1))))
    (func (export "_initialize") (call $count)) (func (export "init") (call $count))
    (func (export "add") (param i32) (result i32)
        (global.set $g (i32.add (global.get $g) (local.get 0))) (global.get $g))
    (func (export "many") (result i64 f32 f64 v128 funcref externref) (call $count) (i64.const -9223372036854775808)
        (f32.reinterpret_i32 (i32.const 0x7fa00001)) (f64.const -0) (v128.const i64x2 -1 7) (ref.null func) (ref.null extern))
    (func (export "get") (result i32) (global.get $g)))"""


def test_what_was_run_is_there_and_does_nothing() -> None:
    result = build_text(COUNTER, init_funcs=("init", "add(5)"), keep_init_func="noop")
    output = Running(result.wasm)
    assert output.module.exported_names == parse(wasm(COUNTER)).exported_names
    assert output.module.start is None
    for name, *arguments in [("_initialize",), ("init",), ("add", 100)]:
        answer(output, (name, *arguments))
        assert answer(output, ("get",))[0][:4] == b"\x08\0\0\0"


def test_a_function_that_does_nothing_has_the_type_of_the_original() -> None:
    output = parse(build_text(COUNTER, init_funcs=("init", "add(5)", "many"), keep_init_func="noop").wasm)
    original = parse(wasm(COUNTER))
    for name in ("_initialize", "init", "add", "many"):
        before, after = original.exported(name), output.exported(name)
        assert before and after
        assert after.target >= len(original.function_types)
        assert output.function_types[after.target] == original.function_types[before.target]


def test_it_returns_what_the_last_run_returned() -> None:
    result = build_text(COUNTER, init_funcs=("add(5)", "add(2)"), keep_init_func="noop")
    assert [run.results for run in result.report.runs] == [(), (), (7,), (9,)]
    assert answer(Running(result.wasm), ("add", 0))[0][:4] == b"\x09\0\0\0"


def test_results_are_exact_to_the_bit_and_references_null() -> None:
    output = Running(build_text(COUNTER, init_funcs=("many",), keep_init_func="noop").wasm)
    results = answer(output, ("many",))
    assert results[0][:8] == struct.pack("<q", -(1 << 63))
    assert results[1][:4] == (0x7FA00001).to_bytes(4, "little")
    assert results[2][:8] == struct.pack("<d", -0.0)
    assert results[3] == struct.pack("<qq", -1, 7)
    assert results[4][:8] == bytes(8)


def test_functions_without_results_share_one_for_each_type() -> None:
    output = parse(build_text(COUNTER, init_funcs=("init",), keep_init_func="noop").wasm)
    assert len(output.function_types) == len(parse(wasm(COUNTER)).function_types) + 1


def test_code_that_there_was_keeps_its_bytes() -> None:
    binary = wasm(COUNTER)
    output = parse(build(binary, Options(cache=False, init_funcs=("init",), keep_init_func="noop")).wasm)
    before, after = (m.payload(s) for m in (parse(binary), output) if (s := m.section(SectionId.CODE)))
    assert after[1 : len(before)] == before[1:]
    assert bytes(after[len(before) :]) == b"\x02\x00\x0b"


def test_it_goes_with_a_start_function_that_sets_imported_globals() -> None:
    text = STATE.replace(
        "(func (export", '(func (export "again") (param i64) (result f64) (f64.const 0.25)) (func (export', 1
    )
    result = build_text(
        text, init_funcs=("preinit_initialize", "again(3)"), keep_init_func="noop", import_globals=VALUES
    )
    output = Running(result.wasm, values=dict(VALUES))
    output.start()
    before = output.state()
    answer(output, ("preinit_initialize",))
    assert output.call("again", bytes(8), results=1)[0][:8] == struct.pack("<d", 0.25)
    assert output.state() == before
    assert answer(output, ("a",))[0][:4] == (777).to_bytes(4, "little")


def test_a_renamed_initializer_does_nothing_under_its_new_name() -> None:
    result = build_text(COUNTER, init_funcs=("init",), keep_init_func="noop", rename_funcs=(("add", "init"),))
    store, exports = instantiate(result.wasm)
    exports["add"](store)
    assert exports["get"](store) == 3
    assert "init" not in exports


def test_an_imported_function_can_be_what_was_run() -> None:
    text = """(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32))) (export "yield" (func 0)))"""
    output = Running(build_text(text, init_funcs=("yield",), keep_init_func="noop").wasm)
    assert answer(output, ("yield",)) == [bytes(16)]
    assert not output._world.calls


def test_a_function_that_is_only_declared_by_its_export_can_still_be_referenced() -> None:
    result = build_text(
        """(module (table 1 funcref) (func $init (export "preinit_initialize"))
        (func (export "set") (table.set (i32.const 0) (ref.func $init)) (call_indirect (i32.const 0))))""",
        keep_init_func="noop",
    )
    store, exports = instantiate(result.wasm)
    exports["set"](store)


def test_a_reference_that_can_not_be_null_is_refused() -> None:
    text = '(module (type $t (func)) (func $f (export "init") (type $t)) (func (export "give") (result (ref $t)) (ref.func $f)))'
    with pytest.raises(errors.InitializerType, match=r"can't return a \(ref \$0\)"):
        build_text(text, init_funcs=("give",), keep_init_func="noop")


def test_another_word_is_a_usage_error() -> None:
    with pytest.raises(errors.UsageError, match="can't be 'yes'"):
        build_text(COUNTER, init_funcs=("init",), keep_init_func="yes")


def test_the_command_takes_it(good: Path) -> None:
    output = parse(run("build", "--keep-init-func=noop", good, code=0).stdout)
    export = output.exported("wizer-initialize")
    assert export
    assert export.target == len(parse(good.read_bytes()).function_types)
