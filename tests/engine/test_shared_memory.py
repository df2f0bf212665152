"""Accesses out of bounds of a shared memory that several instances hold: the engine would abort the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.both_engines import INIT
from tests.support.modules import wasm

#: Builds a module, whole, with the given preloads, and prints the error's type. In a process of its own: it may abort.
PROGRAM = """
import sys
from preinit import Options, build, errors
main, *libraries = map(bytes.fromhex, sys.argv[2:])
try:
    build(main, Options(engine=sys.argv[1], cache=False, imports="keep" if libraries else "define",
        preloads=tuple(zip("lk"[-len(libraries):], libraries))))
except errors.PreinitError as problem:
    print(type(problem).__name__)
"""

CALLER = f'(module (import "k" "f" (func $f)) (func {INIT} (call $f)) (func (export "go")))'
OWNER = """(module (memory (export "m") 1 2 shared) (func (export "f") (drop (i32.load (i32.const 70000000)))))"""
BESIDE = """(module (import "l" "m" (memory 1 2 shared)) (func (export "f") (drop (i32.load (i32.const 70000000)))))"""

#: What holds the memory -> the modules.
MODULES = {
    "the host and the guest": [
        f'(module (import "e" "m" (memory 1 2 shared)) (func {INIT} (drop (i32.load (i32.const 70000000)))))'
    ],
    "the host and the guest, behind its end": [
        f'(module (import "e" "m" (memory 1 2 shared)) (func {INIT} (drop (i32.load offset=65536 (i32.const 0)))))'
    ],
    "a preloaded module": [CALLER, OWNER],
    "two preloaded modules": [CALLER, OWNER, BESIDE],
}


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
@pytest.mark.parametrize("holders", MODULES)
def test_an_access_out_of_bounds_of_a_shared_memory_traps(holders: str, engine: str) -> None:
    modules = [wasm(text).hex() for text in MODULES[holders]]
    found = subprocess.run([sys.executable, "-c", PROGRAM, engine, *modules], capture_output=True, text=True)
    assert (found.returncode, found.stdout.strip()) == (0, "GuestTrap"), found.stderr
