"""Blocks of code in Markdown pages: which there are, and running those of one page in order, in one folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from preinit.batch.jobs import read_jobs
from preinit.passes.parse.text import parse_text
from preinit.targets.load import load
from tests.support.places import README, ROOT

PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]

#: Seconds that a block may take. Nothing is measured.
PATIENCE = 900

_FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
#: The first line of a block that says in which file it is: a comment of whatever language.
_NAMED = re.compile(r"(?:#|//|;;) (?P<name>[\w.-]+\.\w+)\n")
_SERVES = re.compile(r"(?:scripts/)?preinit serve .+")
#: Where `preinit serve` listens if nothing is said.
_ADDRESS = "127.0.0.1:8000"
#: A duration, whose figures say nothing here, in a pattern.
_DURATION = re.compile(r"\b[\d,]+(?:\\\.\d+)?\\ (?=(?:s|ms|us)\b)")
#: What measurements print, in a pattern: numbers, with the unit of a duration.
_FIGURE = re.compile(r"\d(?:[\d,]|\\\.)*(?:\\ (?:s|ms|us)\b)?")


class Block(NamedTuple):
    """A fenced block. `language`: the first word behind the fence; `info`: the words behind that."""

    page: str
    line: int
    language: str
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}, line {self.line}"

    @property
    def first(self) -> str:
        return self.text.partition("\n")[0]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(_FENCED.findall(text)), f"{page}: a fence is open"
    for found in _FENCED.finditer(text):
        language, _, info = found["info"].partition(" ")
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page.relative_to(ROOT).as_posix(), line, language, info, found["text"])


def matches(shown: str, said: str, varies: bool = False) -> bool:
    """Whether a program said what is shown, where `...` is anything in a line, or any lines if it is one itself.

    Any duration is as good as another. If it `varies`, so is any number, in columns of any width.
    """
    if not shown.strip():
        return not said.strip()
    pattern = ""
    for line in shown.rstrip("\n").split("\n"):
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            escaped = ".*".join(map(re.escape, line.rstrip().split("...")))
            if varies:
                escaped = re.sub(r"(\\ )+", r"[ ]+", _FIGURE.sub(r"[\\d,.]+(?:[ ](?:s|ms|us))?", escaped))
            else:
                escaped = _DURATION.sub(r"[\\d,.]+\\ ", escaped)
            pattern += escaped + r"[ ]*\n"
    return bool(re.fullmatch(pattern, said.rstrip("\n") + "\n" if said else said))


#: Nothing is measured here: a benchmark that says nothing of rounds makes a few.
_FEW_ROUNDS = """case "$*" in *--rounds*) ;; bench*) set -- "$@" --rounds 3 --seconds 0.2 ;; esac\n"""
#: Nor does a capture start input and output several times.
_ONCE = "from preinit.node import proof; proof.ROUNDS = 1; from preinit.cli import main; main()"
_FEW_ROUNDS += f"""case "$1" in capture) exec {sys.executable} -c '{_ONCE}' "$@" ;; esac\n"""


class Workshop:
    """A folder in which the blocks of a page are run, as in a checkout: `fixtures` and `scripts` are there."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        tools = folder / ".tools"
        tools.mkdir()
        for name, command in (("preinit", f"{sys.executable} -m preinit"), ("python", sys.executable)):
            (tools / name).write_text(f'#!/bin/sh\n{_FEW_ROUNDS if name == "preinit" else ""}exec {command} "$@"\n')
            (tools / name).chmod(0o755)
        for name in ("fixtures", "scripts"):
            (folder / name).symlink_to(ROOT / name)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREINIT_", "SOURCE_DATE", "PYTEST_"))}
        path = os.pathsep.join((str(tools), os.environ["PATH"]))
        self._environment = {
            **kept,
            "PATH": path,
            "PREINIT_CACHE_DIR": str(cache),
            "NO_COLOR": "1",
            "NO_PROXY": "127.0.0.1",
        }
        self._server: subprocess.Popen[str] | None = None
        self._address = _ADDRESS

    def run(self, block: Block) -> str | None:
        """Runs a block, or does with it what its language asks for; what it printed, if it is a program."""
        match block.language:
            case "sh":
                return self._shell(block)
            case "console":
                self._console(block)
                return None
            case "python" if _NAMED.match(block.text) and "import preinit" not in block.text:  # a guest runs it
                self._file(block)
                return None
            case "python":
                return self._succeed(block, "python", "-c", block.text)
            case "yaml":
                self._steps(block)
                return None
            case "toml" | "json" | "js" | "wat":
                self._file(block)
                return None
            case "c":
                assert block.text.rstrip("\n") in _sources(), f"{block}: no fixture has this text"
                return None
            case "go":
                assert block.text.rstrip("\n") in (ROOT / "fixtures/go/main.go").read_text(encoding="utf-8"), block
                return None
            case "rust":
                self._check_rust(block)
                return None
        raise AssertionError(f"{block}: nobody knows how to run {block.language!r}")

    def close(self) -> None:
        """Ends the server, if one runs."""
        if self._server:
            self._server.send_signal(signal.SIGTERM)
            code = self._server.wait(PATIENCE)
            self._server = None
            assert code == 0

    def _execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )

    def _succeed(self, block: Block, *command: str) -> str:
        done = self._execute(*command)
        assert done.returncode == 0, f"{block} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _shell(self, block: Block) -> str:
        text = block.text.replace(_ADDRESS, self._address)
        if _SERVES.fullmatch(text.strip()):
            self._serve(text.strip())
            return ""
        return self._succeed(block, "bash", "-eu", "-o", "pipefail", "-c", text)

    def _console(self, block: Block) -> None:
        """Each line that begins with `$ ` is a command, what follows is its output. One that fails shows an error."""
        for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            done = self._execute("bash", "-c", command)
            failed = shown.startswith("error[")
            assert bool(done.returncode) == failed, f"{block}: {command} ended with {done.returncode}:\n{done.stdout}"
            assert matches(shown, done.stdout), f"{block}: {command} said\n{done.stdout}"

    def _serve(self, command: str) -> None:
        """Starts a server at a port that is free; later blocks ask there."""
        self.close()
        self._server = subprocess.Popen(
            ["bash", "-c", f"exec {command} --port 0"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._server.stderr
        found = None
        for line in self._server.stderr:
            if found := re.search(r"http://([\d.]+:\d+)/", line):
                break
        assert found, f"{command} serves nothing"
        self._address = found[1]
        threading.Thread(target=self._server.stderr.read, daemon=True).start()

    def _steps(self, block: Block) -> None:
        """The commands of a workflow's steps, but for `pip install`."""
        import yaml

        for step in yaml.safe_load(block.text):
            if "run" in step and not step["run"].startswith("pip install"):
                self._succeed(block, "bash", "-eu", "-c", step["run"])

    def _file(self, block: Block) -> None:
        named = _NAMED.match(block.text)
        name = named["name"] if named else block.info
        if not name:
            assert block.language == "toml", f"{block}: which file is that?"
            tomllib.loads(block.text)
            return
        path = self.folder / name
        path.write_text(block.text, encoding="utf-8")
        if name in ("preinit.toml", "pyproject.toml"):
            load(path)
        elif block.language == "toml" or path.suffix == ".jsonl":
            for job in read_jobs(path).jobs:
                assert job.settings
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "wat":
            parse_text(block.text.encode())

    def _check_rust(self, block: Block) -> None:
        """Types only, for this machine: the target's standard library may be missing."""
        if shutil.which("rustc"):
            (self.folder / "lib.rs").write_text(block.text, encoding="utf-8")
            arguments = ("--edition=2021", "--crate-type=lib", "--emit=metadata", "lib.rs")
            self._succeed(block, "rustc", *arguments)


def _sources() -> str:
    """All C and C++ sources of the fixtures."""
    found = (path.read_text(encoding="utf-8") for path in sorted((ROOT / "fixtures").glob("*/*.[ch]*")))
    return "\n".join(found)


def programs(block: Block) -> set[str]:
    """Those of other people that a shell block calls and that a machine may lack."""
    if block.language not in ("sh", "console"):
        return set()
    lines = block.text.replace("\\\n", " ").splitlines()
    words = {shlex.split(line)[0] for line in lines if re.match(r"[a-z]+ ", line) and "'" not in line}
    return words & {"curl", "node", "cargo"}
