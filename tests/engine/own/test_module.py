"""Where a module of our own can't be had, Python does what it does."""

from __future__ import annotations

import gc
from weakref import ref

import pytest

from preinit.engine import ffi
from preinit.engine.own import module as modules
from preinit.engine.own.module import OwnModule
from preinit.engine.runtime import EngineSettings, new_engine
from preinit.engine.values import EngineError
from tests.support.modules import wasm


def test_a_file_that_is_missing_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = OwnModule("no-such-module")
    missing.get_ready()
    assert missing.instance(("find",)) is None
    monkeypatch.setattr(OwnModule, "_compile", lambda _: pytest.fail("it was looked for again"))
    assert missing.instance(("find",)) is None


@pytest.mark.parametrize("problem", [EngineError("no room"), OSError(24, "too many open files")])
def test_what_fails_ends_no_build(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: OwnModule) -> None:
        raise problem

    monkeypatch.setattr(OwnModule, "_compile", fail)
    assert OwnModule("finder").instance(("find",)) is None


def test_a_limit_of_address_space_is_not_used_up_for_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "has_limit", lambda: True)
    assert OwnModule("finder").instance(("find",)) is None


def test_a_view_of_a_memory_keeps_it() -> None:
    """A thread that nobody waits for any more may still read it, when all else has let go of it."""
    store = ffi.Store(new_engine(EngineSettings("cranelift")))
    text = '(module (memory (export "memory") 1) (data (i32.const 5) "here"))'
    instance = ffi.instantiate(store, ffi.compile_module(store.engine, wasm(text)), ())
    view, kept = ffi.memory_view(store, ffi.export(store, instance, "memory")), ref(store)
    part = view[5:9]
    del store, view, instance
    gc.collect()
    assert kept() is not None
    assert part.tobytes() == b"here"
    del part
    gc.collect()
    assert kept() is None
