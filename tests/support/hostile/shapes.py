"""Initializers that go wrong, modules that are larger than any compiler makes them, and text."""

from __future__ import annotations

from preinit.binary import encoder as write
from tests.support.amounts import amount
from tests.support.by_hand import EMPTY, END, EXPORT, IMPORT, INIT, TYPE, functions, module, repeated
from tests.support.hostile import modules as big
from tests.support.hostile.modules import BOTH, BUILT, Hostile, long_body
from tests.support.hostile.running import EVIL, MEM, OVER, imported, text

WRONG: dict[str, Hostile] = {
    "a start function that traps": Hostile(
        lambda: f'(module (func $f unreachable) (start $f) (func (export "{INIT}")))', ("trap",), (), BOTH
    ),
    "an exception that nobody catches": Hostile(
        lambda: text("(throw $t)", "(tag $t)"), ("uncaught-exception",), (), BOTH
    ),
    "a data segment at -1": Hostile(lambda: text("", MEM, '(data (i32.const -1) "ab")'), ("trap",), (), BOTH),
    "a data segment at 2^64 - 1": Hostile(
        lambda: text("", '(memory i64 1) (data (i64.const -1) "ab")'), ("trap",), (), BOTH
    ),
    "an empty data segment beyond the memory": Hostile(
        lambda: text("", MEM, '(data (i32.const 65537) "")'), ("trap",), (), BOTH
    ),
    "an element segment beyond its table": Hostile(
        lambda: text("", "(table 1 funcref) (elem (i32.const 1) $init)"), ("trap", "unsupported"), (), BOTH
    ),
    "an element segment at 2^64 - 1": Hostile(
        lambda: text("", "(table i64 1 funcref) (elem (i64.const -1) $init)"), ("trap", "unsupported"), (), BOTH
    ),
    "a load at 2^64 - 1 with the largest offset": Hostile(
        lambda: text("(drop (i64.load offset=0xffffffffffffffff (i64.const -1)))", "(memory i64 1)"),
        ("trap",),
        (),
        BOTH,
    ),
    "a load with an offset of 4 GiB": Hostile(
        lambda: text("(drop (i64.load offset=0xffffffff (i32.const -1)))", MEM), ("trap",), (), ("auto",)
    ),
    "a call through null": Hostile(
        lambda: text("(call_indirect (i32.const 0))", "(table 1 funcref)"), ("trap",), (), BOTH
    ),
    "a call of another type": Hostile(
        lambda: text("(call_indirect (param i32) (i32.const 0) (i32.const 0))", "(table funcref (elem $init))"),
        ("trap",),
        (),
        BOTH,
    ),
    "an import that is called": Hostile(
        lambda: text("(call $f)", f'(import "{EVIL}" "{EVIL}" (func $f))'), ("import-called",), (), BOTH
    ),
    "an exit": Hostile(
        lambda: text("(call $proc_exit (i32.const 0))", imported("proc_exit", "i32", ""), MEM),
        ("guest-exit",),
        (),
        ("auto",),
    ),
    "a signal": Hostile(
        lambda: text("(drop (call $proc_raise (i32.const 9)))", imported("proc_raise", "i32"), MEM), ("trap",)
    ),
    "WASI without a memory": Hostile(
        lambda: text("(drop (call $random_get (i32.const 0) (i32.const 1)))", imported("random_get", "i32 i32")),
        ("trap",),
    ),
    "names that steer a terminal": Hostile(
        lambda: text("", f'(import "{EVIL}" "{EVIL}" (global (mut i32))) (func (export "{EVIL}"))', MEM), (BUILT,)
    ),
    "names that steer a terminal in a backtrace": Hostile(
        lambda: text("(call $f)", f'(func $f (export "{EVIL}") unreachable)'), ("trap",), (), BOTH
    ),
    "names that steer a terminal in a list of candidates": Hostile(
        lambda: f'(module (func (export "{EVIL}")))', ("no-initializer",)
    ),
    "nothing to run but a name of 90,000 bytes": Hostile(
        lambda: module({EXPORT: write.vector([write.export("x" * 90_000, 0, 0)])}), ("no-initializer",)
    ),
}

