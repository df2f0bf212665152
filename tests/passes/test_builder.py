"""Builder: what many builds share changes no output, whatever each of them sees, in any thread."""

from __future__ import annotations

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from preinit import Builder, Host, Options, build
from preinit.binary.module import SectionId, parse, read_sections
from preinit.engine.validation import REFUSALS, check
from preinit.errors import (
    GuestTrap,
    PreinitError,
    TimeLimit,
    UnknownExport,
    UsageError,
    WarningsRefused,
)
from preinit.passes.validate.validity import Validity
from tests.support.modules import wasm
from tests.support.places import FIXTURES
from tests.support.shapes.every import SHAPES
from tests.support.waiting import PATIENCE, with_time_enough

#: Keeps what it reads from standard input, and grows by as many pages as its first argument has letters.
READER = """(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $mode (export "mode") (mut i32) (i32.const 0))
  (func (export "wizer-initialize")
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4000))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (drop (call $sizes (i32.const 16) (i32.const 20)))
    (drop (memory.grow (i32.load (i32.const 20)))))
  (func (export "other") (global.set $mode (i32.const 7)))
  (func (export "fails") unreachable)
  (func (export "spins") (loop (br 0)))
  (func (export "run") (result i32) (i32.load (i32.const 1024))))"""


@pytest.fixture(params=["whole", "ondemand"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def attempt(function: Any, *arguments: Any, **fields: Any) -> bytes | str:
    """The output, or the code and the words of the error."""
    try:
        return function(*arguments, **fields).wasm  # type: ignore[no-any-return]
    except PreinitError as problem:
        return f"{problem.code}: {problem}"


@pytest.mark.parametrize("name", SHAPES)
def test_the_output_is_that_of_a_build_with_the_same_options(name: str, engine: str) -> None:
    binary = wasm(SHAPES[name])
    fields: dict[str, Any] = {"engine": engine, "cache": False, "imports": "keep"}
    changes: list[dict[str, Any]] = [
        {},
        {"env": {"LANG": "C"}, "args": ["a", "b"], "stdin": b"text", "layout": "few"},
        {"keep_init_func": "noop"},
        {},
    ]
    try:
        builder = Builder(binary, **fields)
    except PreinitError as refused:
        assert attempt(build, binary, **fields) == f"{refused.code}: {refused}"
        return
    for change in changes:
        world = {key: change[key] for key in ("env", "args", "stdin") if key in change}
        others = {key: value for key, value in change.items() if key not in world}
        expected = attempt(build, binary, **fields, host=Host(**world), **others)
        assert attempt(builder.build, **change) == expected


@pytest.mark.parametrize("folder", ["constructors", "primes", "resume"])
def test_the_output_of_a_compiled_program_is_that_of_a_build(folder: str, engine: str) -> None:
    path = FIXTURES / folder / f"{folder}.wasm"
    fields: dict[str, Any] = {"engine": engine, "cache": False}
    if folder == "constructors":
        fields["init_funcs"] = []
    expected = build(path, **fields).wasm
    with Builder(path, **fields) as builder:
        assert {builder.build().wasm for _ in range(3)} == {expected}


def test_every_build_has_a_world_of_its_own(engine: str) -> None:
    with Builder(wasm(READER), engine=engine, cache=False) as builder:
        first = builder.build(stdin=b"first")
        second = builder.build(stdin=b"second", args=["abc"])
        again = builder.build(stdin=b"first")
    assert first.wasm == again.wasm
    assert b"first" in first.wasm and b"second" not in first.wasm
    assert b"second" in second.wasm
    assert [r.report.snapshot.memories[0].pages for r in (first, second, again)] == [1, 5, 1]
    assert first.report.input == second.report.input


def test_threads_share_a_builder(engine: str) -> None:
    inputs = [b"text %d" % (number % 7) for number in range(42)]
    fields: dict[str, Any] = {"engine": engine, "cache": False}
    expected = {text: build(wasm(READER), **fields, host=Host(stdin=text)).wasm for text in set(inputs)}
    with Builder(wasm(READER), **fields) as builder, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda text: builder.build(stdin=text).wasm, inputs))
    assert found == [expected[text] for text in inputs]


