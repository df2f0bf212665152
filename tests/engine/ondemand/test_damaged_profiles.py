"""Profiles that are damaged, or of something else: they are ignored, and the next build has good ones again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preinit.binary.module import parse
from preinit.engine.profile import Profile, decode, encode
from preinit.errors.reason import Reason
from tests.support.both_engines import VARIED, built, chunks, chunks_of, compiled, files, kept
from tests.support.modules import wasm
from tests.support.sealed import PROFILE, sealed
from tests.support.sealed import PROFILE_START as START


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def seal(path: Path, content: bytes) -> None:
    """Writes an entry with a right checksum."""
    path.write_bytes(sealed(PROFILE, path.name, content))


def changed_index(change: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    """What a profile with another index holds: `change` takes and gives its lines."""

    def wrong(data: bytes) -> bytes:
        size = int.from_bytes(data[START : START + 8], "little")
        lines = data[START + 8 : START + 8 + size].decode().split("\n")
        head = "\n".join(change(lines)).encode()
        return len(head).to_bytes(8, "little") + head + data[START + 8 + size :]

    return wrong


def chunk_field(field: int, value: str) -> Callable[[bytes], bytes]:
    """A field of the first chunk is another one."""

    def change(lines: list[str]) -> list[str]:
        place = next(at for at, line in enumerate(lines) if line.startswith("chunk "))
        fields = lines[place].split(" ")
        fields[field] = value
        return [*lines[:place], " ".join(fields), *lines[place + 1 :]]

    return changed_index(change)


def flipped(at: Callable[[bytes], int]) -> Callable[[bytes], bytes]:
    def wrong(data: bytes) -> bytes:
        place = at(data) % len(data)
        return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]

    return wrong


NUMBER, FUNCTIONS, IMPORTS, GUARDS, NAMED, CHANGES, GLOBALS, BODIES, SIZE = range(1, 10)
DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "foreign": lambda data: b"something else entirely" * 1000,
    "the first line": lambda data: data[:18],
    "of another version": lambda data: data.replace(PROFILE, b"preinit profile 7\n", 1),
    "cut in the checksum": lambda data: data[: START - 1],
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
    "no text": lambda data: (5).to_bytes(8, "little") + b"\xff" * 5,
    "one line": lambda data: (5).to_bytes(8, "little") + b"winch",
    "a reason that is no JSON": changed_index(lambda lines: [lines[0], "{{{", *lines[2:]]),
    "a reason that is none": changed_index(lambda lines: [lines[0], "[1]", *lines[2:]]),
    "no chunks": changed_index(lambda lines: [line for line in lines if not line.startswith("chunk")]),
    "chunks that are none": changed_index(lambda lines: [*lines[:2], "chunk", *lines[2:]]),
    "a line of something else": changed_index(lambda lines: [*lines, "others 1 2"]),
    "an empty line": changed_index(lambda lines: [*lines, ""]),
    "stubs that are none": changed_index(lambda lines: [*lines, "stubs ab 0"]),
    "stubs of half a type": changed_index(lambda lines: [*lines, "stubs 1 0"]),
    "another compiler": changed_index(lambda lines: ["other", *lines[1:]]),
    "a chunk without functions": chunk_field(FUNCTIONS, "-"),
    "a function that does not exist": chunk_field(FUNCTIONS, "99"),
    "a function below zero": chunk_field(FUNCTIONS, "-1"),
    "a function that is not a number": chunk_field(FUNCTIONS, "x"),
    "a function of many digits": chunk_field(FUNCTIONS, "9" * 5000),
    "an import that does not exist": chunk_field(IMPORTS, "99"),
    "imports that are missing": chunk_field(IMPORTS, "-"),
    "more imports": chunk_field(IMPORTS, ",".join("0" * 9)),
    "a guard of another instruction": chunk_field(GUARDS, "5,0"),
    "a guard of a memory that does not exist": chunk_field(GUARDS, "64,7"),
    "more guards": chunk_field(GUARDS, ",".join(["64,0"] * 9)),
    "half a guard": chunk_field(GUARDS, "7"),
    "names of functions that do not exist": chunk_field(NAMED, "99"),
    "names that are none": chunk_field(NAMED, "r1"),
    "names that nothing has": chunk_field(NAMED, "3"),
    "globals that do not exist": chunk_field(GLOBALS, "99"),
    "bodies of others": chunk_field(BODIES, "00"),
    "a number that is none": chunk_field(NUMBER, "x"),
    "a size below zero": chunk_field(SIZE, "-5"),
    "a size that is none": chunk_field(SIZE, "many"),
    "a size of nothing": chunk_field(SIZE, "0"),
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
    functions = [f"(func $f{i} (param {'i32 ' * i}))" for i in range(40)]  # fewer types are not worth a profile
    text = f"""(module (import "l" "begin" (func $begin)) (start $begin) (table 50 funcref)
        (elem (i32.const 0) {" ".join(f"$f{i}" for i in range(40))}) {" ".join(functions)})"""
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
