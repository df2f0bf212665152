"""Files are replaced whole; what dead runs left half written is removed by later ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from preinit.files.locks import lock
from preinit.files.replace import replace_file

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and pipes of POSIX systems")

OLD = 1_000_000_000


def partial(folder: Path, number: int) -> Path:
    path = folder / f".preinit-{number:08x}.partial"
    path.write_bytes(b"half")
    os.utime(path, (OLD, OLD))
    return path


def test_what_a_dead_run_left_is_removed(tmp_path: Path) -> None:
    left, fresh, written = (partial(tmp_path, number) for number in range(3))
    os.utime(fresh)
    others = [tmp_path / ".preinit-notes.partial", tmp_path / "a.preinit-00000000.partial", tmp_path / "x.partial"]
    for path in others:
        path.write_text("precious")
        os.utime(path, (OLD, OLD))
    with written.open("rb") as stream:  # by a run that is alive
        assert lock(stream.fileno())
        replace_file(tmp_path / "out", b"whole")
    assert (tmp_path / "out").read_bytes() == b"whole"
    assert not left.exists()
    assert fresh.exists()
    assert written.exists()
    assert all(map(Path.exists, others))


def test_what_only_has_such_a_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".preinit-00000001.partial").mkdir()
    os.mkfifo(tmp_path / ".preinit-00000002.partial")
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".preinit-00000003.partial").symlink_to("precious")
    replace_file(tmp_path / "out", b"whole")
    assert len(list(tmp_path.glob(".preinit-*"))) == 3
    assert (tmp_path / "precious").read_text() == "kept"
