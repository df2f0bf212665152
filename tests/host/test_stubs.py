"""Stubs for imported functions, and preloaded modules whose state nobody captures."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit.errors import ImportCalled, PreinitError, UsageError
from preinit.host.wasi1.abi import MODULE, Errno
from preinit.options import Host
from tests.support.command import fails, run
from tests.support.instances import Running
from tests.support.modules import build_text, text_of, wasm

INIT = '(export "wizer-initialize")'
#: Stores what `env.f` returns.
ASKS = f"""(module (import "env" "f" (func $f (param i32) (result i32))) (memory (export "memory") 1)
  (data (i32.const 16) "\\ff\\ff\\ff\\ff")
  (func $init {INIT} (i32.store (i32.const 16) (call $f (i32.const 1)))))"""


def answer(text: str, **stubs: str) -> int:
    result = build_text(text, stubs={name.replace("__", "."): what for name, what in stubs.items()})
    return int.from_bytes(Running(result.wasm).state().memories[0][16:20], "little")


@pytest.mark.parametrize(
    ("what", "number"),
    [("zero", 0), ("nosys", Errno.NOSYS), ("ENOSYS", Errno.NOSYS), ("52", 52), ("0", 0), ("2big", None), ("exist", 20)],
)
def test_a_stub_answers_for_an_imported_function(what: str, number: int | None) -> None:
    if number is None:
        with pytest.raises(UsageError, match="a stub can't be '2big'"):
            answer(ASKS, env__f=what)
    else:
        assert answer(ASKS, env__f=what) == number


def test_the_import_stays_in_the_output() -> None:
    assert '(import "env" "f"' in text_of(build_text(ASKS, stubs={"env.f": "zero"}).wasm)


ENGINES = pytest.mark.parametrize("engine", ["whole", "ondemand"])


@ENGINES
def test_calls_of_stubs_are_counted_with_the_backtrace_of_the_first(engine: str) -> None:
    text = f"""(module (import "env" "log" (func $log (param i32 f64))) (import "env" "ask" (func $ask (result i64)))
      (import "env" "never" (func $never)) (memory (export "memory") 1)
      (func $first (call $log (i32.const 1) (f64.const 2)))
      (func $init {INIT} (local $n i32)
        (call $first)
        (loop $again (drop (call $ask)) (call $log (i32.const 1) (f64.const 2))
          (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))
        (i32.store (i32.const 16) (local.get $n))))"""
    facts = build_text(
        text, engine=engine, stubs=dict.fromkeys(("env.log", "env.ask", "env.never"), "zero")
    ).report.host
    assert facts.calls == {"env.ask": 1000, "env.log": 1001}
    assert [frame.name for frame in facts.first_calls["env.log"]] == ["first", "init"]
    assert [frame.name for frame in facts.first_calls["env.ask"]] == ["init"]


def test_a_stub_of_a_function_of_wasi_is_not_the_world() -> None:
    """What it answers is the user's: nothing of the environment is in the output."""
    text = f"""(module (import "{MODULE}" "environ_get" (func $get (param i32 i32) (result i32))) (memory (export "memory") 1)
      (func {INIT} (drop (call $get (i32.const 16) (i32.const 32)))))"""
    report = build_text(text, stubs={f"{MODULE}.environ_get": "zero"}, host=Host(env={"A": "12345678"})).report
    assert (report.host.calls, report.host.environment_read) == ({f"{MODULE}.environ_get": 1}, False)
    assert report.warnings == ()


def test_a_stub_that_traps_is_told_with_the_import_s_name() -> None:
    with pytest.raises(ImportCalled, match=r"`env\.f`, which is stubbed to trap") as caught:
        build_text(ASKS, stubs={"env.f": "trap"})
    assert [frame.name for frame in caught.value.frames] == ["init"]


def test_a_zero_of_every_type_is_returned_and_references_are_null() -> None:
    result = build_text(
        f"""(module
        (import "env" "many" (func $many (param f64) (result i32 i64 f32 f64 v128 funcref externref)))
        (memory (export "memory") 1)
        (global $a (mut i64) (i64.const 1)) (global $b (mut v128) (v128.const i64x2 1 1))
        (func {INIT} (local $f f32) (local $d f64) (local $v v128) (local $r funcref) (local $e externref)
          (call $many (f64.const 1))
          (local.set $e) (local.set $r) (global.set $b) (local.set $d) (local.set $f) (global.set $a) (drop)
          (i32.store (i32.const 0) (i32.add (ref.is_null (local.get $e)) (ref.is_null (local.get $r))))
          (f64.store (i32.const 8) (local.get $d)) (f32.store (i32.const 16) (local.get $f))))""",
        stubs={"env.many": "zero"},
    )
    memory = Running(result.wasm).state().memories[0]
    assert memory[0] == 2
    assert not any(memory[1:])


