"""Errors of a guest while it runs."""

from __future__ import annotations

from .base import PreinitError


class InitializerFailed(PreinitError):
    """The initializer ended otherwise than by returning."""

    code = "initializer-failed"


class GuestTrap(InitializerFailed):
    code = "trap"
    hint = "The initializer has a bug, or needs something (a file, an environment variable) that it was not given."


class UncaughtException(InitializerFailed):
    code = "uncaught-exception"
    hint = "Catch the exception in the initializer; a snapshot can only be taken after a normal return."


class GuestExit(InitializerFailed):
    code = "guest-exit"
    hint = "The initializer must return instead of exiting; a `_start` that ends the program can't be an initializer."

    def __init__(self, what: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.status = status


class ImportCalled(InitializerFailed):
    code = "import-called"
    hint = "Imports outside WASI preview 1 don't exist at build time: move the call out of the initializer."


class WasiRefused(ImportCalled):
    code = "wasi-refused"
    hint = "Build without `--no-wasi`, or let a stub answer: --stub wasi_snapshot_preview1.NAME=zero."


class RandomDenied(InitializerFailed):
    code = "random-denied"
    hint = "Move what needs random numbers out of the initializer, or give it some: `--random seed:N`."


class OutputFlood(InitializerFailed):
    code = "guest-output"
    hint = "Have the initializer print less, or raise the limit with `--max-guest-output`."


class StackExhausted(InitializerFailed):
    code = "stack-exhausted"
    hint = "The initializer recurses without end, or deeper than the guest stack allows."


class MemoryLimit(InitializerFailed):
    code = "memory-limit"
    hint = "Raise the limit with `--max-memory`: what all memories may have together."


class GrowthRefused(MemoryLimit):
    """A limit refused memory, a table, or a heap of objects: the guest would have gone on with what it had."""

    code = "growth-refused"


class TimeLimit(InitializerFailed):
    code = "time-limit"
    hint = "Raise the limit with `--timeout`."


class InitializerRefused(InitializerFailed):
    """The initializer returned an error, where a call was said to return a result."""

    code = "initializer-refused"
    hint = "The message is the initializer's own: give it other data."
