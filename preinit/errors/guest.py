"""Errors of a guest while it runs."""

from __future__ import annotations

from .base import PreinitError


class InitializerFailed(PreinitError):
    """The initializer ended otherwise than by returning: the host failed while it used its files.

    What to do: Try again when the folders that were given with `--dir` can be read (or written).
    """

    code = "initializer-failed"


class GuestTrap(InitializerFailed):
    """The initializer trapped: `unreachable`, an access out of bounds, a division by zero and the like."""

    code = "trap"
    hint = "The initializer has a bug, or needs something (a file, an environment variable) that it was not given."


class UncaughtException(InitializerFailed):
    """An exception left the initializer."""

    code = "uncaught-exception"
    hint = "Catch the exception in the initializer; a snapshot can only be taken after a normal return."


class GuestExit(InitializerFailed):
    """The initializer ended the program (`exit`, `proc_exit`): with an error, or where nothing is left to go on."""

    code = "guest-exit"
    hint = "What the program printed says why it failed. With exit code 0: export a function that can go on."

    def __init__(self, what: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.status = status


class ImportCalled(InitializerFailed):
    """The initializer called an imported function that does not exist at build time.

    `function`: its name, without that of the module.
    """

    code = "import-called"
    function = ""
    hint = (
        "Move the call out of the initializer, or give it the function: `--preload MODULE=FILE`. A stub (`--stub`) "
        "does nothing of what the function does."
    )


class WasiRefused(ImportCalled):
    """The initializer called a function of WASI, and the build refuses all of them (`--no-wasi`)."""

    code = "wasi-refused"
    hint = "Build without `--no-wasi`, or move the call out of the initializer."


class RandomDenied(InitializerFailed):
    """The initializer asked for random numbers, and the build has none (`--random deny`)."""

    code = "random-denied"
    hint = "Move what needs random numbers out of the initializer, or give it some: `--random seed:N`."


class OutputFlood(InitializerFailed):
    """The guest printed more than it may."""

    code = "guest-output"
    hint = "Have the initializer print less, or raise the limit with `--max-guest-output`."


class StackExhausted(InitializerFailed):
    """The initializer used up the guest's stack."""

    code = "stack-exhausted"
    hint = "The initializer recurses without end, or deeper than the guest stack allows: have it recurse less."


class MemoryLimit(InitializerFailed):
    """The guest's memories or tables would be larger than they may be."""

    code = "memory-limit"
    hint = "Raise the limit with `--max-memory`: what all memories may have together."


class GrowthRefused(MemoryLimit):
    """A limit refused memory, a table, or a heap of objects: the guest would have gone on with what it had."""

    code = "growth-refused"


class TimeLimit(InitializerFailed, TimeoutError):
    """The work took longer than its time limit."""

    code = "time-limit"
    hint = "Raise the limit with `--timeout`."


class InitializerRefused(InitializerFailed):
    """The initializer returned an error, where a call was said to return a result."""

    code = "initializer-refused"
    hint = "The message is the initializer's own: give it other data."


class NeverPaused(InitializerFailed):
    """The program ended without having come to where it was to be paused."""

    code = "never-paused"
    hint = "Pause where the program does come by, for example at an import that it called last."


class PauseDiffers(InitializerFailed):
    """The program, which is run twice up to the pause, took another way the second time."""

    code = "pause-differs"
    hint = "Something that the program sees differs from run to run: a file of a folder that was given, perhaps."


class ScriptFailed(InitializerFailed):
    """The script that prepares a program (`preinit capture`) threw, or ended before the program was prepared."""

    code = "script-failed"
    hint = "Correct the script: it must run to its end in plain Node, too."


class CaptureRefused(InitializerFailed):
    """A program with JavaScript glue (`preinit capture`) can't be captured in the state that its script left it in.

    What to do: Do what the message says: pause at another moment, or build the program in another way.
    """

    code = "capture-refused"


class PauseRefused(InitializerFailed):
    """The program can't be paused there: what is under way can't be written to a module, or done again later."""

    code = "pause-refused"
    hint = "Pause at another place: earlier, or where less is under way."