LARGE: dict[str, Hostile] = {
    "an initializer that calls thousands of functions": Hostile(
        lambda: big.calls_of(amount(100_000, 5_000)), (BUILT,), (), BOTH, 2 << 30
    ),
    "thousands of functions called through a table": Hostile(
        lambda: big.calls_through_a_table(amount(20_000, 1_500)), (BUILT,), (), BOTH, 2 << 30
    ),
    "a million types": Hostile(
        lambda: big.many_types(amount(1_000_000, 100_000)), (BUILT, *OVER), ("--timeout", "3"), ("auto",), 2 << 30
    ),
    "1,000,001 types": Hostile(lambda: big.many_types(1_000_001), ("engine-limit",)),
    "types in groups, more than engines take": Hostile(
        lambda: module({TYPE: repeated(b"\x4e\x64" + b"\x60\0\0" * 100, 10_001)}), ("engine-limit",), says="types"
    ),
    "many thousands of imports": Hostile(lambda: big.many_imports(amount(100_000, 3_000)), (BUILT,), (), BOTH, 2 << 30),
    "imports in groups, more than engines take": Hostile(
        lambda: module({IMPORT: repeated(b"\x01m\0\x7e\0\0" + repeated(b"\0", 100_000), 11)}),
        ("engine-limit",),
        says="imports",
    ),
    "many thousands of exports": Hostile(lambda: big.many_exports(amount(50_000, 20_000)), (BUILT,), (), ("auto",)),
    "100,000 data segments": Hostile(lambda: big.many_data_segments(100_000), (BUILT,), (), ("auto",)),
    "thousands of element segments of one table": Hostile(
        lambda: big.many_element_segments(amount(50_000, 5_000)), (BUILT,), (), BOTH
    ),
    "many thousands of globals": Hostile(lambda: big.many_globals(amount(300_000, 10_000)), (BUILT,), (), ("auto",)),
    "a million globals": Hostile(
        lambda: big.many_globals(amount(1_000_000, 200_000)), (BUILT, *OVER), ("--timeout", "2"), ("auto",), 2 << 30
    ),
    "many thousands of custom sections": Hostile(lambda: big.many_custom_sections(amount(200_000, 50_000)), (BUILT,)),
    "a million custom sections": Hostile(
        lambda: big.many_custom_sections(amount(3_000_000, 1_000_001)), ("malformed",)
    ),
    "every name that the instrumented copy could want": Hostile(lambda: big.prefixes(3_000), (BUILT,), (), ("auto",)),
    "a branch table of 2,000,000 entries": Hostile(
        lambda: big.many_branches(2_000_000), ("unsupported",), (), ("auto",), 2 << 30
    ),
    "a branch table whose validation takes minutes": Hostile(
        lambda: big.many_branches(6_000_000, 1000), OVER, ("--timeout", "2"), BOTH
    ),
    "a body of 7 MB": Hostile(
        lambda: long_body(b"\x41\0\x1a", 2_333_333), (BUILT, "invalid-module", "unsupported"), (), BOTH, 2 << 30
    ),
    "a body that is longer than engines take": Hostile(
        lambda: long_body(b"\x01", 8_000_000), ("engine-limit",), (), ("auto",)
    ),
    "a function that takes minutes to compile": Hostile(
        lambda: module(body=b"\x01\x01\x7e" + b"\x20\0\x20\0\x7e\x21\0" * 900_000 + END),
        (BUILT, *OVER),
        ("--timeout", "2", "--compiler", "cranelift"),
        ("auto",),
        2 << 30,
    ),
    "hundreds of thousands of calls in one function that never runs": Hostile(
        lambda: functions(2, EMPTY, b"\0" + b"\x10\0" * amount(3_000_000, 300_000) + END),
        (BUILT, *OVER),
        ("--timeout", "2"),
        BOTH,
        2 << 30,
    ),
    "hundreds of thousands of calls in one function": Hostile(
        lambda: functions(2, b"\0" + b"\x10\x01" * amount(3_000_000, 300_000) + END),
        (BUILT, *OVER),
        ("--timeout", "2"),
        BOTH,
        2 << 30,
    ),
    "hundreds of thousands of growths in one function": Hostile(
        lambda: long_body(b"\x40\0", amount(3_000_000, 300_000), b"\x41\0", b"\x1a"),
        (BUILT, "unsupported", *OVER),
        ("--timeout", "2"),
        BOTH,
        2 << 30,
    ),
    "50,000 locals": Hostile(lambda: big.many_locals(50_000), (BUILT,), (), BOTH),
    "50,001 locals": Hostile(lambda: big.many_locals(50_001), ("engine-limit",), (), ("auto",)),
    "1001 parameters": Hostile(lambda: big.many_parameters(1001), ("engine-limit",), (), ("auto",)),
    "100,000 nested blocks": Hostile(lambda: big.deep_blocks(100_000), (BUILT, "invalid-module"), (), BOTH),
}

TEXTS: dict[str, Hostile] = {
    "a million opening parentheses": Hostile(lambda: "(" * 1_000_000, ("text-syntax",)),
    "a million nested comments": Hostile(lambda: "(;" * 1_000_000, ("text-syntax",)),
    "a string without an end": Hostile(lambda: '(module (data "' + "x" * 1_000_000, ("text-syntax",)),
    "nested expressions without an end": Hostile(
        lambda: "(module (func " + "(drop (i32.eqz " * 300_000, ("text-syntax",)
    ),
    "text with control characters": Hostile(lambda: "(module \x1b]0;owned\x07 \x00 \x9b)", ("text-syntax",)),
    "text that is not UTF-8": Hostile(lambda: b"(module \xff\xfe)", ("text-syntax",)),
}
