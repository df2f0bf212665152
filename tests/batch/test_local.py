"""Batches on this machine: what is written, what is left alone, what is said of each job."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from preinit.batch import read_jobs
from preinit.batch import run as run_batch
from preinit.batch.processes import Processes
from preinit.batch.run import Summary
from preinit.batch.work import Request
from tests.support.batches import KEEPER, Threads, expected, outputs, report, statuses, workshop
from tests.support.command import COMMAND, run
from tests.support.modules import wasm
from tests.support.processes import descendants, gone
from tests.support.waiting import PATIENCE, wait_for, with_time_enough

TEXTS = {f"job{number}": f"text number {number}" for number in range(6)}


@pytest.mark.parametrize("jobs", [1, 3])
def test_outputs_are_those_of_builds_in_any_order_by_any_number_of_processes(tmp_path: Path, jobs: int) -> None:
    names = list(TEXTS)
    random.Random(jobs).shuffle(names)
    path = workshop(tmp_path, {name: TEXTS[name] for name in names})
    done = run("batch", path, "--jobs", str(jobs), code=0)
    assert outputs(tmp_path / "out") == expected(TEXTS)
    assert b"built              6" in done.stderr
    assert not list((tmp_path / "out").glob("*.partial"))


def test_a_folder_has_a_job_in_each_file(tmp_path: Path) -> None:
    module, folder = tmp_path / "keeper.wat", tmp_path / "in"
    module.write_text(KEEPER)
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / f"{name}.txt").write_text(text)
    (folder / "a, b (c).txt").write_text("a name with a comma")
    (folder / ".hidden").write_text("no job")
    (folder / "notes.md").write_text("no job")
    arguments = ("batch", folder, "-i", module, "--pattern", "*.txt")
    run(*arguments, "-o", tmp_path / "out", "--stdin-from", code=0)
    assert outputs(tmp_path / "out") == expected({**TEXTS, "a, b (c)": "a name with a comma"})
    run(*arguments, "-f", "take(@{})", "-o", tmp_path / "taken", code=0)
    taken = outputs(tmp_path / "taken")
    assert b"a name with a comma" in taken["a, b (c).wasm"]
    assert len(set(taken.values())) == 7


def test_jobs_that_fail_do_not_stop_the_others_and_can_be_done_later(tmp_path: Path) -> None:
    texts = {**TEXTS, "traps": "! no", "spins": "@ no"}

    def check(seconds: float) -> None:
        path = workshop(tmp_path, texts, defaults={"timeout": seconds, "cache": False})
        found = report(tmp_path, path, "--jobs", "2", code=1)
        assert {name: job["status"] for name, job in found.items()} == {
            **{f"{name}.wasm": "built" for name in TEXTS},
            "traps.wasm": "failed",
            "spins.wasm": "failed",
        }
        assert found["traps.wasm"]["error"]["code"] == "trap"
        assert found["traps.wasm"]["error"]["frames"]
        assert found["spins.wasm"]["error"]["code"] == "time-limit"
        assert set(outputs(tmp_path / "out")) == {f"{name}.wasm" for name in TEXTS}

    with_time_enough(check)
    path = workshop(tmp_path, {**texts, "traps": "fine now", "spins": "fine now"})
    found = report(tmp_path, path, "--resume")
    assert sorted(job["status"] for job in found.values()) == ["built"] * 2 + ["current"] * 6


def test_what_is_up_to_date_depends_on_all_that_an_output_depends_on(tmp_path: Path) -> None:
    path = workshop(tmp_path, TEXTS)

    def built() -> set[str]:
        return {name for name, status in statuses(path).items() if status == "built"}

    everything = {f"{name}.wasm" for name in TEXTS}
    assert built() == everything
    assert built() == set()
    (tmp_path / "job1.txt").write_text("other")
    assert built() == {"job1.wasm"}
    (tmp_path / "out" / "job2.wasm").write_bytes(b"damaged")
    (tmp_path / "out" / "job3.wasm").unlink()
    assert built() == {"job2.wasm", "job3.wasm"}
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(tmp_path / "out")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    assert built() == set()
    path.write_text("\n".join([lines[0].replace("false", 'false, "layout": "few"'), *lines[1:]]))
    assert built() == everything
    (tmp_path / "keeper.wasm").write_bytes(wasm(KEEPER.replace("8192", "16384")))
    assert built() == everything
    (tmp_path / "out" / ".preinit-batch.jsonl").write_bytes(b"\xff{]\n" + b"[" * 100_000 + b"\n1\nnull\n{}\n")
    assert built() == everything
    assert outputs(tmp_path / "out").keys() == everything


def test_batches_that_share_a_folder_do_not_forget_each_other(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        paths.append(workshop(folder, {name: "text"}, **{"output-dir": "../out"}))
    assert [statuses(path) for path in paths] == [{"one.wasm": "built"}, {"two.wasm": "built"}]
    assert [statuses(path) for path in paths] == [{"one.wasm": "current"}, {"two.wasm": "current"}]


def test_what_differs_each_time_is_never_up_to_date(tmp_path: Path) -> None:
    path = workshop(tmp_path, {"one": "text"}, defaults={"clock": "host", "cache": False})
    for _ in range(2):
        assert statuses(path) == {"one.wasm": "built"}


def test_a_folder_that_a_guest_may_read_counts(tmp_path: Path) -> None:
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    (tmp_path / "lib" / "deep" / "file").write_text("1")
    path = workshop(tmp_path, {"one": "text"}, defaults={"dirs": {"lib": "/lib"}, "cache": False})
    assert [statuses(path)["one.wasm"] for _ in range(2)] == ["built", "current"]
    (tmp_path / "lib" / "deep" / "file").write_text("2")
    assert statuses(path) == {"one.wasm": "built"}


def test_a_process_that_dies_takes_no_job_with_it(tmp_path: Path) -> None:
    texts = {f"slow{number}": f"+ {number}" for number in range(8)}
    path = workshop(tmp_path, texts)
    with subprocess.Popen([*COMMAND, "batch", path, "--jobs", "2", "--report", tmp_path / "report.json"]) as batch:
        wait_for(lambda: len(outputs(tmp_path / "out")) >= 1)
        children = descendants(batch.pid)
        assert len(children) >= 2
        os.kill(max(children), signal.SIGKILL)
        assert batch.wait(PATIENCE) == 0
    assert outputs(tmp_path / "out") == expected(texts)
    jobs = json.loads((tmp_path / "report.json").read_text())["jobs"]
    assert max(job["attempts"] for job in jobs) == 2


class Death:
    """Ends the process that reads it, as memory does that runs out; where it is told so, while it answers."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return die_while_answering if self.text == b"deadly answer" else os.abort, ()


