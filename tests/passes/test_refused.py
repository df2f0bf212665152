"""What is refused, and what the error says."""

from __future__ import annotations

import pytest

from preinit import Options, build, errors
from preinit.binary import encoder as write
from preinit.binary.types import FuncType
from tests.support.modules import build_text, wasm

INIT = '(export "preinit_initialize")'

#: Name -> module, error, what its text must contain.
REFUSED = {
    "an_imported_shared_memory": ('(module (import "a" "m" (memory 1 2 shared)))', errors.ImportedState, "a.m"),
    "an_imported_constant_without_a_value": (
        f'(module (import "a" "g" (global i32)) (func {INIT}))',
        errors.ImportedState,
        "--import-global a.g=VALUE",
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
        "instantiating",
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
    "a_large_memory": ("(module (memory i64 65537))", errors.MemoryLimit, "4295032832"),
    "a_large_table": ("(module (table 1000001 funcref))", errors.MemoryLimit, "1000001"),
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


@pytest.mark.parametrize(
    ("init_func", "error"),
    [
        ("add(1)", errors.InitializerType),
        ("add(1,2,3)", errors.InitializerType),
        ("add(1,x)", errors.InitializerType),
        ("add(1,4294967296)", errors.InitializerType),
        ("add(1,-2147483649)", errors.InitializerType),
        ("add(1,1.5)", errors.InitializerType),
        ("memory", errors.InitializerType),
        ("nothing", errors.UnknownExport),
        ("add(1,2", errors.UnknownExport),
    ],
)
def test_arguments_that_do_not_fit_are_refused(init_func: str, error: type[errors.PreinitError]) -> None:
    text = '(module (memory (export "memory") 1) (func (export "add") (param i32 i32)))'
    with pytest.raises(error):
        build_text(text, init_funcs=(init_func,))


@pytest.mark.parametrize("init_func", ["add(1,2", "add((1),2)", "(add"])
def test_a_call_without_both_brackets_is_told_what_a_call_looks_like(init_func: str) -> None:
    with pytest.raises(errors.UnknownExport, match=r"with both brackets"):
        build_text('(module (func (export "add") (param i32 i32)))', init_funcs=(init_func,))


@pytest.mark.parametrize(
    "fields",
    [
        {"layout": "tight"},
        {"compiler": "gcc"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"max_memory": -1},
        {"init_funcs": ("f",), "start_only": True},
        {"rename_funcs": (("a", "b"), ("a", "c"))},
        {"no_such_option": 1},
    ],
)
def test_options_that_make_no_sense_are_usage_errors(fields: dict[str, object]) -> None:
    with pytest.raises(errors.UsageError):
        build(wasm("(module)"), **fields)


def test_renaming_needs_an_export_that_stays() -> None:
    text = '(module (func (export "preinit_initialize")))'
    with pytest.raises(errors.UnknownExport):
        build_text(text, rename_funcs=(("a", "b"),))
    with pytest.raises(errors.UsageError):
        build_text(text, rename_funcs=(("a", "preinit_initialize"),))


def test_an_endless_loop_ends_at_the_time_limit() -> None:
    with pytest.raises(errors.TimeLimit):
        build_text("""(module (func (export "preinit_initialize") (loop (br 0))))""", timeout=0.5)


def test_legacy_exceptions_are_refused_with_the_way_out() -> None:
    # try (catch_all) end: the opcodes 0x06 and 0x19, which the text format no longer writes.
    body = bytes.fromhex("00 06 40 19 0b 0b")
    module = (
        b"\0asm\1\0\0\0" + bytes.fromhex("01 04 01 60 00 00  03 02 01 00")
        + bytes.fromhex("07 16 01 12") + b"preinit_initialize" + b"\0\0"
        + bytes((10, len(body) + 2, 1, len(body))) + body
    )  # fmt: skip
    with pytest.raises(errors.UnsupportedProposal) as caught:
        build(module, Options(cache=False))
    assert "translate-to-exnref" in str(caught.value)
    assert "byte offset" in str(caught.value)


def test_an_invalid_module_is_named_with_the_offset_in_the_original_file() -> None:
    binary = bytearray(wasm('(module (func (export "preinit_initialize") (drop (i32.const 1))))'))
    place = binary.index(b"\x41\x01\x1a")
    binary[place] = 0x42  # an i64 is dropped: valid; then make the drop an i32.eqz
    binary[place + 2] = 0x45
    with pytest.raises(errors.InvalidModule) as caught:
        build(bytes(binary), Options(cache=False))
    assert f"{place + 2:#x}" in str(caught.value)


@pytest.mark.parametrize("counts", [(1, 0), (0, 1), (0, 1000)])
def test_a_start_function_of_another_type_is_refused_before_the_engine_sees_it(counts: tuple[int, int]) -> None:
    """It is called without a look at its type: the engine would write past the array for its values."""
    function = FuncType((b"\x7e",) * counts[0], (b"\x7e",) * counts[1])
    body = b"\0" + b"\x42\0" * counts[1] + b"\x0b"
    sections = [
        write.section(1, write.vector([write.function_type(FuncType((), ())), write.function_type(function)])),
        write.section(3, b"\2\0\1"),
        write.section(7, write.vector([write.export("preinit_initialize", 0, 0)])),
        write.section(8, b"\1"),
        write.section(10, write.vector([write.code_entry(b"\0\x0b"), write.code_entry(body)])),
    ]
    with pytest.raises(errors.InvalidModule, match="start function"):
        build(write.assemble(sections), Options(cache=False))


def test_passive_segments_up_to_the_limit_leave_no_room() -> None:
    text = f"""(module (memory 1) {"(data)" * 100_000}
        (func {INIT} (i32.store8 (i32.const 1) (i32.const 1)) (data.drop 0)))"""
    with pytest.raises(errors.PreinitError) as caught:
        build_text(text)
    assert caught.value.code == "output-too-large" or "bug in preinit" not in str(caught.value)


def test_options_and_fields_together_are_a_usage_error() -> None:
    with pytest.raises(errors.UsageError):
        build(wasm("(module)"), Options(), layout="few")


def test_a_guest_that_outlives_its_time_is_stopped_wherever_it_was() -> None:
    import threading

    text = b'(module (func (export "preinit_initialize") (loop (br 0))))'
    for milliseconds in range(1, 40, 3):
        with pytest.raises(errors.TimeLimit):
            build(wasm(text.decode()), cache=False, timeout=milliseconds / 1000)
    for thread in threading.enumerate():
        if thread.name == "preinit-guest":
            thread.join(20)
            assert not thread.is_alive()
