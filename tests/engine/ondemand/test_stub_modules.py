"""Modules of stubs: when they are made, and which types they have."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preinit.binary.module import parse
from preinit.engine.ondemand.stubs import StubModule, Stubs
from tests.support.both_engines import INIT, built, chunks_of, compiled, files, kept, same
from tests.support.modules import wasm

KINDS = ("i32", "i64", "f32", "f64")
#: The parameters of functions, no two the same.
TYPES = [tuple(KINDS[number >> 2 * place & 3] for place in range(4)) for number in range(100)]


def call(number: int) -> str:
    return f"(call $f{number} {' '.join(f'({kind}.const 0)' for kind in TYPES[number])})"


def program(first: Iterable[int], chain: bool) -> bytes:
    """A module with 100 functions, each of another type, which add to memory; `first` are called, one after the other.

    `chain`: each calls the next one.
    """
    bodies = [
        f"(func $f{i} (param {' '.join(kinds)}) (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0))"
        f" (i32.const {i}))) {call(i + 1) if chain and i + 1 < len(TYPES) else ''})"
        for i, kinds in enumerate(TYPES)
    ]
    return wasm(f"(module (memory 1) {' '.join(bodies)} (func {INIT} {' '.join(map(call, first))}))")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[StubModule]:
    """The modules of stubs that were made."""
    found: list[StubModule] = []
    add = Stubs.add_module

    def adding(self: Stubs, types: Iterable[int] | None = None) -> StubModule:
        found.append(add(self, types))
        return found[-1]

    monkeypatch.setattr(Stubs, "add_module", adding)
    return found


def test_there_are_stubs_of_the_types_that_are_called_and_no_others(made: list[StubModule]) -> None:
    assert same(program([3, 50, 99], chain=False)).wasm  # with one chunk, and with one for each function
    assert {sum(count for _, count in module.types) for module in made} == {3}


def test_where_types_are_called_one_by_one_all_that_are_left_have_one_module(made: list[StubModule]) -> None:
    assert same(program([0], chain=True)).wasm
    types = [[index for index, _ in module.types] for module in made]
    assert 1 < len(types) < 12
    assert max(map(len, types)) > 80
    assert sorted(index for each in types for index in each) == sorted({index for each in types for index in each})


def with_initializers() -> bytes:
    """The functions of `program`, and exports `i0`, `i1`, ..., each of which calls two of them."""
    functions = [
        f"(func $f{i} (param {' '.join(kinds)}) (i32.store (i32.const 0) (i32.const {i})))"
        for i, kinds in enumerate(TYPES)
    ]
    exports = [f'(func (export "i{i}") {call(i)} {call((7 * i + 1) % 100)})' for i in range(100)]
    return wasm(f"(module (memory 1) {' '.join(functions)} {' '.join(exports)})")


def test_what_is_kept_of_stubs_does_not_grow_with_the_initializers(tmp_path: Path) -> None:
    source = with_initializers()
    with chunks_of(0):
        for i in range(40):
            assert built(tmp_path, source, init_funcs=(f"i{i}",)).wasm
    (profile,) = kept(tmp_path, source)
    assert len(profile.chunks) > 60
    assert len(profile.stubs) <= 16


def test_where_only_a_few_stubs_are_new_nothing_is_written(tmp_path: Path) -> None:
    source = with_initializers()
    with chunks_of(0):
        for i in range(6):
            assert built(tmp_path, source, init_funcs=(f"i{i}",)).wasm
        before = [(path.read_bytes(), path.stat().st_ino) for path in files(tmp_path)]
        for names in (("i3", "i1"), ("i0", "i5", "i2"), ("i4",)):
            assert built(tmp_path, source, init_funcs=names).wasm
    assert [(path.read_bytes(), path.stat().st_ino) for path in files(tmp_path)] == before


def test_stubs_that_an_earlier_build_compiled_are_used(tmp_path: Path) -> None:
    source = with_initializers()
    with chunks_of(0):
        assert built(tmp_path, source, init_funcs=("i3",)).wasm
        with compiled() as given:
            assert built(tmp_path, source, init_funcs=("i3",)).wasm
    assert not given


@st.composite
def batches(draw: st.DrawFn) -> list[list[int]]:
    """The functions of a module, some of them, in some order, a few at a time."""
    order = draw(st.permutations(range(300)))
    cuts = sorted(draw(st.lists(st.integers(0, 300), max_size=8)))
    return [order[start:end] for start, end in pairwise([0, *cuts])]


@given(batches(), st.booleans(), st.integers(1, 9))
def test_each_function_has_a_slot_of_its_own_where_a_stub_of_its_type_is(
    batches: list[list[int]], all_types: bool, instances: int
) -> None:
    module = parse(wasm("(module " + "".join(f"(func (param {' '.join(TYPES[i**2 % 7])}))" for i in range(300)) + ")"))
    stubs = Stubs(module, tail_calls=True)
    stubs._instances = instances
    at_slot: list[int] = []  # as each instance puts its stubs there: their types
    for functions in batches:
        by_type = stubs.by_type(functions)
        unknown = stubs.unknown(by_type)
        if unknown:
            stubs.add_module(None if all_types else unknown)
        for number, needed in stubs.take(by_type).items():
            at_slot += [index for index, count in stubs.modules[number].types for _ in range(count)] * needed
    asked = [function for functions in batches for function in functions]
    assert sorted(stubs.slot_of) == sorted(asked)
    assert len(set(stubs.slot_of.values())) == len(asked)
    assert len(stubs.functions) == len(at_slot)
    for function, slot in stubs.slot_of.items():
        assert stubs.functions[slot] == function
        assert at_slot[slot] == module.function_types[function]
    assert sum(function >= 0 for function in stubs.functions) == len(asked)


def test_a_module_of_stubs_fits_that_has_exactly_what_the_next_one_would_have() -> None:
    stubs = Stubs(parse(program([], chain=False)), tail_calls=True)
    made = stubs.add_module({3, 5})
    following = stubs.add_module({1, 2, 7}).types
    fresh = Stubs(parse(program([], chain=False)), tail_calls=True)
    assert fresh.fits(made.types, {5})
    assert fresh.fits(following, {1, 7})
    assert not fresh.fits(made.types, {4})
    (first, second) = made.types
    for other in [(second, first), (first, first, second), ((3, 2), second), (first, second, (9_999, 1))]:
        assert not fresh.fits(other, {5})
    fresh.add_module({5})
    assert not fresh.fits(made.types, {3})