def die_while_answering() -> None:
    """Writes a part of an answer, more than a pipe holds, to where answers go."""
    for number in range(3, 64):
        with suppress(OSError):
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                os.write(number, (5_000_000).to_bytes(8, "little") + bytes(1_000_000))
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly(Processes):
    """Processes of which a job can end one."""

    def submit(self, request: Request) -> Any:
        text = request.changes["stdin"]
        deadly: Any = {"verify": Death(text)} if text.startswith(b"deadly") else {}
        return super().submit(request._replace(**deadly))


@pytest.mark.parametrize("how", ["deadly", "deadly answer"])
def test_a_job_that_ends_its_process_each_time_fails_alone(tmp_path: Path, how: str) -> None:
    path = workshop(tmp_path, {**TEXTS, "deadly": how})
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[-1], *lines[3:-1]]))
    found = {job.name: job for job in run_batch(read_jobs(path), lambda order: Deadly(order, 2)).results}
    failed = found.pop("deadly.wasm")
    assert failed.error is not None
    assert (failed.status, failed.error["code"], failed.attempts) == ("failed", "worker-lost", 3)
    assert ("SIGABRT" if how == "deadly" else "SIGKILL") in failed.error["what"]
    assert {job.status for job in found.values()} == {"built"}
    assert outputs(tmp_path / "out") == expected(TEXTS)


