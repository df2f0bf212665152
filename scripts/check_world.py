"""Whether programs in many languages see the environment and the arguments of their instance, and nothing else's: in
wasmtime, in Node, and served.

Environments of 0, 1 and 200 variables, small ones and of 100 KiB each; arguments of three sizes; then requests to a
server, from four clients at the same time, each with variables of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from real import FIXTURES, FOLDER, is_installed

from preinit import Call, Result, build, strings
from preinit.serve.application import Application
from preinit.serve.settings import Settings
from tests.support.serving import served
from tests.support.worlds import NODE, in_node, in_wasmtime

#: Variables, and bytes of each.
ENVIRONMENTS = ((0, 0), (1, 1), (1, 100 << 10), (200, 20), (200, 100 << 10))
#: Bytes of the last argument.
SIZES = (1, 5000, 100 << 10)
#: Room for the largest ones. An environment of 128 KiB has room in any output; tests have such.
ROOM = "21MiB"
CLIENTS = 4
_PREFIX = "HTTP_NAME_"  # a request brings it as a header
_LINE = b"a line\n"

Variables = Mapping[str, str]
Run = Callable[["Program", Variables, Sequence[str]], str]


class Program(NamedTuple):
    """An output that prints its variables as lines, `NAME=value`, behind a CGI header; and its arguments, `arg VALUE`,
    if it takes as many `arguments` as the build had. `client`: what runs it in Node, if not Node's WASI alone."""

    name: str
    output: Result
    dirs: tuple[tuple[str, str], ...] = ()
    arguments: int = 0
    client: Callable[[Path, Variables], str] | None = None
    only: str = ""  # one variable that it prints instead of all


# -- programs ----------------------------------------------------------------------------------------------------------


def reactors() -> Iterator[tuple[str, Callable[[Path], Program]]]:
    """Fixtures whose entry `answer` says what they see."""
    for name, file in (("C", "world"), ("C++", "plus"), ("Rust", "rust"), ("Zig", "zig")):

        def made(folder: Path, name: str = name, file: str = file) -> Program:
            options: dict[str, Any] = {
                "env": {"LEVEL": "3"},
                "rename_funcs": {"_start": "answer"},
                "late": ["env"],
                "late_room": ROOM,
            }
            return Program(name, build(FIXTURES / f"world/{file}.wasm", **options))

        yield name, made


def commands() -> Iterator[tuple[str, Callable[[Path], Program]]]:
    """Commands that are paused in `main`; C's is the same in C++, byte for byte."""
    for name, file in (("C-paused", "command"), ("Zig-paused", "command-zig")):

        def made(folder: Path, name: str = name, file: str = file) -> Program:
            module = FIXTURES / f"world/{file}.wasm"
            options: dict[str, Any] = {
                "pause_at": "stdin",
                "args": ["p", "build's"],
                "env": {"LEVEL": "3"},
                "late_room": ROOM,
            }
            return Program(name, build(module, **options), arguments=2)

        yield name, made


def rust_arguments(folder: Path) -> Program:
    options: dict[str, Any] = {
        "late": ["args"],
        "args": ["p", "build's"],
        "rename_funcs": {"_start": "arguments"},
        "late_room": ROOM,
    }
    return Program("Rust-args", build(FIXTURES / "world/rust.wasm", **options), arguments=2, only="-")


def go(folder: Path) -> Program:
    module = gzip.decompress((FIXTURES / "go/index.wasm.gz").read_bytes())
    output = build(module, init_funcs=["prepare"], rename_funcs={"_start": "answer"})
    return Program("Go", output, only="QUERY_STRING")


def perl(folder: Path) -> Program:
    shutil.copytree(FIXTURES / "perl", folder / "perl")
    (folder / "perl/app/all.pl").write_text(
        "use lib '/app'; use Instance;\n"
        'sub run { Instance::environment(); local $| = 1; print "Content-Type: text/plain\\n\\n";'
        ' print "$_=$ENV{$_}\\n" for keys %ENV }\n1;\n'
    )
    dirs = ((str(folder / "perl"), "/"),)
    calls = Call("zeroperl_init", returns=0), Call("zeroperl_eval", "require q(/app/all.pl)", 0, 0, 0, returns=0)
    entry = Call("zeroperl_eval", "main::run()", 0, 0, 0, returns=0)
    options: dict[str, Any] = {
        "init_funcs": calls,
        "rename_funcs": {"_start": entry},
        "late": ["env"],
        "dirs": dirs,
        "late_room": ROOM,
    }
    return Program("Perl", build(FOLDER / "perl/zeroperl.wasm", **options), dirs)


