"""Functions of Python that a caller gives: those that would not run when they are called are refused."""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any

from ..errors import UsageError

_HINT = "Give a plain function (`def`, without `yield`): one that waits for others can use `asyncio.run(...)` in it."


def check_runs(what: str, function: Any) -> None:
    """`what` gives that function. Raises `UsageError` for one that does nothing when it is called."""
    if function is None or _is_plain(function):
        return
    import inspect

    for is_kind, kind in (
        (inspect.iscoroutinefunction, "a coroutine function (`async def`)"),
        (inspect.isasyncgenfunction, "an asynchronous generator function"),
        (inspect.isgeneratorfunction, "a generator function (with `yield`)"),
    ):
        if is_kind(function) or is_kind(getattr(function, "__call__", None)):  # noqa: B004 - an object's own
            raise UsageError(f"{what} gives {kind}, which does not run when it is called", hint=_HINT)


#: Generators, coroutines, asynchronous generators: https://docs.python.org/3/library/inspect.html#code-objects-bit-flags
_NOT_AT_ONCE = 0x20 | 0x80 | 0x100 | 0x200


def _is_plain(function: Any) -> bool:
    """Whether it is a `def` that nothing was done to: each build is given some, and importing `inspect` takes 7 ms."""
    own = function.__func__ if isinstance(function, MethodType) else function
    return isinstance(own, FunctionType) and not own.__code__.co_flags & _NOT_AT_ONCE and not vars(own)


def check_ran(what: str, returned: Any) -> None:
    """`what` returned that. Raises `UsageError` where it has done nothing yet, and nobody would have it done."""
    if returned is None or isinstance(returned, int | float):  # nearly all: a guest may call it very often
        return
    import inspect

    for is_kind, kind in (
        (inspect.isawaitable, "something to be awaited"),
        (inspect.isasyncgen, "an asynchronous generator"),
        (inspect.isgenerator, "a generator"),
    ):
        if is_kind(returned):
            if inspect.iscoroutine(returned):
                returned.close()  # else Python complains that it was never awaited
            raise UsageError(f"{what} returned {kind}, so it has not run", hint=_HINT)
