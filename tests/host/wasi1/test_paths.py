"""No path leads out of a folder: not `..`, not a link, not a pipe."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from preinit.host.wasi1.abi import FROM_HOST, Errno, FileType, WasiError
from preinit.host.wasi1.changes import ChangeFunctions, open_to_change
from preinit.host.wasi1.files import Descriptor, Policy, open_path, path_metadata, preopen
from preinit.host.wasi1.table import Table
from tests.support.amounts import amount
from tests.support.wasi_guest import FOLLOW, NO_FOLLOW, Guest, make_folder, needs_folders, opened
from tests.support.wasi_guest import given as giving

pytestmark = needs_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


# -- as a guest sees it


@pytest.mark.parametrize(
    "path",
    ["..", "../secret/key", "sub/../../secret/key", "./../inside/hello.txt", "/etc/passwd", "/", "sub/deep/../../.."],
)
def test_a_path_out_of_the_folder_is_refused(folder: Path, path: str) -> None:
    assert opened(folder, path) == Errno.PERM


def test_a_subfolder_opened_by_the_guest_is_as_closed_as_the_whole(folder: Path) -> None:
    guest = Guest()
    guest.open("sub")
    guest.open("../hello.txt", fd=4)
    assert guest.run(giving(folder)).errnos == (Errno.SUCCESS, Errno.PERM)


LINKS = {
    "out of the folder": ("../secret/key", Errno.PERM),
    "to an absolute path": ("/etc/passwd", Errno.PERM),
    "to the folder's parent": ("..", Errno.PERM),
    "out and back in": ("../inside/hello.txt", Errno.PERM),
    "inside the folder": ("sub/data", Errno.SUCCESS),
    "to a folder inside": ("sub", Errno.SUCCESS),
    "to where it is": (".", Errno.SUCCESS),
    "to itself": ("link", Errno.LOOP),
    "to nothing": ("missing", Errno.NOENT),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_symlink_works_inside_the_folder_and_is_refused_when_it_leads_out(folder: Path, kind: str) -> None:
    target, expected = LINKS[kind]
    (folder / "link").symlink_to(target)
    assert opened(folder, "link") == expected
    assert opened(folder, "link", flags=NO_FOLLOW) == Errno.LOOP


def test_an_absolute_symlink_into_the_folder_is_refused_as_its_place_on_the_host_is_not_the_guests(
    folder: Path,
) -> None:
    (folder / "link").symlink_to(folder / "hello.txt")
    assert opened(folder, "link") == Errno.PERM


@pytest.mark.parametrize("path", ["out/key", "out/", "out/.", "sub/../out/key", "chain/key"])
@pytest.mark.parametrize("flags", [FOLLOW, NO_FOLLOW])
def test_a_symlink_in_the_middle_of_a_path_does_not_lead_out(folder: Path, path: str, flags: int) -> None:
    (folder / "out").symlink_to("../secret")
    (folder / "sub" / "up").symlink_to("../out")
    (folder / "chain").symlink_to("sub/up")
    assert opened(folder, path, flags=flags) == Errno.PERM


def test_two_symlinks_to_each_other_are_a_loop(folder: Path) -> None:
    (folder / "a").symlink_to("b/x")
    (folder / "b").symlink_to("a")
    assert opened(folder, "a") == Errno.LOOP


def test_symlinks_that_double_at_each_level_end_soon(folder: Path) -> None:
    (folder / "l0").symlink_to(".")
    for level in range(1, 40):
        (folder / f"l{level}").symlink_to(f"l{level - 1}/l{level - 1}")
    assert opened(folder, "l39") == Errno.LOOP


def test_the_target_of_a_symlink_can_be_read_but_not_followed_out(folder: Path) -> None:
    (folder / "link").symlink_to("../secret/key")
    guest = Guest()
    buffer, used, metadata = guest.room(32), guest.room(4), guest.room(64)
    guest.call("path_readlink", 3, *guest.text("link"), buffer, 32, used)
    guest.call("path_readlink", 3, *guest.text("link"), guest.room(8), 4, guest.room(4))
    guest.call("path_readlink", 3, *guest.text("hello.txt"), guest.room(8), 8, guest.room(4))
    guest.call("path_filestat_get", 3, NO_FOLLOW, *guest.text("link"), metadata)
    guest.call("path_filestat_get", 3, FOLLOW, *guest.text("link"), guest.room(64))
    guest.call("path_filestat_get", 3, NO_FOLLOW, *guest.text("link/"), guest.room(64))
    seen = guest.run(giving(folder))
    assert seen.errnos == (0, 0, Errno.INVAL, 0, Errno.PERM, Errno.PERM)
    assert seen.bytes(buffer, seen.u32(used)) == b"../secret/key"
    assert seen.memory[metadata + 16] == FileType.SYMBOLIC_LINK


def test_a_pipe_in_the_folder_is_neither_waited_for_nor_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert opened(folder, "pipe") == Errno.ACCES


def test_a_socket_in_the_folder_is_not_opened(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, in_folder(folder):
        server.bind("socket")
        guest = Guest()
        metadata = guest.room(64)
        guest.open("socket")
        guest.call("path_filestat_get", 3, 0, *guest.text("socket"), metadata)
        seen = guest.run(giving(folder))
    assert seen.errnos == (Errno.ACCES, Errno.SUCCESS)
    assert struct.unpack_from("<BxxxxxxxQQ", seen.memory, metadata + 16) == (FileType.UNKNOWN, 1, 0)


@contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Paths of sockets must be short."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


# -- the walk itself, in trees at random

#: How the kernel is asked to do what `open_path` does, see openat2(2).
_OPENAT2, _BENEATH, _PATH = 437, 0x08, 0o10000000


def kernel_opens(folder: int, path: str, follow: bool) -> int:
    """A descriptor of what the kernel finds below `folder`; raises `OSError`, with EXDEV where it would lead out."""
    libc = ctypes.CDLL(None, use_errno=True)
    how = struct.pack("<QQQ", _PATH | (0 if follow else os.O_NOFOLLOW), 0, _BENEATH)
    found = libc.syscall(_OPENAT2, folder, path.encode(), how, len(how))
    if found < 0:
        raise OSError(ctypes.get_errno(), path)
    return found


NAMES = ("a", "b", "c")
COMPONENTS = st.sampled_from((*NAMES, *NAMES, "..", ".", "", "inside", "outside"))
PATHS = st.lists(COMPONENTS, min_size=1, max_size=6).map("/".join)
LINK_TARGETS = PATHS.filter(bool) | st.sampled_from(("/", "/etc", "../outside/a", "..", "../..", "../inside/a"))
TREES = st.recursive(
    st.none() | LINK_TARGETS,
    lambda children: st.dictionaries(st.sampled_from(NAMES), children, max_size=3),
    max_leaves=10,
)


def plant(place: Path, tree: dict[str, object] | str | None) -> None:
    """Makes a directory (dict), a symbolic link (str) or a file (None)."""
    if tree is None:
        place.write_text("content")
    elif isinstance(tree, str):
        place.symlink_to(tree)
    else:
        place.mkdir()
        for name, child in tree.items():
            plant(place / name, child)


@contextmanager
def planted(tree: dict[str, object]) -> Iterator[tuple[Path, Descriptor]]:
    """A folder with `tree` in it, next to one that may not be seen."""
    with tempfile.TemporaryDirectory() as parent:
        plant(Path(parent, "outside"), {"a": None, "b": {"c": None}})
        plant(Path(parent, "inside"), tree)
        base = preopen(str(Path(parent, "inside")), "/")
        try:
            yield Path(parent, "inside").resolve(), base
        finally:
            base.close()


FOLDERS = st.dictionaries(st.sampled_from(NAMES), TREES, min_size=1, max_size=3)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")
@settings(max_examples=amount(250, 80))
@given(tree=FOLDERS, path=PATHS, follow=st.booleans(), directory=st.booleans())
def test_what_a_path_opens_lies_in_the_folder(
    tree: dict[str, object], path: str, follow: bool, directory: bool
) -> None:
    with planted(tree) as (inside, base):
        try:
            found = open_path(base, path.encode(), follow, directory)
        except WasiError as refusal:
            event(refusal.number.name)
            return
        event("opened")
        place = Path(f"/proc/self/fd/{found.host_fd}").readlink()
        seen = path_metadata(base, path.encode(), follow)
        found.close()
        assert place == inside or inside in place.parents
        assert place.is_dir() == found.is_directory
        assert found.guest_path == b"/".join([b"", *map(os.fsencode, place.relative_to(inside).parts)])
        assert seen.guest_path == found.guest_path


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can resolve a path below a folder")
@settings(max_examples=amount(250, 80))
@given(tree=FOLDERS, path=PATHS, follow=st.booleans())
def test_a_path_leads_where_the_kernel_finds_it_below_the_folder(
    tree: dict[str, object], path: str, follow: bool
) -> None:
    with planted(tree) as (_, base):
        refused = None
        try:
            found = kernel_opens(base.host_fd, path, follow)
            status = os.fstat(found)
            os.close(found)
        except OSError as problem:
            if problem.errno in (errno.ENOSYS, errno.EPERM):
                pytest.skip("no openat2 here")
            assume(problem.errno != errno.EAGAIN)
            refused = Errno.PERM if problem.errno == errno.EXDEV else FROM_HOST[problem.errno]
        event(refused.name if refused else "found")
        if refused:
            with pytest.raises(WasiError) as caught:
                path_metadata(base, path.encode(), follow)
            assert caught.value.number == refused
            return
        seen = path_metadata(base, path.encode(), follow)
        if seen.type == FileType.SYMBOLIC_LINK:
            assert not follow
            return
        opened_by_us = open_path(base, path.encode(), follow, False)
        ours = os.fstat(opened_by_us.host_fd)
        opened_by_us.close()
        assert (ours.st_dev, ours.st_ino) == (status.st_dev, status.st_ino)


class Raw:
    """A guest's memory with two paths in it: the address says which."""

    def __init__(self, *paths: str) -> None:
        self._paths = [path.encode() for path in paths]

    def path(self, address: int, _size: int) -> bytes:
        return self._paths[address]


