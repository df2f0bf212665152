"""What is run, in which order and with which arguments, and which exports the output keeps."""

from __future__ import annotations

from preinit.binary.module import parse
from tests.support.instances import instantiate
from tests.support.modules import build_text
from tests.support.shapes.state import COUNTER


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


def test_an_export_may_take_several_names_and_keep_its_own() -> None:
    text = """(module (func (export "preinit_initialize")) (func (export "a") (result i32) (i32.const 1))
      (func (export "x") (result i32) (i32.const 2)) (func (export "y") (result i32) (i32.const 3)))"""
    both = (("a", "x"), ("b", "x"))
    assert [export.name for export in parse(build_text(text, rename_funcs=both).wasm).exports] == ["a", "b", "y"]
    result = build_text(text, rename_funcs=(*both, ("x", "x"), ("c", "a")))
    assert [export.name for export in parse(result.wasm).exports] == ["c", "a", "b", "x", "y"]
    store, exports = instantiate(result.wasm)
    assert [exports[name](store) for name in "abxcy"] == [2, 2, 2, 1, 3]


def test_only_the_start_function_runs_when_asked_for() -> None:
    text = """(module (global $g (mut i32) (i32.const 0)) (start $s) (func $s (global.set $g (i32.const 3)))
        (func (export "get") (result i32) (global.get $g)))"""
    store, exports = instantiate(build_text(text, init_funcs=[]).wasm)
    assert exports["get"](store) == 3


def test_the_first_of_the_usual_names_is_run() -> None:
    text = """(module (global $g (mut i32) (i32.const 0)) (func (export "preinit_initialize") unreachable)
        (func (export "wizer-initialize") (global.set $g (i32.const 1))) (func (export "wizer.initialize") unreachable))"""
    assert build_text(text).report.runs[0].function == "wizer-initialize"
