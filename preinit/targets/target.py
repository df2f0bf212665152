"""A target: what to build, where to, and how."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, PreinitError, UsageError, quoted
from ..options import BUDGETS, Host, Options
from ..options.calls import files, written
from ..options.text import clock, random


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
    def init(self) -> tuple[str, ...]:
        """The initializers that are named."""
        given = self.settings.get("init", "auto")
        if isinstance(given, str):
            return () if given in ("auto", "none") else (given,)
        return tuple(given)

    @property
    def data(self) -> tuple[Path, ...]:
        """Files whose bytes initializers are given."""
        return tuple(self.path(name) for text in self.init for name in files(text))

    @property
    def host(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.settings.get("host", {})
        return found

    @property
    def preloads(self) -> dict[str, Path]:
        return {name: self.path(text) for name, text in self.settings.get("preloads", {}).items()}

    @property
    def stdin(self) -> Path | None:
        return self.path(self.host["stdin"]) if "stdin" in self.host else None

    @property
    def dirs(self) -> dict[Path, str]:
        """Folders that the guest sees, and their paths in the guest."""
        return {self.path(text): guest for text, guest in self.host.get("dirs", {}).items()}

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
        given = self.settings.get("verify", False)
        return None if given is False else {} if given is True else given

    @property
    def place(self) -> str:
        """Where the target is, for messages."""
        line = f", line {self.line}" if self.line else ""
        return f"{shown(self.config)}{line}, target {quoted(self.name)}"


def shown(path: Path) -> str:
    """A path as messages have it: relative to the current folder if it lies below that."""
    try:
        return os.fspath(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return os.fspath(path)


def options_of(target: Target, environment: Mapping[str, str], **overrides: Any) -> Options:
    """How to build a target, with our `environment`. `overrides`: fields of `Options` that don't come from the file.

    Reads the files of standard input and of what initializers are given. Raises `UsageError`, `InputError`, with the
    target's place.
    """
    given = target.settings
    fields: dict[str, Any] = {
        "start_only": given.get("init") == "none",
        "rename_funcs": given.get("renames", {}),
        "import_globals": {name: str(value) for name, value in given.get("import-globals", {}).items()},
        "preloads": {name: os.fspath(path) for name, path in target.preloads.items()},
        "stubs": given.get("stubs", {}),
        "process_ends": True,
        "measure_gzip": target.report is not None,
    }
    for key in _SAME:
        if key in given:
            fields[key.replace("-", "_")] = given[key]
    for name in BUDGETS:
        fields[name] = given.get("budgets", {}).get(name.replace("_", "-"))
    try:
        _check_regular(target)
        fields["init_funcs"] = tuple(written(text, lambda name: _content(target.path(name))) for text in target.init)
        return Options(host=_host(target, environment), **{**fields, **overrides})
    except PreinitError as problem:
        problem.where = problem.where or target.place
        raise


def _check_regular(target: Target) -> None:
    """What a pipe holds can't be known without taking it away: a target that reads one would never seem to change."""
    for path in (target.input, *target.preloads.values()):
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 - these never raise
            raise InputError(f"{shown(path)!r} is no regular file", hint="Name one: its content tells what changed.")


#: Keys that are fields of `Options` or `Host`, but for `-` and `_`.
_SAME = (
    *("keep-init-func", "imports", "layout", "engine", "compiler", "cache", "timeout", "max-memory"),
    *("audit", "scrub-stack", "strict"),
)
_SAME_IN_HOST = ("args", "writable", "file-times", "wasi", "quiet", "max-output")


def _host(target: Target, environment: Mapping[str, str]) -> Host:
    given = target.host
    kind, seed = random(given.get("random", "seed:0"), "random")
    if given.get("writable") and not given.get("dirs"):
        raise UsageError(
            "no folder is given that could be written", hint="Give one in `dirs`, or leave out `writable`."
        )
    fields = {key.replace("-", "_"): given[key] for key in _SAME_IN_HOST if key in given}
    return Host(
        env=_environment(given, environment),
        dirs=tuple((os.fspath(folder), guest) for folder, guest in target.dirs.items()),
        stdin=_content(target.stdin) if target.stdin else b"",
        seed=seed,
        random=kind,  # type: ignore[arg-type]
        clock=clock(given.get("clock"), "clock", environment),  # type: ignore[arg-type]
        public_env=tuple(given.get("env", {})),
        **fields,
    )


def _environment(given: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What is inherited, then what the file says."""
    wanted = given.get("inherit-env", ())
    inherited = sorted(environment) if wanted is True else wanted or ()
    missing = next((name for name in inherited if name not in environment), None)
    if missing is not None:
        raise UsageError(
            f"there is no environment variable {quoted(missing)} to pass on",
            hint="Set it, give it a value in `env`, or leave it out of `inherit-env`.",
        )
    return tuple({**{name: environment[name] for name in inherited}, **given.get("env", {})}.items())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(
            f"the file {shown(path)!r} can't be read: {problem.strerror}",
            hint="Name a file that exists and that you may read.",
        ) from problem