_RUBY = "ruby-init: func(args: list<string>) -> ()"
_EVAL = "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>"
_SCRIPT = b"""$stdout.sync = true
print "Content-Type: text/plain\\n\\n", ENV.map { |name, value| "#{name}=#{value}\\n" }.join
exit!(true)"""


def ruby(folder: Path) -> Program:
    options: dict[str, Any] = {
        "init_funcs": [Call(_RUBY, strings("ruby\0", "-EUTF-8\0", "-e_=0\0"))],
        "late": ["env"],
        "late_room": ROOM,
    }
    module = FOLDER / "ruby34/ruby.wasm"
    ready = build(module, **options, keep_init_func="noop")
    ready.write(folder / "ruby.wasm")
    output = build(module, **options, rename_funcs={"_start": Call(_EVAL, _SCRIPT)})
    return Program("Ruby", output, client=_ruby_client if is_installed("ruby-client") else None)


def _ruby_client(folder: Path, variables: Variables) -> str:
    """What Ruby sees in its own client."""
    script = Path(__file__).resolve().parent.parent / "tests/real/ruby.mjs"
    expression = 'ENV.map { |name, value| "#{name}=#{value}\\n" }.join'
    command = [*NODE, str(script), str(folder / "ruby.wasm"), str(FOLDER / "ruby-client"), expression]
    done = subprocess.run(command, input=json.dumps([dict(variables)]), capture_output=True, text=True, check=True)
    return "\n\n" + json.loads(done.stdout)[0]


def quickjs(folder: Path) -> Program:
    (folder / "app").mkdir()
    (folder / "app/all.js").write_text(
        'std.in.getline(); print("Content-Type: text/plain\\n"); let all = std.getenviron();\n'
        "for (let name in all) print(name + '=' + std.getenv(name)); print('arg ' + scriptArgs.join(' '));\n"
    )
    dirs = ((str(folder / "app"), "/app"),)
    options: dict[str, Any] = {
        "pause_at": "stdin",
        "args": ["qjs", "--std", "/app/all.js"],
        "dirs": dict(dirs),
        "late_room": ROOM,
    }
    return Program("QuickJS", build(FOLDER / "qjs/quickjs.wasm", **options), dirs)


def programs() -> dict[str, Callable[[Path], Program]]:
    found = {**dict(reactors()), **dict(commands()), "Rust-args": rust_arguments, "Go": go}
    return {**found, "Perl": perl, "Ruby": ruby, "QuickJS": quickjs}


# -- hosts -------------------------------------------------------------------------------------------------------------


def wasmtime(program: Program, variables: Variables, arguments: Sequence[str]) -> str:
    return in_wasmtime(program.output.wasm, variables, arguments, dirs=program.dirs, stdin=_LINE)


def node(program: Program, variables: Variables, arguments: Sequence[str]) -> str:
    return in_node(program.output.wasm, variables, arguments, dirs=program.dirs, stdin=_LINE)


class Serving:
    """`preinit serve`'s application, without HTTP, whose headers have limits of their own."""

    def __init__(self) -> None:
        self._kept: tuple[object, Application] | None = None

    def __call__(self, program: Program, variables: Variables, arguments: Sequence[str]) -> str:
        import io

        key = program.output, tuple(arguments)
        if self._kept is None or self._kept[0] != key:
            self.close()
            settings = Settings(
                args=arguments,
                dirs=program.dirs,
                compiler="winch",
                max_output=64 << 20,
                max_memory=1 << 30,
                timeout=120,
            )
            self._kept = key, Application(program.output.wasm, settings)
        environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(_LINE)), "wsgi.input": io.BytesIO(_LINE)}
        said: list[str] = []
        body = b"".join(self._kept[1]({**environ, **variables}, lambda status, fields: said.append(status)))
        return "\n\n" + body.decode() if said == ["200 OK"] else f"{said}: {body[:200]!r}"

    def close(self) -> None:
        if self._kept:
            self._kept[1].close()
        self._kept = None


# -- what they see -----------------------------------------------------------------------------------------------------


def environment(program: Program, number: int, size: int) -> dict[str, str]:
    variables = {f"{_PREFIX}{i}": chr(97 + i % 26) * size for i in range(number)}
    if program.only and number:
        variables[program.only] = variables.pop(f"{_PREFIX}0")
    return variables


def arguments_of(program: Program, size: int) -> list[str]:
    """As many as the build had. QuickJS takes the path of its script from the second on: it has read that."""
    if program.name == "QuickJS":
        return ["qjs", "--std", "/app/all.js"]
    return ["own", "y" * size][: program.arguments]


