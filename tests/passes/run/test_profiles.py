"""What one build learns about a module is there for the next: its code, or that it can't be compiled on demand."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from preinit.engine.profile import Profile
from preinit.engine.values import Unsuited
from preinit.errors import GuestTrap
from preinit.options import Host
from preinit.passes.run import kept as kept_module
from preinit.passes.run.profiles import ProfileStore
from tests.support.both_engines import INIT, SIZES, VARIED, attempt, built, chunks, chunks_of, compiled, files, kept
from tests.support.stepping import STEPS, stepping


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


# -- written beside other work ---------------------------------------------------------------------------------------


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads in which profiles were written, late; each is as one of much code."""
    found: list[str] = []
    write = ProfileStore.write

    def late(self: ProfileStore, profile: Profile | None) -> None:
        time.sleep(0.2)
        write(self, profile)
        found.append(threading.current_thread().name)

    monkeypatch.setattr(kept_module, "MANY", 0)
    monkeypatch.setattr(ProfileStore, "write", late)
    return found


def test_what_is_written_beside_other_work_is_there_when_the_build_ends(folder: Path, writers: list[str]) -> None:
    before = built(folder)
    assert writers == ["preinit-guest"]
    assert kept(folder)
    with compiled() as given:
        assert built(folder).wasm == before.wasm
    assert chunks(given) == 0


def test_where_a_thread_takes_what_memory_there_is_it_is_written_at_once(
    folder: Path, writers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "has_limit", lambda: True)
    built(folder)
    assert writers == ["MainThread"]


