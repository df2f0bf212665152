"""Functions that are too long to come with what calls them: they are compiled ahead, while the guest runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from preinit import build
from preinit.binary import encoder as write
from preinit.engine import ffi
from preinit.engine.ondemand import chunk as chunk_module
from preinit.engine.ondemand import maker
from preinit.engine.ondemand.ahead import Ahead
from preinit.engine.ondemand.chunk import LONGEST, Chunk
from preinit.engine.ondemand.prepared import SMALL
from preinit.engine.runtime import EngineSettings, new_engine
from preinit.errors import GuestTrap
from tests.support.both_engines import INIT, attempt, built, chunks, compiled, same
from tests.support.modules import wasm


@pytest.fixture(autouse=True)
def from_the_first_chunk_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker, "SOME", 0)


def long(work: str = "(global.set $n (i32.add (global.get $n) (i32.const 1)))", size: int = LONGEST) -> str:
    """Code of more bytes than a chunk takes."""
    return work * (size // 7 + 1)


def calling(initializer: str, more: str = "") -> bytes:
    """A module with two long functions, of which the second calls a short one."""
    return wasm(f"""(module (global $n (mut i32) (i32.const 0)) (memory 1)
        (func $first {long()} {more}) (func $short (global.set $n (i32.add (global.get $n) (i32.const 5))))
        (func $second {long()} (call $short))
        (func {INIT} {initializer} (i32.store (i32.const 0) (global.get $n))))""")


BOTH = "(call $first) (call $second)"
#: What calls both where there is no time: only then.
NEITHER = f"(if (i32.eqz (memory.size)) (then {BOTH}))"


def test_long_functions_give_the_same_output_whether_they_are_called_or_not() -> None:
    for initializer in (BOTH, NEITHER, "(call $second) (call $first)"):
        found = same(calling(initializer))
        assert found.report


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The functions of each chunk that is to be compiled ahead; an empty one where that ends."""
    found: list[tuple[int, ...]] = []
    order, end = Ahead.order, Ahead.end

    def ordering(self: Ahead, number: int, chunk: Chunk) -> None:
        found.append(chunk.functions)
        order(self, number, chunk)

    def ending(self: Ahead) -> None:
        found.append(())
        end(self)

    monkeypatch.setattr(Ahead, "order", ordering)
    monkeypatch.setattr(Ahead, "end", ending)
    return found


def test_what_a_chunk_calls_and_is_too_long_for_it_is_ordered_with_what_that_calls(
    ordered: list[tuple[int, ...]],
) -> None:
    attempt(calling(BOTH), engine="ondemand")
    assert ordered[:3] == [(0,), (2, 1), ()]


def test_what_one_calls_that_was_compiled_ahead_is_ordered_when_it_is_called(ordered: list[tuple[int, ...]]) -> None:
    attempt(calling("(call $first)", more="(call $second)"), engine="ondemand")
    assert ordered[:3] == [(0,), (2, 1), ()]


def test_after_a_trap_nothing_more_is_compiled_ahead(ordered: list[tuple[int, ...]]) -> None:
    attempt(calling("(call $first) unreachable"), engine="ondemand")
    assert ordered[:2] == [(0,), ()]


def test_all_active_functions_are_ordered_for_the_second_run_up_to_a_pause(
    ordered: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "SOME", 8)
    deep = "".join(f"(func $f{i} (call $f{i + 1}))" for i in range(3))
    read = '(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))'
    source = wasm(f"""(module {read} (memory (export "memory") 1) {deep}
        (func $f3 (drop (call $read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))))
        (func (export "_start") (call $f0)))""")
    build(source, pause_at="stdin", engine="ondemand", cache=False)
    # The first of the stack names the others, which are short.
    assert ordered[:3] == [(), (5, 1, 2, 3, 4), ()]


def test_what_was_compiled_ahead_and_never_called_does_not_count() -> None:
    numbers = [attempt(calling(init), engine="ondemand").report for init in (BOTH, NEITHER)]
    assert [(report.engine.functions_compiled, report.engine.chunks) for report in numbers if report] == [
        (4, 3),
        (1, 1),
    ]


def test_the_first_chunks_have_nothing_compiled_ahead(
    ordered: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "SOME", 1)
    attempt(calling(BOTH), engine="ondemand")
    assert [functions for functions in ordered if functions] == []


#: Each one's code, in bytes; a chunk of this size has room for its caller's callee and one more.
SIDE = 300


