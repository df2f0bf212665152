"""Batches on a Dask cluster: a real scheduler and real workers, which may die; nothing is shared with them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.batches import expected, outputs, workshop
from tests.support.command import COMMAND, fails, with_other
from tests.support.places import PACKAGE
from tests.support.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="pip install preinit[cluster]")


#: The command, which waits for a cluster for less time than is right for one that is far away.
IMPATIENT = with_other("preinit.batch.executors", PATIENCE=1)


class Cluster:
    """A scheduler on this machine, and workers with a folder of their own each."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start(
            "scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"
        )

    def _start(self, name: str, module: str, *arguments: str, path: Path | None = None) -> subprocess.Popen[bytes]:
        place = self._folder / name
        place.mkdir()
        extra = {"PYTHONPATH": str(path)} if path else {}
        with (place / "log").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=place, start_new_session=True,
                env={**os.environ, "PREINIT_CACHE_DIR": os.devnull, "TMPDIR": str(place), **extra},
            )  # fmt: skip
        self._stack.callback(_end, child)
        return child

    def worker(self, name: str, path: Path | None = None) -> subprocess.Popen[bytes]:
        """`path`: a folder in which it finds modules first."""
        arguments = (self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--name", name)
        child = self._start(name, "dask_worker", *arguments, path=path)
        wait_for(lambda: b"Registered to" in (self._folder / name / "log").read_bytes() or child.poll() is not None)
        return child


def _end(child: subprocess.Popen[bytes]) -> None:
    """Its whole group, whatever happened."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(PATIENCE)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        (tmp_path / "cluster").mkdir()
        yield Cluster(tmp_path / "cluster", stack)


def test_a_worker_that_dies_in_mid_run_costs_no_output(cluster: Cluster, tmp_path: Path) -> None:
    workers = [cluster.worker("one"), cluster.worker("two")]
    texts = {**{f"slow{number}": f"+ {number}" for number in range(8)}, "traps": "!"}
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "file").write_text("a file")
    path = workshop(tmp_path, texts, defaults={"dirs": {"lib": "/lib"}, "cache": False})
    command = [*COMMAND, "batch", path, "--scheduler", cluster.address, "--report", tmp_path / "report.json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as batch:
        wait_for(lambda: len(outputs(tmp_path / "out")) >= 2)
        os.killpg(workers[0].pid, signal.SIGKILL)
        _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 1, said  # of the job that traps
    del texts["traps"]
    assert outputs(tmp_path / "out") == expected(texts)
    jobs = json.loads((tmp_path / "report.json").read_text())["jobs"]
    assert sorted(job["status"] for job in jobs) == ["built"] * 8 + ["failed"]
    assert [job["error"]["code"] for job in jobs if job["error"]] == ["trap"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".preinit-batch.jsonl", *sorted(f"{name}.wasm" for name in texts)
    ]  # fmt: skip
    assert b"Traceback" not in said


def test_a_scheduler_that_dies_is_told_of_and_what_was_done_is_whole(cluster: Cluster, tmp_path: Path) -> None:
    cluster.worker("one")
    texts = {f"slow{number}": f"+ {number}" for number in range(40)}
    path = workshop(tmp_path, texts)
    command = [*IMPATIENT, "batch", path, "--scheduler", cluster.address]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as batch:
        wait_for(lambda: len(outputs(tmp_path / "out")) >= 1)
        os.killpg(cluster.scheduler.pid, signal.SIGKILL)
        _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 1
    assert b"error[scheduler]" in said, said
    assert b"Traceback" not in said
    found = outputs(tmp_path / "out")
    assert found.items() <= expected({name: text for name, text in texts.items() if f"{name}.wasm" in found}).items()


def test_a_worker_with_another_preinit_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "preinit").mkdir(parents=True)
    for source in PACKAGE.rglob("*.py"):
        target = other / "preinit" / source.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    (other / "preinit" / "version.py").write_text('VERSION = "0.0.9"\n')
    cluster.worker("one", path=other)
    path = workshop(tmp_path, {"one": "text"})
    said = fails("batch", path, "--scheduler", cluster.address)
    assert "error[worker-version]" in said
    assert "has preinit 0.0.9" in said
    assert not outputs(tmp_path / "out")


def test_what_can_t_be_reached_is_said_in_time(tmp_path: Path) -> None:
    path = workshop(tmp_path, {"one": "text"})
    for address in ("tcp://127.0.0.1:1", "nonsense://"):
        command = [*IMPATIENT, "batch", path, "--scheduler", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1
        assert "error[scheduler]" in done.stderr
        assert "can't be reached" in done.stderr
        assert "Traceback" not in done.stderr
    assert not outputs(tmp_path / "out")


def test_folders_that_may_be_written_do_not_travel(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    path = workshop(tmp_path, {"one": "text"}, defaults={"dirs": {"lib": "/lib"}, "writable": True, "cache": False})
    assert "can't travel to workers" in fails("batch", path, "--scheduler", cluster.address)
