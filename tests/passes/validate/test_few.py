"""An outline with few functions is valid exactly if the whole outline is."""

from __future__ import annotations

import random
import subprocess

import pytest

from preinit.binary.few import outline_of_few
from preinit.binary.instructions import decoder
from preinit.binary.module import Module, SectionId, parse, read_sections
from preinit.binary.opcodes import Kind
from preinit.binary.outline import context_of_input, in_doubt, outline
from preinit.binary.rope import Rope
from preinit.engine import ffi
from preinit.engine.runtime import EngineSettings, new_engine
from preinit.engine.values import EngineError
from preinit.errors import InputError
from preinit.passes.parse.text import wasm_tools
from tests.support.amounts import amount
from tests.support.modules import wasm

ENGINE = new_engine(EngineSettings("cranelift"))

#: All that names functions, types and tables: sections whose bytes are changed.
NAMES = """(module
  (type $none (func)) (type $number (func (param i32) (result i32)))
  (import "a" "f" (func $f (type $number)))
  (table $t 4 funcref) (table $u 4 externref) (memory 1) (global $g i32 (i32.const 1))
  (export "g" (func $g)) (export "m" (memory 0)) (export "f" (func $f)) (export "h" (func $h))
  (start $s)
  (elem (i32.const 0) $f $g) (elem (table $t) (global.get $g) func $h $h) (elem func $g) (elem declare func $s)
  (func $g (type $number) (local.get 0)) (func $s) (func $h (type $number) (i32.const 1)) (func) (func))"""


def is_valid(binary: bytes) -> bool:
    try:
        ffi.validate(ENGINE, binary)
    except EngineError:
        return False
    return True


def agree(module: Module) -> bool:
    """Whether there is one with few functions; it is valid exactly if the outline is."""
    few = outline_of_few(module.data, module.sections, module)
    whole = outline(module.data, module.sections, False)
    if few is not None:
        assert is_valid(few) == is_valid(whole), module.data.hex()
        assert outline_of_few(Rope([module.data]), module.sections, module) == few
    return few is not None


@pytest.mark.parametrize(
    "section",
    [SectionId.TYPE, SectionId.IMPORT, SectionId.FUNCTION, SectionId.TABLE, SectionId.GLOBAL, SectionId.EXPORT,
     SectionId.START, SectionId.ELEMENT, SectionId.CODE],
    ids=lambda number: number.name.lower(),
)  # fmt: skip
def test_whatever_byte_is_changed(section: SectionId) -> None:
    good = wasm(NAMES)
    place = parse(good).section(section)
    assert place and agree(parse(good)) and is_valid(good)
    end = place.start + 1 if section is SectionId.CODE else place.end  # of bodies it says nothing
    told = 0
    for at in range(place.header + 1, end):
        for change in (1, 2, 3, 4, 0x10, 0x40, 0x7F, 0x80):
            bad = bytearray(good)
            bad[at] ^= change
            try:
                module = parse(bytes(bad))
                told += agree(module)
            except InputError:
                continue
    assert told or section is SectionId.CODE


@pytest.mark.parametrize("arguments", [[], ["--min-funcs=6", "--gc-enabled=false"]])
def test_whatever_the_module(arguments: list[str]) -> None:
    """As it is, and with a changed byte here and there, but for those of code."""
    told = 0
    for seed in range(amount(400, 40)):
        numbers = random.Random(seed)
        command = [wasm_tools(), "smith", *arguments]
        done = subprocess.run(command, input=numbers.randbytes(3_000), capture_output=True)
        if done.returncode:
            continue
        sections = [section for section in parse(done.stdout).sections if section.id != SectionId.CODE]
        for _ in range(10 if sections else 0):
            changed = bytearray(done.stdout)
            section = numbers.choice(sections)
            changed[numbers.randrange(section.header, section.end)] ^= numbers.choice((0, 1, 3, 0x40, 0x80))
            try:
                told += agree(parse(bytes(changed)))
            except InputError:
                continue
    assert told > 5


