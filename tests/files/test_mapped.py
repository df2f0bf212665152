"""Large inputs are mapped from a copy of theirs: they are read as bytes are, and nobody can change them."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import preinit
from preinit.binary import encoder as write
from preinit.binary import mapped as mapping
from preinit.binary.encoder import COMPONENT_PREAMBLE, PREAMBLE
from preinit.binary.large import LARGE as IN_LARGE_PAGES
from preinit.binary.large import Large
from preinit.binary.mapped import Mapped, give_back, giving_back, in_turn
from preinit.binary.module import parse
from preinit.binary.rope import Rope
from preinit.files import mapped as inputs
from preinit.files.mapped import large_copy, part_of
from preinit.files.replace import replace_file
from preinit.passes.observer import Event
from tests.support.command import GOOD, run
from tests.support.modules import wasm
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files without a name are Linux's")

#: More than is read at once.
LARGE = wasm(GOOD) + b"".join(write.custom_section("notes", bytes(range(256)) * (inputs.LARGE >> 8)))


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.wasm"
    path.write_bytes(LARGE)
    return path


def mapped(path: Path) -> bytes:
    found = large_copy(path)
    assert found is not None
    assert isinstance(found, Mapped)
    return found


def test_a_large_module_is_built_as_its_bytes_are(large: Path) -> None:
    expected = preinit.build(LARGE)
    found = preinit.build(large)
    assert found.wasm == expected.wasm
    assert found.report.input == expected.report.input


def test_the_command_builds_it_too_and_leaves_no_file(large: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    run("build", large, "-o", tmp_path / "out.wasm", "--verify", code=0, TMPDIR=str(folder))
    assert (tmp_path / "out.wasm").read_bytes() == preinit.build(LARGE).wasm
    assert not [*folder.iterdir()]


def test_an_output_may_take_the_place_of_its_input(large: Path) -> None:
    run("build", large, "-o", large, code=0)
    assert large.read_bytes() == preinit.build(LARGE).wasm


@pytest.mark.parametrize("stage", ["plan", "run", "rewrite"])
def test_who_changes_the_file_meanwhile_changes_nothing(large: Path, stage: str) -> None:
    seen = []

    def spoil(event: Event) -> None:
        if event[:2] == ("begins", stage):
            seen.append(stage)
            large.write_bytes(b"")

    expected = preinit.build(LARGE).wasm
    assert preinit.build(large, progress=spoil).wasm == expected
    assert seen


def missing(tmp_path: Path) -> Path:
    return tmp_path / "missing"


def no_folder(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


def without_files_of_no_name(_: Path) -> Path:
    return Path("/proc")


@pytest.mark.parametrize("folder", [missing, no_folder, without_files_of_no_name])
def test_where_there_can_be_no_copy_it_is_read(
    folder: Callable[[Path], Path], large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(folder(tmp_path)))
    assert large_copy(large) is None
    assert preinit.build(large).wasm == preinit.build(LARGE).wasm


def test_a_copy_larger_than_files_may_be_is_not_made(large: Path, tmp_path: Path) -> None:
    script = """if True:
        import resource, sys
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        from preinit.files.mapped import large_copy, part_of
        assert large_copy(sys.argv[1]) is None
        import preinit
        print(len(preinit.build(sys.argv[1]).wasm))"""
    done = subprocess.run([sys.executable, "-c", script, str(large)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == f"{len(preinit.build(LARGE).wasm)}\n", done.stderr


def test_where_files_are_in_memory_it_is_read(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    if not re.search(r" /dev/shm .* - tmpfs ", mounts):
        pytest.skip("there is no such folder")
    monkeypatch.setenv("TMPDIR", "/dev/shm")
    assert large_copy(large) is None


@pytest.mark.parametrize("left", [0, 3 * inputs.LARGE])
def test_where_little_room_is_left_it_is_read(large: Path, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fstatvfs

    def full(number: int) -> object:
        found = real(number)
        return SimpleNamespace(f_bavail=left // found.f_frsize, f_frsize=found.f_frsize)

    monkeypatch.setattr(os, "fstatvfs", full)
    assert large_copy(large) is None


def test_a_file_that_is_cut_as_it_is_copied_is_read(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sendfile", lambda *_: 0)
    assert large_copy(large) is None


def test_builds_one_after_the_other_leave_no_open_files(large: Path) -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    preinit.build(large, cache=False)
    before = opened()
    for _ in range(5):
        preinit.build(large, cache=False)
    assert opened() <= before + 1


def test_only_large_modules_and_components_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "it"
    for content in (wasm(GOOD), bytes(inputs.LARGE), b""):
        path.write_bytes(content)
        assert large_copy(path) is None
    for preamble in (PREAMBLE, COMPONENT_PREAMBLE):
        path.write_bytes(preamble + bytes(inputs.LARGE))
        assert large_copy(path) == preamble + bytes(inputs.LARGE)
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "missing", tmp_path / "pipe", Path(os.devnull), "a\0b"):
        assert large_copy(other) is None


def test_a_smaller_one_is_read_into_large_pages(tmp_path: Path) -> None:
    path = tmp_path / "it"
    content = COMPONENT_PREAMBLE + os.urandom(IN_LARGE_PAGES)
    path.write_bytes(content)
    found = large_copy(path)
    assert isinstance(found, Large)
    path.write_bytes(bytes(len(content)))
    assert cast(bytes, found) == content, "the file is not looked at any more"
    part = part_of(cast(bytes, found), 3, len(content))
    assert isinstance(part, Large)
    assert cast(bytes, part) == content[3:]
    assert part_of(cast(bytes, found), 3, 20) == content[3:20]
    path.write_bytes(content[8:])
    assert large_copy(path) is None, "it is neither a module nor a component"


def test_it_is_compared_by_what_it_holds(large: Path) -> None:
    one, two = mapped(large), mapped(large)
    assert one == two
    assert one == LARGE
    assert one in [LARGE]
    assert one != LARGE[:-1]
    assert one != LARGE[:-1] + b"?"
    assert pickle.loads(pickle.dumps(one)) == LARGE
    assert one != "text"  # type: ignore[comparison-overlap]


@given(start=st.integers(0, 50), size=st.integers(0, 60), step=st.integers(1, 70), other=st.booleans())
def test_it_holds_what_its_bytes_hold(start: int, size: int, step: int, other: bool) -> None:
    data = bytes(range(50))
    part = data[start : start + size]
    if other and part:
        part = part[:-1] + b"?"
    one = small(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping, "_SOME", step)
        patch.setattr(mapping, "_COMPARED", step)
        assert one.startswith(part, start) == data.startswith(part, start)
        assert (part in one) == (part in data)
        own = memoryview(one)[start : start + size]
        assert [one.startswith(own, at) for at in range(51)] == [data.startswith(bytes(own), at) for at in range(51)]
        assert b"".join(map(bytes, in_turn(one))) == data
        assert b"".join(map(bytes, in_turn(memoryview(one)[3:20]))) == data[3:20]


def small(data: bytes) -> bytes:
    with tempfile.TemporaryFile() as stream:
        stream.write(data)
        stream.flush()
        return cast(bytes, Mapped(stream.fileno(), len(data), access=mmap.ACCESS_COPY))


def test_its_pages_leave_memory_and_come_back(large: Path) -> None:
    one = mapped(large)

    def resident() -> int:
        found = re.search(r"(?m)^RssFile:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert found
        return int(found[1]) << 10

    before = resident()
    assert one.find(b"not there") < 0
    assert resident() - before > inputs.LARGE // 2
    give_back(memoryview(one)[5:])
    assert resident() - before < inputs.LARGE // 4
    with giving_back(one):
        assert one == LARGE
    assert resident() - before < inputs.LARGE // 4


def test_a_rope_of_it_is_not_joined(large: Path) -> None:
    one = mapped(large)
    rope = Rope([b"before", memoryview(one)[8:], b"behind"])
    assert [len(piece) for piece in rope.pieces] == [6, len(LARGE) - 8, 6]
    assert Rope([one]).cursor(0, 8, "it").buffer is one
    assert rope.joined() == b"before" + LARGE[8:] + b"behind"
    assert parse(one).sections == parse(LARGE).sections


def test_a_part_of_it_is_written_from_its_file(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system copies it, or where it can't, it is written as anything else is: also from somewhere in the middle."""
    found = large_copy(large)
    assert found is not None
    content, view, real = large.read_bytes(), memoryview(found), os.sendfile
    parts = [view[:10], view[10:4_000_001], view[4_000_001:4_000_001], view[5_000_000:], b"end"]
    expected = content[:4_000_001] + content[5_000_000:] + b"end"

    def twice(*given: int) -> int:
        calls.append(given)
        if len(calls) > 2:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(*given[:3], min(given[3], 1000))

    for send in (real, lambda *_: 0, twice):
        calls: list[tuple[int, ...]] = []
        monkeypatch.setattr(os, "sendfile", send)
        replace_file(tmp_path / "out", *parts)
        assert (tmp_path / "out").read_bytes() == expected


