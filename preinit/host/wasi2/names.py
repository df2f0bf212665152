"""Names of what a component imports."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ...engine.component.handles import ResourceType

#: Versions that are one and the same: https://github.com/WebAssembly/WASI/blob/main/docs/ReleaseProcess.md
_WASI = re.compile(r"(wasi:[^@]*)@0\.2\.[0-9]+.*")


def plain(interface: str) -> str:
    """An interface's name, of WASI 0.2 without the version."""
    match = _WASI.fullmatch(interface)
    return match[1] if match else interface


def title(interface: str, name: str) -> str:
    """A function of an interface, for messages and reports."""
    return f"{plain(interface)}#{name}" if interface else name


class Names:
    """Provides imports of which nothing is called: for who only goes through a component."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str], ResourceType] = {}
        self._declared = 0

    def function(self, interface: str, name: str) -> Callable[..., Any]:
        def nothing(*_values: Any) -> Any:
            raise AssertionError(f"{title(interface, name)} is not provided")

        return nothing

    def resource(self, interface: str, name: str) -> ResourceType:
        key = plain(interface), name
        if key not in self._resources:
            self._resources[key] = self._new_resource(*key)
        return self._resources[key]

    def _new_resource(self, _interface: str, name: str) -> ResourceType:
        return ResourceType(name, None)

    def declared(self) -> int:
        self._declared += 1
        return self._declared
