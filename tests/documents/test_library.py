"""The page of the library: its program uses the whole public API, and type checkers have nothing to say against it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import preinit
from preinit import errors
from tests.support.pages import blocks
from tests.support.places import ROOT

PAGE = ROOT / "docs/library.md"

#: Mistakes in calls, each with what a type checker calls it. Where it finds none, the comment itself is an error.
WRONG = """
import preinit
from preinit import bench

preinit.build("engine.wasm", init_func=["start"])  # type: ignore[call-arg]
preinit.build("engine.wasm", layout="small")  # type: ignore[arg-type]
preinit.build(b"", dirs=["lib"])  # type: ignore[list-item]
preinit.build(12)  # type: ignore[arg-type]
preinit.Builder("engine.wasm").build(random=7)  # type: ignore[arg-type]
preinit.Options(engine="fast")  # type: ignore[arg-type]
preinit.Host(stdout="out.txt")  # type: ignore[arg-type]
preinit.Call("load", {})  # type: ignore[arg-type]
preinit.verify("in.wasm", "out.wasm", timeout="long")  # type: ignore[arg-type]
bench.measure("in.wasm", "out.wasm", rounds="many")  # type: ignore[arg-type]
preinit.build("engine.wasm").report.output.bytes  # type: ignore[attr-defined]
"""

#: What users have in their hands: paths, mappings, sequences, numbers with and without units.
RIGHT = """
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import preinit


def build(folders: dict[Path, str], names: dict[str | Path, str], calls: Sequence[str | preinit.Call], pairs: list[tuple[str, str]]) -> bytes:
    host = preinit.Host(env=os.environ, dirs=folders, args=["tool"], clock="host")
    options = preinit.Options(init_funcs=calls, host=host, stubs=pairs, max_memory="64MiB", timeout=1.5)
    preinit.build(Path("in.wasm"), init_funcs=["one"], preloads={"env": Path("env.wasm")}, max_memory=1 << 20)
    preinit.build(bytes(8), dirs=names, env={"LANG": "C"}, import_globals={"env.base": 1024})
    return preinit.build(bytes(8), options).wasm
"""


def program() -> str:
    (found,) = (block.text for block in blocks(PAGE) if block.language == "python" and block.first == "# program.py")
    return found


def names_of(text: str, module: str) -> set[str]:
    """What a program takes from a module."""
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == module}


def test_the_program_uses_the_whole_public_api() -> None:
    used = names_of(program(), "preinit")
    assert used == set(preinit.__all__)
    assert names_of(program(), "bench") == {"measure"}
    assert names_of(program(), "errors") <= set(errors.__all__)
    assert {"write", "to_json", "from_json", "to_thread"} <= set(re.findall(r"\.(\w+)\b", program()))


def test_the_program_is_short() -> None:
    assert len(program().splitlines()) <= 81


def test_every_public_name_is_in_the_table() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Names")[2].partition("\n## ")[0]
    assert set(re.findall(r"`preinit\.(\w+)", table)) == {*preinit.__all__, "bench", "errors"}


def test_users_files_pass_a_strict_type_checker(tmp_path: Path) -> None:
    """Outside of the repository, where the package is found as an installed one is: by its py.typed."""
    for name, text in (("program", program()), ("wrong", WRONG), ("right", RIGHT)):
        (tmp_path / f"{name}.py").write_text(text)
    clean = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "program.py", "wrong.py", "right.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**clean, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
