"""A line for each build of a fixed set of modules: its name, its options, and the SHA-256 of its output or its error.

The set: all fixtures, the shapes of state, modules of `wasm-tools smith`, and real modules that have been fetched.
Run it on two revisions and compare what it prints: a change that only moves code around changes no line.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from real import FIXTURES, real_modules

import preinit
from preinit.options import LAYOUTS
from preinit.passes.parse.text import parse_text, wasm_tools

ENGINES = ("whole", "ondemand")

#: Seed -> what the generator may use: bytes of the seed are what it makes a module of.
GENERATED = 150
SMITH = ("--gc-enabled", "false", "--max-imports", "0", "--max-memories", "2", "--min-exports", "1")

Build = tuple[str, bytes | str, dict[str, Any]]


def fixtures() -> Iterator[Build]:
    for path in sorted(FIXTURES.glob("*/*.wasm")):
        data = path.read_bytes()
        exported = "preinit_initialize" if b"preinit_initialize" in data else ""
        fields: dict[str, Any] = {} if exported else {"init_funcs": []}
        yield f"{path.parent.name}/{path.name}", data, fields
        yield f"{path.parent.name}/{path.name} scrub", data, {**fields, "scrub_stack": True}
    for path in sorted(FIXTURES.glob("shapes/*.wat")):
        data = parse_text(path.read_bytes())
        for imports in ("keep", "define", "restore"):
            yield f"shape {path.stem} {imports}", data, {"imports": imports}
        yield f"shape {path.stem} noop", data, {"keep_init_func": "noop"}


def generated() -> Iterator[Build]:
    source = random.Random(1)
    for number in range(GENERATED):
        seed = source.randbytes(source.choice((500, 2000, 8000)))
        done = subprocess.run([wasm_tools(), "smith", *SMITH], input=seed, capture_output=True, check=False)
        if done.returncode == 0:
            yield f"generated {number}", done.stdout, {"init_funcs": [], "timeout": 20}


def real() -> Iterator[Build]:
    for module in real_modules():
        fields = {"init_funcs": module.init_funcs, "host": preinit.Host(dirs=module.dirs)}
        yield f"real {module.name}", module.path, fields


def line(name: str, wasm: bytes | str, fields: dict[str, Any]) -> str:
    try:
        said = hashlib.sha256(preinit.build(wasm, cache=False, **fields).wasm).hexdigest()
    except preinit.PreinitError as problem:
        said = f"{problem.code}: {problem.what}"
    told = " ".join(f"{key}={fields[key]}" for key in ("engine", "layout"))
    return f"{name} {told} {said}"


def main() -> None:
    for name, wasm, fields in (*fixtures(), *generated()):
        for engine in ENGINES:
            print(line(name, wasm, {**fields, "engine": engine, "layout": "balanced"}), flush=True)
        for layout in LAYOUTS[1:]:
            print(line(name, wasm, {**fields, "engine": "auto", "layout": layout}), flush=True)
    if "--real" in sys.argv[1:]:
        for name, path, fields in real():
            for engine in ENGINES:
                print(line(name, path, {**fields, "engine": engine, "layout": "balanced"}), flush=True)


if __name__ == "__main__":
    main()
