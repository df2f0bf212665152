"""How numbers are written."""

from __future__ import annotations

import math
import struct

import pytest

from preinit.binary.types import F32, F64, I32, I64, ValType
from preinit.options.numbers import encode


@pytest.mark.parametrize(
    ("value_type", "text", "value"),
    [
        (I32, "-1", 0xFFFFFFFF),
        (I32, "0xFFFFFFFF", 0xFFFFFFFF),
        (I32, "-0x80000000", 0x80000000),
        (I32, "+007", 7),
        (I64, "18446744073709551615", (1 << 64) - 1),
    ],
)
def test_integers(value_type: ValType, text: str, value: int) -> None:
    assert int.from_bytes(encode(value_type, text), "little") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("0.5", 0.5), ("-.5", -0.5), ("1.", 1.0), ("1e3", 1000.0), ("0x1.8p3", 12.0), ("0xff", 255.0)],
        *[("inf", math.inf), ("-Infinity", -math.inf), ("1e-999", 0.0)],
    ],
)
def test_floats(text: str, value: float) -> None:
    assert struct.unpack("<d", encode(F64, text))[0] == value
    assert struct.unpack("<f", encode(F32, text))[0] == value


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(struct.unpack("<d", encode(F64, "nan"))[0])


@pytest.mark.parametrize(
    ("value_type", "text"),
    [
        *[
            (I32, text)
            for text in ("", "1_0", "4294967296", "-2147483649", "1.0", "٣", "0b1", "0x", " 1", "1\n", "9" * 5000)
        ],
        *[(F64, text) for text in ("", "1_0.5", "1e999", "0x1p9999", "٣.5", ".", "e5", "1e", " 1", "in", "0x", "1\n")],
        *[(F32, text) for text in ("1e39", "0x1p200")],
    ],
)
def test_what_is_no_number_is_refused(value_type: ValType, text: str) -> None:
    with pytest.raises(ValueError):
        encode(value_type, text)
