"""A large module is validated while it runs: what is found there is an error of the build, and limits hold for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from preinit import Builder, Event, build, errors
from preinit.binary import encoder
from preinit.binary.module import SectionId, parse
from preinit.engine.ondemand import suitability
from preinit.passes.validate import validity
from tests.support.both_engines import INIT
from tests.support.command import run
from tests.support.modules import UNUSABLE, wasm

CODE = f"(module (memory 1) (func {INIT} (i32.store (i32.const 8) (i32.const 7)) {{}}))"
ENGINES = pytest.mark.parametrize("engine", ["ondemand", "whole"])


@pytest.fixture(autouse=True)
def _small_modules_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("validity.worthwhile", "validity.validated_beside"):
        monkeypatch.setattr(f"preinit.passes.validate.{name}", lambda module: True)
    for name in ("worthwhile", "validated_beside"):
        monkeypatch.setattr(f"preinit.passes.run.attempt.{name}", lambda module: True)


Checking = Callable[[Callable[[bytes], object]], None]


@pytest.fixture
def checking(monkeypatch: pytest.MonkeyPatch) -> Checking:
    """Has a function called with all that is validated, before it is."""

    def before(first: Callable[[bytes], object]) -> None:
        def check(data: bytes, parallel: bool = True) -> None:
            first(data)
            original(data, parallel)

        original = validity.check
        monkeypatch.setattr(validity, "check", check)

    return before


def raises(problem: Exception) -> Callable[[bytes], None]:
    def work(_: bytes) -> None:
        raise problem

    return work


@ENGINES
def test_a_time_limit_ends_a_build_that_waits_for_its_input_to_be_validated(engine: str, checking: Checking) -> None:
    over = threading.Event()
    checking(lambda _: over.wait(30))
    try:
        with pytest.raises(errors.TimeLimit) as caught:
            build(wasm(CODE.format("")), engine=engine, cache=False, timeout=0.3, **UNUSABLE)
    finally:
        over.set()
    assert "validating" in (caught.value.where or "")


@ENGINES
@pytest.mark.parametrize("problem", [errors.SystemLimit("no more memory"), RuntimeError("something else")])
def test_what_fails_beside_the_guest_fails_the_build(engine: str, problem: Exception, checking: Checking) -> None:
    checking(raises(problem))
    with pytest.raises(type(problem), match=str(problem)):
        build(wasm(CODE.format("")), engine=engine, cache=False, **UNUSABLE)


@ENGINES
def test_a_guest_that_fails_first_is_not_the_error_where_the_module_is_refused(engine: str, checking: Checking) -> None:
    failed = threading.Event()

    def told(event: Event) -> None:
        if event.kind == "ended" and event.said == "run":
            failed.set()

    def refuse(_: bytes) -> None:
        if engine == "ondemand":
            assert failed.wait(30)
        raise errors.InvalidModule("the module is not valid: as found late")

    checking(refuse)
    with pytest.raises(errors.InvalidModule, match="as found late"):
        build(wasm(CODE.format("unreachable")), engine=engine, cache=False, progress=told, **UNUSABLE)


@ENGINES
def test_a_guest_that_fails_is_the_error_where_the_module_is_valid(engine: str) -> None:
    with pytest.raises(errors.GuestTrap, match="unreachable"):
        build(wasm(CODE.format("unreachable")), engine=engine, cache=False, **UNUSABLE)


def test_a_builder_validates_its_module_once(checking: Checking) -> None:
    source = wasm(CODE.format(f"(drop (i32.const 1)) {'nop ' * 1000}"))
    looked: list[bytes] = []
    checking(looked.append)
    with Builder(source, engine="ondemand", cache=False, **UNUSABLE) as builder:
        assert len({builder.build().wasm for _ in range(3)}) == 1
    assert looked.count(source) == 1
    assert sum(len(data) > 1000 for data in looked) == 1


def test_a_builder_s_later_builds_say_too_that_the_module_is_not_valid() -> None:
    """The first has compiled what is called: that is there for the second."""
    wrong = wasm(CODE.format("unreachable").replace("(memory 1)", "(memory 1) (func (result i32) (i64.const 1))"))
    with Builder(wrong, engine="ondemand", cache=False, **UNUSABLE) as builder:
        for _ in range(3):
            with pytest.raises(errors.InvalidModule):
                builder.build()


def test_a_time_limit_that_ends_a_module_that_is_not_valid_is_not_the_cause() -> None:
    wrong = wasm(CODE.format("(loop (br 0))").replace("(memory 1)", "(memory 1) (func (result i32) (i64.const 1))"))
    with pytest.raises(errors.InvalidModule):
        build(wrong, engine="ondemand", cache=False, timeout=1, **UNUSABLE)


@pytest.mark.parametrize("tag", ["", "(tag)"])
def test_a_guest_that_never_ends_is_left_where_the_module_is_not_valid(tag: str, tmp_path: Path) -> None:
    """There is no time limit, and nothing but the end of the process stops it."""
    wrong = wasm(f"(module {tag} (memory 1) (func {INIT} (loop (br 0))) (func (result i32) (i64.const 1)))")
    (tmp_path / "in.wasm").write_bytes(padded(wrong))
    done = run("build", tmp_path / "in.wasm", "-o", tmp_path / "out.wasm", "--accept", "nothing-exported", code=1)
    assert b"error[invalid-module]" in done.stderr
    assert not (tmp_path / "out.wasm").exists()


def padded(module: bytes) -> bytes:
    """The same with so much code that it is validated beside the guest: functions of nothing, before the last one."""
    parsed = parse(module)
    functions, code = (parsed.section(number) for number in (SectionId.FUNCTION, SectionId.CODE))
    assert functions
    assert code
    body = encoder.code_entry(b"\x00" + b"\x01" * 2_000_000 + b"\x41\x00\x0b")
    more = suitability.MUCH_CODE // 2_000_000 + 1
    first, last = parsed.bodies[0], parsed.bodies[1]
    types = [encoder.uleb(parsed.function_types[0]), *[encoder.uleb(parsed.function_types[1])] * (more + 1)]
    bodies = [module[first.entry : first.end], *[body] * more, module[last.entry : last.end]]
    changed = {
        SectionId.FUNCTION: b"".join(encoder.section(SectionId.FUNCTION, encoder.vector(types))),
        SectionId.CODE: b"".join(encoder.section(SectionId.CODE, encoder.vector(bodies))),
    }
    parts = [changed.get(one.id, module[one.header : one.end]) for one in parsed.sections]
    return module[:8] + b"".join(parts)