# -- the next build ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("compiler", ["auto", "winch", "cranelift"])
def test_the_second_build_compiles_nothing(
    folder: Path, size: int, compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preinit.engine.ondemand.stubtable._MANY", 0)  # tables are filled by code
    with chunks_of(size):
        with compiled() as first:
            before = built(folder, compiler=compiler)
        with compiled() as second:
            after = built(folder, compiler=compiler)
    assert chunks(first) > 0
    assert second == []
    assert after.wasm == before.wasm == attempt(VARIED, engine="whole").wasm
    assert before.report
    assert after.report
    expected = dataclasses.replace(before.report.engine, chunks_from_cache=before.report.engine.chunks)
    assert after.report.engine == expected


def test_what_guards_growth_is_compiled_anew_for_another_limit(folder: Path) -> None:
    text = f"""(module (memory 1) (memory 1)
        (func {INIT} (drop (memory.grow (i32.const 4))) (drop (memory.grow 1 (i32.const 2)))))"""
    expected = attempt(text, engine="whole").wasm
    for pages, number in ((8, 3), (8, 0), (9, 2), (8, 0), (9, 0)):
        with compiled() as given:
            assert built(folder, text, max_memory=pages << 16).wasm == expected
        assert len(given) == number
    assert "memory" in str(built(folder, text, max_memory=7 << 16).error)


def test_a_module_of_which_only_data_changed_finds_the_code_of_the_one_before(folder: Path) -> None:
    def text(data: str, first: int, passive: str = "") -> str:
        return f"""(module (memory 1) (global $g (mut i32) (i32.const {first})) (data (i32.const 8) "{data}") {passive}
            (func $next (result i32) (i32.load8_u (i32.const 8)))
            (func {INIT} (global.set $g (i32.add (global.get $g) (call $next)))))"""

    built(folder, text("a", 1))
    for changed in (text("b", 1), text("a longer text", 70_000), text("a", 1, '(data "passive")')):
        with compiled() as given:
            found = built(folder, changed)
        assert chunks(given) == 0
        assert found.wasm == attempt(changed, engine="whole").wasm
    with compiled() as given:
        built(folder, text("a", 1).replace("i32.load8_u", "i32.load"))
    assert chunks(given) > 0


#: Functions that are called, and one that is not; `{}` stands for a number in one of them.
STEPWISE = """(module (memory 1) (global $g (mut i32) (i32.const 0)) (table 1 funcref) (elem (i32.const 0) $next)
    (func $next (result i32) (i32.add (global.get $g) (i32.const {})))
    (func $twice (result i32) (i32.mul (call_indirect (result i32) (i32.const 0)) (i32.const 2)))
    (func $never (result i32) (i32.const {}))
    (func (export "preinit_initialize") (global.set $g (call $twice))))"""


def test_a_module_of_which_one_function_changed_finds_the_code_of_the_others(folder: Path) -> None:
    with chunks_of(0):  # each function for itself
        built(folder, STEPWISE.format(1, 1))
        for changed, expected in ((STEPWISE.format(1, 2), 0), (STEPWISE.format(7_000_000, 2), 1)):
            with compiled() as given:
                found = built(folder, changed)
            assert chunks(given) == expected
            assert found.wasm == attempt(changed, engine="whole").wasm
        with pytest.raises(AssertionError):  # that of the one before is kept no longer
            with compiled() as given:
                built(folder, STEPWISE.format(1, 1))
            assert chunks(given) == 0


def test_where_a_trap_was_is_said_of_code_that_another_build_compiled(folder: Path) -> None:
    divided = "(i32.div_u (i32.const 2) (i32.load8_u (i32.const 0)))))"
    text = STEPWISE.replace("(i32.const 2)))", divided).replace("(table", '(data (i32.const 0) "%s") (table')
    built(folder, text.format(1, 1) % "1")
    traps = text.format(7_000_000, 1) % r"\00"  # what comes after $next stands elsewhere
    with compiled() as given, chunks_of(0):
        found = built(folder, traps).error
    expected = attempt(traps, engine="whole").error
    assert isinstance(found, GuestTrap)
    assert isinstance(expected, GuestTrap)
    assert found.frames == expected.frames
    assert chunks(given) == 1


def test_a_module_without_the_function_that_was_in_the_way_is_compiled_on_demand(folder: Path) -> None:
    text = """(module (memory 1) (func $data {}) (data $d (i32.const 0) "abc")
        (func (export "preinit_initialize") (call $data)))"""
    in_the_way, fine = text.format("(data.drop $d)"), text.format("(drop (i32.const 1))")
    assert built(folder, in_the_way).report.engine.name == "whole"  # type: ignore[union-attr]
    for _ in range(2):
        assert built(folder, fine).report.engine.name == "ondemand"  # type: ignore[union-attr]


def test_a_build_with_nothing_new_leaves_the_profile_as_it_is(folder: Path) -> None:
    built(folder)
    content = [path.read_bytes() for path in files(folder)]
    built(folder)
    assert [path.read_bytes() for path in files(folder)] == content


@pytest.mark.parametrize("size", SIZES)
def test_another_input_uses_what_is_there_and_adds_to_it(folder: Path, size: int) -> None:
    with chunks_of(size):
        built(folder)
        (first,) = kept(folder)
        with compiled() as given:
            found = built(folder, init_funcs=("right",))
        assert found.wasm == attempt(VARIED, engine="whole", init_funcs=("right",)).wasm
        (second,) = kept(folder)
        assert second.chunks[: len(first.chunks)] == first.chunks
        assert chunks(given) == len(second.chunks) - len(first.chunks) > 0
        if size == 0:  # then none is in two of them
            functions = [function for chunk in second.chunks for function in chunk.functions]
            assert len(set(functions)) == len(functions)
        for init in ("preinit_initialize", "right"):
            with compiled() as given:
                again = built(folder, init_funcs=(init,))
            assert again.wasm == attempt(VARIED, engine="whole", init_funcs=(init,)).wasm
            assert chunks(given) == 0


def test_other_standard_input_takes_another_way(folder: Path) -> None:
    text = """(module (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\\40\\00\\00\\00\\01") (func $a (i32.store (i32.const 80) (i32.const 1)))
        (func $b (i32.store (i32.const 80) (i32.const 2))) (func (export "wizer-initialize")
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (if (i32.eq (i32.load8_u (i32.const 64)) (i32.const 97)) (then (call $a)) (else (call $b)))))"""
    with chunks_of(0):
        for letter, new in ((b"a", 2), (b"b", 1), (b"a", 0), (b"b", 0)):
            host = Host(stdin=letter)
            with compiled() as given:
                found = built(folder, text, host=host)
            assert chunks(given) == new
            assert found.wasm == attempt(text, engine="whole", host=host).wasm


@pytest.mark.parametrize("size", SIZES)
def test_errors_in_code_of_an_earlier_build_have_the_same_places(folder: Path, size: int) -> None:
    binary = stepping(200)
    with chunks_of(size):
        assert built(folder, binary, init_funcs=("init(-1)",)).wasm
        for n in range(0, len(STEPS), 2):
            options: dict[str, Any] = {"init_funcs": (f"init({n})",), "compiler": "auto"}
            with compiled() as given:
                found = built(folder, binary, **options)
            assert chunks(given) == 0
            assert found.error
            assert found.told == attempt(binary, engine="whole", **options).told


def test_errors_in_code_of_two_builds_have_the_same_places(folder: Path) -> None:
    with chunks_of(0):
        built(folder)
        found = built(folder, init_funcs=("crash",))
    assert found.error
    assert found.told == attempt(VARIED, engine="whole", init_funcs=("crash",)).told


def test_builds_at_the_same_time_do_not_disturb_each_other(folder: Path) -> None:
    inits = ["preinit_initialize", "right"] * 6
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda init: built(folder, init_funcs=(init,)).wasm, inits))
    assert found == [attempt(VARIED, engine="whole", init_funcs=(init,)).wasm for init in inits]
    assert len(files(folder)) == 1
    assert kept(folder)


# -- which compiler, and which engine ----------------------------------------------------------------------------------


