"""Writing results: all or nothing."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ..errors import OutputNotWritable, UsageError, in_words, way_out
from .replace import replace_file, write_all

STANDARD_OUTPUT = "-"


#: What the file that an option names is called.
NOUNS = {"-o": "output", "--report": "report", "--json": "JSON", "--html": "page", "--depfile": "dependency file"}


def write_output(target: str, data: bytes | Sequence[bytes | memoryview], option: str = "-o") -> None:
    """Writes `data`, or pieces of it, to the file `target` that `option` named, or to standard output for "-".

    A regular file is replaced in one step; until then it stays as it was. A symbolic link is followed; a device or
    pipe is written to. Raises `OutputNotWritable`.
    """
    pieces = (data,) if isinstance(data, bytes) else data
    try:
        if target == STANDARD_OUTPUT:
            if sys.stdout is None:
                raise OSError(errno.EBADF, "it is closed")
            sys.stdout.flush()
            write_all(sys.stdout.fileno(), *pieces)  # `sys.stdout.buffer` may write less, with PYTHONUNBUFFERED
        elif is_stream(target):
            with open(target, "wb", buffering=0) as stream:  # may be /dev/stdout
                write_all(stream.fileno(), *pieces)
        else:
            replace_file(os.path.realpath(target), *pieces)
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise _not_writable(target, option, problem) from problem


def check_writable(target: str, option: str = "-o") -> None:
    """Finds out before a long build whether the output can be written. Raises `OutputNotWritable`."""
    if target == STANDARD_OUTPUT or is_stream(target):
        return
    shown = f"the {NOUNS[option]} {target!r}"
    if os.path.basename(target) in ("", os.curdir, os.pardir):  # nothing may be there yet
        raise OutputNotWritable(f"{shown} is a folder", hint=f"Name a file with `{option}`.")
    path = os.path.realpath(target)
    try:
        parent = os.stat(os.path.dirname(path))
        if not stat.S_ISDIR(parent.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except FileNotFoundError:
        raise OutputNotWritable(f"the folder of {shown} does not exist", hint="Make it first.") from None
    except OSError as problem:
        raise _not_writable(target, option, problem) from problem
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise _not_writable(target, option, problem) from problem
    if is_folder:
        raise OutputNotWritable(f"{shown} is a folder", hint=f"Name a file with `{option}`.")


def _not_writable(target: str, option: str, problem: OSError) -> OutputNotWritable:
    said = in_words(problem)
    if target == STANDARD_OUTPUT:
        return OutputNotWritable(
            f"standard output can't be written: {said}",
            hint=way_out(problem, "Have it lead to where there is room, and keep it open."),
        )
    return OutputNotWritable(
        f"the {NOUNS[option]} {target!r} can't be written: {said}",
        hint=way_out(
            problem,
            f"Name another file with `{option}`, or make its folder writable.",
            elsewhere=f"Name another file with `{option}`.",
        ),
    )


def same_file(one: str, other: str) -> bool:
    """Whether two targets would overwrite each other."""
    if STANDARD_OUTPUT in (one, other):
        return one == other
    return os.path.realpath(one) == os.path.realpath(other) and not is_stream(one)


def check_outputs(inputs: Mapping[str, str | None], outputs: Mapping[str, str | None]) -> None:
    """Refuses names that would have one thing overwrite another, and finds out whether outputs can be written.

    Both: how the user gives a name (an argument, an option) -> the name, None where none was given.
    Raises `UsageError`, `OutputNotWritable`.
    """
    for option, name in (*inputs.items(), *outputs.items()):
        if name == "":
            raise UsageError(f"the file name of `{option}` is empty")
    named = [(option, name) for option, name in outputs.items() if name is not None]
    for place, (option, name) in enumerate(named):
        for other, second in named[:place]:
            if same_file(name, second):
                raise UsageError(f"`{other}` and `{option}` can't both go to one place", hint="Name two files.")
        for given in inputs.values():
            if given and STANDARD_OUTPUT not in (name, given) and same_file(name, given):
                raise UsageError(f"`{option}` would overwrite the input {given!r}", hint="Name another file.")
        check_writable(name, option)


def is_stream(target: str) -> bool:
    """Whether `target` is a device or a pipe, asked before links are resolved: /dev/stdout may lead to a pipe."""
    try:
        mode = os.stat(target).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def to_stderr(data: bytes) -> None:
    """Writes to standard error.

    Where nobody reads it any more, it is lost: what the guest sees, and so the module, must not depend on that.
    """
    with suppress(OSError, ValueError):
        stream = getattr(sys.stderr, "buffer", None)
        if stream is not None:
            stream.write(data)
            stream.flush()
        elif sys.stderr is not None:
            sys.stderr.write(data.decode("utf-8", "replace"))
