"""Guests that do harm while they run, and modules that are larger than any compiler makes them."""

from __future__ import annotations

from tests.support.by_hand import INIT
from tests.support.hostile import modules as big
from tests.support.hostile.modules import BOTH, BUILT, EVERY, Hostile

WASI = "wasi_snapshot_preview1"
OVER = ("time-limit",)
SHORT = ("--timeout", "0.4")
SMALL = ("--max-memory", "64MiB")


def text(body: str, *parts: str) -> str:
    """A module with `parts`, imports first, whose initializer has that body."""
    return f'(module {" ".join(parts)} (func $init (export "{INIT}") {body}))'


def imported(name: str, parameters: str, result: str = "(result i32)") -> str:
    return f'(import "{WASI}" "{name}" (func ${name} (param {parameters}) {result}))'


def forever(body: str, *parts: str) -> str:
    return text(f"(loop $again {body} (br $again))", *parts)


MEM = '(memory (export "memory") 1)'
WRITE = imported("fd_write", "i32 i32 i32 i32")
ONE_BYTE = f'{MEM} (data (i32.const 0) "\\10\\00\\00\\00\\01\\00\\00\\00") (data (i32.const 16) "x")'
EVIL = "\\1b]0;owned\\07\\1b[2J\\c2\\9b31m\\e2\\80\\ae"


def errno(call: str, expected: int) -> str:
    """Traps unless the call gives that errno."""
    return f"(if (i32.ne {call} (i32.const {expected})) (then unreachable))"


ENDLESS: dict[str, Hostile] = {
    "an endless loop": Hostile(lambda: forever(""), OVER, SHORT, EVERY),
    "an endless loop in the start function": Hostile(
        lambda: f'(module (func $f (loop (br 0))) (start $f) (func (export "{INIT}")))', OVER, SHORT, ("auto",)
    ),
    "an endless loop of calls": Hostile(lambda: forever("(call $f)", "(func $f)"), OVER, SHORT, BOTH),
    "an endless loop through a table": Hostile(
        lambda: forever(
            "(call_indirect (i32.const 0)) (call_indirect (i32.const 1))",
            "(func $f) (func $g (call_indirect (i32.const 0))) (table funcref (elem $f $g))",
        ),
        OVER,
        SHORT,
        BOTH,
    ),
    "endless tail calls": Hostile(lambda: text("(return_call $init)"), OVER, SHORT, BOTH),
    "endless recursion": Hostile(lambda: text("(call $init)"), ("stack-exhausted",), (), EVERY),
    "endless recursion through a table": Hostile(
        lambda: text("(call_indirect (i32.const 0))", "(table funcref (elem $init))"), ("stack-exhausted",), (), BOTH
    ),
    "endless recursion of two functions": Hostile(
        lambda: text("(call $f)", "(func $f (call $init))"), ("stack-exhausted",), (), ("auto",)
    ),
    "endless recursion with 1000 parameters": Hostile(
        lambda: big.many_parameters(1000), ("stack-exhausted",), (), BOTH
    ),
    "endless recursion in a module of 20,000 exports": Hostile(
        lambda: big.many_exports(20_000, b"\0\x10\0\x0b"), ("stack-exhausted",), (), BOTH
    ),
    "exceptions thrown and caught without end": Hostile(
        lambda: forever("(block $b (try_table (catch_all $b) (throw $t (i32.const 1))))", "(tag $t (param i32))"),
        OVER,
        SHORT,
        ("auto",),
    ),
    "a passive segment copied without end": Hostile(
        lambda: forever("(memory.init $d (i32.const 0) (i32.const 0) (i32.const 3))", MEM, '(data $d "abc")'),
        OVER,
        SHORT,
        ("auto",),
    ),
    "64 MB filled without end": Hostile(
        lambda: forever("(memory.fill (i32.const 0) (i32.const 7) (i32.const 0x4000000))", "(memory 1024)"),
        OVER,
        SHORT,
        ("auto",),
    ),
    "waiting for itself for ever": Hostile(
        lambda: text("(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))", "(memory 1 1 shared)"),
        (*OVER, "trap"),
        SHORT,
        ("auto",),
    ),
    "clocks read without end": Hostile(
        lambda: forever(
            "(drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 0)))",
            imported("clock_time_get", "i32 i64 i32"),
            MEM,
        ),
        OVER,
        SHORT,
        ("auto",),
    ),
    "yielding without end": Hostile(
        lambda: forever("(drop (call $sched_yield))", imported("sched_yield", ""), MEM), OVER, SHORT
    ),
    "output in single bytes without end": Hostile(
        lambda: forever(
            "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))", WRITE, ONE_BYTE
        ),
        (*OVER, "guest-output"),
        SHORT,
        ("auto",),
    ),
    "output in megabytes without end": Hostile(
        lambda: forever(
            "(memory.fill (i32.const 16) (i32.const 120) (i32.const 1048576))"
            "(drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))",
            WRITE,
            '(memory (export "memory") 32) (data (i32.const 0) "\\10\\00\\00\\00\\00\\00\\10\\00")',
        ),
        (*OVER, "guest-output"),
        SHORT,
    ),
}

