"""Tools that call wizer are given preinit-wizer, and do what they do with wizer: they are npm packages, as released."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from preinit.binary.module import parse
from scripts.real import is_installed
from scripts.wizer_tools import (
    WIZERS,
    answer_request,
    call_component,
    componentize,
    js_compute,
    preinit_wizer,
)
from tests.support.modules import wasm
from tests.support.waiting import PATIENCE

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not is_installed("wizer-tools"), reason="scripts/fetch_real wizer-tools installs these packages"
    ),
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
]

WORLD = """package local:app;
world app { export greet: func(name: string) -> string; export fib: func(n: u32) -> u32; }"""
SOURCE = """const squares = [...Array(100).keys()].map(n => n * n);
let calls = 0;
export function greet(name) { return `Hello, ${name}! ${squares[12]} ${++calls}`; }
export function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }"""
BROKEN = """console.error("said by the guest");
throw new Error("no luck");
export function greet() {}
export function fib() {}"""
COMPUTE = """const table = new Map([...Array(1000).keys()].map(n => [n, n * n]));
addEventListener("fetch", event => event.respondWith(
  new Response(`${table.get(12)} ${new URL(event.request.url).pathname}`)));"""


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return preinit_wizer(tmp_path / "preinit-wizer")


def _sources(folder: Path, source: str) -> tuple[Path, Path]:
    (folder / "app.js").write_text(source)
    (folder / "app.wit").write_text(WORLD)
    return folder / "app.js", folder / "app.wit"


def test_componentize_js_makes_a_component_that_answers(ours: Path, tmp_path: Path) -> None:
    component = tmp_path / "app.wasm"
    componentize(*_sources(tmp_path, SOURCE), component, ours)
    calls = [("greet", "world"), ("fib", 20), ("greet", "you")]
    assert call_component(component, tmp_path / "app", *calls) == ["Hello, world! 144 1", 6765, "Hello, you! 144 2"]


def test_componentize_js_shows_what_the_guest_said_of_its_failure_and_nothing_else(ours: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        componentize(*_sources(tmp_path, BROKEN), tmp_path / "app.wasm", ours)
    said = str(caught.value)
    lines = [line for line in said[said.index("Failed to initialize") :].splitlines() if "    at " not in line]
    assert "said by the guest" in lines
    assert "no luck" in "\n".join(lines)
    assert "error[" not in "\n".join(lines)


def test_js_compute_makes_a_program_that_answers(ours: Path, tmp_path: Path) -> None:
    """`scripts/bench_wizer_tools` compares with the program that wizer makes."""
    (tmp_path / "app.js").write_text(COMPUTE)
    output = tmp_path / "ours.wasm"
    done = js_compute(tmp_path / "app.js", output, ours)
    assert done.returncode == 0, done.stderr
    assert answer_request(output, "https://example.test/path")[1] == b"144 /path"
    assert not {"wizer.initialize", "wizer.resume", "_initialize"} & parse(output.read_bytes()).exported_names


def test_js_compute_is_told_of_a_failure(ours: Path, tmp_path: Path) -> None:
    (tmp_path / "app.js").write_text("throw new Error('no luck')")
    for name, wizer in (("peer", None), ("ours", ours)):
        done = js_compute(tmp_path / "app.js", tmp_path / f"{name}.wasm", wizer)
        assert done.returncode == 1
        assert "no luck" in done.stderr
        assert "Failed to compile JavaScript to Wasm" in done.stderr
    assert not (tmp_path / "ours.wasm").exists()


TEXT = """(module (memory (export "memory") 1) (func (export "wizer-initialize")) (func (export "trap") unreachable)
  (func (export "args") (param i32)) (func (export "a")) (func (export "b")))"""


@pytest.mark.parametrize(
    "arguments",
    [
        "in.wasm", "-- in.wasm", "-o=out in.wasm", "-oout in.wasm", "-o out in.wasm", "-f=a in.wasm", "-fa in.wasm",
        "--init-func=a in.wasm", "--keep-init-func in.wasm", "--keep-init-func=true in.wasm", "-r x=a -r y=b in.wasm",
        "-r=x=a in.wasm", "-r b=a in.wasm", "-r x=none in.wasm", "-r x=wizer-initialize in.wasm",
        "-r x=a=b in.wasm", "--wasm-bulk-memory=true in.wasm", "--wasm-simd true in.wasm", "in.wasm --wasm-simd",
        "in.wasm --inherit-env", "--inherit-env=false in.wasm", "--inherit-stdio false in.wasm", "--allow-wasi in.wasm",
        "--dir . --dir . in.wasm", "--mapdir x::. in.wasm", "--relaxed-simd-deterministic in.wasm",
        "--no-such in.wasm", "-V in.wasm", "--init-fun a in.wasm", "--wasm-threads in.wasm", "in.wasm in.wasm",
        "--keep-init-func true in.wasm", "--keep-init-func=yes in.wasm", "--wasm-simd in.wasm",
        "--inherit-env in.wasm", "-f a -f b in.wasm", "-o a -o b in.wasm", "-r a in.wasm", "-f none in.wasm",
        "-f args in.wasm", "-f memory in.wasm", "-f trap in.wasm", "-r x=a -r x=b in.wasm", "-r x=a -r y=a in.wasm",
        "--dir none in.wasm", "--allow-wasi --dir none in.wasm", "--mapdir x in.wasm", "--preload x in.wasm",
        "--preload x=none in.wasm", "none", "-o none/out in.wasm", "",
    ],
)  # fmt: skip
def test_exit_codes_and_exports_are_wizer_s(ours: Path, tmp_path: Path, arguments: str) -> None:
    found = []
    for program in (WIZERS["newest"], ours):
        folder = tmp_path / f"of-{program.name}"
        folder.mkdir()
        (folder / "in.wasm").write_bytes(wasm(TEXT))
        done = subprocess.run(
            [program, *arguments.split()], cwd=folder, capture_output=True, timeout=PATIENCE, check=False
        )
        written = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "in.wasm"}
        output = done.stdout or b"".join(written.values())
        names = parse(output).exported_names if output else None
        found.append((done.returncode, sorted(written), bool(done.stdout), names))
    assert found[0] == found[1]


def test_help_has_all_options_of_wizer(ours: Path) -> None:
    """Those of the newest one; no option of it is unknown to ours."""
    said = [
        subprocess.run([program, "--help"], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
        for program in (WIZERS["newest"], ours)
    ]
    theirs, own = (set(re.findall(r"(?m)^ +(?:(-\w), )?(--[\w-]+|-o)", text)) for text in said)
    flags = {flag for pair in theirs for flag in pair if flag}
    assert len(flags) > 15
    assert flags <= {flag for pair in own for flag in pair if flag} | {"-o"}
