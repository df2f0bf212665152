"""The command as users run it: a process."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

from preinit.binary.module import parse
from tests.support import everything
from tests.support.forks import Forks
from tests.support.waiting import PATIENCE

COMMAND = [sys.executable, "-m", "preinit"]

INIT = '(func (export "wizer-initialize") (i32.store (i32.const 16) (i32.const 42)))'
GOOD = f'(module (memory (export "memory") 1) {INIT} (func (export "run")))'
#: Says that it is ready, and never ends.
LOOP = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\06\\00\\00\\00ready\\n")
  (func (export "wizer-initialize")
    (drop (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 0))) (loop (br 0))))"""
TRAP = """(module
  (func $divide (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $prepare (drop (call $divide (i32.const 0))))
  (func $init (export "wizer-initialize") (call $prepare)) (func (export "run")))"""


def run(
    *arguments: str | Path,
    stdin: bytes = b"",
    cwd: Path | None = None,
    code: int | None = None,
    program: str = "preinit",
    **environment: str,
) -> subprocess.CompletedProcess[bytes]:
    """Runs `preinit`, or another program of it, and checks its exit code, if one is given."""
    given = {**os.environ, "PREINIT_CACHE_DIR": os.devnull, **environment}
    done = _done(program, list(map(str, arguments)), stdin, cwd or Path.cwd(), given)
    if code is not None:
        assert done.returncode == code, done.stderr.decode()
    return done


def _done(
    program: str, arguments: list[str], stdin: bytes, cwd: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", program, *arguments]
    if not hasattr(os, "fork") or _of_python(environment) != _of_python(forks().environment):
        return subprocess.run(command, input=stdin, capture_output=True, timeout=PATIENCE, cwd=cwd, env=environment)
    standard_in, out, err = os.pipe(), os.pipe(), os.pipe()
    theirs = (standard_in[0], out[1], err[1])
    process = forks().start(arguments, theirs, cwd, environment, program)
    for descriptor in theirs:
        os.close(descriptor)
    killer = threading.Timer(PATIENCE, os.kill, (process, signal.SIGKILL))
    killer.start()
    with ThreadPoolExecutor(2) as threads:
        threads.submit(_write, standard_in[1], stdin)
        said = threads.submit(_read, err[0])
        written = _read(out[0])
    code, _ = forks().wait()
    killer.cancel()
    return subprocess.CompletedProcess(command, code, written, said.result())


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    """What Python reads as it starts: a fork would know nothing of it."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


@cache
def forks() -> Forks:
    """Starting Python and importing what a command needs would take longer than most of them do. For one thread.

    That each command imports what it uses is seen where commands are processes of their own: in the pages' examples, say.
    """
    own = Forks(*everything.modules())
    atexit.register(own.close)
    return own


def _write(descriptor: int, data: bytes) -> None:
    with suppress(BrokenPipeError), open(descriptor, "wb") as stream:
        stream.write(data)


def _read(descriptor: int) -> bytes:
    with open(descriptor, "rb") as stream:
        return stream.read()


def fails(*arguments: str | Path, stdin: bytes = b"", code: int = 1, **environment: str) -> str:
    """What a command says that fails; it writes nothing and shows no traceback."""
    done = run(*arguments, stdin=stdin, code=code, **environment)
    said = done.stderr.decode()
    assert done.stdout == b""
    assert "Traceback" not in said
    assert "bug in preinit" not in said
    return said


def with_other(module: str, **constants: object) -> list[str]:
    """The command, in which constants of a module have other values: how long it waits for something, say."""
    change = f"import {module} as module; vars(module).update({constants!r})"
    return [sys.executable, "-c", f"{change}; from preinit.cli import main; main()"]


def on_a_terminal(*arguments: str | Path, command: Sequence[str] = COMMAND, **environment: str) -> str:
    """What a command writes to standard error when that is a terminal."""
    import pty

    controller, terminal = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    with subprocess.Popen(
        [*command, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=terminal, env={**clean, **environment}
    ) as process:
        os.close(terminal)
        said = b""
        try:
            while piece := os.read(controller, 4096):
                said += piece
        except OSError:  # the other end is closed
            pass
        process.wait(PATIENCE)
    os.close(controller)
    return said.decode()


def assert_initialized(data: bytes) -> None:
    module = parse(data)
    assert "wizer-initialize" not in module.exported_names
    assert [data[s.start : s.end] for s in module.data_segments] == [b"\x2a"]
