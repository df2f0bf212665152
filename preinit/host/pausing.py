"""Noticing that a guest has come to where it is paused: before a call of the host, or in a function of its own."""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Callable
from typing import Protocol

from ..errors import PauseRefused
from ..options.pause import PausePoint
from .wasi1.abi import MODULE

#: Of each function of WASI that takes paths, the places of its parameters: a directory's descriptor, a path and its
#: length, one after the other.
_PATHS: dict[str, tuple[tuple[int, int], ...]] = {
    "path_create_directory": ((0, 1),),
    "path_filestat_get": ((0, 2),),
    "path_filestat_set_times": ((0, 2),),
    "path_link": ((0, 2), (4, 5)),
    "path_open": ((0, 2),),
    "path_readlink": ((0, 1),),
    "path_remove_directory": ((0, 1),),
    "path_rename": ((0, 1), (3, 4)),
    "path_symlink": ((2, 3),),
    "path_unlink_file": ((0, 1),),
}
_STDIN = 0
_SUBSCRIPTION, _TAG, _DESCRIPTOR, _TO_READ = 48, 8, 16, 1
#: Calls before the end that a message lists.
_LAST = 5


class Looks(Protocol):
    """What a call's arguments lead to."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the guest's memory; none where they are not all in it."""

    def directory(self, number: int) -> bytes | None:
        """The guest's path of an open directory."""


class Watch:
    """Looks out for the pause. `imports`: the positions of those of which a call may be it.

    At the pause, `stop` is called, which may raise; nothing is called for real from then on.
    """

    def __init__(self, point: PausePoint, imports: frozenset[int]) -> None:
        self._point = point
        self.imports = imports if point.kind == "import" else frozenset()
        self._left = point.number
        self._path = _whole_path(point.name.encode("utf-8", "surrogateescape"))
        self._last: list[str] = []
        self.stop: Callable[[], None] = _nobody
        self.reached = False
        #: Whether the guest was unwound, and nobody looks out any more.
        self.over = False

    @property
    def last_calls(self) -> list[str]:
        """The imports that were called last, the latest at the end."""
        return self._last

    @property
    def calls(self) -> int:
        """How often the import was called at whose call the guest is to be paused."""
        return self._point.number - self._left

    def before_wasi(self, name: str, arguments: tuple[int, ...], looks: Looks) -> bool:
        """Whether the guest is paused before this call of WASI. Raises `PauseRefused`."""
        if self.over:
            return False
        self._check(f"{MODULE}.{name}")
        kind = self._point.kind
        if kind == "import":
            return self._point.name == f"{MODULE}.{name}" and self._counted()
        if kind == "stdin":
            return self._reads_stdin(name, arguments, looks) and self._pause()
        return kind == "path" and self._names_path(name, arguments, looks) and self._pause()

    def before_import(self, title: str) -> bool:
        """Whether the guest is paused before this call of another import. Raises `PauseRefused`."""
        if self.over:
            return False
        self._check(title)
        return self._point.kind == "import" and self._point.name == title and self._counted()

    def entered(self) -> None:
        """The guest has entered the function where it is paused, often enough."""
        if not self.reached:
            self._pause()

    def _check(self, title: str) -> None:
        if self.reached:
            raise PauseRefused(
                f"the import `{title}` was called while the guest was unwound: a module beside it is on the stack"
            )
        self._last.append(title)
        del self._last[:-_LAST]

    def _counted(self) -> bool:
        self._left -= 1
        return self._left == 0 and self._pause()

    def _pause(self) -> bool:
        self.reached = True
        self.stop()
        return True

    @staticmethod
    def _reads_stdin(name: str, arguments: tuple[int, ...], looks: Looks) -> bool:
        if name == "fd_read":
            return arguments[0] == _STDIN
        if name != "poll_oneoff":
            return False
        start, _, count, _ = arguments
        for number in range(min(count, 4096)):
            entry = looks.read(start + number * _SUBSCRIPTION, _SUBSCRIPTION)
            if entry and entry[_TAG] == _TO_READ and struct.unpack_from("<I", entry, _DESCRIPTOR)[0] == _STDIN:
                return True
        return False

    def _names_path(self, name: str, arguments: tuple[int, ...], looks: Looks) -> bool:
        for folder, path in _PATHS.get(name, ()):
            base = looks.directory(arguments[folder])
            said = looks.read(arguments[path], arguments[path + 1])
            if base is not None and said and _whole_path(posixpath.join(base, said)) == self._path:
                return True
        return False


def _whole_path(path: bytes) -> bytes:
    """The path from the guest's root, with one slash there: POSIX has a meaning of its own for two."""
    return posixpath.normpath(b"/" + path.lstrip(b"/"))


def _nobody() -> None:
    raise AssertionError("a guest is paused before anybody waits for it")
