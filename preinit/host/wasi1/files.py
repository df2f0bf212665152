"""Folders that the guest may use, and nothing outside of them.

A path is walked one component at a time, each opened relative to its parent and without following symbolic links;
those are expanded here. So neither `..`, nor a link, nor a link that is made while we look, leads out of a folder.
Inode and device numbers are not the host's, nor are times unless asked for: two copies of one folder look the same.
Paths are bytes, UTF-8 as in WASI: how Python would decode them depends on the user's locale.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ...binary.digest import sha256
from ...engine.values import RawFrame
from ...records import Record, field, record
from ...tuples import NamedTuple
from .abi import FILESTAT, Errno, FileType, WasiError, from_host

_MOST_LINKS = 40
_OPEN_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
# Not blocking: opening a named pipe must not wait for a writer.
_OPEN_ANY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Policy(NamedTuple):
    """What holds for all files of a folder: they may be changed; `time` (nanoseconds) is theirs, None for their own."""

    writable: bool = False
    time: int | None = 0


READ_ONLY = Policy()


class Metadata(NamedTuple):
    """What the guest sees of a file: `guest_path` stands for device and inode.

    `times` of access, modification and change, in nanoseconds.
    """

    type: FileType
    size: int
    guest_path: bytes
    times: tuple[int, int, int] = (0, 0, 0)

    @property
    def inode(self) -> int:
        return int.from_bytes(sha256(self.guest_path)[:8], "little")


def pack_metadata(seen: Metadata) -> bytes:
    """A `filestat`. One device for all: nothing tells two folders of the host apart but their guest paths."""
    return FILESTAT.pack(1, seen.inode, seen.type, 1, seen.size, *seen.times)


class Opening(NamedTuple):
    """How a file was opened: the arguments of `path_open`. `folder`: the preopened one that `path` is relative to."""

    folder: int
    flags: int
    path: bytes
    open_flags: int
    rights: int
    inheriting: int
    fd_flags: int


#: Paths in a folder that comes later of which it is noted that the guest asked for them.
_MOST_PATHS = 1000


@record
class LateFolder(Record):
    """A folder that only an instance has: what the guest asked for there while it was built.

    `refuses`: it is told that it may not, in place of that there is nothing. `opened`, `asked`: paths in the guest.
    """

    guest_path: bytes
    refuses: bool = False
    opened: dict[bytes, None] = field(factory=dict)
    asked: dict[bytes, None] = field(factory=dict)

    def note(self, name: bytes, opens: bool) -> None:
        """Somebody looks at a path in here, or opens it. Raises `WasiError` where that is refused."""
        noted = self.opened if opens else self.asked
        if len(noted) < _MOST_PATHS:
            noted[self.guest_path + b"/" + name if name not in (b"", b".") else self.guest_path] = None
        if self.refuses:
            raise WasiError(Errno.ACCES)


@record
class Descriptor(Record):
    """An open file or directory of the host. `guest_path` is its normalized path in the guest.

    `preopen` is the path under which the guest was given a folder, `entries` the listing that it is reading.
    `writes`: it was opened to be written, at its end if `appends`.
    `was_read`: whether the guest read some of the content. `opening`: how the guest opened it, `opened_in`: where the
    guest was when it did. `late`: only an instance has this folder.
    `was_used`: whether it looked for something in this folder. `half_listed`: whether there was more than it has read
    of the listing. `flags`: those that the guest has given it since.
    """

    host_fd: int
    guest_path: bytes
    is_directory: bool
    policy: Policy = READ_ONLY
    writes: bool = False
    appends: bool = False
    position: int = 0
    preopen: bytes | None = None
    entries: list[tuple[bytes, Metadata]] | None = None
    was_read: bool = False
    opening: Opening | None = None
    opened_in: Sequence[RawFrame] = ()
    late: LateFolder | None = None
    was_used: bool = False
    half_listed: bool = False
    flags: int = 0

    def close(self) -> None:
        with suppress(OSError):
            os.close(self.host_fd)

    def metadata(self) -> Metadata:
        try:
            return _metadata(os.fstat(self.host_fd), self.guest_path, self.policy)
        except OSError as problem:
            raise from_host(problem) from problem

    def listing(self) -> list[tuple[bytes, Metadata]]:
        """The entries, sorted by name, with `.` and `..` first. A name that is not UTF-8 can't be told to a guest."""
        self.was_used = True
        result = [(name, Metadata(FileType.DIRECTORY, 0, self.guest_path)) for name in (b".", b"..")]
        try:
            for name in sorted(map(os.fsencode, os.listdir(self.host_fd))):  # a descriptor has no Path
                try:
                    name.decode("utf-8")
                    status = os.stat(name, dir_fd=self.host_fd, follow_symlinks=False)
                except (UnicodeDecodeError, FileNotFoundError):
                    continue
                result.append((name, _metadata(status, self.guest_path + b"/" + name, self.policy)))
        except OSError as problem:
            raise from_host(problem) from problem
        return result


