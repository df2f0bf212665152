"""Faults on purpose: signals, dead workers, damaged caches, limits, what is no file, idle and hostile clients.

    python -m tests.support.faults --interrupts 200 --deaths 50 --flips 1000 --limits 60 --idle 1000

Each kind is tried as often as is said, at random moments and places of a seed; what went wrong is listed, and the exit
code is 1 then. Tests do the same a few times. What comes out does not depend on how fast the machine is: a hang is what
takes longer than `PATIENCE`.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from preinit import Options, build
from tests.support.amounts import amount
from tests.support.batches import outputs
from tests.support.command import COMMAND, GOOD, run
from tests.support.modules import wasm
from tests.support.places import FIXTURES, ROOT
from tests.support.processes import children, descendants, gone
from tests.support.serving import served
from tests.support.waiting import PATIENCE, wait_for

#: A module whose output has 5 MB that depend on what it reads.
LARGE = """(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 80)
  (func (export "preinit_initialize")
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 100))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i64.store (i32.const 0) (i64.const 0)) (i32.store (i32.const 8) (i32.const 0))
    (memory.fill (i32.const 2048) (i32.load8_u (i32.const 1024)) (i32.const 5000000))))"""
JOBS = amount(12, 6)

#: What no message may have.
UNWANTED = (b"Traceback", b"leaked", b"bug in preinit", b"Exception ignored", b"Fatal Python")


class Found(NamedTuple):
    """What came of one kind of fault: how often which end, and what must not be."""

    kind: str
    ends: Counter[str]
    wrong: list[str]

    def __str__(self) -> str:
        listed = ", ".join(f"{count:,} {end}" for end, count in sorted(self.ends.items()))
        wrong = "".join(f"\n  wrong: {line}" for line in self.wrong)
        return f"{self.kind}: {sum(self.ends.values()):,} tries: {listed}; {len(self.wrong):,} wrong{wrong}"


def _unwanted(said: bytes) -> str:
    return next((f"said {word.decode()}: {said[-600:]!r}" for word in UNWANTED if word in said), "")


# -- batches -----------------------------------------------------------------------------------------------------------


class Workshop:
    """A batch of jobs with large outputs, what they are, and how long it takes here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        module = wasm(LARGE)
        (folder / "large.wasm").write_bytes(module)
        lines = ['input = "large.wasm"', 'output-dir = "out"', "[defaults]", "cache = false"]
        for letter in "abcdefghijkl"[:JOBS]:
            (folder / f"{letter}.txt").write_text(letter)
            lines += ["[[job]]", f'output = "{letter}.wasm"', f'stdin = "{letter}.txt"']
        (folder / "jobs.toml").write_text("\n".join(lines))
        started = time.monotonic()
        self.start().communicate(timeout=PATIENCE)
        self.seconds = time.monotonic() - started
        self.expected = outputs(folder / "out")
        assert len(self.expected) == JOBS
        for name, data in self.expected.items():
            right = build(module, cache=False, stdin=name[:1].encode()).wasm
            assert data == right, name

    def start(self) -> subprocess.Popen[bytes]:
        for path in (self.folder / "out").glob("**/*"):
            path.unlink()
        command = [*COMMAND, "batch", str(self.folder / "jobs.toml"), "--jobs", "2"]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True)

    def wrong(self, complete: bool) -> str:
        """What is wrong with the outputs that are there."""
        found = outputs(self.folder / "out")
        torn = [name for name, data in found.items() if data != self.expected[name]]
        left = list((self.folder / "out").glob("*.partial"))
        if torn or left:
            return f"torn: {torn}, left: {left}"
        return f"only {len(found)} outputs" if complete and len(found) < JOBS else ""


