"""An output fetches the environment of its instance, where libc kept that of the build."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from preinit import Builder, Host, Result, build
from preinit.binary.encoder import uleb
from preinit.binary.module import parse
from preinit.errors import LateBinding, TimeLimit, UsageError, WarningsRefused
from preinit.report.text import summary
from preinit.verification import verify
from tests.support.amounts import amount
from tests.support.binaries import stripped
from tests.support.command import fails
from tests.support.command import run as run_command
from tests.support.modules import build_text, wasm
from tests.support.places import ROOT
from tests.support.worlds import in_node, in_wasmtime

WORLD, GETENV = ROOT / "fixtures/world/world.wasm", ROOT / "fixtures/world/getenv.wasm"

HOSTS = pytest.mark.parametrize("run", [in_wasmtime, in_node])
Run = Callable[..., str]


def built(**options: object) -> Result:
    given = {"late": ["env"], "env": {"LEVEL": "3"}, "rename_funcs": {"_start": "answer"}, "cache": False, **options}
    return build(WORLD, **given)  # type: ignore[arg-type]


def seen(printed: str) -> tuple[str, list[str]]:
    """What was configured while it was built, and the variables that the instance sees."""
    lines = printed.splitlines()
    assert lines[:2] == ["Content-Type: text/plain", ""]
    return lines[2], lines[3:]


@HOSTS
@pytest.mark.parametrize("number", [0, 1, 200])
def test_an_instance_sees_its_own_environment_and_what_the_build_made_of_the_other(run: Run, number: int) -> None:
    variables = {f"NAME_{i}": f"value {i}" for i in range(number)}
    said = run(built().wasm, variables)
    assert seen(said) == ("configured 3", [f"{name}={value}" for name, value in variables.items()])


@HOSTS
@pytest.mark.parametrize("language", ["plus", "rust", "zig"])
@pytest.mark.parametrize("number", [0, 1, 200])
def test_programs_in_other_languages_see_it_too(run: Run, language: str, number: int) -> None:
    variables = {f"NAME_{i}": chr(65 + i % 26) * (1 + 37 * i % 500) for i in range(number)}
    given = {"late": ["env"], "env": {"LEVEL": "3"}, "rename_funcs": {"_start": "answer"}, "cache": False}
    result = build(ROOT / f"fixtures/world/{language}.wasm", **given)  # type: ignore[arg-type]
    assert seen(run(result.wasm, variables)) == ("configured 3", [f"{n}={value}" for n, value in variables.items()])


@pytest.mark.parametrize("language", ["world", "rust", "plus", "zig"][: amount(4, 2)])
def test_an_environment_may_be_as_large_as_the_room_that_was_asked_for(language: str) -> None:
    given = {"late": ["env"], "late_room": "20MiB", "rename_funcs": {"_start": "answer"}, "cache": False}
    result = build(ROOT / f"fixtures/world/{language}.wasm", **given)  # type: ignore[arg-type]
    variables = {f"NAME_{i}": chr(65 + i % 26) * 100_000 for i in range(200)}
    assert seen(in_wasmtime(result.wasm, variables))[1] == [f"{name}={value}" for name, value in variables.items()]
    one = {"LARGE": "x" * 100_000}  # Node gets it as it is; the system has limits for a process' own
    assert seen(in_node(result.wasm, one))[1] == [f"LARGE={one['LARGE']}"]


@HOSTS
def test_arguments_that_a_language_fetches_when_it_is_asked_are_those_of_the_instance(run: Run) -> None:
    given = {"late": ["args"], "args": ["a", "of the build"], "rename_funcs": {"_start": "arguments"}, "cache": False}
    result = build(ROOT / "fixtures/world/rust.wasm", **given)  # type: ignore[arg-type]
    assert result.report.late and result.report.late.arguments == "unneeded"
    for arguments in (["own"], ["own", "", "x" * 5000]):
        assert run(result.wasm, args=arguments) == "".join(f"{argument}\n" for argument in arguments)


@HOSTS
@pytest.mark.parametrize("language", ["command", "command-zig"])  # C, which is C++, too; Zig
@pytest.mark.parametrize("number", [0, 1, 200])
def test_a_command_that_is_paused_has_its_instances_arguments_in_main(run: Run, language: str, number: int) -> None:
    module = ROOT / f"fixtures/world/{language}.wasm"
    result = build(module, pause_at="stdin", args=["p", "of the build"], env={"A": "build"}, cache=False)
    facts = result.report.late
    assert facts and (facts.arguments, facts.argument_count, facts.environment) == ("bound", 2, "bound")
    variables = {f"NAME_{i}": f"value {i}" for i in range(number)}
    said = run(result.wasm, variables, ["own", "x" * 5000], stdin=b"in\n")
    assert said.splitlines()[2:] == [
        "line in",
        "own",
        "x" * 5000,
        *(f"{name}={value}" for name, value in variables.items()),
    ]


def test_a_paused_command_with_another_number_of_arguments_ends_at_once(tmp_path: Path) -> None:
    result = build(ROOT / "fixtures/world/command.wasm", pause_at="stdin", args=["p", "one"], cache=False)
    with pytest.raises(wasmtime.ExitTrap) as ended:
        in_wasmtime(result.wasm, args=["p"], stdin=b"in\n", stderr=tmp_path / "error")
    assert ended.value.code == 64
    assert (tmp_path / "error").read_text() == "this program was prepared with 2 arguments and takes as many\n"


def test_environments_around_the_size_of_the_room_are_whole(tmp_path: Path) -> None:
    result = built(late_room="4KiB")
    assert result.report.late and result.report.late.environment_room >= 4096
    most = result.report.late.environment_room - 2 * 4 - len("A=") - 1
    for size in (most - 1, most):
        value = "y" * size
        assert seen(in_wasmtime(result.wasm, {"A": value}))[1] == [f"A={value}"]
    with pytest.raises(wasmtime.ExitTrap):
        in_wasmtime(result.wasm, {"A": "y" * (most + 1)}, stderr=tmp_path / "error")


@HOSTS
def test_a_reactor_fetches_it_in_its_initialize_function(run: Run) -> None:
    result = built(rename_funcs={})
    assert "_initialize" in {export.name for export in parse(result.wasm).exports}
    assert seen(run(result.wasm, {"A": "1"}, entry="answer"))[1] == ["A=1"]


def test_an_initialize_function_that_does_nothing_fetches_it_too() -> None:
    result = built(rename_funcs={}, keep_init_func="noop", init_funcs=["_initialize", "preinit_initialize"])
    assert "A=1" in seen(in_wasmtime(result.wasm, {"A": "1"}, entry="answer"))[1]


def test_a_command_gets_no_initialize_function() -> None:
    assert "_initialize" not in {export.name for export in parse(built().wasm).exports}


def test_a_thousand_instances_see_their_own_environment_each() -> None:
    result = built()
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, result.wasm)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    for number in range(1000):
        store = wasmtime.Store(engine)
        wasi = wasmtime.WasiConfig()
        wasi.env = [("REQUEST", str(number)), (f"ONLY_{number}", "x" * (number * 97 % 60_000))]
        printed: list[bytes] = []
        wasi.stdout_custom = printed.append  # type: ignore[assignment]
        store.set_wasi(wasi)
        instance = linker.instantiate(store, module)
        instance.exports(store)["_start"](store)  # type: ignore[operator]
        variables = seen(b"".join(printed).decode())[1]
        assert variables == [f"REQUEST={number}", f"ONLY_{number}={'x' * (number * 97 % 60_000)}"]


def test_what_the_instance_changes_in_its_environment_works() -> None:
    result = built(rename_funcs={"_start": "change"})
    said = seen(in_wasmtime(result.wasm, {"GONE": "1", "LEVEL": "2", "A": "3"}))[1]
    assert sorted(said) == ["A=3", "ADDED=by the instance", "LEVEL=changed"]


def test_memory_that_the_allocator_takes_later_lies_elsewhere() -> None:
    result = built(rename_funcs={"_start": "grow"}, late_room="1MiB")
    large = "z" * 300_000
    assert seen(in_wasmtime(result.wasm, {"A": "1", "LARGE": large}))[1] == ["A=1", f"LARGE={large}"]


def test_the_report_says_which_words_were_bound() -> None:
    facts = built().report.late
    assert facts and facts.environment == "bound" and facts.environment_arrays == 1
    assert len(facts.environment_words) == 1 and facts.environment_words[0] % 4 == 0
    assert built(late=[]).report.late is None


def test_a_bound_environment_is_no_frozen_one() -> None:
    assert [warning.code for warning in built(late=[]).report.warnings] == ["environment-frozen"]
    assert [warning.code for warning in built(env={}).report.warnings] == []


@HOSTS
def test_a_guest_that_never_asked_while_it_was_built_needs_nothing(run: Run) -> None:
    result = build(GETENV, late=["env", "args"], rename_funcs={"_start": "ask"}, cache=False)
    facts = result.report.late
    assert facts and (facts.environment, facts.arguments) == ("unneeded", "unneeded")
    assert not result.report.warnings
    assert run(result.wasm, {"MODE": "own"}) == "mode own\n"


def test_an_output_without_late_binding_has_the_bytes_that_it_had() -> None:
    assert built(late=()).wasm == built(late=[]).wasm
    assert b"preinit.late" not in built(late=()).wasm
    assert b"preinit.late" in built().wasm


def test_both_engines_give_the_same_output() -> None:
    assert built(engine="whole").wasm == built(engine="ondemand").wasm


def test_a_builder_binds_in_each_of_its_builds() -> None:
    with Builder(WORLD, cache=False, rename_funcs={"_start": "answer"}) as builder:
        plain, late = builder.build(), builder.build(late=["env"])
    assert plain.wasm == built(late=[], env={}).wasm
    assert late.wasm == built(env={}).wasm


def test_variables_that_were_set_while_it_was_built_would_be_lost() -> None:
    with pytest.raises(LateBinding, match="added variables to its environment while it was built"):
        built(init_funcs=["set_while_built"])


def test_an_output_that_fetches_late_can_be_verified() -> None:
    result = built()
    options = {"late": ["env"], "env": {"LEVEL": "3"}, "rename_funcs": {"_start": "answer"}, "cache": False}
    facts = verify(WORLD, result.wasm, run=True, call_all=True, **options)  # type: ignore[arg-type]
    assert {call.outcome for call in facts.calls} == {"returned"}
    reactor = built(rename_funcs={})
    verify(WORLD, reactor.wasm, call_all=True, **{**options, "rename_funcs": {}})  # type: ignore[arg-type]


# -- guests by hand ----------------------------------------------------------------------------------------------------

#: Fetches its environment into arrays at the addresses that it is told, and keeps what it is told.
HEAD = """(module
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $arg_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2 {maximum})
  (global $top (mut i32) (i32.const 1024))
  (global $end (mut i32) (i32.const 131072))
  ;; Takes memory, strings first, as libc does, and returns the array.
  (func $fetch (result i32) (local $strings i32) (local $array i32)
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (local.set $strings (global.get $top))
    (local.set $array (i32.and (i32.add (i32.add (global.get $top) (i32.load (i32.const 4))) (i32.const 7))
      (i32.const -8)))
    (global.set $top (i32.add (local.get $array) (i32.shl (i32.add (i32.load (i32.const 0)) (i32.const 1))
      (i32.const 2))))
    (if (i32.gt_u (global.get $top) (global.get $end))
      (then (global.set $end (i32.shl (i32.add (memory.grow (i32.const 16)) (i32.const 16)) (i32.const 16)))))
    (drop (call $get (local.get $array) (local.get $strings)))
    (local.get $array))
  (func $line (param $text i32) (local $end i32)
    (local.set $end (local.get $text))
    (block $done (loop $more
      (br_if $done (i32.eqz (i32.load8_u (local.get $end))))
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (br $more)))
    (i32.store8 (local.get $end) (i32.const 10))
    (i32.store (i32.const 16) (local.get $text))
    (i32.store (i32.const 20) (i32.add (i32.sub (local.get $end) (local.get $text)) (i32.const 1)))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))
  ;; Prints the strings of an array.
  (func $print (param $array i32)
    (block $done (loop $more
      (br_if $done (i32.eqz (i32.load (local.get $array))))
      (call $line (i32.load (local.get $array)))
      (local.set $array (i32.add (local.get $array) (i32.const 4)))
      (br $more))))
