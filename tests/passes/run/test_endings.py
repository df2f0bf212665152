"""How an initializer ends that does not return, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from preinit import Result, build, errors
from preinit.options import Host
from preinit.report.text import summary
from preinit.verification import verify
from tests.support.binaries import stripped
from tests.support.instances import Running
from tests.support.modules import build_text, wasm

BOTH = pytest.mark.parametrize("engine", ["whole", "ondemand"])

EXIT = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))'

#: A program that keeps a frame on its own stack while it exits.
PROGRAM = f"""(module {EXIT}
  (memory (export "memory") 1)
  (global $__stack_pointer (mut i32) (i32.const 4096))
  (global $state (mut i32) (i32.const 0))
  (func $main (global.set $__stack_pointer (i32.sub (global.get $__stack_pointer) (i32.const 64)))
    (global.set $state (i32.add (global.get $state) (i32.const 42))) (call $exit (i32.const 0)) unreachable)
  (func (export "_start") (call $main))
  (func (export "again") (call $main))
  (func (export "value") (result i32) (call $main) (i32.const 7))
  (func (export "run") (result i32) (global.get $state))
  (func (export "sp") (result i32) (global.get $__stack_pointer)))"""


def returns(result: Result | bytes, name: str) -> int:
    binary = result if isinstance(result, bytes) else result.wasm
    return int.from_bytes(Running(binary).call(name, results=1)[0][:4], "little")


# -- exiting with 0


@BOTH
def test_a_program_that_exits_with_0_has_ended_and_others_of_its_functions_go_on(engine: str) -> None:
    result = build_text(PROGRAM, engine=engine, init_funcs=["_start"])
    assert returns(result, "run") == 42
    assert returns(result, "sp") == 4096
    assert [(run.function, run.exited) for run in result.report.runs] == [("_start", True)]
    assert "ran _start (it exited with 0)" in summary(result.report)
    assert "stack-pointer" not in [warning.code for warning in result.report.warnings]


@BOTH
def test_what_comes_after_an_initializer_that_exited_runs_all_the_same(engine: str) -> None:
    result = build_text(PROGRAM, engine=engine, init_funcs=["_start", "again"])
    assert returns(result, "run") == 84
    assert returns(result, "sp") == 4096


def test_a_start_function_that_exits_has_ended_too() -> None:
    text = PROGRAM.replace('(func (export "_start")', "(start $begin) (func $begin")
    assert returns(build_text(text, init_funcs=[]), "run") == 42


def test_both_engines_write_the_same_module() -> None:
    built = [build_text(PROGRAM, engine=engine, init_funcs=["_start"]).wasm for engine in ("whole", "ondemand")]
    assert built[0] == built[1]


def test_verifying_does_the_same() -> None:
    result = build_text(PROGRAM, init_funcs=["_start"])
    verify(wasm(PROGRAM), result.wasm, init_funcs=["_start"], cache=False)


def test_without_names_the_global_that_is_put_back_is_said() -> None:
    result = build(stripped(wasm(PROGRAM)), cache=False, init_funcs=["_start"])
    assert returns(result, "sp") == 4096
    (warning,) = [warning for warning in result.report.warnings if warning.code == "stack-pointer"]
    assert "global 0" in warning.message


@pytest.mark.parametrize(
    "first", ["(mut i32) (i32.const 0)", "(mut i32) (i32.const 4090)", "(mut i32) (i32.const 131072)"]
)
def test_without_names_a_global_that_does_not_look_like_a_stack_pointer_is_left_as_it_is(first: str) -> None:
    text = PROGRAM.replace("(mut i32) (i32.const 4096)", first)
    result = build(stripped(wasm(text)), cache=False, init_funcs=["_start"])
    start = int(first.rpartition(" ")[2].strip(")"))
    assert returns(result, "sp") == (start - 64) % (1 << 32)


def test_a_module_with_other_names_has_no_stack_pointer() -> None:
    text = PROGRAM.replace("$__stack_pointer", "$fuel")
    result = build_text(text, init_funcs=["_start"])
    assert returns(result, "sp") == 4032


def test_where_nothing_could_go_on_exiting_is_an_error() -> None:
    text = f'(module {EXIT} (memory (export "memory") 1) (func (export "init") (call $exit (i32.const 0))))'
    with pytest.raises(errors.GuestExit) as caught:
        build_text(text, init_funcs=["init"])
    assert caught.value.status == 0
    assert "export a function" in (caught.value.hint or "")


def test_an_initializer_whose_result_is_needed_must_return() -> None:
    with pytest.raises(errors.GuestExit) as caught:
        build_text(PROGRAM, init_funcs=["value"], keep_init_func="noop")
    assert "must return" in (caught.value.hint or "")
    assert build_text(PROGRAM, init_funcs=["value"]).report.runs[0].results == ()


# -- failing

WASI = """
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))"""
ASKS = {
    "--arg PROGRAM --arg VALUE": "(drop (call $args (i32.const 0) (i32.const 4)))",
    "--env NAME=VALUE": "(drop (call $environ (i32.const 0) (i32.const 4)))",
    "--dir HOST::GUEST": "(drop (call $prestat (i32.const 3) (i32.const 0)))",
    "--stdin FILE": "(drop (call $read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 0)))",
}
GIVEN: dict[str, dict[str, Any]] = {
    "--arg PROGRAM --arg VALUE": {"args": ["a"]},
    "--env NAME=VALUE": {"env": {"A": "1"}},
    "--stdin FILE": {"stdin": b"x"},
}


def failing(asks: str, end: str, **options: Any) -> errors.PreinitError:
    text = f"""(module {EXIT} {WASI} (memory (export "memory") 1) (data (i32.const 16) "\\20\\00\\00\\00\\03\\00\\00\\00no\\0a")
      (func (export "wizer-initialize") {asks} {end}))"""
    with pytest.raises(errors.InitializerFailed) as caught:
        build_text(text, **options)
    return caught.value


PRINTS = "(drop (call $write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 0)))"


def test_a_program_that_reports_an_error_is_not_told_to_return() -> None:
    problem = failing(PRINTS, "(call $exit (i32.const 3))")
    assert isinstance(problem, errors.GuestExit)
    assert problem.status == 3
    assert "with exit code 3; what it printed above says which" in (problem.hint or "")
    assert "return" not in (problem.hint or "")


def test_of_a_program_that_printed_nothing_that_is_said() -> None:
    assert "it printed nothing" in (failing("", "(call $exit (i32.const 1))").hint or "")


@pytest.mark.parametrize("end", ["(call $exit (i32.const 1))", "unreachable"])
@pytest.mark.parametrize("option", ASKS)
def test_what_a_failing_guest_looked_for_and_has_not_is_named_with_its_option(option: str, end: str) -> None:
    hint = failing(ASKS[option], end).hint or ""
    words = {"--arg PROGRAM --arg VALUE": "args", "--env NAME=VALUE": "env", "--dir HOST::GUEST": "dirs"}
    assert f"`{words.get(option, 'stdin')}=" in hint
    assert hint.count("=[") + hint.count("={") <= 2
    assert "looked for" not in (failing("", end).hint or "")
    if option in GIVEN:
        assert "looked for" not in (failing(ASKS[option], end, host=Host(**GIVEN[option])).hint or "")


def test_all_that_it_looked_for_is_named() -> None:
    hint = failing("".join(ASKS.values()), "unreachable").hint or ""
    assert "It looked for arguments, environment variables, folders and standard input, and has none" in hint


# -- a runtime that was not started


def command(end: str, more: str = "", names: str = "$__wasm_call_ctors") -> str:
    return f"""(module {EXIT} {more} (memory (export "memory") 1) (global $ready (mut i32) (i32.const 0))
      (func {names} (global.set $ready (i32.const 7)))
      (func (export "_start") (call {names}))
      (func $init (export "wizer.initialize") (if (i32.eqz (global.get $ready)) (then {end})))
      (func (export "get") (result i32) (global.get $ready)))"""


@pytest.mark.parametrize("end", ["unreachable", "(call $exit (i32.const 1))"])
@pytest.mark.parametrize("names", [True, False])
@BOTH
def test_a_failure_before_any_constructor_ran_is_explained_by_that(end: str, names: bool, engine: str) -> None:
    binary = wasm(command(end)) if names else stripped(wasm(command(end)))
    with pytest.raises(errors.InitializerFailed) as caught:
        build(binary, cache=False, engine=engine)
    assert "-mexec-model=reactor" in (caught.value.hint or "")
    assert "has a bug" not in (caught.value.hint or "")


def test_after_the_constructors_a_trap_is_the_initializers_own() -> None:
    text = command("unreachable").replace("(i32.eqz (global.get $ready))", "(global.get $ready)")
    with pytest.raises(errors.GuestTrap) as caught:
        build_text(text, init_funcs=["_start", "wizer.initialize"])
    assert "reactor" not in (caught.value.hint or "")
    assert returns(build_text(command("unreachable"), init_funcs=["_start", "wizer.initialize"]), "get") == 7


def test_a_module_whose_names_say_that_it_has_no_constructors_is_not_told_to_run_them() -> None:
    with pytest.raises(errors.GuestTrap) as caught:
        build_text(command("unreachable", names="$begin"))
    assert "reactor" not in (caught.value.hint or "")


ABORT = '(import "env" "abort" (func $abort (param i32 i32 i32 i32)))'
ABORTS = "(call $abort (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))"


def test_an_assertion_of_assemblyscript_before_its_start_is_explained_by_that_with_a_hint_that_works() -> None:
    text = command(ABORTS, ABORT, names='$"~start"')
    with pytest.raises(errors.ImportCalled) as caught:
        build_text(text)
    assert 'init_funcs=["_start", "wizer.initialize"]`' in (caught.value.hint or "")
    assert returns(build_text(text, init_funcs=["_start", "wizer.initialize"]), "get") == 7


def test_an_abort_after_the_start_is_the_initializers_own() -> None:
    text = command(ABORTS, ABORT, names='$"~start"').replace("(i32.eqz (global.get $ready))", "(global.get $ready)")
    with pytest.raises(errors.ImportCalled) as caught:
        build_text(text, init_funcs=["_start", "wizer.initialize"])
    assert "_start" not in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("init_funcs", "says"), [(["_start"], "again"), (["wizer.initialize"], "runs the constructors on")]
)
def test_constructors_that_never_ran_are_not_said_to_run_again(init_funcs: list[str], says: str) -> None:
    result = build_text(command("nop"), init_funcs=init_funcs, keep_init_func=True)
    (said,) = [one.message for one in result.report.warnings if one.code == "start-runs-constructors"]
    assert says in said
    assert ("again" in said) == (says == "again")
