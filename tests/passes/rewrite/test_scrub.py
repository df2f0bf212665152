"""Zeroing the dead part of a stack that provably lies at the bottom of memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from preinit import Result
from preinit.errors import InvalidModule, StackLayout, UsageError
from tests.support.command import fails, run
from tests.support.instances import Running
from tests.support.modules import build_text, wasm

ENGINES = pytest.mark.parametrize("engine", ["whole", "ondemand"])

TOP = 4096

#: What a compiler makes of functions with arrays on the stack: a table is computed there, and its sum is kept.
BODY = """
  (func $sum (param $n i32) (result i32) (local $frame i32) (local $i i32) (local $sum i32)
    (global.set $__stack_pointer (local.tee $frame (i32.sub (global.get $__stack_pointer) (i32.const 1024))))
    (loop $fill
      (i32.store (i32.add (local.get $frame) (i32.shl (local.get $i) (i32.const 2))) (i32.mul (local.get $i) (local.get $n)))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 256))))
    (loop $add
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (local.set $sum (i32.add (local.get $sum) (i32.load (i32.add (local.get $frame) (i32.shl (local.get $i) (i32.const 2))))))
      (br_if $add (local.get $i)))
    (global.set $__stack_pointer (i32.add (local.get $frame) (i32.const 1024)))
    (local.get $sum))
  (func (export "wizer-initialize") (i32.store (i32.const 4200) (call $sum (i32.const 3))))
  (func (export "kept") (result i32) (i32.load (i32.const 4200)))
  (func (export "more") (param i32) (result i32) (i32.add (call $sum (local.get 0)) (i32.load8_u (i32.const 4096))))
