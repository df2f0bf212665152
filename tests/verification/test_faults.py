"""Faults in outputs, each of which `verify` must find, and say where it is."""

from __future__ import annotations

import random
from typing import Any

import pytest

from preinit import Options, verify
from preinit.binary.module import Module, parse
from preinit.binary.sections import Mode
from preinit.errors import Mismatch
from preinit.passes.parse.text import parse_text
from tests.support.modules import build_text, text_of, wasm
from tests.support.shapes.imports import STATE, VALUES

RICH = """(module $rich
  (type $v (func (result i32))) (type $n (func))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory $main (export "memory") 1 8) (memory $other 1 4)
  (global $count (export "count") (mut i32) (i32.const 1)) (global $long (mut i64) (i64.const 1))
  (global $single (mut f32) (f32.const 1)) (global $double (mut f64) (f64.const 1))
  (global $vector (mut v128) (v128.const i64x2 0 0)) (global $constant i32 (i32.const 9))
  (global $held (mut funcref) (ref.null func)) (global $where (export "KEYS") i32 (i32.const 300))
  (table $t 4 20 funcref) (elem $first (table $t) (i32.const 0) func $a $b)
  (elem $gone func $a $b) (elem $live func $b $a) (elem declare func $a $b)
  (data $active (i32.const 100) "active data") (data $dropped "dropped data") (data $kept "live data")
  (start $begin)
  (func $begin (global.set $count (i32.const 7)))
  (func $a (result i32) (i32.const 11)) (func $b (result i32) (i32.const 12))
  (func $init (export "preinit_initialize")
    (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.set $long (i64.const 77))
    (global.set $single (f32.reinterpret_i32 (i32.const 0x7fa00001))) (global.set $double (f64.const -0))
    (global.set $vector (v128.const i64x2 5 6)) (global.set $held (ref.func $a))
    (table.set $t (i32.const 2) (ref.func $b)) (table.set $t (i32.const 3) (ref.func $a))
    (memory.init $main $dropped (i32.const 300) (i32.const 0) (i32.const 12)) (data.drop $dropped) (elem.drop $gone)
    (i32.store $other (i32.const 65000) (i32.const 0x01020304))
    (drop (memory.grow $main (i32.const 1))))
  (func $get (export "get") (result i32) (global.get $count))
  (func $call (export "call") (param i32) (result i32) (call_indirect $t (type $v) (local.get 0)))
  (func $use (export "use") (memory.init $main $kept (i32.const 8) (i32.const 0) (i32.const 9))
     (table.init $t $live (i32.const 0) (i32.const 0) (i32.const 2)))
  (func $spare)
  (@custom "notes" (after code) "some notes")
  (@producers (language "C" "17"))
)"""

