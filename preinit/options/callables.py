"""Functions of Python that a caller gives: those that would not run when they are called are refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import UsageError

_HINT = "Give a plain function (`def`, without `yield`): one that waits for others can use `asyncio.run(...)` in it."

_KINDS: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (inspect.iscoroutinefunction, "a coroutine function (`async def`)"),
    (inspect.isasyncgenfunction, "an asynchronous generator function"),
    (inspect.isgeneratorfunction, "a generator function (with `yield`)"),
)
_RESULTS: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (inspect.isawaitable, "something to be awaited"),
    (inspect.isasyncgen, "an asynchronous generator"),
    (inspect.isgenerator, "a generator"),
)


def check_runs(what: str, function: Any) -> None:
    """`what` gives that function. Raises `UsageError` for one that does nothing when it is called."""
    for is_kind, kind in _KINDS:
        if is_kind(function) or is_kind(getattr(function, "__call__", None)):  # noqa: B004 - an object's own
            raise UsageError(f"{what} gives {kind}, which does not run when it is called", hint=_HINT)


def check_ran(what: str, returned: Any) -> None:
    """`what` returned that. Raises `UsageError` where it has done nothing yet, and nobody would have it done."""
    for is_kind, kind in _RESULTS:
        if is_kind(returned):
            if inspect.iscoroutine(returned):
                returned.close()  # else Python complains that it was never awaited
            raise UsageError(f"{what} returned {kind}, so it has not run", hint=_HINT)