def interrupts(folder: Path, tries: int, chance: random.Random) -> Found:
    """SIGINT or SIGTERM at a random moment: to the process, to all of its group, or to all that it started."""
    shop = Workshop(folder)
    found = Found("interrupts of a batch", Counter(), [])
    span = shop.seconds
    while found.ends["interrupted"] + len(found.wrong) < tries:
        number = sum(found.ends.values())
        sent = chance.choice([signal.SIGINT, signal.SIGTERM])
        whom = chance.choice(["it", "its group", "all"])
        moment = chance.uniform(0, span)
        with shop.start() as batch:
            wait_for(lambda batch=batch: children(batch.pid) or batch.poll() is not None)  # type: ignore[misc]
            with suppress(subprocess.TimeoutExpired):
                batch.wait(moment)
            started = descendants(batch.pid)
            try:
                with suppress(ProcessLookupError):
                    if whom == "its group":
                        os.killpg(batch.pid, sent)
                    else:
                        for each in [batch.pid, *(started if whom == "all" else [])]:
                            os.kill(each, sent)
                _, said = batch.communicate(timeout=PATIENCE)
                code = batch.returncode
            except subprocess.TimeoutExpired:
                for each in [*descendants(batch.pid), batch.pid]:
                    os.kill(each, signal.SIGKILL)
                found.wrong.append(f"{number}: hung after {sent.name} to {whom} at {moment:.2f} s")
                found.ends["hung"] += 1
                continue
        found.ends["finished before" if code == 0 else "interrupted"] += 1
        if code == 0:
            span = max(0.1, span * 0.9)  # moments that come too late tell nothing
        problem = _unwanted(said) or shop.wrong(complete=code == 0)
        if code not in (0, 128 + sent):
            problem = problem or f"exit code {code}: {said[-600:]!r}"
        if code and b"written" not in said:
            problem = problem or f"does not say what was written: {said[-600:]!r}"
        if problem:
            found.wrong.append(f"{number}: {sent.name} to {whom} at {moment:.2f} s: {problem}")
        wait_for(lambda started=started: all(map(gone, started)))  # type: ignore[misc]
    return found


def deaths(folder: Path, tries: int, chance: random.Random) -> Found:
    """A worker is killed at a random moment: the batch does everything all the same."""
    shop = Workshop(folder)
    found = Found("workers killed", Counter(), [])
    for number in range(tries):
        moment = chance.uniform(0, shop.seconds / 2)
        with shop.start() as batch:
            wait_for(lambda batch=batch: children(batch.pid) or batch.poll() is not None)  # type: ignore[misc]
            with suppress(subprocess.TimeoutExpired):
                batch.wait(moment)
            workers = children(batch.pid)
            with suppress(ProcessLookupError):
                if workers:
                    os.kill(chance.choice(workers), chance.choice([signal.SIGKILL, signal.SIGSEGV]))
            try:
                _, said = batch.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                for each in [*descendants(batch.pid), batch.pid]:
                    os.kill(each, signal.SIGKILL)
                found.wrong.append(f"{number}: hung after a death at {moment:.2f} s")
                found.ends["hung"] += 1
                continue
        found.ends["complete" if batch.returncode == 0 else "failed"] += 1
        problem = _unwanted(said) or shop.wrong(complete=True)
        if batch.returncode or problem:
            found.wrong.append(f"{number}: at {moment:.2f} s: exit code {batch.returncode}, {problem} {said[-600:]!r}")
    return found


# -- the cache ---------------------------------------------------------------------------------------------------------