"""


def module(
    pointer: str = f"(global $__stack_pointer (mut i32) (i32.const {TOP}))",
    data: str = f'(data (i32.const {TOP}) "data")',
    memory: str = '(memory (export "memory") 1)',
    body: str = BODY,
) -> str:
    return f"(module {memory} {pointer} {data} {body})"


def answers(result: Result) -> list[list[bytes]]:
    running = Running(result.wasm)
    called = [running.call("kept", results=1)]
    return called + [running.call("more", number.to_bytes(4, "little"), results=1) for number in (1, 5, 3)]


@ENGINES
def test_what_returned_calls_left_is_zeroed_and_the_guest_does_the_same(engine: str) -> None:
    kept, scrubbed = (build_text(module(), engine=engine, scrub_stack=scrub) for scrub in (False, True))
    assert answers(kept) == answers(scrubbed)
    assert any(Running(kept.wasm).state().memories[0][:TOP])
    before, after = (Running(result.wasm).state().memories[0] for result in (kept, scrubbed))
    assert after == bytes(TOP) + before[TOP:]
    facts = scrubbed.report.scrub_stack
    assert facts is not None
    assert (facts.stack_top, facts.stack_pointer) == (TOP, TOP)
    assert facts.bytes_zeroed == TOP - before[:TOP].count(0)
    assert facts.bytes_saved > 500
    # The data right above the stack gets a segment of its own, which the window does not see.
    assert abs(len(kept.wasm) - len(scrubbed.wasm) - facts.bytes_saved) < 10
    assert kept.report.scrub_stack is None


@ENGINES
def test_frames_that_are_alive_stay(engine: str) -> None:
    body = """(func (export "wizer-initialize")
        (i32.store (i32.const 3000) (i32.const 0x01020304)) (i32.store (i32.const 4000) (i32.const 0x05060708))
        (global.set $__stack_pointer (i32.const 3900)))"""
    result = build_text(module(body=body), engine=engine, scrub_stack=True)
    memory = Running(result.wasm).state().memories[0]
    assert memory[4000:4004] == b"\x08\x07\x06\x05"
    assert not any(memory[:3900])
    assert result.report.scrub_stack is not None
    assert (result.report.scrub_stack.stack_pointer, result.report.scrub_stack.bytes_zeroed) == (3900, 4)


def test_a_64_bit_stack_is_found() -> None:
    text = module(
        pointer=f"(global $__stack_pointer (mut i64) (i64.const {TOP}))",
        data=f'(data (i64.const {TOP}) "data")',
        memory="(memory i64 1)",
        body='(func (export "wizer-initialize") (i32.store (i64.const 100) (i32.const -1)))',
    )
    facts = build_text(text, scrub_stack=True).report.scrub_stack
    assert facts is not None
    assert facts.bytes_zeroed == 4


def test_a_stack_pointer_that_only_an_export_names_is_found() -> None:
    text = module(f'(global (export "__stack_pointer") (mut i32) (i32.const {TOP}))', body=EMPTY)
    assert build_text(text, scrub_stack=True).report.scrub_stack


EMPTY = '(func (export "wizer-initialize"))'
POINTER = "$__stack_pointer"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (module(f"(global $sp (mut i32) (i32.const {TOP}))", body=EMPTY), "no global is called `__stack_pointer`"),
        (module(f"(global {POINTER} i32 (i32.const {TOP}))", body=EMPTY), "not a mutable global"),
        (module(f"(global {POINTER} (mut i64) (i64.const {TOP}))", body=EMPTY), "not a mutable global"),
        (module(f"(global {POINTER} (mut i32) (i32.const 0))", body=EMPTY), "not a constant above 0"),
        (module(f"(global {POINTER} (mut i32) (i32.add (i32.const 1) (i32.const 1)))", body=EMPTY), "not a constant"),
        (
            module(
                f'(global {POINTER} (mut i32) (i32.const 1)) (global (export "__stack_pointer") (mut i32) (i32.const 1))',
                body=EMPTY,
            ),
            "2 globals are called",
        ),
        (module(data="", body=EMPTY), "no active data segment shows"),
        (module(data='(data "passive")', body=EMPTY), "no active data segment shows"),
        (module(data=f'(data (i32.const {TOP - 1}) "data")', body=EMPTY), "the stack comes after the data"),
        (module(data='(data (i32.const 5000) "a") (data (i32.const 1024) "b")', body=EMPTY), "the stack comes after"),
        (
            module(data='(data (i32.add (i32.const 5000) (i32.const 1)) "a")', body=EMPTY),
            "its offset is not a plain constant",
        ),
        (
            module(
                f'(global {POINTER} (mut i32) (i32.const {TOP})) (global (export "__heap_base") i32 (i32.const {TOP}))',
                body=EMPTY,
            ),
            "the heap begins at 0x1000",
        ),
        (module(memory='(import "env" "memory" (memory 1))', body=EMPTY), "no memory of its own"),
        ('(module (func (export "wizer-initialize")))', "no memory of its own"),
        (
            module(body=f'(func (export "wizer-initialize") (global.set {POINTER} (i32.const {TOP + 16})))'),
            "the stack pointer is 0x1010 after the initializer",
        ),
        (
            module(body=f'(func (export "wizer-initialize") (global.set {POINTER} (i32.const 0)))'),
            "the stack pointer is 0x0 after",
        ),
        (
            module(f"(global {POINTER} (mut i32) (i32.const 131072))", '(data (i32.const 65535) "")', body=EMPTY),
            "no active data segment shows",
        ),
    ],
    ids=lambda value: value if value.count(" ") < 10 else "",
)
def test_what_is_not_proven_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(StackLayout) as caught:
        build_text(text, scrub_stack=True)
    assert words in str(caught.value)
    assert caught.value.code == "stack-layout"
    build_text(text)


def test_an_invalid_module_is_an_error_of_its_own() -> None:
    text = module(f'(global {POINTER} (mut i32) (i32.const {TOP})) (export "__heap_base" (global 7))', body=EMPTY)
    with pytest.raises(InvalidModule):
        build_text(text, scrub_stack=True)


def test_the_dead_stack_is_no_finding_of_an_audit() -> None:
    body = """(func (export "wizer-initialize") (drop (call $random (i32.const 100) (i32.const 16)))
        (i32.store (i32.const 5000) (i32.load (i32.const 100))))"""
    text = module(body=body).replace(
        "(module", '(module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))'
    )
    kept, scrubbed = (build_text(text, audit=True, scrub_stack=scrub).report.audit for scrub in (False, True))
    assert kept is not None
    assert scrubbed is not None
    assert [(entry.offset, entry.name) for entry in kept] == [(100, "stack"), (5000, None)]
    assert [entry.offset for entry in scrubbed] == [5000]


def test_an_option_that_is_no_boolean_is_refused() -> None:
    with pytest.raises(UsageError, match="scrub_stack must be True or False"):
        build_text(module(), scrub_stack="yes")


def test_the_command_says_what_it_zeroed(tmp_path: Path) -> None:
    source, report = tmp_path / "in.wasm", tmp_path / "report.json"
    source.write_bytes(wasm(module()))
    done = run("build", source, "--scrub-stack", "--report", report, "-o", tmp_path / "out.wasm", code=0)
    facts = json.loads(report.read_text())["scrub_stack"]
    assert facts["stack_top"] == facts["stack_pointer"] == TOP
    assert f"stack: {facts['bytes_zeroed']:,} bytes zeroed" in done.stderr.decode()


def test_the_command_refuses_before_anything_runs() -> None:
    text = '(module (memory 1) (func (export "wizer-initialize") unreachable))'
    said = fails("build", "-", "--scrub-stack", stdin=wasm(text))
    assert "error[stack-layout]" in said
    assert "--stack-first" in said