GREEDY: dict[str, Hostile] = {
    "memory.grow by one page in a loop": Hostile(
        lambda: forever("(drop (memory.grow (i32.const 1)))", "(memory 0)"), ("growth-refused",), SMALL, BOTH
    ),
    "memory.grow by one page to all that 32 bits can address": Hostile(
        lambda: text("(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))", "(memory 0)"),
        (BUILT,),
        (),
        ("auto",),
    ),
    "a memory that is filled while it grows": Hostile(
        lambda: forever(
            "(memory.fill (i32.mul (memory.grow (i32.const 16)) (i32.const 65536)) (i32.const 1) (i32.const 65536))",
            "(memory 0)",
        ),
        ("growth-refused",),
        SMALL,
        BOTH,
    ),
    "a 64 bit memory that asks for everything": Hostile(
        lambda: text("(drop (memory.grow (i64.const 0x0000_7fff_ffff_ffff)))", "(memory i64 0)"),
        ("growth-refused",),
        (),
        BOTH,
    ),
    "99 memories that all grow": Hostile(
        lambda: text("".join(f"(drop (memory.grow {i} (i32.const 4096)))" for i in range(99)), "(memory 0)" * 99),
        ("growth-refused", BUILT),
        SMALL,
        ("auto",),
    ),
    "99 memories of 32 MiB each": Hostile(
        lambda: text("".join(f"(drop (memory.grow {i} (i32.const 512)))" for i in range(99)), "(memory 0)" * 99),
        ("growth-refused",),
        SMALL,
        BOTH,
    ),
    "99 memories that start with 1 MiB each": Hostile(
        lambda: text("", "(memory 16)" * 99), ("memory-limit",), SMALL, ("auto",)
    ),
    "table.grow in a loop": Hostile(
        lambda: forever("(drop (table.grow $t (ref.null func) (i32.const 1000)))", "(table $t 0 funcref)"),
        ("growth-refused",),
        (),
        BOTH,
    ),
    "a table that grows while its elements are held": Hostile(
        lambda: forever(
            "(local.set $r (table.get $t (i32.const 0))) (drop (table.grow $t (local.get $r) (i32.const 50000)))"
            "(table.set $t (i32.const 1) (local.get $r))",
            "(table $t 2 funcref) (elem (i32.const 0) $init)",
        ).replace("(loop", "(local $r funcref) (loop"),
        ("growth-refused",),
        (),
        BOTH,
    ),
    "ten tables full of functions": Hostile(
        lambda: text(
            "".join(f"(drop (table.grow {i} (ref.func $init) (i32.const 100000)))" for i in range(10)),
            "(table 0 funcref)" * 10,
        ),
        (*OVER, BUILT),
        ("--timeout", "2"),
        ("auto",),
    ),
    "more tables full of functions than there is room for": Hostile(
        lambda: text(
            "".join(f"(drop (table.grow {i} (ref.func $init) (i32.const 1000000)))" for i in range(90)),
            "(table 0 funcref)" * 90,
        ),
        ("growth-refused",),
        (),
        BOTH,
    ),
    "a list of structs without end": Hostile(
        lambda: (
            f"""(module (type $node (struct (field (ref null $node)) (field i64)))
            (global $head (mut (ref null $node)) (ref.null $node))
            (func (export "{INIT}") (loop (global.set $head (struct.new $node (global.get $head) (i64.const 1))) (br 0))))"""
        ),
        (*OVER, "growth-refused"),
        ("--timeout", "1", "--max-memory", "64MiB"),
    ),
    "arrays thrown away without end": Hostile(
        lambda: forever("(drop (array.new_default $a (i32.const 1000000)))", "(type $a (array i64))"),
        (*OVER, "trap"),
        ("--timeout", "1", "--max-memory", "64MiB"),
    ),
    "an array of 2^32 - 1 elements": Hostile(
        lambda: text("(drop (array.new_default $a (i32.const -1)))", "(type $a (array i64))"), ("trap",)
    ),
    "1 GiB declared and not touched": Hostile(lambda: text("", "(memory 16384)"), (BUILT,), (), BOTH),
    "4 GiB declared and not touched": Hostile(lambda: text("", "(memory 65536)"), (BUILT,), (), BOTH),
    "1 GiB declared above the limit": Hostile(lambda: text("", "(memory 16384)"), ("memory-limit",), SMALL, ("auto",)),
    "a 64 bit memory of 16 EiB": Hostile(
        lambda: text("", "(memory i64 0x1000000000000)"), ("memory-limit",), (), ("auto",)
    ),
    "a 64 bit memory of single bytes, 2^64 - 1 of them": Hostile(
        lambda: text("", "(memory i64 0xffffffffffffffff (pagesize 1))"), ("memory-limit",), (), ("auto",)
    ),
    "a shared memory that may have 4 GiB": Hostile(
        lambda: text("", "(memory 1 65536 shared)"), ("memory-limit",), SMALL, ("auto",)
    ),
    "a byte in every 32 bytes of 14 MiB": Hostile(
        lambda: text(
            "(local $i i32) (loop (i32.store8 (local.get $i) (i32.const 1))"
            "(br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 32))) (i32.const 0xe00000))))",
            "(memory 1024)",
        ),
        (BUILT,),
        (),
        ("auto",),
        3 << 29,
    ),
    "a table of 4 billion elements": Hostile(
        lambda: text("", "(table 0xffffffff funcref)"), ("memory-limit",), (), ("auto",)
    ),
    "a 64 bit table with a maximum of 2^64 - 1": Hostile(
        lambda: text("(drop (table.grow (ref.null func) (i64.const 3)))", "(table i64 1 0xffffffffffffffff funcref)"),
        (BUILT,),
        (),
        BOTH,
    ),
    "a 64 bit table that asks for 2^63 elements": Hostile(
        lambda: text(
            "(drop (table.grow (ref.null func) (i64.const 0x8000000000000000)))",
            "(table i64 1 0xffffffffffffffff funcref)",
        ),
        ("growth-refused",),
        (),
        BOTH,
    ),
    "1000 memories": Hostile(lambda: text("", "(memory 0)" * 1000), ("engine-limit",), (), ("auto",)),
    "1000 tables": Hostile(lambda: text("", "(table 0 funcref)" * 1000), ("engine-limit",), (), ("auto",)),
}
