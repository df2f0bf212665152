"""Many copies of one module: fresh, bounded, alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preinit import Options
from preinit.bench.pooled import empty_module, measure_copies
from preinit.binary.module import parse
from preinit.engine.copies import dense as dense_file
from preinit.engine.copies.dense import dense
from preinit.engine.copies.pool import Copies, CopySettings, HostImport
from preinit.engine.values import GuestTrapped
from preinit.errors import MemoryLimit, PreinitError, Unsupported, UsageError
from tests.support.amounts import amount
from tests.support.command import GOOD, fails, run
from tests.support.instances import instantiate
from tests.support.modules import wasm

#: Counts its calls, in memory, a global and a table.
COUNTER = """(module
  (import "host" "tell" (func $tell (param i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 8) "\\05")
  (global $calls (mut i32) (i32.const 0)) (table $t 1 funcref) (elem declare func $run)
  (func $run (export "run")
    (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1)))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (drop (call $tell (i32.add (i32.load8_u (i32.const 8)) (global.get $calls))))
    (if (i32.eqz (ref.is_null (table.get $t (i32.const 0)))) (then unreachable))
    (table.set $t (i32.const 0) (ref.func $run))))"""
TELL = {("host", "tell"): HostImport(("i32",), ("i32",), lambda heard, number: heard.append(number))}


def copies_of(text: str, functions: dict[tuple[str, str], HostImport] | None = None, **fields: object) -> Copies:
    return Copies(parse(wasm(text)), CopySettings(**fields), functions)  # type: ignore[arg-type]


@pytest.mark.parametrize("pooled", [True, False])
def test_each_copy_starts_as_the_module_says(pooled: bool) -> None:
    copies = copies_of(COUNTER, TELL, pooled=pooled)
    assert copies.pooled is pooled
    for _ in range(50):
        heard: list[int] = []
        with copies.start(heard) as copy:
            copy.call("run")
            assert copy.memory()()[8] == 6
        assert heard == [7]


def test_copies_in_several_threads_know_nothing_of_each_other() -> None:
    copies = copies_of(COUNTER, TELL)

    def work(_: int) -> list[int]:
        heard: list[int] = []
        for _ in range(50):
            with copies.start(heard) as copy:
                copy.call("run")
        return heard

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [[7] * 50] * 8


def test_a_copy_calls_what_its_own_guest_stands_for_even_within_another() -> None:
    copies: Copies
    heard: list[str] = []

    def tell(guest: str, number: int) -> None:
        heard.append(f"{guest} {number}")
        if guest == "outer" and len(heard) == 1:
            with copies.start("inner") as copy:
                copy.call("run")
            heard.append(guest)

    copies = copies_of(COUNTER, {("host", "tell"): HostImport(("i32",), ("i32",), tell)})
    with copies.start("outer") as copy:
        copy.call("run")
    assert heard == ["outer 7", "inner 7", "outer"]


def test_time_is_limited() -> None:
    copies = copies_of('(module (func (export "run") (loop (br 0))))')
    for _ in range(2):
        with copies.start(None, 0.05) as copy, pytest.raises(GuestTrapped, match="interrupt"):
            copy.call("run")


@pytest.mark.parametrize("end", [Copies.stop, Copies.close])
def test_stop_and_close_end_what_is_running(end: Callable[[Copies], None]) -> None:
    heard: list[int] = []
    text = """(module (import "host" "tell" (func (param i32) (result i32)))
      (func (export "run") (drop (call 0 (i32.const 1))) (loop (br 0))))"""
    copies = copies_of(text, TELL)

    def run() -> None:
        with copies.start(heard, 100.0) as copy:
            copy.call("run")

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        while not heard:
            pass
        end(copies)
        with pytest.raises(GuestTrapped, match="interrupt"):
            running.result(60)


@pytest.mark.parametrize("pooled", [True, False])
def test_memory_is_limited(pooled: bool) -> None:
    text = """(module (import "host" "tell" (func (param i32) (result i32))) (memory (export "memory") 1)
      (func (export "run") (drop (call 0 (memory.grow (i32.const 1)))) (drop (call 0 (memory.grow (i32.const 1))))))"""
    heard: list[int] = []
    with copies_of(text, TELL, pooled=pooled, max_memory=2 << 16).start(heard) as copy:
        copy.call("run")
    assert heard == [1, 0xFFFFFFFF]


def test_a_memory_that_starts_beyond_the_limit_is_refused() -> None:
    with pytest.raises(PreinitError):
        copies_of('(module (memory (export "memory") 3))', max_memory=2 << 16).start()


def test_more_copies_than_there_is_room_for_are_refused() -> None:
    copies = copies_of("(module (memory 1))", at_once=2)
    with copies.start(), copies.start(), pytest.raises((MemoryLimit, Unsupported)):
        copies.start()
    copies.start().close()


def test_what_a_function_of_the_host_raises_comes_out() -> None:
    def tell(_guest: object, _number: int) -> None:
        raise UsageError("not now")

    copies = copies_of(COUNTER, {("host", "tell"): HostImport(("i32",), ("i32",), tell)})
    with copies.start() as copy, pytest.raises(UsageError, match="not now"):
        copy.call("run")


def test_other_functions_trap_when_they_are_called() -> None:
    with copies_of(COUNTER).start() as copy, pytest.raises(GuestTrapped, match="host::tell"):
        copy.call("run")


@pytest.mark.parametrize(
    "text",
    [
        '(module (import "a" "b" (memory 1)))',
        '(module (import "a" "b" (global i32)))',
        '(module (import "a" "b" (table 1 funcref)))',
    ],
)
def test_imports_that_are_no_functions_are_refused(text: str) -> None:
    with pytest.raises(Unsupported, match="can't be linked"):
        copies_of(text)


@pytest.mark.parametrize(
    "text",
    [
        '(module (memory 1 2 shared) (func (export "run")))',
        '(module (memory i64 1) (func (export "run") (drop (i64.load (i64.const 8)))))',
        '(module (memory 1) (memory 2) (table 3 funcref) (table 4 externref) (func (export "run")))',
        '(module (type $s (struct (field i32))) (func (export "run") (drop (struct.new $s (i32.const 1)))))',
        '(module (tag $e) (func (export "run") (block $h (try_table (catch $e $h) (throw $e)))))',
        '(module (memory 0) (func (export "run")))',
        '(module (table 1_000_000 funcref) (func (export "run")))',
    ],
)
def test_modules_of_every_kind_have_copies(text: str) -> None:
    copies = copies_of(text)
    for _ in range(40):  # more than fit at the same time
        with copies.start() as copy:
            copy.call("run")


def test_where_address_space_is_limited_copies_do_without_a_pool() -> None:
    program = """
