"""Modules that `wasm-tools smith` makes from random bytes."""

from __future__ import annotations

import random
import subprocess

from preinit import errors
from preinit.binary.module import parse
from preinit.binary.sections import ExternKind
from preinit.binary.types import F32, F64, I32, I64
from preinit.passes.parse.text import wasm_tools

EVERYTHING = [
    f"--{name}-enabled={str(name != 'compact-imports').lower()}"
    for name in (
        "compact-imports",
        *("simd", "relaxed-simd", "bulk-memory", "multi-value", "reference-types", "exceptions", "gc", "tail-call"),
        *("threads", "memory64", "custom-page-sizes", "wide-arithmetic", "extended-const"),
        *("saturating-float-to-int", "sign-extension-ops"),
    )
]


SMITH = {
    "plain": {"gc-enabled": False, "max-imports": 0, "max-memories": 2, "min-memories": 1, "min-data-segments": 1},
    "many proposals": {
        "max-imports": 0,
        "min-memories": 1,
        "max-memories": 3,
        "min-uleb-size": 3,
        "gc-enabled": False,
        "memory64-enabled": True,
        "simd-enabled": True,
        "relaxed-simd-enabled": True,
        "tail-call-enabled": True,
        "exceptions-enabled": True,
        "reference-types-enabled": True,
        "bulk-memory-enabled": True,
        "multi-value-enabled": True,
        "extended-const-enabled": True,
        "threads-enabled": True,
        "custom-page-sizes-enabled": True,
        "wide-arithmetic-enabled": True,
    },
    "collected types": {"max-imports": 0, "gc-enabled": True, "reference-types-enabled": True, "max-types": 12},
}


#: What a random module may rightly be refused for.
FAIR = (
    errors.InitializerFailed,
    errors.ImportedState,
    errors.UnsupportedState,
    errors.NoInitializer,
    errors.InitializerType,
    errors.UnknownExport,
)


def smith(seed: int, config: dict[str, object]) -> bytes | None:
    """A valid module made from a seed; None where the seed gives none."""
    source = random.Random(seed).randbytes(6000)
    options = {
        "export-everything": True,
        "disallow-traps": True,
        "min-funcs": 4,
        "min-globals": 2,
        "max-memory32-bytes": 1 << 20,
        **config,
    }
    options |= {
        "max-memory64-bytes": 1 << 20,
        "max-table-elements": 100,
        "allow-start-export": True,
    }
    arguments = [f"--{name}={str(value).lower()}" for name, value in options.items()]
    command = [wasm_tools(), "smith", "--ensure-termination", "--fuel", "1000", *arguments]
    done = subprocess.run(command, input=source, capture_output=True, check=False)
    if done.returncode not in (0, 2):
        raise AssertionError(done.stderr.decode())
    return done.stdout if done.returncode == 0 else None


def callable_exports(binary: bytes) -> list[str]:
    """Exported functions with number parameters, with zeros as arguments."""
    module = parse(binary)
    result = []
    for export in module.exports:
        if export.kind == ExternKind.FUNC:
            function_type = module.function_type(export.target)
            if function_type and all(t in (I32, I64, F32, F64) for t in function_type.params):
                arguments = ",".join("0" for _ in function_type.params)
                result.append(f"{export.name}({arguments})" if arguments else export.name)
    return result