def flips(folder: Path, tries: int, chance: random.Random) -> Found:
    """One bit of an entry of the cache is another one, of each kind in turn."""
    found = Found("flipped bits of the cache", Counter(), [])
    source = folder / "in.wasm"
    source.write_bytes((FIXTURES / "cgi/cgi.wasm").read_bytes())
    expected = build(str(source), Options(cache=False, rename_funcs=(("_start", "preinit_resume"),))).wasm
    kinds = {"whole": "modules", "ondemand": "profiles"}
    for engine in kinds:
        _built(folder, engine)
    entries = {
        e: (path, path.read_bytes()) for e, kind in kinds.items() for path in (folder / "cache" / kind).iterdir()
    }
    for number in range(tries):
        engine = chance.choice(list(kinds))
        path, good = entries[engine]
        place, bit = chance.randrange(len(good)), chance.randrange(8)
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :])
        code, said, made = _built(folder, engine)
        found.ends[f"noticed ({engine})" if b"compiled anew" in said else f"not noticed ({engine})"] += 1
        problem = _unwanted(said) or (f"exit code {code}: {said[-300:]!r}" if code else "")
        if not problem and (made != expected or b"compiled anew" not in said):
            problem = "another output" if made != expected else "not noticed"
        if problem:
            found.wrong.append(f"{number}: bit {bit} of byte {place} of {path.parent.name}: {problem}")
    return found


def _built(folder: Path, engine: str) -> tuple[int, bytes, bytes]:
    out = folder / "out.wasm"
    out.unlink(missing_ok=True)
    done = run(
        "build", folder / "in.wasm", "-o", out, "-r", "_start=preinit_resume", "--engine", engine,
        PREINIT_CACHE_DIR=str(folder / "cache"),
    )  # fmt: skip
    return done.returncode, done.stderr, out.read_bytes() if out.exists() else b""


# -- limits ------------------------------------------------------------------------------------------------------------

#: Limit of the shell -> from which values to take one.
LIMITS = {"RLIMIT_AS": (80 << 20, 6 << 30), "RLIMIT_NOFILE": (4, 40), "RLIMIT_FSIZE": (0, 6_000_000)}


def limits(folder: Path, tries: int, chance: random.Random) -> Found:
    """A build and a batch under a limit: they do it, or say what ran out; what was there stays."""
    found = Found("limits of the shell", Counter(), [])
    (folder / "large.wasm").write_bytes(wasm(LARGE))
    expected = build(str(folder / "large.wasm"), cache=False).wasm
    (folder / "jobs.toml").write_text('input = "large.wasm"\noutput-dir = "."\n[[job]]\noutput = "out.wasm"\n')
    for number in range(tries):
        name = chance.choice(list(LIMITS))
        value = chance.randrange(*LIMITS[name])
        (folder / "out.wasm").write_bytes(b"as it was")
        batch = chance.random() < 0.3
        arguments = ["batch", "jobs.toml", "--jobs", "1"] if batch else ["build", "large.wasm", "-o", "out.wasm"]
        change = f"import resource; resource.setrlimit(resource.{name}, ({value}, {value}))"
        command = [sys.executable, "-c", f"{change}; from preinit.cli import main; main()", *arguments]
        environment = {**os.environ, "PREINIT_CACHE_DIR": os.devnull, "PYTHONPATH": str(ROOT)}
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=PATIENCE, env=environment)
        except subprocess.TimeoutExpired:
            found.ends["hung"] += 1
            found.wrong.append(f"{number}: {name} {value}: hung")
            continue
        found.ends["built" if done.returncode == 0 else "refused"] += 1
        made, problem = (folder / "out.wasm").read_bytes(), _unwanted(done.stderr)
        if done.returncode not in (0, 1, 2) or (done.returncode and b"error[" not in done.stderr):
            problem = problem or f"exit code {done.returncode}: {done.stderr[-600:]!r}"
        if made != (b"as it was" if done.returncode else expected):
            problem = problem or f"the output is torn or lost, exit code {done.returncode}"
        if list(folder.glob("*.partial")):
            problem = problem or "something half written is left"
        if problem:
            found.wrong.append(f"{number}: {name} {value}, {arguments[0]}: {problem}")
    return found


# -- what is no file ---------------------------------------------------------------------------------------------------

PLANTED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}


