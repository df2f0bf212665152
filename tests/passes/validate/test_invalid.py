"""Modules that are not valid."""

from __future__ import annotations

import pytest

from preinit import Options, build, errors
from tests.support.modules import wasm


def test_an_invalid_module_is_named_with_the_offset_in_the_original_file() -> None:
    binary = bytearray(wasm('(module (func (export "preinit_initialize") (drop (i32.const 1))) (func (export "go")))'))
    place = binary.index(b"\x41\x01\x1a")
    binary[place] = 0x42  # an i64 is dropped: valid; then make the drop an i32.eqz
    binary[place + 2] = 0x45
    with pytest.raises(errors.InvalidModule) as caught:
        build(bytes(binary), Options(cache=False))
    assert f"{place + 2:#x}" in str(caught.value)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"\x01", "the start function 1 has type"),
        (b"\x05", "the start function 5 does not exist: there are 2 functions"),
        (b"\xff\xff\xff\xff\x0f", "the start function 4294967295 does not exist"),
    ],
)
def test_a_start_function_that_can_not_be_one_is_named_with_its_place(start: bytes, said: str) -> None:
    module = wasm("(module (func $f) (func (param i32)) (start $f))")
    place = module.index(b"\x08\x01\x00")
    binary = module[:place] + bytes((8, len(start))) + start + module[place + 3 :]
    with pytest.raises(errors.InvalidModule, match=said) as caught:
        build(binary, Options(cache=False))
    assert f"byte offset {place + 2:#x}" in str(caught.value)
