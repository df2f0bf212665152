"""The file that a profile is kept in, damaged in any way: it is none, or says what can be."""

from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from preinit.binary.module import parse
from preinit.engine.profile import Profile, StoredChunk, StoredPart, StoredStubs, decode, encode
from tests.support.amounts import amount
from tests.support.places import FIXTURES
from tests.support.sealed import PROFILE as MAGIC
from tests.support.sealed import sealed as sealed_entry

#: Modules of C and C++ compilers, with their names and DWARF.
REAL = sorted(FIXTURES.glob("*/*.wasm"))

MODULE = parse(REAL[0].read_bytes()) if REAL else None

FIRST = MODULE.imported_functions if MODULE else 0

BODIES = MODULE.bodies_fingerprint((FIRST, FIRST + 1)) if MODULE else ""

PROFILE = Profile(
    "winch",
    None,
    (StoredStubs(((0, 2), (1, 1)), b"stubs"),),
    (StoredChunk(0, (FIRST, FIRST + 1), (0,), ((0x40, 0),), {f"r{FIRST}": FIRST}, False, (), BODIES, b"code"),),
    (StoredPart("0" * 64, b"part"), StoredPart("1" * 64, b"")),
)


def sealed(head: bytes, rest: bytes, size: int | None = None) -> bytes:
    """A profile with a checksum that is right, whatever it says."""
    content = (len(head) if size is None else size).to_bytes(8, "little") + head + rest
    return sealed_entry(MAGIC, "", content)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.integers(-2, 5)),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["r0", "r1", "x"]), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=amount(300, 80))
@given(st.binary(max_size=300))
def test_bytes_that_are_no_profile_are_none(data: bytes) -> None:
    assert MODULE is not None
    assert decode(data, MODULE) is None
    assert decode(sealed(data, b""), MODULE) is None
    assert decode(sealed(data, b"", (1 << 64) - 1), MODULE) is None


@settings(max_examples=amount(120, 40))
@given(
    st.fixed_dictionaries(dict.fromkeys(("compiler", "whole", "code", "stubs", "chunks", "parts"), JSON)),
    st.binary(max_size=20),
)
@example(
    {
        "compiler": "",
        "whole": "",
        "code": "",
        "parts": [],
        "stubs": [],
        "chunks": [[float("inf"), [1], [], [], {}, 0, None, "", 0]],
    },
    b"",
)
@example({"compiler": "", "whole": "", "code": "", "parts": [], "stubs": [[[[0, float("nan")]], 0]], "chunks": []}, b"")
@example(
    {
        "compiler": "",
        "whole": "",
        "code": "",
        "parts": [],
        "stubs": [],
        "chunks": [[0, [], [], [], {}, 0, None, "", 0]],
    },
    b"",
)
@example({"compiler": "", "whole": "", "code": "", "parts": [], "stubs": [[[], 1 << 80]], "chunks": []}, b"")
@example(
    {
        "compiler": "",
        "whole": "",
        "code": "",
        "parts": [],
        "stubs": [[[], -4]],
        "chunks": [[0, [1 << 70], [], [], {}, 0, [1 << 70], "", 4]],
    },
    b"",
)
def test_a_profile_that_says_something_else_is_none_or_names_what_exists(index: object, rest: bytes) -> None:
    assert MODULE is not None
    profile = decode(sealed(json.dumps(index).encode(), rest), MODULE)
    for chunk in profile.chunks if profile else ():
        assert all(FIRST <= function < len(MODULE.function_types) for function in chunk.functions)


@settings(max_examples=amount(200, 60))
@given(st.integers(0, 400), st.integers(0, 255), st.booleans())
def test_a_damaged_profile_is_none(place: int, byte: int, cut: bool) -> None:
    assert MODULE is not None
    data = b"".join(encode(PROFILE, MODULE))
    assert decode(data, MODULE) == PROFILE
    wrong = data[:place] if cut else data[:place] + bytes((byte,)) + data[place + 1 :]
    assert decode(wrong, MODULE) == (PROFILE if wrong == data else None)


def test_a_deep_index_is_no_profile() -> None:
    assert MODULE is not None
    assert decode(sealed(b"[" * 200_000, b""), MODULE) is None
    assert decode(sealed(b'{"stubs":' * 50_000, b""), MODULE) is None
