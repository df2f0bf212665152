"""Offsets in errors are the original's, though every index in the code that runs may have another length."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from preinit import errors
from preinit.binary import encoder as write
from tests.support.binaries import offsets_of
from tests.support.both_engines import INIT, SIZES, attempt, chunks_of, nothing_compiled_whole, same
from tests.support.modules import wasm
from tests.support.stepping import STEPS, stepping

PAGE = 65536


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("compiler", ["winch", "cranelift"])
def test_offsets_behind_every_index_are_the_original_s(compiler: str, size: int) -> None:
    assert_true_offsets(200, range(len(STEPS)), compiler, size)


def test_offsets_behind_long_indices_are_the_original_s() -> None:
    assert_true_offsets(17_000, [5, len(STEPS) - 1], "winch", 0)


def assert_true_offsets(before: int, steps: Iterable[int], compiler: str, size: int) -> None:
    binary = stepping(before)
    divisions = offsets_of(binary, "i32_div_u")
    checks, calls = offsets_of(binary, "i32_div_s"), offsets_of(binary, "call")
    # The calls of $check are those that follow a subtraction; the last call is that of $steps.
    subtractions = offsets_of(binary, "i32_sub")
    behind = [next(call for call in calls if call > at) for at in subtractions]
    assert (len(divisions), len(checks), len(behind)) == (len(STEPS), 1, len(STEPS))
    with chunks_of(size), nothing_compiled_whole():
        for n in steps:
            found = attempt(binary, engine="ondemand", compiler=compiler, init_funcs=(f"init({n})",))
            assert isinstance(found.error, errors.GuestTrap)
            assert [(f.name, f.offset) for f in found.frames] == [("steps", divisions[n]), ("init", calls[-1])], n
            found = attempt(binary, engine="ondemand", compiler=compiler, init_funcs=(f"init({n + 100})",))
            assert [(f.name, f.offset) for f in found.frames] == [
                ("check", checks[0]), ("steps", behind[n]), ("init", calls[-1]),
            ], n  # fmt: skip


@pytest.mark.parametrize("n", range(len(STEPS)))
def test_the_whole_error_is_that_of_the_whole_module(n: int) -> None:
    for argument in (n, n + 100):
        assert same(stepping(200), init_funcs=(f"init({argument})",)).error


def test_all_steps_together_become_the_same_bytes() -> None:
    assert same(stepping(200), init_funcs=("init(-1)",)).wasm


def test_offsets_behind_padded_indices_are_the_original_s() -> None:
    """Linkers leave indices in five bytes, where they wrote over a placeholder."""
    index = bytes.fromhex("81 80 80 80 00")
    crash = b"\x41\x01\x41\x00\x6e\x1a"  # i32.div_u(1, 0)
    block = b"\x02" + bytes.fromhex("80 80 80 80 00") + b"\x0b"
    grow = b"\x41\x00\x40" + bytes.fromhex("80 80 00") + b"\x1a"
    bodies = [b"\0" + block + grow + b"\x10" + index + crash + b"\x0b", b"\0\x0b"]
    binary = write.assemble(
        [
            write.section(1, bytes.fromhex("01 60 00 00")),
            write.section(3, b"\2\0\0"),
            write.section(5, b"\1\0\1"),
            write.section(7, write.vector([write.export("preinit_initialize", 0, 0)])),
            write.section(10, write.vector([write.code_entry(body) for body in bodies])),
        ]
    )
    found = same(binary)
    assert [frame.offset for frame in found.frames] == [binary.index(crash) + 4]


# -- growth that is refused --------------------------------------------------------------------------------------------

#: What refuses -> (what grows, the instruction in wasm-tools' words).
REFUSED = {
    "a memory": ("(memory 1)", "(drop (memory.grow (i32.const 100)))", "memory_grow"),
    "a memory with a maximum": ("(memory 1 500)", "(drop (memory.grow (i32.const 100)))", "memory_grow"),
    "a second memory": ("(memory 1) (memory 1)", "(drop (memory.grow 1 (i32.const 100)))", "memory_grow"),
    "a memory of 64 bits": ("(memory i64 1)", "(drop (memory.grow (i64.const 100)))", "memory_grow"),
    "an imported memory": ('(import "e" "m" (memory 1))', "(drop (memory.grow (i32.const 100)))", "memory_grow"),
    "bytes": ("(memory 1 (pagesize 1))", "(drop (memory.grow (i32.const 9999999)))", "memory_grow"),
    "a table": ("(table 1 funcref)", "(drop (table.grow (ref.null func) (i32.const 1000000)))", "table_grow"),
    "a table of 64 bits": (
        "(table i64 1 externref)",
        "(drop (table.grow (ref.null extern) (i64.const 1000000)))",
        "table_grow",
    ),
    "a second table": (
        "(table 1 externref) (table 1 20000000 funcref)",
        "(drop (table.grow 1 (ref.func $f) (i32.const 1000000)))",
        "table_grow",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("compiler", ["auto", "cranelift"])
def test_a_growth_that_is_refused_names_the_same_place(what: str, compiler: str) -> None:
    things, grow, instruction = REFUSED[what]
    text = f"""(module {things} (func $f (nop)) (elem declare func $f) (func $grow (call $f) {grow} (call $f))
        (func $init {INIT} (call $f) (call $grow)))"""
    found = same(text, compiler=compiler, max_memory=10 * PAGE)
    assert isinstance(found.error, errors.GrowthRefused)
    assert [(f.name, f.offset) for f in found.frames] == [
        ("grow", offsets_of(wasm(text), instruction)[0]),
        ("init", offsets_of(wasm(text), "call")[-1]),
    ]


@pytest.mark.parametrize(
    ("things", "grow"),
    [
        ("(memory 1 4)", "(memory.grow (i32.const 4))"),
        ("(memory 1)", "(memory.grow (i32.const -1))"),
        ("(memory 1)", "(memory.grow (i32.const 2))"),
        ("(table 1 4 funcref)", "(table.grow (ref.null func) (i32.const 4))"),
        ("(table 1 funcref)", "(table.grow (ref.null func) (i32.const 2))"),
    ],
)
def test_a_growth_that_is_done_or_can_not_be_done_anywhere_gives_the_same(things: str, grow: str) -> None:
    text = f"""(module {things} (global $a (mut i32) (i32.const 0)) (global $b (mut i32) (i32.const 0))
        (func $grow (result i32) {grow}) (func {INIT} (global.set $a (call $grow)) (global.set $b (call $grow))))"""
    assert same(text).wasm
