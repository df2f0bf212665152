"""Growth instructions are found where wasm-tools sees them."""

from __future__ import annotations

import random
import subprocess
from collections import Counter

import pytest

from preinit import build
from preinit.binary import encoder as write
from preinit.binary.growth import growing_functions
from preinit.binary.module import parse
from preinit.errors import Unsupported
from preinit.options import Options
from preinit.passes.parse.text import wasm_tools
from tests.support.amounts import amount
from tests.support.binaries import dumped, found
from tests.support.by_hand import MEMORY, ONE_PAGE, module
from tests.support.modules import UNUSABLE, wasm
from tests.support.smith import EVERYTHING

PLAIN = [
    f"--{name}-enabled=false"
    for name in ("exceptions", "gc", "tail-call", "threads", "memory64", "wide-arithmetic", "compact-imports")
]
VARIANTS = {
    "every proposal": [*EVERYTHING, "--max-memories=3", "--min-memories=1", "--max-tables=3", "--min-tables=1"],
    "padded integers": [*EVERYTHING, "--max-memories=3", "--min-memories=1", "--min-tables=1", "--min-uleb-size=5"],
    "many memories and tables": [*EVERYTHING, "--min-memories=40", "--max-memories=99", "--max-tables=99"],
    "one memory": [*PLAIN, "--simd-enabled=false", "--min-memories=1", "--max-memories=1"],
    "SIMD": [*PLAIN, "--simd-enabled=true", "--min-memories=1", "--max-memories=2"],
    "memory and control": [*EVERYTHING, "--min-memories=1", "--allowed-instructions=memory,table,control,parametric"],
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_growth_is_found_in_generated_modules_where_wasm_tools_sees_it(variant: str) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(amount(50, 15)):
        command = [wasm_tools(), "smith", "--min-funcs=6", "--max-instructions=600", *VARIANTS[variant]]
        done = subprocess.run(command, input=random.Random(seed).randbytes(20_000), capture_output=True)
        if b"failed to generate module" in done.stderr:  # not every seed gives one
            continue
        assert done.returncode == 0, done.stderr
        expected = dumped(done.stdout)
        assert found(done.stdout) == expected, f"seed {seed}"
        kinds.update(kind for _, _, kind, _ in expected)
    assert kinds["memory"] > 5, kinds


#: What may stand before `memory.grow`, inside a function that has an i32 on its stack, and leaves it there.
TRAPS = {
    "a block that is unreachable at once": "(block unreachable)",
    "a block after an instruction without immediates": "i32.eqz (block (br_if 0 (i32.const 1)) unreachable)",
    "a loop after end": "(block) (loop unreachable)",
    "an if after a comparison": "(if (i32.eq (i32.const 1) (i32.const 2)) (then unreachable))",
    "an if with unreachable, then else": "(if (i32.eqz (i32.const 1)) (then unreachable) (else unreachable))",
    "constants 2, 3 and 4": "drop i32.const 2 drop i32.const 3 drop i32.const 4",
    "a constant of -64": "drop i32.const -64",
    "a constant of -64 and many conversions": "drop i32.const -64" + " i32.extend8_s" * 40,
    "constants of 64 and of 8192": "drop i32.const 64 drop i32.const 8192",
    "locals with high numbers": "local.tee 69 local.get 66 drop",
    "a call of function 2": "call 2",
    "a call of function 69, then a block": "call 69 (block unreachable)",
    "a lane after a small offset": "i32.const 0 v128.const i64x2 0 0 v128.store8_lane offset=0x45 2",
    "a lane after an offset of two bytes": "i32.const 0 v128.const i64x2 0 0 v128.store8_lane offset=0x2281 3",
    "a lane after an offset of three bytes": "i32.const 0 v128.const i64x2 0 0 v128.store8_lane offset=0x114001 4",
    "a lane after an offset of four bytes": "i32.const 0 v128.const i64x2 0 0 v128.store8_lane offset=0xe204001 4",
    "a lane after an offset of five bytes": "i32.const 0 v128.const i64x2 0 0 v128.store16_lane offset=0xb0204001 3",
    "a lane that is extracted": "drop v128.const i64x2 0 0 i8x16.extract_lane_u 2",
    "a vector of 64s": "v128.const i8x16 64 0 64 0 64 0 64 0 64 0 64 0 64 0 64 0 drop",
    "a shuffle with lanes 2 to 4": (
        "v128.const i64x2 0 0 v128.const i64x2 0 0 "
        "i8x16.shuffle 2 11 2 11 3 11 4 11 2 11 3 11 4 11 11 2 drop"
    ),
    "floats whose bytes look like instructions": "f32.const 0x1.008c80p-124 drop f64.const 0x1.0024011024011p-510 drop",
    "stores with offsets that look like instructions": "i32.const 0 i32.const 0 i32.store offset=0x45",
    "an atomic with an offset of 64": "i32.const 0 i32.const 1 i32.atomic.rmw.add offset=64 drop",
    "br_table": "(block (block (block (br_table 0 1 2 0 1 2 1 (i32.const 2)))))",
    "try_table with all kinds of catch": (
        "(block $a (block $b (result exnref) (block $c (result exnref) (block $d "
        "(try_table (catch $tag $d) (catch_ref $tag $c) (catch_all $d) (catch_all_ref $b))) (br $a))"
        "drop (br $a)) drop)"
    ),
    "select with types": "(select (result i32) (i32.const 1) (i32.const 2) (i32.const 3)) drop",
    "select with a reference type": (
        "(select (result (ref null $f)) (ref.null $f) (ref.null $f) (i32.const 3)) drop"
    ),
    "a block with a reference type": "(block (result (ref null $f)) (ref.null $f)) drop",
    "a block with a type index": "(block (type $unary) (param i32) (result i32) i32.eqz)",
    "bulk memory": (
        "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))"
        "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0))"
        "(table.copy (i32.const 0) (i32.const 0) (i32.const 0)) (elem.drop 2)"
    ),
    "saturating truncation and wide arithmetic": (
        "drop f64.const 1 i64.trunc_sat_f64_u i64.const 1 i64.mul_wide_u drop i32.wrap_i64"
    ),
    "indirect calls": "(call_indirect (type $f) (i32.const 0))",
    "relaxed SIMD": (
        "v128.const i64x2 0 0 v128.const i64x2 0 0 v128.const i64x2 0 0 i8x16.relaxed_laneselect drop"
    ),
}  # fmt: skip

GC_TRAPS = {
    "structs": "(struct.set $s 0 (struct.new $s (i32.const 1) (i32.const 2)) (i32.const 2))",
    "arrays": "(array.set $a (array.new_fixed $a 2 (i32.const 1) (i32.const 2)) (i32.const 1) (i32.const 7))",
    "array initialization": (
        "(array.init_data $a $d (array.new_default $a (i32.const 2)) (i32.const 1) (i32.const 7) (i32.const 0))"
        "(array.copy $a $a (array.new_data $a $d (i32.const 2) (i32.const 0)) (i32.const 1) (ref.null $a)"
        " (i32.const 7) (i32.const 0))"
    ),
    "casts": "(drop (ref.cast (ref null $s) (ref.null any))) (drop (ref.test (ref i31) (ref.null any)))",
    "branches on casts": (
        "(block (result anyref) (br_on_cast 0 anyref (ref $s) (ref.null any))) drop"
        "(block (result anyref) (br_on_cast_fail 0 anyref (ref null $s) (ref.null any))) drop"
    ),
    "branches on null": "(block (br_on_null 0 (ref.null any)) drop) (block (result (ref any)) (br_on_non_null 0 "
    "(ref.null any)) (ref.i31 (i32.const 0))) drop",
    "i31 and extern": "(drop (i31.get_s (ref.i31 (i32.const 64)))) (drop (any.convert_extern (ref.null extern)))",
    "references to functions": "(call_ref $f (ref.func $nothing)) (drop (ref.as_non_null (ref.func $nothing)))",
    "ref.eq": "(drop (ref.eq (ref.null eq) (ref.null i31)))",
}


def with_trap(before: str, types: str = "", memories: str = "(memory 1)", memory: str = "") -> bytes:
    nothing = "(func (param i32) (result i32) local.get 0)" * 70
    return wasm(f"""(module {types} (type $f (func)) (type $unary (func (param i32) (result i32)))
      (tag $tag) {memories} (table 1 funcref) (elem declare func $nothing) (elem func) (elem func)
      (data $d "0123456789")
      {nothing} (func $nothing)
      (func (result i32) (local {"i32 " * 70})
        i32.const 1 {before} memory.grow {memory} {before} memory.grow {memory}))""")


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("memories", [1, 2, 3][: amount(3, 2)])
def test_growth_is_found_after_bytes_that_look_like_it(trap: str, memories: int) -> None:
    for memory in range(memories):
        data = with_trap(TRAPS[trap], memories="(memory 1)" * memories, memory=str(memory))
        assert len(dumped(data)) == 2
        assert found(data) == dumped(data)


@pytest.mark.parametrize("trap", GC_TRAPS)
def test_growth_is_found_after_garbage_collected_instructions(trap: str) -> None:
    types = "(type $s (struct (field (mut i32)) (field i16))) (type $a (array (mut i8)))"
    data = with_trap(GC_TRAPS[trap], types)
    assert len(dumped(data)) == 2
    assert found(data) == dumped(data)


def test_growth_is_found_after_a_catch_whose_tag_looks_like_an_end() -> None:
    data = wasm(
        f"""(module {"(tag)" * 80} (memory 1) (type $unary (func (param i32) (result i32)))
      (func (result i32) i32.const 1
        (block $2 (param i32) (result i32) (block $1 (param i32) (result i32) (block $0 (param i32) (result i32)
          (block (param i32) (result i32)
            (try_table (type $unary) (catch 11 4) memory.grow)
            (try_table (type $unary) (catch_ref 72 5) (catch 70 4) memory.grow)))))))""".replace(
            "(func (result i32) i32.const 1", "(func (result i32) (block $5 (result exnref) (block $4 i32.const 1"
        ).replace("memory.grow)))))))", "memory.grow))))) return) (return (i32.const 0))) drop i32.const 1))")
    )
    assert len(dumped(data)) == 2
    assert found(data) == dumped(data)


@pytest.mark.parametrize("index", [0, 1, 127, 128, 129, 199, 255, 256])
def test_growth_is_found_whatever_the_index_of_the_table_or_memory(index: int) -> None:
    data = wasm(f"""(module {"(memory 0)" * 257} {"(table 0 funcref)" * 257}
      (func (drop (memory.grow {index} (i32.const 1))))
      (func (drop (table.grow {index} (ref.null func) (i32.const 1)))))""")
    assert [(kind, target) for _, _, kind, target in found(data)] == [("memory", index), ("table", index)]
    assert found(data) == dumped(data)


def raw_module(body: bytes, memories: int) -> bytes:
    """A module with one function of type () -> (), exported as an initializer."""

    def section(number: int, payload: bytes) -> bytes:
        return bytes((number,)) + write.uleb(len(payload)) + payload

    return write.PREAMBLE + b"".join(
        [
            section(1, b"\1\x60\0\0"),
            section(3, b"\1\0"),
            section(4, b"\1\x70\0\0"),
            section(5, bytes((memories,)) + b"\0\1" * memories),
            section(7, b"\1" + write.export("wizer-initialize", 0, 0)),
            section(10, b"\1" + write.code_entry(body)),
        ]
    )


@pytest.mark.parametrize(
    ("index", "memories"),
    [
        *[(padded, memories) for padded in (b"\0", b"\x80\0", b"\x80\x80\x80\x80\0") for memories in (1, 2, 3)],
        *[(padded, memories) for padded in (b"\x81\0", b"\x81\x80\x80\x80\0") for memories in (2, 3)],
    ],
)
def test_growth_is_found_when_its_index_is_padded(index: bytes, memories: int) -> None:
    target = index[0] & 0x7F
    grow = b"\x41\x02\x40" + index + b"\x1a"
    table = b"\xd0\x70\x41\0\xfc\x8f\x80\x80\x80\0\x80\x80\x80\x80\0\x1a" + b"\xd0\x70\x41\0\xfc\x0f\x80\0\x1a"
    data = raw_module(b"\0" + grow + table + grow + b"\x0b", memories)
    kinds = [(kind, index) for _, _, kind, index in found(data)]
    assert kinds == [("memory", target), ("table", 0), ("table", 0), ("memory", target)]
    assert found(data) == dumped(data)
    assert build(data, Options(cache=False, **UNUSABLE)).report.snapshot.memories[target].pages == 5


def test_a_module_without_memory_and_table_has_no_growth() -> None:
    assert found(wasm("(module (func (block unreachable) (drop (i32.const 64))))")) == []


def test_growth_by_the_hundred_thousand_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.binary.growth.MOST_GROWTHS", 1000)
    body = b"\0\x41\0" + b"\x40\0" * 1001 + b"\x1a\x0b"
    with pytest.raises(Unsupported, match="grow a memory or table"):
        growing_functions(parse(module({MEMORY: ONE_PAGE}, body)))