def sees(program: Program, said: str, variables: Variables, cgi: bool) -> bool:
    """Whether it said what it was given, and nothing of the build; `cgi`: it was given more than that."""
    if program.only == "QUERY_STRING":
        return said.partition("\n\n")[2].startswith(f"{variables.get('QUERY_STRING', '')}: ")
    found = dict(line.split("=", 1) for line in said.partition("\n\n")[2].splitlines() if "=" in line)
    if "LEVEL" in found or "PREINIT_LATE" in found:
        return False
    if cgi:
        found = {name: value for name, value in found.items() if name.startswith(_PREFIX)}
    return found == dict(variables)


def check(program: Program, folder: Path, hosts: Mapping[str, Run]) -> Iterator[tuple[str, str]]:
    """What was looked at, and what is wrong."""
    if program.only != "-":
        for number, size in ENVIRONMENTS:
            variables = environment(program, number, size)
            for host, run in hosts.items():
                said = run(program, variables, arguments_of(program, 1))
                right = sees(program, said, variables, cgi=host == "served")
                yield f"{number} x {size} {host}", "" if right else said[:300]
            if program.client:
                said = program.client(folder, variables)
                yield f"{number} x {size} client", "" if sees(program, said, variables, False) else said[:300]
    for size in SIZES if program.arguments else ():
        arguments = arguments_of(program, size)
        for host, run in hosts.items():
            if program.name == "Rust-args" and host == "served":
                continue  # it prints no header
            lines = run(program, {}, arguments).splitlines()
            right = [line for line in lines if line in arguments] == arguments and "build's" not in lines
            yield f"arguments of {size} {host}", "" if right else "\n".join(lines)[:300]


def many(program: Program, requests: int, folder: Path) -> Iterator[tuple[str, str]]:
    """Requests at the same time, each with variables of its own."""
    path = folder / "served.wasm"
    program.output.write(path)
    more = [part for host, guest in program.dirs for part in ("--dir", f"{host}::{guest}")]
    more += [part for argument in arguments_of(program, 1) for part in ("--arg", argument)]
    with served(path, "--compiler", "winch", *more) as server:

        def ask(number: int) -> str:
            own = {f"{_PREFIX}{number}": "x" * (number * 7 % 500), f"{_PREFIX}ALL": str(number)}
            headers = {name.removeprefix("HTTP_").replace("_", "-"): value for name, value in own.items()}
            status, _, body = server.ask(f"/?request={number}", "POST", _LINE, headers)
            said = body.decode()
            if program.only == "QUERY_STRING":
                return "" if said.startswith(f"request={number}: ") else said
            right = status == 200 and f"QUERY_STRING=request={number}" in said.splitlines()
            return "" if right and sees(program, "\n\n" + said, own, True) else f"{status}: {said[:300]}"

        with ThreadPoolExecutor(CLIENTS) as pool:
            wrong = [told for told in pool.map(ask, range(requests)) if told]
        yield f"{requests} requests", f"{len(wrong)} wrong: {wrong[0]}" if wrong else ""


def main() -> None:
    known = programs()
    parser = argparse.ArgumentParser(prog="scripts/check_world", description=__doc__)
    parser.add_argument("programs", metavar="PROGRAM", nargs="*", help=f"all if left out: {', '.join(known)}")
    parser.add_argument("--requests", type=int, default=1000, metavar="N", help="to each, served; 1000 if left out")
    given = parser.parse_args()
    if unknown := [name for name in given.programs if name not in known]:
        parser.error(f"there is no program {unknown[0]!r}: one of {', '.join(known)}")
    serving = Serving()
    hosts: dict[str, Run] = {"wasmtime": wasmtime, "node": node, "served": serving}
    failed = 0
    for name in given.programs or known:
        started, done, wrong = time.perf_counter(), 0, []
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            program = known[name](folder)
            for what, problem in (*check(program, folder, hosts), *many_of(program, given.requests, folder)):
                done += 1
                if problem:
                    wrong.append(what)
                    print(f"{name}, {what}: {problem}", flush=True)
            serving.close()
        facts = program.output.report.late
        bound = f"environment {facts.environment}, arguments {facts.arguments}" if facts else "not late"
        failed += len(wrong)
        seconds = time.perf_counter() - started
        print(f"{name}: {done - len(wrong)} of {done} right ({bound}), {seconds:.0f} s", flush=True)
    sys.exit(1 if failed else 0)


def many_of(program: Program, requests: int, folder: Path) -> Iterator[tuple[str, str]]:
    if requests and program.only != "-":
        yield from many(program, requests, folder)


if __name__ == "__main__":
    main()
