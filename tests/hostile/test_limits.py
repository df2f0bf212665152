"""What hostile guests showed: look-ups and lists that grew with the square of a module, or with every byte of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit.binary import encoder as write
from preinit.binary.growth import growing_functions
from preinit.binary.instructions import decoder
from preinit.binary.module import parse
from preinit.binary.opcodes import Kind
from preinit.errors import Malformed, Unsupported, quoted
from preinit.passes.instrument.additions import free_prefix
from preinit.passes.rewrite.segments import Run, within_limit
from tests.support.hostile.modules import MEMORY, ONE_PAGE, module, section


def chosen_by_definition(runs: list[Run], most: int) -> list[Run]:
    """The smallest gaps first, of equal ones the first."""
    gaps = sorted(
        (after.start - before.end, number)
        for number, (before, after) in enumerate(pairwise(runs), 1)
        if before.memory == after.memory
    )
    merged = {number for _, number in gaps[: max(0, len(runs) - most)]}
    result: list[Run] = []
    for number, run in enumerate(runs):
        if number in merged:
            result[-1] = Run(run.memory, result[-1].start, run.end)
        else:
            result.append(run)
    return result


@st.composite
def runs_of_memories(draw: st.DrawFn) -> list[Run]:
    runs = []
    for memory in range(draw(st.integers(0, 3))):
        at = 0
        for gap, size in draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), max_size=8)):
            runs.append(Run(memory, at + gap, at + gap + size))
            at += gap + size
    return runs


@settings(max_examples=300)
@given(runs_of_memories(), st.integers(-2, 20))
def test_the_smallest_gaps_are_merged_the_first_of_equal_ones_first(runs: list[Run], most: int) -> None:
    assert within_limit(runs, most) == chosen_by_definition(runs, most)


@settings(max_examples=300)
@given(runs_of_memories(), st.integers(1, 8), st.integers(1, 8), st.integers(1, 20))
def test_merging_early_down_to_more_gives_the_same_in_the_end(
    runs: list[Run], most: int, spare: int, step: int
) -> None:
    """A memory's runs are merged while it is read, so that there are never too many."""
    kept: list[Run] = []
    for start in range(0, len(runs), step):
        kept = within_limit(kept + runs[start : start + step], most + spare)
    assert within_limit(kept, most) == within_limit(runs, most)


def test_a_prefix_is_free_whatever_names_are_taken() -> None:
    names = ["preinit:", "__preinit:memory0", "_____preinit", "____preinit:x", "a_preinit:"]
    exports = write.vector([write.export(name, 0, 0) for name in [*names, "wizer-initialize"]])
    prefix = free_prefix(parse(module({7: exports})))
    assert prefix == "_____preinit:"
    assert free_prefix(parse(module())) == "preinit:"


def test_growth_by_the_hundred_thousand_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.binary.growth.MOST_GROWTHS", 1000)
    body = b"\0\x41\0" + b"\x40\0" * 1001 + b"\x1a\x0b"
    with pytest.raises(Unsupported, match="grow a memory or table"):
        growing_functions(parse(module({MEMORY: ONE_PAGE}, body)))


def test_a_search_ends_where_it_has_found_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.binary.instructions.MOST_FOUND", 1000)
    body = b"\0" + b"\x10\0" * 1005 + b"\x0b"
    search = decoder(frozenset((Kind.FUNCTION,))).search(body, 0, len(body))
    assert len(search.found) == 1000
    assert search.unknown is not None


def test_a_custom_section_is_the_first_of_its_name() -> None:
    named = b"".join(
        section(0, b"\x01" + name + content) for name, content in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))
    )
    parsed = parse(module(after=named))
    found = parsed.custom("a")
    assert found is not None
    assert parsed.data[found.content : found.end] == b"1"
    assert parsed.custom("c") is None


def test_one_byte_imports_in_groups_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.binary.sections.MOST_ITEMS", 1000)
    group = b"\x01m\0\x7e\0\0" + write.uleb(600) + b"\0" * 600
    with pytest.raises(Malformed, match="more than 1000 imports"):
        parse(module({2: b"\x02" + group * 2}))


def test_types_in_groups_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preinit.binary.types.MOST_ITEMS", 1000)
    group = b"\x4e" + write.uleb(600) + b"\x60\0\0" * 600
    with pytest.raises(Malformed, match="more than 1000 types"):
        parse(module({1: b"\x02" + group * 2}))


def test_a_name_as_long_as_a_page_is_shown_in_part() -> None:
    assert quoted("x" * 500) == f"'{'x' * 500}'"
    assert quoted("x" * 501) == f"'{'x' * 500}...'"