import resource
from preinit.binary.module import parse
from preinit.engine.copies.pool import Copies, CopySettings
from preinit.passes.parse.text import parse_text
module = parse(parse_text(b'(module (memory 1) (func (export "run")))'))
resource.setrlimit(resource.RLIMIT_AS, (40 << 30, 40 << 30))
copies = Copies(module, CopySettings())
with copies.start() as copy:
    copy.call("run")
print(copies.pooled)
"""
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr


SEGMENTS = st.lists(st.tuples(st.integers(0, 130_000), st.binary(max_size=40)), min_size=1, max_size=8)


@given(SEGMENTS, st.booleans())
@settings(max_examples=amount(60, 25), deadline=None)
def test_sparse_data_is_the_same_in_one_segment(segments: list[tuple[int, bytes]], is_64: bool) -> None:
    before, dense_file._ALWAYS = dense_file._ALWAYS, 0  # type: ignore[misc]
    try:
        written = "".join(
            f'(data ({"i64" if is_64 else "i32"}.const {at}) "{"".join(f"{chr(92)}{b:02x}" for b in data)}")'
            for at, data in segments
        )
        size = "i64 2" if is_64 else "2"
        module = parse(
            wasm(
                f"""(module (memory (export "memory") {size}) (data $p "passive") {written}
                  (func (export "run") (memory.init $p ({"i64" if is_64 else "i32"}.const 0) (i32.const 0) (i32.const 7))))"""
            )
        )
        merged = dense(module)
    finally:
        dense_file._ALWAYS = before  # type: ignore[misc]
    states = []
    for binary in (module.data, merged):
        try:
            store, exports = instantiate(binary)
        except Exception:
            states.append(None)
            continue
        exports["run"](store)  # type: ignore[operator]
        memory = exports["memory"]
        states.append(bytes(memory.read(store)))  # type: ignore[attr-defined]
    assert states[0] == states[1]


def test_only_sparse_data_is_rewritten() -> None:
    near = parse(wasm('(module (memory 300) (data (i32.const 0) "a") (data (i32.const 90000) "b"))'))
    far = parse(wasm('(module (memory 300) (data (i32.const 0) "a") (data (i32.const 19000000) "b"))'))
    assert dense(near) is near.data
    assert [s.end - s.start for s in parse(dense(far)).data_segments] == [19_000_001, 0]


READY = '(module (memory (export "memory") 2) (data (i32.const 9) "x") (func (export "run")))'


def test_many_copies_are_measured_beside_the_original_and_an_empty_module() -> None:
    original = wasm(READY.replace("run", "preinit_initialize", 1).replace("))", ')) (func (export "run"))', 1))
    facts = measure_copies(original, wasm(READY), Options(cache=False), copies=10, calls=("run",))
    sides = (facts.original, facts.output, facts.empty)
    assert [many.name for many in sides] == ["original", "output", "empty"]
    assert all(many.per_second > 0 and many.pooled for many in sides)
    assert facts.output.per_second_stock
    assert facts.original.per_second_stock is facts.empty.per_second_stock is None
    assert facts.output.first_byte is not None
    assert facts.empty.first_byte is None
    assert facts.to_dict()["output"]["size"] == len(wasm(READY))


def test_the_command_shows_many_copies(tmp_path: Path) -> None:
    original, output = tmp_path / "in.wat", tmp_path / "out.wat"
    original.write_text(GOOD)
    output.write_text('(module (memory (export "memory") 1) (func (export "run")))')
    said = run("bench", original, output, "--copies", "10", "--call", "run", "--json=-", code=0).stdout
    assert json.loads(said)["copies"] == 10
    shown = run("bench", original, output, "--copies", "10", code=0).stdout.decode()
    assert "copies per second" in shown
    assert "empty" in shown
    assert "error[usage]" in fails("bench", original, output, "--copies", "10", "--runtime", "node", code=2)


def test_an_empty_module_is_as_large_as_the_other_one() -> None:
    module = parse(wasm(f'(module (memory 2 7) (data (i32.const 9) "{"x" * 500}") (func (export "run")))'))
    empty = parse(empty_module(module))
    assert empty.memories == module.memories
    assert not empty.data_segments
    assert abs(len(empty.data) - len(module.data)) < 16


@pytest.mark.parametrize("number", [0, -1, 1 << 40])
def test_numbers_of_copies_that_make_no_sense_are_refused(number: int) -> None:
    with pytest.raises(UsageError):
        measure_copies(wasm(READY), wasm(READY), copies=number)