def naming(calls: str = "") -> bytes:
    """A module whose initializer calls a function that names four others, of `SIDE` bytes each."""
    work = "(global.set $n (i32.add (global.get $n) (i32.const 1)))" * (SIDE // 7)
    sides = "".join(f"(func $side{i} {work})" for i in range(4))
    named = calls or " ".join(f"(call $side{i})" for i in range(4))
    return wasm(f"""(module (global $n (mut i32) (i32.const 0)) (memory 1) {sides}
        (func $names {named}) (func {INIT} (call $names) (i32.store (i32.const 0) (global.get $n))))""")


def test_what_finds_no_room_in_a_chunk_is_ordered_together_from_the_first_one_on(
    ordered: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "SOME", 8)
    monkeypatch.setattr(chunk_module, "CHUNK", 2 * SIDE + 100)
    report = attempt(naming(), engine="ondemand").report
    assert ordered[:2] == [(2, 3), ()]
    assert report
    assert (report.engine.functions_compiled, report.engine.chunks) == (6, 2)


def test_what_finds_no_room_there_either_has_another_chunk(
    ordered: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_module, "CHUNK", SIDE + 100)
    attempt(naming(), engine="ondemand")
    assert ordered[:3] == [(1, 2), (3,), ()]  # there is room besides the first


def test_of_what_finds_no_room_no_more_is_ordered_than_is_likely_to_be_called(
    ordered: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_module, "REST", 2 * SIDE)
    monkeypatch.setattr(chunk_module, "CHUNK", SIDE + 100)
    attempt(naming(), engine="ondemand")
    assert ordered[:2] == [(1, 2), ()]


def test_it_gives_the_same_output_whether_it_is_called_or_not() -> None:
    same(naming())
    same(naming("(if (i32.eqz (memory.size)) (then (call $side0) (call $side1) (call $side2) (call $side3)))"))


def test_each_is_compiled_once() -> None:
    with compiled() as given:
        attempt(calling(BOTH), engine="ondemand")
    assert chunks(given) == 3


def test_the_next_build_compiles_none_of_them(tmp_path: Path) -> None:
    source = calling(BOTH)
    first = built(tmp_path, source)
    with compiled() as given:
        assert built(tmp_path, source).wasm == first.wasm
    assert chunks(given) == 0


def test_a_trap_in_one_is_told_as_it_stands_in_the_input() -> None:
    source = calling("(call $first)", more="(drop (i32.div_u (i32.const 1) (i32.const 0)))")
    whole, found = (attempt(source, engine=engine) for engine in ("whole", "ondemand"))
    assert isinstance(found.error, GuestTrap)
    assert found.frames == whole.frames


# -- the thread ---------------------------------------------------------------------------------------------------------


def chunk(*functions: int) -> Chunk:
    return Chunk(bytes(functions), "title", functions, (), (), {}, False, None)


class Compiler:
    """Compiles nothing until it is told to, but in the thread that it was made in; `asked` for these, in this order."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self._own = threading.current_thread()
        self._engine = new_engine(EngineSettings("cranelift"))

    def __call__(self, code: bytes) -> ffi.Module:
        self.asked.append(code)
        if threading.current_thread() is not self._own:
            self.begun.set()
            assert self.go.wait(60)
        if code == b"\xff":
            raise ValueError("it can't be compiled")
        return ffi.compile_module(self._engine, write.PREAMBLE)


@pytest.fixture
def compiler() -> Iterator[Compiler]:
    made = Compiler()
    yield made
    made.go.set()


def test_one_that_is_needed_before_the_thread_came_to_it_does_not_wait(compiler: Compiler) -> None:
    ahead = Ahead(compiler)
    ahead.order(0, chunk(1))
    assert compiler.begun.wait(60)
    ahead.order(1, chunk(2, 3))
    taken = ahead.take(3)
    assert taken is not None
    assert taken[:2] == (1, chunk(2, 3))
    assert compiler.asked == [b"\1", b"\2\3"]
    assert ahead.take(2) is None
    compiler.go.set()
    assert ahead.take(1) is not None


def test_what_is_needed_now_comes_first_and_the_work_is_done_meanwhile(compiler: Compiler) -> None:
    ahead = Ahead(compiler)
    ahead.order(0, chunk(1))
    assert compiler.begun.wait(60)
    ahead.order(1, chunk(2))

    def work() -> None:
        ahead.order(3, chunk(4))
        compiler.go.set()

    ahead.beside(2, chunk(3), work)
    for function in (1, 2, 4):
        assert ahead.take(function) is not None
    assert compiler.asked[:2] == [b"\1", b"\3"]
    assert sorted(compiler.asked) == [b"\1", b"\2", b"\3", b"\4"]


def test_a_problem_of_what_is_needed_now_is_told(compiler: Compiler) -> None:
    compiler.go.set()
    with pytest.raises(ValueError, match="can't be compiled"):
        Ahead(compiler).beside(0, chunk(255), lambda: None)


def test_what_is_ordered_after_the_thread_has_ended_is_compiled_too(compiler: Compiler) -> None:
    compiler.go.set()
    ahead = Ahead(compiler)
    for number in range(3):
        ahead.order(number, chunk(number))
        assert ahead.take(number) is not None
    assert compiler.asked == [b"\0", b"\1", b"\2"]


def test_a_problem_is_told_to_whoever_needs_it(compiler: Compiler) -> None:
    compiler.go.set()
    ahead = Ahead(compiler)
    ahead.order(0, chunk(255))
    with pytest.raises(ValueError, match="can't be compiled"):
        ahead.take(255)


def test_after_the_end_nothing_more_is_begun(compiler: Compiler) -> None:
    ahead = Ahead(compiler)
    ahead.order(0, chunk(1))
    assert compiler.begun.wait(60)
    ahead.order(1, chunk(2))
    ahead.end()
    compiler.go.set()
    assert ahead.take(2) is None
    assert compiler.asked == [b"\1"]


def test_where_no_thread_can_be_started_it_is_compiled_when_it_is_needed(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    ahead = Ahead(compiler)
    ahead.order(0, chunk(1))
    ahead.order(1, chunk(2))
    assert ahead.take(2) is not None
    assert ahead.take(1) is not None
    assert compiler.asked == [b"\2", b"\1"]


def test_a_large_part_that_the_guest_waits_for_is_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """One core compiles it for the engine that runs it: others are busy, and code of another engine is written down."""
    written: list[object] = []
    monkeypatch.setattr(ffi, "serialize", written.append)
    found = attempt(calling(long(size=4 * SMALL)), engine="ondemand")
    assert found.report and found.report.engine.name == "ondemand"
    assert not written