"""


def by_hand(code: str, maximum: str = "", **options: object) -> Result:
    given = {"late": ["env"], "rename_funcs": {"_start": "entry"} if '"entry"' in code else {}, **options}
    given["host"] = Host(**{name: given.pop(name) for name in ("env", "args") if name in given})  # type: ignore[arg-type]
    return build_text(HEAD.replace("{maximum}", maximum) + code + ")", **given)


KEEPS = """
  (func (export "preinit_initialize") (i32.store (i32.const 512) (call $fetch)))
  (func (export "entry") (call $print (i32.load (i32.const 512))))
"""


@HOSTS
def test_a_word_that_holds_the_address_is_bound(run: Run) -> None:
    result = by_hand(KEEPS)
    assert result.report.late and result.report.late.environment_words == (512,)
    assert run(result.wasm, {"A": "1", "B": "2"}) == "A=1\nB=2\n"
    assert run(result.wasm) == ""


def test_a_number_that_happens_to_be_the_address_is_left_alone() -> None:
    plain = by_hand(KEEPS)
    assert plain.report.late
    lucky = """
      (func (export "preinit_initialize")
        (i32.store (i32.const 512) (call $fetch)) (i32.store (i32.const 516) (i32.const {number})))
      (func (export "entry") (call $print (i32.load (i32.const 512)))
        (if (i32.ne (i32.load (i32.const 516)) (i32.const {number})) (then (unreachable))))
    """
    # "PREINIT_LATE=build" and its NUL stand at 1024, the array behind it.
    result = by_hand(lucky.replace("{number}", str((1024 + 19 + ROOM + 7) & -8)))
    facts = result.report.late
    assert facts and (facts.environment_words, facts.elsewhere) == ((512,), 0)
    assert not result.report.warnings
    assert in_wasmtime(result.wasm, {"A": "1"}) == "A=1\n"


def test_a_word_that_holds_the_address_in_one_of_two_runs_is_told() -> None:
    result = by_hand("""
      (func (export "preinit_initialize")
        (i32.store (i32.const 512) (call $fetch))  ;; and where the number of variables says
        (i32.store (i32.add (i32.const 516) (i32.shl (i32.load (i32.const 0)) (i32.const 2))) (i32.load (i32.const 512))))
      (func (export "entry") (call $print (i32.load (i32.const 512))))
    """)
    facts = result.report.late
    assert facts and (facts.environment_words, facts.elsewhere) == ((512,), 1)
    assert [warning.code for warning in result.report.warnings] == ["late-elsewhere"]


def test_all_arrays_that_are_kept_are_bound_and_that_is_said() -> None:
    result = by_hand("""
      (func (export "preinit_initialize")
        (i32.store (i32.const 512) (call $fetch)) (i32.store (i32.const 600) (call $fetch)))
      (func (export "entry") (call $print (i32.load (i32.const 512))))
      (func (export "other") (call $print (i32.load (i32.const 600))))
    """)
    facts = result.report.late
    assert facts and (facts.environment_words, facts.environment_arrays) == ((512, 600), 2)
    assert [warning.code for warning in result.report.warnings] == ["late-several"]
    assert in_wasmtime(result.wasm, {"A": "1"}) == "A=1\n"


def test_nothing_that_is_kept_is_a_warning_and_an_error_of_a_strict_build() -> None:
    drops = '(func (export "preinit_initialize") (drop (call $fetch)))'
    result = by_hand(drops)
    assert result.report.late and result.report.late.environment == "unbound"
    assert [warning.code for warning in result.report.warnings] == ["late-environment"]
    with pytest.raises(WarningsRefused):
        by_hand(drops, strict=True)


def test_an_array_that_stands_in_one_place_is_no_proof() -> None:
    with pytest.raises(LateBinding, match="does not depend on its size"):
        by_hand(
            """
          (func (export "preinit_initialize")
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (drop (call $get (i32.const 2048) (i32.const 4096))) (i32.store (i32.const 512) (i32.const 2048)))
          (func (export "entry") (call $print (i32.load (i32.const 512))))
        """,
            late_room=1024,
        )


def test_a_change_that_the_guest_made_is_said_to_be_gone() -> None:
    result = by_hand(
        """
      (data (i32.const 800) "B=changed\\00")
      (func (export "preinit_initialize")
        (i32.store (i32.const 512) (call $fetch))
        (i32.store (i32.add (i32.load (i32.const 512)) (i32.const 4)) (i32.const 800)))
      (func (export "entry") (call $print (i32.load (i32.const 512))))
    """,
        env={"B": "first"},
    )
    assert [warning.code for warning in result.report.warnings] == ["late-changed", "late-remains"]
    assert in_wasmtime(result.wasm, {"B": "own"}) == "B=own\n"


def test_an_initializer_that_fails_in_another_environment_is_refused() -> None:
    with pytest.raises(LateBinding, match="with more environment variables, the initializer fails"):
        by_hand("""
          (func (export "preinit_initialize")
            (i32.store (i32.const 512) (call $fetch))
            (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 1)) (then (unreachable))))
        """)


#: Bytes of room for the environment, where no option says how many.
ROOM = 128 << 10

#: Allocators that take all that lies behind their heap for their own, or all pages that memory grew by.
TAKING = {
    "grows, and looks only whether that went well": """(local.set 0 (i32.const -1))
      (if (i32.eq (memory.grow (i32.const 2)) (local.get 0)) (then (unreachable)))
      (global.set $end (i32.add (global.get $end) (i32.const 131072)))""",
    "compares with the size": """(if (i32.gt_s (i32.sub (global.get $end) (i32.shl (memory.size) (i32.const 16)))
      (i32.const 0)) (then (unreachable)))
      (drop (memory.grow (i32.const 2))) (global.set $end (i32.shl (memory.size) (i32.const 16)))""",
    "asks before it grows": """(local.set 0 (memory.size))
      (if (i32.ne (memory.grow (i32.const 2)) (local.get 0)) (then (unreachable)))
      (if (i32.ne (i32.shl (local.get 0) (i32.const 16)) (global.get $end)) (then (unreachable)))
      (global.set $end (i32.add (global.get $end) (i32.const 131072)))""",
}


@HOSTS
@pytest.mark.parametrize("grows", TAKING.values(), ids=TAKING.keys())
def test_an_allocator_that_takes_whatever_lies_behind_its_heap_leaves_the_environment_alone(
    run: Run, grows: str
) -> None:
    code = f"""
      (func (export "preinit_initialize") (local i32) (i32.store (i32.const 512) (call $fetch)) {{}}
        (global.set $top (global.get $end)))
      (func $more (export "more") (local i32) {grows}
        (memory.fill (global.get $top) (i32.const 0xff) (i32.sub (global.get $end) (global.get $top)))
        (global.set $top (global.get $end)))
      (func (export "entry") (call $more) (call $more) (call $print (i32.load (i32.const 512))))
    """
    variables = {"A": "1", "LARGE": "x" * 100_000}
    said = "".join(f"{name}={value}\n" for name, value in variables.items())
    for before in ("", "(call $more)"):
        assert run(by_hand(code.format(before)).wasm, variables) == said


def test_an_environment_that_is_larger_than_its_room_ends_the_instance_and_says_why(tmp_path: Path) -> None:
    result = by_hand(KEEPS, late_room=300)
    assert result.report.late
    size = result.report.late.environment_room
    assert size >= 300
    most = size - 2 * 4 - len("A=") - 1
    assert in_wasmtime(result.wasm, {"A": "x" * most}) == f"A={'x' * most}\n"
    with pytest.raises(wasmtime.ExitTrap) as ended:
        in_wasmtime(result.wasm, {"A": "x" * (most + 1)}, stderr=tmp_path / "error")
    assert ended.value.code == 71
    said = (tmp_path / "error").read_text()
    assert said == f"the environment is larger than the {size} bytes that this program was prepared for\n"


@pytest.mark.parametrize("size", [0, 255, (256 << 20) + 1])
def test_a_room_has_at_least_256_bytes_and_at_most_256_mib(size: int) -> None:
    with pytest.raises(UsageError, match=f"late_room can't be {size:,} bytes: at least 256, at most 256 MiB") as caught:
        built(late_room=size)
    assert caught.value.hint and "late_room" in caught.value.hint
    assert built(late_room="256").report.late


#: Has a buffer of 1,000 bytes, and looks how large the environment is before it fetches it.
BUFFER = """
  (func $own (result i32)
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (if (i32.gt_u (i32.load (i32.const 4)) (i32.const 1000)) (then {}))
    (drop (call $get (i32.and (i32.add (i32.const 4007) (i32.load (i32.const 4))) (i32.const -8)) (i32.const 3000)))
    (i32.and (i32.add (i32.const 4007) (i32.load (i32.const 4))) (i32.const -8)))
  (func (export "preinit_initialize") (i32.store (i32.const 512) (call $own)))
  (func (export "entry") (call $print (i32.load (i32.const 512))))
