"""Real components: of ComponentizeJS, whose engine has a heap of its own; of componentize-py, which are dynamic libraries
that are linked; and adapters from preview 1."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from preinit import Host, Options, Result, build, verify
from preinit.passes.parse.text import wasm_tools
from scripts.component_inputs import ANSWERS, CALL, make, path_of
from scripts.fetch_peers import PEERS_FOLDER, installed
from scripts.real import is_installed
from scripts.wizer_tools import PACKAGES, call_component
from tests.support.components import RunningComponent, validate
from tests.support.modules import wasm

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not is_installed("wizer-tools"), reason="scripts/fetch_real wizer-tools installs these packages"
    ),
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
]


@pytest.fixture(scope="module")
def shop() -> Path:
    return make("javascript")


@pytest.fixture(scope="module")
def ready(shop: Path) -> Result:
    return build(shop, Options(cache=False, init_funcs=(CALL,)))


def test_a_javascript_component_starts_with_what_its_initializer_left(ready: Result, tmp_path: Path) -> None:
    validate(ready.wasm)
    assert ready.report.runs[0].value == "ok(3)"
    output = tmp_path / "ready.wasm"
    ready.write(output)
    asked = [("ask", "tea"), ("ask", "square of 77"), ("ask", "milk")]
    assert call_component(output, tmp_path / "ready", *asked) == [4.5, 5929, None]


def test_the_same_bytes_each_time_and_from_the_cache(shop: Path, ready: Result, tmp_path: Path) -> None:
    options = Options(cache_dir=tmp_path / "cache", init_funcs=(CALL,))
    assert build(shop, options).wasm == ready.wasm
    again = build(shop, options)
    assert again.wasm == ready.wasm
    assert again.report.engine.chunks_from_cache == again.report.engine.chunks
    assert ready.report.engine.name == "ondemand"
    assert ready.report.engine.functions_compiled < ready.report.engine.functions // 5
    assert build(shop, Options(cache=False, init_funcs=(CALL,), engine="whole")).wasm == ready.wasm


@pytest.mark.skipif(not path_of("python").exists(), reason="scripts/bench_components makes this component: 10 s of CPU")
@pytest.mark.skipif(not installed("wasmtime"), reason="scripts/fetch_peers wasmtime installs this program")
def test_a_python_component_is_initialized_in_linked_modules_and_answers_in_wasmtime(tmp_path: Path) -> None:
    result = build(path_of("python"), Options(cache=False, init_funcs=(CALL,)))
    assert result.report.runs[0].value == "ok(3)"
    engine = result.report.engine
    assert engine.name == "ondemand"
    assert engine.functions_compiled < engine.functions // 5
    output = tmp_path / "ready.wasm"
    result.write(output)
    command = [PEERS_FOLDER / "wasmtime", "run", "-C", "compiler=winch", "--invoke", 'ask("square of 77")', output]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ANSWERS["square of 77"]


def test_an_error_that_javascript_throws_fails_the_build_with_its_message(shop: Path) -> None:
    with pytest.raises(Exception, match="no items"):
        build(shop, Options(cache=False, init_funcs=("prepare([], 1)",)))


#: A program of preview 1: prints, reads a file, and takes random numbers; its `get` prints again.
PROGRAM = r"""(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\10\00\00\00\06\00\00\00hello\n") (data (i32.const 40) "note.txt")
  (func $print (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0))))
  (func (export "init") (call $print) (i32.store (i32.const 100) (i32.const 77))
    (drop (call $random (i32.const 160) (i32.const 8)))
    (if (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 40) (i32.const 8) (i32.const 0) (i64.const 2)
                             (i64.const 2) (i32.const 0) (i32.const 224))) (then
      (i32.store (i32.const 228) (i32.const 300)) (i32.store (i32.const 232) (i32.const 50))
      (drop (call $read (i32.load (i32.const 224)) (i32.const 228) (i32.const 1) (i32.const 236)))
      (drop (call $close (i32.load (i32.const 224)))))))
  (func (export "get") (result i32) (call $print) (i32.load (i32.const 100)))
  (func (export "file") (result i32)
    (i32.store (i32.const 400) (i32.const 300)) (i32.store (i32.const 404) (i32.load (i32.const 236))) (i32.const 400))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (i32.mul (i32.const 65536) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get 3) (i32.const 16)))))))"""
PROGRAM_WORLD = (
    "package a:b; world w { export init: func(); export get: func() -> u32; export file: func() -> string; }"
)


def with_adapter(folder: Path, program: str, world: str) -> bytes:
    """A program as a component, with the adapter that comes with jco."""
    adapter = PACKAGES / "@bytecodealliance/jco/lib/wasi_snapshot_preview1.reactor.wasm"
    (folder / "world.wit").write_text(world)
    (folder / "core.wasm").write_bytes(wasm(program))

    def tool(*arguments: str | Path) -> None:
        subprocess.run([wasm_tools(), "component", *map(str, arguments)], check=True, cwd=folder)

    tool("embed", "world.wit", "core.wasm", "-o", "embedded.wasm")
    tool("new", "embedded.wasm", "--adapt", f"wasi_snapshot_preview1={adapter}", "-o", "component.wasm")
    return (folder / "component.wasm").read_bytes()


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return with_adapter(tmp_path_factory.mktemp("adapted"), PROGRAM, PROGRAM_WORLD)


#: One that sets no memory aside for others: its adapter grows the memory when it starts.
SMALL = r"""(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2) (global $n (mut i32) (i32.const 0))
  (data (i32.const 8) "\10\00\00\00\06\00\00\00hello\n")
  (func $print (result i32) (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
  (func (export "init") (drop (call $print)) (global.set $n (i32.const 5)))
  (func (export "get") (result i32) (i32.add (call $print) (global.get $n))))"""


def test_a_program_that_exports_no_realloc_prints_again_too(tmp_path: Path) -> None:
    world = "package a:b; world w { export init: func(); export get: func() -> u32; }"
    component = with_adapter(tmp_path, SMALL, world)
    result = build(component, Options(cache=False, init_funcs=("init",), strict=True, host=Host(quiet_guest=True)))
    running = RunningComponent(result.wasm, wasi=True)
    assert [running.call("get"), running.call("get")] == [5, 5]
    assert verify(component, result.wasm, init_funcs=["init"], calls=["get"]).calls[0].outcome == "returned"


def test_a_program_with_an_adapter_prints_again_after_it_printed_at_build_time(adapted: bytes, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("a note")
    said: list[bytes] = []
    host = Host(dirs={str(tmp_path): "/data"}, stdout=said.append)
    result = build(adapted, Options(cache=False, init_funcs=("init",), host=host))
    validate(result.wasm)
    assert b"".join(said) == b"hello\n"
    running = RunningComponent(result.wasm, wasi=True)
    assert [running.call("get"), running.call("get"), running.call("file")] == [77, 77, "a note"]
    facts = result.report.component
    assert facts is not None
    assert sorted(one.state for one in facts.instances) == ["pristine", "unchanged", "unchanged", "written"]
    assert facts.handles == ()
    assert {warning.code for warning in result.report.warnings} == {"entropy-frozen", "folders-frozen"}


def test_a_program_that_only_prints_is_accepted_by_a_strict_build(adapted: bytes) -> None:
    strict = Options(cache=False, init_funcs=("get",), strict=True, host=Host(quiet_guest=True))
    assert RunningComponent(build(adapted, strict).wasm, wasi=True).call("file") == ""


#: Answers each request with the status that its initializer was given.
SERVER = """(module
  (import "wasi:http/types@0.2.12" "[resource-drop]incoming-request" (func $drop (param i32)))
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-response.set-status-code"
    (func $status (param i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "init") (param i32) (i32.store (i32.const 8) (local.get 0)))
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32) (local $answer i32)
    (call $drop (local.get $request))
    (local.set $answer (call $response (call $fields)))
    (drop (call $status (local.get $answer) (i32.load (i32.const 8))))
    (call $set (local.get $out) (i32.const 0) (local.get $answer) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0))))"""
SERVER_WORLD = """package local:web;
world web { import wasi:http/types@0.2.12; export wasi:http/incoming-handler@0.2.12; export init: func(status: u16); }"""


@pytest.mark.skipif(not installed("wasmtime"), reason="scripts/fetch_peers wasmtime installs this program")
def test_a_server_of_wasi_http_answers_with_what_its_initializer_left(tmp_path: Path) -> None:
    shutil.copytree(PACKAGES / "@bytecodealliance/jco/lib/wit/builtin/0.2.12", tmp_path / "wit/deps")
    (tmp_path / "wit/world.wit").write_text(SERVER_WORLD)
    (tmp_path / "core.wasm").write_bytes(wasm(SERVER))
    tool = [wasm_tools(), "component"]
    subprocess.run([*tool, "embed", "wit", "core.wasm", "-o", "embedded.wasm"], check=True, cwd=tmp_path)
    subprocess.run([*tool, "new", "embedded.wasm", "-o", "component.wasm"], check=True, cwd=tmp_path)
    result = build(tmp_path / "component.wasm", Options(cache=False, init_funcs=("init(418)",), strict=True))
    result.write(tmp_path / "ready.wasm")
    command = [PEERS_FOLDER / "wasmtime", "serve", "--addr", "127.0.0.1:0", tmp_path / "ready.wasm"]
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = server.stderr.readline().split()[-1]
            with pytest.raises(HTTPError) as caught:
                urlopen(address, timeout=30)
            assert caught.value.code == 418
        finally:
            server.kill()
