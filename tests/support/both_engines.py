"""Compiling on demand and compiling the whole module: the same bytes, or the same error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from preinit import Options, build
from preinit.binary.module import SectionId, parse
from preinit.engine import ffi
from preinit.engine.ondemand import chunk, maker
from preinit.engine.ondemand.chunk import PREFIX
from preinit.engine.profile import Profile, decode
from preinit.errors import Frame, PreinitError
from preinit.result import Report
from tests.support.modules import UNUSABLE, wasm

INIT = '(export "preinit_initialize")'
#: `(type $v ...)`: the type of most functions in these modules.
V = "(type $v (func (result i32)))"

#: How much a chunk holds: with 0, one function, so that all calls go from one chunk to another.
SIZES = (chunk.CHUNK, 0)

#: Frames that the engine tells of: with the baseline compiler, those of stubs are among them.
MOST_FRAMES = 20


@dataclass(frozen=True)
class Outcome:
    """What came of a build: a module with a report, or an error."""

    wasm: bytes | None
    error: PreinitError | None
    report: Report | None

    @property
    def told(self) -> object:
        """What a user can tell from it, but for the report."""
        if self.error is None:
            return self.wasm
        return (type(self.error), self.error.what, self.error.where, self.error.hint, self.error.frames)

    @property
    def frames(self) -> tuple[Frame, ...]:
        assert self.error is not None
        return self.error.frames

    @property
    def names(self) -> list[str | None]:
        return [frame.name for frame in self.frames]


def attempt(source: str | bytes, **fields: Any) -> Outcome:
    """Builds a module, in the text format or binary; without a cache, unless a folder for it is named."""
    binary = wasm(source) if isinstance(source, str) else source
    cached = "cache_dir" in fields
    try:
        result = build(binary, Options(**{"cache": cached, **UNUSABLE, **fields}))
    except PreinitError as problem:
        return Outcome(None, problem, None)
    return Outcome(result.wasm, None, result.report)


@contextmanager
def chunks_of(size: int, ahead: bool = False) -> Iterator[None]:
    """`ahead`: what is called directly and does not come with its caller is compiled ahead, from the first on. Without,
    only what is too long for a chunk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "CHUNK", size)
        if not ahead:
            patch.setattr(chunk, "REST", 0)
        else:
            patch.setattr(chunk, "LONGEST", min(chunk.LONGEST, size))
            patch.setattr(maker, "SOME", 0)
        yield


@contextmanager
def nothing_compiled_whole() -> Iterator[None]:
    """Fails where compiling on demand gives up: an error is then its own, and not the other engine's."""

    def refuse(*_: object) -> None:
        raise AssertionError("the module was compiled as a whole")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preinit.engine.whole.compile_guest", refuse)
        yield


def same(source: str | bytes, **fields: Any) -> Outcome:
    """Asserts that compiling on demand gives what compiling the whole module gives; the outcome of the former."""
    expected = attempt(source, engine="whole", **fields)
    for size in SIZES:
        with chunks_of(size, ahead=True), nothing_compiled_whole():
            found = attempt(source, engine="ondemand", **fields)
        assert found.told == expected.told
        if found.report and expected.report:
            assert found.report.engine.name == "ondemand"
            assert found.report.host == expected.report.host
            assert [r.results for r in found.report.runs] == [r.results for r in expected.report.runs]
    return found


def given_up(source: str | bytes, **fields: Any) -> Outcome:
    """Asserts that compiling on demand is given up, for the same outcome; the report's `engine.reason` says why."""
    expected = attempt(source, engine="whole", **fields)
    for size in SIZES:
        with chunks_of(size):
            found = attempt(source, engine="ondemand", **fields)
        assert found.told == expected.told
        assert found.report is None or found.report.engine.name == "whole"
    return found


# -- profiles -----------------------------------------------------------------------------------------------------------

#: Functions that are called directly, through a table, and depending on which initializer is run.
VARIED = f"""(module {V} (memory 1) (table 4 funcref) (elem (i32.const 0) $a $b $c) (global $g (mut i32) (i32.const 0))
    (func $a (result i32) (i32.const 1)) (func $b (result i32) (i32.const 2)) (func $c (result i32) (i32.const 3))
    (func $add (param i32) (global.set $g (i32.add (i32.mul (global.get $g) (i32.const 10)) (local.get 0))))
    (func $left (call $add (call_indirect (type $v) (i32.const 0))) (drop (memory.grow (i32.const 1))))
    (func $right (call $add (call_indirect (type $v) (i32.const 1))) (table.set (i32.const 3) (ref.func $b)))
    (func $crash (drop (i32.div_u (i32.const 1) (i32.const 0))))
    (func {INIT} (call $left)) (func (export "right") (call $add (i32.const 7)) (call $right) (call $left))
    (func (export "crash") (call $left) (call $crash)))"""


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "profiles").glob("*"))


def built(folder: Path, source: str | bytes = VARIED, **fields: Any) -> Outcome:
    return attempt(source, **{"engine": "ondemand", "cache_dir": str(folder), **fields})


@contextmanager
def compiled() -> Iterator[list[bytes]]:
    """The modules that are compiled meanwhile, as the engine gets them, but for the guest's state: that has no code."""
    given: list[bytes] = []
    original = ffi.compile_module

    def compile_module(engine: Any, data: bytes) -> Any:
        if parse(data).section(SectionId.CODE):
            given.append(data)
        return original(engine, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ffi, "compile_module", compile_module)
        yield given


def chunks(given: list[bytes]) -> int:
    return sum(PREFIX.encode() in data for data in given)


def kept(folder: Path, source: str | bytes = VARIED) -> list[Profile]:
    module = parse(wasm(source) if isinstance(source, str) else source)
    profiles = [decode(path.read_bytes(), module, path.name) for path in files(folder)]
    return [profile for profile in profiles if profile]