CHANGES: dict[str, tuple[int, ...]] = {
    "path_create_directory": (3, 0, 0),
    "path_filestat_set_times": (3, 1, 0, 0, 1, 1, 5),
    "path_link": (3, 1, 0, 0, 3, 1, 0),
    "path_remove_directory": (3, 0, 0),
    "path_rename": (3, 0, 0, 3, 1, 0),
    "path_symlink": (0, 0, 3, 1, 0),
    "path_unlink_file": (3, 0, 0),
}
STEPS = st.tuples(st.sampled_from(("open", *CHANGES)), PATHS, PATHS, st.integers(0, 15), st.booleans())


def held_by(place: Path) -> list[tuple[object, ...]]:
    """All that is in a folder, and its times."""
    found = [place, *sorted(place.rglob("*"))]
    return [(p, p.lstat().st_mtime_ns, p.lstat().st_size, p.lstat().st_nlink) for p in found]


@settings(max_examples=amount(250, 80))
@given(tree=FOLDERS, steps=st.lists(STEPS, min_size=1, max_size=8))
def test_whatever_is_changed_lies_in_the_folder(
    tree: dict[str, object], steps: list[tuple[str, str, str, int, bool]]
) -> None:
    with planted(tree) as (inside, base):
        base.policy = Policy(writable=True)
        outside = inside.parent / "outside"
        before = held_by(outside), sorted(p.name for p in inside.parent.iterdir())
        table = Table([], lambda entry: None)
        table.add(base)
        for name, path, other, how, follow in steps:
            functions = ChangeFunctions(Raw(path, other), table, lambda: 0)  # type: ignore[arg-type]
            try:
                if name == "open":
                    found = open_to_change(base, path.encode(), follow, how, True, False)
                    os.write(found.host_fd, b"changed")
                    found.close()
                else:
                    getattr(functions, name)(*CHANGES[name])
                event(f"{name}: done")
            except WasiError as refusal:
                event(f"{name}: {refusal.number.name}")
        assert (held_by(outside), sorted(p.name for p in inside.parent.iterdir())) == before
