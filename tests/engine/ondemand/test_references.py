"""References: a function has a stub, and a place in a chunk, but in tables and globals it is one and the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit.binary.module import parse
from tests.support.both_engines import INIT, V, built, same
from tests.support.instances import Running
from tests.support.modules import wasm

ABC = "(func $a (result i32) i32.const 1) (func $b (result i32) i32.const 2) (func $c (result i32) i32.const 3)"
YIELD = '(import "wasi_snapshot_preview1" "sched_yield" (func $h (result i32)))'
MISSING = '(import "env" "missing" (func $m (result i32)))'
#: A global that tells the order and the results of calls: each multiplies it by 10 and adds its own result.
LOG = """(global $log (mut i32) (i32.const 0))
    (func $note (param i32) (global.set $log (i32.add (i32.mul (global.get $log) (i32.const 10)) (local.get 0))))"""


def call(index: int, table: str = "") -> str:
    return f"(call $note (call_indirect {table} (type $v) (i32.const {index})))"


def module(fields: str, code: str, imports: str = "") -> str:
    return f"(module {imports} {V} {fields} {ABC} {LOG} (func {INIT} {code}))"


#: Name -> module whose tables start with functions.
FILLED = {
    "by one segment": module("(table 4 funcref) (elem (i32.const 1) $a $b)", call(1) + call(2)),
    "by one segment, unused": module("(table 4 funcref) (elem (i32.const 1) $a $b)", "(call $note (i32.const 5))"),
    "by several segments, one over another": module(
        "(table 4 funcref) (elem (i32.const 0) $a $b $c) (elem (i32.const 1) $c $a)",
        "".join(map(call, range(3))) + "(table.set (i32.const 3) (table.get (i32.const 1)))",
    ),
    "by a function that stands there twice": module(
        "(table 4 funcref) (elem (i32.const 0) $a $a) (elem (i32.const 3) $a)",
        call(0) + call(1) + call(3) + "(table.set (i32.const 2) (table.get (i32.const 3)))",
    ),
    "in two tables": module(
        "(table $t 3 funcref) (table $u 3 funcref) (elem (table $t) (i32.const 0) func $a $b) (elem (table $u) (i32.const 1) func $b $c)",
        call(1, "$t") + call(2, "$u") + "(table.copy $u $t (i32.const 0) (i32.const 0) (i32.const 2))" + call(0, "$u"),
    ),
    "of expressions": module(
        "(table 3 funcref) (elem (i32.const 1) funcref (ref.func $a) (ref.func $c))",
        call(2) + "(table.set (i32.const 0) (table.get (i32.const 1)))",
    ),
    "with indices of 64 bits": module(
        "(table $t i64 4 funcref) (elem (i64.const 2) $a $b)",
        """(call $note (call_indirect $t (type $v) (i64.const 3))) (table.set $t (i64.const 0) (ref.func $b))
        (drop (table.grow $t (ref.func $a) (i64.const 2)))""",
    ),
    "with an imported function": module(
        "(table 4 funcref) (elem (i32.const 0) $a $h $b)",
        call(0) + call(1) + call(2) + "(table.set (i32.const 3) (table.get (i32.const 1)))",
        YIELD,
    ),
    "with imported functions only": module(
        "(table 4 funcref) (elem (i32.const 0) $h $m)",
        call(0) + "(table.set (i32.const 3) (ref.func $m))",
        YIELD + MISSING,
    ),
    "up to its end": module(
        "(table 2 2 funcref) (elem (i32.const 0) $a $b)", call(1) + "(table.set (i32.const 0) (ref.null func))"
    ),
}


@pytest.mark.parametrize("name", FILLED)
@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_a_table_starts_with_functions(name: str, compiler: str) -> None:
    assert same(FILLED[name], compiler=compiler).wasm


@pytest.mark.parametrize("name", FILLED)
@pytest.mark.parametrize("max_memory", [0, 65536])
def test_a_table_starts_with_many_functions(name: str, max_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module puts them there; where its memory would be too large, the host."""
    monkeypatch.setattr("preinit.engine.ondemand.stubtable._MANY", 0)
    assert same(FILLED[name], max_memory=max_memory).wasm


