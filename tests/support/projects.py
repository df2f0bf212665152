"""Folders with a config file, and what `preinit build` says of its targets."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.command import GOOD, TRAP, run
from tests.support.modules import wasm

TWO = """
[defaults]
input = "good.wasm"
[targets.first]
output = "out/first.wasm"
[targets.second]
output = "out/second.wasm"
keep-init-func = true
"""
#: Hands on what the guest reads from its environment; `K` is at 1024 in its memory.
ENVIRONMENT = """(module
  (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "wizer-initialize") (drop (call $get (i32.const 16) (i32.const 1024)))))"""


def project(folder: Path, text: str = TWO, name: str = "preinit.toml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / "good.wasm").write_bytes(wasm(GOOD))
    (folder / "trap.wasm").write_bytes(wasm(TRAP))
    return folder


def said(folder: Path, *arguments: str | Path, code: int = 0, **environment: str) -> str:
    done = run("build", *arguments, cwd=folder, code=code, **environment)
    assert done.stdout == b""
    text = done.stderr.decode()
    assert "Traceback" not in text
    return text


def words(text: str) -> dict[str, str]:
    """What the lines of targets say: name -> the word."""
    return dict(re.findall(r"^([\w-]+): (built|up to date|checked|failed)\b", text, re.MULTILINE))
