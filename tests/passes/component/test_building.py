"""Components of which nothing comes from outside: state of all kinds, in one core module or in several."""

from __future__ import annotations

import pytest

from preinit import Options, build, errors
from preinit.binary.component import read_component
from preinit.binary.component.recipe import CoreModule, Export, Nested
from preinit.binary.module import parse
from preinit.passes.parse.text import parse_text
from tests.support.components import RunningComponent, answers, build_component
from tests.support.modules import text_of, wasm

ONE = """(component
  (core module $M
    (memory (export "memory") 1) (global $g (mut i32) (i32.const 5))
    (func (export "run") (global.set $g (i32.const 42)) (i32.store (i32.const 8) (i32.const 1000)))
    (func (export "get") (result i32) (i32.add (global.get $g) (i32.load (i32.const 8)))))
  (core instance $m (instantiate $M))
  (func (export "run") (canon lift (core func $m "run")))
  (func (export "get") (result u32) (canon lift (core func $m "get"))))"""


def component(fields: str, get: str = "(i32.const 0)", run: str = "", more: str = "") -> str:
    """A component of one core module, with what it runs and what says how that went."""
    return f"""(component
      (core module $M {fields}
        (func (export "run") {run})
        (func (export "get") (result i32) {get}))
      (core instance $m (instantiate $M))
      (func (export "run") (canon lift (core func $m "run")))
      (func (export "get") (result u32) (canon lift (core func $m "get"))) {more})"""


def test_memory_and_globals_are_what_the_initializer_left() -> None:
    assert answers(ONE, ["run"], "get") == [1042]


def test_the_initializer_is_no_longer_exported() -> None:
    running = RunningComponent(build_component(ONE, "run").wasm)
    assert not running.has("run")
    assert running.has("get")


def test_the_initializer_is_kept_where_that_is_asked_for() -> None:
    running = RunningComponent(build_component(ONE, "run", keep_init_func=True).wasm)
    running.call("run")
    assert running.call("get") == 1042


def test_an_initializer_between_other_exports_leaves_their_indices_alone() -> None:
    text = component(
        "(global $g (mut i32) (i32.const 0))",
        "(global.get $g)",
        "(global.set $g (i32.const 7))",
        """(func $again (export "again") (canon lift (core func $m "run")))
           (export "alias" (func $again))""",
    )
    running = RunningComponent(build_component(text, "again").wasm)
    assert not running.has("again")
    assert running.call("get") == 7
    running.call("alias")
    running.call("run")


def test_a_usual_name_is_run_where_none_is_given() -> None:
    assert answers(ONE.replace('(export "run") (canon', '(export "wizer-initialize") (canon'), [], "get") == [1042]


def test_several_initializers_run_in_order() -> None:
    text = component(
        "(global $g (mut i32) (i32.const 1)) "
        '(func (export "double") (global.set $g (i32.mul (global.get $g) (i32.const 2))))',
        "(global.get $g)",
        "(global.set $g (i32.add (global.get $g) (i32.const 10)))",
        '(func (export "double") (canon lift (core func $m "double")))',
    )
    assert answers(text, ["run", "double"], "get") == [22]
    assert answers(text, ["double", "run"], "get") == [12]


def test_start_functions_run_once_and_without_an_initializer() -> None:
    text = component(
        "(memory 1) (start $s) (func $s (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 3))))",
        "(i32.load (i32.const 4))",
    )
    binary = build(wasm(text), Options(cache=False, init_funcs=())).wasm
    assert RunningComponent(binary).call("get") == 3
    assert "(start" not in text_of(binary)


def test_memory_that_grew_is_as_large_in_the_output() -> None:
    text = component(
        "(memory 1 9)",
        "(i32.add (memory.size) (i32.load8_u (i32.const 200000)))",
        "(drop (memory.grow (i32.const 4))) (i32.store8 (i32.const 200000) (i32.const 90))",
    )
    assert answers(text, ["run"], "get") == [95]


