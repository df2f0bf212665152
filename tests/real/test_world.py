"""Runtimes of languages whose instances see their own environment: as their vendors ship them."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest
import wasmtime

from preinit import Builder, Call, Result, build, strings
from preinit.errors import LateBinding
from scripts.real import is_installed
from tests.support.places import ROOT, TESTS
from tests.support.serving import served
from tests.support.worlds import NODE, in_node, quick_engine

pytestmark = pytest.mark.real

REAL = ROOT / "fixtures/real"
PERL_FOLDER = ROOT / "fixtures/perl"
RUBY_INIT = "ruby-init: func(args: list<string>) -> ()"
RUBY_EVAL = "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>"


def fetched(name: str, file: str) -> Path:
    path = REAL / name / file
    if not path.exists():
        pytest.skip(f"scripts/fetch_real {name} fetches this module")
    return path


def perl() -> Result:
    return build(
        fetched("perl", "zeroperl.wasm"),
        init_funcs=[
            Call("zeroperl_init", returns=0),
            Call("zeroperl_eval", "require q(/app/cgi.pl)", 0, 0, 0, returns=0),
        ],
        rename_funcs={"_start": Call("zeroperl_eval", "main::run()", 0, 0, 0, returns=0)},
        late=["env"],
        late_room="2MiB",
        dirs={str(PERL_FOLDER): "/"},
        cache=False,
    )


def test_perl_answers_requests_each_with_its_own_environment(tmp_path: Path) -> None:
    result = perl()
    assert result.report.late and result.report.late.environment == "bound"
    large = {f"N{number}": "x" * 5000 for number in range(199)} | {"QUERY_STRING": "y" * 100_000}
    for variables in ({}, large):
        said = in_node(result.wasm, variables, dirs=[(str(PERL_FOLDER), "/")]).splitlines()
        assert said[2:] == [f"query {variables.get('QUERY_STRING', '')}", "20000 names"]
    result.write(tmp_path / "perl.wasm")
    with served(tmp_path / "perl.wasm", "--compiler", "winch", "--dir", f"{PERL_FOLDER}::/") as server:
        for number in range(100):
            status, _, body = server.ask(f"/?number={number}", "POST", b"content %d" % number)
            assert (status, body.decode()) == (200, f"query number={number}\n20000 names\nbody content {number}\n")


def test_go_fetches_the_environment_of_its_instance_and_can_not_be_bound(tmp_path: Path) -> None:
    module = gzip.decompress((ROOT / "fixtures/go/index.wasm.gz").read_bytes())
    with Builder(module, init_funcs=["prepare"], rename_funcs={"_start": "answer"}, cache=False) as builder:
        with pytest.raises(LateBinding, match="Go's runtime keeps its own copy") as refused:
            builder.build(late=["env"])
        result = builder.build()
    assert refused.value.hint == 'Fetch it in Go, with the function of docs/world.md, and leave `late=["env"]` out.'
    frozen = next(warning for warning in result.report.warnings if warning.code == "environment-frozen")
    assert frozen.hint.startswith("Fetch it in Go")
    for variables in ({}, {"QUERY_STRING": "word9"} | {f"N{i}": "x" * 999 for i in range(200)}):
        query = variables.get("QUERY_STRING", "")
        expected = f"Content-Type: text/plain\n\n{query}: {200 if query else 0} postings\n"
        assert in_node(result.wasm, variables) == expected
    result.write(tmp_path / "go.wasm")
    with served(tmp_path / "go.wasm", "--compiler", "winch") as server:
        for number in range(20):
            assert server.ask(f"/?word{number}")[2] == b"word%d: 200 postings\n" % number


def test_ruby_sees_the_environment_of_its_instance(tmp_path: Path) -> None:
    result = build(
        fetched("ruby34", "ruby.wasm"),
        init_funcs=[Call(RUBY_INIT, strings("ruby\0", "-EUTF-8\0", "-e_=0\0"))],
        late=["env"],
        late_room="12MiB",
        keep_init_func="noop",  # its client calls it again
        stubs={"rb-js-abi-host.rb_wasm_throw_prohibit_rewind_exception": "zero"},
    )
    assert result.report.late and result.report.late.environment == "bound"
    environments = [{f"NAME_{i}": "x" * (500 * i) for i in range(number)} for number in (0, 1, 200)]
    in_wasmtime = ruby_in_wasmtime(result.wasm, environments, tmp_path)
    assert in_wasmtime == [{name: len(value) for name, value in one.items()} for one in environments]
    if not is_installed("ruby-client"):
        pytest.skip("scripts/fetch_real ruby-client installs its client")
    result.write(tmp_path / "ruby.wasm")
    done = subprocess.run(
        [*NODE, str(TESTS / "real/ruby.mjs"), str(tmp_path / "ruby.wasm"), str(REAL / "ruby-client"),
         "ENV.map { |name, value| [name, value.size].join(' ') }.join(10.chr)"],
        input=json.dumps(environments), capture_output=True, text=True, check=True,
    )  # fmt: skip
    in_client = [dict(line.split() for line in said.splitlines()) for said in json.loads(done.stdout)]
    assert in_client == [{name: str(size) for name, size in one.items()} for one in in_wasmtime]


def ruby_in_wasmtime(binary: bytes, environments: list[dict[str, str]], folder: Path) -> list[dict[str, int]]:
    """For each environment, the variables that Ruby sees, and how long they are."""
    engine = quick_engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    code = wasmtime.Module(engine, binary)
    for entry in code.imports:
        if entry.module != "wasi_snapshot_preview1":
            assert isinstance(entry.type, wasmtime.FuncType) and entry.name is not None
            answer = (lambda *given: given[0] if given else 0) if entry.type.results else (lambda *given: None)
            linker.define_func(entry.module, entry.name, entry.type, answer)
    source = b'$stdout.sync = true; ENV.each { |name, value| puts "#{name} #{value.size}" }'
    found = []
    for variables in environments:
        store = wasmtime.Store(engine)
        wasi = wasmtime.WasiConfig()
        wasi.env = list(variables.items())
        wasi.stdout_file = str(folder / "said")
        store.set_wasi(wasi)
        exports = linker.instantiate(store, code).exports(store)
        exports["_initialize"](store)  # type: ignore[operator]
        place = exports["cabi_realloc"](store, 0, 0, 1, len(source))  # type: ignore[operator]
        exports["memory"].write(store, source, place)  # type: ignore[union-attr]
        exports[RUBY_EVAL](store, place, len(source))  # type: ignore[operator]
        said = (line.split() for line in (folder / "said").read_text().splitlines())
        found.append({name: int(size) for name, size in said})
    return found


def test_ruby_answers_requests_each_with_its_own_environment(tmp_path: Path) -> None:
    script = b"""$stdout.sync = true
print "Content-Type: text/plain\\n\\n#{ENV['QUERY_STRING']} #{ENV.keys.grep(/HTTP_X_N/).sort.join(' ')}\\n"
exit!"""
    result = build(
        fetched("ruby34", "ruby.wasm"),
        init_funcs=[Call(RUBY_INIT, strings("ruby\0", "-EUTF-8\0", "-e_=0\0"))],
        rename_funcs={"_start": Call(RUBY_EVAL, script)},
        late=["env"],
    )
    result.write(tmp_path / "ruby.wasm")
    with served(tmp_path / "ruby.wasm", "--compiler", "winch") as server:
        for number in range(100):
            status, _, body = server.ask(f"/?number={number}", headers={f"X-N-{number}": "1"})
            assert (status, body.decode()) == (200, f"number={number} HTTP_X_N_{number}\n")
