"""Compiled code finds in function bodies what Python finds, and leaves what it does not know to that."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit.binary.growth import GROWTH
from preinit.binary.instructions import Decoder, decoder
from preinit.binary.module import parse
from preinit.binary.opcodes import IMMEDIATES, TABLE_CHANGES, Kind
from preinit.engine.ondemand.exceptions import EXCEPTIONS, KINDS_OF_EXCEPTION
from preinit.engine.own.finder import Finder
from preinit.engine.own.module import OwnModule
from preinit.passes.parse.text import wasm_tools
from tests.support.amounts import amount
from tests.support.modules import build_text
from tests.support.smith import EVERYTHING

#: What the chunks of a module ask for, in all ways; and each kind alone.
CHUNKS = frozenset((Kind.FUNCTION, Kind.TYPE, Kind.DATA, Kind.ELEMENT))
DECODERS = [
    decoder(CHUNKS, GROWTH | TABLE_CHANGES),
    decoder(CHUNKS | {Kind.GLOBAL}, GROWTH | TABLE_CHANGES),
    decoder(CHUNKS | {Kind.GLOBAL}, GROWTH | TABLE_CHANGES | EXCEPTIONS, KINDS_OF_EXCEPTION),
    *(decoder(frozenset((kind,))) for kind in Kind),
    decoder(frozenset(Kind)),
    decoder(frozenset(), frozenset((0x11, 0x20))),
]


def check(finder: Finder, asked: Decoder, data: bytes, start: int, end: int) -> None:
    assert finder.scan(data, start, end) == asked.scan(data, start, end)


def generated(arguments: list[str], seeds: int) -> Iterator[bytes]:
    for seed in range(seeds):
        command = [wasm_tools(), "smith", "--max-instructions=600", *arguments]
        done = subprocess.run(command, input=random.Random(seed).randbytes(20_000), capture_output=True)
        if done.returncode == 0:
            yield done.stdout


@pytest.mark.parametrize("number", range(len(DECODERS)))
def test_generated_bodies_are_read_as_python_reads_them(number: int) -> None:
    asked, seen = DECODERS[number], 0
    finder = Finder(asked)
    for arguments in ([], [*EVERYTHING, "--min-funcs=6", "--min-memories=2", "--max-memories=3", "--max-tags=5"]):
        for data in generated(arguments, amount(30, 4)):
            for body in parse(data).bodies:
                check(finder, asked, data, body.start, body.end)
                cut = random.Random(body.start).randrange(body.start, body.end)
                check(finder, asked, data, body.start, cut)
                seen += 1
    assert seen > 20


#: Pieces of code: whole instructions, padded and cut integers, what no engine knows.
PIECES = st.one_of(
    st.sampled_from(
        [
            *(b"\x10" + index for index in (b"\0", b"\x7f", b"\x80\1", b"\xff\xff\xff\x7f", b"\x85\x80\x80\x80\0")),
            *(
                b"\x10" + index
                for index in (b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x1f", b"\x80\x80\x80\x80\x80\0")
            ),
            *(
                b"\x11" + index
                for index in (b"\0\0", b"\x83\x80\x80\x80\0\x80\x80\x80\x80\0", b"\1\xff\xff\xff\xff\x1f")
            ),
            *(b"\x13\1\0", b"\xd2\1", b"\x23\x05", b"\x41\xff\xff\xff\xff\xff\xff\1", b"\x0e\2\0\1\2", b"\x0e\x7f\0"),
            *(
                b"\2\x40",
                b"\2\x7f",
                b"\3\5",
                b"\2\x63\x70",
                b"\x06\x6f",
                b"\x1f\x40\0",
                b"\x1f\x40\1\0\1\2",
                b"\x1c\1\x7f",
            ),
            *(b"\x28\2\0", b"\x28\x42\1\0", b"\x28\x82\0\0", b"\x28\xc2\0\1\0", b"\x28\x80", b"\xd0\x70", b"\xd0\x69"),
            *(b"\x43abcd", b"\x43a", b"\x44abcdefgh", b"\xfd\x0c0123456789abcdef", b"\xfd\x54\0\0\1", b"\xfd\x80\1"),
            *(b"\xfc\0", b"\xfc\x80\0", b"\xfc\x08\0\0", b"\xfc\x0a\0\0", b"\xfc\x0f\1", b"\xfe\x10\2\0", b"\xfe\3\0"),
            *(
                b"\xfb\x14\x6e",
                b"\xfb\0\1",
                b"\xfb\x18\0\1\x6e\x6e",
                b"\xfd\xff\xff\1",
                b"\xff",
                b"\x27",
                b"\x0b",
                b"\x40\0",
            ),
        ]
    ),
    st.binary(max_size=4),
)
LOCALS = st.sampled_from(
    [
        b"\0",
        b"\1\2\x7f",
        b"\2\1\x7e\1\x70",
        b"\1\1\x63\x70",
        b"\1\x80\x80\x80\x80\x10\x7f",
        b"\x7f",
        b"\1\1\x60",
        b"\x80\0",
    ]
)


@settings(max_examples=amount(3000, 250))
@given(LOCALS, st.lists(PIECES, max_size=12), st.integers(0, 3), st.integers(0, len(DECODERS) - 1))
def test_bytes_of_all_kinds_are_read_as_python_reads_them(
    head: bytes, pieces: list[bytes], before: int, number: int
) -> None:
    body = head + b"".join(pieces)
    data = bytes(before) + body + b"\x80\x10\0"
    found, expected = (one.scan(data, before, before + len(body)) for one in (FINDERS[number], DECODERS[number]))
    if found.unknown is None and expected.unknown is None:
        assert found == expected
    else:  # what is not valid may be said to be unknown at different places: one of them reads longer integers
        ends = min(len(data) if one.unknown is None else one.unknown for one in (found, expected))
        before_that = [
            [[each for each in part if each.end <= ends] for part in (one.simple.each(), one.others, one.types)]
            for one in (found, expected)
        ]
        assert before_that[0] == before_that[1]


FINDERS = [Finder(one) for one in DECODERS]


def test_each_known_instruction_is_told_apart() -> None:
    """Alone, and between two others: what is passed over is as long as it is."""
    for finder, asked in zip(FINDERS, DECODERS, strict=True):
        for opcode, immediates in IMMEDIATES.items():
            written = bytes((opcode,)) if opcode < 0x100 else bytes((opcode >> 16,)) + leb(opcode & 0xFFFF)
            body = b"\0\x10\1" + written + b"\1" * len(immediates) + bytes(16) + b"\x10\2\x0b"
            check(finder, asked, body, 0, len(body))


def leb(number: int) -> bytes:
    return bytes((number,)) if number < 0x80 else bytes((number & 0x7F | 0x80, number >> 7))


def test_a_body_of_each_size_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the largest that compiled code reads: full of calls, of indirect ones, or of both."""
    asked, largest = DECODERS[0], 1 << 18
    finder = Finder(asked)
    called: list[int] = []
    original = Finder._instance

    def instance(self: Finder) -> object:
        called.append(1)
        return original(self)

    monkeypatch.setattr(Finder, "_instance", instance)
    for unit in (b"\x10\1", b"\x11\1\0", b"\x10\1\x11\1\0"):
        for size in (3, 1000, largest - 2, largest - 1, largest):
            body = b"\0" + (unit * largest)[: size - 1]
            check(finder, asked, body, 0, size)
    assert len(called) == 15, "all of them were read there"
    check(finder, asked, b"\0" + b"\x10\1" * largest, 0, largest + 1)
    assert len(called) == 15, "and none that is larger"


CALLS = """(module (memory (export "memory") 1) (type $t (func (result i32))) (table 3 funcref) (elem (i32.const 0) $a $b $c)
    (func $a (result i32) (i32.const 7)) (func $b (result i32) (i32.add (call $a) (call_indirect (type $t) (i32.const 0))))
    (func $c (result i32) (block $l (br_table $l $l $l (i32.const 1))) (i32.add (call $b) (call $b)))
    (func (export "preinit_initialize") (i32.store (i32.const 8) (i32.add (call $c) (call_indirect (type $t) (i32.const 1))))
        (i64.store (i32.const 16) (i64.const 0x0123456789)) (f64.store (i32.const 24) (f64.const 1.5))))"""


def test_a_build_is_the_same_without_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    original = OwnModule.instance

    def instance(self: OwnModule, exports: object) -> object:
        made.append(original(self, exports))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(OwnModule, "instance", instance)
    compiled = build_text(CALLS, engine="ondemand")
    assert made, "a chunk was made"
    monkeypatch.setattr(OwnModule, "instance", lambda *_: None)
    assert build_text(CALLS, engine="ondemand").wasm == compiled.wasm
