"""An output fetches the environment of its instance, where libc kept that of the build."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from preinit import Builder, Host, Result, build
from preinit.binary.module import parse
from preinit.errors import LateBinding, TimeLimit, UsageError, WarningsRefused
from preinit.report.text import summary
from preinit.verification import verify
from tests.support.modules import build_text
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


@pytest.mark.parametrize("language", ["world", "plus", "rust", "zig"])
def test_an_environment_may_be_as_large_as_its_host_allows(language: str) -> None:
    given = {"late": ["env"], "rename_funcs": {"_start": "answer"}, "cache": False}
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


def test_environments_around_the_size_of_the_room_are_whole() -> None:
    result = built()
    for size in range((48 << 10) - 24, (48 << 10) + 8):
        value = "y" * size
        assert seen(in_wasmtime(result.wasm, {"A": value}))[1] == [f"A={value}"]


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
    result = built(rename_funcs={"_start": "grow"})
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
    result = by_hand(lucky.replace("{number}", str((1024 + 19 + 7) & -8)))
    facts = result.report.late
    assert facts and (facts.environment_words, facts.elsewhere) == ((512,), 1)
    assert [warning.code for warning in result.report.warnings] == ["late-elsewhere"]
    assert in_wasmtime(result.wasm, {"A": "1"}) == "A=1\n"


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
        by_hand("""
          (func (export "preinit_initialize")
            (drop (call $get (i32.const 2048) (i32.const 4096))) (i32.store (i32.const 512) (i32.const 2048)))
          (func (export "entry") (call $print (i32.load (i32.const 512))))
        """)


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


def test_a_memory_that_can_not_grow_has_no_room() -> None:
    with pytest.raises(LateBinding, match="memory 0 may have 2 pages, and 3 are needed"):
        by_hand(KEEPS, maximum="2")


BLIND = {
    "dropped": "(drop (memory.grow (i32.const 1)))",
    "equal": "(drop (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))",
    "unequal": "(drop (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))",
    "negative": "(drop (i32.lt_s (memory.grow (i32.const 1)) (i32.const 0)))",
    "with -1 before it": "(drop (i32.eq (i32.const -1) (memory.grow (local.get 0))))",
    "through a local": "(local.set 0 (memory.grow (i32.const 1))) (drop (i32.eq (local.get 0) (i32.const -1)))",
    "through a local that is compared at once": """(if (i32.eq (local.tee 0 (memory.grow (i32.const 1)))
      (i32.const -1)) (then (unreachable)))""",
    "through a local, with -1 before it": """(local.set 0 (memory.grow (i32.const 1)))
      (drop (i32.eq (i32.const -1) (local.get 0)))""",
    "through a local that nobody reads": "(local.set 0 (memory.grow (i32.const 1)))",
    "a local that gets another value": """(local.set 0 (memory.grow (i32.const 1)))
      (local.set 0 (i32.const 3)) (global.set $top (local.get 0))""",
    "a local that had another value": """(global.set $top (local.get 0))
      (drop (i32.lt_s (local.tee 0 (memory.grow (i32.const 1))) (i32.const 0)))""",
    "in a loop that sets it first": """(loop (local.set 0 (i32.const 8)) (global.set $top (local.get 0))
      (br_if 0 (i32.ne (local.tee 0 (memory.grow (i32.const 1))) (i32.const -1))))""",
    "in one way of two": """(if (local.get 1) (then (local.set 0 (memory.grow (i32.const 1))))
      (else (global.set $top (local.get 0))))""",
}


@pytest.mark.parametrize("growing", BLIND.values(), ids=BLIND.keys())
def test_a_function_that_grows_memory_and_does_not_look_where_is_refused_by_name(growing: str) -> None:
    with pytest.raises(LateBinding, match="looks only whether that went well") as caught:
        by_hand(f'{KEEPS} (func (export "more") (param i32 i32) {growing})')
    where = caught.value.where
    assert where and where.startswith("byte offset 0x") and "in `more`: the result of `memory.grow`" in where


WRAPPED = {
    "(func $grow (param i32) (result i32) (memory.grow (local.get 0)))": "a body",
    "(func $grow (param i32) (result i32) (return (memory.grow (local.get 0))))": "a return",
}


@pytest.mark.parametrize("function", WRAPPED.keys(), ids=WRAPPED.values())
def test_a_function_that_returns_what_growing_gave_is_as_blind_as_who_calls_it(function: str) -> None:
    calls = '(func (export "more") {}(call $grow (i32.const 1)){})'
    for before, behind in (("(drop ", ")"), ("(drop (i32.eq ", " (i32.const -1)))")):
        with pytest.raises(LateBinding, match="looks only whether that went well") as caught:
            by_hand(f"{KEEPS} {function} {calls.format(before, behind)}")
        assert caught.value.where and "in `more`: " in caught.value.where
    uses = calls.format("(global.set $top (i32.shl ", " (i32.const 16)))")
    assert by_hand(f"{KEEPS} {function} {uses}").wasm


SEEING = {
    "used": "(global.set $top (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))",
    "compared with where it should be": "(drop (i32.eq (memory.grow (i32.const 1)) (global.get $end)))",
    "used from a local": """(local.set 0 (memory.grow (i32.const 1))) (drop (i32.eq (local.get 0) (i32.const -1)))
      (global.set $top (local.get 0))""",
    "used after a block that sets it": """(block (br_if 0 (i32.ne (local.tee 0 (memory.grow (i32.const 1)))
      (i32.const -1))) (local.set 0 (i32.const 0))) (global.set $top (local.get 0))""",
    "used in the next round of a loop": """(loop (global.set $top (local.get 0))
      (br_if 0 (i32.ne (local.tee 0 (memory.grow (i32.const 1))) (i32.const -1))))""",
    "used in the next round of an inner loop": """(loop (local.set 0 (i32.const 1)) (loop (global.set $top (local.get 0))
      (br_if 0 (i32.ne (local.tee 0 (memory.grow (i32.const 1))) (i32.const -1)))))""",
    "a size that is returned": "(global.set $top (i32.shl (memory.size) (i32.const 16)))",
}


@pytest.mark.parametrize("growing", SEEING.values(), ids=SEEING.keys())
def test_a_function_that_looks_where_memory_grew_is_none_of_these(growing: str) -> None:
    result = by_hand(f'{KEEPS} (func (export "more") (param i32 i32) {growing})')
    assert in_wasmtime(result.wasm, {"A": "1"}) == "A=1\n"


@pytest.mark.parametrize(
    "compares",
    [
        "(i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))",
        "(i32.gt_u (i32.mul (memory.size) (i32.const 65536)) (local.get 0))",
        "(i32.le_u (global.get $top) (memory.size))",
    ],
)
def test_a_function_that_compares_an_address_with_the_size_of_memory_is_refused_by_name(compares: str) -> None:
    grows = '(func (export "more") (param i32) (result i32) (memory.grow (i32.const 1)))'
    with pytest.raises(LateBinding, match="compares an address with the size of the memory") as caught:
        by_hand(f'{KEEPS} {grows} (func (export "room") (param i32) (result i32) {compares})')
    assert caught.value.where and caught.value.where.endswith("in `room`: `memory.size`")


#: Ways on which a size gets to a comparison with `$top`; `{}` is what grows memory then, and uses the result.
BYTES = "(i32.shl (memory.size) (i32.const 16))"
KEPT = {
    "in a local": f"(local.set 0 {BYTES}) (br_if 0 (i32.le_u (global.get $top) (local.get 0)))",
    "in a local, in pages": "(local.set 0 (memory.size)) (br_if 0 (i32.le_u (i32.shr_u (i32.add (global.get $top) "
    "(local.get 1)) (i32.const 16)) (local.get 0)))",
    "in a local that another way sets": f"(local.set 1 (global.get $top)) (if (local.get 0) (then (local.set 1 {BYTES})))"
    " (br_if 0 (i32.le_u (global.get $top) (local.get 1)))",
    "in the next round of a loop": f"(local.set 1 (global.get $top)) (loop (br_if 1 (i32.le_u (global.get $top)"
    f" (local.get 1))) (local.set 1 {BYTES}) (br_if 0 (local.get 0)))",
    "from a function": "(local.set 0 (call $size)) (br_if 0 (i32.le_u (global.get $top) (local.get 0)))",
    "from a function that asks another": "(br_if 0 (i32.le_u (global.get $top) (call $bytes)))",
    "in a global": f"(global.set $size {BYTES}) (br_if 0 (i32.le_u (global.get $top) (global.get $size)))",
    "in the function's frame": f"(i32.store offset=8 (local.get 1) {BYTES})"
    " (br_if 0 (i32.le_u (global.get $top) (i32.load offset=8 (local.get 1))))",
    "as what is left": f"(br_if 0 (i32.ge_u (i32.sub {BYTES} (global.get $top)) (local.get 1)))",
    "out of a block": f"(local.set 0 (block (result i32) (drop (br_if 0 {BYTES} (local.get 1))) (i32.const 0)))"
    " (br_if 0 (i32.le_u (global.get $top) (local.get 0)))",
}
GROWS = "(global.set $last (memory.grow (i32.const 1)))"
AROUND = f"""{KEEPS} (global $size (mut i32) (i32.const 0)) (global $last (mut i32) (i32.const 0))
  (func $size (result i32) {BYTES})
  (func $bytes (result i32) (local i32) (local.set 0 (call $size)) (return (local.get 0)))"""


@pytest.mark.parametrize("compares", KEPT.values(), ids=KEPT.keys())
def test_a_size_of_memory_that_is_compared_later_is_found_wherever_it_was_kept(compares: str) -> None:
    with pytest.raises(LateBinding, match="compares an address with the size of the memory") as caught:
        by_hand(f'{AROUND} (func (export "room") (param i32 i32) (block {compares} {GROWS}))')
    assert caught.value.where and caught.value.where.endswith("in `room`: `memory.size`")


#: What allocators do that put what they have at the address at which memory grew.
TOLD = {
    "with where memory grew": f"""(local.set 0 (memory.grow (local.get 1))) (local.set 1 {BYTES})
      (local.set 0 (i32.shl (local.get 0) (i32.const 16))) (br_if 0 (i32.le_u (local.get 1) (local.get 0)))
      (br_if 0 (i32.le_u (i32.sub (local.get 1) (local.get 0)) (global.get $top))) (global.set $top (local.get 0))""",
    "with what a function says of that": f"""(local.set 0 (call $more (local.get 1)))
      (br_if 0 (i32.le_u (local.tee 1 {BYTES}) (local.get 0)))""",
    "after it was the same as that": f"""(local.set 1 {BYTES})
      (br_if 0 (i32.ne (call $more (local.get 0)) (local.get 1))) (drop (i32.lt_u (local.get 1) (global.get $top)))""",
    "with a number": "(local.set 1 (memory.size)) (br_if 0 (i32.gt_u (local.get 1) (i32.const 1000)))",
    "after it is another one": f"""(local.set 1 {BYTES}) (global.set $last (local.get 1))
      (local.set 1 (local.get 0)) (br_if 0 (i32.le_u (global.get $top) (local.get 1)))""",
    "rounded to it": f"""(local.set 0 {BYTES}) (local.set 1 (i32.sub (global.get $top) (local.get 0)))
      (br_if 0 (i32.le_u (local.get 1) (global.get $last)))""",
    "where a function gives either": """(local.set 0 (call $sbrk (local.get 1))) (br_if 0 (i32.ge_u (local.get 0)
      (call $sbrk (i32.const 0))))""",
}


def test_a_size_of_memory_may_be_compared_with_where_it_grew() -> None:
    functions = "".join(f"(func (param i32 i32) (block {one} {GROWS}))" for one in TOLD.values())
    result = by_hand(f"""{AROUND} {functions}
      (func $more (param i32) (result i32) (i32.shl (call $grow (local.get 0)) (i32.const 16)))
      (func $grow (param i32) (result i32) (memory.grow (local.get 0)))
      (func $sbrk (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return {BYTES})))
        (i32.shl (memory.grow (i32.shr_u (local.get 0) (i32.const 16))) (i32.const 16)))""")
    assert in_wasmtime(result.wasm, {"A": "1"}) == "A=1\n"


def test_a_module_that_asks_for_the_size_of_its_memory_and_never_grows_it_is_refused() -> None:
    code = KEEPS + '(func (export "free") (result i32) (i32.sub (memory.size) (global.get $top)))'
    head = HEAD.replace("{maximum}", "")
    start = head.index("(if (i32.gt_u (global.get $top)")
    end = head.index("(drop (call $get", start)
    with pytest.raises(LateBinding, match="which nothing grows") as caught:
        build_text(head[:start] + head[end:] + code + ")", late=["env"], rename_funcs={"_start": "entry"})
    assert caught.value.where and caught.value.where.endswith("in `free`: `memory.size`")


def test_a_program_that_grows_memory_for_nothing_is_told_which_function_does() -> None:
    with pytest.raises(LateBinding, match="a function of the module grows the memory") as caught:
        build(ROOT / "fixtures/cgi/cgi.wasm", late=["env"], cache=False)
    assert "allocator takes" not in str(caught.value) and "leave out what grows memory" in str(caught.value)


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


def test_arguments_that_need_more_room_get_it() -> None:
    result = by_hand(ARGUMENTS, late=["args"], args=["a", "b"])
    for size in (1, 16_379, 16_380, 16_381, 16_382, 16_384, 400_000):
        assert in_wasmtime(result.wasm, args=["p", "y" * size]) == f"p\n{'y' * size}\n"


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
    result = build_text(text, late=["env"])
    assert [memory.pages for memory in result.report.snapshot.memories] == [1, 2]
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
    keeps = """
      (func (export "preinit_initialize") (local $last i32) (i32.store (i32.const 512) (call $fetch))
        ;; the last byte of the last text, whose end lies before the array
        (local.set $last (i32.sub (i32.add (i32.const 1024) (i32.load (i32.const 4))) (i32.const 2)))
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
        (local.set $copy (i32.const 30000))  ;; as setenv does: another array, with the same addresses and one more
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
    array = (1024 + 19 + 4 + 4 + 7) & -8
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
      (func (export "preinit_initialize") (i32.store (i32.const 2000) (call $fetch))
        (i32.store (i32.const {}) (i32.load offset=4 (i32.load (i32.const 2000))))
        (i32.store (i32.const {}) (i32.add (i32.load (i32.const 2000)) (i32.const 4))))
      (func (export "entry") (call $print (i32.load (i32.const 2000))))
    """
    left = by_hand(keeps.format(900, 904), env={"A": "1"})
    kept = by_hand(keeps.format(2004, 2008), env={"A": "1"})
    assert (len(elsewhere(left)), len(elsewhere(kept))) == (0, 2)
    assert in_wasmtime(left.wasm, {"A": "own"}) == "A=own\n"
