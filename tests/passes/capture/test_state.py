"""What is captured, and where the output starts."""

from __future__ import annotations

import pytest

from preinit import Options
from preinit.binary.module import parse
from tests.support.instances import assert_same_state, instantiate
from tests.support.modules import UNUSABLE, build_text, wasm
from tests.support.shapes.state import SHAPES

INIT = '(export "preinit_initialize")'


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("layout", ["balanced", "size"])
def test_the_output_starts_where_the_initializer_ended(name: str, layout: str) -> None:
    result = assert_same_state(wasm(SHAPES[name]), Options(cache=False, layout=layout, **UNUSABLE))
    assert "preinit_initialize" not in parse(result.wasm).exported_names


def test_a_memory_of_65536_pages_is_captured_to_its_last_byte() -> None:
    result = build_text("""(module (memory (export "memory") 1 65536)
        (func (export "preinit_initialize") (drop (memory.grow (i32.const 65535)))
            (i32.store8 (i32.const -1) (i32.const 1)) (i32.store (i32.const 2147483646) (i32.const 77)))
        (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))""")
    assert parse(result.wasm).memories[0].minimum == 65536
    store, exports = instantiate(result.wasm)
    assert [exports["load"](store, at) for at in (-1, -2, 2147483646, 0)] == [1, 0, 77, 0]


def test_a_64_bit_memory_beyond_4_gib_is_captured_where_it_was_touched() -> None:
    result = build_text(
        """(module (memory (export "memory") i64 1)
        (func (export "preinit_initialize") (drop (memory.grow (i64.const 131071)))
            (i64.store (i64.const 8589934584) (i64.const -2)) (i32.store (i64.const 5000000000) (i32.const 77)))
        (func (export "load") (param i64) (result i32) (i32.load8_u (local.get 0))))""",
        max_memory=8 << 30,
    )
    assert parse(result.wasm).memories[0].minimum == 131072
    assert result.report.snapshot.memories[0].bytes_written == 9
    store, exports = instantiate(result.wasm)
    assert [exports["load"](store, at) for at in (8589934584, 8589934591, 5000000000, 5000000001)] == [254, 255, 77, 0]