#: Fault -> what to replace in the output's text, by what, and what the error calls the kind and the place of it.
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "a data segment lies elsewhere": ("(i32.const 300) \"dropped", "(i32.const 301) \"dropped", "memory", "KEYS"),
    "a data segment is missing": ('  (data (;0;) (i32.const 100) "active data")\n', '  (data (;0;) (i32.const 100) "")\n', "memory", "0x64"),
    "a data segment is longer": ('"active data"', '"active data!"', "memory", "0x6f"),
    "a byte of another memory": (r"\04\03\02\01", r"\04\03\02\03", "memory", "memory 1, 0xfdeb"),
    "a segment fills another memory": ("(memory $other) (i32.const 65000)", "(i32.const 65000)", "memory", "0xfde8"),
    "a segment that code uses has another byte": ('"live data"', '"live dato"', "data segment", "kept"),
    "a segment that code uses is empty": ('"live data"', '""', "data segment", "kept"),
    "a segment that code uses is active": ('(data $kept (;2;) "', '(data $kept (;2;) (i32.const 9000) "', "memory", "0x2328"),
    "a dropped segment is there again": ('$dropped (;1;) ""', '$dropped (;1;) "dropped data"', "data segment", "dropped"),
    "a memory is larger": ("(memory $main (;0;) 2 8)", "(memory $main (;0;) 3 8)", "memory size", "memory 0"),
    "a memory is smaller": ("(memory $main (;0;) 2 8)", "(memory $main (;0;) 1 8)", "memory size", "memory 0"),
    "a memory may grow more": ("(memory $main (;0;) 2 8)", "(memory $main (;0;) 2 9)", "memory", "memory 0"),
    "a memory has no maximum": ("(memory $other (;1;) 1 4)", "(memory $other (;1;) 1)", "memory", "memory 1"),
    "an i32 global is one off": ("(mut i32) i32.const 8", "(mut i32) i32.const 9", "global", "count"),
    "an i64 global has another sign": ("i64.const 77)", "i64.const -77)", "global", "long"),
    "a NaN is quiet": ("nan:0x200001", "nan:0x600001", "global", "single"),
    "a zero has no sign": ("(mut f64) f64.const -0x0p+0", "(mut f64) f64.const 0x0p+0", "global", "double"),
    "a vector's last lane": ("0x00000006 0x00000000)\n  (global", "0x00000006 0x00000001)\n  (global", "global", "vector"),
    "a constant is another one": ("(global $constant (;5;) i32 i32.const 9)", "(global $constant (;5;) i32 i32.const 8)", "global", "constant"),
    "a constant can change": ("(global $constant (;5;) i32 ", "(global $constant (;5;) (mut i32) ", "global", "global 5"),
    "a global holds another function": ("(mut funcref) ref.func $a", "(mut funcref) ref.func $b", "global", "held"),
    "a global holds null": ("(mut funcref) ref.func $a", "(mut funcref) ref.null func", "global", "held"),
    "two entries of a table are swapped": ("func $a $b $b $a)", "func $b $a $b $a)", "table", "entry 0"),
    "an entry of a table is null": ("func $a $b $b $a)", "func $a $b $b)", "table", "entry 3"),
    "a table is larger": ("(table $t (;0;) 4 20 funcref)", "(table $t (;0;) 5 20 funcref)", "table size", "table 0"),
    "a table may grow less": ("(table $t (;0;) 4 20 funcref)", "(table $t (;0;) 4 19 funcref)", "table", "table 0"),
    "a dropped element segment is there again": ("(elem $gone (;1;) func)", "(elem $gone (;1;) func $a $b)", "element segment", "element segment 1"),
    "an element segment holds another function": ("(;2;) func $b $a)", "(;2;) func $b $b)", "element segment", "element segment 2"),
    "an element segment is empty": ("(;2;) func $b $a)", "(;2;) func)", "element segment", "element segment 2"),
    "the start function is there still": ("  (elem $first", "  (start $begin)\n  (elem $first", "start function", "start function"),
    "an export is missing": ('  (export "get" (func $get))\n', "", "export", "'get'"),
    "an export is another function": ('(export "get" (func $get))', '(export "get" (func $a))', "export", "'get'"),
    "an export is another memory": ('(export "memory" (memory $main))', '(export "memory" (memory $other))', "export", "'memory'"),
    "an export has another name": ('(export "use"', '(export "user"', "export", "'use'"),
    "the initializer is exported still": ('  (export "use"', '  (export "preinit_initialize" (func $init))\n  (export "use"', "export", "preinit_initialize"),
    "there is one more export": ('  (export "use"', '  (export "more" (func $spare))\n  (export "use"', "export", "'more'"),
    "an import has another name": ('"env" "log"', '"env" "lag"', "import", "import 1"),
    "an import has another module": ('"env" "log"', '"enw" "log"', "import", "import 1"),
    "an import has another type": ("(func $log (;1;) (type 2) (param i32))", "(func $log (;1;) (type $n))", "import", "import 1"),
    "a byte of code is another one": ("i32.const 12\n", "i32.const 13\n", "code", "function 4 (b)"),
    "a function has another type": ("(func $spare (;9;) (type $n)", "(func $spare (;9;) (type 2) (param i32)", "function", "function 9"),
    "there is one more function": ("  (@producers", "  (func (type $n))\n  (@producers", "function", "functions after"),
    "a function has another name": ("(func $spare", "(func $spore", "custom section", "'name'"),
    "a segment has another name": ("$dropped", "$drapped", "custom section", "data segment 1"),
    "a custom section holds something else": ('"some notes"', '"same notes"', "custom section", "'notes'"),
    "a custom section is missing": ('  (@custom "notes" (after code) "some notes")\n', "", "custom section", "custom sections"),
    "a custom section stands elsewhere": ('(after code) "some', '(after elem) "some', "custom section", "custom sections"),
    "there is one more custom section": ("  (@custom", '  (@custom "more" (after code) "")\n  (@custom', "custom section", "custom sections"),
    "the compiler is forgotten": ('    (language "C" "17")\n', "", "custom section", "'producers'"),
    "there is one more type": ("  (@producers", "  (type (func (param f64)))\n  (@producers", "type", "type 4"),
    "there is one more global": ("  (export \"memory\"", "  (global i32 (i32.const 0))\n  (export \"memory\"", "global", "global 8"),
    "there is one more memory": ("  (memory $other", "  (memory $other (;1;) 1 4)\n  (memory $mare", "memory", "memory 2"),
}  # fmt: skip