"""


@pytest.mark.parametrize("refuses", ["(unreachable)", "(call $exit (i32.const 3))", "(return (i32.const 2000))"])
def test_a_buffer_that_is_too_small_for_the_room_is_refused_with_the_option_that_helps(refuses: str) -> None:
    code = BUFFER.format(refuses)
    with pytest.raises(LateBinding, match="the guest has made no room") as caught:
        by_hand(code)
    assert caught.value.hint and "late_room=" in caught.value.hint
    result = by_hand(code, late_room=600)
    assert in_wasmtime(result.wasm, {"A": "1", "B": "x" * 500}) == f"A=1\nB={'x' * 500}\n"


def test_a_program_that_makes_no_room_is_built_as_it_is_where_nobody_asked_for_late_binding() -> None:
    code = """
      (func $pause (export "pause"))
      (func (export "_start") (local $array i32)
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (if (i32.gt_u (i32.load (i32.const 4)) (i32.const 1000)) (then (unreachable)))
        (local.set $array (i32.and (i32.add (i32.const 4007) (i32.load (i32.const 4))) (i32.const -8)))
        (drop (call $get (local.get $array) (i32.const 3000)))
        (i32.store (i32.const 512) (local.get $array))
        (call $pause)
        (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(code, late=None, pause_at="function:pause", rename_funcs={}, env={"A": "build"})
    assert result.report.late and result.report.late.environment == "unbound"
    assert "the guest has made no room" in (result.report.late.cause or "")
    assert "A=build" in in_wasmtime(result.wasm, {"A": "own"})


@pytest.mark.parametrize(
    "changes",
    [
        "(i32.store8 (i32.const 1050) (i32.const 1))",
        f"(if (i32.gt_u (memory.size) (i32.const 2)) (then (i32.store8 (i32.const {1024 + 19 + ROOM - 1}) (i32.const 1))))",
    ],
)
def test_a_room_that_was_used_for_something_else_is_none(changes: str) -> None:
    with pytest.raises(LateBinding, match="or used that room for something else"):
        by_hand(KEEPS.replace("(call $fetch))", f"(call $fetch)) {changes}", 1))
    assert by_hand(
        KEEPS.replace("(call $fetch))", f"(call $fetch)) {changes.replace('(i32.const 1))', '(i32.const 0))')}", 1)
    ).wasm


@pytest.mark.parametrize("named", ['(export "__stack_pointer")', ""])
def test_what_lies_on_the_stack_has_no_room(named: str) -> None:
    text = HEAD.replace("{maximum}", "").replace(
        "(global $top (mut i32) (i32.const 1024))",
        f"(global $stack {named} (mut i32) (i32.const 131072)) (global $top (mut i32) (i32.const 1024))",
    )
    with pytest.raises(LateBinding, match="below where its stack begins"):
        build(stripped(wasm(f"{text}{KEEPS})")), late=["env"], late_room=1024, rename_funcs={"_start": "entry"})


def test_what_the_build_was_given_fits_in_any_case() -> None:
    arguments, variables = ["p", "x" * 40_000], {"A": "y" * 300_000}
    given: dict[str, Any] = {"late": ["env", "args"], "args": arguments, "env": variables}
    keeps = KEEPS.replace(
        "(call $fetch))",
        """(call $fetch)) (drop (call $arg_sizes (i32.const 0) (i32.const 4)))
        (drop (memory.grow (i32.const 4)))
        (drop (call $args (i32.const 600) (global.get $top))) (i32.store (i32.const 516) (i32.const 600))""",
        1,
    )
    result = by_hand(keeps.replace('"entry")', '"entry") (call $print (i32.load (i32.const 516)))'), **given)
    said = in_wasmtime(result.wasm, variables, args=arguments)
    assert said == f"p\n{'x' * 40_000}\nA={'y' * 300_000}\n"


def test_each_array_that_is_kept_has_its_own_room_since_one_of_them_may_have_been_freed() -> None:
    result = by_hand("""
      (func (export "preinit_initialize") (local $top i32)
        (i32.store (i32.const 512) (call $fetch))
        (local.set $top (global.get $top))
        (i32.store (i32.const 600) (call $fetch))  ;; what has this address is never used again
        (global.set $top (local.get $top)))
      (func (export "entry")
        (memory.fill (global.get $top) (i32.const 0xff) (i32.sub (global.get $end) (global.get $top)))
        (call $print (i32.load (i32.const 512))))
    """)
    assert result.report.late and result.report.late.environment_words == (512, 600)
    assert in_wasmtime(result.wasm, {"A": "1"}) == "A=1\n"


#: Fetches its environment as libc does, and then asks how large it is: if too large, it says so, and does without it.
GIVES_UP = """
  (global $gave_up (mut i32) (i32.const 0))
  (data (i32.const 800) "too large\\00small\\00") (data (i32.const 820) "too large\\00small\\00")
  (func (export "preinit_initialize")
    (i32.store (i32.const 512) (call $fetch))
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (if (i32.gt_u (i32.load (i32.const 4)) (i32.const 1000)) (then (global.set $gave_up (i32.const 1)) {then}))
    (call $line (select (i32.const 800) (i32.const 810) (global.get $gave_up))))
  (func (export "entry")
    (call $line (select (i32.const 820) (i32.const 830) (global.get $gave_up))) (call $print (i32.load (i32.const 512))))
"""


@pytest.mark.parametrize("then", ["", "(unreachable)", "(call $exit (i32.const 5))"])
def test_who_only_asks_how_large_the_environment_is_is_told_the_truth(then: str) -> None:
    printed: list[bytes] = []
    text = HEAD.replace("{maximum}", "") + GIVES_UP.format(then=then) + ")"
    host = Host(env={"B": "build"}, stdout=printed.append)
    result = build_text(text, late=["env"], rename_funcs={"_start": "entry"}, host=host)
    assert result.report.late and result.report.late.environment == "bound"
    assert in_wasmtime(result.wasm, {"A": "1"}) == "small\nA=1\n"
    assert b"".join(printed).endswith(b"small\n")  # not what is left of it behind what was printed first


def test_a_program_that_has_not_enough_memory_for_the_room_is_built_without_it() -> None:
    code = """
      (func $pause (export "pause"))
      (func (export "_start")
        (i32.store (i32.const 512) (call $fetch))
        (if (i32.gt_u (global.get $top) (i32.const 100000)) (then (call $exit (i32.const 5))))  ;; out of memory
        (call $pause)
        (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(code, late=None, pause_at="function:pause", rename_funcs={}, env={"A": "build"})
    assert result.report.late and result.report.late.environment == "unbound"
    assert "A=build" in in_wasmtime(result.wasm, {"A": "own"})
    small = by_hand(code, late=None, pause_at="function:pause", rename_funcs={}, late_room="4KiB")
    assert in_wasmtime(small.wasm, {"A": "own"}) == "A=own\n"


def test_who_keeps_the_texts_in_another_order_is_told_to_see_the_builds() -> None:
    code = """
      (func (export "preinit_initialize") (local $array i32) (local $first i32)
        (i32.store (i32.const 512) (call $fetch))
        (local.set $array (call $fetch))
        (local.set $first (i32.load (local.get $array)))  ;; changes places with the last one
        (i32.store (local.get $array) (i32.load offset=8 (local.get $array)))
        (i32.store offset=8 (local.get $array) (local.get $first))
        (i32.store (i32.const 600) (local.get $array)))
      (func (export "entry") (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(code, env={"A": "1", "HOME": "2"})
    assert result.report.late and result.report.late.variables_held == ("HOME",)
    assert in_wasmtime(result.wasm, {"A": "own"}) == "A=own\n"


def test_a_room_that_nothing_is_put_in_was_never_asked_for() -> None:
    assert build(WORLD, late_room="1MiB", cache=False).report.unused == ("--late-room 1048576",)
    assert built(late_room="1MiB").report.unused == ()


def test_who_asks_for_count_and_size_apart_is_told_the_truth() -> None:
    code = """
      (func (export "preinit_initialize") (local $strings i32) (local $array i32) (local $table i32)
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (local.set $strings (global.get $top))  ;; as large as it was told the first time
        (local.set $table (i32.and (i32.add (i32.add (local.get $strings) (i32.load (i32.const 4))) (i32.const 7))
          (i32.const -8)))
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (local.set $array (i32.add (local.get $table) (i32.const 64)))
        (global.set $top (i32.add (local.get $array) (i32.const 64)))
        (if (i32.gt_u (global.get $top) (global.get $end)) (then (drop (memory.grow (i32.const 8)))))
        (drop (call $get (local.get $array) (local.get $strings)))
        (i32.store (i32.const 512) (local.get $array)) (i32.store (i32.const 516) (local.get $table)))
      (func (export "entry")
        (if (i32.load (i32.load (i32.const 516))) (then (unreachable)))
        (call $print (i32.load (i32.const 512))))
    """
    with pytest.raises(LateBinding, match="or asked several times"):
        by_hand(code)
    assert by_hand(code, late=[]).wasm


def test_each_part_that_gives_up_is_told_the_truth_whichever_comes_first() -> None:
    ask = """(drop (call $sizes (i32.const 0) (i32.const 4)))
        (if (i32.gt_u (i32.load (i32.const 4)) (i32.const 1000)) (then (unreachable)))"""
    code = f"""
      (func (export "preinit_initialize")
        {ask} (drop (call $get (i32.const 700) (i32.const 720))) {ask}
        (drop (call $get (i32.const 700) (i32.const 720)))
        (i32.store (i32.const 512) (call $fetch)) {ask})
      (func (export "entry") (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(code)
    assert result.report.late and result.report.late.environment == "bound"
    assert in_wasmtime(result.wasm, {"A": "1"}) == "A=1\n"
    given: dict[str, Any] = {"late": ["env"], "rename_funcs": {"_start": "entry"}, "cache": False}
    verify(wasm(HEAD.replace("{maximum}", "") + code + ")"), result.wasm, call_all=True, **given)


def test_who_fetches_to_the_same_place_without_asking_has_no_room_there_any_more() -> None:
    with pytest.raises(LateBinding, match="the guest has made no room"):
        by_hand(
            KEEPS.replace(
                "(call $fetch))", "(call $fetch)) (drop (call $get (i32.load (i32.const 512)) (i32.const 1024)))", 1
            )
        )


def test_what_a_section_says_of_a_room_that_does_not_fit_is_not_used() -> None:
    array = (1024 + 19 + 7) & -8  # nothing is told of room where a section says that there is some

    def built_with(room: list[int]) -> Result:
        said = json.dumps({"places": {"env": [[room, [512]]]}}).encode()
        name = b"\x0cpreinit.late"
        section = b"\x00" + uleb(len(name) + len(said)) + name + said
        module = wasm(HEAD.replace("{maximum}", "") + KEEPS + ")")
        return build(module + section, late=["env"], rename_funcs={"_start": "entry"}, cache=False)

    assert in_wasmtime(built_with([array, 4096]).wasm, {"A": "1"}) == "A=1\n"
    for room in ([array, 100], [array, 10**8], [array + 1, 4096], [array - 8, 4096]):
        with pytest.raises(LateBinding):
            built_with(room)


def test_late_none_leaves_a_paused_program_alone(tmp_path: Path) -> None:
    module = ROOT / "fixtures/world/command.wasm"
    out = tmp_path / "out.wasm"
    run_command("build", module, "--pause-at", "stdin", "--late", "none", "--arg", "p", "-o", out, code=0)
    assert b"preinit.late" not in out.read_bytes()
    assert "One of env, args" in fails("build", module, "--late", "none,env", code=2)


def test_a_kind_that_has_no_room_takes_none_from_the_other() -> None:
    keeps = KEEPS.replace("(call $fetch))", "(call $fetch)) (drop (call $arg_sizes (i32.const 0) (i32.const 4)))", 1)
    result = by_hand(keeps, late=["env", "args"], args=["a", "b"])
    assert result.report.late and result.report.late.environment == "bound"
    assert in_wasmtime(result.wasm, {"A": "1"}, args=["own", "b"]) == "A=1\n"


def test_a_guest_that_has_to_run_again_and_can_not_is_refused() -> None:
    code = KEEPS.replace("(call $fetch))", "(call $fetch)) (drop (call $arg_sizes (i32.const 0) (i32.const 4)))", 1)
    with pytest.raises(LateBinding, match="it would have to run again, and it may read the host's clock"):
        build_text(f"{HEAD.replace('{maximum}', '')}{code})", late=["args"], host=Host(args=["a"], clock="host"))


def test_a_guest_that_fetches_again_and_again_keeps_the_room_that_it_made_first() -> None:
    code = """
      (func (export "preinit_initialize") (local $top i32) (local $left i32)
        (i32.store (i32.const 512) (call $fetch))
        (local.set $left (i32.const 40))
        (loop
          (memory.fill (i32.add (global.get $top) (i32.const 1000)) (local.get $left) (i32.const 1000))
          (local.set $top (global.get $top)) (drop (call $fetch)) (global.set $top (local.get $top))
          (global.set $top (i32.add (global.get $top) (i32.const 1024)))
          (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
      (func (export "entry") (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(code, late_room="1MiB")
    assert in_wasmtime(result.wasm, {"A": "1", "B": "x" * 1_000_000}).startswith("A=1\nB=xxx")


def test_a_memory_that_ends_in_the_room_has_none() -> None:
    grows = HEAD.index("(if (i32.gt_u (global.get $top)")
    head = HEAD[:grows] + HEAD[HEAD.index("(drop (call $get", grows) :]
    code = head.replace("{maximum}", "2") + KEEPS + ")"
    given: dict[str, Any] = {"late": ["env"], "rename_funcs": {"_start": "entry"}}
    with pytest.raises(LateBinding, match="the guest has made no room"):
        build_text(code, **given)
    assert in_wasmtime(build_text(code, **given, late_room="64KiB").wasm, {"A": "1"}) == "A=1\n"


#: Keeps environment and arguments, and can be paused twice.
TWICE = """
  (func $pause (export "pause"))
  (func $later (export "later"))
  (func (export "_start") (local $array i32)
    (i32.store (i32.const 512) (call $fetch))
    (drop (call $arg_sizes (i32.const 0) (i32.const 4)))
    (local.set $array (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (drop (call $args (local.get $array) (i32.add (local.get $array) (i32.const 64))))
    (global.set $top (i32.add (i32.add (local.get $array) (i32.const 64)) (i32.load (i32.const 4))))
    (i32.store (i32.const 516) (local.get $array))
    (call $pause)
    (call $later)
    (call $print (i32.load (i32.const 512)))
    (call $print (i32.load (i32.const 516))))
"""


@HOSTS
def test_an_output_that_fetches_late_can_be_paused_again_and_still_fetches(run: Run) -> None:
    given: dict[str, Any] = {"env": {"B": "build"}, "args": ["p", "build"]}
    first = by_hand(TWICE, late=None, rename_funcs={}, pause_at="function:pause", **given)
    said: list[bytes] = []
    second = build(first.wasm, pause_at="function:later", cache=False, stdout=said.append, stderr=said.append, **given)
    assert not said
    facts = second.report.late
    assert facts and (facts.environment, facts.arguments, facts.environment_words) == ("bound", "bound", (512,))
    for output in (first, second):
        printed = run(output.wasm, {"A": "1", "C": "x" * 100_000}, args=["q", "own"])
        assert printed == f"A=1\nC={'x' * 100_000}\nq\nown\n"


def test_an_output_that_is_paused_again_and_is_to_fetch_nothing_does_not_say_that_it_does() -> None:
    given: dict[str, Any] = {"env": {"B": "build"}, "args": ["p", "build"]}
    first = by_hand(TWICE, late=None, rename_funcs={}, pause_at="function:pause", **given)
    second = build(first.wasm, pause_at="function:later", late=[], cache=False, **given)
    assert b"preinit.late" not in second.wasm
    assert in_wasmtime(second.wasm, {"A": "own"}, args=["q", "own"]) == "B=build\np\nbuild\n"


def test_an_output_that_ran_and_fetches_no_more_does_not_say_that_it_does() -> None:
    again = build(built(rename_funcs={}).wasm, init_funcs=["answer"], env={"B": "1"}, cache=False)
    assert b"preinit.late" not in again.wasm
    verify(built(rename_funcs={}).wasm, again.wasm, init_funcs=["answer"], env={"B": "1"}, cache=False)


@pytest.mark.parametrize("said", [b"", b"{}", b"[]", b"\xff", b'{"places": 1}', b'{"places": {"env": {"room": [0, 4]}}}',
    b'{"places": {"env": {"room": [1, 99999999], "words": [3]}, "args": [[4, [0, 1]]]}}'])  # fmt: skip
def test_what_a_section_says_of_places_is_looked_at_before_it_is_used(said: bytes) -> None:
    name = b"\x0cpreinit.late"
    binary = wasm(HEAD.replace("{maximum}", "") + KEEPS + ")")
    binary += b"\x00" + uleb(len(name) + len(said)) + name + said
    try:
        result = build(binary, late=["env"], rename_funcs={"_start": "entry"}, cache=False)
    except LateBinding:
        return
    assert in_wasmtime(result.wasm, {"A": "1"}) == "A=1\n"


def test_a_failed_call_of_the_host_ends_the_instance() -> None:
    result = by_hand(KEEPS)
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    linker.allow_shadowing = True
    kind = wasmtime.FuncType([wasmtime.ValType.i32()] * 2, [wasmtime.ValType.i32()])
    linker.define_func("wasi_snapshot_preview1", "environ_get", kind, lambda array, strings: 52)
    wasi = wasmtime.WasiConfig()
    wasi.env = [("A", "1")]
    store.set_wasi(wasi)
    instance = linker.instantiate(store, wasmtime.Module(engine, result.wasm))
    with pytest.raises(wasmtime.ExitTrap) as ended:
        instance.exports(store)["_start"](store)  # type: ignore[operator]
    assert ended.value.code == 71


ARGUMENTS = """
  (func $take (result i32)
    (drop (call $arg_sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 2048) (i32.const 4096)))
    (i32.const 2048))
  (func (export "preinit_initialize") (i32.store (i32.const 512) (call $take)))
  (func (export "entry") (call $print (i32.load (i32.const 512))))
"""


@HOSTS
def test_as_many_arguments_as_the_build_had_are_the_instances_own(run: Run) -> None:
    result = by_hand(ARGUMENTS, late=["args"], args=["prog", "build"])
    facts = result.report.late
    assert facts and (facts.arguments, facts.argument_count, facts.argument_arrays) == ("bound", 2, (2048,))
    assert run(result.wasm, args=["p", "x" * 5000]) == f"p\n{'x' * 5000}\n"
    assert not result.report.warnings


def test_arguments_that_need_more_room_get_it_where_it_was_asked_for(tmp_path: Path) -> None:
    result = by_hand(ARGUMENTS, late=["args"], args=["a", "b"])
    assert result.report.late
    room = result.report.late.arguments_room
    assert room >= 16_384
    for size in (1, room - 4, room - 3):
        assert in_wasmtime(result.wasm, args=["p", "y" * size]) == f"p\n{'y' * size}\n"
    with pytest.raises(wasmtime.ExitTrap) as ended:
        in_wasmtime(result.wasm, args=["p", "y" * (room - 2)], stderr=tmp_path / "error")
    assert ended.value.code == 71
    said = (tmp_path / "error").read_text()
    assert said == f"the arguments are larger than the {room:,} bytes that this program was prepared for\n"
    larger = by_hand(ARGUMENTS, late=["args"], args=["a", "b"], late_room="64KiB")
    assert in_wasmtime(larger.wasm, args=["p", "y" * 60_000]) == f"p\n{'y' * 60_000}\n"


@pytest.mark.parametrize("args", [["one"], ["one", "two", "three"]])
def test_another_number_of_arguments_ends_the_instance_and_says_why(tmp_path: Path, args: list[str]) -> None:
    result = by_hand(ARGUMENTS, late=["args"], args=["a", "b"])
    with pytest.raises(wasmtime.ExitTrap) as ended:
        in_wasmtime(result.wasm, args=args, stderr=tmp_path / "error")
    assert ended.value.code == 64
    assert (tmp_path / "error").read_text() == "this program was prepared with 2 arguments and takes as many\n"


def test_arguments_that_are_not_kept_are_warned_of() -> None:
    drops = """
      (func (export "preinit_initialize") (drop (call $args (i32.const 2048) (i32.const 4096))))
    """
    result = by_hand(drops, late=["args"], args=["a"])
    assert [warning.code for warning in result.report.warnings] == ["late-arguments"]


def test_environment_and_arguments_are_bound_together() -> None:
    code = ARGUMENTS.replace("(call $take))", "(call $take)) (i32.store (i32.const 516) (call $fetch))")
    code = code.replace('"entry")', '"entry") (call $print (i32.load (i32.const 516)))')
    result = by_hand(code, late=["args", "env"], args=["a"])
    assert in_wasmtime(result.wasm, {"K": "v"}, args=["own"]) == "K=v\nown\n"


def test_folders_that_may_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="running the initializer twice"):
        built(dirs={str(tmp_path): "/data"}, writable=True)


def test_what_can_be_late_is_a_list_of_two_words() -> None:
    with pytest.raises(UsageError, match="late\\[0\\] can't be 'environment'"):
        built(late=["environment"])
    with pytest.raises(UsageError, match="late must be a list"):
        built(late="env")


def test_another_memory_than_the_first_can_be_the_guests() -> None:
    text = """(module
      (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
      (memory $other 1) (memory $own (export "memory") 1)
      (func (export "preinit_initialize") (local $array i32)
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (local.set $array (i32.and (i32.add (i32.load $own (i32.const 4)) (i32.const 1031)) (i32.const -8)))
        (drop (call $get (local.get $array) (i32.const 1024)))
        (i32.store $own (i32.const 512) (local.get $array)))
      (func (export "first") (result i32) (i32.load8_u $own (i32.load $own (i32.load $own (i32.const 512))))))"""
    result = build_text(text, late=["env"], late_room=1024)
    assert [memory.pages for memory in result.report.snapshot.memories] == [1, 1]
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.env = [("Z", "1")]
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    exports = linker.instantiate(store, wasmtime.Module(engine, result.wasm)).exports(store)
    exports["_initialize"](store)  # type: ignore[operator]
    assert exports["first"](store) == ord("Z")  # type: ignore[operator]


@HOSTS
def test_an_entry_with_constants_fetches_it_first(run: Run) -> None:
    code = KEEPS.replace('(func (export "entry")', '(func (export "entry") (param i32)')
    result = by_hand(code, rename_funcs={"_start": "entry(3)"})
    assert run(result.wasm, {"A": "1"}) == "A=1\n"


@HOSTS
def test_what_is_printed_again_leaves_the_bound_words_alone(run: Run) -> None:
    code = """
      (data (i32.const 3000) "before\\00")
      (func $pause (export "pause"))
      (func (export "_start")
        (global.set $top (i32.const 40000))
        (i32.store (i32.const 1036) (call $fetch))
        (call $line (i32.const 3000))
        (call $pause)
        (call $print (i32.load (i32.const 1036))))
    """
    given = {"pause_at": "function:pause", "replay_output": True, "env": {"BUILD": "1"}, "rename_funcs": {}}
    result = by_hand(code, **given)
    assert run(result.wasm, {"INSTANCE": "2"}) == "before\nINSTANCE=2\n"


def test_a_memory_with_addresses_of_64_bits_is_refused_by_name() -> None:
    text = """(module
      (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (memory (export "memory") i64 1)
      (func (export "preinit_initialize") (local $array i32)
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (local.set $array (i32.and (i32.add (i32.const 1024) (i32.load (i64.const 4))) (i32.const -8)))
        (i32.store (i64.const 16) (local.get $array))
        (drop (call $get (local.get $array) (i32.add (local.get $array) (i32.const 256))))))"""
    with pytest.raises(LateBinding, match="memory 0 has 64-bit addresses"):
        build_text(text, late=["env"])


@pytest.mark.parametrize(("kind", "late"), [("args", "args"), ("environ", "env")])
def test_a_module_that_does_not_import_both_functions_is_refused_by_name(kind: str, late: str) -> None:
    text = f"""(module
      (import "wasi_snapshot_preview1" "{kind}_get" (func $get (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "preinit_initialize") (local $array i32)
        (drop (call $get (i32.const 20000) (i32.const 4096)))
        (local.set $array (i32.const 4096))  ;; the array behind the strings, so that it moves with their size
        (loop (br_if 0 (i32.ne (i32.load (i32.sub (local.tee $array (i32.add (local.get $array) (i32.const 4)))
          (i32.const 4))) (i32.const 0))))
        (drop (call $get (local.get $array) (i32.const 4096)))
        (i32.store (i32.const 20000) (i32.const 0))
        (i32.store (i32.const 512) (local.get $array))))"""
    with pytest.raises(LateBinding, match=f"would have to call `{kind}_sizes_get`, which the module does not import"):
        build_text(text, late=[late], host=Host(args=["a", "b"], env={"A": "1"}))


def test_looking_for_words_ends_with_the_time_of_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def search(memory: object, value: int) -> list[int]:
        go_on.wait()
        return []

    monkeypatch.setattr("preinit.passes.late.find.words", search)
    try:
        with pytest.raises(TimeLimit):
            by_hand(KEEPS, timeout=0.5)
    finally:
        go_on.set()


def test_words_that_hold_the_address_of_one_argument_are_told_with_its_number() -> None:
    keeps = ARGUMENTS.replace("(call $take))", "(call $take)) (i32.store (i32.const 516) (i32.load (i32.const 2052)))")
    result = by_hand(keeps, late=["args"], args=["a", "b"])
    (warning,) = result.report.warnings
    facts = result.report.late
    assert facts and (warning.code, facts.texts, facts.arguments_held) == ("late-elsewhere", 1, (2,))
    assert "the build's text of argument number 2: " in warning.message


@pytest.mark.parametrize("behind", [0, len("HOME="), len("HOME=") + 1])
def test_words_that_hold_the_address_of_one_variable_are_told_with_its_name(behind: int) -> None:
    keeps = f"""
      (func (export "preinit_initialize") (i32.store (i32.const 512) (call $fetch))
        (i32.store (i32.const 516) (i32.add (i32.const {behind}) (i32.load (i32.sub  ;; of the last one
          (i32.add (i32.load (i32.const 512)) (i32.shl (i32.load (i32.const 0)) (i32.const 2))) (i32.const 4))))))
      (func (export "entry") (call $line (i32.load (i32.const 516))) (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(keeps, env={"A": "1", "HOME": "2"})
    (warning,) = [warning for warning in result.report.warnings if warning.code != "late-remains"]
    facts = result.report.late
    assert facts and (warning.code, facts.variables_held) == ("late-elsewhere", ("HOME",))
    assert "the build's text of the environment variable HOME: " in warning.message
    assert warning.hint and "`getenv` again" in warning.hint
    assert in_wasmtime(result.wasm, {"HOME": "own"}) == f"{'HOME=2'[behind:]}\nHOME=own\n"
    with pytest.raises(WarningsRefused):
        by_hand(keeps, env={"A": "1", "HOME": "2"}, strict=True)


@pytest.mark.parametrize("value", ["", "x", "y" * 70_000, "z" * 200_000])
def test_words_are_found_in_texts_of_any_size(value: str) -> None:
    keeps = f"""
      (func (export "preinit_initialize") (local $last i32) (i32.store (i32.const 512) (call $fetch))
        ;; the last byte of the last text
        (local.set $last (i32.add (i32.const {len("A=" + value)})
          (i32.load (i32.add (i32.load (i32.const 512)) (i32.shl (i32.sub (i32.load (i32.const 0)) (i32.const 1))
            (i32.const 2))))))
        (i32.store (i32.const 516) (local.get $last)) (i32.store (i32.const 525) (local.get $last))
        (i32.store (i32.const 4) (i32.const 0)))  ;; the size would be within these texts, too
      (func (export "entry") (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(keeps, env={"A": value + "!"})
    assert result.report.late and (result.report.late.texts, result.report.late.variables_held) == (1, ("A",))


def test_a_number_that_lies_within_a_text_by_chance_is_no_address_of_it() -> None:
    keeps = KEEPS.replace("(call $fetch))", "(call $fetch)) (i32.store (i32.const 516) (i32.const 1050))", 1)
    result = by_hand(keeps, env={"A": "a value that is long enough"})
    assert result.report.late and result.report.late.texts == 0


def test_a_language_that_keeps_copies_and_fetches_its_arguments_again_is_told_as_that() -> None:
    given = {"init_funcs": ["arguments"], "keep_init_func": True, "rename_funcs": {"_start": "arguments"}}
    module = ROOT / "fixtures/world/rust.wasm"
    result = build(module, late=["args"], args=["of", "the build"], cache=False, **given)  # type: ignore[arg-type]
    assert in_wasmtime(result.wasm, args=["own"]) == "own\n"
    assert "late: what the guest took of the arguments is the build's, and what it fetches again is the instance's" in (
        summary(result.report)
    )
    assert "the same in every instance, and what it fetches again is the instance's" in str(result.report.warnings)


def test_a_paused_program_that_changed_its_environment_is_told_so() -> None:
    code = """
      (func $pause (export "pause"))
      (func (export "_start") (local $array i32) (local $copy i32)
        (local.set $array (call $fetch))
        (local.set $copy (i32.const 700))  ;; as setenv does: another array, with the same addresses and one more
        (memory.copy (local.get $copy) (local.get $array) (i32.shl (i32.load (i32.const 0)) (i32.const 2)))
        (i32.store (i32.const 512) (local.get $copy))
        (i32.store (i32.const 516) (local.get $array))
        (call $pause)
        (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(code, late=None, pause_at="function:pause", rename_funcs={})
    assert result.report.late and "added variables to its environment" in (result.report.late.cause or "")
    said = [warning.message for warning in result.report.warnings if warning.code == "late-environment"]
    assert len(said) == 1 and "added variables to its environment while it was built" in said[0]


@pytest.mark.parametrize(
    ("local", "told"),
    [("(local.get $array)", 1), ("(i32.load (local.get $array))", 1), ("(i32.const 7)", 0)],
)
def test_locals_of_active_functions_that_point_into_the_environment_are_told(local: str, told: int) -> None:
    code = f"""
      (func $pause (export "pause"))
      (func (export "_start") (local $array i32) (local $kept i32)
        (local.set $array (call $fetch))
        (i32.store (i32.const 512) (local.get $array))
        (local.set $kept {local})
        (local.set $array (i32.const 0))
        (call $pause)
        (if (i32.ne (local.get $kept) (i32.const 7)) (then (call $line (local.get $kept))))
        (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(code, late=None, pause_at="function:pause", rename_funcs={}, env={"A": "build"})
    assert result.report.late and result.report.late.environment_active == told
    said = [warning.message for warning in result.report.warnings if warning.code == "late-elsewhere"]
    assert len(said) == told
    if told:
        assert said[0].startswith("1 local or operand of active functions points to the build's environment: ")
    assert ("frozen: 2 environment variables" in "\n".join(summary(result.report))) == bool(told)
    assert in_wasmtime(result.wasm, {"A": "own"}).endswith("A=own\n")


def test_locals_that_point_to_a_text_of_the_arguments_are_told() -> None:
    code = """
      (func $pause (export "pause"))
      (func (export "_start") (local $array i32) (local $name i32)
        (drop (call $arg_sizes (i32.const 0) (i32.const 4)))
        (drop (call $args (i32.const 2048) (i32.const 4096)))
        (local.set $array (i32.const 2048))
        (local.set $name (i32.load (i32.const 2052)))
        (call $pause)
        (call $line (local.get $name))
        (call $print (local.get $array)))
    """
    result = by_hand(code, late=None, pause_at="function:pause", rename_funcs={}, args=["a", "build"])
    assert result.report.late and result.report.late.arguments_active == 1
    said = [warning.message for warning in result.report.warnings if warning.code == "late-elsewhere"]
    assert len(said) == 1 and said[0].endswith("what reads the arguments through it sees the build's")


def elsewhere(result: Result) -> list[str]:
    return [warning.message for warning in result.report.warnings if warning.code == "late-elsewhere"]


def test_a_word_that_holds_the_first_argument_is_told() -> None:
    keeps = ARGUMENTS.replace("(call $take))", "(call $take)) (i32.store (i32.const 516) (i32.load (i32.const 2048)))")
    result = by_hand(keeps, late=["args"], args=["prog", "b"])
    assert result.report.late and result.report.late.arguments_held == (1,)
    assert len(elsewhere(result)) == 1 and "the build's text of argument number 1: " in elsewhere(result)[0]
    with pytest.raises(WarningsRefused):
        by_hand(keeps, late=["args"], args=["prog", "b"], strict=True)


@pytest.mark.parametrize(("kept", "told"), [("(i32.load (local.get $array))", 1), ("(i32.const 7)", 0)])
@pytest.mark.parametrize("fetch", ["(drop (call $args (i32.const 2048) (i32.const 4096)))", "(call $wrapper)"])
def test_a_local_that_holds_the_first_argument_is_told_but_not_that_of_what_fetched_it(
    kept: str, told: int, fetch: str
) -> None:
    code = f"""
      (func $pause (export "pause"))
      (func $wrapper (drop (call $args (i32.const 2048) (i32.const 4096))))
      (func $main (param $array i32) (local $kept i32)
        (local.set $kept {kept})
        (call $pause)
        (if (i32.ne (local.get $kept) (i32.const 7)) (then (call $line (local.get $kept))))
        (call $print (local.get $array)))
      (func (export "_start") (local $strings i32)
        (drop (call $arg_sizes (i32.const 0) (i32.const 4)))
        {fetch}
        (local.set $strings (i32.const 4096))  ;; as libc has it
        (call $main (i32.const 2048))
        (if (i32.eqz (local.get $strings)) (then (unreachable))))
    """
    result = by_hand(code, late=None, pause_at="function:pause", rename_funcs={}, args=["a", "build"])
    assert result.report.late and result.report.late.arguments_active == told
    assert len(elsewhere(result)) == told
    assert in_wasmtime(result.wasm, args=["own", "b"]).endswith("own\nb\n")


def test_a_place_within_an_argument_is_told() -> None:
    keeps = ARGUMENTS.replace("(call $take))", "(call $take)) {}")
    within = "(i32.store (i32.const 516) (i32.add (i32.const 7) (i32.load (i32.const 2052))))"
    result = by_hand(keeps.replace("{}", within), late=["args"], args=["a", "--name=bob"])
    assert len(elsewhere(result)) == 1 and "the build's text of argument number 2: " in elsewhere(result)[0]


#: Fetches both, the arguments behind the environment, so that they move with its size.
BOTH = """
  (func (export "preinit_initialize") (local $array i32)
    (i32.store (i32.const 512) (call $fetch))
    (drop (call $arg_sizes (i32.const 0) (i32.const 4)))
    (local.set $array (global.get $top))
    (drop (call $args (local.get $array) (i32.add (local.get $array) (i32.const 64))))
    (i32.store (i32.const 520) (local.get $array))
    (i32.store (i32.const 516) {kept}))
  (func (export "entry") (call $print (i32.load (i32.const 512))))
"""


@pytest.mark.parametrize("place", [3, 5])
def test_a_number_that_lies_within_an_argument_by_chance_is_no_address_of_it_where_a_second_run_shows_that(
    place: int,
) -> None:
    given: dict[str, Any] = {"late": ["args", "env"], "args": ["a", "--name=bob"], "env": {"A": "1"}}
    real = by_hand(BOTH.format(kept=f"(i32.add (i32.load offset=4 (local.get $array)) (i32.const {place}))"), **given)
    assert real.report.late and real.report.late.arguments_held == (2,)
    array = real.report.late.argument_arrays[0]
    chance = by_hand(BOTH.format(kept=f"(i32.const {array + 64 + len('a') + 1 + place})"), **given)
    assert chance.report.late and chance.report.late.argument_arrays == (array,)
    assert chance.report.late.arguments_held == () and not elsewhere(chance)


def test_tables_of_numbers_among_which_are_addresses_of_texts_are_no_addresses() -> None:
    keeps = """
      (func (export "preinit_initialize") (local $array i32) (local $at i32)
        (i32.store (i32.const 512) (call $fetch))
        (drop (call $arg_sizes (i32.const 0) (i32.const 4)))
        (local.set $array (global.get $top))
        (drop (call $args (local.get $array) (i32.add (local.get $array) (i32.const 64))))
        (i32.store (i32.const 520) (local.get $array))
        (drop (memory.grow (i32.const 40)))
        (local.set $at (i32.const 2000000))  ;; each word holds its number
        (loop
          (i32.store (local.get $at) (i32.sub (local.get $at) (i32.const 2000000)))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br_if 0 (i32.lt_u (local.get $at) (i32.const 2200000)))))
      (func (export "entry") (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(keeps, late=["env", "args"], env={"HOME": "/home/of/build"}, args=["program", "argument"])
    facts = result.report.late
    assert facts and (facts.environment, facts.arguments) == ("bound", "bound")
    assert (facts.variables_held, facts.arguments_held, facts.entries_held) == ((), (), ())
    assert not elsewhere(result)
    assert in_wasmtime(result.wasm, {"A": "1"}, args=["own", "x"]) == "A=1\n"


#: The end of the array: the null behind its entries.
END = "(i32.add (i32.load (i32.const 512)) (i32.shl (i32.load (i32.const 0)) (i32.const 2)))"


@pytest.mark.parametrize(
    ("place", "held", "said"),
    [
        (END, ("",), "its end"),
        (f"(i32.sub {END} (i32.const 4))", ("HOME",), "the entry of HOME"),
        (f"(i32.sub {END} (i32.const 8))", ("A",), "the entry of A"),
        ("(i32.add (i32.load (i32.const 512)) (i32.const 4))", ("A",), "the entry of A"),  # always the second
        (f"(i32.add {END} (i32.const 4))", (), ""),  # what lies behind it
        (f"(i32.sub {END} (i32.const 3))", (), ""),
    ],
)
@pytest.mark.parametrize("holder", ["(i32.store (i32.const 516) {})", "(global.set $kept {})"])
def test_what_holds_a_place_in_the_array_is_told_with_the_variable_whose_entry_it_is(
    place: str, held: tuple[str, ...], said: str, holder: str
) -> None:
    keeps = f"""
      (global $kept (mut i32) (i32.const 0))
      (func (export "preinit_initialize") (i32.store (i32.const 512) (call $fetch)) {holder.format(place)}
        (i32.store (i32.const 0) (i32.const 0)))
      (func (export "entry") (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(keeps, env={"A": "1", "HOME": "2"})
    assert result.report.late and result.report.late.entries_held == held
    assert len(elsewhere(result)) == len(held)
    assert not held or f"into the build's array of the environment, to {said}: " in elsewhere(result)[0]


def test_a_number_that_lies_in_the_array_by_chance_is_no_place_in_it() -> None:
    keeps = KEEPS.replace("(call $fetch))", "(call $fetch)) (i32.store (i32.const 516) (i32.const {number}))", 1)
    plain = by_hand(KEEPS, env={"A": "1", "B": "2"})
    # "PREINIT_LATE=build", "A=1" and "B=2" stand at 1024, the array behind them.
    array = (1024 + 19 + 4 + 4 + ROOM + 7) & -8
    result = by_hand(keeps.replace("{number}", str(array + 8)), env={"A": "1", "B": "2"})
    assert plain.report.late and result.report.late and result.report.late.entries_held == ()
    assert not elsewhere(result)


@pytest.mark.parametrize(("entry", "name"), [(0, "PREINIT_LATE"), (1, "A")])
def test_a_global_that_holds_a_text_of_the_environment_is_told(entry: int, name: str) -> None:
    keeps = f"""
      (global $text (mut i32) (i32.const 0))
      (func (export "preinit_initialize") (i32.store (i32.const 512) (call $fetch))
        (global.set $text (i32.load offset={entry * 4} (i32.load (i32.const 512)))))
      (func (export "entry") (call $line (global.get $text)))
    """
    result = by_hand(keeps, env={"A": "1"})
    assert result.report.late and result.report.late.variables_held == (name,)
    assert len(elsewhere(result)) == 1 and f"text of the environment variable {name}: " in elsewhere(result)[0]


def test_a_global_that_holds_a_text_of_the_arguments_is_told() -> None:
    keeps = ARGUMENTS.replace("(call $take))", "(call $take)) (global.set $text (i32.load (i32.const 2052)))")
    result = by_hand("(global $text (mut i32) (i32.const 0))" + keeps, late=["args"], args=["a", "b"])
    assert result.report.late and result.report.late.arguments_held == (2,)


def test_a_global_that_holds_the_array_is_told_by_its_index_and_stays_as_it_is() -> None:
    keeps = """
      (global $array (mut i32) (i32.const 0))
      (func (export "preinit_initialize") (i32.store (i32.const 512) (call $fetch))
        (global.set $array (i32.load (i32.const 512))))
      (func (export "entry") (call $print (global.get $array)) (call $print (i32.load (i32.const 512))))
    """
    result = by_hand(keeps, env={"A": "build"})
    assert result.report.late and result.report.late.environment_globals == (2,)
    (said,) = elsewhere(result)
    assert said.startswith("global 2 still holds the address of the build's environment: ")
    assert in_wasmtime(result.wasm, {"A": "own"}) == "PREINIT_LATE=build\nA=build\nA=own\n"


def test_an_array_that_a_global_alone_holds_is_not_bound_and_that_is_said() -> None:
    keeps = """
      (global $array (mut i32) (i32.const 0))
      (func (export "preinit_initialize") (global.set $array (call $fetch)))
      (func (export "entry") (call $print (global.get $array)))
    """
    result = by_hand(keeps)
    assert [warning.code for warning in result.report.warnings] == ["late-environment"]


def test_what_calls_that_have_returned_left_on_the_stack_is_not_told() -> None:
    keeps = """
      (global $__stack_pointer (export "__stack_pointer") (mut i32) (i32.const 1000))
      (data (i32.const 1000) "data")
      (func (export "preinit_initialize") (i32.store (i32.const 1016) (call $fetch))
        (i32.store (i32.const {}) (i32.load offset=4 (i32.load (i32.const 1016))))
        (i32.store (i32.const {}) (i32.add (i32.load (i32.const 1016)) (i32.const 4))))
      (func (export "entry") (call $print (i32.load (i32.const 1016))))
    """
    array = keeps.replace("(i32.add (i32.load (i32.const 1016)) (i32.const 4))", "(i32.load (i32.const 1016))")
    dead = by_hand(array.format(900, 904), env={"A": "1"})
    assert dead.report.late and dead.report.late.environment_words == (1016,)
    left = by_hand(keeps.format(900, 904), env={"A": "1"})
    kept = by_hand(keeps.format(1008, 1012), env={"A": "1"})
    assert (len(elsewhere(left)), len(elsewhere(kept))) == (0, 2)
    assert in_wasmtime(left.wasm, {"A": "own"}) == "A=own\n"