def test_memories_of_64_bits_and_several_are_written() -> None:
    text = component(
        "(memory $a i64 1) (memory $b 1)",
        "(i32.add (i32.load $a (i64.const 16)) (i32.load $b (i32.const 32)))",
        "(i32.store $a (i64.const 16) (i32.const 5)) (i32.store $b (i32.const 32) (i32.const 6))",
    )
    assert answers(text, ["run"], "get") == [11]


def test_vectors_and_floats_keep_their_bits() -> None:
    text = component(
        "(global $v (mut v128) (v128.const i64x2 0 0)) (global $f (mut f32) (f32.const 0))",
        "(i32.add (i32x4.extract_lane 3 (global.get $v)) (i32.reinterpret_f32 (global.get $f)))",
        "(global.set $v (v128.const i32x4 1 2 3 400)) (global.set $f (f32.reinterpret_i32 (i32.const 0x7fa00001)))",
    )
    assert answers(text, ["run"], "get") == [0x7FA00001 + 400]


def test_dropped_passive_segments_stay_dropped() -> None:
    text = component(
        '(memory 1) (data $d "abc") (data $e "xyz")',
        "(memory.init $e (i32.const 8) (i32.const 0) (i32.const 3)) "
        "(i32.add (i32.load8_u (i32.const 2)) (i32.load8_u (i32.const 10)))",
        "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)) (data.drop $d)",
    )
    assert answers(text, ["run"], "get") == [ord("c") + ord("z")]


TABLE = """(table $t 2 9 funcref) (type $f (func (result i32))) (elem declare func $one $two)
   (func $one (result i32) i32.const 1) (func $two (result i32) i32.const 2)"""


def test_a_table_of_one_instance_is_written_by_its_module() -> None:
    text = component(
        TABLE,
        "(i32.add (call_indirect $t (type $f) (i32.const 1)) (i32.mul (i32.const 10) (table.size $t)))",
        "(table.set $t (i32.const 1) (ref.func $two)) (drop (table.grow $t (ref.func $one) (i32.const 3)))",
    )
    result = build_component(text, "run")
    assert RunningComponent(result.wasm).call("get") == 52
    assert result.report.component is not None
    assert result.report.component.table_entries == 0


#: One module twice; a third that changes the first one's table and the second one's memory.
SHARED = """(component
  (core module $M
    (memory (export "m") 1) (global $g (export "g") (mut i32) (i32.const 5))
    (table (export "t") 4 funcref) (elem (i32.const 0) func $one)
    (func $one (result i32) i32.const 1) (func $two (result i32) i32.const 2) (elem declare func $two)
    (func (export "set") (param i32) (global.set $g (local.get 0)) (i32.store (i32.const 8) (local.get 0))
      (table.set (i32.const 1) (ref.func $two)))
    (func (export "get") (result i32) (i32.add (global.get $g) (i32.load (i32.const 8)))))
  (core instance $a (instantiate $M)) (core instance $b (instantiate $M))
  (core module $N
    (import "a" "set" (func $sa (param i32))) (import "b" "set" (func $sb (param i32)))
    (import "a" "get" (func $ga (result i32))) (import "b" "get" (func $gb (result i32)))
    (import "a" "t" (table $t 4 funcref)) (import "b" "m" (memory 1))
    (type $f (func (result i32))) (func $mine (result i32) i32.const 40) (elem declare func $mine)
    (data (i32.const 100) "hello")
    (func (export "run") (call $sa (i32.const 7)) (call $sb (i32.const 100))
      (table.set $t (i32.const 2) (ref.func $mine)) (table.set $t (i32.const 0) (ref.null func)))
    (func (export "value") (result i32) (i32.add (call $ga) (call $gb)))
    (func (export "letter") (result i32) (i32.load8_u (i32.const 104)))
    (func (export "empty") (result i32) (ref.is_null (table.get $t (i32.const 0))))
    (func (export "called") (result i32)
      (i32.add (call_indirect $t (type $f) (i32.const 2)) (call_indirect $t (type $f) (i32.const 1)))))
  (core instance $n (instantiate $N (with "a" (instance $a)) (with "b" (instance $b))))
  (func (export "run") (canon lift (core func $n "run")))
  (func (export "value") (result u32) (canon lift (core func $n "value")))
  (func (export "letter") (result u32) (canon lift (core func $n "letter")))
  (func (export "empty") (result u32) (canon lift (core func $n "empty")))
  (func (export "called") (result u32) (canon lift (core func $n "called"))))"""


