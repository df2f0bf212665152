"""Instructions as `wasm-tools dump` reads them, next to those that the decoder finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from preinit.binary import encoder as write
from preinit.binary.instructions import Instruction, Search, decoder
from preinit.binary.module import parse
from preinit.binary.opcodes import IMMEDIATES, MEMORY_ARGUMENT, MEMORY_GROW, TABLE_GROW, Kind
from tests.support.binaries import dump
from tests.support.by_hand import section

Question = tuple[frozenset[Kind], frozenset[int]]

ALL, NOTHING = frozenset(Kind), frozenset[Kind]()

GROWTH = frozenset((MEMORY_GROW, TABLE_GROW))

#: Every instruction, with all of its references.
FULL = decoder(ALL, frozenset(IMMEDIATES))

#: What the program asks, each kind alone, and what else makes a pattern of its own.
QUESTIONS: list[Question] = [
    (frozenset((Kind.FUNCTION, Kind.TYPE, Kind.DATA, Kind.ELEMENT)), GROWTH),
    (NOTHING, GROWTH),
    (NOTHING, frozenset()),
    *((frozenset((kind,)), frozenset()) for kind in Kind),
    (ALL, frozenset()),
    (ALL - {Kind.TYPE}, frozenset()),
    (ALL - {Kind.MEMORY}, frozenset(number for number in IMMEDIATES if number % 3 == 0)),
]

Named = list[tuple[Kind, int]]


class Dumped(NamedTuple):
    """A function body: where its instructions start, their names and immediates; the types of its locals."""

    starts: list[int]
    texts: list[tuple[str, str]]
    types: list[str]


_LINE = re.compile(r"^ *0x([0-9a-f]+) \| [0-9a-f ]+\| (\S+)(.*)$", re.MULTILINE)

#: Whatever may be an index; labels and constants are not.
_FIELD = re.compile(r"\b(\w*_index(?:_dst|_src)?|\w*table|\w*mem|memory|tag|FuncType|Module|module)(?::|: |\(| )(\d+)")

_KINDS = {
    **dict.fromkeys(("local_index", "field_index"), None),  # not of a module's items
    "function_index": Kind.FUNCTION,
    "global_index": Kind.GLOBAL,
    **dict.fromkeys(("tag", "tag_index"), Kind.TAG),
    **dict.fromkeys(("data_index", "array_data_index"), Kind.DATA),
    **dict.fromkeys(("elem_index", "array_elem_index"), Kind.ELEMENT),
    **dict.fromkeys(("table", "table_index", "dst_table", "src_table"), Kind.TABLE),
    **dict.fromkeys(("memory", "mem", "dst_mem", "src_mem"), Kind.MEMORY),
    **dict.fromkeys(("FuncType", "Module", "module", "type_index", "struct_type_index"), Kind.TYPE),
    **dict.fromkeys(("array_type_index", "array_type_index_dst", "array_type_index_src"), Kind.TYPE),
}


def named(fields: str) -> Named:
    return [(kind, int(number)) for field, number in _FIELD.findall(fields) if (kind := _KINDS[field])]


def dumped(data: bytes) -> Iterator[Dumped]:
    """The function bodies of a module."""
    texts = dump(data).split("============== func ")[1:]
    for body, text in zip(parse(data).bodies, texts, strict=True):
        # Not the body's size, nor sections behind the last body. Locals start with a number: `1 locals of type I32`.
        lines = [line for line in _LINE.findall(text) if body.start <= int(line[0], 16) < body.end]
        instructions = [line for line in lines if not line[1].isdecimal()]
        types = [fields for _, name, fields in lines if name.isdecimal()]
        starts = [int(offset, 16) for offset, _, _ in instructions]
        yield Dumped(starts, [(name, fields) for _, name, fields in instructions], types)


def references(instruction: Instruction) -> Named:
    """As `named`: the memory is there even where its index is left out."""
    found = [(Kind(reference.kind), reference.target) for reference in instruction.references]
    return found or ([(Kind.MEMORY, 0)] if MEMORY_ARGUMENT in IMMEDIATES[instruction.opcode] else [])


def answer(everything: Search, question: Question) -> list[Instruction]:
    """What a question should find, by what there is."""
    kinds, opcodes = question
    found = []
    for each in everything.found:
        if each.opcode in opcodes:
            found.append(each)
        elif references := tuple(reference for reference in each.references if reference.kind in kinds):
            found.append(each._replace(references=references))
    return found


def compared(data: bytes, questions: list[Question]) -> dict[str, set[int]]:
    """The opcodes in a module, by the names that wasm-tools has for them.

    Asserts that it reads the same instructions and references, and that each question has a part of them as its answer.
    """
    names: dict[str, set[int]] = {}
    for number, (body, expected) in enumerate(zip(parse(data).bodies, dumped(data), strict=True)):
        search = FULL.search(data, body.start, body.end)
        where = f"function {number}"
        assert search.unknown is None, where
        assert [i.start for i in search.found] == expected.starts, where
        assert [i.end for i in search.found] == [*expected.starts[1:], body.end], where
        assert [references(i) for i in search.found] == [named(fields) for _, fields in expected.texts], where
        assert [(r.kind, r.target) for r in search.types] == named(" ".join(expected.types)), where
        for question in questions:
            found = decoder(*question).search(data, body.start, body.end)
            assert found == (answer(search, question), search.types, None), (where, question)
        for (name, _), instruction in zip(expected.texts, search.found, strict=True):
            names.setdefault(name, set()).add(instruction.opcode)
    return names


def holding(bodies: list[bytes]) -> bytes:
    """A module, not a valid one, with these function bodies."""
    types, functions = section(1, b"\1\x60\0\0"), section(3, write.vector([b"\0"] * len(bodies)))
    return write.PREAMBLE + types + functions + section(10, write.vector([write.code_entry(body) for body in bodies]))
