"""Completion, in the shells themselves."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from preinit.cli.group import COMMANDS
from tests.support.command import run
from tests.support.places import ROOT
from tests.support.waiting import PATIENCE

needs = {
    name: pytest.mark.skipif(not shutil.which(name) or os.name != "posix", reason=f"needs {name}")
    for name in ("bash", "zsh", "fish")
}

#: What is typed, and what the shell makes of it.
LINES = [
    ("preinit bui", "preinit build "),
    ("preinit build --keep-i", "preinit build --keep-init-func "),
    ("preinit build --layout gz", "preinit build --layout gzip "),
    ("preinit build --imports def", "preinit build --imports define "),
    ("preinit bench --runtime no", "preinit bench --runtime node "),
    ("preinit build engi", "preinit build engine.wasm "),
    ("preinit build engine.wasm -o engi", "preinit build engine.wasm -o engine.wasm "),
    ("preinit build --dir lib", "preinit build --dir library/"),
    ("preinit completion fi", "preinit completion fish "),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with files to complete, and the program on a path of its own."""
    (tmp_path / "engine.wasm").touch()
    (tmp_path / "library").mkdir()
    (tmp_path / "programs").mkdir()
    program = tmp_path / "programs" / "preinit"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m preinit "$@"\n')
    program.chmod(0o755)
    return tmp_path


def environment(place: Path) -> dict[str, str]:
    return {
        "PATH": f"{place / 'programs'}:{os.environ['PATH']}", "HOME": str(place), "TERM": "dumb", "LC_ALL": "C",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip


class Terminal:
    """A shell that somebody types into."""

    def __init__(self, command: list[str], place: Path) -> None:
        import pty

        self._controller, terminal = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=place, env=environment(place),
            start_new_session=True,
        )  # fmt: skip
        os.close(terminal)

    def type(self, keys: str) -> None:
        os.write(self._controller, keys.encode())

    def wait_for(self, words: str) -> str:
        """What was shown up to those words."""
        said, end = "", time.monotonic() + PATIENCE
        while words not in said:
            assert time.monotonic() < end, said
            if select.select([self._controller], [], [], 1)[0]:
                said += os.read(self._controller, 4096).decode()
        return said

    def close(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._controller)


@pytest.mark.parametrize("shell", [pytest.param("bash", marks=needs["bash"]), pytest.param("zsh", marks=needs["zsh"])])
def test_a_shell_completes_commands_options_values_and_files(shell: str, place: Path) -> None:
    script = place / "script"
    script.write_bytes(run("completion", shell, code=0).stdout)
    command = ["bash", "--norc", "--noprofile", "-i"] if shell == "bash" else ["zsh", "-f", "-i"]
    terminal = Terminal(command, place)
    try:
        if shell == "bash":
            terminal.type("bind 'set bell-style none'\n")
        else:
            terminal.type("unsetopt beep zle_bracketed_paste; autoload -Uz compinit; compinit -u -D\n")
        terminal.type(". ./script; PS1='$ '; echo rea''dy\n")
        terminal.wait_for("ready")
        for number, (typed, expected) in enumerate(LINES):
            # The shell prints the whole line again, in quotation marks and behind a number: nothing else looks like it.
            terminal.type(f": {number}; {typed}\t")
            terminal.type("'\x01echo '[\n")  # to the start of the line
            said = terminal.wait_for(f"[: {number}; {expected.rstrip()}")
            assert "rror" not in said
    finally:
        terminal.close()


@needs["fish"]
def test_fish_completes_commands_options_values_and_files(place: Path) -> None:
    (place / "script").write_bytes(run("completion", "fish", code=0).stdout)
    lines = "; ".join(f"echo [(complete -C '{typed}' | string replace -r '\\t.*' '')]" for typed, _ in LINES)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source script; {lines}"],
        cwd=place, env=environment(place), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"[{expected.split()[-1]}]" for _, expected in LINES]


@pytest.mark.parametrize("shell", ["powershell", "", "sh"])
def test_other_shells_are_wrong_usage(shell: str) -> None:
    assert b"'bash', 'zsh', 'fish'" in run("completion", shell, code=2).stderr


def test_every_command_is_offered() -> None:
    done = run(code=0, _PREINIT_COMPLETE="bash_complete", COMP_WORDS="preinit ", COMP_CWORD="1")
    assert done.stdout.decode().split() == [f"plain,{name}" for name in sorted(COMMANDS)]