def no_files(folder: Path, tries: int, chance: random.Random) -> Found:
    """Something else stands where preinit has a file: a config file, a state, a record, an entry of the cache."""
    found = Found("what is no file", Counter(), [])
    (folder / "in.wasm").write_bytes(wasm(GOOD))
    cases = [(place, kind) for place in ("config", "state", "record", "cache") for kind in PLANTED]
    for number in range(tries):
        place, kind = cases[number % len(cases)] if tries >= len(cases) else chance.choice(cases)
        project = folder / str(number)
        project.mkdir()
        config = '[targets.one]\ninput = "../in.wasm"\noutput = "out.wasm"\n'
        (project / "preinit.toml").write_text(config)
        (project / "jobs.toml").write_text('input = "../in.wasm"\noutput-dir = "."\n[[job]]\noutput = "out.wasm"\n')
        cache = project / "cache"
        cache.mkdir(mode=0o700)
        target = {"config": "preinit.toml", "state": ".out.wasm.preinit-state", "record": ".preinit-batch.jsonl"}
        path = project / target.get(place, "cache/modules")
        path.unlink(missing_ok=True)
        PLANTED[kind](path)
        command = ("batch", "jobs.toml") if place == "record" else ("build",)
        try:
            done = run(*command, cwd=project, PREINIT_CACHE_DIR=str(cache))
        except subprocess.TimeoutExpired:
            found.ends["hung"] += 1
            found.wrong.append(f"{number}: {kind} as {place}: hung")
            continue
        right = {"config": (2,), "record": (0, 1)}.get(place, (0,))
        found.ends["refused" if done.returncode else "built"] += 1
        if problem := _unwanted(done.stderr) or ("" if done.returncode in right else done.stderr.decode()):
            found.wrong.append(f"{number}: {kind} as {place}: {problem}")
    return found


# -- serve -------------------------------------------------------------------------------------------------------------

#: What HTTP forbids, and with which status it is answered.
HOSTILE = [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n", 413),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
]


def clients(folder: Path, tries: int, chance: random.Random) -> Found:
    """Clients that say nothing, or half of something; every tenth asks, and is answered; then hostile requests."""
    found = Found("idle and hostile clients", Counter(), [])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < tries + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, tries + 100), hard))
    options = Options(cache=False, rename_funcs=(("_start", "preinit_resume"),))
    (folder / "ready.wasm").write_bytes(build(str(FIXTURES / "cgi/cgi.wasm"), options).wasm)
    with served(folder / "ready.wasm") as server, ExitStack() as silent:
        for number in range(tries):
            connection = silent.enter_context(socket.create_connection(server.address, timeout=PATIENCE))
            with suppress(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: "[: chance.randrange(24)])
            found.ends["idle"] += 1
            if number % 10 == 9:
                status, *_ = server.ask()
                found.ends[f"answered {status}"] += 1
                if status != 200:
                    found.wrong.append(f"{number}: status {status}")
        for request, status in HOSTILE:
            answer = server.raw(request).split(b"\r\n")[0]
            found.ends["hostile"] += 1
            if f" {status} ".encode() not in answer:
                found.wrong.append(f"{request!r}: {answer!r}")
        if problem := next((line for line in server.log if "Traceback" in line or "exception" in line), ""):
            found.wrong.append(problem)
        if server.end() != 0:
            found.wrong.append("it did not end well")
    return found


#: Option of the command line -> what is injected.
FAULTS: dict[str, Callable[[Path, int, random.Random], Found]] = {
    "interrupts": interrupts,
    "deaths": deaths,
    "flips": flips,
    "limits": limits,
    "no_files": no_files,
    "idle": clients,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in FAULTS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=20)
    given = vars(parser.parse_args())
    wrong = 0
    for name, inject in FAULTS.items():
        if given[name]:
            with tempfile.TemporaryDirectory() as folder:
                started = time.monotonic()
                found = inject(Path(folder), given[name], random.Random(given["seed"]))
                print(f"{found} ({time.monotonic() - started:.0f} s)", flush=True)
                wrong += len(found.wrong)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