def start_few(starts: int, dead: int) -> Any:
    """Starts that many processes, of which the first ones end before they read anything; then the system refuses."""
    numbers = count(1)
    popen = subprocess.Popen

    def start(command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        number = next(numbers)
        if number > starts:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        process = popen([sys.executable, "-c", ""] if number <= dead else command, **more)
        if number <= dead:
            process.wait()
        return process

    return start


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize(("starts", "dead", "built"), [(1, 1, 0), (2, 1, 6), (2, 2, 0), (0, 0, 0)])
def test_a_system_that_starts_few_processes_ends_no_batch_in_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, starts: int, dead: int, built: int
) -> None:
    jobs = read_jobs(workshop(tmp_path, TEXTS))
    monkeypatch.setattr("preinit.batch.processes.subprocess.Popen", start_few(starts, dead))
    ended: list[Summary] = []
    batch = threading.Thread(
        target=lambda: ended.append(run_batch(jobs, lambda order: Processes(order, size))), daemon=True
    )
    batch.start()
    batch.join(PATIENCE)
    (summary,) = ended
    assert summary.count("built") == built
    assert summary.count("failed") == 6 - built
    said = {result.error["what"] for result in summary.results if result.error}
    assert all("no process that does jobs can be started" in what for what in said)


@pytest.mark.parametrize(
    ("sent", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")]
)
def test_an_interrupt_leaves_whole_outputs_and_no_process(
    tmp_path: Path, sent: signal.Signals, code: int, word: str
) -> None:
    texts = {f"slow{number}": f"+ {number}" for number in range(16)}
    path = workshop(tmp_path, texts)
    command = [*COMMAND, "batch", str(path), "--jobs", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as batch:
        wait_for(lambda: len(outputs(tmp_path / "out")) >= 1)
        children = descendants(batch.pid)
        for each in (batch.pid, *children):  # as who ends a whole container does
            with suppress(ProcessLookupError):
                os.kill(each, sent)
        _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == code, said
    wait_for(lambda: all(map(gone, children)))
    found = outputs(tmp_path / "out")
    assert 1 <= len(found) < 16
    assert found.items() <= expected({name: texts[name] for name in texts if f"{name}.wasm" in found}).items()
    assert not list((tmp_path / "out").glob(".preinit-*.partial"))
    first, *hints = said.decode().splitlines()
    counted = re.fullmatch(rf"error\[interrupted\]: {word}; (\d+) of 16 outputs (?:was|were) written before", first)
    assert counted or first == f"error[interrupted]: {word}; no output is known to have been written before", said
    number = int(counted[1]) if counted else 0
    assert len(found) - 2 <= number <= len(found)  # of each process one may have been written, and not counted yet
    assert hints == ["  what to do: Do the rest with `--resume`."]
    assert statuses(path).keys() == {f"{name}.wasm" for name in texts}
    assert outputs(tmp_path / "out") == expected(texts)


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    path = workshop(tmp_path, {f"slow{number}": f"+ {number}" for number in range(40)})
    with subprocess.Popen([*COMMAND, "batch", str(path), "--jobs", "2"], stderr=subprocess.DEVNULL) as batch:
        wait_for(lambda: len(outputs(tmp_path / "out")) >= 1)
        children = descendants(batch.pid)
        batch.kill()
    wait_for(lambda: all(map(gone, children)))


def test_names_in_a_job_file_do_not_steer_the_terminal(tmp_path: Path) -> None:
    path = workshop(tmp_path, {"one": "!"})
    path.write_text(path.read_text().replace("one.wasm", "\\u001b[31m.wasm"))
    done = run("batch", path, code=1)
    assert b"\x1b" not in done.stderr
    assert b"\\x1b[31m.wasm" in done.stderr


def test_a_library_can_be_given_any_executor(tmp_path: Path) -> None:
    """What does the jobs is told from what is to be done: one in this process does as well."""
    summary = run_batch(read_jobs(workshop(tmp_path, TEXTS)), Threads)
    assert summary.count("built") == 6
    assert outputs(tmp_path / "out") == expected(TEXTS)


def test_help_has_examples() -> None:
    said = run("batch", "--help", code=0).stdout.decode()
    assert "preinit batch jobs.toml" in said
    assert "[[job]]" in said
    assert sys.executable