def test_a_failed_build_leaves_the_builder_as_it_was(engine: str) -> None:
    with Builder(wasm(READER), engine=engine, cache=False) as builder:
        expected = builder.build().wasm
        with pytest.raises(GuestTrap):
            builder.build(init_funcs=["fails"])
        with pytest.raises(UnknownExport):
            builder.build(init_funcs=["nobody"])
        with pytest.raises(WarningsRefused):
            builder.build(stdin=b"read", strict=True)
        with pytest.raises(UsageError, match="folder"):
            builder.build(dirs={"/no/such/folder": "/"})
        assert builder.build().wasm == expected
        assert builder.build(init_funcs=["other"]).report.snapshot.globals_changed == (0,)


def test_the_time_of_one_build_does_not_end_another(engine: str) -> None:
    """All guests of a builder run in one engine, which stops all of them at once or none."""
    with Builder(wasm(READER), engine=engine, cache=False, timeout=60) as builder, ThreadPoolExecutor(1) as other:
        builder.build()

        def check(seconds: float) -> None:
            spinning = other.submit(builder.build, init_funcs=["spins"], timeout=seconds)
            try:
                for _ in range(3):
                    with pytest.raises(TimeLimit):
                        builder.build(init_funcs=["spins"], timeout=seconds / 10)
                    builder.build()
                    assert not spinning.done()
            finally:
                ended = spinning.exception()
            assert isinstance(ended, TimeLimit)
            assert f"limit of {seconds:g} seconds" in str(ended)

        with_time_enough(check)


def test_what_is_compiled_on_demand_is_compiled_once() -> None:
    with Builder(wasm(READER), engine="ondemand", cache=False) as builder:
        first, second, third = builder.build(), builder.build(), builder.build(init_funcs=["other"])
    assert (first.report.engine.chunks, first.report.engine.chunks_from_cache) == (1, 0)
    assert second.report.engine.chunks_from_cache == 1
    assert third.report.engine.chunks_from_cache == 0


def test_a_builder_leaves_what_it_compiled_to_the_next_one(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"engine": "ondemand", "cache_dir": tmp_path / "cache"}
    with Builder(wasm(READER), **fields) as builder:
        builder.build()
        builder.build(init_funcs=["other"])
    with Builder(wasm(READER), **fields) as builder:
        assert builder.build(init_funcs=["other"]).report.engine.chunks_from_cache == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": "whole"}, "'engine' is the same in all builds"),
        ({"preloads": {}}, "the same in all builds"),
        ({"stdim": b""}, "there is no option 'stdim'"),
        ({"stdin": "text"}, "stdin must be bytes"),
        ({"host": 3}, "host must be a Host"),
        ({"timeout": 3}, "has no time limit"),
        ({"init": ["wizer-initialize"]}, "there is no option 'init'"),
    ],
)
def test_wrong_options_of_a_build_are_refused(changes: dict[str, Any], said: str) -> None:
    with Builder(wasm(READER), cache=False) as builder:
        with pytest.raises(UsageError, match=said):
            builder.build(**changes)
        builder.build()


def test_limits_of_a_build_are_checked_as_by_build() -> None:
    with Builder(wasm(READER), cache=False) as builder:
        for fields in ({"max_memory": 1000}, {"import_globals": {"no.global": "1"}}):
            assert attempt(builder.build, **fields) == attempt(build, wasm(READER), cache=False, **fields)


#: Two memories that grow: what both may have is part of the compiled code.
GROWS = """(module (memory (export "memory") 1) (memory $b 1) (func (export "preinit_initialize")
    (drop (memory.grow (i32.const 4))) (drop (memory.grow $b (i32.const 4)))))"""
PAGE = 1 << 16


def test_a_limit_of_one_build_holds_for_no_other(engine: str) -> None:
    fields: dict[str, Any] = {"engine": engine, "cache": False}
    for first, then in ((10 * PAGE, 6 * PAGE), (6 * PAGE, 10 * PAGE)):
        with Builder(wasm(GROWS), max_memory=first, **fields) as builder:
            for limit in (first, then, first):
                expected = attempt(build, wasm(GROWS), max_memory=limit, **fields)
                assert isinstance(expected, str) == (limit == 6 * PAGE)
                assert attempt(builder.build, max_memory=limit) == expected


def test_a_limit_of_one_build_counts_preloaded_modules() -> None:
    source = wasm(
        '(module (import "l" "f" (func $f)) (memory 1) (func (export "preinit_initialize") (call $f)) (func (export "go")))'
    )
    fields: dict[str, Any] = {"preloads": (("l", wasm('(module (memory 4) (func (export "f")))')),), "cache": False}
    with Builder(source, **fields) as builder:
        assert builder.build().wasm
        found = attempt(builder.build, max_memory=2 * PAGE)
    assert found == attempt(build, source, max_memory=2 * PAGE, **fields)
    assert "start with" in str(found)