def test_one_module_twice_has_two_states_and_a_shared_table_is_changed() -> None:
    assert answers(SHARED, ["run"], "value", "letter", "empty", "called") == [214, ord("o"), 1, 42]


def test_the_report_says_what_became_of_each_core_instance() -> None:
    facts = build_component(SHARED, "run").report.component
    assert facts is not None
    assert [(one.module, one.state) for one in facts.instances] == [(0, "written"), (0, "written"), (1, "written")]
    assert facts.table_entries == 3
    assert facts.removed == ("run",)


def test_builds_are_the_same_bytes_each_time() -> None:
    assert build_component(SHARED, "run").wasm == build_component(SHARED, "run").wasm
    assert (
        build_component(SHARED, "run", compiler="cranelift").wasm
        == build_component(SHARED, "run", compiler="winch").wasm
    )


def test_entries_that_a_start_function_changed_before_another_segment_was_applied_are_right() -> None:
    text = """(component
      (core module $A (table (export "t") 2 funcref) (type $f (func (result i32)))
        (func $one (result i32) i32.const 1) (func $two (result i32) i32.const 2) (func $six (result i32) i32.const 6)
        (elem (i32.const 0) func $one $one) (elem declare func $two $six)
        (func $s (table.set (i32.const 0) (ref.func $two)) (table.set (i32.const 1) (ref.func $six))) (start $s)
        (func (export "f") (result i32) i32.const 30)
        (func (export "undo") (table.set (i32.const 1) (ref.func $one)))
        (func (export "get") (result i32) (i32.add (call_indirect (type $f) (i32.const 0))
          (i32.mul (i32.const 100) (call_indirect (type $f) (i32.const 1))))))
      (core instance $a (instantiate $A))
      (core module $B (import "a" "t" (table 2 funcref)) (import "a" "f" (func $f (result i32))) (elem (i32.const 0) func $f))
      (core instance $b (instantiate $B (with "a" (instance $a))))
      (func (export "undo") (canon lift (core func $a "undo")))
      (func (export "get") (result u32) (canon lift (core func $a "get"))))"""
    assert RunningComponent(build_component(text, init_funcs=()).wasm).call("get") == 630
    assert answers(text, ["undo"], "get") == [130]


def test_functions_of_the_host_can_be_in_a_shared_table() -> None:
    text = """(component
      (import "log" (func $log (param "n" u32)))
      (core func $low (canon lower (func $log)))
      (core module $A (table (export "t") 2 funcref))
      (core instance $a (instantiate $A))
      (core module $B (import "a" "t" (table $t 2 funcref)) (import "h" "log" (func $log (param i32)))
        (elem declare func $log)
        (func (export "run") (table.set $t (i32.const 1) (ref.func $log)))
        (func (export "get") (result i32) (ref.is_null (table.get $t (i32.const 1)))))
      (core instance $b (instantiate $B (with "a" (instance $a)) (with "h" (instance (export "log" (func $low))))))
      (func (export "run") (canon lift (core func $b "run")))
      (func (export "get") (result u32) (canon lift (core func $b "get"))))"""
    assert answers(text, ["run"], "get") == [0]


