"""preinit runs a WebAssembly module's initializer at build time and writes a module that starts where it ended.

result = preinit.build("engine.wasm", init_funcs=["initialize-runtime"])
Path("ready.wasm").write_bytes(result.wasm)
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; importing typing would take longer than all the rest
if TYPE_CHECKING:
    from typing import Any

    from . import bench as bench
    from . import errors as errors
    from .errors import Frame, PreinitError
    from .host.functions import Guest
    from .inspection import ComponentInspection, Inspection, inspect
    from .node import capture
    from .options import Host, Options
    from .options.calls import Call, Returned, Word, argv, strings
    from .passes.builder import Builder
    from .passes.observer import Event
    from .passes.pipeline import build
    from .result import BuildWarning, Report, Result
    from .verification import Verification, verify
    from .version import VERSION as __version__

_HOMES = {
    "Builder": "passes.builder",
    "Call": "options.calls",
    "ComponentInspection": "inspection",
    "Event": "passes.observer",
    "Frame": "errors",
    "Guest": "host.functions",
    "Host": "options",
    "Inspection": "inspection",
    "Options": "options",
    "PreinitError": "errors",
    "Report": "result",
    "Result": "result",
    "Returned": "options.calls",
    "Verification": "verification",
    "BuildWarning": "result",
    "Word": "options.calls",
    "argv": "options.calls",
    "build": "passes.pipeline",
    "capture": "node",
    "inspect": "inspection",
    "strings": "options.calls",
    "verify": "verification",
}

__all__ = [
    "BuildWarning",
    "Builder",
    "Call",
    "ComponentInspection",
    "Event",
    "Frame",
    "Guest",
    "Host",
    "Inspection",
    "Options",
    "PreinitError",
    "Report",
    "Result",
    "Returned",
    "Verification",
    "Word",
    "__version__",
    "argv",
    "build",
    "capture",
    "inspect",
    "strings",
    "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imports on first use (PEP 562): importing the engine takes longer than starting Python."""
    from importlib import import_module

    if name == "__version__":
        return import_module(".version", __name__).VERSION
    if name in ("bench", "errors"):
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(import_module("." + _HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