def test_a_typed_null_is_returned_where_there_is_one() -> None:
    text = f"""(module (type $t (func)) (import "env" "f" (func $f (result (ref NULL $t)))) (memory (export "memory") 1)
        (func {INIT} (i32.store (i32.const 0) (ref.is_null (call $f)))))"""
    result = build_text(text.replace("NULL", "null"), stubs={"env.f": "zero"})
    assert Running(result.wasm).state().memories[0][0] == 1
    with pytest.raises(UsageError, match="has no null"):
        build_text(text.replace("NULL", "").replace("ref.is_null (call $f)", "call $g (call $f)").replace(
            "(func (export", "(func $g (param (ref $t)) (result i32) (i32.const 0)) (func (export"
        ), stubs={"env.f": "zero"})  # fmt: skip


@pytest.mark.parametrize("what", ["nosys", "zero"])
def test_a_stub_may_replace_a_function_of_wasi_even_without_wasi(what: str) -> None:
    text = f"""(module (import "{MODULE}" "sched_yield" (func $yield (result i32))) (memory (export "memory") 1)
      (func {INIT} (i32.store (i32.const 16) (i32.add (i32.const 1) (call $yield)))))"""
    for host in (Host(), Host(wasi=False)):
        result = build_text(text, stubs={f"{MODULE}.sched_yield": what}, host=host)
        assert Running(result.wasm).state().memories[0][16] == 1 + (Errno.NOSYS if what == "nosys" else 0)
        assert result.report.host.calls == {f"{MODULE}.sched_yield": 1}