def test_a_shared_table_that_grew_has_its_new_size_and_all_its_entries() -> None:
    text = """(component
      (core module $A (table (export "t") 2 9 funcref) (type $g (func (result i32))) (memory 1)
        (func $one (result i32) (i32.const 1)) (elem (i32.const 1) $one)
        (func (export "get") (result i32) (i32.add (i32.mul (table.size) (i32.const 1000))
          (i32.add (i32.mul (i32.const 10) (call_indirect (type $g) (i32.const 1)))
            (call_indirect (type $g) (i32.const 4))))))
      (core instance $a (instantiate $A))
      (core module $B (import "" "t" (table $t 2 9 funcref)) (func $two (result i32) (i32.const 2))
        (elem (i32.const 0) $two)
        (func (export "run") (drop (table.grow $t (ref.null func) (i32.const 2)))
          (drop (table.grow $t (table.get $t (i32.const 0)) (i32.const 1))) (table.set $t (i32.const 0) (ref.null func))))
      (core instance $b (instantiate $B (with "" (instance (export "t" (table $a "t"))))))
      (func (export "run") (canon lift (core func $b "run")))
      (func (export "get") (result u32) (canon lift (core func $a "get"))))"""
    assert answers(text, ["run"], "get") == [5012]


#: A module with a table, and one that puts functions into it. `{run}`: what the initializer does.
FILLED = """(component
  (core module $A (type $g (func (result i32))) (table (export "t") {table}) (memory 1) {more}
    (func (export "run") {run}) (func (export "get") (result i32) (call_indirect (type $g) (i32.const {asked}))))
  (core instance $a (instantiate $A))
  (core module $B (import "" "t" (table {table})) (func $f (result i32) (i32.const 42)) (elem (i32.const 0) func $f))
  (core instance (instantiate $B (with "" (instance (export "t" (table $a "t"))))))
  (func (export "run") (canon lift (core func $a "run")))
  (func (export "get") (result u32) (canon lift (core func $a "get"))))"""


def test_a_function_of_a_module_without_exports_gets_one() -> None:
    copy = "(table.copy (i32.const 2) (i32.const 0) (i32.const 1))"
    assert answers(FILLED.format(table="4 funcref", more="", run=copy, asked=2), ["run"], "get") == [42]


def test_entries_that_adjoin_are_one_segment() -> None:
    fill = "(table.fill (i32.const 10) (ref.func $h) (i32.const 3000)) (table.set (i32.const 0) (ref.null func))"
    more = "(func $h (result i32) (i32.const 43)) (elem declare func $h)"
    result = build_component(FILLED.format(table="4000 funcref", more=more, run=fill, asked=3009), "run")
    assert RunningComponent(result.wasm).call("get") == 43
    last = list(read_component(result.wasm).core_modules())[-1]
    assert len(parse(result.wasm[last.start : last.end]).elements) == 2


def test_a_shared_table_of_typed_references_is_refused_by_name() -> None:
    text = """(component
      (core module $A (type $x (func (param i64))) (type $g (func (result i32))) (table (export "t") 4 (ref null $g))
        (func $h (result i32) (i32.const 43)) (elem declare func $h) (func (export "run") (table.set (i32.const 2) (ref.func $h))))
      (core instance $a (instantiate $A))
      (core module $B (type $g (func (result i32))) (import "" "t" (table 4 (ref null $g))))
      (core instance (instantiate $B (with "" (instance (export "t" (table $a "t"))))))
      (func (export "run") (canon lift (core func $a "run"))))"""
    with pytest.raises(errors.UnsupportedState, match="holds typed references"):
        build(wasm(text), Options(cache=False, init_funcs=("run",)))