#: What can change a table -> code that does so in a function that is loaded late.
CHANGES = {
    "table.set": "(table.set (i32.const 0) (ref.func $b))",
    "table.fill": "(table.fill (i32.const 0) (ref.func $b) (i32.const 1))",
    "table.copy": "(table.copy (i32.const 0) (i32.const 1) (i32.const 1))",
    "table.grow": "(drop (table.grow (ref.func $b) (i32.const 1)))",
    "table.set, cancelled": "(table.set (i32.const 0) (ref.func $b)) (table.set (i32.const 0) (ref.func $a))",
    "nothing": "(drop (table.get (i32.const 0))) (drop (table.size))",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_table_is_seen_whatever_makes_it(name: str, tmp_path: Path) -> None:
    source = module(
        f"""(table 3 10 funcref) (elem (i32.const 0) $a $b $c) (func $change {CHANGES[name]})""",
        "(call $note (i32.const 1)) (call $change)" + call(0),
    )
    expected = same(source).wasm
    for _ in range(2):  # the second build takes code that the first one kept
        found = built(tmp_path / "cache", source)
        assert found.wasm == expected
    starts = [[segment.functions for segment in parse(data).elements] for data in (expected or b"", wasm(source))]
    assert (starts[0] == starts[1]) == (name in ("nothing", "table.set, cancelled"))


@pytest.mark.parametrize("imports", ["keep", "define", "restore"])
@pytest.mark.parametrize(
    "code", [call(2), "(table.set (i32.const 0) (ref.func $b))", "(table.set (i32.const 1) (ref.func $a))"]
)
def test_an_imported_table_starts_with_functions(imports: str, code: str) -> None:
    text = module(
        "(elem (i32.const 1) $a $h $b) (elem declare func $b)", code, '(import "e" "t" (table 5 funcref))' + YIELD
    )
    text = text.replace('(import "e" "t" (table 5 funcref))' + YIELD, YIELD + '(import "e" "t" (table 5 funcref))')
    assert same(text, imports=imports).wasm


#: Name -> fields, code: references that come into being while the initializer runs.
SET = {
    "a function that is called": ("(table 2 funcref)", "(call $note (call $a)) (table.set (i32.const 0) (ref.func $a))" + call(0)),
    "a function that is not called": ("(table 2 funcref)", "(table.set (i32.const 0) (ref.func $a))"),
    "a function before it is called": ("(table 2 funcref)", "(table.set (i32.const 0) (ref.func $a)) (call $note (call $a))" + call(0)),
    "an import": ("(table 2 funcref)", "(table.set (i32.const 1) (ref.func $h))" + call(1)),
    "what another function sets": (
        "(table 2 funcref) (func $set (table.set (i32.const 1) (ref.func $b)) (call $note (call $b)))",
        "(call $set) (table.set (i32.const 0) (ref.func $b))" + call(0) + call(1),
    ),
    "itself": ("(table 2 funcref) (elem declare func $self) (func $self (table.set (i32.const 1) (ref.func $self)))", "(call $self)"),
    "the initializer": ("(table 2 funcref)", "(table.set (i32.const 1) (ref.func $init))"),
    "a global": ("(global (mut funcref) (ref.null func))", "(global.set 0 (ref.func $c))"),
    "a global, to an import": ("(global (mut funcref) (ref.null func))", "(global.set 0 (ref.func $h))"),
    "a global, by another function": (
        "(global (mut funcref) (ref.null func)) (func $set (global.set 0 (ref.func $b)))",
        "(call $note (call $b)) (call $set)",
    ),
    "a global, to null again": (
        "(global (mut funcref) (ref.null func))",
        "(global.set 0 (ref.func $c)) (global.set 0 (ref.null func))",
    ),
    "from a global": (
        "(table 2 funcref) (global (mut funcref) (ref.null func)) (func $set (global.set 0 (ref.func $b)))",
        "(call $set) (table.set (i32.const 0) (global.get 0))" + call(0),
    ),
    "from a table that was grown": (
        "(table $t 0 funcref) (table $u 3 funcref) (elem (table $u) (i32.const 1) func $c)",
        """(drop (table.grow $t (ref.func $b) (i32.const 2))) (drop (table.grow $t (table.get $u (i32.const 1)) (i32.const 1)))
        (table.set $u (i32.const 0) (table.get $t (i32.const 1)))"""
        + call(2, "$t") + call(0, "$u"),
    ),
    "a table that was filled": (
        "(table 8 funcref) (elem (i32.const 0) $c)",
        """(table.fill (i32.const 1) (ref.func $a) (i32.const 3)) (table.fill (i32.const 3) (table.get (i32.const 0)) (i32.const 2))
        (table.fill (i32.const 7) (ref.func $h) (i32.const 1)) (table.copy (i32.const 4) (i32.const 0) (i32.const 3))"""
        + "".join(map(call, range(7))),
    ),
    "what a function returns": (
        "(table 2 funcref) (func $choose (param i32) (result funcref) (select (result funcref) (ref.func $a) (ref.func $b) (local.get 0)))",
        "(table.set (i32.const 0) (call $choose (i32.const 0))) (table.set (i32.const 1) (call $choose (i32.const 1)))"
        + call(0) + call(1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SET)
@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_a_reference_is_set(name: str, compiler: str) -> None:
    fields, code = SET[name]
    text = module(f"(elem declare func $a $b $c $h) {fields}", code, YIELD).replace(
        f"(func {INIT}", f"(func $init {INIT}"
    )
    assert same(text, compiler=compiler).wasm


#: Code that sets entries of a table that starts with $a, $b and $h to what they are.
UNCHANGED = {
    "by code that names it": "(table.set (i32.const 0) (ref.func $a))",
    "by code of another function": "(call $set)",
    "after it was called": call(0) + "(table.set (i32.const 0) (ref.func $a))",
    "after it was something else": "(table.set (i32.const 0) (ref.func $b)) (table.set (i32.const 0) (ref.func $a))",
    "to an import": "(table.set (i32.const 2) (ref.func $h))",
    "by a copy": "(table.copy (i32.const 0) (i32.const 0) (i32.const 3))",
}


@pytest.mark.parametrize("how", UNCHANGED)
def test_an_entry_that_is_set_to_what_it_was_is_no_change(how: str) -> None:
    fields = "(table 3 funcref) (elem (i32.const 0) $a $b $h) (func $set (table.set (i32.const 0) (ref.func $a)))"
    found = same(module(fields, UNCHANGED[how], YIELD))
    assert found.wasm
    assert Running(found.wasm).module.elements[0].length == 3


def test_an_entry_that_is_set_to_what_it_was_is_none_among_changes() -> None:
    fields = "(table 3 funcref) (elem (i32.const 0) $a $b) (elem declare func $c)"
    assert same(module(fields, "(table.set (i32.const 0) (ref.func $a)) (table.set (i32.const 2) (ref.func $c))")).wasm


# -- modules that are preloaded ----------------------------------------------------------------------------------------

LIBRARY = """(module (type $v (func (result i32))) (table (export "t") 4 funcref) (func (export "seven") (result i32) (i32.const 7))
    (func (export "through") (param i32) (result i32) (call_indirect (type $v) (local.get 0))))"""


@pytest.mark.parametrize("imports", ["keep", "restore"])
def test_a_preloaded_module_calls_what_the_guest_put_into_its_table(imports: str) -> None:
    imported = """(import "l" "t" (table 4 funcref)) (import "l" "seven" (func $seven (result i32)))
        (import "l" "through" (func $through (param i32) (result i32)))"""
    code = "(table.set (i32.const 1) (ref.func $b)) (table.set (i32.const 2) (ref.func $seven))" + "".join(
        f"(call $note (call $through (i32.const {index})))" for index in (0, 1, 2, 0)
    )
    text = module("(elem (i32.const 0) $a) (elem declare func $b $seven)", code, imported)
    found = same(text, imports=imports, preloads=(("l", wasm(LIBRARY)),))
    assert found.wasm


def test_a_preloaded_function_is_one_in_tables() -> None:
    imported = '(import "l" "seven" (func $seven (result i32)))'
    text = module(
        "(table 3 funcref) (elem (i32.const 0) $seven $a)",
        "(table.set (i32.const 2) (ref.func $seven))" + call(2),
        imported,
    )
    assert same(text, preloads=(("l", wasm(LIBRARY)),)).wasm


@pytest.mark.parametrize("imports", ["keep", "restore"])
def test_a_table_that_starts_with_an_imported_reference_is_captured_though_nothing_changes_it(imports: str) -> None:
    text = module("(table 3 funcref (global.get $f))", "", '(import "l" "f" (global $f funcref))')
    for value in ("(ref.null func)", "(ref.func 0)"):  # the latter belongs to another module: an error
        same(text, imports=imports, preloads=(("l", wasm(f'(module (func) (global (export "f") funcref {value}))')),))


# -- many functions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_each_of_many_functions_in_a_table_is_called(compiler: str) -> None:
    """There are modules of stubs, each with a few for each type: each stub stands for its own function."""
    kinds = {
        "i32": "(i32.wrap_i64 (global.get $n))",
        "i64": "(global.get $n)",
        "f64": "(f64.convert_i64_s (global.get $n))",
    }
    names = list(kinds)
    functions = "".join(
        f"(func $f{i} (param {names[i % 3]}) (global.set $n (i64.add (i64.mul (global.get $n) (i64.const 31)) (i64.const {i}))))"
        for i in range(700)
    )
    order = [i * 307 % 700 for i in range(0, 700, 2)]
    calls = "".join(f"(call_indirect (type ${names[i % 3]}) {kinds[names[i % 3]]} (i32.const {i}))" for i in order)
    text = f"""(module {"".join(f"(type ${name} (func (param {name})))" for name in kinds)} (global $n (mut i64) (i64.const 1))
        (table 701 funcref) (elem (i32.const 0) {" ".join(f"$f{i}" for i in range(700))}) {functions}
        (func {INIT} {calls} (table.set (i32.const 700) (table.get (i32.const 9)))))"""
    assert same(text, compiler=compiler).wasm


#: Name -> fields and code in which an import of a preloaded module is seen under several pointers.
PRELOADED = {
    "a constant, put into a table": (
        '(import "l" "g" (global $g funcref))',
        "(table.set (i32.const 0) (global.get $g))",
    ),
    "an entry, put into a global": (
        '(import "l" "mg" (global $g (mut funcref)))',
        "(global.set $g (table.get (i32.const 0)))",
    ),
    "a name, put into a global": ('(import "l" "mg" (global $g (mut funcref)))', "(global.set $g (ref.func $k))"),
    "an entry, put into a global that an import filled": (
        '(import "l" "g" (global $g funcref)) (global $o (mut funcref) (global.get $g))',
        "(global.set $o (table.get (i32.const 0)))",
    ),
}


@pytest.mark.parametrize("name", PRELOADED)
def test_an_import_is_the_same_function_wherever_it_is_seen(name: str) -> None:
    fields, code = PRELOADED[name]
    library = wasm("""(module (func $s (export "seven") (result i32) (i32.const 7))
        (global (export "g") funcref (ref.func $s)) (global (export "mg") (mut funcref) (ref.func $s)))""")
    text = f"""(module {V} (import "l" "seven" (func $k (result i32))) {fields} (table 3 funcref)
        (elem (i32.const 0) $k) (elem (i32.const 1) $k) (func {INIT} {code}))"""

    same(text, preloads=(("l", library),))
