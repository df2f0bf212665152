"""Resources that components define and pass to each other."""

from __future__ import annotations

import pytest

from preinit import Options, build, errors
from tests.support.components import RunningComponent, answers
from tests.support.modules import wasm


def composed(body: str, answer: str = "(call $value)") -> str:
    """A component within defines a counter, which another one within uses."""
    return f"""(component
      (component $counters
        (core module $M (global $next (mut i32) (i32.const 100)) (global $dropped (mut i32) (i32.const 0))
          (memory (export "memory") 1)
          (func (export "make") (param i32) (result i32)
            (global.set $next (i32.add (global.get $next) (i32.const 4)))
            (i32.store (global.get $next) (local.get 0)) (global.get $next))
          (func (export "get") (param i32) (result i32) (i32.load (local.get 0)))
          (func (export "add") (param i32 i32)
            (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (local.get 1))))
          (func (export "gone") (param i32) (global.set $dropped (i32.add (global.get $dropped) (i32.load (local.get 0)))))
          (func (export "dropped") (result i32) (global.get $dropped)))
        (core module $Start (import "m" "make" (func $make (param i32) (result i32))) (import "m" "new" (func $new (param i32) (result i32)))
          (func (export "create") (param i32) (result i32) (call $new (call $make (local.get 0)))))
        (core instance $m (instantiate $M))
        (type $own-counter (resource (rep i32) (dtor (core func $m "gone"))))
        (export $counter "counter" (type $own-counter))
        (core func $new (canon resource.new $own-counter))
        (core instance $start (instantiate $Start
          (with "m" (instance (export "make" (func $m "make")) (export "new" (func $new))))))
        (func (export "create") (param "n" u32) (result (own $counter)) (canon lift (core func $start "create")))
        (func (export "get") (param "self" (borrow $counter)) (result u32) (canon lift (core func $m "get")))
        (func (export "add") (param "self" (borrow $counter)) (param "n" u32) (canon lift (core func $m "add")))
        (func (export "dropped") (result u32) (canon lift (core func $m "dropped"))))
      (instance $c (instantiate $counters))
      (alias export $c "counter" (type $counter))
      (core func $create (canon lower (func $c "create"))) (core func $get (canon lower (func $c "get")))
      (core func $add (canon lower (func $c "add"))) (core func $gone (canon lower (func $c "dropped")))
      (core func $drop (canon resource.drop $counter))
      (core module $N
        (import "c" "create" (func $create (param i32) (result i32))) (import "c" "get" (func $get (param i32) (result i32)))
        (import "c" "add" (func $add (param i32 i32))) (import "c" "drop" (func $drop (param i32)))
        (import "c" "dropped" (func $dropped (result i32)))
        (global $a (mut i32) (i32.const 0)) (global $b (mut i32) (i32.const 0)) (global $seen (mut i32) (i32.const 0))
        (func $value (result i32) (global.get $seen))
        (func (export "run") {body})
        (func (export "answer") (result i32) {answer}))
      (core instance $n (instantiate $N (with "c" (instance
        (export "create" (func $create)) (export "get" (func $get)) (export "add" (func $add))
        (export "drop" (func $drop)) (export "dropped" (func $gone))))))
      (func (export "run") (canon lift (core func $n "run")))
      (func (export "answer") (result u32) (canon lift (core func $n "answer"))))"""


def test_resources_are_made_lent_and_dropped() -> None:
    text = composed(
        """(global.set $a (call $create (i32.const 5))) (global.set $b (call $create (i32.const 70)))
           (call $add (global.get $a) (i32.const 1)) (global.set $seen (call $get (global.get $a)))
           (call $drop (global.get $b)) (call $drop (global.get $a))""",
        "(i32.add (call $value) (i32.mul (i32.const 100) (call $dropped)))",
    )
    assert answers(text, ["run"], "answer") == [6 + 100 * 76]


def test_a_resource_of_another_component_that_stays_open_is_told() -> None:
    text = composed("(global.set $a (call $create (i32.const 5)))")
    result = build(wasm(text), Options(cache=False, init_funcs=("run",)))
    assert [warning.code for warning in result.report.warnings] == ["handles-open"]
    assert "made in `run`" in result.report.warnings[0].message
    assert RunningComponent(result.wasm).call("answer") == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("(call $drop (i32.const 1))", "which does not exist"),
        (
            "(global.set $a (call $create (i32.const 5))) (call $drop (global.get $a)) (drop (call $get (global.get $a)))",
            "not exist",
        ),
        ("(drop (call $get (i32.const -1)))", "which does not exist"),
    ],
)
def test_a_handle_that_does_not_exist_ends_the_guest_with_its_place(body: str, said: str) -> None:
    with pytest.raises(errors.GuestTrap, match=said) as caught:
        build(wasm(composed(body)), Options(cache=False, init_funcs=("run",)))
    assert [frame.name for frame in caught.value.frames] == ["run"]


def test_a_handle_that_takes_the_index_of_a_borrow_is_not_the_borrow() -> None:
    text = """(component
  (component $R
    (core module $M (memory (export "memory") 1) (func (export "gone") (param i32)))
    (core instance $m (instantiate $M))
    (type $r (resource (rep i32) (dtor (core func $m "gone"))))
    (export $c "c" (type $r))
    (core func $new (canon resource.new $r))
    (core module $S (import "" "new" (func $new (param i32) (result i32))) (func (export "create") (param i32) (result i32) (call $new (local.get 0))))
    (core instance $s (instantiate $S (with "" (instance (export "new" (func $new))))))
    (func (export "create") (param "n" u32) (result (own $c)) (canon lift (core func $s "create"))))
  (instance $r (instantiate $R))
  (alias export $r "c" (type $c))
  (component $U
    (import "c" (type $c (sub resource)))
    (import "create" (func $create (param "n" u32) (result (own $c))))
    (core func $create' (canon lower (func $create)))
    (core func $drop (canon resource.drop $c))
    (core module $M (import "" "create" (func $create (param i32) (result i32))) (import "" "drop" (func $drop (param i32)))
      (global $kept (mut i32) (i32.const 0))
      (func (export "use") (param i32) (result i32)
        (call $drop (local.get 0)) (global.set $kept (call $create (i32.const 7))) (global.get $kept))
      (func (export "release") (call $drop (global.get $kept))))
    (core instance $m (instantiate $M (with "" (instance (export "create" (func $create')) (export "drop" (func $drop))))))
    (func (export "use") (param "x" (borrow $c)) (result u32) (canon lift (core func $m "use")))
    (func (export "release") (canon lift (core func $m "release"))))
  (instance $u (instantiate $U (with "c" (type $c)) (with "create" (func $r "create"))))
  (core func $create (canon lower (func $r "create"))) (core func $use (canon lower (func $u "use")))
  (core func $release (canon lower (func $u "release"))) (core func $drop (canon resource.drop $c))
  (core module $N (import "" "create" (func $create (param i32) (result i32))) (import "" "use" (func $use (param i32) (result i32)))
     (import "" "release" (func $release)) (import "" "drop" (func $drop (param i32)))
    (global $h (mut i32) (i32.const 0))
    (func (export "run") (global.set $h (call $create (i32.const 5))) (drop (call $use (global.get $h))) (call $release) (call $drop (global.get $h))))
  (core instance $n (instantiate $N (with "" (instance (export "create" (func $create)) (export "use" (func $use)) (export "release" (func $release)) (export "drop" (func $drop))))))
  (func (export "run") (canon lift (core func $n "run"))))"""
    assert RunningComponent(build(wasm(text), Options(cache=False, init_funcs=("run",))).wasm).has("run") is False