def test_an_asynchronous_function_in_a_shared_table_stays_there() -> None:
    text = """(component
      (import "wasi:x/y@0.2.0" (instance $i (export "g" (func async (param "a" u32) (result u32)))))
      (core module $M (memory (export "memory") 1)) (core instance $m (instantiate $M))
      (core func $low (canon lower (func $i "g") async (memory (core memory $m "memory"))))
      (core module $A (table (export "t") 2 funcref)) (core instance $a (instantiate $A))
      (core module $B (import "" "t" (table $t 2 funcref)) (import "" "f" (func $f (param i32 i32) (result i32)))
        (elem declare func $f)
        (func (export "run") (table.set $t (i32.const 1) (ref.func $f)))
        (func (export "get") (result i32) (ref.is_null (table.get $t (i32.const 1)))))
      (core instance $b (instantiate $B (with "" (instance (export "t" (table $a "t")) (export "f" (func $low))))))
      (func (export "run") (canon lift (core func $b "run")))
      (func (export "get") (result u32) (canon lift (core func $b "get"))))"""
    assert len(build_component(text, "run").wasm) > 0


NESTED = """(component
  (component $inner
    (core module $M (global $g (mut i32) (i32.const 1)) (memory (export "memory") 1)
      (func (export "add") (param i32) (global.set $g (i32.add (global.get $g) (local.get 0))))
      (func (export "get") (result i32) (global.get $g)))
    (core instance $m (instantiate $M))
    (func (export "add") (param "n" u32) (canon lift (core func $m "add")))
    (func (export "get") (result u32) (canon lift (core func $m "get"))))
  (instance $i (instantiate $inner))
  (alias export $i "add" (func $add)) (alias export $i "get" (func $get))
  (core func $low (canon lower (func $add)))
  (core module $N (import "i" "add" (func $add (param i32)))
    (func (export "run") (call $add (i32.const 20)) (call $add (i32.const 300))))
  (core instance $n (instantiate $N (with "i" (instance (export "add" (func $low))))))
  (func (export "run") (canon lift (core func $n "run")))
  (export "get" (func $get)))"""


def test_components_within_are_initialized_too() -> None:
    assert answers(NESTED, ["run"], "get") == [321]


#: The same with two instances of the component within, of which one is changed; and a component behind it.
TWICE = NESTED.replace(
    '(alias export $i "add" (func $add))',
    """(component $other (core module $O (global $n (mut i32) (i32.const 7)) (func (export "n") (result i32) (global.get $n)))
      (core instance $o (instantiate $O)) (func (export "n") (result u32) (canon lift (core func $o "n"))))
    (instance $o (instantiate $other)) (instance $j (instantiate $inner)) (instance $k (instantiate $inner))
    (export "untouched" (func $j "get")) (export "other" (func $o "n")) (alias export $i "add" (func $add))""",
)


def test_a_component_within_is_written_for_each_of_its_instances() -> None:
    assert answers(TWICE, ["run"], "get", "untouched", "other") == [321, 1, 7]


def test_instances_that_hold_the_same_share_one_copy() -> None:
    output = read_component(build_component(TWICE, "run").wasm)
    assert sum(isinstance(placed.definition, Nested) for placed in output.definitions) == 3


def test_a_component_within_that_holds_nothing_may_have_several_instances() -> None:
    text = """(component
      (component $C (core module $M (func (export "f") (result i32) (i32.const 3))) (core instance $m (instantiate $M))
        (func (export "f") (result u32) (canon lift (core func $m "f"))))
      (instance $c (instantiate $C)) (instance $d (instantiate $C))
      (core module $A (global $g (mut i32) (i32.const 0)) (func (export "run") (global.set $g (i32.const 1))))
      (core instance $a (instantiate $A)) (func (export "run") (canon lift (core func $a "run")))
      (export "f" (func $c "f")) (export "g" (func $d "f")) (export "whole" (component $C)))"""
    result = build_component(text, "run")
    assert result.wasm.count(b"whole") == 1


