"""The decoder reads what `wasm-tools dump` reads; an instruction that isn't known ends its search."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator

import pytest

from preinit.binary import encoder as write
from preinit.binary.instructions import decoder
from preinit.binary.module import parse
from preinit.binary.opcodes import BYTES, IMMEDIATES, PREFIXES, Kind, code
from preinit.passes.parse.text import wasm_tools
from tests.support.amounts import amount
from tests.support.instructions import (
    FULL,
    QUESTIONS,
    answer,
    compared,
    dumped,
    holding,
)
from tests.support.smith import EVERYTHING

# -- modules -----------------------------------------------------------------------------------------------------------

FEW = ["--min-funcs=6", "--min-memories=2", "--max-memories=3", "--min-tables=2", "--max-tables=3", "--max-tags=5"]
MANY = [
    *(f"--{end}-{items}=130" for end in ("min", "max") for items in ("data-segments", "element-segments", "globals")),
    *("--min-memories=70", "--max-memories=99", "--min-tables=70", "--max-tables=99", "--min-tags=20"),
    *("--max-tags=99", "--min-types=99", "--min-funcs=70"),
]
VARIANTS = {
    "every proposal": [*EVERYTHING, *FEW],
    "many items": [*EVERYTHING, *MANY],
    "vectors": [*EVERYTHING, *FEW, "--allowed-instructions=vector,memory,control,parametric"],
    "references": [*EVERYTHING, *FEW, "--allowed-instructions=reference,table,control,aggregate,variable"],
    "as it comes": [],
}


def generated(variant: str, seeds: int) -> Iterator[bytes]:
    for seed in range(seeds):
        command = [wasm_tools(), "smith", "--max-instructions=600", *VARIANTS[variant]]
        done = subprocess.run(command, input=random.Random(seed).randbytes(20_000), capture_output=True)
        if b"failed to generate module" not in done.stderr:  # not every seed gives one
            assert done.returncode == 0, done.stderr
            yield done.stdout


@pytest.mark.parametrize("variant", VARIANTS)
def test_generated_modules_are_read_as_wasm_tools_reads_them(variant: str) -> None:
    seen: set[int] = set()
    for data in generated(variant, amount(20, 7)):
        seen.update(*compared(data, QUESTIONS).values())
    assert len(seen) > 60, len(seen)


# -- every instruction -------------------------------------------------------------------------------------------------

#: What wasm-tools reads only where a block is open that can have it: `else`, the old exception handling, `end`.
OPENED = {0x05: b"\x04\x40", 0x07: b"\x06\x40", 0x0B: b"\x02\x40", 0x18: b"\x06\x40", 0x19: b"\x06\x40"}
#: Bytes are below these: of a fence's flag, a vector, a shuffle, floats. Others are lanes and flags, of which 0 and 1
#: are allowed everywhere.
BELOW = {code(0xFE, 0x03): 1, code(0xFD, 0x0C): 256, code(0xFD, 0x0D): 32, 0x43: 256, 0x44: 256}
ABSTRACT, VALUES = range(0x68, 0x76), (*range(0x68, 0x76), *range(0x7B, 0x80))
MOST_TYPES = 1_000_000  # wasm-tools reads no larger type index


def padded(number: int) -> bytes:
    """In five bytes. The generator pads no integer in a function body."""
    return bytes(number >> shift & 0x7F | 0x80 for shift in (0, 7, 14, 21)) + bytes((number >> 28,))


def opcode_bytes(opcode: int, integer: Callable[[int], bytes] = write.uleb) -> bytes:
    return bytes((opcode >> 16,)) + integer(opcode & 0xFFFF) if opcode > 0xFF else bytes((opcode,))


class Writer:
    """Function bodies with random immediates: integers of all sizes, some in more bytes than they need."""

    def __init__(self, seed: int, longest: int = 150) -> None:
        self._random, self._longest = random.Random(seed), longest
        self._pick = pick = self._random.choice
        some, of, vector = self._integer, self._of, self._vector
        self._others: dict[str, Callable[[], bytes]] = {
            "t": lambda: self._padded(write.sleb(self._random.getrandbits(pick((3, 8, 20))) % MOST_TYPES)),
            "h": lambda: pick((of("t"), bytes((pick(ABSTRACT),)))),
            "value type": lambda: pick((bytes((pick(VALUES),)), bytes((pick((0x63, 0x64)),)) + of("h"))),
            "b": lambda: pick((b"\x40", of("value type"), of("t"))),
            "a": lambda: pick((of("memory 0"), of("memory n"))) + some(64),
            "memory 0": lambda: self._padded(write.uleb(pick((0, 3, 0x3F)))),
            "memory n": lambda: self._padded(write.uleb(pick((0x40, 0x42, 0x7F)))) + some(),
            "v": lambda: vector(lambda: of("value type"), 10),  # wasm-tools reads no more
            "l": lambda: vector(some) + some(),
            "c": lambda: vector(lambda: pick((b"\0" + some(), b"\1" + some(), b"\2", b"\3")) + some()),
        }

    def _padded(self, leb: bytes, most: int = 5, fill: int = 0) -> bytes:
        extra = min(self._pick((0, 0, 1, most)), most - len(leb))
        return leb[:-1] + bytes((leb[-1] | 0x80, *[fill | 0x80] * (extra - 1), fill)) if extra else leb

    def _integer(self, bits: int = 32, sign: int = 0) -> bytes:
        absolute = self._random.getrandbits(self._random.randint(0, bits - abs(sign)))
        leb = write.sleb(absolute * sign) if sign else write.uleb(absolute)
        return self._padded(leb, -(-bits // 7), 0x7F if absolute * sign < 0 else 0)

    def _vector(self, item: Callable[[], bytes], most: int = 1000) -> bytes:
        count = self._pick((0, 1, 2, 3, min(most, self._longest)))
        return self._padded(write.uleb(count)) + b"".join(item() for _ in range(count))

    def _of(self, immediate: str, opcode: int = 0) -> bytes:
        if immediate in BYTES:
            return bytes(self._random.choices(range(BELOW.get(opcode, 2)), k=BYTES[immediate]))
        if opcode in (0x41, 0x42):  # the only signed integers are constants
            return self._integer(32 if opcode == 0x41 else 64, self._pick((1, -1)))
        return self._others.get(immediate, self._integer)()

    def _instruction(self, opcode: int) -> bytes:
        start = OPENED.get(opcode, b"") + opcode_bytes(opcode, lambda second: self._padded(write.uleb(second)))
        return start + b"".join(self._of(immediate, opcode) for immediate in IMMEDIATES[opcode])

    def bodies(self) -> list[bytes]:
        """Bodies with each instruction of the table among them."""
        opcodes = self._random.sample(list(IMMEDIATES), len(IMMEDIATES))
        return [
            self._vector(lambda: self._integer(24) + self._of("value type"))
            + b"".join(map(self._instruction, opcodes[start : start + 8]))
            + b"\x0b"
            for start in range(0, len(opcodes), 8)
        ]


@pytest.mark.parametrize("seed", range(amount(14, 7)))
def test_every_instruction_is_read_with_any_immediates(seed: int) -> None:
    choose = random.Random(seed)
    kinds = frozenset(choose.sample(list(Kind), choose.randrange(len(Kind))))
    question = (kinds, frozenset(choose.sample(list(IMMEDIATES), choose.choice((0, 2, 30)))))
    names = compared(holding(Writer(seed).bodies()), [*QUESTIONS, question])
    assert set().union(*names.values()) == IMMEDIATES.keys()
    assert {name: opcodes for name, opcodes in names.items() if len(opcodes) > 1 or name == "??"} == {}


@pytest.mark.parametrize("source", ["any immediates", *VARIANTS])
def test_indices_that_are_padded_where_they_stand_are_the_same_indices(source: str) -> None:
    for data in generated(source, amount(3, 2)) if source in VARIANTS else [holding(Writer(0).bodies())]:
        bodies = []
        for body in parse(data).bodies:
            search, result, position = FULL.search(data, body.start, body.end), b"", body.start
            for index in [*search.types, *(each for instruction in search.found for each in instruction.references)]:
                result += data[position : index.start] + padded(index.target)
                position = index.end
            bodies.append(result + data[position : body.end])
        compared(holding(bodies), QUESTIONS)
        assert [body[1:] for body in dumped(holding(bodies))] == [body[1:] for body in dumped(data)]


# -- what is not known -------------------------------------------------------------------------------------------------

#: What wasm-tools reads, too: proposals that the engine doesn't run.
NOT_RUN = [
    *range(0xE0, 0xE7),  # stack switching
    *range(code(0xFB, 0x20), code(0xFB, 0x27)),  # custom descriptors
    code(0xFC, 0x12),  # memory control
    *range(code(0xFE, 0x4F), code(0xFE, 0x73)),  # shared-everything threads
]
NUMBERS = [
    *(byte for byte in range(0x100) if byte not in (0x0B, *PREFIXES)),  # `end` would end a body
    *(code(prefix, second) for prefix in PREFIXES for second in (*range(0x180), 0x3FFF)),
]


def test_the_table_has_every_instruction_but_those_of_proposals_that_the_engine_does_not_run() -> None:
    bodies = [b"\0" + OPENED.get(opcode, b"") + opcode_bytes(opcode) + bytes(20) + b"\x0b" for opcode in NUMBERS]
    read = zip(NUMBERS, dumped(holding(bodies)), strict=True)
    known = {opcode for opcode, body in read if body.texts[opcode in OPENED][0] != "??"}
    assert known - IMMEDIATES.keys() == set(NOT_RUN)
    assert IMMEDIATES.keys() - known == {0x0B}


def assert_unknown(instruction: bytes) -> None:
    """No question gets past it, and what is before it is found."""
    call = b"\x10\x05"
    body = b"\0" + call + b"\x41\x05" + instruction + bytes(3) + call + b"\x0b"
    for kinds, opcodes in QUESTIONS:
        search = decoder(kinds, opcodes).search(body, 0, len(body))
        assert search.unknown == 5, (instruction.hex(), kinds, opcodes)
        assert [found.start for found in search.found if found.opcode == 0x10] == [1] * (Kind.FUNCTION in kinds)
        assert [found for found in search.found if found.start >= 5] == []


def test_an_unknown_opcode_ends_the_search() -> None:
    for opcode in NUMBERS:
        if opcode not in IMMEDIATES:
            assert_unknown(opcode_bytes(opcode))
            assert_unknown(opcode_bytes(opcode, padded))


#: Exact (custom descriptors), shared (shared-everything threads), negative in more than a byte, no heap types.
HEAP_TYPES = [b"\x62\x05", b"\x65\x70", b"\xf0\x7f", b"\x40", b"\x7f", b"\x63\x70"]
BEFORE_HEAP_TYPE = [b"\xd0", b"\xfb\x17", b"\x02\x63", b"\x1c\x01\x64", b"\xfb\x18\x00\x00\x70"]
TYPES = [b"\x02\x62\x05", b"\x02\x65\x70", b"\x02\xf0\x7f", b"\x02\x77", b"\x1c\x01\x65\x70"]


def test_an_unknown_type_ends_the_search() -> None:
    for instruction in [*TYPES, *(before + heap_type for before in BEFORE_HEAP_TYPE for heap_type in HEAP_TYPES)]:
        assert_unknown(instruction)
    for heap_type in HEAP_TYPES:
        body = b"\1\1\x64" + heap_type + b"\x10\5\x0b"
        assert FULL.search(body, 0, len(body)) == ([], [], 0)


@pytest.mark.parametrize("index", [b"\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x80\0"], ids=bytes.hex)
def test_an_index_of_more_than_32_bits_ends_the_search(index: bytes) -> None:
    for opcode, immediates in IMMEDIATES.items():
        if immediates[:1] in set(Kind):
            body = b"\0\x41\x05" + opcode_bytes(opcode) + index + b"\0\x0b"
            assert decoder(frozenset((Kind(immediates[0]),))).search(body, 0, len(body)) == ([], [], 3), hex(opcode)


def test_a_body_that_is_cut_off_is_read_up_to_the_instruction_that_is_cut() -> None:
    for body in [body for seed in range(amount(2, 1)) for body in Writer(seed, longest=4).bodies()]:
        everything = FULL.search(body, 0, len(body))
        starts = [instruction.start for instruction in everything.found]
        for question in QUESTIONS:
            whole, asked = answer(everything, question), decoder(*question)
            for cut in range(len(body)):
                search = asked.search(body, 0, cut)
                before = max((start for start in starts if start <= cut), default=0)
                assert search.unknown == (None if cut in starts else before), (question, cut)
                assert search.found == [instruction for instruction in whole if instruction.end <= cut]
                assert search.types == everything.types[: len(search.types)]


def test_a_search_ends_where_it_has_found_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.binary.instructions.MOST_FOUND", 1000)
    body = b"\0" + b"\x10\0" * 1005 + b"\x0b"
    search = decoder(frozenset((Kind.FUNCTION,))).search(body, 0, len(body))
    assert len(search.found) == 1000
    assert search.unknown is not None
