"""Initializers that are given data: bytes in memory that the module allocates, words that it returned, results."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preinit import Call, Host, Result, Returned, Word, build
from preinit.binary.module import parse
from preinit.errors import (
    GuestTrap,
    InitializerRefused,
    InitializerType,
    MemoryLimit,
    UnknownExport,
    UsageError,
)
from preinit.options.calls import call_of
from tests.support.command import fails, run
from tests.support.modules import build_text, wasm

#: Adds up bytes, and returns where it says so: discriminant, sum, length; an empty text is refused.
ADDER = """(module
  (memory (export "memory") 1) (data (i32.const 900) "nothing to \\1b[31madd")
  (global $free (mut i32) (i32.const 2048)) (global $seen (export "seen") (mut i64) (i64.const 0))
  (func (export "cabi_realloc") (param $old i32) (param i32) (param $align i32) (param $size i32) (result i32)
    (local $place i32)
    (if (i32.or (local.get $old) (i32.ne (local.get $align) (i32.const 8))) (then (unreachable)))
    (local.set $place (global.get $free))
    (global.set $free (i32.add (local.get $place) (i32.add (local.get $size) (i32.const 8))))
    (local.get $place))
  (func (export "add") (param $place i32) (param $size i32) (result i32) (local $i i32)
    (i32.store8 (i32.const 512) (i32.eqz (local.get $size)))
    (i32.store (i32.const 516) (i32.const 0)) (i32.store (i32.const 520) (local.get $size))
    (if (i32.eqz (local.get $size)) (then
      (i32.store (i32.const 516) (i32.const 900)) (i32.store (i32.const 520) (i32.const 19))
      (return (i32.const 512))))
    (loop
      (i32.store (i32.const 516) (i32.add (i32.load (i32.const 516))
        (i32.load8_u (i32.add (local.get $place) (local.get $i)))))
      (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $size))))
    (i32.const 512))
  (func (export "keep") (param $sum i32) (param $size i32) (param $more i64)
    (global.set $seen (i64.add (i64.extend_i32_u (i32.add (local.get $sum) (local.get $size))) (local.get $more))))
  (func (export "two") (param i32 i32 i32 i32) (result i32)
    (i32.add (i32.mul (i32.load8_u (local.get 0)) (i32.const 256)) (i32.load8_u (local.get 2))))
  (func (export "far") (result i32) (i32.const 65536))
  (func (export "wide") (param i64 i64)))"""


def seen(binary: bytes) -> int:
    module = parse(binary)
    export = module.exported("seen")
    assert export
    from preinit.binary.constexpr import integer_of

    initializer = module.globals[export.target].initializer
    assert initializer
    value = integer_of(initializer)
    assert value is not None
    return value


@pytest.mark.parametrize("engine", ["whole", "ondemand"])
def test_a_call_gets_data_and_the_next_one_what_it_returned(engine: str) -> None:
    calls = [Call("add", b"abc", returns="result"), Call("keep", Word(4), Word(8), 1000)]
    result = build_text(ADDER, init_funcs=calls, engine=engine)
    assert seen(result.wasm) == sum(b"abc") + 3 + 1000
    assert [(run.function, run.arguments, run.results) for run in result.report.runs] == [
        ("add", ("3 bytes",), (512,)),
        ("keep", ("*4", "*8", "1000"), ()),
    ]
    assert {"add", "keep"} & parse(result.wasm).exported_names == set()
    assert "cabi_realloc" in parse(result.wasm).exported_names


@given(st.binary(min_size=1, max_size=300), st.integers(-(1 << 62), 1 << 62))
def test_all_data_arrives(data: bytes, more: int) -> None:
    result = build_text(ADDER, init_funcs=[Call("add", data), Call("keep", Word(4), Word(8), more)])
    assert seen(result.wasm) & (1 << 64) - 1 == (sum(data) + len(data) + more) & (1 << 64) - 1


def test_several_data_have_places_of_their_own() -> None:
    result = build_text(ADDER, init_funcs=[Call("two", b"\x07", b"\x09")])
    assert result.report.runs[0].results == (7 * 256 + 9,)


def test_an_error_that_is_returned_fails_the_build() -> None:
    with pytest.raises(InitializerRefused, match="'add' refuses: nothing to"):
        build_text(ADDER, init_funcs=[Call("add", b"", returns="result")])
    assert build_text(ADDER, init_funcs=[Call("add", b"")]).wasm


def test_an_audit_gives_the_same_data() -> None:
    assert (
        build_text(ADDER, init_funcs=[Call("add", b"abc"), Call("keep", Word(4), Word(8), 0)], audit=True).report.audit
        == ()
    )


@pytest.mark.parametrize(
    ("call", "problem", "said"),
    [
        (Call("nobody", b""), UnknownExport, "nobody"),
        (Call("add", 1), InitializerType, "takes 2 arguments, 1 would be given"),
        (Call("add", b"", b""), InitializerType, "takes 2 arguments, 4 would be given"),
        (Call("keep", b"", 3.5), InitializerType, "'3.5' is not a number of type i64"),
        (Call("keep", 0, b""), InitializerType, "addresses and lengths of 32 bits"),
        (Call("keep", 1, 2, 1 << 64), InitializerType, "is not a number"),
        (Call("wide", b""), InitializerType, "not as i64"),
        (Call("keep", 1, 2, 3, returns="result"), InitializerType, "returns something else"),
        (Call("keep", Word(1 << 30), 0, 0), GuestTrap, "outside of memory"),
        (Call("far", returns="result"), GuestTrap, "outside of memory"),
        (Call("add", bytes(70000)), MemoryLimit, "has no room for 70000 bytes"),
    ],
)  # fmt: skip
def test_calls_that_do_not_fit_are_refused(call: Call, problem: type[Exception], said: str) -> None:
    with pytest.raises(problem, match=said):
        build_text(ADDER, init_funcs=["cabi_realloc(0,0,8,0)", call])


def test_there_is_no_word_where_no_call_returned_an_address() -> None:
    for call in (Call("cabi_realloc", 0, 0, 8, Word(2)), Call("keep", Returned(), 0, 0)):
        with pytest.raises(InitializerType, match="the call before returned: there is none"):
            build_text(ADDER, init_funcs=[call])


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ('(module (func (export "f") (param i32 i32)))', "exports no memory of 32 bits"),
        ('(module (memory (export "memory") i64 1) (func (export "f") (param i32 i32)))', "exports no memory"),
        ('(module (memory (export "memory") 1) (func (export "f") (param i32 i32)))', "nothing that allocates"),
        ('(module (memory (export "memory") 1) (func (export "malloc") (param i64) (result i32) (i32.const 0)) '
         '(func (export "f") (param i32 i32)))', "nothing that allocates"),
    ],
)  # fmt: skip
def test_a_module_that_can_t_take_data_is_refused(module: str, said: str) -> None:
    with pytest.raises(InitializerType, match=said):
        build_text(module, init_funcs=[Call("f", b"data")])


def test_c_s_malloc_allocates_too_and_null_means_that_there_is_no_room() -> None:
    text = """(module (memory (export "memory") 1) (func (export "malloc") (param i32) (result i32) (i32.const {}))
      (func (export "f") (param i32 i32) (result i32) (i32.load8_u (local.get 0))))"""
    assert build_text(text.format(64), init_funcs=[Call("f", b"\x2a")]).report.runs[0].results == (42,)
    with pytest.raises(MemoryLimit, match="malloc"):
        build_text(text.format(0), init_funcs=[Call("f", b"\x2a")])
    assert build_text(text.format(0), init_funcs=[Call("f", b"")]).wasm


def test_an_allocator_that_traps_is_told_of() -> None:
    text = """(module (memory (export "memory") 1) (func $allocate (export "malloc") (param i32) (result i32) unreachable)
      (func (export "f") (param i32 i32)))"""
    with pytest.raises(GuestTrap) as caught:
        build_text(text, init_funcs=[Call("f", b"data")])
    assert [frame.name for frame in caught.value.frames] == ["allocate"]


def test_the_command_reads_data_from_files(tmp_path: Path) -> None:
    module, data, out = tmp_path / "adder.wasm", tmp_path / "data.txt", tmp_path / "out.wasm"
    module.write_bytes(wasm(ADDER))
    data.write_bytes(b"abc")
    run("build", module, "-f", f"add(@{data})?", "-f", "keep(*4,*8,7)", "-o", out, code=0)
    assert seen(out.read_bytes()) == sum(b"abc") + 3 + 7
    data.write_bytes(b"")
    said = fails("build", module, "-f", f"add(@{data})?", "-o", tmp_path / "other.wasm")
    assert "error[initializer-refused]" in said
    assert "\x1b" not in said
    assert "can't be read" in fails("build", module, "-f", "add(@missing.txt)", "-o", tmp_path / "other.wasm", code=2)
    assert not (tmp_path / "other.wasm").exists()


@pytest.mark.parametrize("quote", ["", '"'], ids=["bare", "quoted"])
def test_the_name_of_a_file_of_data_need_be_no_utf8(tmp_path: Path, quote: str) -> None:
    module, folder, out = tmp_path / "adder.wasm", tmp_path / os.fsdecode(b"dir\xff"), tmp_path / "out.wasm"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("names of files are UTF-8 here")
    module.write_bytes(wasm(ADDER))
    (folder / "data.txt").write_bytes(b"abc")
    run("build", module, "-f", f"add(@{quote}{folder}/data.txt{quote})?", "-f", "keep(*4,*8,0)", "-o", out, code=0)
    assert seen(out.read_bytes()) == sum(b"abc") + 3
    said = fails("build", module, "-f", f"add(@{quote}{folder}/none.txt{quote})", "-o", out, code=2)
    assert "can't be read" in said
    assert "not UTF-8" in fails("build", module, "-f", os.fsdecode(b'add("\xff")'), "-o", out, code=2)


def test_the_report_has_digests_of_data_with_which_the_build_can_be_repeated(tmp_path: Path) -> None:
    module, data, out, report = (tmp_path / name for name in ("adder.wasm", "data.txt", "out.wasm", "report.json"))
    module.write_bytes(wasm(ADDER))
    data.write_bytes(b"abc")
    calls = ("-f", f"add(@{data})?", "-f", "keep(*4,*8,7)")
    run("build", module, *calls, "-o", out, "--report", report, code=0)
    first, second = json.loads(report.read_text())["options"]["init_funcs"]
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert first == {"name": "add", "arguments": [{"size": 3, "sha256": sha256}], "returns": "result"}
    assert second == {"name": "keep", "arguments": [{"word": 4}, {"word": 8}, 7], "returns": None}
    run("verify", module, out, *calls, code=0)
    run("verify", module, out, "--from-report", report, *calls, code=0)
    assert "does not hold the data" in fails("verify", module, out, "--from-report", report, code=2)
    data.write_bytes(b"abd")
    assert "are not those of the build" in fails("verify", module, out, "--from-report", report, *calls, code=2)


def test_what_a_call_is_given_is_no_part_of_the_world() -> None:
    """The ledger has what the guest asked for: nothing."""
    report = build(wasm(ADDER), init_funcs=[Call("add", b"abc")], host=Host(stdin=b"x"), cache=False).report
    assert not report.host.calls


# -- what is returned

STATUS = """(module (memory (export "memory") 1)
  (func (export "init") (result i32) (i32.store (i32.const 8) (i32.const 7)) (i32.const {returned}))
  (func (export "wide") (param i64) (result i64) (local.get 0))
  (func (export "half") (result f64) (f64.const 0.5))
  (func (export "none")) (func (export "get") (result i32) (i32.load (i32.const 8))))"""


def status(returned: int, *calls: str | Call, strict: bool = False) -> Result:
    return build_text(STATUS.format(returned=returned), init_funcs=calls, strict=strict)


@pytest.mark.parametrize("returned", [1, -1, 28])
def test_a_number_that_says_that_the_initializer_failed_is_warned_of(returned: int) -> None:
    warnings = status(returned, "init").report.warnings
    assert [warning.code for warning in warnings] == ["initializer-result"]
    assert f"'init' returned {returned}:" in warnings[0].message
    assert f'`init_funcs=["init()=0"]`; where {returned} does: `init_funcs=["init()={returned}"]`' in warnings[0].hint
    assert status(returned, f"init()={returned}", strict=True).report.warnings == ()


def test_zero_and_numbers_of_other_types_are_no_such_sign() -> None:
    assert status(0, "init", strict=True).wasm == status(0, "init()=0").wasm
    assert status(0, "wide(5)", "half", "none").report.warnings == ()


def test_an_address_from_which_the_next_call_takes_words_is_no_such_sign() -> None:
    calls = [Call("add", b"abc"), Call("keep", Word(4), Word(8), 0)]
    assert build_text(ADDER, init_funcs=calls).report.warnings == ()


@pytest.mark.parametrize("returned", [1, -1])
def test_another_number_than_the_call_says_is_an_error(returned: int) -> None:
    for call in ("init()=0", Call("init", returns=0)):
        with pytest.raises(InitializerRefused, match=f"'init' returned {returned}, and its call says 0"):
            status(returned, call)


@pytest.mark.parametrize(
    "call", ["wide(7)=7", "wide(-1)=0xffffffffffffffff", "half()=0.5", "half()= 5e-1", "init()=-1"]
)
def test_every_number_can_be_said_to_be_returned(call: str) -> None:
    status(-1, call)
    status(-1, call_of(call, str.encode))


@pytest.mark.parametrize(("call", "said"), [
    ("none()=0", "has one result, a number"), ("init()=x", "number that must be returned"), ("init()=0.5", "not a number of type"),
    ("init()=", "number that must be returned"), (Call("none", returns=3), "has one result, a number"),
])  # fmt: skip
def test_what_can_not_be_returned_is_refused(call: str | Call, said: str) -> None:
    with pytest.raises((InitializerType, UsageError), match=said):
        status(0, call)


def test_data_and_what_must_be_returned_can_be_said_of_one_call(tmp_path: Path) -> None:
    module, data, out, report = (tmp_path / name for name in ("adder.wasm", "data.txt", "out.wasm", "report.json"))
    module.write_bytes(wasm(ADDER))
    data.write_bytes(b"abc")
    run("build", module, "-f", f"add(@{data})=512", "--strict", "-o", out, "--report", report, code=0)
    run("verify", module, out, "--from-report", report, "-f", f"add(@{data})=512", code=0)
    assert "returned 512, and its call says 0" in fails("build", module, "-f", f"add(@{data})=0", "-o", out)


@pytest.mark.parametrize("returned", [0, 1, 2, 7, 8, -4])
def test_a_status_is_not_taken_for_a_result_that_says_that_all_is_well(returned: int) -> None:
    """At 8 there is a 7, which is neither an error nor none."""
    with pytest.raises((InitializerRefused, GuestTrap)) as caught:
        status(returned, Call("init", returns="result"))
    if returned >= 0:
        assert "no result is there" in str(caught.value)


@pytest.mark.parametrize("results", ["i32 i32", "f32", "f64"])
def test_a_word_in_memory_is_read_where_the_call_before_returned_one_address(results: str) -> None:
    constants = "".join(f"({kind}.const 512)" for kind in results.split())
    text = f"""(module (memory (export "memory") 1) (data (i32.const 516) "M")
      (func (export "before") (result {results}) {constants})
      (func (export "address") (result i32) (i32.const 512))
      (func (export "take") (param i32) (i32.store (i32.const 8) (local.get 0))))"""
    with pytest.raises(InitializerType, match=r"`\*4` .* stands for a word in memory"):
        build_text(text, init_funcs=("before", Call("take", Word(4))))
    result = build_text(text, init_funcs=("address", Call("take", Word(4))))
    assert result.wasm.count(b"M") == 2
