"""The root of all errors, and what their messages are made of."""

from __future__ import annotations

from typing import Any

from ..tuples import NamedTuple


class Frame(NamedTuple):
    """One frame of a guest backtrace, innermost first.

    `function_index` is the index in the original module's function index space, `offset` the instruction's byte
    offset in the original file, where it is known.
    """

    function_index: int
    name: str | None
    offset: int | None = None

    def __str__(self) -> str:
        where = f" at offset {self.offset:#x}" if self.offset is not None else ""
        return f"{printable(self.name) if self.name else '<unnamed>'} (function {self.function_index}){where}"


def printable(text: str) -> str:
    """`text` with everything escaped that could steer a terminal: names in a module are untrusted."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


#: Characters of a name that a message shows.
_LONGEST_NAME = 500


def quoted(name: str) -> str:
    """A name as messages show it: as it is, between quotation marks; of one as long as a page, its start."""
    return f"'{printable(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + '...')}'"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what is counted: `1 page`, `2,000 pages`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def exactly(size: int) -> str:
    """A number of bytes, in a unit where that says the same: `16 MiB`, `64 KiB`, `1,000 bytes`."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size and size % unit == 0:
            return f"{size // unit:,} {name}"
    return counted(size, "byte")


class PreinitError(Exception):
    """Something that has no error of its own; the root of all errors that preinit raises on purpose.

    What to do: If memory ran out, give it more; else this is a bug in preinit: please report it with `--debug`.

    Parameters
    ----------
    what: one sentence, what happened.
    where: the place: a file, an export, an import, a byte offset.
    hint: what to do; overrides the leaf's own.
    frames: guest backtrace, innermost frame first. `cut`: there may be more frames, which the engine did not keep.
    """

    code = "error"
    exit_code = 1
    hint: str | None = None

    def __init__(
        self, what: str, *, where: str | None = None, hint: str | None = None, frames: tuple[Frame, ...] = ()
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.frames = frames
        self.cut = False
        if hint is not None:
            self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """By its attributes: leaves take other arguments than `Exception.__reduce__` would give them."""
        return _restored, (type(self), self.args, self.__dict__)

    @property
    def details(self) -> dict[str, Any]:
        """What the JSON report of the failure says in addition to the code, what, where, hint and frames."""
        return {}

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.frames:
            lines.append("  guest backtrace, innermost first:")
            shown = self.frames if len(self.frames) <= 24 else self.frames[:16] + self.frames[-6:]
            for number, frame in enumerate(shown):
                if len(shown) < len(self.frames) and number == 16:
                    lines.append(f"    ... {counted(len(self.frames) - len(shown), 'frame')} ...")
                lines.append(f"    {frame}")
            if self.cut:
                lines.append("    ... (more frames, which the engine did not keep)")
        if self.hint:
            lines.append(f"  what to do: {self.hint}")
        return "\n".join(lines)


def _restored(kind: type[PreinitError], args: tuple[Any, ...], attributes: dict[str, Any]) -> PreinitError:
    """What was pickled. Extracted tracebacks and causes are not: they hold what can't travel."""
    problem = kind.__new__(kind, *args)
    problem.args = args  # an `OSError` takes them only when it is initialized
    problem.__dict__.update(attributes)
    return problem


class UsageError(PreinitError, ValueError):
    """Options or arguments that contradict each other, or that are none.

    What to do: Correct what the message names; `preinit COMMAND --help` lists what there is.
    """

    code = "usage"
    exit_code = 2


class Interrupted(PreinitError):
    """Ctrl-C, or SIGTERM, ended the work.

    What to do: Start it again; targets and `preinit batch --resume` go on where they were.
    """

    code = "interrupted"
    exit_code = 130


def located(problem: PreinitError, name: str) -> None:
    """Puts `name`, that of a file, before the place in it."""
    problem.where = f"{name}, {problem.where}" if problem.where else name


def locate_input(problem: PreinitError, name: str) -> None:
    """The same for the input's name, unless the time limit or wrong options are the cause."""
    if not isinstance(problem, UsageError) and problem.code != "time-limit":
        located(problem, name)
