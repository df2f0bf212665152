"""The command as users run it: a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from preinit.binary.module import parse

COMMAND = [sys.executable, "-m", "preinit"]

#: Seconds that a command may take before a test fails; nothing is measured.
PATIENCE = 120

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
  (func $init (export "wizer-initialize") (call $prepare)))"""


def run(
    *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, code: int | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Runs `preinit` and checks its exit code, if one is given."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        cwd=cwd,
        env={**os.environ, "PREINIT_CACHE_DIR": os.devnull, **environment},
    )
    if code is not None:
        assert done.returncode == code, done.stderr.decode()
    return done


def fails(*arguments: str | Path, stdin: bytes = b"", code: int = 1, **environment: str) -> str:
    """What a command says that fails; it writes nothing and shows no traceback."""
    done = run(*arguments, stdin=stdin, code=code, **environment)
    said = done.stderr.decode()
    assert done.stdout == b""
    assert "Traceback" not in said
    assert "bug in preinit" not in said
    return said


def on_a_terminal(*arguments: str | Path, **environment: str) -> str:
    """What a command writes to standard error when that is a terminal."""
    import pty

    controller, terminal = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=terminal, env={**clean, **environment}
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