def test_a_part_is_mapped_on_its_own(large: Path, tmp_path: Path) -> None:
    content, found = large.read_bytes(), large_copy(large)
    assert found is not None
    for start, end in ((0, len(content)), (1, 3_000_001), (4096, 2_000_000), (5_000_000, len(content))):
        part = part_of(found, start, end)
        assert isinstance(part, Mapped)
        assert part == content[start:end]
        assert part_of(found, start, end) is part, "as long as somebody has it"
        within = part_of(part, 7, 1_900_000)
        assert within == content[start + 7 : start + 1_900_000]
        replace_file(tmp_path / "out", memoryview(part)[5:], memoryview(within)[:9])
        assert (tmp_path / "out").read_bytes() == content[start + 5 : end] + content[start + 7 : start + 16]
    assert type(part_of(found, 3, 300)) is bytes, "few bytes need none"
    assert part_of(found, 3, 300) == content[3:300]
    assert type(part_of(content, 0, len(content))) is bytes
    assert not isinstance(part_of(found, 11, 3_000_000), bytes)


def test_only_some_parts_take_an_open_file(large: Path) -> None:
    content, found = large.read_bytes(), large_copy(large)
    assert found is not None
    before = len(os.listdir("/proc/self/fd"))
    parts = [part_of(found, start, start + 2_000_000) for start in range(50)]
    assert len(os.listdir("/proc/self/fd")) - before <= 8
    assert parts == [content[start : start + 2_000_000] for start in range(50)]
    del parts


