"""Profiles that are damaged, or of something else: they are ignored, and the next build has good ones again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preinit.binary.module import parse
from preinit.engine.profile import Profile, decode, encode
from preinit.errors.reason import Reason
from tests.support.both_engines import VARIED, built, chunks, chunks_of, compiled, files, kept
from tests.support.modules import wasm


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


START = len(b"preinit profile 6\n") + 32


def seal(path: Path, content: bytes) -> None:
    """Writes an entry with a right checksum."""
    digest = hashlib.blake2b(path.name.encode() + content, digest_size=32).digest()
    path.write_bytes(b"preinit profile 6\n" + digest + content)


def changed_index(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """What a profile with another index holds."""

    def wrong(data: bytes) -> bytes:
        size = int.from_bytes(data[START : START + 8], "little")
        index = json.loads(data[START + 8 : START + 8 + size])
        head = json.dumps(change(index) or index).encode()
        return len(head).to_bytes(8, "little") + head + data[START + 8 + size :]

    return wrong


def chunk_field(field: int, value: Any) -> Callable[[bytes], bytes]:
    def change(index: Any) -> None:
        index["chunks"][0][field] = value

    return changed_index(change)


def flipped(at: Callable[[bytes], int]) -> Callable[[bytes], bytes]:
    def wrong(data: bytes) -> bytes:
        place = at(data) % len(data)
        return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]

    return wrong


NUMBER, FUNCTIONS, IMPORTS, GUARDS, NAMED, SIZE = range(6)
DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "foreign": lambda data: b"something else entirely" * 1000,
    "the first line": lambda data: data[:18],
    "of another version": lambda data: data.replace(b"profile 6", b"profile 5", 1),
    "cut in the checksum": lambda data: data[:30],
    "cut in the index": lambda data: data[: START + 20],
    "cut in the code": lambda data: data[:-100],
    "longer": lambda data: data + b"x",
    "another first line": flipped(lambda data: 3),
    "another checksum": flipped(lambda data: START - 1),
    "another length": flipped(lambda data: START),
    "another index": flipped(lambda data: START + 12),
    "other code": flipped(lambda data: -50),
}
#: What is wrong behind a right checksum.
SEALED: dict[str, Callable[[bytes], bytes]] = {
    "sealed, and empty": lambda data: b"",
    "sealed, and cut": lambda data: data[START:-100],
    "sealed, and longer": lambda data: data[START:] + b"x",
    "sealed, with a length beyond the end": lambda data: b"\xff" * 8 + data[START + 8 :],
    "no JSON": lambda data: (5).to_bytes(8, "little") + b"{{{{{",
    "no object": lambda data: (2).to_bytes(8, "little") + b"[]",
    "nothing in it": changed_index(lambda index: {"x": 1}),
    "no chunks": changed_index(lambda index: {**index, "chunks": []}),
    "chunks that are none": changed_index(lambda index: {**index, "chunks": [1, 2]}),
    "chunks in an object": changed_index(lambda index: {**index, "chunks": {}}),
    "stubs that are none": changed_index(lambda index: {**index, "stubs": ["ab"]}),
    "another compiler": changed_index(lambda index: {**index, "compiler": "other"}),
    "a chunk without functions": chunk_field(FUNCTIONS, []),
    "a function that does not exist": chunk_field(FUNCTIONS, [99]),
    "a function below zero": chunk_field(FUNCTIONS, [-1]),
    "a function that is not a number": chunk_field(FUNCTIONS, ["x"]),
    "an import that does not exist": chunk_field(IMPORTS, [99]),
    "imports that are missing": chunk_field(IMPORTS, []),
    "more imports": chunk_field(IMPORTS, [0] * 9),
    "a guard of another instruction": chunk_field(GUARDS, [[5, 0]]),
    "a guard of a memory that does not exist": chunk_field(GUARDS, [[0x40, 7]]),
    "more guards": chunk_field(GUARDS, [[0x40, 0]] * 9),
    "guards that are none": chunk_field(GUARDS, [7]),
    "names that nothing has": chunk_field(NAMED, {"zzz": 3}),
    "names of functions that do not exist": chunk_field(NAMED, {"r99": 99}),
    "names that are none": chunk_field(NAMED, [1]),
    "a number that is none": chunk_field(NUMBER, "x"),
    "a size below zero": chunk_field(SIZE, -5),
    "a size that is none": chunk_field(SIZE, "many"),
    "a size of nothing": chunk_field(SIZE, 0),
}


@pytest.mark.parametrize("name", [*DAMAGED, *SEALED])
def test_a_damaged_profile_is_ignored(folder: Path, name: str) -> None:
    with chunks_of(0):
        with compiled() as first:
            expected = built(folder).wasm
        (path,) = files(folder)
        data = path.read_bytes()
        if name in DAMAGED:
            path.write_bytes(DAMAGED[name](data))
        else:
            seal(path, SEALED[name](data))
        with compiled() as given:
            assert built(folder).wasm == expected
        assert chunks(given) == chunks(first) or name in SEALED
        assert built(folder).wasm == expected


def test_a_profile_of_another_module_is_ignored(folder: Path) -> None:
    other = '(module (func) (func) (func) (func (export "preinit_initialize") (call 0)))'
    built(folder, other)
    (content,) = [path.read_bytes()[START:] for path in files(folder)]
    expected = built(folder).wasm
    for path in files(folder):
        seal(path, content)
    assert built(folder).wasm == expected


def test_code_of_another_engine_is_not_loaded(folder: Path) -> None:
    """As after an update of the engine: here code that can be stopped stands for it."""
    built(folder, timeout=60)
    (foreign,) = files(folder)
    expected = built(folder).wasm
    (own,) = [path for path in files(folder) if path != foreign]
    seal(own, foreign.read_bytes()[START:])
    with compiled() as given:
        assert built(folder).wasm == expected
    assert chunks(given) > 0
    with compiled() as given:
        assert built(folder).wasm == expected
    assert chunks(given) == 0


def test_stubs_of_another_engine_are_not_loaded(folder: Path) -> None:
    """A profile with stubs, and without any code of the guest."""
    library = wasm('(module (func (export "begin")))')
    text = (
        '(module (import "l" "begin" (func $begin)) (start $begin) (table 2 funcref) (elem (i32.const 0) $f) (func $f))'
    )
    fields: dict[str, Any] = {"preloads": (("l", library),), "init_funcs": []}
    built(folder, text, timeout=60, **fields)
    (foreign,) = files(folder)
    expected = built(folder, text, **fields).wasm
    (own,) = [path for path in files(folder) if path != foreign]
    seal(own, foreign.read_bytes()[START:])
    (profile,) = {len(p.chunks): p for p in kept(folder, text)}.values()
    assert profile.stubs
    assert not profile.chunks
    assert built(folder, text, **fields).wasm == expected
    with compiled() as given:
        assert built(folder, text, **fields).wasm == expected
    assert [parse(data) for data in given if not parse(data).exports] == []  # stubs export nothing


def test_what_is_encoded_is_decoded() -> None:
    module = parse(wasm(VARIED))
    for profile in (Profile("winch"), Profile("", Reason("code", "for a reason"))):
        assert decode(b"".join(encode(profile, module)), module) == profile
