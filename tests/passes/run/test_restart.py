"""A guest that has to start again with another engine: nobody can tell, neither the guest nor who reads its output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from preinit import Host, errors
from preinit.engine.instance import EngineInstance
from preinit.host.wasi1.abi import MODULE
from tests.support.both_engines import Outcome, attempt, chunks_of, given_up, same
from tests.support.instances import Running
from tests.support.wasi_guest import Guest, given, held, make_folder, needs_folders, random_stream

FUNCTIONS = f"""(import "{MODULE}" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "{MODULE}" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "{MODULE}" "random_get" (func $random_get (param i32 i32) (result i32)))
    (import "{MODULE}" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))"""

#: What makes it start again -> things that it needs, the function `$restart`, and where it ends.
RESTARTS = {
    "whole": ('(data $empty "")', "(data.drop $empty)", "whole"),
    "another compiler": ("", "(return_call $nothing)", "ondemand"),
    "another compiler, then whole": ('(data $empty "")', "(call $drop) (return_call $nothing)", "whole"),
}


def guest(code: str, restart: str = "whole") -> str:
    """`(call $print (i32.const n))` prints line n; iovec and result are at 0, lines of 8 bytes at 100."""
    things, body, _ = RESTARTS[restart]
    drop = "(func $drop (data.drop $empty))" if things else ""
    lines = "".join(f"line  {n}\\n" for n in range(10))
    return f"""(module {FUNCTIONS} (memory (export "memory") 1) {things} (data (i32.const 100) "{lines}")
        (func $nothing) {drop} (func $restart {body})
        (func $print (param i32) (call $put (i32.add (i32.const 100) (i32.mul (local.get 0) (i32.const 8))) (i32.const 8)))
        (func $put (param i32 i32) (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1))
            (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
        (func $read (param i32 i32) (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1))
            (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
        (func $random (param i32 i32) (if (call $random_get (local.get 0) (local.get 1)) (then unreachable)))
        (func $time (param i32) (if (call $clock (i32.const 1) (i64.const 1) (local.get 0)) (then unreachable)))
        (func (export "wizer-initialize") {code}))"""


def lines(*numbers: int) -> bytes:
    return b"".join(b"line  %d\n" % number for number in numbers)


def printed(numbers: range) -> str:
    return "".join(f"(call $print (i32.const {n}))" for n in numbers)


def restarted(text: str, restart: str, **fields: object) -> Outcome:
    """Asserts that the engine is the one where such a restart ends."""
    with chunks_of(0):
        found = attempt(text, engine="ondemand", **fields)
    assert found.report
    engine = found.report.engine
    assert engine.name == RESTARTS[restart][2]
    assert engine.compiler == "cranelift"  # no other has tail calls
    return found


RESTART = pytest.mark.parametrize("restart", [name for name in RESTARTS if name != "whole"])


@pytest.mark.parametrize("size", [0, 64_000])
def test_functions_of_several_chunks_print_in_order(size: int) -> None:
    heard = bytearray()
    calls = "".join(f"(call $f{n})" for n in range(10))
    functions = "".join(f"(func $f{n} (call $print (i32.const {n})))" for n in range(10))
    text = guest(calls).replace('(func (export "wizer', f'{functions} (func (export "wizer')
    with chunks_of(size):
        found = attempt(text, engine="ondemand", host=Host(stdout=heard.extend))
    assert found.report
    assert found.report.engine.name == "ondemand"
    assert heard == lines(*range(10))


@pytest.mark.parametrize("restart", RESTARTS)
@pytest.mark.parametrize("before", [0, 1, 4])
@pytest.mark.parametrize("after", [0, 1, 6])
def test_what_is_printed_is_printed_once(restart: str, before: int, after: int) -> None:
    heard = bytearray()
    code = f"{printed(range(before))} (call $restart) {printed(range(before, before + after))}"
    found = attempt(guest(code, restart), engine="ondemand", host=Host(stdout=heard.extend))
    assert found.report
    assert found.report.engine.name == RESTARTS[restart][2]
    assert heard == lines(*range(before + after))


@pytest.mark.parametrize("restart", RESTARTS)
def test_a_quiet_guest_stays_quiet(restart: str) -> None:
    heard = bytearray()
    host = Host(quiet_guest=True, stdout=heard.extend)
    assert attempt(guest("(call $print (i32.const 1)) (call $restart)", restart), engine="ondemand", host=host).wasm
    assert not heard


#: Reads, takes random bytes and the time, before and after, and keeps all of it in memory.
CURIOUS = """(call $read (i32.const 1000) (i32.const 5)) (call $random (i32.const 2000) (i32.const 40)) (call $time (i32.const 3000))
    (call $print (i32.const 1)) (call $restart)
    (call $read (i32.const 1100) (i32.const 50)) (call $random (i32.const 2100) (i32.const 7)) (call $time (i32.const 3008))"""
HOST = Host(stdin=b"standard input", random="seed:5")


@RESTART
def test_input_randomness_and_time_start_afresh(restart: str) -> None:
    text = guest(CURIOUS, restart)
    found = restarted(text, restart, host=HOST)
    whole = attempt(text, engine="whole", host=HOST)
    assert found.wasm == whole.wasm
    assert found.report
    assert whole.report
    assert found.report.host == whole.report.host
    assert found.wasm
    memory = Running(found.wasm).state().memories[0]
    assert (memory[1000:1005], memory[1100:1109]) == (b"stand", b"ard input")
    assert memory[2000:2040] + memory[2100:2107] == random_stream(5, 47)


def test_a_segment_that_is_named_starts_it_afresh_with_the_whole_module() -> None:
    assert given_up(guest(CURIOUS), host=HOST).wasm


@RESTART
def test_the_error_of_the_second_attempt_is_the_one_that_is_told(restart: str) -> None:
    heard = bytearray()
    text = guest("(call $print (i32.const 3)) (call $restart) (call $print (i32.const 4)) unreachable", restart)
    found = attempt(text, engine="ondemand", host=Host(stdout=heard.extend))
    assert isinstance(found.error, errors.GuestTrap)
    assert heard == lines(3, 4)
    assert found.told == attempt(text, engine="whole").told


def test_a_memory_that_moves_is_found_again() -> None:
    """The export `memory` is where WASI reads and writes, before and after it grew."""
    heard = bytearray()
    grow = "(drop (memory.grow (i32.const 3000)))"
    text = guest(
        f"(call $print (i32.const 1)) {grow} (call $print (i32.const 2)) (call $random (i32.const 100000) (i32.const 9))"
    )
    assert same(text, host=Host(stdout=heard.extend)).wasm
    assert heard == lines(1, 2) * 3


def test_the_second_memory_is_found_where_it_is_the_one_exported() -> None:
    text = guest("(call $random (i32.const 64) (i32.const 9))").replace(
        '(memory (export "memory") 1)', '(memory $other 1) (memory $m (export "memory") 1)'
    )
    text = text.replace("(data (i32.const 100)", "(data (memory $m) (i32.const 100)")
    found = same(text)
    assert found.wasm
    assert Running(found.wasm).state().memories[1][64:73] == random_stream(0, 9)


@needs_folders
@pytest.mark.parametrize("restart", RESTARTS)
def test_files_that_were_open_are_closed(tmp_path: Path, restart: str) -> None:
    folder = make_folder(tmp_path)
    things, body, name = RESTARTS[restart]
    opener = Guest()
    opener.open("hello.txt")
    opener.open("sub/data")
    data, count = opener.read(4, 20)
    drop = "(func $drop (data.drop $empty))" if things else ""
    code = f'{things} (func $nothing) {drop} (func $restart {body}) (func (export "wizer-initialize")'
    text = opener.wat().replace('(func (export "wizer-initialize")', code)
    text = text.removesuffix("))") + " (call $restart)))"
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0
    found = attempt(text, engine="ondemand", host=given(folder))
    assert found.report
    assert found.report.engine.name == name
    assert held(folder) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert found.wasm == attempt(text, engine="whole", host=given(folder)).wasm
    assert found.wasm
    memory = Running(found.wasm).state().memories[0]
    assert memory[data : data + 12] == b"Hello, world"
    assert memory[count] == 12


@pytest.mark.parametrize("restart", RESTARTS)
def test_the_first_instance_is_freed_before_the_next_one_is_made(restart: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command does not collect garbage, so it has to be closed."""
    made: list[EngineInstance] = []
    open_ones: list[int] = []
    original = EngineInstance.__init__

    def is_open(instance: EngineInstance) -> bool:
        try:
            return bool(instance._store.ptr())
        except ValueError:
            return False

    def init(self: EngineInstance, *arguments: Any) -> None:
        open_ones.append(sum(map(is_open, made)))
        original(self, *arguments)
        made.append(self)

    monkeypatch.setattr(EngineInstance, "__init__", init)
    assert attempt(guest("(call $restart)", restart), engine="ondemand").wasm
    assert open_ones == [0] * len(made)
    assert len(made) > 1
