"""A module that is compiled on demand becomes the same bytes; one that can't be is compiled whole, and why is said."""

from __future__ import annotations

import pytest

from preinit.engine.ondemand.suitability import MOST_GLOBALS, MOST_STATE
from tests.support.both_engines import INIT, V, attempt, given_up, same
from tests.support.modules import wasm
from tests.support.places import FIXTURES
from tests.support.shapes.every import SHAPES

#: Those that can't be compiled on demand, and why.
DATA, ELEMENTS, SHARED = "passive-data", "passive-elements", "shared-memory"
TYPED, STARTS = "typed-references", "function-in-initializer"
GIVEN_UP = {
    "a_shared_memory_of_its_own": SHARED,
    "live_and_dropped_passive_data": DATA,
    "reference_globals_that_stay_as_they_are": TYPED,
    "functions_of_gc_types": "gc-types",
    "segments_keep_their_index": ELEMENTS,
    "reference_globals": TYPED,
    "tables_of_every_type": TYPED,
    "a-data-segment-is-dropped": DATA,
    "a-shared-memory-of-its-own": SHARED,
    "a-mutable-funcref-global": STARTS,
    "a-mutable-global-of-a-typed-reference": TYPED,
    "a-table-is-initialized-from-a-passive-segment": ELEMENTS,
    "a-table-whose-entries-are-never-null": TYPED,
    "an-element-segment-is-dropped": ELEMENTS,
    "passive-data-is-used-later": DATA,
    "table-set-and-data-drop-that-never-run": DATA,
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_becomes_the_same_bytes(name: str) -> None:
    if name in GIVEN_UP:
        found = given_up(SHAPES[name])
        assert found.report
        assert found.report.engine.reason_code == GIVEN_UP[name]
    else:
        found = same(SHAPES[name])
        assert found.report
        assert found.report.engine.reason_code == "asked-for"
    assert found.wasm


@pytest.mark.parametrize("name", ["constructors", "primes"])
@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_what_a_compiler_made_becomes_the_same_bytes(name: str, compiler: str) -> None:
    path = FIXTURES / name / f"{name}.wasm"
    if not path.exists():
        pytest.skip("scripts/build_fixtures compiles this module")
    found = same(path.read_bytes(), compiler=compiler)
    assert found.report
    engine = found.report.engine
    assert engine.compiler == compiler
    assert 0 < engine.chunks <= engine.functions_compiled <= engine.functions
    assert 0 < engine.bytes_compiled < found.report.input.sections["code"]


@pytest.mark.parametrize("layout", ["size", "gzip", "few"])
@pytest.mark.parametrize("name", ["several_memories", "one_table_changed_and_one_not"])
def test_every_layout_becomes_the_same_bytes(name: str, layout: str) -> None:
    assert same(SHAPES[name], layout=layout).wasm


def test_what_was_run_can_be_kept_as_functions_that_do_nothing() -> None:
    text = f'(module (func {INIT} (result i64 v128) (i64.const 7) (v128.const i64x2 1 2)) (func (export "f")))'
    assert same(text, keep_init_func="noop").wasm


def test_several_initializers_run_in_one_instance() -> None:
    text = """(module (global $g (mut i64) (i64.const 1)) (func $double (global.set $g (i64.mul (global.get $g) (i64.const 2))))
        (start $double) (func (export "_initialize") (call $double) (call $double))
        (func (export "add") (param i32 i64 f32 f64) (result f64)
            (global.set $g (i64.add (global.get $g) (i64.add (local.get 1) (i64.extend_i32_s (local.get 0)))))
            (f64.add (f64.promote_f32 (local.get 2)) (local.get 3)))
        (func (export "get") (result i64) (call $double) (global.get $g)))"""
    found = same(text, init_funcs=("add(-3,40,0.5,1e300)", "get", "add(1,1,0,0)", "get"))
    assert found.report
    assert [run.results for run in found.report.runs] == [(), (), (1e300,), (90,), (0.0,), (184,)]


# -- why a module is not compiled on demand ----------------------------------------------------------------------------

#: Reason -> a module that is not compiled on demand for that reason.
REASONS = {
    "no-functions": '(module (import "wasi_snapshot_preview1" "sched_yield" (func $y (result i32))) (export "preinit_initialize" (func $y)))',
    "gc-types": f"(module (rec (type (func)) (type (func))) (func {INIT}))",
    f"{TYPED}  ": f"(module {V} (func (param (ref null $v))) (func {INIT}))",
    "gc-types ": f"(module (type (array i8)) (func {INIT}))",
    TYPED: f"(module {V} (table 1 (ref null $v)) (func {INIT}))",
    f"{TYPED} ": f"(module (func $f) (elem declare func $f) (global (ref func) (ref.func $f)) (func {INIT}))",
    STARTS: f"(module (func $f) (global (mut funcref) (ref.func $f)) (func {INIT}))",
    f"{STARTS} ": f"(module (func $f) (table 2 funcref (ref.func $f)) (func {INIT}))",
    SHARED: f"(module (memory 1) (memory 1 4 shared) (func {INIT} (i32.store 1 (i32.const 9) (i32.const 1))))",
    DATA: f'(module (memory 1) (data "x") (func {INIT}))',
    ELEMENTS: f"(module (func $f) (elem func $f) (func {INIT}))",
    "element-segment": f"""(module (table 2 funcref)
        (elem (i32.const 0) funcref (ref.null func)) (func {INIT}))""",
    "much-state": f"""(module {"(tag)" * MOST_STATE}
        (memory 1) (func {INIT} (i32.store8 (i32.const 0) (i32.const 1))))""",
    "much-state ": f"""(module {"(global i32 (i32.const 0))" * (MOST_GLOBALS + 1)}
        (memory 1) (func {INIT} (i32.store8 (i32.const 0) (i32.const 1))))""",
}


@pytest.mark.parametrize("reason", REASONS)
def test_the_report_says_why_a_module_is_compiled_whole(reason: str) -> None:
    found = given_up(REASONS[reason])
    assert found.report
    assert found.report.engine.reason_code == reason.strip()


def test_empty_and_declared_segments_are_no_reason() -> None:
    text = f"""(module {V} (memory 1) (table 2 funcref) (data $d "") (elem $e func) (elem declare func $a) (elem (i32.const 2))
        (data (i32.const 65536) "") (func $a (result i32) (data.drop $d) (elem.drop $e) (i32.const 1))
        (func {INIT} (table.set (i32.const 1) (ref.func $a)) (i32.store8 (i32.const 9) (i32.const 1))))"""
    assert same(text).wasm


def test_as_much_state_as_is_possible_is_no_reason() -> None:
    text = f"""(module {"(tag)" * (MOST_STATE - 2)} (memory 1) (table 1 funcref) (global $g (mut i32) (i32.const 0))
        (func $f (global.set $g (i32.const 7))) (func {INIT} (call $f)))"""
    assert same(text).wasm


def test_a_piece_of_code_has_those_of_many_globals_that_it_names() -> None:
    globals_ = "".join(f"(global (mut i32) (i32.const {n}))" for n in range(MOST_GLOBALS - 1))
    text = f"""(module {globals_} (global $wide (mut i64) (i64.const 5)) (memory 1) (table 3 funcref)
        (elem (i32.const 1) $g $f)
        (func $f (param i32) (result i32) (local.get 0) (if (result i32) (then (global.get 300)) (else (global.get 9))))
        (func $g (global.set 7 (i32.add (global.get 300) (call $f (i32.const 0)))) (global.set $wide (i64.const 1)))
        (func $never (global.set 5 (i32.const 1)))
        (func {INIT} (call_indirect (i32.const 1)) (global.set 8 (call $f (i32.const 1)))
            (i32.store (i32.const 0) (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 2)))
            (drop (memory.grow (i32.const 1)))))"""
    found = same(text)
    assert found.report
    assert found.report.snapshot.globals_changed == (7, 8, MOST_GLOBALS - 1)


@pytest.mark.parametrize("offset", ["global.get $i", "i32.add (global.get $i) (i32.mul (i32.const 2) (i32.const 1))"])
def test_elements_that_begin_where_an_imported_global_says_are_no_reason(offset: str) -> None:
    text = f"""(module (import "e" "i" (global $i i32)) (table 9 funcref) (memory 1)
        (func $f (result i32) (i32.const 4)) (func $g (result i32) (i32.const 5))
        (elem ({offset}) $f $g) (elem (global.get $i)) (data (global.get $i) "data")
        (func {INIT} (i32.store (i32.const 20) (i32.add
            (call_indirect (result i32) (i32.add (i32.const 1) ({offset})))
            (i32.load (global.get $i))))))"""
    assert same(text, import_globals=(("e.i", "3"),)).wasm


def test_one_function_that_is_imported_twice_is_left_to_the_other_engine() -> None:
    """Whoever looks into a table can't tell one from the other; where the whole module is compiled, they are two."""
    library = wasm('(module (func (export "f") (result i32) (i32.const 7)))')
    imports = '(import "l" "f" (func $f (result i32))) (import "l" "f" (func $g (result i32)))'
    text = f"(module {V} {imports} (table 5 funcref) (elem (i32.const 0) $f $g) (func {INIT} (table.set (i32.const 4) (ref.func $g))))"
    found = given_up(text, preloads=(("l", library),))
    assert found.report
    assert found.report.engine.reason_code == "function-imported-twice"


def test_more_stubs_than_a_table_may_have_are_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.engine.ondemand.stubtable.TABLE_ELEMENTS", 3)
    found = given_up(f"(module (func) (func) (func) (func {INIT}))")
    assert found.report
    assert found.report.engine.reason_code == "too-many-functions"


# -- what is found only when code is needed ----------------------------------------------------------------------------

#: An instruction that names a segment of this module, which can't stand in another module than its segment.
STATE = """(memory 1) (table 3 funcref) (func $f) (data $active (i32.const 0) "abc") (data $empty "")
    (elem $functions (i32.const 1) $f) (elem $none func)"""
NAMING = {
    "memory.init": "(memory.init $empty (i32.const 5) (i32.const 0) (i32.const 0))",
    "memory.init of an active segment": "(memory.init $active (i32.const 5) (i32.const 0) (i32.const 0))",
    "data.drop": "(data.drop $active)",
    "data.drop of an empty segment": "(data.drop $empty)",
    "table.init": "(table.init $functions (i32.const 0) (i32.const 0) (i32.const 0))",
    "elem.drop": "(elem.drop $functions)",
    "elem.drop of an empty segment": "(elem.drop $none)",
}


@pytest.mark.parametrize("name", NAMING)
def test_code_that_names_a_segment_is_a_reason_once_it_is_called(name: str) -> None:
    text = f"""(module {STATE} (func $uses {NAMING[name]})
        (func (export "calls") (i32.store8 (i32.const 9) (i32.const 1)) (call $uses))
        (func (export "does-not-call") (i32.store8 (i32.const 9) (i32.const 1))))"""
    found = given_up(text, init_funcs=("calls",))
    assert found.report
    assert found.report.engine.reason_code == "code-names-segment"
    assert same(text, init_funcs=("does-not-call",)).wasm


def test_a_function_that_names_a_segment_is_no_reason_for_its_caller() -> None:
    text = f"""(module {STATE} (func $uses (data.drop $active))
        (func {INIT} (if (i32.load8_u (i32.const 77)) (then (call $uses))) (i32.store8 (i32.const 9) (i32.const 1))))"""
    assert same(text).wasm


def test_the_reason_says_where_the_instruction_stands() -> None:
    text = f"(module {STATE} (func {INIT} (data.drop $empty)))"
    found = attempt(text, engine="ondemand")
    assert found.report
    offset = wasm(text).index(b"\xfc\x09\x01")
    assert found.report.engine.reason == f"code names a segment (byte offset {offset:#x})"
