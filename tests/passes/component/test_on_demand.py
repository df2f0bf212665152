"""Components whose core modules are linked, compiled on demand: the same bytes, in one store, each by what it is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from preinit import Options, Result, build
from preinit.errors import GuestTrap, InvalidModule
from preinit.passes.validate import Validity
from tests.support.command import run
from tests.support.components import RunningComponent, build_component
from tests.support.modules import wasm

#: A dynamic library as linkers make them: it begins where globals of another module say, and both call each other.
#: `{inside}`: what its function `work` does besides.
LINKED = """(component
  (core module $Main
    (memory (export "memory") 1) (table (export "table") 8 funcref)
    (global (export "base") i32 (i32.const 2)) (global (export "place") i32 (i32.const 512))
    (func $twice (export "twice") (export "again") (param i32) (result i32) (i32.mul (i32.const 2) (local.get 0)))
    (func (export "never") (unreachable))
    (elem (i32.const 1) $twice))
  (core module $Library
    (import "env" "memory" (memory 1)) (import "env" "table" (table 8 funcref))
    (import "env" "base" (global $base i32)) (import "env" "place" (global $place i32))
    (import "env" "twice" (func $twice (param i32) (result i32)))
    (import "env" "again" (func $again (param i32) (result i32)))
    (table $own 3 funcref) (elem declare func $again $twice)
    (global $count (mut i32) (i32.const 0))
    (data $note (global.get $place) "abcd")
    (elem (global.get $base) $add $twice) (elem (i32.add (global.get $base) (i32.const 4)) $add)
    (func $add (param i32) (result i32) (i32.add (local.get 0) (i32.load8_u (global.get $place))))
    (func $never (drop (memory.grow (i32.const 1))))
    (func (export "work") {inside} (global.set $count (i32.add (global.get $count) (call $again (i32.const 3))))
      (i32.store offset=8 (global.get $place)
        (call_indirect (param i32) (result i32) (call_indirect (param i32) (result i32) (i32.const 4) (i32.const 1))
          (global.get $base)))
      (table.set $own (i32.const 1) (ref.func $again)) (table.set $own (i32.const 2) (ref.func $twice))
      (table.set (i32.const 0) (table.get (i32.const 6))))
    (func (export "get") (result i32) (i32.add (global.get $count)
      (call_indirect (param i32) (result i32) (i32.load offset=8 (global.get $place)) (i32.const 0)))))
  (core instance $main (instantiate $Main))
  (core instance $library (instantiate $Library (with "env" (instance $main))))
  (func (export "run") (canon lift (core func $library "work")))
  (func (export "get") (result u32) (canon lift (core func $library "get"))))"""


def built(text: str, engine: str, **options: object) -> Result:
    return build_component(text, "run", engine=engine, **options)


def test_linked_modules_are_compiled_on_demand_and_become_the_same_bytes() -> None:
    text = LINKED.format(inside="")
    on_demand = built(text, "ondemand")
    assert on_demand.wasm == built(text, "whole").wasm
    engine = on_demand.report.engine
    assert engine.name == "ondemand"
    # `work`, `add` and `twice`: of both modules, what was called.
    assert (engine.functions_compiled, engine.functions) == (3, 6)
    assert RunningComponent(on_demand.wasm).call("get") == 6 + (8 + 97) + 97


def test_a_module_that_turns_out_not_to_suit_is_compiled_whole_and_the_others_are_not() -> None:
    text = LINKED.format(inside="(data.drop $note)")
    found = built(text, "ondemand")
    assert found.wasm == built(text, "whole").wasm
    assert found.report.engine.name == "ondemand"
    assert found.report.engine.functions_compiled == 4 + 1  # all of the library


def test_the_next_build_knows_which_module_does_not_suit(tmp_path: Path) -> None:
    text = LINKED.format(inside="(data.drop $note)")
    said: list[str] = []
    options = Options(cache_dir=tmp_path / "cache", init_funcs=("run",), engine="ondemand")
    first = build(wasm(text), options, progress=lambda event: said.append(str(event)))
    assert any("starting again" in one for one in said)
    said.clear()
    second = build(wasm(text), options, progress=lambda event: said.append(str(event)))
    assert not any("starting again" in one for one in said)
    assert second.wasm == first.wasm
    assert second.report.engine.chunks_from_cache > 0


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_a_trap_in_a_linked_module_says_in_which_function(engine: str) -> None:
    text = LINKED.format(inside="(call $twice (i32.load (i32.const -4))) (drop)")
    with pytest.raises(GuestTrap) as caught:
        built(text, engine)
    assert [frame.name for frame in caught.value.frames] == ["work"]
    assert caught.value.frames[0].offset is not None


#: Two modules that differ in code and names only.
ALIKE = """(component
  (core module $A (memory (export "m") 1) (func $first (export "f") (param i32)
    (if (local.get 0) (then (unreachable))) (i32.store (i32.const 4) (i32.const 1))))
  (core module $B (memory (export "m") 1) (func $second (export "f") (param i32)
    (if (i32.eqz (local.get 0)) (then (unreachable))) (i32.store (i32.const 8) (i32.const 2))))
  (core instance $a (instantiate $A)) (core instance $b (instantiate $B))
  (func (export "run-a") (param "x" u32) (canon lift (core func $a "f")))
  (func (export "run-b") (param "x" u32) (canon lift (core func $b "f")))
  (func (export "rest") (param "x" u32) (canon lift (core func $b "f"))))"""


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_a_trap_is_said_of_the_one_of_two_modules_that_differ_in_code_only(engine: str, tmp_path: Path) -> None:
    for calls, name in ((("run-b(1)", "run-a(1)"), "first"), (("run-a(0)", "run-b(0)"), "second")) * 2:
        with pytest.raises(GuestTrap) as caught:
            build(wasm(ALIKE), Options(cache_dir=tmp_path, engine=engine, init_funcs=calls))
        assert [frame.name for frame in caught.value.frames] == [name]


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_what_is_compiled_of_several_modules_is_one_entry_of_the_cache_and_another_one_where_one_changed(
    engine: str, tmp_path: Path
) -> None:
    entries = tmp_path / "cache" / "modules"
    for factor, count in ((2, 1), (2, 1), (3, 2), (2, 2)):
        text = LINKED.format(inside="").replace("i32.mul (i32.const 2)", f"i32.mul (i32.const {factor})")
        text = text.replace("(core instance $main ", "(core instance (instantiate $Third)) (core instance $main ")
        third = '(core module $Third (func (export "f") (result i32) (i32.const 1)))'
        text = text.replace("(component", f"(component {third}", 1)
        options = Options(cache_dir=tmp_path / "cache", init_funcs=("run",), engine=engine)
        assert build(wasm(text), options).wasm == built(text, engine).wasm
        # What has no code is the same one on demand, and so is what is compiled of it.
        assert len(list(entries.iterdir())) == (count if engine == "whole" else 1)


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_code_of_several_modules_that_is_damaged_is_compiled_anew(engine: str, tmp_path: Path) -> None:
    options = Options(cache_dir=tmp_path / "cache", init_funcs=("run",), engine=engine)
    binary = wasm(LINKED.format(inside=""))
    first = build(binary, options)
    (entry,) = (tmp_path / "cache" / "modules").iterdir()
    whole = entry.read_bytes()
    for damaged in (whole[:-1], whole[:40], whole[:60] + bytes([whole[60] ^ 1]) + whole[61:], b""):
        entry.write_bytes(damaged)
        again = build(binary, options)
        assert again.wasm == first.wasm
        assert "damaged" in again.report.engine.compiled_anew
        assert entry.read_bytes() == whole


#: A module that stays as it is, a library without memory, with a function that is not called.
UNCHANGED = """(component
  (core module $Main (memory (export "memory") 1) (func (export "run") (i32.store (i32.const 8) (i32.const 7))))
  (core module $Library (import "main" "memory" (memory 1)) (func (result {result}) (i32.const 600)))
  (core instance $main (instantiate $Main)) {library}
  (func (export "run") (canon lift (core func $main "run"))))"""
INSTANCE = '(core instance (instantiate $Library (with "main" (instance $main))))'


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
@pytest.mark.parametrize("library", [INSTANCE, ""], ids=["an instance", "no instance"])
def test_a_function_that_is_not_valid_is_found_in_a_module_that_stays_as_it_is(engine: str, library: str) -> None:
    built(UNCHANGED.format(result="i32", library=library), engine)
    binary = wasm(UNCHANGED.format(result="i64", library=library))
    body = binary.index(b"\x41\xd8\x04\x0b")
    with pytest.raises(InvalidModule, match="expected i64, found i32") as caught:
        build(binary, Options(engine=engine, cache=False, init_funcs=("run",)))
    assert caught.value.where == f"core module 1 of the component, byte offset {body + 3:#x}"


def test_a_module_that_stays_as_it_is_is_validated_again_where_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preinit.passes.validate.validity.worthwhile", lambda module: True)
    looked: list[bytes] = []
    monkeypatch.setattr("preinit.passes.validate.validity.check", lambda wasm, parallel=True: looked.append(wasm))
    text = UNCHANGED.format(result="i32", library=INSTANCE)
    options = Options(cache_dir=tmp_path / "cache", engine="ondemand", init_funcs=("run",))
    counts = []
    for given in (text, text, text.replace("600", "601"), text.replace("(func (result", "(start 0) (func (result")):
        build(wasm(given.replace("(start 0)", "(func $s) (start $s)")), options)
        counts.append(len(looked))
        looked.clear()
    # Of the output's other module each time; of the library all, nothing, a changed function, what is not a function.
    assert counts == [2, 1, 2, 2]


FAILING = """(memory (export "memory") 1) (global $g (mut i32) (i32.const 0))
  (func $deep (param i32) (result i32) (if (local.get 0) (then (unreachable))) (i32.const 7))
  (func $middle (param i32) (result i32) (call $deep (local.get 0)))
  (func (export "init") (global.set $g (call $middle (i32.const 0))))
  (func (export "bad") (global.set $g (call $middle (i32.const 1))))
  (func (export "get") (result i32) (global.get $g))"""


def test_code_that_a_component_left_in_the_cache_hides_no_frame_of_its_module_built_alone(tmp_path: Path) -> None:
    succeeds, fails = (Options(cache_dir=tmp_path, engine="ondemand", init_funcs=(name,)) for name in ("init", "bad"))
    text = f"""(component (core module $m {FAILING}) (core instance $i (instantiate $m))
      (func (export "init") (canon lift (core func $i "init"))) (func (export "bad") (canon lift (core func $i "bad")))
      (func (export "get") (result u32) (canon lift (core func $i "get"))))"""
    for binary in (wasm(text), wasm(f"(module {FAILING})"), wasm(text)):
        build(binary, succeeds)
        with pytest.raises(GuestTrap) as caught:
            build(binary, fails)
        assert [frame.name for frame in caught.value.frames] == ["deep", "middle", "bad"]


#: A module with a megabyte of code that is never called. `{inside}`: what `run` does; `{wrong}`: a body of that code.
LARGE = """(component
  (core module $Large (memory (export "memory") 1)
    (func (export "run") {inside} (i32.store (i32.const 0) (i32.const 7)))
    (func $never {code})
    (func (result i32) {wrong}))
  (core instance $large (instantiate $Large))
  (func (export "run") (canon lift (core func $large "run"))))"""
CODE = "(drop (i64.const -9223372036854775808))" * 100_000


@pytest.mark.parametrize("inside", ["", "(unreachable)", "(loop (br 0))"])
def test_a_large_module_that_is_not_valid_is_refused_whatever_its_initializer_does(tmp_path: Path, inside: str) -> None:
    """There is no time limit: nothing stops a guest that never ends but the end of the process."""
    (tmp_path / "in.wasm").write_bytes(wasm(LARGE.format(inside=inside, code=CODE, wrong="(i64.const 1)")))
    done = run("build", tmp_path / "in.wasm", "-f", "run", "-o", tmp_path / "out.wasm", code=1)
    assert b"error[invalid-module]" in done.stderr
    assert b"core module 0 of the component, byte offset" in done.stderr
    assert not (tmp_path / "out.wasm").exists()


def test_what_a_build_learnt_about_a_large_module_is_read_by_the_next_one(tmp_path: Path) -> None:
    binary = wasm(LARGE.format(inside="", code=CODE, wrong="(i32.const 1)"))
    options = Options(cache_dir=tmp_path / "cache", init_funcs=("run",))
    first, second = build(binary, options), build(binary, options)
    assert (first.report.engine.name, first.report.engine.chunks_from_cache) == ("ondemand", 0)
    assert second.report.engine.chunks_from_cache == second.report.engine.chunks > 0
    assert first.wasm == second.wasm


def test_what_a_guest_did_is_the_cause_where_the_time_for_validating_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: object) -> None:
        time.sleep(2)

    monkeypatch.setattr("preinit.passes.component.validity.Validities.check_inputs", endless)
    binary = wasm(LARGE.format(inside="(unreachable)", code=CODE, wrong="(i32.const 1)"))
    with pytest.raises(GuestTrap):
        build(binary, init_funcs=["run"], timeout=1.5, cache=False)


UNWRITTEN = """(component
  (core module $bare (func (export "two") (result i32) (i32.const 2)))
  (core module $main (import "bare" "two" (func $two (result i32))) (global $g (mut i32) (i32.const 0))
    (func (export "init") (global.set $g (call $two))) (func (export "get") (result i32) (global.get $g)))
  (core instance $b (instantiate $bare)) (core instance $m (instantiate $main (with "bare" (instance $b))))
  (func (export "init") (canon lift (core func $m "init")))
  (func (export "get") (result u32) (canon lift (core func $m "get"))))"""


def test_small_modules_that_stay_are_validated_once_for_all_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []
    original = Validity.check_input

    def check_input(self: Validity, parallel: bool = True) -> None:
        checked.append(len(self._module.data))
        original(self, parallel)

    monkeypatch.setattr(Validity, "check_input", check_input)
    cache = tmp_path / "cache"
    code = wasm(UNWRITTEN)
    first = build(code, init_funcs=["init"], cache_dir=str(cache))
    assert len(checked) == 1
    assert build(code, init_funcs=["init"], cache_dir=str(cache)).wasm == first.wasm
    assert len(checked) == 1, "it was noted"
    # i32.const 2 becomes i64.const 2, in a function that is called only when it is compiled.
    broken = code.replace(b"\x41\x02\x0b", b"\x42\x02\x0b")
    assert broken != code
    with pytest.raises(InvalidModule, match="type mismatch"):
        build(broken, init_funcs=["init"], cache_dir=str(cache))
    build(code, init_funcs=["init"], cache=False)
    assert len(checked) == 2, "without a cache, nothing is known"
