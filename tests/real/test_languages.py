"""Real modules: a JavaScript engine, Ruby and CPython are built, and their outputs do their work.

Ruby evaluates and CPython runs code, in the engine's own WASI, in the test of their pages in docs/recipes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from preinit import Result, build, verify
from preinit.binary.module import SectionId, parse
from preinit.errors import Mismatch
from scripts.real import manifest
from tests.support.places import ROOT
from tests.support.real import Guest, module, options

pytestmark = pytest.mark.real


def test_the_javascript_engine_runs_a_script(built: Callable[[str], Result], tmp_path: Path) -> None:
    guest = Guest(built("javy").wasm, tmp_path)
    source = b"console.log(JSON.stringify([1, 2, 3].map(x => x * x)), 6 * 7)"
    failed, bytecode, size = guest.words(guest.call("compile-src", guest.put(source), len(source)), 3)
    assert not failed
    guest.call("invoke", bytecode, size, 0, 0, 0)
    assert guest.out() == "[1,4,9] 42\n"


@pytest.mark.parametrize("name", ["javy", "ruby"])
def test_both_ways_to_compile_give_the_same_bytes(built: Callable[[str], Result], name: str) -> None:
    """CPython's 99 MB are compiled whole by `scripts/output_digests --real` only: that takes minutes."""
    entry, first = module(name), built(name)
    other = "whole" if first.report.engine.name == "ondemand" else "ondemand"
    result = build(entry.path, options(entry, engine=other))
    assert result.report.engine.name == other
    assert result.wasm == first.wasm


@pytest.mark.parametrize("name", [name for name, entry in manifest().items() if "test" not in entry])
def test_code_is_copied_and_nothing_runs_again(name: str, built: Callable[[str], Result]) -> None:
    entry, output = module(name), parse(built(name).wasm)
    original = parse(Path(entry.path).read_bytes())
    codes = [m.payload(s) for m in (original, output) if (s := m.section(SectionId.CODE))]
    assert codes[0] == codes[1]
    assert output.start is None
    assert not {"_initialize", *entry.init_funcs} & output.exported_names


#: The command on another day: every clock that Python has is ahead.
ANOTHER_DAY = """
import sys, time
for name in ("time", "monotonic", "perf_counter"):
    seconds, nanoseconds = getattr(time, name), getattr(time, name + "_ns")
    setattr(time, name, lambda seconds=seconds: seconds() + AHEAD)
    setattr(time, name + "_ns", lambda nanoseconds=nanoseconds: nanoseconds() + AHEAD * 10**9)
time.clock_gettime = lambda clock, real=time.clock_gettime: real(clock) + AHEAD
time.clock_gettime_ns = lambda clock, real=time.clock_gettime_ns: real(clock) + AHEAD * 10**9
from preinit.cli import main
main()
"""


@pytest.mark.parametrize("name", ["javy", "ruby"])
def test_builds_on_different_days_and_in_different_folders_are_the_same_bytes(name: str, tmp_path: Path) -> None:
    entry = module(name)
    outputs = []
    for folder, days in (("one", 0), ("two", 400)):
        here = tmp_path / folder
        here.mkdir()
        arguments = [part for init in entry.init_funcs for part in ("-f", init)]
        for number, (host, guest) in enumerate(entry.dirs):
            copy = here / f"copy{number}"
            shutil.copytree(host, copy)
            for path in (copy, *copy.rglob("*")):
                os.utime(path, (1_600_000_000 + days * 86_400, 1_500_000_000 + days * 86_400))
            arguments += ["--dir", f"{copy.name}::{guest}"]
        environment = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
        environment |= {
            "PREINIT_CACHE_DIR": str(here / "cache"), "PYTHONHASHSEED": str(days), "PYTHONPATH": str(ROOT), "TZ": f"UTC+{days % 7}",
        }  # fmt: skip
        command = [
            sys.executable,
            "-c",
            ANOTHER_DAY.replace("AHEAD", str(days * 86_400)),
            "build",
            entry.path,
            *arguments,
        ]
        subprocess.run([*command, "-q", "-o", "out.wasm"], cwd=here, check=True, env=environment)
        outputs.append((here / "out.wasm").read_bytes())
        shutil.rmtree(here)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("name", "causes"), [("javy", {"clock"}), ("ruby", {"environment"}), ("cpython", {"environment"})]
)
def test_no_byte_depends_on_entropy(name: str, causes: set[str]) -> None:
    entry = module(name)
    found = build(entry.path, options(entry, audit=True)).report.audit
    assert found is not None
    assert {cause for place in found for cause in place.depends_on} == causes


def test_both_compilers_write_the_same_bytes_for_the_javascript_engine() -> None:
    entry = module("javy")
    outputs = {build(entry.path, options(entry, compiler=compiler)).wasm for compiler in ("winch", "cranelift")}
    assert len(outputs) == 1


@pytest.mark.parametrize("name", ["javy", "ruby"])  # that of CPython is in docs/recipes/cpython.md
def test_the_output_is_verified(built: Callable[[str], Result], name: str) -> None:
    entry, result = module(name), built(name)
    facts = verify(entry.path, result.wasm, options(entry))
    assert facts.compared.functions == result.report.engine.functions
    report = result.report.to_dict()
    changed = bytearray(result.wasm)
    segment = max(parse(result.wasm).data_segments, key=lambda found: found.end - found.start)
    changed[(segment.start + segment.end) // 2] ^= 1
    with pytest.raises(Mismatch) as caught:
        verify(entry.path, bytes(changed), report=report)
    assert [found.kind for found in caught.value.differences] == ["memory"]


def test_the_javascript_engine_and_its_output_answer_alike(built: Callable[[str], Result]) -> None:
    entry = module("javy")
    facts = verify(entry.path, built("javy").wasm, options(entry), calls=["cabi_realloc(0,0,8,100)"])
    assert facts.calls[0].outcome == "returned"


def test_a_javascript_engine_is_built_from_a_config_file_verified_within_a_budget(tmp_path: Path) -> None:
    entry = module("javy")
    (tmp_path / "preinit.toml").write_text(
        f"""[targets.javy]
        input = "{entry.path}"
        init-funcs = ["{entry.init_funcs[0]}"]
        output = "ready.wasm"
        verify = true
        max-size = "2MiB"
        max-gzip = "600KiB"
        """
    )
    command = [sys.executable, "-m", "preinit", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "javy: built" in done.stderr
    assert (tmp_path / "ready.wasm").read_bytes() == build(entry.path, options(entry)).wasm
    assert "javy: up to date" in subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stderr