def test_an_exported_module_of_which_one_instance_changed_has_two_copies() -> None:
    text = """(component
      (core module $m (table (export "t") 4 funcref) (elem declare func $f) (func $f)
        (func (export "run") (table.set (i32.const 2) (ref.func $f)))
        (func (export "get") (result i32) (ref.is_null (table.get (i32.const 2)))))
      (core instance $a (instantiate $m)) (core instance $b (instantiate $m)) (export "mod" (core module $m))
      (func (export "run") (canon lift (core func $a "run")))
      (func (export "a") (result u32) (canon lift (core func $a "get")))
      (func (export "b") (result u32) (canon lift (core func $b "get"))))"""
    result = build_component(text, "run")
    assert len(list(read_component(result.wasm).core_modules())) == 2
    assert [RunningComponent(result.wasm).call(name) for name in ("a", "b")] == [0, 1]


@pytest.mark.parametrize("sort", ["core module", "component"])
def test_what_is_exported_does_not_get_the_state_of_an_instance(sort: str) -> None:
    module = """(core module $M (global $g (mut i32) (i32.const 1)) (func (export "run") (global.set $g (i32.const 3)))
        (func (export "get") (result i32) (global.get $g)))
      (core instance $m (instantiate $M)) (func $run (export "run") (canon lift (core func $m "run")))
      (func $get (export "get") (result u32) (canon lift (core func $m "get")))"""
    behind = '(core module $N (global (mut i32) (i32.const 5))) (core instance (instantiate $N)) (export "n" (core module $N))'
    if sort == "component":
        text = f"""(component (component $C {module}) (instance $c (instantiate $C)) (export "out" (component $C))
          {behind} (export "run" (func $c "run")) (export "get" (func $c "get")))"""
    else:
        text = f'(component {module} (export "out" (core module $M)) {behind})'
    result = build_component(text, "run")
    if sort == "core module":  # the engine runs no component that exports another one
        assert RunningComponent(result.wasm).call("get") == 3
    output = read_component(result.wasm)
    kinds = {"core module": CoreModule, "component": Nested}
    spaces = [placed for placed in output.definitions if isinstance(placed.definition, kinds[sort] | Export)]
    spaces = [p for p in spaces if isinstance(p.definition, kinds[sort]) or p.definition.sort == sort]
    (out,) = (e for e in output.exports if e.name == "out")
    exported = spaces[out.number]
    assert result.wasm[exported.start : exported.end] in wasm(text)


def test_a_core_module_of_an_outer_component_is_rewritten_where_it_stands() -> None:
    text = """(component
      (core module $M (global $g (mut i32) (i32.const 1))
        (func (export "run") (global.set $g (i32.const 9))) (func (export "get") (result i32) (global.get $g)))
      (component $inner
        (alias outer 1 $M (core module $M))
        (core instance $m (instantiate $M))
        (func (export "run") (canon lift (core func $m "run")))
        (func (export "get") (result u32) (canon lift (core func $m "get"))))
      (instance $i (instantiate $inner))
      (export "run" (func $i "run")) (export "get" (func $i "get")))"""
    assert answers(text, ["run"], "get") == [9]


def test_names_of_core_modules_move_with_them() -> None:
    printed = text_of(build_component(SHARED, "run").wasm)
    assert "(core module $M" in printed
    assert "(core module $N" in printed
    assert printed.index("(core module $M") < printed.index("(core module $N")


def test_a_module_that_nothing_instantiates_stays_as_it_is() -> None:
    text = component("", "(i32.const 3)", "", '(core module $unused (memory 1) (data (i32.const 0) "kept"))')
    assert b"kept" in build_component(text, "run").wasm