@pytest.mark.parametrize(
    ("stubs", "words"),
    [
        ({"env.g": "zero"}, "imports no function 'env.g'"),
        ({"f": "zero"}, "imports no function 'f'"),
        ({"env.memory": "zero"}, "'env.memory' is no function"),
        ({"env.f": "one"}, "a stub can't be 'one'"),
        ({"env.f": "77"}, "a stub can't be '77'"),
        ({"env.f": "-1"}, "a stub can't be '-1'"),
        ({"env.f": ""}, "a stub can't be ''"),
        ({"env.none": "nosys"}, "can't return an errno"),
        ({"env.long": "nosys"}, "can't return an errno"),
        ([("env.f", "zero"), ("env.f", "trap")], "stubbed twice"),
        ("env.f=zero", "a dict or a list of pairs"),
        ({"env.f": 0}, "a string, not int"),
    ],
    ids=str,
)
def test_a_stub_that_fits_nothing_is_refused(stubs: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build_text(
            f"""(module (import "env" "f" (func (result i32))) (import "env" "none" (func))
            (import "env" "long" (func (result i64))) (import "env" "memory" (memory 1)) (func {INIT}))""",
            stubs=stubs,
        )


def test_the_command_takes_stubs(tmp_path: Path) -> None:
    done = run("build", "-", "--stub", "env.f=noent", stdin=wasm(ASKS), code=0)
    assert Running(done.stdout).state().memories[0][16] == Errno.NOENT
    for wrong in ("env.f", "=zero", "env.f=", "env.f=what"):
        assert "error[usage]" in fails("build", "-", "--stub", wrong, stdin=wasm(ASKS), code=2)
    assert "error[misfit]" in fails("build", "-", "--stub", "env.x=zero", stdin=wasm(ASKS), code=1)
    strange = ASKS.replace('"f"', '"a=b"')
    run("build", "-", "--stub", "env.a=b=zero", stdin=wasm(strange), code=0)


# -- preloaded modules

PURE = '(module (func (export "f") (param i32) (result i32) (local.get 0)) (global i32 (i32.const 1)))'


def test_an_import_is_not_preloaded_and_stubbed() -> None:
    with pytest.raises(UsageError, match="preloaded, and also stubbed"):
        build_text(ASKS, preloads={"env": wasm(PURE)}, stubs={"env.f": "zero"})


@ENGINES
def test_calls_of_preloaded_functions_are_counted_with_the_backtrace_of_the_first(engine: str) -> None:
    text = f"""(module (import "l" "f" (func $f (param i32 i64) (result i64 f32))) (import "l" "g" (func $g))
      (import "l" "h" (func $h)) (global $v (mut i64) (i64.const 0)) (table 2 funcref) (elem (i32.const 0) $f)
      (type $t (func (param i32 i64) (result i64 f32)))
      (func $direct (drop (call $f (i32.const 1) (i64.const 5))) (global.set $v))
      (func $init {INIT} (call $direct) (call $g)
        (drop (call_indirect (type $t) (i32.const 1) (global.get $v) (i32.const 0))) (global.set $v)))"""
    library = wasm("""(module (func $f (export "f") (param i32 i64) (result i64 f32)
        (i64.add (local.get 1) (i64.const 37)) (f32.const 1)) (func (export "h"))
      (func (export "g") (drop (drop (call $f (i32.const 0) (i64.const 0))))))""")
    result = build_text(text, engine=engine, preloads={"l": library})
    assert result.report.host.calls == {"l.f": 2, "l.g": 1}  # what the library calls itself is no import's call
    assert [frame.name for frame in result.report.host.first_calls["l.f"]] == ["direct", "init"]
    value = Running(result.wasm, preloads={"l": library}).state().globals[0]
    assert int.from_bytes(value, "little") == 79


@pytest.mark.parametrize(
    ("wanted", "exported", "said"),
    [
        ("(func (param i32))", '(func (export "x"))', r"a function of type \(\) -> \(\).*a function of type \(i32\)"),
        ("(func)", '(memory (export "x") 1)', "a memory of 32 bits.*a function"),
        ("(memory 1)", '(memory (export "x") i64 1)', "a memory of 64 bits.*a memory of 32 bits"),
        ("(global i32)", '(global (export "x") (mut i32) (i32.const 1))', "a mutable global of type i32.*a constant"),
        ("(table 1 funcref)", '(global (export "x") i32 (i32.const 1))', "a constant global of type i32.*a table"),
    ],
)
def test_a_preloaded_export_of_another_type_is_told_with_the_import_s_name(
    wanted: str, exported: str, said: str
) -> None:
    text = f'(module (import "env" "y" (func)) (import "env" "x" {wanted}) (func {INIT}))'
    with pytest.raises(UsageError, match=said) as caught:
        build_text(text, preloads={"env": wasm(f"(module {exported})")})
    assert caught.value.where == "import `env.x`"


@ENGINES
def test_limits_that_do_not_fit_are_told_with_the_import_s_name(engine: str) -> None:
    text = f'(module (import "env" "m" (memory 2)) (func {INIT}))'
    with pytest.raises(PreinitError, match="memory types incompatible") as caught:
        build_text(text, engine=engine, preloads={"env": wasm('(module (memory (export "m") 1))')})
    assert caught.value.where == "import `env.m`"


def test_a_preloaded_module_that_nothing_is_imported_from_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing is imported from the preloaded module 'evn'") as caught:
        build_text(ASKS, preloads={"evn": wasm(PURE)}, stubs={"env.f": "zero"})
    assert caught.value.hint
    assert "'env'" in caught.value.hint
    with pytest.raises(UsageError, match="nothing is imported"):
        build_text(f"(module (func {INIT}))", preloads={"env": wasm(PURE)})


def codes(preload: str, text: str = ASKS) -> list[str]:
    return [warning.code for warning in build_text(text, preloads={"env": wasm(preload)}).report.warnings]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("(memory 1)", "memory 0"),
        ("(global (mut i32) (i32.const 0))", "mutable global 1"),
        ("(table 1 funcref) (elem (i32.const 0) 0)", "table 0"),
    ],
)
def test_state_of_a_preloaded_module_is_warned_of(state: str, shown: str) -> None:
    assert codes(PURE) == []
    result = build_text(ASKS, preloads={"env": wasm(PURE[:-1] + state + ")")})
    assert [warning.code for warning in result.report.warnings] == ["preload-state"]
    assert shown in result.report.warnings[0].message
    assert result.report.warnings[0].hint


def test_state_that_the_guest_shares_is_captured_and_not_warned_of() -> None:
    shared = PURE[:-1] + '(memory (export "m") 1))'
    text = ASKS.replace('(memory (export "memory") 1)', '(import "env" "m" (memory 1))')
    text = text.replace('(data (i32.const 16) "\\ff\\ff\\ff\\ff")', "")
    assert "preload-state" not in codes(shared, text)
