"""Builds real programs that are paused in a script, in two folders, on demand and as a whole: the outputs must be the
same bytes, and go on as their inputs would."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from real import FIXTURES, FOLDER

import preinit
from preinit.options import Host

#: In a generator that waits for input.
ASKED = (FIXTURES / "pausing" / "asked.py").read_text(encoding="utf-8")

CGI = """\
import sys, json, re, decimal, datetime, os, urllib.parse, html, string
table = {n: [d for d in range(1, n) if n % d == 0] for n in range(300)}
body = sys.stdin.readline()
sys.modules.pop("posix"); import posix
query = urllib.parse.parse_qs(posix.environ.get(b"QUERY_STRING", b"").decode())
print(len(table), query, html.escape(body.strip()), flush=True)
"""

NUMPY = """\
import sys
import numpy
table = numpy.arange(12).reshape(3, 4) @ numpy.ones((4, 2))
line = sys.stdin.readline()
print(line.strip(), table.sum() * len(line), numpy.linalg.norm(table))
"""

TABLE = """\
let table = {}; for (let i = 0; i < 20000; i++) table["k" + i] = i * i;
let line = std.in.getline();
print(line, Object.keys(table).length, std.getenv("QUERY_STRING"));
"""


class Program(NamedTuple):
    """A module, and a script of it. `run`: the export that runs the script; `lib`: its library, host and guest.

    `before`: what is run before that.
    """

    module: str
    script: str
    args: tuple[str, ...]
    run: str = "_start"
    before: tuple[str, ...] = ()
    lib: tuple[str, str] | None = None


PROGRAMS = {
    "python": Program("python/python.wasm", CGI, ("python", "/app/script")),
    "qjs": Program("qjs/quickjs.wasm", TABLE, ("qjs", "--std", "/app/script")),
    "micropython": Program("micropython/micropython.wasm", ASKED, ("micropython", "/app/script")),
    "cpython": Program(
        *("cpython/python.wasm", NUMPY, ("python", "/app/script"), "run"),
        *(("wizer.initialize",), ("cpython/lib", "/usr/local/lib")),
    ),
}
INPUTS = (b"hello\nagain\n", b"", b"<one line & no end>")


def check(name: str, program: Program) -> bool:
    digests: dict[str, list[str]] = {}
    output = b""
    with tempfile.TemporaryDirectory() as folder:
        for place in ("a", "another/folder"):
            app = Path(folder) / place / "app"
            app.mkdir(parents=True)
            (app / "script").write_text(program.script)
            module = app.parent / "program.wasm"
            shutil.copyfile(FOLDER / program.module, module)
            dirs = {str(FOLDER / program.lib[0]): program.lib[1]} if program.lib else {}
            dirs[str(app)] = "/app"
            given = {"pause_at": "stdin", "args": program.args, "dirs": dirs, "cache": False}
            if program.run != "_start":
                given["init_funcs"] = (*program.before, program.run)
            for engine in ("ondemand", "whole"):
                begun = time.perf_counter()
                output = preinit.build(module, engine=engine, **given).wasm
                digest = hashlib.sha256(output).hexdigest()
                digests.setdefault(digest, []).append(f"{place}, {engine}")
                print(f"{name} in {place}, {engine}: {digest[:16]}, {time.perf_counter() - begun:.1f} s", flush=True)
        host = Host(args=program.args, dirs=dirs, env={"QUERY_STRING": "name=ada"} if program.run == "_start" else {})
        more = {"call_host": host, "call_stdins": INPUTS, "call_timeout": 600}
        calls = {"run": True} if program.run == "_start" else {"calls": (program.run,)}
        try:
            found = preinit.verify(module, output, **calls, **more, **given)
            print(f"{name}: goes on as its input does: {', '.join(call.outcome for call in found.calls)}", flush=True)
            alike = all(call.outcome in ("returned", "trapped") for call in found.calls)
        except preinit.PreinitError as problem:
            print(f"{name}: {problem}")
            alike = False
    if len(digests) > 1:
        print(f"{name}: the outputs differ: {digests}")
    return alike and len(digests) == 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/check_pauses", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"all if left out: {', '.join(PROGRAMS)}")
    names = parser.parse_args().names or list(PROGRAMS)
    if unknown := [name for name in names if name not in PROGRAMS]:
        parser.error(f"there is nothing called {unknown[0]!r}; one of {', '.join(PROGRAMS)}")
    if missing := [name for name in names if not (FOLDER / PROGRAMS[name].module).exists()]:
        sys.exit(f"scripts/fetch_real {' '.join(missing)} fetches what is missing")
    results = [check(name, PROGRAMS[name]) for name in names]
    print(f"{results.count(True)} programs as they should be, {results.count(False)} not")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