def test_a_closed_builder_builds_nothing() -> None:
    builder = Builder(wasm(READER), cache=False)
    with builder:
        builder.build()
    with pytest.raises(UsageError, match="closed"):
        builder.build()
    builder.close()


def test_wrong_modules_are_refused_at_once() -> None:
    with pytest.raises(PreinitError):
        Builder(b"no module")
    with pytest.raises(UsageError, match="were given, and 'cache' too"):
        Builder(wasm(READER), Options(), cache=False)
    with pytest.raises(UsageError, match="there is no option"):
        Builder(wasm(READER), chache=False)


#: Code names a data segment, a function that only an export declares, a table; there are globals and a memory.
NAMING = """(module
  (memory (export "memory") 1) (table (export "t") 4 funcref)
  (global (export "g") (mut i32) (i32.const 1))
  (data $passive "abc") (data (i32.const 8) "active")
  (elem (i32.const 1) func $f)
  (func $f (export "f") (result i32) (i32.const 3))
  (func (export "take") (result i32) (table.set (i32.const 0) (ref.func $f)) (i32.const 0))
  (func (export "wizer-initialize")
    (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 3)) (global.set 0 (i32.const 300))
    (table.set (i32.const 2) (ref.func $f))))"""


@pytest.mark.parametrize(
    "damage",
    [SectionId.TYPE, SectionId.FUNCTION, SectionId.TABLE, SectionId.MEMORY, SectionId.GLOBAL, SectionId.EXPORT,
     SectionId.ELEMENT, SectionId.DATA_COUNT, SectionId.CODE, SectionId.DATA],
    ids=lambda number: number.name.lower(),
)  # fmt: skip
def test_what_was_validated_before_hides_no_damage(damage: SectionId) -> None:
    """Each byte of each section, changed: known code is refused exactly where a whole validation refuses it."""
    good = build(wasm(NAMING), cache=False).wasm
    known = Validity(parse(wasm(NAMING)), Options(cache=False), many=True)
    known.check(good)
    section = next(section for section in read_sections(good) if section.id == damage)
    refused = 0
    for place in range(section.start, section.end):
        for change in (1, 2, 0x10, 0x40, 0x7F):
            bad = bytearray(good)
            bad[place] ^= change
            expected, found = (_refusal(function, bytes(bad)) for function in (check, known.check))
            assert (expected is None) == (found is None), f"{place:#x} ^ {change:#x}: {expected} / {found}"
            refused += expected is not None
    assert refused


def _refusal(function: Any, binary: bytes) -> str | None:
    try:
        function(binary)
    except REFUSALS as problem:
        return str(problem)
    except PreinitError as problem:  # the reader refuses it before the engine is asked
        with pytest.raises(REFUSALS):
            check(binary)
        return str(problem)
    return None


def test_memory_does_not_grow_with_the_number_of_builds(engine: str) -> None:
    """Neither with builds that fail and whose errors are kept: an instance reserves and holds memory."""
    script = """
import sys
from preinit import Builder, PreinitError
def resident():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * 4096
builder = Builder(sys.stdin.buffer.read(), cache=False, engine=sys.argv[1])
errors = []
for number in range(200):
    builder.build(stdin=b"x" * number)
    if number % 5 == 0:
        try:
            builder.build(init_funcs=["fails"])
        except PreinitError as problem:
            errors.append(problem)
    if number == 60:
        before = resident()
print(resident() - before)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the size of a process is read from /proc")
    command = [sys.executable, "-c", script, engine]
    done = subprocess.run(command, input=wasm(READER), capture_output=True, timeout=PATIENCE, check=True)
    assert int(done.stdout) < 4_000_000  # 64 KiB for each build would be 15 MB


@pytest.mark.parametrize("component", [False, True])
def test_a_builder_that_is_closed_lets_go_of_its_module(component: bool) -> None:
    """And so of the files from which a large one is mapped."""
    text = '(core module $m (func (export "f"))) (core instance $i (instantiate $m)) (func (export "run") (canon lift (core func $i "f")))'
    code = wasm(f"(component {text})" if component else '(module (memory 1) (func (export "run")))')
    with Builder(code, init_funcs=["run"], accept=["nothing-exported"], cache=False) as builder:
        builder.build()
        kept = ref(builder._prepared._many)
        assert kept() is not None
    gc.collect()
    assert kept() is None
    with pytest.raises(UsageError, match="closed"):
        builder.build()
