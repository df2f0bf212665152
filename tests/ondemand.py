"""Compiling on demand and compiling the whole module: the same bytes, or the same error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from support import wasm

from preinit import Options, build
from preinit.engine import chunk
from preinit.errors import Frame, PreinitError
from preinit.result import Report

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
        result = build(binary, Options(**{"cache": cached, **fields}))
    except PreinitError as problem:
        return Outcome(None, problem, None)
    return Outcome(result.wasm, None, result.report)


@contextmanager
def chunks_of(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "CHUNK", size)
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
        with chunks_of(size), nothing_compiled_whole():
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
