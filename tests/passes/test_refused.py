"""What is refused, and what the error says."""

from __future__ import annotations

import pytest

from preinit import errors
from tests.support.modules import build_text, wasm

INIT = '(export "preinit_initialize")'

#: Name -> module, error, what its text must contain.
REFUSED = {
    "an_imported_shared_memory": ('(module (import "a" "m" (memory 1 2 shared)))', errors.ImportedState, "a.m"),
    "an_imported_constant_without_a_value": (
        f'(module (import "a" "g" (global i32)) (func {INIT}))',
        errors.ImportedState,
        'import_globals={"a.g": "VALUE"}',
    ),
    "an_imported_table_without_null": (
        f'(module (type $t (func)) (import "a" "t" (table 1 (ref $t))) (func {INIT}))',
        errors.ImportedState,
        "a.t",
    ),
    "stack_switching": ("(module (type $f (func)) (type $c (cont $f)))", errors.UnsupportedProposal, "stack switching"),
    "an_object_in_a_global": (
        f"""(module (type $s (struct (field (mut i32)))) (global $o (ref $s) (struct.new $s (i32.const 1)))
            (func {INIT} (struct.set $s 0 (global.get $o) (i32.const 2))))""",
        errors.UnsupportedState,
        "holds an object",
    ),
    "objects_in_a_passive_segment": (
        f"""(module (type $s (struct (field (mut i32)))) (table 1 (ref null $s)) (elem $e (ref $s) (struct.new_default $s))
            (func {INIT} (table.init $e (i32.const 0) (i32.const 0) (i32.const 1))
                (struct.set $s 0 (table.get (i32.const 0)) (i32.const 5)) (table.set (i32.const 0) (ref.null $s))))""",
        errors.UnsupportedState,
        "element segment 0 holds objects",
    ),
    "a_trap": (
        f"(module (func $inner unreachable) (func $outer {INIT} (call $inner)))",
        errors.GuestTrap,
        "unreachable",
    ),
    "a_trap_in_the_start_function": (
        f"(module (start $s) (func $s (drop (i32.div_u (i32.const 1) (i32.const 0)))) (func {INIT}))",
        errors.GuestTrap,
        "divide by zero",
    ),
    "a_segment_outside_its_memory": (
        f'(module (memory 1) (data (i32.const 65535) "ab") (func {INIT}))',
        errors.GuestTrap,
        "can't be instantiated",
    ),
    "an_uncaught_exception": (
        f"(module (tag $e) (func $f (throw $e)) (func {INIT} (call $f)))",
        errors.UncaughtException,
        "exception left the initializer",
    ),
    "endless_recursion": (
        f'(module (func $f (export "f") (param i64) (call $f (local.get 0))) (func {INIT} (call $f (i64.const 0))))',
        errors.StackExhausted,
        "f (function 0)",
    ),
    "a_called_import": (
        f'(module (import "env" "log" (func $log (param i32))) (func $caller {INIT} (call $log (i32.const 1))))',
        errors.ImportCalled,
        "env.log",
    ),
    "no_initializer": (
        '(module (func (export "configure")) (func (export "main") (param i32)))',
        errors.NoInitializer,
        "configure",
    ),
    "nothing_to_run": ("(module)", errors.NoInitializer, "none of wizer-initialize"),
    "a_parameter_without_argument": (
        f"(module (func {INIT} (param i32 f64)))",
        errors.InitializerType,
        "preinit_initialize(<i32>,<f64>)",
    ),
    "a_parameter_that_is_no_number": (
        f"(module (func {INIT} (param externref)))",
        errors.InitializerType,
        "externref",
    ),
    "a_large_memory": ("(module (memory i64 65537))", errors.MemoryLimit, "4,194,368 KiB"),
    "a_large_table": ("(module (table 1000001 funcref))", errors.MemoryLimit, "1,000,001"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_module_is_refused_with_the_reason(name: str) -> None:
    text, error, fragment = REFUSED[name]
    with pytest.raises(errors.PreinitError) as caught:
        build_text(text)
    assert type(caught.value) is error
    assert fragment in str(caught.value)
    assert caught.value.hint, "an error says what to do"
    assert "Traceback" not in str(caught.value)


def test_a_backtrace_names_the_functions_innermost_first() -> None:
    with pytest.raises(errors.GuestTrap) as caught:
        build_text(REFUSED["a_trap"][0])
    assert [frame.name for frame in caught.value.frames] == ["inner", "outer"]
    binary = wasm(REFUSED["a_trap"][0])
    offset = caught.value.frames[0].offset
    assert offset is not None
    assert binary[offset] == 0x00  # unreachable


def test_a_called_import_comes_with_its_caller() -> None:
    with pytest.raises(errors.ImportCalled) as caught:
        build_text(REFUSED["a_called_import"][0])
    assert [frame.name for frame in caught.value.frames] == ["caller"]


@pytest.mark.parametrize(
    "text",
    [
        # Instructions that are there, and never run or change nothing, are no reason to refuse a module.
        """(module (table 2 funcref) (elem $e func $f) (elem declare func $f) (data $d "x") (memory 1)
            (global $r (mut funcref) (ref.null func))
            (func $f (export "preinit_initialize"))
            (func (export "never") (table.set (i32.const 0) (ref.func $f)) (elem.drop $e) (data.drop $d)
                (drop (table.grow (ref.null func) (i32.const 9))) (global.set $r (ref.func $f))))""",
        """(module (table 2 funcref) (elem (i32.const 0) $f) (elem declare func $f)
            (global $r (mut funcref) (ref.null func))
            (func $f (export "preinit_initialize") (table.set (i32.const 1) (ref.func $f))
                (table.set (i32.const 1) (ref.null func)) (table.set (i32.const 0) (ref.func $f))
                (global.set $r (ref.func $f)) (global.set $r (ref.null func))))""",
    ],
)
def test_what_changes_nothing_is_accepted(text: str) -> None:
    build_text(text)
