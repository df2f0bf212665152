"""What the tests of the binary format share: sections by hand, offsets of errors, what wasm-tools sees."""

from __future__ import annotations

import re
import subprocess
import tempfile

import pytest

from preinit.binary.growth import growing_functions
from preinit.binary.module import SectionId, parse, read_sections
from preinit.binary.opcodes import MEMORY_GROW
from preinit.errors import PreinitError
from preinit.passes.parse.text import wasm_tools

#: A growth instruction as (position of the function in the code section, byte offset, "memory" or "table", index).
Found = list[tuple[int, int, str, int]]


def found(data: bytes) -> Found:
    module = parse(data)
    return [
        (defined, growth.start, "memory" if growth.opcode == MEMORY_GROW else "table", growth.target)
        for defined, growths in sorted(growing_functions(module)[0].items())
        for growth in growths
    ]


#: A growth instruction in a dump.
GROWTH = re.compile(r" *0x([0-9a-f]+) \| [0-9a-f ]+\| (memory|table)_grow (?:mem|table):(\d+)")


def dump(data: bytes) -> str:
    """What `wasm-tools dump` says; through a file: into a pipe, it would write each line by itself."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([wasm_tools(), "dump", "-", "-o", file.name], input=data, capture_output=True, check=True)
        return file.read().decode()


def dumped(data: bytes) -> Found:
    """The growth instructions that `wasm-tools dump` shows."""
    result: Found = []
    defined = -1
    for line in dump(data).splitlines():
        if line.startswith("============== func"):
            defined += 1
        match = GROWTH.match(line) if "_grow " in line else None
        if match:
            result.append((defined, int(match[1], 16), match[2], int(match[3])))
    return result


def offsets_of(data: bytes, instruction: str) -> list[int]:
    """Where an instruction stands, by its name in `wasm-tools dump`."""
    pattern = rf"^ *0x([0-9a-f]+) \| [0-9a-f ]+\| {instruction}\b"
    return [int(text, 16) for text in re.findall(pattern, dump(data), re.MULTILINE)]


def offset_of(problem: pytest.ExceptionInfo[PreinitError]) -> int:
    where = problem.value.where or ""
    assert where.startswith("byte offset "), where
    return int(where.removeprefix("byte offset "), 16)


def stripped(data: bytes) -> bytes:
    """The module without custom sections, so without names."""
    kept = [data[section.header : section.end] for section in read_sections(data) if section.id != SectionId.CUSTOM]
    return data[:8] + b"".join(kept)
