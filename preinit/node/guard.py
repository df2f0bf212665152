"""What would be left should preinit be killed in a way that runs no code of ours: Node, which a script may keep for
ever, and a folder of temporary files, as large as the program's memory. A shell waits for that, and sees to both.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Reads lines: a process group, "" once it has ended, "end". Its input ends without that where we were killed.
_SCRIPT = """node=
while read line; do [ "$line" = end ] && exit; node=$line; done
[ "$node" ] && kill -9 "-$node" && sleep 1
rm -rf "$1"
"""


class Guard:
    """A shell that waits for our end. It does nothing where there is no shell."""

    def __init__(self, folder: str) -> None:
        self._shell: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            with suppress(OSError):
                self._shell = subprocess.Popen(
                    ["/bin/sh", "-c", _SCRIPT, "preinit-guard", folder], stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True,
                )  # fmt: skip

    @contextmanager
    def over(self, group: int) -> Iterator[None]:
        """The process group of that number is ended, too, should we be killed inside."""
        self._tell(str(group))
        try:
            yield
        finally:
            self._tell("")

    def dismiss(self) -> None:
        """Nothing is left any more."""
        self._tell("end")
        if self._shell:
            with suppress(OSError, subprocess.TimeoutExpired):
                self._shell.communicate(timeout=5)

    def _tell(self, line: str) -> None:
        if self._shell:
            with suppress(OSError):  # somebody ended it
                assert self._shell.stdin is not None
                self._shell.stdin.write(line.encode() + b"\n")
                self._shell.stdin.flush()


@contextmanager
def guarded_folder() -> Iterator[tuple[Path, Guard]]:
    """A new folder for temporary files, and what removes it where we are killed; else it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="preinit-", ignore_cleanup_errors=True) as folder:
        guard = Guard(folder)
        try:
            yield Path(folder), guard
        finally:
            guard.dismiss()