def found_in(text: str, binary: bytes, **fields: Any) -> Mismatch:
    """What `verify` says of a faulty output."""
    with pytest.raises(Mismatch) as caught:
        verify(wasm(text), binary, Options(cache=False, **fields))
    return caught.value


def replaced(binary: bytes, old: str, new: str) -> bytes:
    """A module in which a part of its text is another one."""
    text = text_of(binary)
    assert text.count(old) >= 1, f"{old} is not in {text}"
    return parse_text(text.replace(old, new).encode())


def test_the_output_without_a_fault_is_fine() -> None:
    output = build_text(RICH).wasm
    assert verify(wasm(RICH), output, Options(cache=False), call_all=True).calls
    assert verify(wasm(RICH), replaced(output, "(module", "(module"), Options(cache=False))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str) -> None:
    old, new, kind, place = FAULTS[fault]
    problem = found_in(RICH, replaced(build_text(RICH).wasm, old, new))
    first = problem.differences[0]
    assert kind in first.kind
    assert place in first.place
    assert first.expected != first.found


def _content(module: Module, source: random.Random) -> int:
    """The offset of a byte in an active data segment."""
    segments = [s for s in module.data_segments if s.mode is Mode.ACTIVE and s.end > s.start]
    segment = source.choice(segments)
    return source.randrange(segment.start, segment.end)


@pytest.mark.parametrize("seed", range(10))
def test_any_flipped_bit_of_a_data_segment_is_found_with_both_values(seed: int) -> None:
    output = bytearray(build_text(RICH).wasm)
    source = random.Random(seed)
    at, bit = _content(parse(bytes(output)), source), 1 << source.randrange(8)
    before = output[at]
    output[at] ^= bit
    (first,) = found_in(RICH, bytes(output)).differences
    assert (first.kind, first.expected, first.found) == ("memory", f"{before:02x}", f"{before ^ bit:02x}")


@pytest.mark.parametrize("seed", range(5))
def test_any_flipped_bit_of_code_is_found(seed: int) -> None:
    output = bytearray(build_text(RICH).wasm)
    source = random.Random(seed)
    body = source.choice(parse(bytes(output)).bodies)
    output[source.randrange(body.start + 1, body.end)] ^= 1 << source.randrange(8)
    assert found_in(RICH, bytes(output)).differences[0].kind == "code"


WITH_IMPORTS = STATE.removesuffix(")") + '(@producers (language "C" "17")))'

