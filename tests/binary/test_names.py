"""Names of some functions, without reading those of all."""

from __future__ import annotations

import pytest

from preinit.binary import encoder as write
from preinit.binary.names import NameSection

NUMBERS = [*range(400), *range(16_300, 16_500), 1 << 21, (1 << 32) - 1]


def name_section(indices: list[int]) -> bytes:
    """A module's name, then a name for each function, from none to 89 repetitions of it."""
    names = write.vector([write.uleb(i) + write.name(f"f{i}" * (i % 90)) for i in indices])
    return b"\x00\x02\x01m" + b"\x01" + write.uleb(len(names)) + names


def test_names_of_some_functions_are_those_that_all_names_have() -> None:
    data = name_section(NUMBERS)
    wanted = {0, 127, 128, 16_383, 16_384, 1 << 21, (1 << 32) - 1, 5_000}
    every = NameSection(data, 0, len(data)).functions
    assert list(every) == NUMBERS
    assert NameSection(data, 0, len(data)).functions_among(wanted) == {i: every[i] for i in wanted - {5_000}}
    assert NameSection(data, 0, len(data)).functions_among(NUMBERS) == every
    assert NameSection(data, 0, len(data)).functions_among(()) == {}


@pytest.mark.parametrize("beyond", [{20_000}, set()])
@pytest.mark.parametrize("missing", [None, 5, 17_000])
def test_names_of_all_functions_in_a_row_are_found_where_they_stand(missing: int | None, beyond: set[int]) -> None:
    """Linkers name every function: then an entry's place is known; where one is missing, all are read."""
    data = name_section([index for index in range(20_000) if index != missing])
    names = NameSection(data, 0, len(data))
    wanted = {0, 5, 88, 127, 128, 16_383, 16_384, 17_000, 19_999} | beyond
    found = names.functions_among(wanted)
    assert found == {index: names.functions[index] for index in wanted - {missing, 20_000}}


def test_names_that_were_read_are_not_read_again() -> None:
    data = name_section([3, 4])
    names = NameSection(data, 0, len(data))
    assert names.functions[3] == "f3" * 3
    names._data = b""
    assert names.functions_among({3, 9}) == {3: "f3" * 3}


@pytest.mark.parametrize("rest", [b"", b"\xff\xff\xff\xff", b"\x00" * 8])
def test_a_damaged_section_is_never_an_error(rest: bytes) -> None:
    indices = [0, 89, 200, 70_000_000]
    data = name_section(indices)
    every = NameSection(data, 0, len(data)).functions
    for end in range(len(data)):
        damaged = data[:end] + rest
        found = NameSection(damaged, 0, len(damaged)).functions_among(indices)
        if not rest:
            assert found.items() <= every.items()


@pytest.mark.parametrize(
    "entry", [b"\x80\x80\x80\x80\x80\x80\x01\x00", b"\x05\x02\xff\xfe", b"\x05\xff\xff\xff\xff\xff\xff", b"\x05\x7f"]
)
def test_an_entry_that_is_malformed_ends_the_names(entry: bytes) -> None:
    part = b"\x02\x01\x01a" + entry
    data = b"\x01" + write.uleb(len(part)) + part
    assert NameSection(data, 0, len(data)).functions_among({1, 5}) in ({1: "a"}, {})


def test_a_name_that_is_not_text_is_passed_over() -> None:
    part = b"\x03\x01\x01a\x05\x02\xff\xfe\x06\x01b"
    data = b"\x01" + write.uleb(len(part)) + part
    assert NameSection(data, 0, len(data)).functions_among({1, 5, 6}) == {1: "a", 6: "b"}
