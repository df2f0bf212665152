"""Large tables are read by compiled code: it finds what the engine's own calls find."""

from __future__ import annotations

import pytest

from preinit.engine import ffi, tables
from preinit.engine.runtime import EngineSettings, has_winch, new_engine, new_store

COMPILERS = [
    "cranelift",
    pytest.param("winch", marks=pytest.mark.skipif(not has_winch(), reason="there is no such compiler here")),
]

SIZE = tables._MANY + 77

MODULE = f"""(module
    (import "" "f" (func $imported))
    (table (export "t") {SIZE} funcref)
    (func $a) (func $b (param i32))
    (elem (i32.const 5) func $a $b $imported $a)
    (elem (i32.const {SIZE - 2}) func $b $a))"""


def instance(compiler: str, text: str = MODULE, **settings: bool) -> tuple[ffi.Store, object]:
    engine = new_engine(EngineSettings(compiler, **settings))
    store = new_store(engine, 1 << 30, bool(settings))
    functions = ffi.HostFunctions(store)
    given = [functions.define((), (), lambda: None)] if "import" in text else []
    return store, ffi.instantiate(store, ffi.compile_module(engine, ffi.binary(text.encode())), given)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_they_hold_what_each_entry_holds(compiler: str) -> None:
    store, made = instance(compiler)
    table = ffi.export(store, made, "t")
    for places in (None, range(SIZE), range(1, SIZE), range(77), range(6, tables._MANY + 6), range(5, 7), range(0)):
        assert tables.table_values(store, table, places) == ffi.table_values(store, table, places)
    assert [reader is not None for reader in store.readers.values()] == [True]
    assert tables.table_values(store, ffi.export(store, made, "t")) == ffi.table_values(store, table)
    assert len(store.readers) == 1, "it is the same table"


@pytest.mark.parametrize("compiler", COMPILERS)
def test_two_tables_are_told_apart(compiler: str) -> None:
    text = MODULE.replace("(func $a)", f'(table (export "u") {SIZE} funcref) (func $a)')
    store, made = instance(compiler, text)
    one, other = (tables.table_values(store, ffi.export(store, made, name)) for name in "tu")
    assert one != other
    assert other == ffi.table_values(store, ffi.export(store, made, "u"))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_addresses_that_are_others_are_not_taken(compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another version of the engine may have them: also where a table begins with null."""
    text = f'(module (table (export "t") {SIZE} funcref) (func $a) (elem (i32.const 1000) func $a))'
    store, made = instance(compiler, text)
    table, real = ffi.export(store, made, "t"), ffi.results_reader
    monkeypatch.setattr(ffi, "results_reader", lambda *given: lambda place: [n and n + 8 for n in real(*given)(place)])
    assert tables.table_values(store, table) == ffi.table_values(store, table)
    assert list(store.readers.values()) == [None]


@pytest.mark.parametrize("kind", ["i64 {} funcref", "{} externref"])
def test_tables_of_other_kinds_are_read_as_ever(kind: str) -> None:
    store, made = instance("cranelift", f'(module (table (export "t") {kind.format(SIZE)}))')
    table = ffi.export(store, made, "t")
    assert tables.table_values(store, table) == ffi.table_values(store, table)
    assert list(store.readers.values()) == [None]


@pytest.mark.parametrize("places", [range(SIZE - tables._MANY + 1, SIZE + 1), range(SIZE + 1), range(SIZE, SIZE + 3)])
def test_there_is_no_entry_behind_the_last(places: range) -> None:
    store, made = instance("cranelift")
    with pytest.raises(IndexError):
        tables.table_values(store, ffi.export(store, made, "t"), places)


def test_they_are_read_where_the_time_of_code_is_over() -> None:
    store, made = instance("cranelift", interruptible=True)
    table = ffi.export(store, made, "t")
    expected = tables.table_values(store, table)
    store.engine.increment_epoch()
    assert tables.table_values(store, table) == expected


def test_a_table_that_grew_is_read_whole() -> None:
    store, made = instance("cranelift")
    table = ffi.export(store, made, "t")
    before = tables.table_values(store, table)
    ffi.grow(store, table, True, 100)
    assert tables.table_values(store, table) == [*before, *before[:1] * 100]
