"""What the tests of batches share: a module that keeps what it reads, folders of jobs."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from preinit import Host, build
from preinit.batch import read_jobs
from preinit.batch import run as run_batch
from preinit.batch.work import Order, Request, perform
from tests.support.command import run
from tests.support.modules import wasm

#: Keeps standard input at 1024; traps where that starts with "!", goes on for ever with "@", and takes a moment with "+".
KEEPER = """(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "wizer-initialize") (local $first i32) (local $turns i32)
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4000))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i64.store (i32.const 0) (i64.const 0)) (i32.store (i32.const 8) (i32.const 0))
    (local.set $first (i32.load8_u (i32.const 1024)))
    (if (i32.eq (local.get $first) (i32.const 33)) (then (unreachable)))
    (loop (br_if 0 (i32.eq (local.get $first) (i32.const 64))))
    (if (i32.eq (local.get $first) (i32.const 43)) (then
      (loop (br_if 0 (i32.lt_u (local.tee $turns (i32.add (local.get $turns) (i32.const 1)))
                               (i32.const 80000000)))))))
  (func (export "malloc") (param i32) (result i32) (i32.const 8192))
  (func (export "take") (param i32 i32)))"""


def workshop(folder: Path, texts: dict[str, str], **head: Any) -> Path:
    """Files for jobs, a module, and the job file, JSON lines."""
    (folder / "keeper.wasm").write_bytes(wasm(KEEPER))
    lines = [{"input": "keeper.wasm", "output-dir": "out", "defaults": {"cache": False}, **head}]
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
        lines.append({"output": f"{name}.wasm", "stdin": f"{name}.txt"})
    path = folder / "jobs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("**/*.wasm"))}


def expected(texts: dict[str, str]) -> dict[str, bytes]:
    return {
        f"{name}.wasm": build(wasm(KEEPER), host=Host(stdin=text.encode()), cache=False).wasm
        for name, text in texts.items()
    }


class Threads:
    """Threads of this process do the jobs."""

    size = 2
    lost: tuple[type[BaseException], ...] = ()

    def __init__(self, order: Order) -> None:
        self._order = order
        self._pool = ThreadPoolExecutor(self.size)

    def submit(self, request: Request) -> Future[Any]:
        return self._pool.submit(perform, self._order, pickle.dumps(request))

    def renew(self) -> None:
        raise AssertionError("no thread dies")

    def check(self) -> None:
        pass

    def close(self, now: bool) -> None:
        self._pool.shutdown()


def report(folder: Path, *arguments: str | Path, code: int = 0) -> dict[str, dict[str, Any]]:
    """What became of each job, by the name of its output."""
    run("batch", *arguments, "--report", folder / "report.json", code=code)
    found = json.loads((folder / "report.json").read_text())
    assert found["version"] == 1
    return {job["name"]: job for job in found["jobs"]}


def statuses(path: Path) -> dict[str, str]:
    """What became of each job, done by threads of this process."""
    return {job.name: job.status for job in run_batch(read_jobs(path), Threads, resume=True).results}
