"""`preinit bench` as users run it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from preinit import Host, build
from preinit.bench import measure
from scripts.component_shapes import initializer
from tests.support.command import GOOD, LOOP, fails, run
from tests.support.modules import wasm
from tests.support.places import FIXTURES

COMPONENTS = sorted((FIXTURES / "shapes/components").glob("*as-arguments.wat"))

FEW = ("--rounds", "3", "--seconds", "0.1")


@pytest.fixture
def ready(good: Path, tmp_path: Path) -> Path:
    """What a build makes of that module."""
    path = tmp_path / "ready.wasm"
    path.write_bytes(build(good, cache=False).wasm)
    return path


def test_a_table_goes_to_standard_output(good: Path, ready: Path) -> None:
    done = run("bench", good, ready, *FEW, "--call", "run", code=0)
    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == ["original", "output"]
    assert [line.strip().split("  ")[0] for line in lines[1:3]] == ["start, median", "start, middle half"]
    assert re.search(r"start, median +[\d.]+ (us|ms) +[\d.]+ (us|ms)  [\d.]+ times faster", lines[1])
    assert "original: instantiate, wizer-initialize, run" in lines
    assert "output: instantiate, run" in lines
    assert lines[-1].startswith("wasmtime ")


def test_json_goes_to_standard_output_or_a_file(good: Path, ready: Path, tmp_path: Path) -> None:
    facts = json.loads(run("bench", "--json", good, ready, *FEW, code=0).stdout)
    assert facts["version"] == 1
    assert facts["original"]["functions"] == ["wizer-initialize"]
    assert facts["output"]["start"]["rounds"] == 3
    assert facts["ratio"] == facts["original"]["start"]["median"] / facts["output"]["start"]["median"]
    done = run("bench", good, ready, *FEW, f"--json={tmp_path / 'j'}", code=0)
    assert b"start, median" in done.stdout
    assert json.loads((tmp_path / "j").read_text())["output"]["size"]["raw"] == ready.stat().st_size


def test_the_page_has_a_chart_and_escaped_names(good: Path, ready: Path, tmp_path: Path) -> None:
    strange = tmp_path / "<i>&.wasm"
    strange.write_bytes(ready.read_bytes())
    run("bench", good, strange, *FEW, "--html", tmp_path / "page.html", code=0)
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 2
    assert "<i>" not in page
    assert "&lt;i&gt;&amp;.wasm" in page
    numbers = [float(n) for n in re.findall(r'<rect x="[\d.]+" y="[\d.]+" width="([\d.]+)"', page)]
    assert len(numbers) >= 8
    assert all(0 < number <= 640 for number in numbers)


def test_what_is_said_meanwhile_goes_to_standard_error(good: Path, ready: Path) -> None:
    said = run("bench", good, ready, *FEW, "-v", code=0).stderr.decode()
    assert "compiling the output" in said
    assert "measuring, round 3 of 3" in said
    assert run("bench", good, ready, *FEW, "-q", code=0).stderr == b""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["GOOD", "no-such-file"], 2, "'no-such-file' can't be read"),
        (["-", "-"], 2, "can't both be standard input"),
        (["GOOD", "READY", "--html", "READY"], 2, "would overwrite the input"),
        (["GOOD", "READY", "-f", "run(@text)", "--html", "text"], 2, "would overwrite the input 'text'"),
        (["GOOD", "READY", "--html", "x", "--json=x"], 2, "can't both go to one place"),
        (["GOOD", "READY", "--json="], 2, "is empty"),
        (["GOOD", "READY", "-f", "runn"], 1, "Exported functions: 'run'"),
        (["GOOD", "READY", "--call", "run(1)"], 1, "the function takes 0 arguments"),
        (["WORD", "READY", "--call", "run"], 1, "Write numbers for them: --call 'run(<i32>)'"),
        (["GOOD", "READY", "--call", "wizer-initialize"], 1, "where: the output\n"),
        (["READY", "READY"], 1, "error[no-initializer]"),
        (["GOOD", "TEXT"], 1, "error[not-wasm]"),
        (["GOOD", "TEXT"], 1, "where: the output"),
        (["LOOP", "READY", "--timeout", "0.2"], 1, "the measurement took longer than its time limit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_said(
    good: Path, ready: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "text").write_text("no module")
    (tmp_path / "word").write_bytes(wasm(GOOD.replace('(export "run")', '(export "run") (param i32)')))
    (tmp_path / "loop").write_bytes(wasm(LOOP))
    names = {"GOOD": good, "READY": ready, **{name.upper(): tmp_path / name for name in ("text", "word", "loop")}}
    before = ready.read_bytes()
    assert words in fails("bench", *(names.get(a, a) for a in arguments), code=code, stdin=wasm(GOOD))
    assert ready.read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [["--rounds", "2"], ["--seconds", "0"], ["--engine", "v8"], []], ids=lambda value: " ".join(value)
)
def test_wrong_usage_is_refused_by_the_parser(good: Path, arguments: list[str]) -> None:
    run("bench", good, *([good] if arguments else []), *arguments, code=2)


def test_a_module_that_is_compared_with_itself_is_noted(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD))
    one = run("bench", "in.wasm", "in.wasm", *FEW, cwd=tmp_path, code=0)
    assert "IN and OUT hold the same bytes" in one.stderr.decode()
    assert b"same bytes" not in run("bench", "in.wasm", "in.wasm", *FEW, "-q", cwd=tmp_path, code=0).stderr


def test_components_are_measured_in_the_runtime_for_components(tmp_path: Path) -> None:
    component, ready = FIXTURES / "component.wat", tmp_path / "ready.wasm"
    learn = """learn(["one", "two"])"""
    run("build", component, "-f", learn, "-o", ready, code=0)
    found = json.loads(run("bench", component, ready, "-f", learn, "--call", "say", *FEW, "--json", code=0).stdout)
    assert found["original"]["functions"] == ["learn", "say"]
    assert found["output"]["functions"] == ["say"]
    assert found["original"]["start"]["rounds"] == found["output"]["start"]["rounds"] >= 3
    assert found["output"]["size"]["raw"] == ready.stat().st_size
    assert "wasmtime only" in fails("bench", component, ready, "-f", learn, "--runtime", "node", code=2)
    said = run("bench", component, ready, "-f", learn, "--copies", "2", "--call", "say", code=0).stdout.decode()
    assert "out of a pool" in said
    assert "2 copies of each" in said


#: Makes a folder in the one that it is given.
MAKES = """(component
  (import "wasi:filesystem/types@0.2.0" (instance $t
    (export "descriptor" (type $d (sub resource)))
    (type $ec (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist" "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop" "too-many-links" "message-size" "name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory" "insufficient-space" "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device" "overflow" "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $ec2 (eq $ec)))
    (export "[method]descriptor.create-directory-at" (func (param "self" (borrow $d)) (param "path" string) (result (result (error $ec2)))))))
  (alias export $t "descriptor" (type $desc))
  (import "wasi:filesystem/preopens@0.2.0" (instance $p
    (alias outer 1 $desc (type $dd)) (export "descriptor" (type $d (eq $dd)))
    (export "get-directories" (func (result (list (tuple (own $d) string)))))))
  (core module $M (memory (export "m") 1)
    (global $at (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local i32)
      (local.set 4 (i32.and (i32.add (global.get $at) (i32.const 7)) (i32.const -8)))
      (global.set $at (i32.add (local.get 4) (local.get 3))) (local.get 4)))
  (core instance $m (instantiate $M))
  (core func $mk (canon lower (func $t "[method]descriptor.create-directory-at") (memory (core memory $m "m")) (realloc (core func $m "realloc"))))
  (core func $gd (canon lower (func $p "get-directories") (memory (core memory $m "m")) (realloc (core func $m "realloc"))))
  (core module $N (import "h" "m" (memory 1)) (import "h" "mk" (func $mk (param i32 i32 i32 i32))) (import "h" "gd" (func $gd (param i32)))
    (data (i32.const 100) "made")
    (func (export "run") (call $gd (i32.const 16))
      (call $mk (i32.load (i32.load (i32.const 16))) (i32.const 100) (i32.const 4) (i32.const 32)))
    (func (export "get") (result i32) (i32.load (i32.const 32))))
  (core instance $n (instantiate $N (with "h" (instance (export "m" (memory $m "m")) (export "mk" (func $mk)) (export "gd" (func $gd))))))
  (func (export "run") (canon lift (core func $n "run")))
  (func (export "get") (result u32) (canon lift (core func $n "get"))))"""


def test_a_component_that_is_measured_changes_no_folder(tmp_path: Path) -> None:
    component, ready, folder = tmp_path / "in.wat", tmp_path / "out.wasm", tmp_path / "data"
    component.write_text(MAKES)
    folder.mkdir()
    given = ("-f", "run", "--dir", f"{folder}::/data")
    run("build", component, *given, "-o", ready, code=0)
    run("bench", component, ready, *given, *FEW, code=0)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_values_of_every_type_reach_the_runtime(path: Path) -> None:
    text = path.read_text()
    call, _ = initializer(text)
    if "(" not in call:
        return
    fields = {"init_funcs": (call,), "host": Host(quiet_guest=True)}
    output = build(wasm(text), cache=False, **fields).wasm
    assert measure(wasm(text), output, rounds=3, seconds=0.1, calls=["check0"], **fields).ratio > 0
