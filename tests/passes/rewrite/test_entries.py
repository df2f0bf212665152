"""Functions of the output that call an export with constants: how runtimes are started that take arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from preinit import Call, Host, Options, Result, build
from preinit.binary.module import parse
from preinit.binary.types import FuncType
from preinit.errors import InitializerType, UnknownExport, UsageError
from preinit.options.calls import call_of
from preinit.verification import verify
from tests.support.command import run
from tests.support.modules import wasm
from tests.support.worlds import in_node, in_wasmtime

#: A runtime: counts what it was told while it was built, and evaluates texts: prints them, behind that number.
RUNTIME = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 2048))
  (func (export "malloc") (param i32) (result i32)
    (global.get $free)
    (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get 0)) (i32.const 15)) (i32.const -8))))
  (func (export "init") (result i32) (i32.store8 (i32.const 8) (i32.const 65)) (i32.const 8))
  (func (export "eval") (param $text i32) (param $size i32) (param $add i32) (param $factor f64) (result i32)
    (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (local.get $add)))
    (i32.store (i32.const 16) (i32.const 8)) (i32.store (i32.const 20) (i32.const 1))
    (i32.store (i32.const 24) (local.get $text)) (i32.store (i32.const 28) (local.get $size))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32)))
    (drop (call $write (i32.const 1) (i32.const 24) (i32.const 1) (i32.const 32)))
    (i32.trunc_f64_s (local.get $factor)))
  (func (export "result") (param $place i32) (result i32) (local.get $place))
  (func (export "wide") (result i64) (i64.const 5000000000))
  (func (export "both") (param i32) (result i32 i32) (i32.const 1) (i32.const 2))
)"""


def built(*entries: tuple[str, str], text: str = RUNTIME, **options: object) -> Result:
    made = [(name, call_of(source, str.encode)) for name, source in entries]
    given: dict[str, object] = {"init_funcs": ["init"], "rename_funcs": made, "cache": False, **options}
    return build(wasm(text), Options(**given))  # type: ignore[arg-type]


@pytest.mark.parametrize("run", [in_wasmtime, in_node])
def test_an_output_starts_a_runtime_with_constants(run: object) -> None:
    result = built(("_start", 'eval(@"main::run()", 1, 0)=0'))
    assert run(result.wasm) == "Bmain::run()"  # type: ignore[operator]
    assert run(result.wasm) == "Bmain::run()"  # type: ignore[operator]


def test_what_an_entry_takes_is_no_sign_that_the_initializer_failed() -> None:
    assert [found.code for found in built(("_start", "result(1)")).report.warnings] == ["initializer-result"]
    assert built(("_start", "result(*)")).report.warnings == ()


def test_the_call_itself_stays_exported_and_the_entry_takes_nothing() -> None:
    module = parse(built(("_start", "eval(@a, 1, 0)"), ("again", "eval(@b, 2, 0)")).wasm)
    names = [export.name for export in module.exports]
    assert names == ["memory", "malloc", "eval", "result", "wide", "both", "_start", "again"]
    for name in ("_start", "again"):
        export = module.exported(name)
        assert export and module.function_type(export.target) == FuncType((), ())


@pytest.mark.parametrize("run", [in_wasmtime])
def test_what_an_initializer_returned_can_be_given(run: object) -> None:
    result = built(("_start", "result(*)=8"), ("word", "result(*0)=65"))
    assert run(result.wasm) == ""  # type: ignore[operator]
    assert in_wasmtime(result.wasm, entry="word") == ""


@pytest.mark.parametrize("source", ["eval(@a, 1, 7)=0", "result(8)?", "wide()=1"])
def test_another_result_ends_the_program(source: str) -> None:
    result = built(("_start", source))
    with pytest.raises(wasmtime.ExitTrap) as ended:
        in_wasmtime(result.wasm)
    assert ended.value.code == 1


@pytest.mark.parametrize("source", ["eval(@a, 1, 7)=7", "result(512)?", "wide()=5000000000", "both(0)", "wide()"])
def test_the_result_that_is_expected_is_dropped(source: str) -> None:
    in_wasmtime(built(("_start", source)).wasm)


def test_a_module_that_can_not_exit_traps() -> None:
    text = '(module (memory (export "memory") 1) (func (export "init")) (func (export "f") (result i32) (i32.const 3)))'
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        in_wasmtime(built(("_start", "f()=4"), text=text).wasm)


def test_an_entry_replaces_an_export_of_that_name() -> None:
    text = RUNTIME.replace('(func (export "result")', '(func (export "_start") unreachable)\n(func (export "result")')
    result = built(("_start", "eval(@a, 1, 0)"), text=text)
    assert in_wasmtime(result.wasm) == "Ba"
    assert [export.name for export in parse(result.wasm).exports].count("_start") == 1


def test_a_name_that_is_a_call_is_taken_as_it_is() -> None:
    text = '(module (func (export "init")) (func (export "f(1)")))'
    module = parse(built(("_start", "f(1)"), text=text).wasm)
    assert [(export.name, export.target) for export in module.exports] == [("_start", 1)]


