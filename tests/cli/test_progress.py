"""How far long work is: on a terminal, with --verbose, and together with what a guest prints."""

from __future__ import annotations

import io
import os
import re
import time
from pathlib import Path

import pytest

from preinit.cli import progress
from preinit.passes.observer import Observer
from tests.support.command import GOOD, on_a_terminal, run, with_other
from tests.support.modules import wasm
from tests.support.waiting import PATIENCE

terminal = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")

#: The command, which shows how far it is soon, and one that is never slow.
SOON = with_other("preinit.cli.progress", _PATIENCE=0.1, _INTERVAL=0.05)
NEVER_SLOW = with_other("preinit.cli.progress", _PATIENCE=PATIENCE)

#: Prints a line twenty times, and works in between: a second.
CHATTY = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\0f\\00\\00\\00guest says this")
  (func $wait (local $until i64)
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 64)))
    (local.set $until (i64.add (i64.load (i32.const 64)) (i64.const 50000000)))
    (loop $again
      (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 64)))
      (br_if $again (i64.lt_u (i64.load (i32.const 64)) (local.get $until)))))
  (func (export "wizer-initialize") (local $n i32)
    (loop $again
      (drop (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 0)))
      (call $wait)
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 20))))))"""

#: The same with every line ended.
LINES = CHATTY.replace("\\0f\\00\\00\\00guest says this", "\\10\\00\\00\\00guest says this\\n")


def screen(said: str) -> list[str]:
    """The lines that a terminal shows at the end, and whether text was ever wiped out that should stay."""
    lines = [""]
    column = 0
    for part in re.findall(r"\r\n|\r|\n|\x1b\[K|[^\r\n\x1b]+", said):
        if "\n" in part:
            lines.append("")
            column = 0
        elif part == "\r":
            column = 0
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:column]
        else:
            lines[-1] = lines[-1][:column] + part + lines[-1][column + len(part) :]
            column += len(part)
    return lines


@terminal
def test_what_a_guest_prints_has_lines_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(LINES))
    said = on_a_terminal("build", tmp_path / "in.wasm", "-o", os.devnull, "--clock", "host", command=SOON)
    assert "running the initializer; " in said
    assert screen(said)[:21] == ["guest says this"] * 20 + ["ran wizer-initialize"]


@terminal
def test_a_line_that_a_guest_leaves_open_is_not_wiped_out(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(CHATTY))
    said = on_a_terminal("build", tmp_path / "in.wasm", "-o", os.devnull, "--clock", "host", command=SOON)
    assert screen(said)[0] == "guest says this" * 20


@terminal
@pytest.mark.parametrize("quiet", [True, False])
def test_a_quick_build_shows_no_line_at_all(good: Path, quiet: bool) -> None:
    said = on_a_terminal("build", good, "-o", os.devnull, *(["-q"] if quiet else []), command=NEVER_SLOW)
    assert "the initializer;" not in said
    assert bool(said) != quiet


@terminal
def test_quiet_shows_no_line(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(LINES))
    arguments = ("-o", os.devnull, "--clock", "host", "-q", "--quiet-guest")
    assert on_a_terminal("build", tmp_path / "in.wasm", *arguments, command=SOON) == ""


def test_verbose_says_each_step_with_its_time_and_what_was_chosen(good: Path, tmp_path: Path) -> None:
    said = run("build", good, "-v", "-o", os.devnull, code=0, PREINIT_CACHE_DIR=str(tmp_path)).stderr.decode()
    steps = re.findall(r"^ +\d+\.\d{3} s (.*)$", said, re.MULTILINE)
    assert steps[:4] == [
        "reading the module", "looking at the module", "choosing how to compile it", "preparing the module",
    ]  # fmt: skip
    assert steps[-1] == "validating the output"
    assert f"compiled code is kept in {tmp_path}" in said
    assert "its code is small" in said
    assert "functions compiled" in said
    assert "reading the module" not in run("build", good, "-v", "-q", "-o", os.devnull, code=0).stderr.decode()


def test_verbose_says_what_came_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD))
    arguments = ("build", tmp_path / "in.wasm", "-v", "--engine", "ondemand", "-o", os.devnull)
    cache = {"PREINIT_CACHE_DIR": str(tmp_path / "cache")}
    assert "from the cache" not in run(*arguments, code=0, **cache).stderr.decode().split("reading")[0]
    assert "1 part from the cache" in run(*arguments, code=0, **cache).stderr.decode()
    assert "compiled code is not kept" in run(*arguments, "--no-cache", code=0).stderr.decode()


class Screen(io.TextIOWrapper):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_text_and_bytes_both_make_the_line_go_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(progress, "_PATIENCE", 0.01)
    monkeypatch.setattr(progress, "_INTERVAL", 0.01)
    seen = io.BytesIO()
    stream = Screen(seen, encoding="utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    observer = Observer()
    with progress.shown(observer, quiet=False), observer.stage("thinking\x1b[31m"):
        for write in (lambda: print("text", file=sys.stderr), lambda: sys.stderr.buffer.write(b"bytes\n")):
            while not seen.getvalue().endswith(b" s"):
                time.sleep(0.001)
            write()
    assert sys.stderr is stream
    said = seen.getvalue().decode()
    assert "\x1b[31m" not in said
    assert [line for line in screen(said) if line] == ["text", "bytes"]