def test_imported_addresses_are_constants_of_the_component() -> None:
    text = """(component
      (core module $Env (global (export "base") i32 (i32.const 64)) (memory (export "memory") 1)
        (table (export "table") 4 funcref))
      (core instance $env (instantiate $Env))
      (core module $Lib (@custom "dylink.0" "\\01\\04\\08\\00\\00\\00")
        (import "env" "base" (global $base i32)) (import "env" "memory" (memory 1)) (import "env" "table" (table 4 funcref))
        (global $mine (mut i32) (i32.const 0)) (type $f (func (result i32)))
        (data (offset (global.get $base)) "abc") (elem (offset (i32.const 2)) func $f)
        (func $f (result i32) (i32.load8_u offset=1 (global.get $base)))
        (func (export "run") (i32.store8 offset=1 (global.get $base) (i32.const 100)))
        (func (export "get") (result i32) (call_indirect (type $f) (i32.const 2))))
      (core instance $lib (instantiate $Lib (with "env" (instance $env))))
      (func (export "run") (canon lift (core func $lib "run")))
      (func (export "get") (result u32) (canon lift (core func $lib "get"))))"""
    assert answers(text, ["run"], "get") == [100]


def test_what_does_not_work_on_demand_is_done_as_a_whole() -> None:
    deep = component(
        "(global $g (mut i32) (i32.const 0)) (func $down (param i32) (result i32) (local i64 i64 i64 i64 i64 i64 i64 i64) "
        "(if (result i32) (local.get 0) (then (i32.add (i32.const 1) "
        "(call $down (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0))))",
        "(global.get $g)",
        "(global.set $g (call $down (i32.const 30000)))",
    )
    assert answers(deep, ["run"], "get", engine="ondemand") == [30000]


# -- what is refused


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("rum", errors.UnknownExport, "Exported functions: 'run', 'get'"),
        ("ns:pkg/iface.run", errors.UnknownExport, "exports no function 'ns:pkg/iface.run'"),
        ("run(1)", errors.InitializerType, "takes 0 arguments, 1 was given"),
        ("run(", errors.UsageError, "a value must stand here"),
    ],
)
def test_a_wrong_initializer_is_refused_before_anything_runs(call: str, error: type[Exception], said: str) -> None:
    text = component("(start $s) (func $s (unreachable))")
    with pytest.raises(error) as caught:
        build(wasm(text), Options(cache=False, init_funcs=(call,)))
    assert said in str(caught.value)


def test_a_component_without_a_usual_initializer_says_what_it_exports() -> None:
    with pytest.raises(errors.NoInitializer, match="exports none of") as caught:
        build(wasm(ONE), Options(cache=False))
    assert "'run', 'get'" in str(caught.value)


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_a_trap_is_said_with_the_place_in_the_components_file(engine: str) -> None:
    text = component("", "(i32.const 0)", "(call $deep)").replace(
        "(func (export", "(func $deep (unreachable)) (func (export", 1
    )
    binary = parse_text(text.encode())
    with pytest.raises(errors.GuestTrap) as caught:
        build(binary, Options(cache=False, init_funcs=("run",), engine=engine))
    frame = caught.value.frames[0]
    assert frame.name == "deep"
    assert frame.offset is not None
    assert binary[frame.offset] == 0  # unreachable


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_a_failed_growth_ends_the_build(engine: str) -> None:
    text = component("(memory 1)", "(i32.const 0)", "(drop (memory.grow (i32.const 100)))")
    with pytest.raises(errors.GrowthRefused):
        build(wasm(text), Options(cache=False, init_funcs=("run",), max_memory=1 << 20, engine=engine))


@pytest.mark.parametrize(
    ("options", "name", "instead"),
    [
        ({"scrub_stack": True}, "scrub", "one stack"),
        ({"imports": "define"}, "imports", "what the component gives them"),
        ({"late": ("env",)}, "late", "in a function that instances call"),
        ({"stubs": (("a.b", "zero"),)}, "stub", "wac plug"),
        ({"keep_init_func": "noop"}, "keep_init_func", "stays as it is"),
    ],
)
def test_options_that_components_do_not_have_are_refused_with_what_to_do(
    options: dict[str, object], name: str, instead: str
) -> None:
    with pytest.raises(errors.Misfit, match=f"^`{name}") as caught:
        build(wasm(ONE), Options(cache=False, init_funcs=("run",), **options))  # type: ignore[arg-type]
    assert instead in str(caught.value.hint)
