"""How initializers are named, what they return, and what they can't be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import preinit
from preinit import Options, build, errors
from tests.support.command import run
from tests.support.components import RunningComponent, build_component
from tests.support.modules import wasm
from tests.support.places import FIXTURES

WORDS = (FIXTURES / "component.wat").read_text()

#: A function of an exported instance, with a version.
INTERFACE = """(component
  (core module $M (global $g (mut i32) (i32.const 0)) (func (export "set") (param i32) (global.set $g (local.get 0)))
    (func (export "get") (result i32) (global.get $g)))
  (core instance $m (instantiate $M))
  (func $set (param "n" u32) (canon lift (core func $m "set")))
  (func $get (result u32) (canon lift (core func $m "get")))
  (instance $i (export "set" (func $set)) (export "get" (func $get)))
  (export "acme:store/state@0.1.0" (instance $i)))"""


@pytest.mark.parametrize(
    "name", ["acme:store/state.set", "acme:store/state#set", "acme:store/state@0.1.0.set", "acme:store/state@0.1.0#set"]
)
def test_a_function_of_an_exported_instance_is_named_with_or_without_version(name: str) -> None:
    running = RunningComponent(build_component(INTERFACE, f"{name}(7)").wasm)
    assert running.call("acme:store/state@0.1.0#get") == 7
    assert running.has("acme:store/state@0.1.0#set")


def test_what_a_function_returned_is_in_the_report_in_wave() -> None:
    report = build_component(WORDS, 'learn(["ab", "c"])').report
    assert (report.runs[0].arguments, report.runs[0].value) == (('["ab", "c"]',), "ok(3)")
    assert preinit.Report.from_json(report.to_json()) == report


def test_an_error_that_a_function_returns_fails_the_build() -> None:
    with pytest.raises(errors.InitializerRefused, match=r"'learn' returned an error: \"there is no word\""):
        build(wasm(WORDS), Options(cache=False, init_funcs=("learn([])",)))


def test_values_can_be_given_from_python() -> None:
    options = Options(cache=False, init_funcs=(preinit.Call("learn", preinit.strings("x", "y")),))
    assert build(wasm(WORDS), options).wasm == build_component(WORDS, 'learn(["x", "y"])').wasm


TAKER = """(component
  (core module $M (memory (export "m") 2) (global $n (mut i32) (i32.const 0)) (global $free (mut i32) (i32.const 1024))
    (func (export "r") (param i32 i32 i32 i32) (result i32) (global.get $free)
      (global.set $free (i32.add (global.get $free) (local.get 3))))
    (func (export "give") (param i32 i32) (result i32) (global.set $n (i32.add (local.get 1) (i32.load8_u (local.get 0))))
      (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))
    (func (export "get") (result i32) (global.get $n)))
  (core instance $m (instantiate $M))
  (func (export "bytes") (param "b" (list u8)) (result (list u8))
    (canon lift (core func $m "give") (memory (core memory $m "m")) (realloc (core func $m "r"))))
  (func (export "text") (param "t" string) (result string)
    (canon lift (core func $m "give") (memory (core memory $m "m")) (realloc (core func $m "r"))))
  (func (export "get") (result u32) (canon lift (core func $m "get"))))"""


@pytest.mark.parametrize("function", ["bytes", "text"])
def test_a_file_is_given_as_bytes_or_as_text(function: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"abc" * 10_000)
    (tmp_path / "in.wasm").write_bytes(wasm(TAKER))
    done = run(
        "build", tmp_path / "in.wasm", "-f", f"{function}(@{tmp_path}/data)", "-o", tmp_path / "out.wasm", code=0
    )
    assert RunningComponent((tmp_path / "out.wasm").read_bytes()).call("get") == 30_000 + ord("a")
    assert len(done.stderr) < 1_000


def test_a_file_that_is_no_text_is_refused_where_a_text_is_wanted() -> None:
    with pytest.raises(errors.InitializerType, match=r"no text in UTF-8 \(byte 1\)"):
        build(wasm(TAKER), Options(cache=False, init_funcs=(preinit.Call("text", b"a\xff"),)))


def test_long_values_are_shown_in_part() -> None:
    report = build(wasm(TAKER), Options(cache=False, init_funcs=(preinit.Call("bytes", bytes(50_000)),))).report
    assert report.runs[0].value.endswith(", ...]")
    assert len(report.runs[0].value) < 2_000
    assert len(report.runs[0].arguments[0]) < 300


def test_the_command_takes_values_and_says_what_was_returned(tmp_path: Path) -> None:
    source = FIXTURES / "component.wat"
    done = run("build", source, "-f", 'learn(["Hello", ", ", "world"])', "-o", tmp_path / "out.wasm", code=0)
    assert b"ran learn (it returned ok(12))" in done.stderr
    assert RunningComponent((tmp_path / "out.wasm").read_bytes()).call("say") == "Hello, world"


def test_the_command_writes_a_page_about_a_component(tmp_path: Path) -> None:
    for source in (FIXTURES / "component.wat", tmp_path / "in.wasm"):
        (tmp_path / "in.wasm").write_bytes(wasm(WORDS))
        given = ("--html", tmp_path / "page.html", "-o", tmp_path / "out.wasm")
        run("build", source, "-f", 'learn(["a"])', *given, code=0)
        page = (tmp_path / "page.html").read_text()
        assert "Core module 0" in page
        assert "learn" in page
        (tmp_path / "page.html").unlink()


def test_a_builder_makes_many_snapshots_of_a_component() -> None:
    with preinit.Builder(wasm(WORDS), cache=False) as builder:
        for word in ("a", "bc", "def"):
            made = builder.build(init_funcs=[f'learn(["{word}"])'])
            assert RunningComponent(made.wasm).call("say") == word
            assert made.wasm == build_component(WORDS, f'learn(["{word}"])').wasm


def test_a_budget_names_the_largest_sections() -> None:
    with pytest.raises(errors.BudgetExceeded, match="core module sections"):
        build_component(WORDS, 'learn(["a"])', max_size=100)


def test_an_asynchronous_initializer_is_refused_by_name() -> None:
    text = """(component
      (core module $M (func (export "run") (result i32) (i32.const 0)) (func (export "back") (param i32 i32 i32) (result i32) (i32.const 0)))
      (core instance $m (instantiate $M))
      (func (export "run") async (canon lift (core func $m "run") async (callback (core func $m "back")))))"""
    with pytest.raises(errors.PreinitError) as caught:
        build(wasm(text), Options(cache=False, init_funcs=("run",)))
    assert "asynchronous" in caught.value.what


def test_a_component_that_imports_another_one_is_refused_by_name() -> None:
    text = '(component (import "other" (component $c)))'
    with pytest.raises(errors.Unsupported, match="imports a component, 'other'"):
        build(wasm(text), Options(cache=False, init_funcs=()))


def test_compiled_code_is_kept_for_the_next_build(tmp_path: Path) -> None:
    options = {"cache": True, "cache_dir": str(tmp_path / "cache")}
    first = build_component(WORDS, 'learn(["a"])', **options)
    assert list((tmp_path / "cache").rglob("*"))
    assert build_component(WORDS, 'learn(["a"])', **options).wasm == first.wasm


def test_a_component_that_is_entered_again_traps_as_it_does_elsewhere() -> None:
    text = """(component
  (core module $A (table (export "t") 1 funcref) (type $v (func)) (memory (export "memory") 1)
    (global $n (mut i32) (i32.const 0))
    (func (export "f") (global.set $n (i32.add (global.get $n) (i32.const 1))) (call_indirect (type $v) (i32.const 0))))
  (core instance $a (instantiate $A))
  (func $f (canon lift (core func $a "f")))
  (core func $low (canon lower (func $f)))
  (core module $B (import "" "t" (table 1 funcref)) (import "" "f" (func $f)) (elem (i32.const 0) func $f))
  (core instance (instantiate $B (with "" (instance (export "t" (table $a "t")) (export "f" (func $low))))))
  (func (export "run") (canon lift (core func $a "f"))))"""
    with pytest.raises(errors.GuestTrap, match="entered again"):
        build(wasm(text), Options(cache=False, init_funcs=("run",)))


def test_a_function_with_a_list_of_fixed_length_may_be_there() -> None:
    text = """(component
  (core module $A (memory (export "m") 1) (func (export "run")) (func (export "get") (param i32 i32 i32 i32) (result i32) (i32.const 1)))
  (core instance $a (instantiate $A))
  (func (export "run") (canon lift (core func $a "run")))
  (func (export "get") (param "a" (list u8 4)) (result u32) (canon lift (core func $a "get"))))"""
    assert build(wasm(text), Options(cache=False, init_funcs=("run",))).wasm
    with pytest.raises(errors.PreinitError, match="fixed length"):
        build(wasm(text), Options(cache=False, init_funcs=("get([1, 2, 3, 4])",)))


#: Functions of one parameter, by the type in WIT.
TYPED = """(component
  (core module $M (memory (export "m") 1) (func (export "i32") (param i32)) (func (export "f64") (param f64))
    (func (export "list") (param i32 i32))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $m (instantiate $M))
  (type $e (enum "inf" "inf-x" "nan")) (export $ex "e" (type $e))
  (type $r (record {fields})) (export $rx "r" (type $r))
  (type $h (resource (rep i32))) (export $hx "h" (type $h))
  (func (export "word") (param "x" $ex) (canon lift (core func $m "i32")))
  (func (export "number") (param "x" f64) (canon lift (core func $m "f64")))
  (func (export "handle") (param "x" (own $hx)) (canon lift (core func $m "i32")))
  (func (export "long") (param "x" (list $rx))
    (canon lift (core func $m "list") (memory (core memory $m "m")) (realloc (core func $m "realloc")))))""".format(
    fields="".join(f'(field "a{n}" u8)' for n in range(14))
)


@pytest.mark.parametrize(
    "call", ["word(inf)", "word(inf-x)", "word(nan)", "number(inf)", "number(-inf)", "number(1e308)"]
)
def test_words_that_are_numbers_elsewhere_are_what_the_type_says(call: str) -> None:
    assert build(wasm(TYPED), Options(cache=False, init_funcs=(call,))).report.runs[0].function == call.split("(")[0]


@pytest.mark.parametrize(
    ("call", "said"),
    [("number(1e400)", "too large"), ("number(inf-x)", "is no value"), ("handle(1)", "takes a handle")],
)
def test_what_can_not_be_given_is_refused(call: str, said: str) -> None:
    with pytest.raises(errors.PreinitError, match=said):
        build(wasm(TYPED), Options(cache=False, init_funcs=(call,)))


def test_the_example_of_a_hint_can_be_given() -> None:
    with pytest.raises(errors.InitializerType) as caught:
        build(wasm(TYPED), Options(cache=False, init_funcs=("long",)))
    (example,) = re.findall(r"long\(\[.*\]\)", caught.value.hint or "")
    assert build(wasm(TYPED), Options(cache=False, init_funcs=(example,))).wasm


def test_a_function_of_two_versions_needs_the_version() -> None:
    text = """(component (core module $M (global $g (mut i32) (i32.const 0)) (func (export "f") (global.set $g (i32.const 1))))
      (core instance $m (instantiate $M)) (func $f (canon lift (core func $m "f"))) (instance $i (export "f" (func $f)))
      (export "a:b/c@1.0.0" (instance $i)) (export "a:b/c@2.0.0" (instance $i)))"""
    with pytest.raises(errors.UnknownExport, match="several versions"):
        build(wasm(text), Options(cache=False, init_funcs=("a:b/c.f",)))
    assert build(wasm(text), Options(cache=False, init_funcs=("a:b/c@2.0.0.f",))).wasm
