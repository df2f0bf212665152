"""Modules that are preloaded: what they provide, what is said of their state."""

from __future__ import annotations

import pytest

from preinit import errors
from preinit.binary.module import parse
from preinit.errors import PreinitError, UsageError
from tests.support.instances import Running
from tests.support.modules import build_text, wasm

INIT = '(export "wizer-initialize")'

#: Stores what `env.f` returns.
ASKS = f"""(module (import "env" "f" (func $f (param i32) (result i32))) (memory (export "memory") 1)
  (data (i32.const 16) "\\ff\\ff\\ff\\ff")
  (func $init {INIT} (i32.store (i32.const 16) (call $f (i32.const 1)))))"""

ENGINES = pytest.mark.parametrize("engine", ["whole", "ondemand"])

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


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ('(data "kept") (data $d "gone") (func (data.drop $d))', "data segment 1"),
        ("(elem func 0) (func (elem.drop 0))", "element segment 0"),
    ],
)
def test_segments_that_a_preloaded_module_drops_are_state_of_its_own(state: str, shown: str) -> None:
    (warning,) = build_text(ASKS, preloads={"env": wasm(PURE[:-1] + state + ")")}).report.warnings
    assert warning.code == "preload-state" and f"({shown})" in warning.message
    kept = '(import "env" "memory" (memory 1))'
    lent = PURE.replace("(module", "(module " + kept.replace('"env"', '"guest"'))
    takes = '(data $d "kept") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))))'
    assert codes(lent[:-1] + takes) == [], "it is there as often as it is wanted"


def test_state_that_the_guest_shares_is_captured_and_not_warned_of() -> None:
    shared = PURE[:-1] + '(memory (export "m") 1))'
    text = ASKS.replace('(memory (export "memory") 1)', '(import "env" "m" (memory 1))')
    text = text.replace('(data (i32.const 16) "\\ff\\ff\\ff\\ff")', "")
    assert "preload-state" not in codes(shared, text)


CALLS_OUT = f"""(module (import "host" "call" (func $call (param i32) (result i32)))
    (import "host" "base" (global $base i32)) (global $g (mut i32) (i32.const 0))
    (func {INIT} (global.set $g (i32.add (global.get $base) (call $call (i32.const 20)))))
    (func (export "get") (result i32) (global.get $g)))"""

STUB = """(module (import "deeper" "half" (func $half (param i32) (result i32))) (global (export "base") i32 (i32.const 7))
    (func (export "call") (param i32) (result i32) (call $half (local.get 0))))"""

DEEPER = """(module (func (export "half") (param i32) (result i32) (i32.div_u (local.get 0) (i32.const 2))))"""


def test_a_preloaded_module_provides_what_the_initializer_calls() -> None:
    preloads = (("deeper", DEEPER.encode()), ("host", STUB.encode()))
    result = build_text(CALLS_OUT, preloads=preloads)
    value = Running(result.wasm, values={"host.base": "7"}).state().globals[1]
    assert [entry.name for entry in parse(result.wasm).imports] == ["call", "base"]
    assert int.from_bytes(value, "little") == 17


def test_a_preloaded_module_with_imports_that_nobody_provides_is_refused() -> None:
    with pytest.raises(errors.UsageError, match=r"deeper\.half"):
        build_text(CALLS_OUT, preloads=(("host", STUB.encode()),))


def test_a_trap_in_a_preloaded_module_shows_the_frames_of_the_guest() -> None:
    text = f'(module (import "host" "f" (func $f)) (func $outer {INIT} (call $f)))'
    with pytest.raises(errors.GuestTrap) as caught:
        build_text(text, preloads=(("host", b'(module (func $inner (export "f") unreachable))'),))
    assert [frame.name for frame in caught.value.frames] == ["outer"]


def test_a_preloaded_function_of_another_type_is_an_error() -> None:
    with pytest.raises(errors.PreinitError, match="incompatible"):
        build_text(
            CALLS_OUT, preloads=(("host", b'(module (func (export "call")))'),), import_globals=(("host.base", "1"),)
        )


FOREIGN = b"""(module (func $own) (elem declare func $own) (func (export "function") (result funcref) (ref.func $own))
    (func (export "object") (result externref) (extern.convert_any (ref.i31 (i32.const 5)))))"""


@pytest.mark.parametrize(
    ("held", "fragments"),
    [
        ("(table $t 3 funcref)", ("table 0 of funcref", "another module", "element 2")),
        ("(global $g (mut funcref) (ref.null func))", ("global 0 (g) of funcref", "another module")),
        ("(table $t 3 externref)", ("table 0 of externref", "holds an object", "element 2")),
        ("(global $g (mut externref) (ref.null extern))", ("global 0 (g) of externref", "holds an object")),
    ],
)
def test_what_comes_from_another_module_is_named_with_its_place(held: str, fragments: tuple[str, ...]) -> None:
    kind = "externref" if "externref" in held else "funcref"
    source = "object" if kind == "externref" else "function"
    store = "(table.set $t (i32.const 2) (call $get))" if "table" in held else "(global.set $g (call $get))"
    text = f'(module (import "h" "{source}" (func $get (result {kind}))) {held} (func {INIT} {store}))'
    with pytest.raises(errors.UnsupportedState) as caught:
        build_text(text, preloads=(("h", FOREIGN),))
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)
    assert caught.value.hint


def test_a_preloaded_module_that_lacks_what_is_imported_from_it_is_told_what_that_is() -> None:
    guest = '(module (import "env" "now" (func (result i32))) (func (export "preinit_initialize")))'
    with pytest.raises(UsageError, match="'env' exports nothing that is imported from it") as caught:
        build_text(guest, preloads={"env": wasm('(module (func (export "later")))')})
    assert "'now'" in (caught.value.hint or "")
