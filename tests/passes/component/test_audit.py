"""What of a component's snapshot depends on the world."""

from __future__ import annotations

import pytest

from preinit import Options, build, errors
from tests.support.components import build_component
from tests.support.modules import wasm

#: Keeps random numbers, the time, and how many variables there are; the second instance keeps nothing of the world.
WORLDLY = """(component
  (import "wasi:random/random@0.2.0" (instance $r (export "get-random-u64" (func (result u64)))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $c (export "now" (func (result u64)))))
  (import "wasi:cli/environment@0.2.0" (instance $e
    (export "get-environment" (func (result (list (tuple string string)))))))
  (core module $Memory (memory (export "m") 1) (global $top (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (global.get $top)
      (global.set $top (i32.and (i32.const -8) (i32.add (i32.const 8) (i32.add (global.get $top) (local.get 3)))))))
  (core instance $memory (instantiate $Memory))
  (core func $random (canon lower (func $r "get-random-u64"))) (core func $now (canon lower (func $c "now")))
  (core func $env (canon lower (func $e "get-environment") (memory (core memory $memory "m"))
    (realloc (core func $memory "realloc"))))
  (core module $M (import "" "random" (func $random (result i64))) (import "" "now" (func $now (result i64)))
    (import "" "env" (func $env (param i32))) (import "" "m" (memory 1)) (global $n (mut i32) (i32.const 0))
    (func (export "run") (i64.store (i32.const 256) (call $random)) (i64.store (i32.const 512) (call $now))
      (call $env (i32.const 768)) (global.set $n (i32.load (i32.const 772)))))
  (core instance $m (instantiate $M (with "" (instance (export "random" (func $random)) (export "now" (func $now))
    (export "env" (func $env)) (export "m" (memory $memory "m"))))))
  (core module $Other (memory 1) (global (mut i32) (i32.const 5))) (core instance (instantiate $Other))
  (func (export "run") (canon lift (core func $m "run"))))"""


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_places_that_depend_on_the_world_are_told_with_what_they_depend_on(engine: str) -> None:
    report = build_component(WORLDLY, "run", audit=True, engine=engine).report
    assert report.audit is not None
    found = {(entry.kind, entry.index, entry.offset): entry for entry in report.audit}
    assert found["memory", 0, 256].depends_on == ("entropy",)
    assert found["memory", 0, 512].depends_on == ("clock",)
    assert ("memory", 0, 772) in found or any(
        entry.depends_on == ("environment",) and entry.offset <= 772 < entry.offset + entry.length
        for entry in report.audit
    )
    assert [entry.depends_on for entry in report.audit if entry.kind == "global"] == [("environment",)] * 2
    assert all(entry.index == 0 for entry in report.audit if entry.kind == "memory")
    assert found["memory", 0, 256].name == "core module 0"


def test_a_component_that_depends_on_nothing_has_no_such_place() -> None:
    text = """(component (core module $M (memory 1) (func (export "run") (i32.store (i32.const 8) (i32.const 1))))
      (core instance $m (instantiate $M)) (func (export "run") (canon lift (core func $m "run"))))"""
    assert build_component(text, "run", audit=True).report.audit == ()


@pytest.mark.parametrize(
    ("budget", "said"), [("max_segments", "max-segments"), ("max_memory_pages", "max-memory-pages")]
)
def test_budgets_of_segments_and_pages_are_kept(budget: str, said: str) -> None:
    text = """(component (core module $M (memory 2) (func (export "run") (i32.store (i32.const 8) (i32.const 1))
        (i32.store (i32.const 99999) (i32.const 1))))
      (core instance $m (instantiate $M)) (func (export "run") (canon lift (core func $m "run"))))"""
    assert build(wasm(text), Options(cache=False, init_funcs=("run",), **{budget: 2})).wasm
    with pytest.raises(errors.BudgetExceeded, match=said):
        build(wasm(text), Options(cache=False, init_funcs=("run",), **{budget: 1}))
