"""Outputs of programs that were paused: right ones are accepted, wrong ones are not."""

from __future__ import annotations

import pytest

from preinit import build, verify
from preinit.errors import Mismatch
from preinit.options import Host
from tests.support.modules import wasm


def adder(first: int, more: str = "") -> bytes:
    """A command that reads a digit, adds it to `first`, and prints the sum as a letter; `more` before it reads."""
    return wasm(f"""(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 8) "\\20\\00\\00\\00\\01\\00\\00\\00")
  (func $print (param i32) (i32.store8 (i32.const 32) (local.get 0))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4))))
  (func $get (result i32) (drop (call $read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 4)))
    (i32.sub (i32.load8_u (i32.const 32)) (i32.const 48)))
  (func (export "_start") (local $sum i32) (local.set $sum (i32.const {first})) {more}
    (local.set $sum (i32.add (local.get $sum) (call $get)))
    (call $print (i32.add (i32.const 65) (local.get $sum))) (call $exit (local.get $sum))))""")


def world(stdin: bytes) -> Host:
    return Host(stdin=stdin)


@pytest.mark.parametrize("stdin", [b"3", b"7", b""])
def test_an_output_goes_on_as_its_input_would(stdin: bytes) -> None:
    binary = adder(2, "(call $print (i32.const 66))")
    output = build(binary, pause_at="stdin", cache=False).wasm
    found = verify(binary, output, run=True, call_host=world(stdin), pause_at="stdin", cache=False)
    assert [call.outcome for call in found.calls] == ["exit"]


def test_a_program_is_run_once_for_each_input() -> None:
    binary = adder(2)
    output = build(binary, pause_at="stdin", cache=False).wasm
    inputs = [b"3", b"7"]
    found = verify(binary, output, run=True, call_stdins=inputs, pause_at="stdin", cache=False)
    assert [(call.call, call.detail) for call in found.calls] == [
        ("_start, input 1 of 2", "exits with 5"),
        ("_start, input 2 of 2", "exits with 9"),
    ]


@pytest.mark.parametrize("stdin", [b"", b"1", b"12"])
def test_what_was_read_before_the_pause_is_read_again_in_the_same_pieces_and_with_its_end(stdin: bytes) -> None:
    read = "(drop (call $read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 4)))"
    how_much = "(call $print (i32.add (i32.const 48) (i32.load (i32.const 4))))"
    two = "(i32.store (i32.const 12) (i32.const 2))"
    binary = adder(
        2, f"{two} {read} (local.set $sum (i32.load (i32.const 4))) {read} {how_much} {two} {read} {how_much}"
    )
    options = {"pause_at": "import:wasi_snapshot_preview1.fd_read#3", "cache": False}
    built = Host(stdin=stdin)
    output = build(binary, host=built, **options).wasm  # type: ignore[arg-type]
    found = verify(
        binary,
        output,
        run=True,
        host=built,
        call_host=Host(),
        call_stdins=[b"345", b""],
        **options,  # type: ignore[arg-type]
    )
    assert len(found.calls) == 2


def test_what_is_printed_again_is_printed_by_both() -> None:
    binary = adder(2, "(call $print (i32.const 66))")
    output = build(binary, pause_at="stdin", replay_output=True, cache=False).wasm
    options = {"pause_at": "stdin", "replay_output": True, "cache": False}
    assert verify(binary, output, run=True, call_host=world(b"1"), **options).calls  # type: ignore[arg-type]


def test_an_output_of_another_program_is_refused() -> None:
    output = build(adder(4), pause_at="stdin", cache=False).wasm
    with pytest.raises(Mismatch):
        verify(adder(2), output, run=True, pause_at="stdin", cache=False)


def test_a_local_with_another_value_is_noticed() -> None:
    binary = adder(2)
    output = build(binary, pause_at="stdin", cache=False).wasm
    right = b"\x41\x02"  # i32.const 2, in the continuation: the last place where it stands
    place = output.rindex(right)
    wrong = output[:place] + b"\x41\x05" + output[place + 2 :]
    with pytest.raises(Mismatch, match="code of function"):
        verify(binary, wrong, pause_at="stdin", cache=False)


def test_an_output_of_another_pause_is_refused() -> None:
    binary = adder(2, "(call $print (i32.const 66))")
    output = build(binary, pause_at="import:wasi_snapshot_preview1.fd_write", cache=False).wasm
    with pytest.raises(Mismatch):
        verify(binary, output, pause_at="stdin", cache=False)


def test_an_export_that_may_be_called_again_is_verified_with_its_global() -> None:
    binary = wasm("""(module (import "env" "tick" (func $tick)) (global $n (mut i32) (i32.const 4))
      (func (export "handle") (param i32) (result i32) (call $tick) (i32.add (local.get 0) (global.get $n))))""")
    options = {"init_funcs": ["handle(7)"], "pause_at": "import:env.tick", "stubs": {"env.tick": "zero"}}
    output = build(binary, cache=False, **options).wasm  # type: ignore[arg-type]
    assert verify(binary, output, cache=False, **options)  # type: ignore[arg-type]
    added = b"\x7f\x01\x41\x00\x0b"
    assert output.count(added) == 1
    with pytest.raises(Mismatch, match="global 1"):
        verify(binary, output.replace(added, b"\x7f\x01\x41\x01\x0b"), cache=False, **options)  # type: ignore[arg-type]
