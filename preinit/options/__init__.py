"""What a build depends on: `Options`, `Host`, calls with data, and how users write all of that."""

from __future__ import annotations

from .build import (
    BUDGETS,
    COMPILERS,
    DEFAULT_INITIALIZERS,
    DEFAULT_MAX_MEMORY,
    ENGINES,
    IMPORTS,
    LATE,
    LAYOUTS,
    Compiler,
    Engine,
    Imports,
    KeepInitFunc,
    Late,
    Layout,
    Options,
)
from .host import DEFAULT_MAX_OUTPUT, FILE_TIMES, LATEST_SECOND, FileTimes, Host

__all__ = [
    "BUDGETS",
    "COMPILERS",
    "DEFAULT_INITIALIZERS",
    "DEFAULT_MAX_MEMORY",
    "DEFAULT_MAX_OUTPUT",
    "ENGINES",
    "FILE_TIMES",
    "IMPORTS",
    "LATE",
    "LATEST_SECOND",
    "LAYOUTS",
    "Compiler",
    "Engine",
    "FileTimes",
    "Host",
    "Imports",
    "KeepInitFunc",
    "Late",
    "Layout",
    "Options",
]