#: A fault of a build with other options -> module, its options, what to replace in the output, the kind of what is found.
OTHERS: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "a function that should do nothing returns something else": (
        '(module (func (export "init") (result i32) (i32.const 6)) (func (export "f")))',
        {"init_funcs": ("init",), "keep_init_func": "noop"},
        "(func (;2;) (type 0) (result i32)\n    i32.const 6", "(func (;2;) (type 0) (result i32)\n    i32.const 7", "call",
    ),
    "a function that should do nothing writes": (
        '(module (memory 1) (func (export "init") (i32.store8 (i32.const 1) (i32.const 2))))',
        {"init_funcs": ("init",), "keep_init_func": "noop"},
        "(func (;1;) (type 0))", "(func (;1;) (type 0) (i32.store8 (i32.const 1) (i32.const 3)))", "memory",
    ),
    "a start function sets an imported global to something else": (
        WITH_IMPORTS, {"import_globals": VALUES}, "i32.const 777\n    global.set $sp\n    global", "i32.const 778\n    global.set $sp\n    global", "global",
    ),
    "a start function is missing": (WITH_IMPORTS, {"import_globals": VALUES}, "  (start", "  ;; (start", "start function"),
    "a start function takes another constant": (
        WITH_IMPORTS, {"import_globals": VALUES}, "f32.const 0x1p-1", "f32.const 0x1p-2", "start function",
    ),
    "a start function does not look at a constant": (
        WITH_IMPORTS, {"import_globals": VALUES}, "i64.const 16\n    i64.ne", "i64.const 16\n    i64.ne\n    drop\n    i32.const 0", "start function",
    ),
    "a kept memory asks for less": (WITH_IMPORTS, {"import_globals": VALUES}, "(memory (;0;) 3 10)", "(memory (;0;) 2 10)", "start function"),
    "a start function does not clear a memory": (
        WITH_IMPORTS, {"import_globals": VALUES, "imports": "restore"}, "      memory.fill", "      drop drop drop", "memory",
    ),
    "a start function does not clear a table": (
        WITH_IMPORTS, {"import_globals": VALUES, "imports": "restore"}, "    table.fill $t", "    drop drop drop", "table",
    ),
    "a function that should do nothing has another type": (
        '(module (type (func)) (type (func (param i32))) (func (export "init")) (func (export "f") (param i32)))',
        {"init_funcs": ("init",), "keep_init_func": "noop"},
        "(func (;2;) (type 0))", "(func (;2;) (type 1) (param i32))", "export",
    ),
    "a memory that is restored asks for more": (
        WITH_IMPORTS, {"import_globals": VALUES, "imports": "restore"}, "(memory (;0;) 1 10)", "(memory (;0;) 2 10)", "memory",
    ),
    "a table that is restored asks for more": (
        WITH_IMPORTS, {"import_globals": VALUES, "imports": "restore"}, "(;0;) 3 20 funcref", "(;0;) 4 20 funcref", "table",
    ),
    "a memory that is defined is not exported": (
        WITH_IMPORTS, {"import_globals": VALUES, "imports": "define"}, '  (export "mem" (memory 0))\n', "", "export",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", OTHERS)
def test_a_fault_is_found_whatever_the_options(fault: str) -> None:
    text, fields, old, new, kind = OTHERS[fault]
    output = build_text(text, **fields).wasm
    assert verify(wasm(text), output, Options(cache=False, **fields))
    problem = found_in(text, replaced(output, old, new), **fields)
    assert kind in problem.differences[0].kind


def test_what_scrubbing_leaves_out_must_be_zero_and_nothing_else() -> None:
    text = """(module (memory 2) (global $__stack_pointer (mut i32) (i32.const 65536)) (data (i32.const 65536) "x")
        (func (export "preinit_initialize") (i32.store (i32.const 65000) (i32.const 1))
            (i32.store (i32.const 65540) (i32.const 2)))
        (func (export "peek") (result i32) (i32.load (i32.const 65000))))"""
    plain, scrubbed = build_text(text).wasm, build_text(text, scrub_stack=True).wasm
    facts = verify(wasm(text), scrubbed, Options(cache=False, scrub_stack=True), calls=["peek"])
    assert facts.calls[0].detail == "returns 0"
    for binary, options in ((plain, {"scrub_stack": True}), (scrubbed, {})):
        (first,) = found_in(text, binary, **options).differences
        assert first.place == "memory 0, 0xfde8 to 0xfde9 (stack)"
