"""Modules of stubs: when they are made, and which types they have."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from preinit.engine.ondemand.stubs import StubModule, Stubs
from tests.support.both_engines import INIT, same
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
