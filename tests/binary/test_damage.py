"""Any damage, in bounded time: whole modules of compilers, instructions, types."""

from __future__ import annotations

from functools import cache

from hypothesis import example, given, settings
from hypothesis import strategies as st

from preinit.binary.cursor import MOST_ITEMS, Cursor
from preinit.binary.growth import growing_functions
from preinit.binary.instructions import Decoder, decoder
from preinit.binary.module import Module, parse
from preinit.binary.opcodes import Kind
from preinit.binary.types import read_types
from preinit.engine.ondemand.bodies import Bodies
from preinit.engine.ondemand.chunk import assemble, choose, shared_imports
from preinit.engine.ondemand.exceptions import can_do_without
from preinit.engine.ondemand.suitability import unsuitable
from preinit.engine.values import Unsuited
from preinit.errors import InputError, PreinitError
from preinit.passes.instrument import instrument, instrument_state
from tests.support.amounts import amount
from tests.support.places import FIXTURES

#: Modules of C and C++ compilers, with their names and DWARF.
REAL = sorted(FIXTURES.glob("*/*.wasm"))


@cache
def compiled(number: int) -> bytes:
    return REAL[number].read_bytes()


def read_all(data: bytes) -> None:
    """All that preinit itself does with a module before the engine sees it."""
    try:
        module = parse(data)
    except PreinitError as problem:
        assert str(problem)
        return
    names = module.names
    assert all(isinstance(name, str) for name in (*names.functions.values(), *names.globals.values()))
    try:
        assert len(module.bodies) <= MOST_ITEMS
        growing_functions(module)
        instrument(module)
        if unsuitable(module) is None:
            instrument_state(module)
            take_apart(module)
    except (PreinitError, Unsuited) as problem:
        assert str(problem)


def take_apart(module: Module) -> None:
    """What compiling on demand does with each function."""
    without = bool(module.tags) and can_do_without(module)
    bodies = Bodies(module, without)
    shared = shared_imports(module, without)
    for function in range(module.imported_functions, min(len(module.function_types), 20)):
        if function - module.imported_functions < len(module.bodies):
            assemble(module, bodies, choose(module, bodies, [function], ()).functions, "title", shared)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A compiler's module with bytes changed, runs of them gone, doubled, zeroed or moved."""
    data = bytearray(compiled(draw(st.integers(0, len(REAL) - 1))))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(8, len(data) - 1)) if draw(st.booleans()) else draw(st.integers(8, 200))
        size = draw(st.sampled_from([1, 1, 2, 5, 100, 5000]))
        kind = draw(st.sampled_from(["set", "remove", "double", "zero", "most", "move"]))
        piece = bytes(data[place : place + size])
        if kind == "set":
            data[place : place + 1] = draw(st.binary(min_size=1, max_size=10))
        elif kind == "remove":
            del data[place : place + size]
        elif kind == "double":
            data[place:place] = piece
        elif kind == "zero":
            data[place : place + size] = bytes(len(piece))
        elif kind == "most":
            data[place : place + 5] = b"\xff\xff\xff\xff\x0f"
        else:
            to = draw(st.integers(8, len(data)))
            data[to:to] = piece
        if len(data) < 300:
            break
    return bytes(data)


@settings(max_examples=amount(200, 60))
@given(damaged())
def test_a_damaged_module_of_a_compiler_is_read_or_refused(data: bytes) -> None:
    read_all(data)


# -- instructions ------------------------------------------------------------------------------------------------------

#: Pieces of instructions: opcodes with prefixes, integers that are padded, too long or cut off.
PIECES = st.one_of(
    st.sampled_from([0x02, 0x0E, 0x10, 0x11, 0x1C, 0x1F, 0x40, 0xD0, 0xD2, 0xFB, 0xFC, 0xFD, 0xFE]).map(
        lambda o: bytes((o,))
    ),
    st.sampled_from([b"\x80\x80\x80\x80\0", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x7f", b"\x80" * 12, b"\x0b"]),
    st.binary(min_size=1, max_size=4),
)


@settings(max_examples=amount(400, 120))
@given(st.lists(PIECES, max_size=30).map(b"".join), st.sampled_from([frozenset(), frozenset(Kind)]))
@example(b"\0\x0e\xff\xff\xff\xff\x0f\0", frozenset(Kind))
@example(b"\xff\xff\xff\xff\x0f\x01\x7f", frozenset(Kind))
def test_any_body_ends_the_search_where_it_ends_or_at_what_is_not_known(data: bytes, kinds: frozenset[Kind]) -> None:
    search = decoder(kinds, frozenset((0x40,))).search(data, 0, len(data))
    assert search.unknown is None or 0 <= search.unknown <= len(data)
    ends = [0]
    for instruction in search.found:
        assert ends[-1] <= instruction.start < instruction.end <= len(data)
        ends.append(instruction.end)
    assert search == Decoder(kinds, (0x40,)).search(data + b"\0\0", 0, len(data))  # what follows is not looked at


@settings(max_examples=amount(300, 100))
@given(
    st.lists(
        st.one_of(st.sampled_from([b"\x60", b"\x5f", b"\x5e", b"\x4e", b"\x50", b"\x64\x00"]), st.binary(max_size=3))
    )
)
def test_any_types_are_read_or_refused(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    try:
        assert len(read_types(Cursor(data, 0, len(data), "types")).functions) <= len(data)
    except InputError as problem:
        assert "byte offset" in (problem.where or "")