@pytest.mark.parametrize(
    "fields",
    [
        "(start $wrong) (func $wrong (param i32))",
        '(export "a" (func 0)) (export "a" (func 0)) (func)',
        "(table 1 externref) (func $f) (elem (i32.const 0) func $f)",
        "(table 1 funcref) (func $f) (elem (i64.const 0) func $f)",
    ],
)
def test_what_is_wrong_besides_bodies_shows(fields: str) -> None:
    module = parse(wasm(f"(module {fields})"))
    few = outline_of_few(module.data, module.sections, module)
    assert few and not is_valid(few)
    assert agree(module)


@pytest.mark.parametrize(
    "fields",
    [
        "(func $f) (global funcref (ref.func $f))",
        "(func $f) (table 1 funcref (ref.func $f))",
        "(func $f) (elem funcref (ref.func $f))",
        '(export "f" (func 7)) (func)',
        "(start 7) (func)",
        "(table 1 funcref) (elem (i32.const 0) 7) (func)",
    ],
)
def test_what_is_not_simple_needs_an_outline(fields: str) -> None:
    module = parse(wasm(f"(module {fields})"))
    assert outline_of_few(module.data, module.sections, module) is None


@pytest.mark.parametrize("number", [SectionId.EXPORT, SectionId.START, SectionId.ELEMENT])
def test_bytes_that_are_left_over_need_an_outline(number: SectionId) -> None:
    good = wasm('(module (func $f) (export "f" (func $f)) (start $f) (table 1 funcref) (elem (i32.const 0) $f))')
    module = parse(good)
    section = module.section(number)
    assert section
    bad = bytearray(good)
    bad[section.start - 1] += 1
    bad.insert(section.end, 0)
    rope = Rope([bytes(bad)])
    assert outline_of_few(rope, read_sections(rope), module) is None
    assert not is_valid(outline(rope, read_sections(rope), False, module))


@pytest.mark.parametrize("other", ['(import "a" "b" (func)) (func)', "(func) (func)"])
def test_other_functions_need_an_outline(other: str) -> None:
    binary = wasm(f"(module {other})")
    assert outline_of_few(binary, read_sections(binary), parse(wasm("(module (func))"))) is None


def test_a_large_module_has_a_small_one() -> None:
    functions = "".join(f"(func $f{number} (result i32) (i32.const 1))" for number in range(3_000))
    names = " ".join(f"$f{number}" for number in range(3_000))
    module = parse(wasm(f"(module (table 3000 funcref) (elem (i32.const 0) {names}) {functions})"))
    few = outline_of_few(module.data, module.sections, module)
    assert few and len(few) < 100 and is_valid(few)


@pytest.mark.parametrize(
    ("body", "refers"),
    [
        ("(drop (ref.func 1))", True),
        ("(drop (i64.const 0xd2))", False),  # the bytes of `ref.func 1`
        ("(drop (i64.const 0xd2)) (drop (ref.func 1))", True),
        ("(drop (i64.const 0xd2)) (drop (ref.func 2)) (call 1)", False),
    ],
)
def test_a_body_that_only_looks_as_if_it_named_a_function_is_not_in_doubt(body: str, refers: bool) -> None:
    exports = '(export "a" (func 1)) (export "b" (func 2))'
    module = parse(wasm(f"(module {exports} (func {body}) (func) (func))"))
    known = context_of_input(module)
    wanted = known._replace(declared=frozenset({2}))
    scan = decoder(frozenset((Kind.FUNCTION,))).scan
    assert in_doubt(known, wanted, module) == [range(1)]
    assert in_doubt(known, wanted, module, scan) == ([range(1)] if refers else [])


def test_a_body_that_can_not_be_read_stays_in_doubt() -> None:
    module = parse(wasm('(module (export "a" (func 1)) (func (drop (i64.const 0xd2))) (func))'))
    known = context_of_input(module)
    section = module.section(SectionId.CODE)
    assert section
    bad = bytearray(module.data)
    at = bad.index(b"\x42\xd2", section.start)
    bad[at] = 0x27  # no instruction
    broken = parse(bytes(bad))
    scan = decoder(frozenset((Kind.FUNCTION,))).scan
    assert in_doubt(known, known._replace(declared=frozenset()), broken, scan) == [range(1)]
