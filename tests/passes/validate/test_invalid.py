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
