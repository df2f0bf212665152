"""An output is not proven right by the code that made it: verifying compiles anew, unless it is told not to."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit import Options, build, verify
from preinit.errors import Mismatch
from tests.support.command import run
from tests.support.modules import wasm
from tests.support.sealed import MODULE, MODULE_START, sealed

RIGHT = (
    '(module (memory (export "memory") 1) (func (export "wizer-initialize") (i32.store (i32.const 8) (i32.const 7))))'
)
WRONG = RIGHT.replace("i32.const 7", "i32.const 9")


@pytest.fixture
def poisoned(tmp_path: Path) -> Path:
    """A cache whose entry for RIGHT has the code of WRONG, with a digest that is right: nothing can tell."""
    folders = {text: tmp_path / name for text, name in ((RIGHT, "cache"), (WRONG, "other"))}
    for text, folder in folders.items():
        build(wasm(text), cache_dir=folder)
    (entry,), (other,) = ((folder / "modules").iterdir() for folder in folders.values())
    entry.write_bytes(sealed(MODULE, entry.name, other.read_bytes()[MODULE_START:]))
    return folders[RIGHT]


def test_a_wrong_output_of_the_cache_is_found(poisoned: Path) -> None:
    options = Options(cache_dir=str(poisoned))
    output = build(wasm(RIGHT), options).wasm
    assert output != build(wasm(RIGHT), cache=False).wasm
    with pytest.raises(Mismatch):
        verify(wasm(RIGHT), output, options)
    with pytest.raises(Mismatch):
        verify(wasm(RIGHT), output)
    assert verify(wasm(RIGHT), output, cache=True, cache_dir=poisoned)  # both run the same code


def test_the_command_finds_it_too(poisoned: Path, tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(RIGHT))
    files = (tmp_path / "in.wasm", tmp_path / "out.wasm")
    cache = {"PREINIT_CACHE_DIR": str(poisoned)}
    done = run("build", files[0], "-o", files[1], "--verify", code=1, **cache)
    assert b"error[mismatch]" in done.stderr
    assert not files[1].exists()
    run("build", files[0], "-o", files[1], code=0, **cache)
    assert b"error[mismatch]" in run("verify", *files, code=1, **cache).stderr
    run("verify", *files, "--cache", code=0, **cache)
