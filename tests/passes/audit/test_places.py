"""What an audit finds to depend on the world."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from preinit import Host, Options
from preinit.errors import TimeLimit, UsageError
from preinit.passes.audit.ranges import MOST_RANGES, NEAR, by_cause, differing_ranges
from preinit.passes.snapshot import MemoryState
from preinit.result import Difference
from tests.support.command import run
from tests.support.instances import Running
from tests.support.modules import build_text, wasm
from tests.support.waiting import with_time_enough
from tests.support.wasi_guest import Guest

ENGINES = pytest.mark.parametrize("engine", ["whole", "ondemand"])

WASI = """
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (func $byte (result i32)
    (drop (call $random_get (i32.const 0) (i32.const 1))) (i32.load8_u (i32.const 0)))
  (func $variables (result i32)
    (drop (call $environ_sizes_get (i32.const 0) (i32.const 4))) (i32.load (i32.const 0)))
"""

#: What Rust's standard library does: a map whose hashes depend on random keys.
HASH_MAP = f"""(module {WASI}
  (memory (export "memory") 2)
  (global (export "KEYS") i32 (i32.const 4096))
  (global (export "MAP") i32 (i32.const 8192))
  (global (export "__heap_base") i32 (i32.const 65536))
  (data $.rodata (i32.const 1024) "keys to insert")
  (data $.data (i32.const 4096) "\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00")
  (func $hash (param i64) (result i64)
    (i64.mul (i64.xor (local.get 0) (i64.load (i32.const 4096))) (i64.load (i32.const 4104))))
  (func $insert (param $key i64) (local $place i32)
    (local.set $place (i32.add (i32.const 8192)
      (i32.shl (i32.and (i32.wrap_i64 (i64.shr_u (call $hash (local.get $key)) (i64.const 40))) (i32.const 63)) (i32.const 3))))
    (i64.store (local.get $place) (local.get $key)))
  (func (export "wizer-initialize") (local $key i64)
    (drop (call $random_get (i32.const 4096) (i32.const 16)))
    (loop $again
      (call $insert (local.tee $key (i64.add (local.get $key) (i64.const 1))))
      (br_if $again (i64.lt_u (local.get $key) (i64.const 12))))
    (i32.store (i32.const 70000) (i32.load (i32.const 4096)))))"""


def module(body: str, more: str = "") -> str:
    return f'(module {WASI} (memory (export "memory") 1) {more} (func (export "wizer-initialize") {body}))'


def differences(text: str, **options: object) -> tuple[Difference, ...]:
    found = build_text(text, audit=True, **options).report.audit
    assert found is not None
    return found


@ENGINES
def test_hashing_with_random_keys_names_the_ranges_that_depend_on_entropy(engine: str) -> None:
    keys, *entries, copy = differences(HASH_MAP, engine=engine)
    assert keys == Difference("memory", 0, ("entropy",), 4096, 16, "KEYS (.data)")
    assert entries
    assert all(entry.offset >= 8192 and entry.offset + entry.length <= 8192 + 512 for entry in entries)
    assert all(entry.depends_on == ("entropy",) and (entry.name or "").startswith("MAP") for entry in entries)
    assert copy == Difference("memory", 0, ("entropy",), 70000, 4, "heap")


@ENGINES
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(engine: str) -> None:
    def output(seed: int) -> bytes:
        return build_text(HASH_MAP, engine=engine, audit=True, host=Host(random=f"seed:{seed}")).wasm

    assert output(7) == output(7) != output(8)


@ENGINES
def test_an_audit_does_not_change_the_output(engine: str) -> None:
    assert build_text(HASH_MAP, engine=engine, audit=True).wasm == build_text(HASH_MAP, engine=engine).wasm


def test_nothing_is_reported_where_none_was_asked_for() -> None:
    assert build_text(HASH_MAP).report.audit is None


@ENGINES
def test_a_guest_that_asks_the_world_nothing_has_an_empty_list(engine: str) -> None:
    assert differences(module("(i32.store (i32.const 16) (i32.const 42))"), engine=engine) == ()


def test_entropy_that_leaves_no_trace_is_no_difference() -> None:
    assert differences(module("(drop (call $byte)) (i32.store (i32.const 0) (i32.const 0))")) == ()


def test_each_place_says_what_of_the_world_it_depends_on() -> None:
    guest = Guest()
    time, monotonic, entropy = guest.room(64), guest.room(64), guest.room(64)
    variables = guest.room(64)
    guest.call("clock_time_get", 0, 0, time)
    guest.call("clock_time_get", 1, 0, monotonic)
    guest.call("random_get", entropy, 8)
    guest.call("environ_sizes_get", variables, variables + 32)
    found = differences(guest.wat())
    assert [(entry.offset, entry.depends_on) for entry in found] == [
        (time, ("clock",)),
        (monotonic, ("clock",)),
        (entropy, ("entropy",)),
        (variables, ("environment",)),
        (variables + 32, ("environment",)),
    ]
    assert found[0].length == 8


def test_what_depends_on_several_says_so() -> None:
    body = (
        "(i32.store8 (i32.const 100) (i32.xor (call $byte) (call $variables))) (i32.store (i32.const 0) (i32.const 0))"
    )
    found = differences(module(f"{body} (i64.store (i32.const 0) (i64.const 0))"))
    assert found == (Difference("memory", 0, ("entropy", "environment"), 100, 1),)


def test_the_order_of_variables_is_varied_and_their_values_are_not() -> None:
    guest = Guest()
    array, buffer = guest.room(64), guest.room(256)
    guest.call("environ_get", array, buffer)
    found = differences(guest.wat(), host=Host(env={"A": "12345678", "B": "87654321"}))
    assert {entry.depends_on for entry in found} == {("environment",)}


@ENGINES
def test_globals_tables_and_sizes_that_differ_have_their_names(engine: str) -> None:
    text = module(
        """(global.set $hits (call $variables))
        (if (i32.gt_u (call $variables) (i32.const 0)) (then
          (drop (memory.grow (i32.const 1)))
          (table.set $handlers (i32.const 2) (ref.func $second))))
        (i64.store (i32.const 0) (i64.const 0))""",
        """(global $hits (mut i32) (i32.const 0)) (table $handlers 4 funcref) (elem (i32.const 2) $first)
        (elem declare func $second) (func $first) (func $second)""",
    )
    assert differences(text, engine=engine) == (
        Difference("global", 0, ("environment",), name="hits"),
        Difference("memory size", 0, ("environment",)),
        Difference("table", 0, ("environment",), 2, 1, "first"),
    )


def test_a_result_that_differs_is_reported() -> None:
    text = module("").replace(
        '(export "wizer-initialize")', '(export "wizer-initialize") (result i32) (call $variables)'
    )
    text = text.replace("(call $variables) )", "(call $variables) (i64.store (i32.const 0) (i64.const 0)))")
    assert differences(text) == (Difference("result", 0, ("environment",)),)


@ENGINES
def test_a_run_that_fails_in_another_world_is_reported_with_its_code(engine: str) -> None:
    text = module("(if (call $variables) (then unreachable)) (i64.store (i32.const 0) (i64.const 0))")
    result = build_text(text, audit=True, engine=engine)
    assert result.report.audit == (Difference("outcome", 0, ("environment",), name="trap"),)
    Running(result.wasm)


def test_time_limits_hold_for_the_other_runs() -> None:
    def check(seconds: float) -> None:
        with pytest.raises(TimeLimit) as caught:
            build_text(module("(if (call $variables) (then (loop (br 0))))"), audit=True, timeout=seconds)
        assert caught.value.where == "running the initializer again"

    with_time_enough(check)


def test_what_the_guest_prints_is_printed_once() -> None:
    heard = bytearray()
    guest = Guest()
    guest.write(1, b"hello\n")
    assert differences(guest.wat(), host=Host(stdout=heard.extend)) == ()
    assert heard == b"hello\n"


@ENGINES
def test_functions_that_only_another_world_calls_are_no_hindrance(engine: str) -> None:
    text = module(
        "(if (call $variables) (then (call $other))) (i64.store (i32.const 0) (i64.const 0))",
        "(func $other (i32.store (i32.const 200) (i32.const 1)))",
    )
    assert differences(text, engine=engine) == (Difference("memory", 0, ("environment",), 200, 1),)


def test_another_world_may_call_what_can_not_be_compiled_on_demand() -> None:
    text = module(
        "(if (call $variables) (then (call $other))) (i64.store (i32.const 0) (i64.const 0))",
        '(data $segment (i32.const 100) "x") (func $other (data.drop $segment) (i32.store (i32.const 200) (i32.const 1)))',
    )
    result = build_text(text, engine="ondemand", audit=True)
    assert result.report.engine.name == "ondemand"
    assert result.report.audit == (Difference("memory", 0, ("environment",), 200, 1),)


def test_an_option_that_is_no_boolean_is_refused() -> None:
    with pytest.raises(UsageError, match="audit must be True or False"):
        build_text(HASH_MAP, audit=1)


# -- ranges ------------------------------------------------------------------------------------------------------------


def state(content: bytes, touched: list[tuple[int, int]] | None = None) -> MemoryState:
    return MemoryState(1, memoryview(content), touched)


def changed(size: int, *places: int) -> bytes:
    content = bytearray(size)
    for place in places:
        content[place] = 1
    return bytes(content)


@pytest.mark.parametrize(
    ("places", "ranges"),
    [
        ((), []),
        ((0,), [(0, 1)]),
        ((5, 6, 7), [(5, 8)]),
        ((5, 6 + NEAR), [(5, 7 + NEAR)]),
        ((5, 7 + NEAR), [(5, 6), (7 + NEAR, 8 + NEAR)]),
        ((65535, 65536), [(65535, 65537)]),
        ((65530, 65600), [(65530, 65531), (65600, 65601)]),
        ((199_999,), [(199_999, 200_000)]),
    ],
    ids=str,
)
def test_places_that_are_close_are_one_range(places: tuple[int, ...], ranges: list[tuple[int, int]]) -> None:
    assert differing_ranges(state(bytes(200_000)), state(changed(200_000, *places))) == ranges


def test_untouched_parts_are_not_looked_at() -> None:
    first, other = changed(1 << 20, 100), changed(1 << 20, 100, 70_000, 900_000)
    assert differing_ranges(state(first, [(0, 4096)]), state(other, [(0, 4096), (65536, 131072)])) == [(70_000, 70_001)]


def test_there_are_no_more_ranges_than_anybody_reads() -> None:
    found = differing_ranges(state(bytes(400_000)), state(changed(400_000, *range(0, 400_000, 100))))
    assert len(found) == MOST_RANGES
    assert (found[0][0], found[-1][1]) == (0, 399_901)


def test_overlapping_ranges_are_split_by_their_causes() -> None:
    assert list(by_cause({"a": [(0, 10), (30, 40)], "b": [(5, 20)], "c": [(30, 40)]})) == [
        (0, 5, ("a",)),
        (5, 10, ("a", "b")),
        (10, 20, ("b",)),
        (30, 40, ("a", "c")),
    ]


# -- the command -------------------------------------------------------------------------------------------------------


def audited(tmp_path: Path, text: str) -> tuple[str, list[dict[str, object]]]:
    source, report = tmp_path / "in.wasm", tmp_path / "report.json"
    source.write_bytes(wasm(text))
    done = run("build", source, "--audit", "--report", report, "-o", tmp_path / "out.wasm", code=0)
    return done.stderr.decode(), json.loads(report.read_text())["audit"]


def test_the_command_lists_places_and_never_values(tmp_path: Path) -> None:
    said, found = audited(tmp_path, HASH_MAP)
    assert "  memory 0, 0x1000 to 0x1010, 16 bytes (KEYS (.data)): entropy\n" in said
    assert found[0] == {
        "kind": "memory", "index": 0, "depends_on": ["entropy"], "offset": 4096, "length": 16, "name": "KEYS (.data)",
    }  # fmt: skip


def test_the_command_tells_of_entropy_first(tmp_path: Path) -> None:
    guest = Guest()
    for address in range(20):
        guest.call("environ_sizes_get", 0x2000 + 64 * address, 0x2020 + 64 * address)
    guest.call("random_get", 0x4000, 8)
    said, found = audited(tmp_path, guest.wat())
    assert len(found) == 41
    lines = said.splitlines()
    start = lines.index("audit: 1 place depends on entropy: 8 bytes of memory")
    assert lines[start + 1] == "audit: nothing depends on clock"
    assert lines[start + 2].startswith("audit: 40 places depend on environment: ")
    assert lines[start + 3] == "  memory 0, 0x4000 to 0x4008, 8 bytes: entropy"
    assert "  ... and 29 more places: see --report" in lines


def test_the_command_says_that_nothing_depends_on_the_world(tmp_path: Path, good: Path) -> None:
    said, found = audited(tmp_path, module("(i32.store (i32.const 16) (i32.const 42))"))
    assert "audit: nothing depends on entropy, clock, environment\n" in said
    assert found == []


def test_the_report_has_null_where_no_audit_was_asked_for(tmp_path: Path, good: Path) -> None:
    run("build", good, "--report", tmp_path / "r.json", "-o", tmp_path / "out.wasm", code=0)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["audit"] is None
    assert report["scrub_stack"] is None


# -- with the host's own clocks and random numbers ---------------------------------------------------------------------


def test_where_random_numbers_are_denied_nothing_depends_on_them() -> None:
    assert differences(module("(i32.store (i32.const 16) (i32.const 42))"), host=Host(random="deny")) == ()


def test_a_clock_that_stands_elsewhere_is_moved_from_there() -> None:
    guest = Guest()
    guest.call("clock_time_get", 0, 0, guest.room(8))
    assert [place.depends_on for place in differences(guest.wat(), host=Host(clock=1_700_000_000))] == [("clock",)]


def test_folders_that_may_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="several times"):
        build_text(HASH_MAP, audit=True, host=Host(dirs={tmp_path: "/"}, writable=True))


@pytest.mark.parametrize("host", [Host(clock="host"), Host(random="host")], ids=["clock", "random"])
def test_an_audit_of_what_differs_in_every_run_is_refused(host: Host) -> None:
    with pytest.raises(UsageError, match="every run differs"):
        Options(audit=True, host=host)