def test_a_part_outlives_what_it_is_a_part_of(large: Path) -> None:
    content, found = large.read_bytes(), large_copy(large)
    assert found is not None
    part = part_of(found, 10, 3_000_000)
    del found
    gc.collect()
    assert large_copy(large) == content
    assert part == content[10:3_000_000]


@pytest.mark.parametrize("way", ["missing", "fails", "stops", "half"])
def test_what_can_not_be_copied_is_read(way: str, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, found = large.read_bytes(), large_copy(large)
    assert isinstance(found, Mapped)
    assert found.number is not None
    real, calls = os.copy_file_range, []
    size = os.fstat(found.number).st_size

    def copy(*given: int) -> int:
        calls.append(given)
        if way == "half" and len(calls) == 1:
            return real(given[0], given[1], 1000, *given[3:])
        if way == "stops":
            return 0
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if way == "missing":  # some builds of Python lack it
        monkeypatch.delattr(os, "copy_file_range")
        monkeypatch.setattr(inputs, "_CAN_COPY", False)
    else:
        monkeypatch.setattr(os, "copy_file_range", copy)
    assert part_of(found, 5, 3_000_000) == content[5:3_000_000]
    assert os.fstat(found.number).st_size == size, "nothing is left in the file"


def test_threads_that_ask_for_parts_get_theirs(large: Path) -> None:
    content, found = large.read_bytes(), large_copy(large)
    assert found is not None
    with ThreadPoolExecutor(6) as pool:
        parts = list(pool.map(lambda start: part_of(found, start, start + 2_000_000), range(0, 60, 10)))
    assert parts == [content[start : start + 2_000_000] for start in range(0, 60, 10)]
