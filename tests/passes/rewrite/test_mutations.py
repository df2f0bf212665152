"""Each rule of writing back is broken on purpose: whoever runs the output notices."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import pytest

from preinit.errors import PreinitError
from tests.support.behaviour import (
    assert_holds_a_byte,
    assert_refuses_another_value,
    assert_same_behaviour,
    assert_true_to_names,
)
from tests.support.broken_rules import MUTATIONS
from tests.support.shapes.imports import CALLS, VALUES
from tests.support.shapes.imports import STATE as IMPORTS
from tests.support.shapes.references import SHAPES as REFERENCES
from tests.support.shapes.segments import PASSIVE
from tests.support.shapes.state import SHAPES as STATE

INIT = '(export "preinit_initialize")'


def _references(name: str) -> Callable[[], None]:
    text, calls = REFERENCES[name]
    return lambda: assert_same_behaviour(text, calls)


#: What passes as long as nothing is broken.
CHECKS: dict[str, Callable[[], None]] = {
    **{name: _references(name) for name in REFERENCES},
    **{name: lambda text=text: assert_same_behaviour(text) for name, text in STATE.items()},  # type: ignore[misc]
    "live_and_dropped_passive_data": lambda: assert_same_behaviour(
        STATE["live_and_dropped_passive_data"].replace(
            '(func (export "use")',
            """(func (export "first") (memory.init $active (i32.const 0) (i32.const 0) (i32.const 1)))
            (func (export "second") (memory.init $dropped (i32.const 0) (i32.const 0) (i32.const 1)))
            (func (export "peek") (result i32) (i32.load (i32.const 99))) (func (export "use")""",
        ),
        [("first",), ("second",), ("use",), ("peek",)],
    ),
    "a_memory_beyond_2_gib": lambda: assert_holds_a_byte(
        f"""(module (memory 32769 32769) (func {INIT} (i32.store8 (i32.const 0x80000001) (i32.const 1)))
            (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0))))""",
        0x80000001 - (1 << 32),
    ),
    "a_table64_with_a_segment": lambda: assert_same_behaviour(
        f"(module (table i64 3 funcref) (elem (i64.const 1) $f) (func $f {INIT} (table.set (i64.const 2) (ref.func $f))))"
    ),
    "a_table_that_grew_by_nulls": lambda: assert_same_behaviour(
        f"(module (table 1 funcref) (func {INIT} (drop (table.grow (ref.null func) (i32.const 2)))))"
    ),
    "a_table_with_holes": lambda: assert_same_behaviour(
        f"(module (table 4 funcref) (func $f {INIT} (table.set (i32.const 1) (ref.func $f))))"
    ),
    "imported_state": lambda: assert_same_behaviour(IMPORTS, CALLS, import_globals=VALUES),
    "defined_imports": lambda: assert_same_behaviour(
        """(module (import "e" "mem" (memory 1 5)) (import "e" "t" (table $t 1 9 funcref))
            (func $f) (global $g (mut i32) (i32.const 1)) (export "mem" (memory 0)) (export "t" (table 0))
            (func (export "preinit_initialize") (i32.store (i32.const 9) (i32.const 1)) (global.set $g (i32.const 2))
                (drop (memory.grow (i32.const 1))) (drop (table.grow (ref.func $f) (i32.const 2))))
            (elem declare func $f))""",
        imports="define",
    ),
    "an_imported_constant": lambda: assert_refuses_another_value(
        f'(module (import "e" "x" (global f32)) (func {INIT}))', ("e.x", "0"), ("1",)
    ),
    "an_imported_constant_of_zero": lambda: assert_refuses_another_value(
        f'(module (import "e" "x" (global f32)) (func {INIT}))', ("e.x", "0"), ("-0",)
    ),
    "names_of_segments": lambda: assert_true_to_names(PASSIVE, {1: "gone", 2: "kept"}),
    "names_of_segments_that_are_gone": lambda: assert_true_to_names(
        f'(module (memory 1) (data $a (i32.const 0) "x") (data $b "y") (func {INIT}))', {}
    ),
}


@cache
def passes_unbroken(shape: str) -> bool:
    CHECKS[shape]()
    return True


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, wrong, shape = MUTATIONS[name]
    assert passes_unbroken(shape)
    path = f"preinit.passes.rewrite.{where}"
    holder, _, attribute = path.rpartition(".")
    original = getattr(import_module(holder), attribute)
    used: list[bool] = []
    replacement = wrong(original)
    if callable(replacement):
        replacement = noting(replacement, used)
    monkeypatch.setattr(path, replacement)
    with pytest.raises((AssertionError, PreinitError)):
        CHECKS[shape]()
    assert used or not callable(replacement), "the broken function was not called"


def noting(function: Callable[..., Any], used: list[bool]) -> Callable[..., Any]:
    """The function, telling that it was called: a mutation that fails in the test itself would prove nothing."""

    def called(*arguments: Any) -> Any:
        used.append(True)
        return function(*arguments)

    return called
