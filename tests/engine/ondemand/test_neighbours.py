"""Functions that are reached one by one, through tables: chunks that stay small are filled with their neighbours."""

from __future__ import annotations

import pytest

from preinit.engine.ondemand.chunk import CHUNK, FEW, WINDOW, window
from tests.support.both_engines import INIT, attempt, chunks_of, same
from tests.support.modules import wasm


def table_of(functions: int, size: int = 20) -> bytes:
    """A module whose initializer calls so many functions through a table, one after the other."""
    names = [f"$f{i}" for i in range(functions)]
    work = "(global.set $n (i32.add (global.get $n) (i32.const 1)))" * (size // 7)
    bodies = "".join(f"(func {name} {work})" for name in names)
    return wasm(f"""(module (type $v (func)) (global $n (mut i32) (i32.const 0)) (memory 1)
        (table {functions} funcref) (elem (i32.const 0) {" ".join(names)}) {bodies}
        (func {INIT} (local $i i32) (loop (call_indirect (type $v) (local.get $i))
            (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {functions}))))
            (i32.store (i32.const 0) (global.get $n))))""")


def chunks(source: bytes) -> int:
    found = attempt(source, engine="ondemand")
    assert found.report
    return found.report.engine.chunks


def test_a_few_functions_get_one_chunk_each() -> None:
    assert chunks(table_of(FEW - 1)) == FEW  # the initializer has one, too


def test_many_functions_share_chunks() -> None:
    assert chunks(table_of(20 * FEW)) < 6 * FEW


def test_many_functions_give_the_same_output() -> None:
    same(table_of(5 * FEW))


@pytest.mark.parametrize("made", [0, FEW - 1])
def test_without_many_chunks_nothing_is_filled(made: int) -> None:
    assert window(made) == 0


def test_the_window_grows_with_the_chunks_but_no_further_than_a_chunk() -> None:
    assert [window(n) for n in (FEW, 4 * FEW - 1, 4 * FEW, 16 * FEW)] == [WINDOW, WINDOW, 2 * WINDOW, 4 * WINDOW]
    assert CHUNK <= window(1 << 60) < 2 * CHUNK


def test_chunks_of_one_function_are_not_filled() -> None:
    with chunks_of(0):
        assert chunks(table_of(2 * FEW)) == 2 * FEW + 1