def _metadata(status: os.stat_result, guest_path: bytes, policy: Policy) -> Metadata:
    mode = status.st_mode
    if policy.time is None:  # WASI has unsigned times
        own = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
        access, modification, change = (min(max(0, moment), (1 << 64) - 1) for moment in own)
        times = (access, modification, change)
    else:
        times = (policy.time,) * 3
    if stat.S_ISREG(mode):
        return Metadata(FileType.REGULAR_FILE, status.st_size, guest_path, times)
    if stat.S_ISDIR(mode):
        return Metadata(FileType.DIRECTORY, 0, guest_path, times)
    if stat.S_ISLNK(mode):
        return Metadata(FileType.SYMBOLIC_LINK, status.st_size, guest_path, times)
    return Metadata(FileType.UNKNOWN, 0, guest_path, times)


def preopen(host_path: str, guest_path: str, policy: Policy = READ_ONLY) -> Descriptor:
    """The descriptor of a folder of the host. Raises `OSError`, `ValueError`."""
    if os.open not in os.supports_dir_fd:
        raise OSError(errno.ENOTSUP, "this system can't open files relative to a folder")
    encoded = guest_path.encode("utf-8", "surrogateescape")
    host_fd = os.open(host_path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    return Descriptor(host_fd, encoded.rstrip(b"/"), True, policy, preopen=encoded)


def preopen_late(guest_path: str, refuses: bool) -> Descriptor:
    """The descriptor of a folder that only an instance has: of an empty one, which is gone when it is closed.

    Raises `OSError`.
    """
    import tempfile  # it takes 3 ms, and is of use to few

    folder = tempfile.mkdtemp(prefix="preinit-")
    try:
        entry = preopen(folder, guest_path)
    finally:
        os.rmdir(folder)  # what is open stays, and nothing can be put there any more
    entry.late = LateFolder(entry.guest_path or b"/", refuses)
    return entry


class Place(NamedTuple):
    """The last component of a path, in the directory `parent_fd`, which is `depth` directories below the base.

    `name` is `.` where the path leads to the base, or to the parent of something.
    """

    parent_fd: int
    name: bytes
    guest_path: bytes
    depth: int


@contextmanager
def walk(base: Descriptor, path: bytes, follow: bool) -> Iterator[Place]:
    """Resolves all but the last component of `path`, and that too as far as it is a link and `follow`.

    `base` must be a directory. An `OSError` in the body becomes a `WasiError`.
    """
    base.was_used = True
    if not path:
        raise WasiError(Errno.NOENT)
    if path.startswith(b"/"):
        raise WasiError(Errno.PERM)
    todo = deque(path.split(b"/"))
    parents = [base.host_fd]
    names: list[bytes] = []
    links = 0
    last = b"."
    try:
        while todo:
            name = todo.popleft()
            if name in (b"", b"."):
                continue
            if name == b"..":
                if len(parents) == 1:
                    raise WasiError(Errno.PERM)
                os.close(parents.pop())
                names.pop()
                continue
            if follow or todo:  # a slash at the end follows, too
                target = _read_link(name, parents[-1])
                if target is not None:
                    links += 1
                    if links > _MOST_LINKS:
                        raise WasiError(Errno.LOOP)
                    if target.startswith(b"/"):
                        raise WasiError(Errno.PERM)
                    todo.extendleft(reversed(target.split(b"/")))
                    continue
            if not todo:
                last = name
                break
            parents.append(os.open(name, _OPEN_DIRECTORY, dir_fd=parents[-1]))
            names.append(name)
        full = b"/".join([base.guest_path, *names, *([last] if last != b"." else [])])
        yield Place(parents[-1], last, full, len(names))
    except OSError as problem:
        raise from_host(problem) from problem
    finally:
        for host_fd in parents[1:]:
            os.close(host_fd)


def _read_link(name: bytes, directory: int) -> bytes | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError:
        return None


def open_path(base: Descriptor, path: bytes, follow: bool, must_be_directory: bool) -> Descriptor:
    """Opens a regular file or a directory to be read. Raises `WasiError`."""
    with walk(base, path, follow) as place:
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
        return Descriptor(host_fd, place.guest_path, is_directory, base.policy)


def path_metadata(base: Descriptor, path: bytes, follow: bool) -> Metadata:
    """What a path leads to. Raises `WasiError`."""
    with walk(base, path, follow) as place:
        status = os.stat(place.name, dir_fd=place.parent_fd, follow_symlinks=False)
        return _metadata(status, place.guest_path, base.policy)


def link_target(base: Descriptor, path: bytes) -> bytes:
    """What a symbolic link says. Raises `WasiError`."""
    with walk(base, path, False) as place:
        return os.readlink(place.name, dir_fd=place.parent_fd)
