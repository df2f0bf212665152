"""A module that can't be instantiated: which of its segments does not fit what, and why."""

from __future__ import annotations

from typing import Any

import pytest

from preinit import errors
from preinit.engine import whole
from tests.support.modules import build_text, wasm

START = '(func (export "preinit_initialize"))'
F = "(func $f)"
BASE = '(import "env" "base" (global $base i32))'

#: A module, what its message says, and what its hint says.
MISFITS: dict[str, tuple[str, dict[str, Any], tuple[str, ...], str]] = {
    "an imported memory": (
        '(import "spectest" "memory" (memory 0)) (data (i32.const 0) "a")', {},
        ("data segment 0", "1 byte from 0x0 on", "memory 0, the import `spectest.memory`, has 0 bytes"),
        "declare a larger minimum",
    ),
    "the second data segment": (
        '(memory 1) (data (i32.const 0) "abc") (data (i32.const 65535) "ab")', {},
        ("data segment 1", "2 bytes from 0xffff on", "memory 0 has 65,536 bytes"),
        "the tool that wrote it has a bug",
    ),
    "the second memory": (
        '(memory 1) (memory 0) (data (memory 1) (i32.const 0) "a")', {},
        ("data segment 0", "memory 1 has 0 bytes"), "the tool that wrote it has a bug",
    ),
    "a memory of 64 bits": (
        '(memory i64 1) (data (i64.const -1) "ab")', {}, ("from 0xffffffffffffffff on",), "has a bug"
    ),
    "an offset that an import gives": (
        f'{BASE} (memory 1) (data (global.get $base) "a")', {"import_globals": {"env.base": "65536"}},
        ("data segment 0", "from 0x10000 on"), 'import_globals={"env.base": "VALUE"}',
    ),
    "an offset that is computed": (
        f'{BASE} (memory 1) (data (i32.sub (i32.mul (global.get $base) (i32.const 2)) (i32.const 1)) "ab")',
        {"import_globals": {"env.base": "32768"}}, ("data segment 0", "2 bytes from 0xffff on"), "true value",
    ),
    "an imported table": (
        f'(import "e" "t" (table 2 funcref)) {F} (elem (i32.const 1) $f $f)', {},
        ("element segment 0", "2 elements from 0x1 on", "table 0, the import `e.t`, has 2 elements"),
        'preloads={"e": "FILE"}',
    ),
    "a table of its own": (
        f"(table 1 funcref) {F} (elem (i32.const 0) $f) (elem (i32.const 1) $f)", {},
        ("element segment 1", "table 0 has 1 element"), "has a bug",
    ),
    "elements before data": (
        f'(memory 0) (data (i32.const 0) "a") (table 0 funcref) {F} (elem (i32.const 0) $f)', {},
        ("element segment 0",), "has a bug",
    ),
    "an array of four billion": (
        "(type $a (array i8)) (global (ref $a) (array.new_default $a (i32.const -1)))", {},
        ("instantiating the module trapped",), "Nothing of the module ran",
    ),
}  # fmt: skip


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
@pytest.mark.parametrize("what", MISFITS)
def test_a_segment_that_does_not_fit_is_named_and_no_initializer_is_blamed(what: str, engine: str) -> None:
    fields, options, said, way_out = MISFITS[what]
    with pytest.raises(errors.GuestTrap) as caught:
        build_text(f"(module {fields} {START})", engine=engine, **options)
    for words in said:
        assert words in caught.value.what
    assert way_out in (caught.value.hint or "")
    assert "initializer" not in str(caught.value)


def test_of_a_preloaded_memory_its_true_size_is_said() -> None:
    fields = '(import "lib" "memory" (memory 1)) (data (i32.const 131072) "a")'
    beside = wasm('(module (memory (export "memory") 2))')
    with pytest.raises(errors.GuestTrap) as caught:
        build_text(f"(module {fields} {START})", preloads={"lib": beside}, imports="restore")
    assert "`lib.memory`, has 131,072 bytes" in caught.value.what
    assert caught.value.hint == "Preload a module whose `memory` is larger."


def test_an_import_of_a_module_without_a_name_has_no_option_that_could_provide_it() -> None:
    with pytest.raises(errors.GuestTrap) as caught:
        build_text(f'(module (import "" "m" (memory 0)) (data (i32.const 0) "a") {START})')
    assert "declare a larger minimum." in (caught.value.hint or "")
    assert "preload" not in (caught.value.hint or "")


def test_what_is_not_valid_is_not_compiled_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimizing compiler would take many times as long to say the same."""
    compiled: list[object] = []
    original = whole.compile_module
    monkeypatch.setattr(whole, "compile_module", lambda *given: compiled.append(given) or original(*given))
    with pytest.raises(errors.InvalidModule) as caught:
        build_text('(module (memory 1) (func $bad (result i32)) (func (export "preinit_initialize")))')
    assert (caught.value.where or "").startswith("byte offset")
    assert len(compiled) == 1
    # What one compiler does not know is the other one's.
    build_text(
        """(module (memory (export "memory") 1) (tag $t)
        (func (export "preinit_initialize") (block (try_table (catch_all 0)))))""",
        engine="whole",
    )
    assert len(compiled) == 3
