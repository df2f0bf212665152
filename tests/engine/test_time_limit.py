"""What an error of the time limit says: what the build was doing, and where the guest was."""

from __future__ import annotations

import json
import re
import signal
import threading
from pathlib import Path

import pytest

from preinit import Guest, build, errors
from preinit.errors import GuestTrap, StackExhausted, TimeLimit
from tests.support.command import fails
from tests.support.modules import build_text, wasm
from tests.support.waiting import PATIENCE, wait_for_guests, with_time_enough

ENGINES = pytest.mark.parametrize("engine", ["whole", "ondemand"])

#: `$down` calls itself as often as it is told, then does what stands in it.
DEEP = """(module (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32))) (memory (export "memory") 1)
  (func $last BODY)
  (func $down (param i32)
    (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else (call $last))))
  (func $init (export "wizer-initialize") (call $down (i32.const DEPTH))))"""
SPIN, YIELD = "(loop (br 0))", "(loop $l (drop (call $yield)) (br $l))"


def deep(body: str, depth: int) -> str:
    return DEEP.replace("BODY", body).replace("DEPTH", str(depth))


@ENGINES
@pytest.mark.parametrize("body", [SPIN, YIELD], ids=["spinning", "yielding"])
def test_the_guest_s_backtrace_says_where_it_was(engine: str, body: str) -> None:
    def check(seconds: float) -> None:
        with pytest.raises(TimeLimit, match=re.escape(f"its time limit of {seconds:g} seconds")) as caught:
            build_text(deep(body, 2), timeout=seconds, engine=engine)
        assert [frame.name for frame in caught.value.frames] == ["last", "down", "down", "down", "init"]
        assert caught.value.where == "running the initializer: 'wizer-initialize'"
        assert not caught.value.cut

    with_time_enough(check)


def test_a_start_function_that_spins_is_told_as_such() -> None:
    def check(seconds: float) -> None:
        with pytest.raises(TimeLimit) as caught:
            build_text(
                '(module (func $f (loop (br 0))) (start $f) (func (export "wizer-initialize")))', timeout=seconds
            )
        assert caught.value.where == "running the initializer: start function"

    with_time_enough(check)


def test_the_command_says_which_initializer_was_running(tmp_path: Path) -> None:
    two = '(module (func (export "one")) (func (export "two") (loop (br 0))) (func (export "go")))'
    report = tmp_path / "report.json"
    functions = ("-f", "one", "-f", "two")

    def check(seconds: float) -> None:
        files = ("--report", report, "-o", tmp_path / "out")
        said = fails("build", "-", *functions, "--timeout", str(seconds), *files, stdin=wasm(two))
        assert "  where: running the initializer: 'two'\n" in said
        assert json.loads(report.read_text())["error"]["where"] == "running the initializer: 'two'"

    with_time_enough(check)


def test_the_command_says_where_a_guest_was_that_calls_the_host() -> None:
    def check(seconds: float) -> None:
        said = fails("build", "-", "--timeout", str(seconds), stdin=wasm(deep(YIELD, 0)))
        assert "    last (function 1)" in said

    with_time_enough(check)


def test_the_time_limit_says_so_when_it_is_over_before_the_guest_runs() -> None:
    with pytest.raises(TimeLimit) as caught:
        build_text(deep(SPIN, 0), timeout=1e-9)
    assert caught.value.where
    assert not caught.value.frames


@ENGINES
@pytest.mark.parametrize("depth", [5, 100])
def test_a_backtrace_that_the_engine_cut_says_that_there_was_more(engine: str, depth: int) -> None:
    with pytest.raises(GuestTrap) as caught:
        build_text(deep("unreachable", depth), engine=engine)
    assert caught.value.cut == (depth == 100)
    assert ("\n    ... (more frames, which the engine did not keep)\n" in str(caught.value)) == (depth == 100)


def test_endless_recursion_has_more_frames_than_are_shown(tmp_path: Path) -> None:
    with pytest.raises(StackExhausted) as caught:
        build_text('(module (func $again (export "wizer-initialize") (call $again)))')
    assert caught.value.cut
    report = tmp_path / "report.json"
    fails("build", "-", "-o", tmp_path / "out", "--report", report, stdin=wasm(deep("unreachable", 100)))
    assert json.loads(report.read_text())["error"]["frames_cut"] is True


def test_an_endless_loop_ends_at_the_time_limit() -> None:
    with pytest.raises(errors.TimeLimit):
        build_text("""(module (func (export "preinit_initialize") (loop (br 0))))""", timeout=0.5)


def test_a_guest_that_outlives_its_time_is_stopped_wherever_it_was() -> None:
    text = b'(module (func (export "preinit_initialize") (loop (br 0))) (func (export "go")))'
    for milliseconds in range(1, 40, 3):
        with pytest.raises(errors.TimeLimit):
            build(wasm(text.decode()), cache=False, timeout=milliseconds / 1000)
    wait_for_guests()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of POSIX systems")
def test_an_interrupt_that_another_thread_takes_ends_a_build() -> None:
    """As one that comes right before this thread waits: nothing wakes it."""
    seen, gave_up = threading.Event(), threading.Event()

    def interrupted(guest: Guest) -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        if not seen.wait(PATIENCE):
            gave_up.set()

    text = '(module (import "env" "f" (func $f)) (memory (export "m") 1) (func (export "wizer-initialize") (call $f)))'
    with pytest.raises(KeyboardInterrupt):
        build(wasm(text), functions={"env.f": interrupted}, cache=False)
    seen.set()
    assert not gave_up.is_set()