def test_there_is_a_profile_for_each_compiler_and_for_code_that_can_be_stopped(folder: Path) -> None:
    ways: list[dict[str, Any]] = [{"compiler": "winch"}, {"compiler": "cranelift"}, {"timeout": 60}, {}]
    for number, fields in enumerate(ways, 1):
        with compiled() as given:
            assert built(folder, **fields).wasm
        assert chunks(given) > 0
        assert len(files(folder)) == number


def test_another_module_has_another_profile(folder: Path) -> None:
    built(folder)
    with compiled() as given:
        assert built(folder, VARIED.replace("(func $left", "(func) (func $left")).wasm
    assert chunks(given) > 0
    assert len(files(folder)) == 2


def test_the_second_build_starts_with_the_compiler_that_the_first_one_ended_with(folder: Path) -> None:
    text = f"(module (memory 1) (func $f) (func $tail (return_call $f)) (func {INIT} (call $f) (call $tail)))"
    first = built(folder, text)
    with compiled() as given:
        second = built(folder, text)
    assert given == []
    for found in (first, second):
        assert found.report
        assert (found.report.engine.name, found.report.engine.compiler) == ("ondemand", "cranelift")
    assert second.wasm == first.wasm


NAMES_A_SEGMENT = (
    f'(module (memory 1) (data $d "") (func $f (data.drop $d)) (func $g) (func {INIT} (call $g) (call $f)))'
)


def test_that_the_whole_module_is_needed_is_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.passes.run.strategies.worthwhile", lambda module: True)
    with compiled() as given:
        first = built(folder, NAMES_A_SEGMENT, engine="auto")
    assert chunks(given) > 0
    with compiled() as given:
        second = built(folder, NAMES_A_SEGMENT, engine="auto")
    assert chunks(given) == 0
    assert second.wasm == first.wasm
    assert first.report
    assert second.report
    assert second.report.engine == first.report.engine
    assert first.report.engine.reason_code == "code-names-segment"


def test_who_asks_for_it_gets_another_attempt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.passes.run.strategies.worthwhile", lambda module: True)
    text = NAMES_A_SEGMENT.replace(f"(func {INIT}", f'(func (export "other") (call $g)) (func {INIT}')
    built(folder, text, engine="auto")
    found = built(folder, text, engine="ondemand", init_funcs=("other",))
    assert found.report
    assert found.report.engine.name == "ondemand"
    assert found.wasm == attempt(text, engine="whole", init_funcs=("other",)).wasm


def test_a_fault_of_the_options_is_not_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.passes.run.strategies.worthwhile", lambda module: True)
    text = f'(module (import "e" "at" (global $at i32)) (memory 1) (data (global.get $at) "x") (func {INIT} (i32.store8 (i32.const 9) (i32.const 1))))'
    assert built(folder, text, engine="auto", import_globals=(("e.at", "65536"),)).error
    found = built(folder, text, engine="auto", import_globals=(("e.at", "5"),))
    assert found.report
    assert found.report.engine.name == "ondemand"


# -- where they are kept -----------------------------------------------------------------------------------------------


def test_without_a_cache_nothing_is_read_or_written(folder: Path) -> None:
    assert built(folder, cache=False).wasm
    assert not folder.exists()
    built(folder)
    content = [path.read_bytes() for path in files(folder)]
    with compiled() as given:
        assert built(folder, cache=False, init_funcs=("right",)).wasm
    assert chunks(given) > 0
    assert [path.read_bytes() for path in files(folder)] == content


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX systems")
def test_profiles_in_a_folder_that_others_can_write_to_are_not_run(folder: Path) -> None:
    expected = built(folder).wasm
    (path,) = files(folder)
    content = path.read_bytes()
    folder.chmod(0o777)
    with compiled() as given:
        assert built(folder).wasm == expected
    assert chunks(given) > 0
    assert built(folder, init_funcs=("right",)).wasm
    assert files(folder) == [path]
    assert path.read_bytes() == content


def test_a_profile_that_can_not_be_read_or_written_is_no_error(folder: Path) -> None:
    expected = built(folder).wasm
    (path,) = files(folder)
    path.unlink()
    path.mkdir()
    assert built(folder).wasm == expected
    path.rmdir()
    (folder / "profiles").rmdir()
    (folder / "profiles").write_text("a file where a folder should be")
    assert built(folder).wasm == expected


def test_one_run_that_needs_the_whole_module_does_not_lose_what_others_learnt(folder: Path) -> None:
    text = VARIED.replace("(memory 1)", '(memory 1) (data $empty "") (func (export "odd") (data.drop $empty))')
    assert built(folder, text).wasm
    before = kept(folder, text)
    assert before[0].chunks
    odd = built(folder, text, init_funcs=("odd",))
    assert odd.report and odd.report.engine.name == "whole"
    assert kept(folder, text) == before


def test_stack_that_ran_out_on_demand_is_not_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Unsuited("stack", "the stack of this run", lasting=False)

    with monkeypatch.context() as patch:
        patch.setattr("preinit.engine.ondemand.instance.OnDemandInstance._load", fail)
        assert built(folder).wasm
    assert kept(folder) == []
