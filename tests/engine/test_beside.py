"""Doing something in a thread while something else is done."""

from __future__ import annotations

import threading

import pytest

from preinit.engine.runtime import beside


def test_the_work_is_done_meanwhile_and_waited_for() -> None:
    may_end, done = threading.Event(), []

    def work() -> None:
        may_end.wait()
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


def test_where_no_thread_can_be_started_it_is_done_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done: list[str] = []
    with beside(lambda: done.append("work")):
        done.append("other")
    assert done == ["work", "other"]