def test_calls_with_numbers_only_are_entries_too() -> None:
    assert in_wasmtime(built(("_start", "result(8)=8")).wasm) == ""


def test_functions_that_do_nothing_and_entries_stand_side_by_side() -> None:
    result = built(("_start", "eval(@a, 1, 0)=0"), keep_init_func="noop")
    assert in_wasmtime(result.wasm) == "Ba"
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store.set_wasi(wasmtime.WasiConfig())
    exports = linker.instantiate(store, wasmtime.Module(engine, result.wasm)).exports(store)
    assert exports["init"](store) == 8  # type: ignore[operator]


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("nothing(@a)", UnknownExport, "exports no function 'nothing'"),
        ("nothing(1)", UnknownExport, "exports no function 'nothing'"),
        ("eval(@a, 1)", InitializerType, "takes 4 arguments, 3 would be given"),
        ("result(x)", InitializerType, "'x' is not a number of type i32"),
        ("memory(1)", InitializerType, "is not a function"),
        ("eval(@a, 1, 0", UsageError, "a comma or the closing bracket"),
    ],
)
def test_an_entry_that_fits_nothing_is_refused(source: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        built(("_start", source))
    assert said in str(caught.value)


def test_entries_are_verified() -> None:
    source = Call("eval", b"main", 1, 0, returns=0)
    options = {"init_funcs": ["init"], "rename_funcs": {"_start": source}, "cache": False}
    result = build(wasm(RUNTIME), **options)  # type: ignore[arg-type]
    facts = verify(wasm(RUNTIME), result.wasm, run=True, calls=["result(3)"], **options)  # type: ignore[arg-type]
    assert [call.outcome for call in facts.calls] == ["returned", "returned"]
    with pytest.raises(UsageError, match="does not hold the data that functions of the output are given"):
        verify(wasm(RUNTIME), result.wasm, report=result.report)
    verify(wasm(RUNTIME), result.wasm, report=result.report, rename_funcs={"_start": source})


def test_both_engines_give_the_same_output() -> None:
    one, other = (built(("_start", "eval(@a, 1, 0)=0"), engine=engine) for engine in ("whole", "ondemand"))
    assert one.wasm == other.wasm


def test_the_command_and_config_files_take_entries(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(RUNTIME))
    (tmp_path / "main.txt").write_text("from a file")
    output = tmp_path / "out.wasm"
    run(
        "build", str(tmp_path / "in.wasm"), "-f", "init", "-r", f"_start=eval(@{tmp_path / 'main.txt'}, 1, 0)=0",
        "-o", str(output), "--no-cache",
    )  # fmt: skip
    first = output.read_bytes()
    assert in_wasmtime(first) == "Bfrom a file"
    (tmp_path / "preinit.toml").write_text(
        '[targets.a]\ninput = "in.wasm"\noutput = "again.wasm"\ninit-funcs = ["init"]\n'
        "rename-funcs = { _start = 'eval(@main.txt, 1, 0)=0' }\n"
    )
    run("build", "--config", str(tmp_path / "preinit.toml"))
    assert (tmp_path / "again.wasm").read_bytes() == first
    (tmp_path / "main.txt").write_text("another")
    run("build", "--config", str(tmp_path / "preinit.toml"))
    assert in_wasmtime((tmp_path / "again.wasm").read_bytes()) == "Banother"


def test_a_host_may_see_what_an_entry_prints() -> None:
    printed = bytearray()
    built(("_start", "eval(@a, 1, 0)"), host=Host(stdout=printed.extend))
    assert not printed  # nothing was called while it was built


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_a_float_that_must_be_returned_is_compared_bit_by_bit(kind: str) -> None:
    text = f"""(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1) (func (export "init"))
      (func (export "same") (param {kind}) (result {kind}) (local.get 0)))"""
    for number in ("nan", "1.5", "-0.0"):
        assert in_wasmtime(built(("_start", f"same({number})={number}"), text=text).wasm) == ""
    with pytest.raises(wasmtime.ExitTrap):
        in_wasmtime(built(("_start", "same(0.0)=-0.0"), text=text).wasm)


@pytest.mark.parametrize(
    ("source", "what", "hint"),
    [
        ("result(1,2)", "the call takes 1 argument, 2 were given", "-r '_start=result(<i32>)'"),
        ('result("a","b")', "the call takes 1 argument, 2 would be given", "Give it 1 argument."),
        ("both(1)=0", "a call that must return '0' has one result", "Leave out `=0`"),
    ],
)
def test_a_call_that_does_not_fit_is_said_to_be_the_entrys(source: str, what: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "runtime.wasm").write_bytes(wasm(RUNTIME))
    done = run("build", tmp_path / "runtime.wasm", "-f", "init", "-r", f"_start={source}", "-o", tmp_path / "out.wasm")
    assert what in done.stderr.decode()
    assert hint in done.stderr.decode()
