"""Compiled code walks over a code section as Python does, and finds what may refer to functions as patterns do."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit.binary import encoder as write
from preinit.binary.bodies import read_bodies
from preinit.binary.cursor import Cursor
from preinit.binary.mapped import Mapped
from preinit.binary.module import Module, SectionId, parse
from preinit.binary.outline import context_of_input, in_doubt
from preinit.engine.own import walker
from preinit.engine.own.walker import WINDOW, walk
from preinit.errors import InputError
from preinit.files import mapped
from tests.support.amounts import amount
from tests.support.modules import wasm


def module_of(bodies: list[bytes], sizes: list[bytes] | None = None, exported: int = 0) -> Module:
    """A module with those bodies, whatever they are, and how their sizes are written; the first functions exported."""
    entries = [(sizes[n] if sizes else write.uleb(len(body))) + body for n, body in enumerate(bodies)]
    return parse(
        write.assemble(
            [
                write.section(SectionId.TYPE, write.vector([b"\x60\0\0"])),
                write.section(SectionId.FUNCTION, write.vector([b"\0"] * len(bodies))),
                write.section(SectionId.EXPORT, write.vector([write.export(f"e{n}", 0, n) for n in range(exported)])),
                write.section(SectionId.CODE, write.vector(entries)),
            ]
        )
    )


def check(module: Module, wanted: list[int]) -> bool:
    """Whether it can be walked; then everything is as Python finds it."""
    section = module.section(SectionId.CODE)
    assert section
    found = walk(module, wanted)
    try:
        expected = read_bodies(Cursor(module.data, section.start, section.end, section.label))
    except InputError:
        assert found is None
        return False
    assert found is not None
    bodies, references = found
    assert [*bodies] == [*expected]
    assert references.functions == frozenset(wanted)
    assert [*references.places] == sorted(references.places)
    looked_for = set(wanted)
    code = module.data[section.start : section.end] + bytes(5)
    first = 0
    while code[first] > 0x7F:  # the number of bodies
        first += 1
    starts = (match.start() for match in re.finditer(b"\xd2", code))
    expected_places = [at for at in starts if first < at < len(code) - 5 and index(code, at + 1) in looked_for]
    assert [*references.places] == [section.start + at for at in expected_places]
    return True


def index(code: bytes, at: int) -> int:
    """An index of at most 5 bytes, of which 32 bits count."""
    result = 0
    for number, byte in enumerate(code[at : at + 5]):
        result |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            break
    return result & 0xFFFFFFFF


@settings(max_examples=amount(1000, 100))
@given(
    st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=40),
            st.sampled_from([b"\xd2\1", b"\xd2\x81\0", b"\xd2\x85\x80\x80\x80\0", b"\xd2"]),
        ),
        max_size=30,
    ),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_any_bodies(bodies: list[bytes], wanted: list[int]) -> None:
    assert check(module_of(bodies), wanted)


@pytest.mark.parametrize("size", [b"\x83\0", b"\x83\x80\0", b"\x83\x80\x80\x80\0", b"\3"])
def test_sizes_of_any_length(size: bytes) -> None:
    assert check(module_of([b"abc"] * 3, [size] * 3), [])


@pytest.mark.parametrize(
    "size",
    [b"\x83\x80\x80\x80\x10", b"\x83\x80\x80\x80\x80\0", b"\xff\xff\xff\xff\x0f", b"\4", b"\2", b"\xff", b"\x7f"],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_sizes_that_are_wrong(size: bytes, place: int) -> None:
    sizes = [b"\3"] * 3
    sizes[place] = size
    assert not check(module_of([b"abc"] * 3, sizes), [])


def test_each_border_of_a_window() -> None:
    """Entries and references that lie across it, each byte of them on either side."""
    for before in range(WINDOW - 12, WINDOW + 3):
        bodies = [bytes(before), b"\xd2\x81\x80\0" * 3, bytes(300), b"\xd2\1"]
        assert check(module_of(bodies), [1, 2]), before


def test_many_windows_from_a_file(tmp_path: Path) -> None:
    numbers = random.Random(1)
    bodies = [numbers.randbytes(numbers.choice((0, 3, 200, 20_000, 400_000))) for _ in range(300)]
    module = module_of(bodies)
    assert len(module.data) > mapped.LARGE
    path = tmp_path / "large.wasm"
    path.write_bytes(module.data)
    data = mapped.large_copy(path)
    assert isinstance(data, Mapped)
    from_file = parse(data)
    found, expected = walk(from_file, [0, 5, 299]), walk(module, [0, 5, 299])
    assert found and expected
    assert [*found[0]] == [*expected[0]] and [*found[1].places] == [*expected[1].places]
    assert check(module, [0, 5, 299])


def test_more_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = walk(module_of([b"\xd2\1"]), [*range(65)])
    assert found and not found[1].functions and not found[1].places
    for number in (16_383, 16_384, 20_000):
        found = walk(module_of([b"\xd2\1" * number]), [1])
        assert found and [*found[0]] == [*module_of([b"\xd2\1" * number]).bodies]
        assert len(found[1].functions) == (number < 16_384)
    many = module_of([b""] * 600_000 + [bytes(700_000)])
    assert walk(many, []) is None  # of empty ones, more begin in a window
    monkeypatch.setattr(walker._MODULE, "instance", lambda _: None)
    assert walk(module_of([b""]), []) is None


def test_what_was_walked_tells_which_bodies_are_in_doubt() -> None:
    exports = '(export "a" (func 1)) (export "b" (func 2))'
    bodies = "(func (drop (ref.func 1))) (func (drop (ref.func 2))) (func (drop (i64.const 0xd2)))"
    known, walked = (parse(wasm(f"(module {exports} {bodies})")) for _ in range(2))
    found = walk(walked, [1, 2])
    assert found
    walked.keep_walk(*found)
    before = context_of_input(known)
    for declared, doubted in (({2}, [0, 2]), ({1}, [1]), (set(), [0, 1, 2]), ({1, 2}, [])):
        wanted = before._replace(declared=frozenset(declared))
        for module in (known, walked):
            assert in_doubt(before, wanted, module) == [range(n, n + 1) for n in doubted]
