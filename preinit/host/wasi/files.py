"""Folders that the guest may read, and nothing outside of them.

A path is walked one component at a time, each opened relative to its parent and without following symbolic links;
those are expanded here. So neither `..`, nor a link, nor a link that is made while we look, leads out of a folder.
Modification times, inode and device numbers are not the host's: two copies of one folder look the same.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .abi import Errno, FileType, WasiError, from_host

_MOST_LINKS = 40
_OPEN_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
# Not blocking: opening a named pipe must not wait for a writer.
_OPEN_ANY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True)
class Metadata:
    """What the guest sees of a file: `guest_path` stands for device and inode."""

    type: FileType
    size: int
    guest_path: str

    @property
    def inode(self) -> int:
        return int.from_bytes(hashlib.sha256(self.guest_path.encode("utf-8", "surrogateescape")).digest()[:8], "little")


@dataclass
class Descriptor:
    """An open file or directory of the host. `guest_path` is its normalized path in the guest."""

    host_fd: int
    guest_path: str
    is_directory: bool
    position: int = 0
    preopen: str | None = None
    entries: list[tuple[str, Metadata]] = field(default_factory=list)

    def close(self) -> None:
        os.close(self.host_fd)

    def metadata(self) -> Metadata:
        return _metadata(os.fstat(self.host_fd), self.guest_path)

    def listing(self) -> list[tuple[str, Metadata]]:
        """The entries, sorted by name, with `.` and `..` first. A name that is not UTF-8 can't be told to a guest."""
        result = [(name, Metadata(FileType.DIRECTORY, 0, self.guest_path)) for name in (".", "..")]
        for name in sorted(os.listdir(self.host_fd)):  # noqa: PTH208 - a descriptor has no Path
            try:
                name.encode("utf-8")
                status = os.stat(name, dir_fd=self.host_fd, follow_symlinks=False)
            except (UnicodeEncodeError, FileNotFoundError):
                continue
            result.append((name, _metadata(status, f"{self.guest_path}/{name}")))
        return result


def _metadata(status: os.stat_result, guest_path: str) -> Metadata:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return Metadata(FileType.REGULAR_FILE, status.st_size, guest_path)
    if stat.S_ISDIR(mode):
        return Metadata(FileType.DIRECTORY, 0, guest_path)
    if stat.S_ISLNK(mode):
        return Metadata(FileType.SYMBOLIC_LINK, status.st_size, guest_path)
    return Metadata(FileType.UNKNOWN, 0, guest_path)


def preopen(host_path: str, guest_path: str) -> Descriptor:
    """The descriptor of a folder of the host. Raises `OSError`."""
    host_fd = os.open(host_path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    return Descriptor(host_fd, guest_path.rstrip("/"), True, preopen=guest_path)


@dataclass(frozen=True)
class _Place:
    """The last component of a path, in the directory `parent_fd`."""

    parent_fd: int
    name: str
    guest_path: str


@contextmanager
def _walk(base: Descriptor, path: str, follow: bool) -> Iterator[_Place]:
    """Resolves all but the last component of `path`, and that too as far as it is a link and `follow`."""
    if not base.is_directory:
        raise WasiError(Errno.NOTDIR)
    if not path:
        raise WasiError(Errno.NOENT)
    if path.startswith("/"):
        raise WasiError(Errno.PERM)
    todo = deque(path.split("/"))
    parents = [base.host_fd]
    names: list[str] = []
    links = 0
    try:
        name = "."
        while todo:
            name = todo.popleft()
            is_last = not any(part for part in todo)
            if name in ("", "."):
                name = "."
                continue
            if name == "..":
                if len(parents) == 1:
                    raise WasiError(Errno.PERM)
                os.close(parents.pop())
                names.pop()
                name = "."
                continue
            if not is_last or follow or todo:  # a slash at the end follows, too
                target = _read_link(name, parents[-1])
                if target is not None:
                    links += 1
                    if links > _MOST_LINKS:
                        raise WasiError(Errno.LOOP)
                    if target.startswith("/"):
                        raise WasiError(Errno.PERM)
                    todo.extendleft(reversed(target.split("/")))
                    name = "."
                    continue
            if is_last and not todo:
                break
            parents.append(os.open(name, _OPEN_DIRECTORY, dir_fd=parents[-1]))
            names.append(name)
            name = "."
        full = "/".join([base.guest_path, *names, *([name] if name != "." else [])])
        yield _Place(parents[-1], name, full)
    except OSError as problem:
        raise from_host(problem) from problem
    except ValueError as problem:  # a name that the host can't have
        raise WasiError(Errno.INVAL) from problem
    finally:
        for host_fd in parents[1:]:
            os.close(host_fd)


def _read_link(name: str, directory: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError:
        return None


def open_path(base: Descriptor, path: str, follow: bool, must_be_directory: bool) -> Descriptor:
    """Opens a regular file or a directory to be read. Raises `WasiError`."""
    with _walk(base, path, follow) as place:
        status = os.stat(place.name, dir_fd=place.parent_fd, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            raise WasiError(Errno.LOOP)
        is_directory = stat.S_ISDIR(status.st_mode)
        if must_be_directory and not is_directory:
            raise WasiError(Errno.NOTDIR)
        if not is_directory and not stat.S_ISREG(status.st_mode):
            raise WasiError(Errno.ACCES)  # devices, pipes and sockets belong to the host
        host_fd = os.open(place.name, _OPEN_DIRECTORY if is_directory else _OPEN_ANY, dir_fd=place.parent_fd)
        if not is_directory and not stat.S_ISREG(os.fstat(host_fd).st_mode):
            os.close(host_fd)
            raise WasiError(Errno.ACCES)
        return Descriptor(host_fd, place.guest_path, is_directory)


def path_metadata(base: Descriptor, path: str, follow: bool) -> Metadata:
    """What a path leads to. Raises `WasiError`."""
    with _walk(base, path, follow) as place:
        return _metadata(os.stat(place.name, dir_fd=place.parent_fd, follow_symlinks=False), place.guest_path)


def link_target(base: Descriptor, path: str) -> bytes:
    """What a symbolic link says. Raises `WasiError`."""
    with _walk(base, path, False) as place:
        return os.fsencode(os.readlink(place.name, dir_fd=place.parent_fd))
