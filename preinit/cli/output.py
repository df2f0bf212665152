"""Writing results: all or nothing."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ..errors import OutputNotWritable

STANDARD_OUTPUT = "-"


def write_output(target: str, data: bytes) -> None:
    """Writes `data` to the file `target`, or to standard output for "-".

    A regular file is replaced in one step; until then it stays as it was. A symbolic link is followed; a device or
    pipe is written to. Raises `OutputNotWritable`.
    """
    if target == STANDARD_OUTPUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        _replace(Path(os.path.realpath(target)), data)
    except OSError as problem:
        raise OutputNotWritable(
            f"the output {target!r} can't be written: {problem.strerror or problem}",
            hint="Name another file with `-o`, or make its folder writable.",
        ) from problem


def check_writable(target: str) -> None:
    """Finds out before a long build whether the output's folder exists. Raises `OutputNotWritable`."""
    if target == STANDARD_OUTPUT:
        return
    path = Path(os.path.realpath(target))
    if path.is_dir():
        raise OutputNotWritable(f"the output {target!r} is a folder", hint="Name a file with `-o`.")
    if not path.parent.is_dir():
        raise OutputNotWritable(f"the folder of the output {target!r} does not exist", hint="Make it first.")


def _replace(path: Path, data: bytes) -> None:
    mode = None
    if path.exists():
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            with path.open("wb", buffering=0) as stream:
                _write_all(stream.fileno(), data)
            return
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
        mode = stat.S_IMODE(status.st_mode)
    partial = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}.partial")
    try:
        # Mode 0o666 less the umask, as for any file that a program makes.
        number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            _write_all(number, data)
        finally:
            os.close(number)
        if mode is not None:
            partial.chmod(mode)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _write_all(number: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]
