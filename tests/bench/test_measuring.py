"""Measuring a module and its output: that the right things are run, never how long they take."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from preinit import Call, Guest, Host, Options, Word, build, errors
from preinit.bench import Bench, measure
from preinit.bench.model import Times
from preinit.bench.pooled import measure_copies
from preinit.bench.sizes import sizes
from tests.support.modules import build_text, wasm
from tests.support.waiting import wait_for_guests

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="needs Node")
ENGINES = ["wasmtime", pytest.param("node", marks=needs_node)]

INIT = """(memory (export "memory") 2) (global $ready (mut i32) (i32.const 0))
  (func (export "wizer-initialize")
    (if (global.get $ready) (then (unreachable)))
    (memory.fill (i32.const 0) (i32.const 7) (i32.const 131072)) (global.set $ready (i32.const 1)))
  (func (export "ready") (result i32) (if (i32.eqz (global.get $ready)) (then (unreachable))) (global.get $ready))
  (func (export "add") (param i32 i64 f32 f64) (result i32)
    (if (i32.ne (local.get 0) (i32.const -1)) (then (unreachable)))
    (if (i64.ne (local.get 1) (i64.const 0x8000000000000000)) (then (unreachable)))
    (if (f32.ne (local.get 2) (f32.const 0.5)) (then (unreachable)))
    (if (f64.ne (local.get 3) (f64.const 1e300)) (then (unreachable))) (i32.const 0))"""
PLAIN = f"(module {INIT})"


def compared(text: str, engine: str = "wasmtime", calls: tuple[str, ...] = (), **options: object) -> Bench:
    """The measurement of a module and of its output, as short as it can be."""
    output = build_text(text, **options).wasm
    given = Options(cache=False, **options)  # type: ignore[arg-type]
    return measure(wasm(text), output, given, runtime=engine, rounds=3, seconds=0.01, calls=calls)


@pytest.mark.parametrize("engine", ENGINES)
def test_both_are_measured_and_calls_see_what_was_initialized(engine: str) -> None:
    found = compared(PLAIN, engine, ("ready", "add(-1,-9223372036854775808,0.5,1e300)"))
    assert found.original.functions == ("wizer-initialize", "ready", "add")
    assert found.output.functions == ("ready", "add")
    for side in (found.original, found.output):
        assert len(side.start.seconds) == 3
        assert min(side.start.seconds) > 0
        assert side.compile_seconds > 0
        assert side.copies_per_second > 0
    assert found.ratio == found.original.start.median / found.output.start.median
    assert found.output.size.raw == len(build_text(PLAIN).wasm)


#: `load` is given data and returns a result, `check` two words of that: where the data lies, and its length.
GIVEN = """(module (memory (export "memory") 1) (data (i32.const 96) "\\01\\00\\00\\00\\80\\00\\00\\00\\08\\00\\00\\00")
  (data (i32.const 128) "no text!") (global $next (mut i32) (i32.const 1024))
  (func (export "malloc") (param i32) (result i32)
    (global.get $next) (global.set $next (i32.add (global.get $next) (local.get 0))))
  (func (export "load") (param i32 i32) (result i32)
    (if (i32.eqz (local.get 1)) (then (return (i32.const 96))))
    (i32.store (i32.const 20) (local.get 0)) (i32.store (i32.const 24) (local.get 1)) (i32.const 16))
  (func (export "check") (param i32 i32 i64)
    (if (i32.or (i32.ne (local.get 1) (i32.const 4)) (i64.ne (local.get 2) (i64.const 7))) (then (unreachable)))
    (if (i32.ne (i32.load (local.get 0)) (i32.const 0x74786574)) (then (unreachable)))))"""


def given_text(text: bytes) -> list[str | Call]:
    return [Call("load", text, returns="result"), Call("check", Word(4), Word(8), 7)]


@pytest.mark.parametrize("engine", ENGINES)
def test_initializers_are_given_data_and_words_of_memory(engine: str) -> None:
    found = compared(GIVEN, engine, init_funcs=given_text(b"text"))
    assert found.original.functions == ("load", "check")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_initializer_that_refuses_its_data_is_named_with_what_it_said(engine: str) -> None:
    with pytest.raises(errors.InitializerFailed) as caught:
        measure(wasm(GIVEN), wasm(GIVEN), init_funcs=given_text(b""), runtime=engine, rounds=3)
    assert "no text!" in caught.value.what
    assert "load" in caught.value.what


@pytest.mark.parametrize("engine", ENGINES)
def test_words_outside_of_memory_are_said(engine: str) -> None:
    calls: list[str | Call] = [Call("load", b"text"), Call("check", Word(70_000), Word(8), 7)]
    with pytest.raises(errors.InitializerFailed, match="outside of memory"):
        measure(wasm(GIVEN), wasm(GIVEN), init_funcs=calls, runtime=engine, rounds=3)


def test_copies_out_of_a_pool_are_given_data_too() -> None:
    output = build_text(GIVEN, init_funcs=given_text(b"text")).wasm
    given = Options(init_funcs=given_text(b"text"), cache=False)
    found = measure_copies(wasm(GIVEN), output, given, copies=5, calls=("malloc(1)",))
    assert found.original.first_byte is not None


@pytest.mark.parametrize("engine", ENGINES)
def test_an_initializer_that_is_still_there_would_run_again(engine: str) -> None:
    """The module itself, taken for an output: its call fails, since only an initializer that was run makes it pass."""
    with pytest.raises(errors.GuestTrap) as caught:
        measure(wasm(PLAIN), wasm(PLAIN), runtime=engine, rounds=3, calls=["ready"])
    assert "the output" in (caught.value.where or "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells what a process has in memory")
@pytest.mark.parametrize("engine", ENGINES)
def test_memory_of_a_copy_is_what_it_has_written(engine: str) -> None:
    pages = 128
    fill = f"(memory.fill (i32.const 0) (i32.const 7) (i32.const {pages << 16}))"
    text = f'(module (memory (export "memory") {pages}) (func (export "wizer-initialize") {fill}))'
    found = measure(wasm(text), build_text(text).wasm, runtime=engine, rounds=3, seconds=5)
    assert found.original.memory and found.output.memory
    assert found.original.memory.copies > 0
    assert found.original.memory.resident == pytest.approx(pages << 16, rel=0.2)
    if engine == "wasmtime":  # its copies share what they have not written
        assert found.output.memory.resident < (pages << 16) / 10


GUEST = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "env" "answer" (func $answer (result i64)))
  (import "env" "never" (func $never))
  (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\04\\00\\00\\00loud")
  (func $start
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
    (drop (call $sizes (i32.const 32) (i32.const 36)))
    (if (i32.ne (i32.load (i32.const 32)) (i32.const 1)) (then (unreachable)))
    (if (i64.ne (call $answer) (i64.const 0)) (then (unreachable))))
  (start $start))"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_start_function_has_wasi_stubs_and_an_environment(engine: str, capfd: pytest.CaptureFixture[str]) -> None:
    host = Host(env=(("NAME", "value"),), quiet_guest=True)
    found = compared(GUEST, engine, init_funcs=[], host=host, stubs={"env.answer": "zero"})
    assert found.original.functions == ("start function",)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("engine", ENGINES)
def test_imported_memories_tables_and_globals_are_provided(engine: str) -> None:
    text = """(module (import "env" "memory" (memory 1 4)) (import "env" "table" (table 2 10 funcref))
      (import "env" "base" (global $base i32)) (import "env" "next" (global $next (mut i64)))
      (func $f) (elem (table 0) (i32.const 0) func $f)
      (func (export "wizer-initialize")
        (if (i32.ne (global.get $base) (i32.const 1024)) (then (unreachable)))
        (i32.store (global.get $base) (i32.const 5)) (global.set $next (i64.const 1))))"""
    assert compared(text, engine, import_globals={"env.base": "1024"}).output.functions == ("start function",)


def test_preloaded_modules_are_there_too() -> None:
    library = wasm('(module (func (export "f") (result i32) (i32.const 9)))')
    text = """(module (import "env" "f" (func $f (result i32))) (memory (export "memory") 1)
      (func (export "wizer-initialize") (i32.store (i32.const 0) (call $f))) (func (export "run") (drop (call $f))))"""
    assert compared(text, calls=("run",), preloads={"env": library}).output.functions == ("run",)
    with pytest.raises(errors.UsageError, match="in Node"):
        compared(text, "node", preloads={"env": library})


def test_a_module_with_types_that_the_binding_does_not_know_is_measured() -> None:
    text = """(module (type $s (struct (field i32))) (memory 1) (memory i64 1) (tag (param i32))
      (global $r (mut (ref null $s)) (ref.null $s)) (global $v (mut v128) (v128.const i64x2 1 2))
      (func (export "wizer-initialize") (global.set $v (v128.const i64x2 3 4)))
      (func (export "take") (param externref (ref null $s) v128)))"""
    assert compared(text).original.functions == ("wizer-initialize",)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_module_that_traps_is_named_with_what_it_did(engine: str) -> None:
    text = '(module (func (export "wizer-initialize")) (func $oh (export "oh") (unreachable)))'
    with pytest.raises(errors.GuestTrap) as caught:
        compared(text, engine, ("oh",))
    assert "unreachable" in caught.value.what
    assert caught.value.where == "the original"
    if engine == "wasmtime":
        assert [frame.name for frame in caught.value.frames] == ["oh"]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_import_that_nobody_provides_is_named(engine: str) -> None:
    text = '(module (import "env" "gone" (func $gone)) (func (export "wizer-initialize")) (func (export "run") (call $gone)))'
    with pytest.raises(errors.InitializerFailed) as caught:
        compared(text, engine, ("run",))
    assert "env.gone" in caught.value.what


def test_a_guest_that_never_ends_is_stopped_by_the_time_limit() -> None:
    text = '(module (func (export "wizer-initialize")) (func (export "run") (loop (br 0))))'
    module = wasm(text)
    with pytest.raises(errors.TimeLimit):
        measure(module, module, Options(timeout=1), rounds=3, calls=["run"])
    wait_for_guests()


@needs_node
def test_node_is_stopped_by_the_time_limit_too() -> None:
    module = wasm('(module (func (export "wizer-initialize")) (func (export "run") (loop (br 0))))')
    with pytest.raises(errors.TimeLimit):
        measure(module, module, Options(timeout=2), runtime="node", rounds=3, calls=["run"])


@needs_node
def test_what_node_lacks_is_said() -> None:
    custom = wasm('(module (memory 1 (pagesize 1)) (func (export "wizer-initialize")))')
    with pytest.raises(errors.Unsupported, match="Node can't compile the module") as caught:
        measure(custom, custom, runtime="node", rounds=3)
    assert "--runtime wasmtime" in (caught.value.hint or "")
    with pytest.raises(errors.UsageError, match="folders"):
        measure(wasm(PLAIN), wasm(PLAIN), Options(host=Host(dirs={".": "/"})), runtime="node", rounds=3)


@pytest.mark.parametrize(
    ("script", "words"),
    [(None, "was not found"), ("echo v18.20.1", "is 18.20.1"), ("echo nonsense", "does not say which Node it is")],
)
def test_a_node_that_is_missing_or_too_old_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, words: str
) -> None:
    if script:
        (tmp_path / "node").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if script else str(tmp_path))
    with pytest.raises(errors.ToolMissing, match=words) as caught:
        measure(wasm(PLAIN), wasm(PLAIN), runtime="node", rounds=3)
    assert "Node 20" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("given", "words"),
    [({"rounds": 2}, "3 rounds"), ({"seconds": 0.0}, "more than 0 seconds"), ({"runtime": "v9"}, "no runtime 'v9'")],
)
def test_what_can_not_be_measured_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(errors.UsageError, match=words):
        measure(wasm(PLAIN), wasm(PLAIN), **given)  # type: ignore[arg-type]


def test_medians_and_quartiles() -> None:
    times = Times((5.0, 1.0, 3.0, 2.0, 4.0))
    assert (times.median, times.quartiles) == (3.0, (2.0, 4.0))
    assert times.to_dict() == {"median": 3.0, "lowest": 1.0, "quartiles": [2.0, 4.0], "highest": 5.0, "rounds": 5}


def test_brotli_is_measured_where_there_is_a_module_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("brotli", "brotlicffi"):
        monkeypatch.setitem(sys.modules, name, None)
    data = bytes(10_000)
    assert sizes(data).brotli is None
    assert sizes(data).gzip < sizes(data).raw == 10_000
    monkeypatch.delitem(sys.modules, "brotli")
    (tmp_path / "brotli.py").write_text("def compress(data, quality):\n    return data[: quality + 1]\n")
    assert sizes(data).brotli == 10


def test_the_library_finds_it_and_imports_it_late() -> None:
    script = "import preinit, sys; assert 'wasmtime' not in sys.modules; print(preinit.bench.measure.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"measure"


def test_python_functions_serve_both_and_see_their_guest() -> None:
    text = """(module (import "env" "note" (func $note (param i32))) (memory (export "memory") 1)
      (data (i32.const 8) "hello") (func (export "load") (call $note (i32.const 8)))
      (func (export "again") (call $note (i32.const 9))))"""
    said: list[str] = []

    def note(guest: Guest, address: int) -> None:
        said.append(guest.text(address))

    options = Options(init_funcs=("load",), host=Host(functions={"env.note": note}))
    output = build(text.encode(), options).wasm
    assert said == ["hello"]
    measure(text.encode(), output, options, rounds=3, seconds=0.01, calls=("again",))
    assert set(said[1:]) == {"hello", "ello"}
    with pytest.raises(errors.UsageError, match="Python functions can't be called from Node"):
        measure(text.encode(), output, options, runtime="node", rounds=3, seconds=0.01)


#: Asks a module that needs its memory for what is there.
LENT = """(module (import "env" "look" (func $look (result i32))) (memory (export "memory") 1)
  (data (i32.const 8) "\\2a") (func (export "load") (drop (call $look)))
  (func (export "again") (result i32) (if (i32.ne (call $look) (i32.const 42)) (then unreachable)) (i32.const 1)))"""


def test_preloaded_modules_that_need_the_guest_serve_both() -> None:
    serves = (
        '(module (import "guest" "memory" (memory 1)) (func (export "look") (result i32) (i32.load (i32.const 8))))'
    )
    options = Options(init_funcs=("load",), preloads={"env": wasm(serves)}, cache=False)
    found = measure(wasm(LENT), build(wasm(LENT), options).wasm, options, rounds=3, seconds=0.01, calls=("again",))
    assert found.output.functions == ("again",)


def test_an_output_without_an_export_that_a_preloaded_module_needs_is_told() -> None:
    serves = '(module (import "guest" "load" (func)) (func (export "look") (result i32) (i32.const 42)))'
    options = Options(init_funcs=("load",), preloads={"env": wasm(serves)}, cache=False)
    output = build(wasm(LENT), options).wasm
    with pytest.raises(errors.Misfit, match="imports 'load' from the guest, which exports nothing") as caught:
        measure(wasm(LENT), output, options, rounds=3, seconds=0.01, calls=("again",))
    assert "the output" in (caught.value.where or "")


def test_the_original_sees_what_a_build_sees_whose_instances_fetch_their_own_environment() -> None:
    text = """(module (import "wasi_snapshot_preview1" "environ_sizes_get" (func $get (param i32 i32) (result i32)))
      (memory (export "memory") 1) (func (export "load") (drop (call $get (i32.const 8) (i32.const 12)))
        (if (i32.ne (i32.load (i32.const 8)) (i32.const 1)) (then unreachable))))"""
    options = Options(init_funcs=("load",), late=("env",), cache=False)
    measure(wasm(text), build(wasm(text), options).wasm, options, rounds=3, seconds=0.01)


PRINTS = """(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 8) "\\20\\00\\00\\00\\01\\00\\00\\00")
  (func (export "_start") (drop (call $read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 4))) AFTER))"""
WRITE = "(drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))"


@pytest.mark.parametrize("after", [f"{WRITE} unreachable", "(call $exit (i32.const 3))", ""])
def test_a_paused_program_is_measured_up_to_its_first_output_or_its_end(after: str) -> None:
    found = compared(PRINTS.replace("AFTER", after), pause_at="stdin", host=Host(stdin=b"x"))
    for side in (found.original, found.output):
        assert side.functions == ("_start up to its first output",)
        assert len(side.start.seconds) == 3


def test_what_fails_before_its_first_output_is_an_error_of_that_module() -> None:
    with pytest.raises(errors.GuestTrap) as caught:
        compared(PRINTS.replace("AFTER", f"unreachable {WRITE}"), pause_at="stdin")
    assert caught.value.where and caught.value.where.startswith("the original")


def test_what_can_not_be_measured_of_a_paused_program_is_refused() -> None:
    text = PRINTS.replace("AFTER", WRITE)
    with pytest.raises(errors.UsageError, match="nothing is called after that"):
        compared(text, calls=("_start",), pause_at="stdin")
    with pytest.raises(errors.UsageError, match="in Node"):
        compared(text, "node", pause_at="stdin")
    output = build_text(text, pause_at="stdin").wasm
    other = wasm(PRINTS.replace("AFTER", WRITE).replace('(export "_start")', '(export "main")'))
    assert measure(wasm(text), output, Options(pause_at="stdin"), rounds=3, seconds=0.01).ratio > 0
    with pytest.raises(errors.Misfit, match="no export '_start'"):
        measure(wasm(text), other, Options(pause_at="stdin"), rounds=3, seconds=0.01)
