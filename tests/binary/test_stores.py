"""What a start function stores before anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preinit.binary import assembler as code
from preinit.binary import encoder as write
from preinit.binary.module import Module, SectionId, parse
from preinit.binary.stores import MOST_READ, Store, instructions, stores_at_start
from preinit.binary.types import I32, I64, FuncType
from tests.support.instances import Running
from tests.support.modules import wasm

#: Three memories, one of them with addresses of 64 bits; each has a page.
WIDE = (False, True, False)


def started(body: bytes, locals_: bytes = code.NO_LOCALS, start: int = 0) -> Module:
    memories = [
        write.limits(limits) for limits in parse(wasm("(module (memory 1) (memory i64 1) (memory 1))")).memories
    ]
    sections = (
        (SectionId.TYPE, write.vector([write.function_type(FuncType((), ()))])),
        (SectionId.FUNCTION, write.vector([write.uleb(0)])),
        (SectionId.MEMORY, write.vector(memories)),
        (SectionId.START, write.uleb(start)),
        (SectionId.CODE, write.vector([write.code_entry(locals_ + body)])),
    )
    return parse(write.assemble([write.section(number, content) for number, content in sections]))


def joined(stores: list[Store]) -> list[Store]:
    """Those that follow each other as one."""
    found: list[Store] = []
    for store in stores:
        if found and (found[-1].memory, found[-1].end) == (store.memory, store.address):
            found[-1] = found[-1]._replace(data=found[-1].data + store.data)
        else:
            found.append(store)
    return found


stores = st.lists(
    st.builds(Store, st.integers(0, 2), st.integers(0, 65000), st.binary(min_size=1, max_size=40)), max_size=8
)


@given(stores)
def test_what_is_written_is_read_and_is_what_an_instance_holds(found: list[Store]) -> None:
    body = b"".join(instructions(store, WIDE[store.memory]) for store in found) + code.END
    module = started(body, code.locals_(I32, I64))
    assert stores_at_start(module) == (tuple(joined(found)), True)
    expected = [bytearray(65536) for _ in WIDE]
    for memory, address, data in found:
        expected[memory][address : address + len(data)] = data
    running = Running(module.data)
    running.start()
    assert [bytes(one) for one in running.state().memories] == [bytes(one) for one in expected]


@pytest.mark.parametrize("address", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_an_address_in_the_upper_half_is_no_negative_one(address: int) -> None:
    found = (Store(0, address, b"\xff"),)
    assert stores_at_start(started(instructions(found[0], False) + code.END)) == (found, True)


def test_only_what_comes_before_anything_else_is_read() -> None:
    one, other = (instructions(Store(0, at, b"ab"), False) for at in (8, 100))
    found = (Store(0, 8, b"ab"),)
    assert stores_at_start(started(one + code.NOP + other + code.END)) == (found, False)
    assert stores_at_start(started(one + code.i32_const(7) + code.DROP + other + code.END)) == (found, False)
    assert stores_at_start(started(code.END)) == ((), True)


@pytest.mark.parametrize("length", range(1, 30))
def test_a_body_that_ends_anywhere_is_read_up_to_there(length: int) -> None:
    body = instructions(Store(2, 8, b"abcdefgh"), False) + instructions(Store(1, 70, b"abcdefgh"), True) + code.END
    found, nothing_else = stores_at_start(started(body[:length], code.locals_(I32)))
    whole = length >= len(body)
    assert nothing_else is whole
    assert found in ((), (Store(2, 8, b"abcdefgh"),), (Store(2, 8, b"abcdefgh"), Store(1, 70, b"abcdefgh")))
    assert not whole or len(found) == 2


def test_a_start_function_that_is_not_there_or_is_imported_stores_nothing() -> None:
    text = '(module (import "e" "f" (func $f)) (memory 1) (start $f))'
    modules: list[Any] = [parse(wasm(text)), parse(wasm("(module (memory 1))")), started(code.END, start=9)]
    assert [stores_at_start(module) for module in modules] == [((), False)] * 3


def test_of_very_many_stores_only_some_are_read() -> None:
    body = b"".join(instructions(Store(0, 2 * at, b"a"), False) for at in range(MOST_READ + 1)) + code.END
    found, nothing_else = stores_at_start(started(body))
    assert (len(found), nothing_else) == (MOST_READ, False)
    assert stores_at_start(started(code.END, write.uleb(10_000) + b"\1\x7f" * 10_000)) == ((), False)
