"""Stubs for imported functions: what answers for them while the initializer runs."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest

from preinit.errors import ImportCalled, UsageError
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
    [
        ("zero", 0),
        ("nosys", Errno.NOSYS),
        ("ENOSYS", Errno.NOSYS),
        ("52", 52),
        ("0", 0),
        ("2big", None),
        ("exist", 20),
        ("77", 77),
        ("-1", 0xFFFFFFFF),
        ("0xdeadbeef", 0xDEADBEEF),
        ("4294967295", 0xFFFFFFFF),
        ("one", None),
        ("0x", None),
        ("", None),
        ("1 000", None),
    ],
)
def test_a_stub_answers_for_an_imported_function(what: str, number: int | None) -> None:
    if number is None:
        with pytest.raises(UsageError, match=f"a stub can't be '{what}'"):
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
    assert [warning.code for warning in report.warnings] == ["stub-answered"]


def test_a_stub_that_answered_is_named_with_its_count_and_a_warning_says_what_is_missing(tmp_path: Path) -> None:
    text = f"""(module (import "env" "log" (func $log (param i32))) (import "env" "ask" (func $ask (result i32)))
      (import "env" "never" (func $never)) (memory (export "memory") 1)
      (func $twice (call $log (i32.const 1)) (call $log (i32.const 2)))
      (func $init {INIT} (call $twice) (i32.store (i32.const 16) (call $ask))))"""
    stubs = {"env.log": "zero", "env.ask": "nosys", "env.never": "zero"}
    report = build_text(text, stubs=stubs).report
    assert report.host.stubbed == {"env.ask": 1, "env.log": 2}
    assert [warning.code for warning in report.warnings] == ["stub-answered", "stub-answered"]
    assert "`env.log` 2 times (first in `twice`, called from `init`): what that function does is missing" in (
        report.warnings[1].message
    )
    given = [part for name, what in stubs.items() for part in ("--stub", f"{name}={what}")]
    said = run("build", "-", *given, "-o", tmp_path / "out.wasm", stdin=wasm(text), code=0).stderr.decode()
    assert "answered by stubs: env.log (2 calls), env.ask (1 call)\n" in said
    assert "error[warnings]" in fails("build", "-", *given, "--strict", stdin=wasm(text))


@pytest.mark.parametrize(
    ("module", "name", "signature", "said"),
    [
        ("env", "invoke_vi", "(param i32 i32)", "calls a function of the module from outside"),
        ("env", "__cxa_throw", "(param i32 i32 i32)", "throws an exception"),
        ("env", "_emscripten_throw_longjmp", "", "leaves by longjmp"),
        ("env", "emscripten_memcpy_big", "(param i32 i32 i32)", 'preloads={"env": "FILE"}'),
        ("env", "abort", "", 'preloads={"env": "FILE"}'),
        ("wasi", "thread-spawn", "(param i32) (result i32)", 'preloads={"wasi": "FILE"}'),
        ("env", "sin", "(param f64) (result f64)", 'preloads={"env": "FILE"}'),
    ],
)
@pytest.mark.parametrize("stubbed", [False, True])
def test_no_hint_tells_to_let_a_stub_answer_for_what_may_do_something(
    module: str, name: str, signature: str, said: str, stubbed: bool
) -> None:
    """Who followed it would get a module whose initializer did nothing, and no error."""
    given = "".join(f"({kind}.const 1)" for kind in signature.partition(")")[0].split()[1:])
    text = f"""(module (import "{module}" "{name}" (func $f {signature}))
      (func {INIT} (call $f {given}) (return)) (func (export "get")))"""
    with pytest.raises(ImportCalled) as caught:
        build_text(text, stubs={f"{module}.{name}": "trap"} if stubbed else {})
    assert said in str(caught.value)
    assert "zero" not in str(caught.value)


def test_numbers_of_each_type_are_returned_bit_for_bit() -> None:
    result = build_text(
        f"""(module
        (import "env" "many" (func $many (result i64 f32 f64))) (import "env" "vector" (func $vector (result v128)))
        (memory (export "memory") 1)
        (func {INIT} (local $n i64) (local $f f32) (local $d f64)
          (call $many) (local.set $d) (local.set $f) (local.set $n)
          (i64.store (i32.const 0) (local.get $n)) (f32.store (i32.const 8) (local.get $f))
          (f64.store (i32.const 16) (local.get $d)) (v128.store (i32.const 32) (call $vector))))""",
        stubs={"env.many": "-2,0.5,-inf", "env.vector": "0x0102"},
    )
    memory = bytes(Running(result.wasm).state().memories[0])
    assert memory[:48] == struct.pack("<qf4xd8xQQ", -2, 0.5, -math.inf, 0x0102, 0)


MANY = f"""(module (import "env" "a" (func $a (result i32))) (import "env" "log_b" (func $b (result i32)))
  (import "env" "log_c" (func $c (result i32))) (import "env" "log_none" (func $none (param i64)))
  (import "lib" "d" (func $d (result i32))) (memory (export "memory") 1)
  (func {INIT}
    (i32.store8 (i32.const 16) (call $a)) (i32.store8 (i32.const 17) (call $b)) (i32.store8 (i32.const 18) (call $c))
    (i32.store8 (i32.const 19) (call $d)) (call $none (i64.const 1))))"""


def test_a_star_stands_for_all_that_begin_so_and_what_says_more_wins() -> None:
    for order in (1, -1):
        stubs = [("env.*", "zero"), ("env.a", "7"), ("lib.*", "4"), ("env.log_*", "zero"), ("env.log_c", "nosys")][
            ::order
        ]
        result = build_text(MANY, stubs=stubs)
        assert bytes(Running(result.wasm).state().memories[0][16:20]) == bytes([7, 0, Errno.NOSYS, 4])
        assert set(result.report.host.calls) == {"env.a", "env.log_b", "env.log_c", "env.log_none", "lib.d"}
    assert build_text(MANY, stubs={"*": "zero"}).report.host.calls["lib.d"] == 1
    with pytest.raises(ImportCalled, match=r"env\.log_b`, which is stubbed to trap"):
        build_text(MANY, stubs={"*": "zero", "env.log_*": "trap"})


def test_an_import_whose_own_name_ends_with_a_star_is_meant_alone() -> None:
    text = MANY.replace('"log_b"', '"*"')
    with pytest.raises(ImportCalled, match=r"`env\.a`"):
        build_text(text, stubs={"env.*": "zero"})


def test_a_star_leaves_preloaded_functions_alone() -> None:
    library = wasm('(module (func (export "a") (result i32) (i32.const 9)))')
    result = build_text(MANY, stubs={"env.*": "zero", "lib.d": "1"}, preloads={"env": library})
    assert bytes(Running(result.wasm).state().memories[0][16:20]) == bytes([9, 0, 0, 1])


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
        ({"env.memory": "zero"}, "'env.memory' is not a function"),
        ({"env.f": "one"}, "a stub can't be 'one'"),
        ({"env.f": "4294967296"}, r"has type \(\) -> \(i32\), so its stub can't return '4294967296'"),
        ({"env.f": "0.5"}, "can't return '0.5'"),
        ({"env.f": "1,2"}, "can't return '1,2'"),
        ({"env.none": "1"}, "can't return '1'"),
        ({"env.f": "1,"}, "a stub can't be '1,'"),
        ({"other.*": "zero"}, r"no function whose name fits 'other\.\*'"),
        ({"env.memory*": "zero"}, "no function whose name fits"),
        ({"env.*": "what"}, "a stub can't be 'what'"),
        ({"env.*": "nosys"}, "can't return an errno"),
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
