"""Integers and counts of the binary format: exact, and refused where they stand."""

from __future__ import annotations

import leb128
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preinit.binary import encoder as write
from preinit.binary.cursor import Cursor
from preinit.binary.module import parse
from preinit.engine.runtime import EngineSettings
from preinit.engine.whole import compile_guest
from preinit.errors import (
    Malformed,
    PreinitError,
    Truncated,
)
from preinit.passes.instrument import instrument
from tests.support.binaries import offset_of
from tests.support.by_hand import section

# -- integers ----------------------------------------------------------------------------------------------------------


def cursor(data: bytes, start: int = 0) -> Cursor:
    return Cursor(data, start, len(data), "test")


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 5))
def test_unsigned_integers_survive_writing_and_reading(number: int, before: int) -> None:
    encoded = write.uleb(number)
    assert len(encoded) == write.uleb_size(number)
    at = cursor(b"\xff" * before + encoded + b"\x80", before)
    if number < 1 << 32 and number % 2:
        assert at.u32() == number
    else:
        assert at.u64() == number
    assert at.position == before + len(encoded)


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_signed_integers_survive_writing_and_reading(number: int) -> None:
    encoded = write.sleb(number)
    assert len(encoded) == write.sleb_size(number)
    for bits in (32, 33, 64):
        if -(1 << bits - 1) <= number < 1 << bits - 1:
            at = cursor(encoded + b"\x80")
            assert at.signed(bits) == number
            assert at.position == len(encoded)
        else:
            with pytest.raises(Malformed):
                cursor(encoded).signed(bits)


@given(st.integers(0, (1 << 70) - 1), st.integers(0, 4), st.sampled_from([32, 64]))
def test_an_unsigned_integer_is_refused_exactly_when_it_has_too_many_bits_or_bytes(
    number: int, padding: int, bits: int
) -> None:
    encoded = bytearray(leb128.u.encode(number))
    for _ in range(padding):
        encoded[-1] |= 0x80
        encoded.append(0)
    at = cursor(b"..." + bytes(encoded), 3)
    read = at.u32 if bits == 32 else at.u64
    if number < 1 << bits and len(encoded) <= -(-bits // 7):
        assert read() == number
    else:
        with pytest.raises(Malformed) as problem:
            read()
        assert offset_of(problem) == 3
        assert at.position == 3


@given(st.integers(-(1 << 69), (1 << 69) - 1), st.integers(0, 4), st.sampled_from([32, 33, 64]))
def test_a_signed_integer_is_refused_exactly_when_it_has_too_many_bits_or_bytes(
    number: int, padding: int, bits: int
) -> None:
    encoded = bytearray(leb128.i.encode(number))
    for _ in range(padding):
        encoded[-1] |= 0x80
        encoded.append(0x7F if number < 0 else 0)
    at = cursor(b"..." + bytes(encoded), 3)
    if -(1 << bits - 1) <= number < 1 << bits - 1 and len(encoded) <= -(-bits // 7):
        assert at.signed(bits) == number
    else:
        with pytest.raises(Malformed) as problem:
            at.signed(bits)
        assert offset_of(problem) == 3


@pytest.mark.parametrize("read", ["u32", "u64", "signed"])
@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff\xff\xff"])
def test_an_integer_without_an_end_is_truncated_at_its_start(read: str, data: bytes) -> None:
    at = cursor(b".." + data, 2)
    with pytest.raises(Truncated) as problem:
        at.signed(32) if read == "signed" else getattr(at, read)()
    assert offset_of(problem) == 2


@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=30), st.binary(max_size=3))
def test_a_vector_of_integers_reads_as_one_integer_after_another(numbers: list[int], after: bytes) -> None:
    at = cursor(b"".join(map(write.uleb, numbers)) + after)
    assert at.u32s(len(numbers)) == numbers
    assert at.remaining == len(after)


@given(st.binary(max_size=40), st.integers(0, 20))
@example(b"\x00\xff\xff\xff\xff\xff\x00", 3)
@example(b"\xff\xff\xff\xff\x1f", 1)
def test_a_vector_of_anything_reads_or_fails_as_its_integers_do(data: bytes, number: int) -> None:
    one, many = cursor(data), cursor(data)
    try:
        expected = [one.u32() for _ in range(number)]
    except (Malformed, Truncated) as problem:
        with pytest.raises(type(problem)) as other:
            many.u32s(number)
        assert other.value.where == problem.where
    else:
        assert many.u32s(number) == expected
        assert many.position == one.position


# -- counts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 9, 11, 13])
def test_a_vector_that_claims_billions_of_items_is_refused_at_its_count(number: int) -> None:
    data = write.PREAMBLE + section(number, b"\xff\xff\xff\xff\x0f" + b"\0" * 20)
    with pytest.raises(Malformed, match="more than fit") as problem:
        parse(data)
    assert offset_of(problem) == 10


@pytest.mark.parametrize(
    "payload",
    [b"\x01\x60\xff\xff\xff\xff\x0f", b"\x01\x4e\xff\xff\xff\xff\x0f", b"\x01\x5f\xff\xff\xff\xff\x0f"],
    ids=["parameters", "recursion group", "fields"],
)
def test_a_type_that_claims_billions_of_parts_is_refused(payload: bytes) -> None:
    with pytest.raises(Malformed, match="more than fit"):
        parse(write.PREAMBLE + section(1, payload))


def test_a_code_section_that_claims_billions_of_functions_is_refused() -> None:
    module = parse(write.PREAMBLE + section(10, b"\xff\xff\xff\xff\x0f"))
    with pytest.raises(Malformed, match="more than fit"):
        _ = module.bodies


def test_a_function_that_claims_billions_of_locals_costs_nothing() -> None:
    body = b"\x01\xff\xff\xff\xff\x0f\x7f\x41\x01\x40\x00\x1a\x0b"
    data = write.PREAMBLE + b"\x01\x04\x01\x60\0\0" + b"\x03\x02\x01\0" + b"\x05\x03\x01\0\1"
    data += section(10, b"\x01" + write.uleb(len(body)) + body)
    with pytest.raises(PreinitError, match="too many locals"):
        compile_guest(instrument(parse(data))[0], EngineSettings("auto"))
