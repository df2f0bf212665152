"""Components in the engine's own runtime: what it provides is there, and all that goes wrong in there is named."""

from __future__ import annotations

import pytest

import preinit
from preinit import errors
from preinit.bench import Bench, measure
from preinit.bench.pooled import measure_copies
from tests.support.modules import wasm

#: A component whose `get` calls an import: `{name}` of the interface `{interface}`.
CALLS = """(component
  (import "{interface}" (instance $i {before} (export "{name}" (func {type}))))
  (core func $f (canon lower (func $i "{name}")))
  (core module $M (import "i" "f" (func $f (param i32))) (func (export "run"))
    (func (export "get") (call $f (i32.const 1))))
  (core instance $m (instantiate $M (with "i" (instance (export "f" (func $f))))))
  (func (export "run") (canon lift (core func $m "run")))
  (func (export "get") (canon lift (core func $m "get"))))"""

#: A component with `get` of the type `{type}`: what its core function has and does, `{core}`.
GET = """(component
  (core module $M (memory (export "m") 1) {before} (func (export "run")) (func (export "get") {core})
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const {address})))
  (core instance $m (instantiate $M))
  (func (export "run") (canon lift (core func $m "run")))
  (func (export "get") {type}
    (canon lift (core func $m "get") (memory (core memory $m "m")) (realloc (core func $m "realloc")))))"""


def measured(text: str, *calls: str) -> Bench:
    data = wasm(text)
    return measure(data, data, rounds=3, seconds=0.01, calls=calls, init_funcs=["run"])


@pytest.mark.parametrize("version", ["0.2.0", "0.2.3", "0.2.99"])
def test_wasi_of_any_version_is_there(version: str) -> None:
    text = CALLS.format(interface=f"wasi:cli/exit@{version}", before="", name="exit", type='(param "status" (result))')
    with pytest.raises(errors.GuestExit) as caught:
        measured(text, "get")
    assert caught.value.status == 1


def test_other_imports_are_there_and_fail_by_name_where_they_are_called() -> None:
    resource = '(export "r" (type $r (sub resource)))'
    text = CALLS.format(interface="acme:log/sink@1.0.0", before=resource, name="f", type='(param "r" (borrow $r))')
    assert measured(text)
    with pytest.raises(errors.GuestTrap, match="unknown handle"):
        measured(text, "get")
    text = text.replace('(param "r" (borrow $r))', '(param "x" u32)')
    with pytest.raises(errors.GuestTrap, match=r"'get' trapped: it called the import `acme:log/sink@1\.0\.0#f`"):
        measured(text, "get")


#: What goes wrong in a call -> what `GET` has, and what is said.
FAULTS: dict[str, tuple[dict[str, object], str]] = {
    "a trap": ({"core": "unreachable"}, "'get' trapped: wasm `unreachable`"),
    "a start function": ({"before": "(func $s unreachable) (start $s)"}, "a start function trapped"),
    "a text that is none": (
        {"core": "(result i32) (i32.store (i32.const 8) (i32.const 9)) (i32.store (i32.const 12) (i32.const -1))"
        " (i32.const 8)", "type": "(result string)"}, "out of bounds"),
    "a character that is none": ({"core": "(result i32) (i32.const 0xd800)", "type": "(result char)"}, "`char`"),
    "a pointer that is not aligned": ({"core": "(result i32) (i32.const 7)", "type": "(result (list u32))"}, "aligned"),
    "realloc that lies": ({"core": "(param i32 i32)", "type": '(param "s" string)', "address": -1}, "realloc"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_what_goes_wrong_in_a_call_is_a_trap_in_a_function(name: str) -> None:
    fields, said = FAULTS[name]
    given: dict[str, object] = {"before": "", "core": "", "type": "", "address": 64, **fields}
    with pytest.raises(errors.GuestTrap, match=said):
        measured(GET.format(**given), 'get("x")' if "param" in str(given["type"]) else "get")


#: A component whose initializer writes to memory, and prints nothing.
FILLED = """(component
  (core module $M (memory (export "m") 20) (func (export "run") (memory.fill (i32.const 0) (i32.const 7) (i32.const 700000)))
    (func (export "get") (result i32) (i32.load8_u (i32.const 9))))
  (core instance $m (instantiate $M)) (core instance $n (instantiate $M))
  (func (export "run") (canon lift (core func $m "run")))
  (func (export "get") (result u32) (canon lift (core func $m "get"))))"""


def test_copies_of_a_component_out_of_a_pool_are_compared_with_an_empty_one() -> None:
    output = preinit.build(wasm(FILLED), init_funcs=["run"], cache=False).wasm
    found = measure_copies(wasm(FILLED), output, preinit.Options(init_funcs=("run",)), copies=5, calls=("get",))
    sides = (found.original, found.output, found.empty)
    assert [found.original.size, found.output.size] == [len(wasm(FILLED)), len(output)]
    assert found.empty.size == pytest.approx(len(output), abs=16)
    assert all(side.pooled and side.per_second > 0 for side in sides)
    assert (found.original.first_byte, found.output.first_byte) > (0, 0)
    assert found.empty.first_byte is None
    if found.original.memory_called is not None and found.output.memory_called is not None:
        assert found.original.memory_called > 600_000 > found.output.memory_called


def test_what_one_more_copy_of_a_component_takes_is_measured() -> None:
    output = preinit.build(wasm(FILLED), init_funcs=["run"], cache=False).wasm
    found = measure(wasm(FILLED), output, rounds=3, seconds=0.1, init_funcs=["run"])
    if found.original.memory is not None:
        assert found.original.memory.resident > 600_000


@pytest.mark.parametrize(("original", "output"), [(FILLED, "(module)"), ("(module)", FILLED)])
def test_a_module_is_not_measured_against_a_component(original: str, output: str) -> None:
    for function in (measure, measure_copies):
        with pytest.raises(errors.Misfit, match="is a component, and the"):
            function(wasm(original), wasm(output))
