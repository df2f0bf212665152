"""What is run, in which order and with which arguments, and which exports the output keeps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from preinit import build, verify
from preinit.binary.module import parse
from preinit.errors import NoInitializer, NothingLeft
from preinit.options import KeepInitFunc
from tests.support.command import fails, run
from tests.support.instances import instantiate
from tests.support.modules import build_text, wasm
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


# -- constructors


#: As Emscripten makes it: the loader runs the constructors, then calls init. The constructors clear what init sets.
LOADED = """(module (memory (export "memory") 1)
  (func $__wasm_call_ctors (export "{name}") (i32.store (i32.const 8) (i32.const 0))
    (i32.store (i32.const 16) (i32.add (i32.const 1) (i32.load (i32.const 16)))))
  (func (export "init") (i32.store (i32.const 8) (i32.const 7)))
  (func (export "initialized") (call $__wasm_call_ctors) (i32.store (i32.const 8) (i32.const 7)))
  (func (export "get") (result i32) (i32.load (i32.const 8)))
  (func (export "runs") (result i32) (i32.load (i32.const 16))))"""


@pytest.mark.parametrize("name", ["__wasm_call_ctors", "d"])
def test_exported_constructors_are_run_first_and_a_loader_that_calls_them_again_changes_nothing(name: str) -> None:
    result = build_text(LOADED.format(name=name), init_funcs=["init"], keep_init_func="noop")
    assert [run.function for run in result.report.runs] == [name, "init"]
    assert result.report.warnings == ()
    store, exports = instantiate(result.wasm)
    exports[name](store)
    exports["init"](store)
    assert (exports["get"](store), exports["runs"](store)) == (7, 1)


def test_constructors_that_were_run_are_not_exported_unless_they_were_named() -> None:
    text = LOADED.format(name="__wasm_call_ctors")
    exported = [
        parse(build_text(text, init_funcs=named, keep_init_func=keeps).wasm).exported_names
        for named, keeps in ((["init"], False), (["init"], True), (["__wasm_call_ctors", "init"], True))
    ]
    assert ["__wasm_call_ctors" in names for names in exported] == [False, False, True]
    assert ["init" in names for names in exported] == [False, True, True]


def test_constructors_are_run_once_whoever_runs_them() -> None:
    text = LOADED.format(name="__wasm_call_ctors")
    for named, ran in (
        (["initialized"], ["initialized"]),
        (["__wasm_call_ctors", "init"], ["__wasm_call_ctors", "init"]),
        ([], ["__wasm_call_ctors"]),
    ):
        result = build_text(text, init_funcs=named)
        assert [run.function for run in result.report.runs] == ran
        store, exports = instantiate(result.wasm)
        assert exports["runs"](store) == 1
    reactor = text.replace("(memory", '(func (export "_initialize") (call $__wasm_call_ctors)) (memory')
    store, exports = instantiate(build_text(reactor, init_funcs=["init"]).wasm)
    assert (exports["get"](store), exports["runs"](store)) == (7, 1)
    started = text.replace("(memory", "(start $__wasm_call_ctors) (memory")
    store, exports = instantiate(build_text(started, init_funcs=["init"]).wasm)
    assert (exports["get"](store), exports["runs"](store)) == (7, 1)


@pytest.mark.parametrize(
    "text",
    [
        LOADED.format(name="__wasm_call_ctors"),
        """(module (memory (export "memory") 1) (func (export "__wasm_call_ctors") (param i32) (unreachable))
          (func (export "initialized") (i32.store (i32.const 8) (i32.const 7))))""",
    ],
)
def test_constructors_that_are_exported_still_are_warned_of(text: str) -> None:
    """One initializer runs them itself, another one has nothing that could be given to them."""
    warnings = build_text(text, init_funcs=["initialized"]).report.warnings
    assert [warning.code for warning in warnings] == ["constructors-exported"]
    assert "'__wasm_call_ctors'" in warnings[0].message


# -- what is left


#: A whole program, and one of which a part can be called.
PROGRAM = """(module (memory (export "memory") 1)
  (func (export "_start") (i32.store (i32.const 8) (i32.const 7))) {more})"""
GET = '(func (export "get") (result i32) (i32.load (i32.const 8)))'


@pytest.mark.parametrize("keep", [False, "noop"])
def test_a_program_that_ran_to_its_end_and_leaves_nothing_to_call_is_refused(keep: KeepInitFunc) -> None:
    with pytest.raises(
        NothingLeft, match="runs to its end in `_start`, and among the output's exports is no other function"
    ):
        build_text(PROGRAM.format(more=""), init_funcs=["_start"], keep_init_func=keep, accept=())
    assert build_text(PROGRAM.format(more=GET), init_funcs=["_start"], keep_init_func=keep).report.warnings == ()
    table = '(table (export "callbacks") 1 funcref)'
    assert build_text(PROGRAM.format(more=table), init_funcs=["_start"], keep_init_func=keep)


def test_no_hint_proposes_to_run_a_whole_program_of_which_nothing_would_be_left() -> None:
    with pytest.raises(NoInitializer) as caught:
        build_text(PROGRAM.format(more=""))
    assert "-f" not in str(caught.value.hint)
    assert "a whole program, which exports `_start` alone" in str(caught.value.hint)
    with pytest.raises(NoInitializer, match="Exported functions: '_start', 'get' "):
        build_text(PROGRAM.format(more=GET))


UNUSED = '(module {things} (func (export "preinit_initialize")))'


@pytest.mark.parametrize(
    "things",
    [
        "",
        "(memory 1) (table 1 funcref) (global (mut i32) (i32.const 1))",
        '(import "a" "f" (func $f)) (export "f" (func $f))',
        '(global (export "version") i32 (i32.const 1))',
        '(tag (export "thrown"))',
    ],
)
def test_an_output_that_nothing_could_use_is_refused_unless_that_is_accepted(things: str) -> None:
    binary = wasm(UNUSED.format(things=things))
    for keep in (False, "noop"):
        with pytest.raises(NothingLeft, match="no function other than what was run, and no memory, table or mutable"):
            build(binary, cache=False, keep_init_func=keep)
    (found,) = build(binary, cache=False, accept=["nothing-exported"]).report.warnings
    assert found.code == "nothing-exported"
    assert build(binary, cache=False, strict=True, accept=["nothing-exported"])


@pytest.mark.parametrize(
    "things",
    [
        '(memory (export "memory") 1)',
        '(table (export "table") 1 funcref)',
        '(global (export "g") (mut i32) (i32.const 1))',
        '(global (export "g") funcref (ref.null func))',
        '(import "a" "m" (memory 1))',
        '(import "a" "t" (table 1 funcref))',
        '(func (export "g"))',
    ],
)
def test_state_that_a_host_can_see_and_functions_are_enough(things: str) -> None:
    assert build(wasm(UNUSED.format(things=things)), cache=False).report.warnings == ()


def test_a_start_function_of_whose_work_nothing_is_left_is_refused() -> None:
    text = "(module (func $start) (start $start))"
    with pytest.raises(NothingLeft, match="no function of its own") as caught:
        build(wasm(text), cache=False, init_funcs=[])
    assert "keep_init_func" not in str(caught.value.hint)


def test_who_accepts_it_may_run_a_whole_program_that_leaves_nothing_to_call() -> None:
    text = PROGRAM.format(more="")
    with pytest.raises(NothingLeft):
        build(wasm(text), cache=False, init_funcs=["_start"])
    result = build(wasm(text), cache=False, init_funcs=["_start"], accept=["nothing-exported"])
    assert [found.code for found in result.report.warnings] == ["nothing-exported"]
    assert verify(wasm(text), result.wasm, init_funcs=["_start"])


@pytest.mark.parametrize("name", ["preinit_initialize", "_start"])
def test_each_way_out_of_a_useless_output_works_as_it_is_written(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(f'(module (func (export "{name}")))'))
    files = (tmp_path / "in.wasm", "-o", tmp_path / "out.wasm", "-f", name)
    said = fails("build", *files)
    assert "error[nothing-left]" in said
    ways = [way for way in re.findall("`(-.*?)`", said) if "FUNCTION" not in way]
    assert ways == ["--keep-init-func=true", "--accept nothing-exported"]
    for way in ways:
        run("build", *files, *way.split(), code=0)


# -- names


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
