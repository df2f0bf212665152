"""Doing something in a thread while something else is done."""

from __future__ import annotations

import threading

import pytest

from preinit.engine import runtime
from preinit.engine.runtime import beside


def test_the_work_is_done_meanwhile_and_waited_for() -> None:
    may_end, done = threading.Event(), []

    def work() -> None:
        assert may_end.wait(30)
        done.append(True)

    with beside(work):
        assert not done
        may_end.set()
    assert done


def test_what_the_work_raises_comes_at_the_end() -> None:
    reached = []

    def work() -> None:
        raise ValueError("said")

    with pytest.raises(ValueError, match="said"), beside(work):
        reached.append(True)
    assert reached


def test_of_two_errors_that_of_the_other_thing_is_raised() -> None:
    def work() -> None:
        raise ValueError("said")

    with pytest.raises(KeyError), beside(work):
        raise KeyError


def test_where_the_other_thing_fails_the_work_is_waited_for() -> None:
    failed, done = threading.Event(), []

    def work() -> None:
        assert failed.wait(30)
        done.append(True)

    with pytest.raises(KeyError), beside(work):
        failed.set()
        raise KeyError
    assert done


def test_under_a_limit_of_the_shell_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "has_limit", lambda: True)
    threads: list[threading.Thread] = []
    with beside(lambda: threads.append(threading.current_thread())):
        assert threads == [threading.current_thread()]


def test_where_no_thread_can_be_started_it_is_done_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done: list[str] = []
    with beside(lambda: done.append("work")):
        done.append("other")
    assert done == ["work", "other"]
