"""A target: what to build, where to, and how."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, PreinitError, in_words, quoted, way_out
from ..files.toml import shown
from ..options import Options, tables
from ..options.calls import files
from ..options.entries import verified
from ..options.kinds import Files


@dataclass(frozen=True)
class Target:
    """What the config file says of a target, the defaults included.

    `config`: the file. `line`: where the target begins in it, None if that is not known. `settings`: the keys of
    `keys.TARGET` that were given, as read by their kinds. Paths in them are relative to the file's folder.
    """

    name: str
    config: Path
    line: int | None
    settings: Mapping[str, Any] = field(hash=False)

    def path(self, text: str) -> Path:
        """The path of what a setting names."""
        return self.config.parent / text

    @property
    def input(self) -> Path:
        return self.path(self.settings["input"])

    @property
    def output(self) -> Path:
        return self.path(self.settings["output"])

    @property
    def report(self) -> Path | None:
        return self.path(self.settings["report"]) if "report" in self.settings else None

    @property
    def data(self) -> tuple[Path, ...]:
        """Files whose bytes functions are given."""
        calls = (*self.settings.get("init-funcs", ()), *self.settings.get("rename-funcs", {}).values())
        return tuple(self.path(name) for text in calls for name in files(text))

    @property
    def preloads(self) -> dict[str, Path]:
        return {name: self.path(text) for name, text in self.settings.get("preloads", {}).items()}

    @property
    def stdin(self) -> Path | None:
        return self.path(self.settings["stdin"]) if "stdin" in self.settings else None

    @property
    def dirs(self) -> dict[Path, str]:
        """Folders that the guest sees, and their paths in the guest."""
        return {self.path(text): guest for text, guest in self.settings.get("dirs", {}).items()}

    @property
    def reads(self) -> tuple[Path, ...]:
        """The files that a build reads, besides the folders."""
        return (self.input, *self.data, *self.preloads.values(), *([self.stdin] if self.stdin else []))

    @property
    def writes(self) -> tuple[Path, ...]:
        return (self.output, *([self.report] if self.report else []))

    @property
    def verify(self) -> Mapping[str, Any] | None:
        """What to call when the output is verified; None where it is not."""
        return verified(self.settings)

    @property
    def place(self) -> str:
        """Where the target is, for messages."""
        line = f", line {self.line}" if self.line else ""
        return f"{shown(self.config)}{line}, target {quoted(self.name)}"


def options_of(target: Target, environment: Mapping[str, str], **overrides: Any) -> Options:
    """How to build a target, with our `environment`. `overrides`: fields of `Options` that don't come from the file.

    Reads the files of standard input and of what initializers are given. Raises `UsageError`, `InputError`, with the
    target's place.
    """
    found = Files(
        read=lambda name: _content(target.path(name)),
        module=lambda name: os.fspath(target.path(name)),
        folder=lambda name: os.fspath(target.path(name)),
        environment=environment,
    )
    own = {"_process_ends": True, "measure_gzip": target.report is not None}
    try:
        _check_regular(target)
        return tables.options_of(target.settings, found, **{**own, **overrides})
    except PreinitError as problem:
        problem.where = problem.where or target.place
        raise


def _check_regular(target: Target) -> None:
    """What a pipe holds can't be known without taking it away: a target that reads one would never seem to change."""
    for path in (target.input, *target.preloads.values()):
        if os.path.exists(path) and not os.path.isfile(path):  # these never raise
            raise InputError(f"{shown(path)!r} is not a regular file", hint="Name one: its content tells what changed.")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(
            f"the file {shown(path)!r} can't be read: {in_words(problem)}",
            hint=way_out(problem, "Name a file that exists and that you may read."),
        ) from problem
