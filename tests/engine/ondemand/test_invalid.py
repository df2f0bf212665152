"""A module that is not valid is refused in the same words, though not all of it is compiled."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from preinit import errors
from preinit.binary import encoder as write
from preinit.binary.module import parse
from preinit.engine.ondemand import suitability
from tests.support.both_engines import INIT, SIZES, Outcome, V, attempt, chunks_of
from tests.support.by_hand import section
from tests.support.modules import wasm

MEMORY = "(memory 1)"
TABLE = "(table 1 funcref)"
STATE, CHANGE = "(global $state (mut i32) (i32.const 0))", "(global.set $state (i32.const 1))"

#: What is wrong besides code -> fields of a module.
FIELDS = {
    "a table that does not exist, in elements": f"{TABLE} (func $f) (elem (table 3) (i32.const 0) func $f)",
    "a function that does not exist, in elements": f"{TABLE} (elem (i32.const 0) func 9)",
    "a function that does not exist, among elements": "(table 3 funcref) (elem (i32.const 0) func 0 9 0)",
    "functions in a table of something else": "(table 1 externref) (func $f) (elem (i32.const 0) $f)",
    "an import in a table of something else": '(import "e" "f" (func $f)) (table 1 externref) (elem (i32.const 0) $f)',
    "elements of another type": f"{TABLE} (elem (i32.const 0) funcref (i32.const 5))",
    "a null of another type": f"{TABLE} (elem (i32.const 0) funcref (ref.null extern))",
    "an offset of 64 bits": f"{TABLE} (func $f) (elem (offset (i64.const 0)) $f)",
    "an offset of 32 bits": "(table i64 1 funcref) (func $f) (elem (offset (i32.const 0)) $f)",
    "an offset that is not a number": f"{TABLE} (func $f) (elem (offset (ref.null func)) $f)",
    "a memory that does not exist, in data": f'{MEMORY} (data (memory 3) (i32.const 0) "abc")',
    "data without a memory": '(data (i32.const 0) "abc")',
    "a start function that does not exist": "(start 9)",
    "a start function with parameters": "(start $s) (func $s (param i32 i32 i32))",
    "a start function with results": f"(start $s) (func $s (result {'i32 ' * 16}) {'(i32.const 9)' * 16})",
    "an exported function that does not exist": '(export "x" (func 9))',
    "an exported memory that does not exist": f'{MEMORY} (export "x" (memory 9))',
    "an exported `memory` that does not exist": f'{MEMORY} (export "memory" (memory 9))',
    "an exported `memory`, and none at all": '(export "memory" (memory 0))',
    "an exported table that does not exist": '(export "x" (table 0))',
    "an exported global that does not exist": '(export "x" (global 0))',
    "an exported tag that does not exist": '(export "x" (tag 0))',
    "two exports of one name": '(export "x" (func 0)) (export "x" (func 0))',
    "two initializers": f"(func {INIT})",
    "two initializers of different types": f"(func {INIT} (result {'i64 ' * 20}) unreachable)",
    "a type that does not exist, of a function": "(func (type 9))",
    "a type that does not exist, of an import": '(import "a" "b" (func (type 9)))',
    "a type that does not exist, of a tag": "(tag (type 9))",
    "a type that does not exist, in a type": "(type (func (param (ref 9))))",
    "a type that does not exist, of a global": '(import "e" "g" (global (mut (ref null 9))))',
    "a tag with results": "(type $t (func (result i32))) (tag (type $t))",
    "a global of another type": "(global i32 (i64.const 0))",
    "a global that does not exist": "(global i32 (global.get 7))",
    "a function that does not exist, in a global": "(global funcref (ref.func 7))",
    "a memory that is larger than it may be": "(memory 3 1)",
    "a table that is larger than it may be": "(table 3 1 funcref)",
    "a page size that does not exist": "(memory 1 (pagesize 4))",
}

#: What is wrong in code -> fields of a module, and an instruction sequence.
CODE = {
    "too few operands": ("", "(drop (i32.add (i32.const 1)))"),
    "too many operands": ("", "(i32.const 1)"),
    "another type": ("", "(drop (i32.add (i32.const 1) (f32.const 1)))"),
    "a function that does not exist": ("", "(call 77)"),
    "a function of another type": ("(func $x (param i32))", "(call $x)"),
    "a type that does not exist, of a block": ("", "(block (type 77))"),
    "a type that does not exist, of a call": (TABLE, "(call_indirect (type 77) (i32.const 0))"),
    "a type that does not exist, of a null": ("", "(drop (ref.null 77))"),
    "a type that does not exist, of a local": ("", "(local (ref null 77))"),
    "a table that does not exist": (f"{V} {TABLE}", "(drop (call_indirect 4 (type $v) (i32.const 0)))"),
    "a reference to nothing": (TABLE, "(table.set (i32.const 0) (ref.func 77))"),
    "a reference that is not declared": (f"{TABLE} (func $x)", "(table.set (i32.const 0) (ref.func $x))"),
    "a memory that does not exist": ("", "(drop (memory.grow (i32.const 1)))"),
    "a memory that does not exist, of two": (MEMORY, "(drop (memory.grow 5 (i32.const 1)))"),
    "a table that does not exist, of two": (TABLE, "(drop (table.grow 5 (ref.null func) (i32.const 1)))"),
    "a growth by another type": (MEMORY, "(drop (memory.grow (i64.const 1)))"),
    "a constant that is set": ("(global i32 (i32.const 0))", "(global.set 0 (i32.const 1))"),
    "a tag that does not exist": ("", "(throw 9)"),
    "a data segment that does not exist": (MEMORY, "(data.drop 9)"),
    "an element segment that does not exist": ("", "(elem.drop 9)"),
    "a label that does not exist": ("", "(br 7)"),
}


def refused(source: str | bytes, **fields: Any) -> Outcome:
    """Asserts that both engines refuse a module, in the same words."""
    whole = attempt(source, engine="whole", **fields)
    assert isinstance(whole.error, errors.InputError)
    for size in SIZES:
        with chunks_of(size):
            found = attempt(source, engine="ondemand", **fields)
        assert found.told == whole.told
    return found


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_wrong_besides_code_is_found(name: str) -> None:
    head = "" if FIELDS[name].startswith("(import") else f"(func {INIT})"
    tail = "" if head else f"(func {INIT})"
    assert isinstance(refused(f"(module {head} {FIELDS[name]} {tail})").error, errors.InvalidModule)


@pytest.mark.parametrize("much", [0, suitability.MUCH_CODE])
@pytest.mark.parametrize("name", FIELDS)
def test_what_is_wrong_besides_code_is_found_before_anything_runs(
    name: str, much: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suitability, "MUCH_CODE", much)  # of much code, bodies are read while the rest is validated
    try:
        parsed = parse(wasm(f"(module {FIELDS[name]} (func {INIT}))"))
    except errors.InputError:
        return
    found = suitability.unsuitable(parsed)
    assert found and found.code == "invalid"


@pytest.mark.parametrize("much", [0, suitability.MUCH_CODE])
@pytest.mark.parametrize("code", [b"\x01\x7f\x00\x0b", b"\x01\x02\x00\x0b\x00", b"\x02\x02\x00\x0b\x02\x00\x0b"])
def test_bodies_that_do_not_fit_their_section_are_found_before_anything_runs(
    code: bytes, much: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suitability, "MUCH_CODE", much)
    found = suitability.unsuitable(parse(module(code)))
    assert found and found.code == "invalid"
    assert not [thread for thread in threading.enumerate() if thread.name == "preinit-beside"]


def test_a_data_offset_of_another_type_is_found() -> None:
    assert isinstance(
        refused(f'(module {MEMORY} (data (i64.const 0) "abc") (func {INIT}))').error, errors.InvalidModule
    )


@pytest.mark.parametrize("name", CODE)
@pytest.mark.parametrize("where", ["initializer", "function that it calls", "function behind that"])
def test_what_is_wrong_in_code_that_is_called_is_found(name: str, where: str) -> None:
    things, code = CODE[name]
    text = {
        "initializer": f"(module {things} (func {INIT} {code}))",
        "function that it calls": f"(module {things} (func $wrong {code}) (func {INIT} (call $wrong)))",
        "function behind that": f"""(module {things} {STATE} (func $wrong {code})
            (func $between {CHANGE} (call $wrong)) (func {INIT} (call $between)))""",
    }[where]
    assert isinstance(refused(text).error, errors.InvalidModule)


@pytest.mark.parametrize("name", CODE)
def test_what_is_wrong_in_code_that_is_not_called_is_found(name: str) -> None:
    things, code = CODE[name]
    text = f"(module {things} (func {code}) {STATE} (func {INIT} {CHANGE}))"
    assert isinstance(refused(text).error, errors.InvalidModule)


# -- modules that no text stands for -----------------------------------------------------------------------------------

ONE_FUNCTION = b"\x01\x02\x00\x0b"
DATA = section(11, b"\1\0\x41\0\x0b\1a")


def module(code: bytes = ONE_FUNCTION, count: bytes = b"", data: bytes = b"") -> bytes:
    """One function, a memory of one page, a code section, and what else is given."""
    exports = write.vector([write.export("preinit_initialize", 0, 0)])
    sections = [section(1, b"\1\x60\0\0"), section(3, b"\1\0"), section(5, b"\1\0\1")]
    return b"\0asm\1\0\0\0" + b"".join(
        [*sections, section(7, exports), count and section(12, count), section(10, code), data]
    )


RAW = {
    "a count of data, and none": module(count=b"\5"),
    "a count of less data than there is": module(count=b"\0", data=DATA),
    "a body without end": module(b"\1\1\0"),
    "a body that goes on behind its end": module(b"\1\3\0\x0b\1"),
    "an empty body": module(b"\1\0"),
    "an instruction that is not known": module(b"\1\3\0\xff\x0b"),
    "exceptions of the old kind": module(b"\1\6\0\6\x40\x19\x0b\x0b"),
    "too many locals": module(b"\1\x08\1\xff\xff\xff\xff\x0f\x7f\x0b"),
    "more bodies than functions": module(b"\2\2\0\x0b\2\0\x0b"),
    "fewer bodies than functions": module(b"\0"),
    "bytes behind the last body": module(ONE_FUNCTION + b"\0"),
    "a body that is longer than its section": module(b"\1\x7f\0\x0b"),
    "memory.init without a count": module(b"\1\x0c\0\x41\0\x41\0\x41\0\xfc\x08\0\0\x0b", data=section(11, b"\1\1\1a")),
    "data.drop without a count": module(b"\1\5\0\xfc\x09\0\x0b", data=section(11, b"\1\1\0")),
    "a data segment that goes on behind the section": module(data=section(11, b"\1\0\x41\0\x0b\5a")),
}


@pytest.mark.parametrize("name", RAW)
def test_what_no_text_stands_for_is_found(name: str) -> None:
    refused(RAW[name])


#: Code that names the first thing that does not exist, and what makes the output have one more of its kind.
APPENDED: dict[str, tuple[bytes, bytes, bytes, dict[str, Any]]] = {
    "a function and a no-op": (b"\x10\x02", b"", b"", {"keep_init_func": "noop"}),
    "a type and a no-op": (b"\x02\x02\x0b", b"", b"", {"keep_init_func": "noop"}),
    "data.drop, and the snapshot has data": (b"\xfc\x09\1", b"\1", b"\1\0\x41\x80\x10\x0b\1a", {}),
    "data.drop, and there was none": (b"\xfc\x09\0", b"\0", b"\0", {}),
    "memory.init, and the snapshot has data": (
        b"\x41\0\x41\0\x41\1\xfc\x08\1\0",
        b"\1",
        b"\1\0\x41\x80\x10\x0b\1a",
        {},
    ),
}


@pytest.mark.parametrize("name", APPENDED)
def test_code_that_names_what_only_the_output_has_is_found(name: str) -> None:
    dead, count, data, fields = APPENDED[name]
    store = bytes.fromhex("00 41 05 41 07 36 02 00 0b")
    exported = write.vector([write.export("preinit_initialize", 0, 1)])
    pieces = [section(1, b"\2\x60\0\0\x60\0\1\x7f"), section(3, b"\2\0\0"), section(5, b"\1\0\1"), section(7, exported)]
    pieces += [section(12, count)] if count else []
    pieces += [section(10, write.uleb(2) + b"".join(write.code_entry(b) for b in (b"\0" + dead + b"\x0b", store)))]
    pieces += [section(11, data)] if data else []
    assert isinstance(refused(b"\0asm\1\0\0\0" + b"".join(pieces), **fields).error, errors.InvalidModule)


def test_code_that_names_an_element_segment_that_only_the_output_has_is_found() -> None:
    text = f"""(module (table 2 funcref) (elem (i32.const 0) $f) (func $f) (func $dead (elem.drop $none))
        (func {INIT} (table.set (i32.const 1) (ref.func $f))))"""
    assert isinstance(refused(text.replace("$none", "1")).error, errors.InvalidModule)


def test_a_module_that_is_cut_off_anywhere_is_refused_in_the_same_words() -> None:
    binary = wasm(f"""(module {V} (memory 1) (table 2 funcref) (global $g (mut i32) (i32.const 0)) (elem (i32.const 0) $one)
        (func $one (result i32) (i32.const 1)) (start $s) (func $s (global.set $g (call $one)))
        (func {INIT} (drop (call_indirect (type $v) (i32.const 0)))) (data (i32.const 5) "abc"))""")
    for end in range(len(binary)):
        found = [attempt(binary[:end], engine=engine) for engine in ("whole", "ondemand")]
        assert found[0].told == found[1].told, end


def test_a_module_with_any_byte_changed_is_built_or_refused_alike() -> None:
    binary = wasm(f"""(module {V} (memory 1) (table 2 funcref) (elem (i32.const 0) $one $two)
        (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.add (call $one) (i32.const 1)))
        (func {INIT} (i32.store8 (i32.const 3) (call_indirect (type $v) (i32.const 1)))))""")
    for at in range(8, len(binary)):
        changed = binary[:at] + bytes((binary[at] ^ 1,)) + binary[at + 1 :]
        whole, found = (attempt(changed, engine=engine) for engine in ("whole", "ondemand"))
        # What is not valid in code that is not called is found last of all, if nothing else goes wrong.
        assert found.told == whole.told or (isinstance(whole.error, errors.InputError) and found.error), at
