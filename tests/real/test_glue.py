"""Programs of npm with JavaScript glue that nobody changed: captured, and put into the place of what they were."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import preinit
from preinit.errors import CaptureRefused
from tests.support.glue import NODE, codes, needs_node
from tests.support.places import ROOT

pytestmark = [pytest.mark.real, needs_node]

SCRIPTS = Path(__file__).parent / "glue"
INSTALLED = ROOT / "fixtures/real/glue"


class Program(NamedTuple):
    """A script, the package that it loads (a folder), the module in it, and options of its capture."""

    script: str
    package: str
    module: str
    options: dict[str, Any] = {}


def listed() -> Iterator[tuple[str, Program]]:
    for name, entry in tomllib.loads((SCRIPTS / "programs.toml").read_text()).items():
        options = {option: entry[option] for option in ("once", "forget_fd") if option in entry}
        yield name, Program(entry["script"], entry["package"], entry["module"], options)


PROGRAMS = dict(listed())


def installed(program: Program) -> Path:
    folder = INSTALLED / program.package
    if not (folder / program.module).exists():
        pytest.skip("scripts/fetch_real glue fetches these packages")
    return folder


def capture(program: Program, package: Path, notes: Path) -> preinit.Result:
    return preinit.capture(
        package / program.module,
        SCRIPTS / program.script,
        args=[str(package), str(notes)],
        timeout=300,
        **program.options,
    )


#: Prepares a program, or takes one that is prepared, and says what it answers.
DRIVER = """
import { pathToFileURL } from "node:url";
const [script, how] = process.argv.splice(2, 2);
const found = await import(pathToFileURL(script));
const steps = found.default?.load ? found.default : found;
const program = await steps.load();
await steps[how]?.(program);
const answer = await steps.answer(program);
process.stdout.write("\\n" + JSON.stringify(answer), () => process.exit(0));
"""


def answers(program: Program, package: Path, notes: Path, how: str, folder: Path) -> Any:
    driver = folder / "driver.mjs"
    driver.write_text(DRIVER)
    command = [str(NODE), str(driver), str(SCRIPTS / program.script), how, str(package), str(notes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_answers_in_its_glue_as_if_it_had_been_prepared_there(tmp_path: Path, name: str) -> None:
    program = PROGRAMS[name]
    package = installed(program)
    result = capture(program, package, tmp_path / "notes.json")
    assert result.report.capture is not None
    assert result.report.capture.answered
    # The same package, but for its module. Links would lead the glue to where they point.
    other = tmp_path / "package"
    shutil.copytree(package, other)
    (other / program.module).write_bytes(result.wasm)
    after = answers(program, other, tmp_path / "notes.json", "resume", tmp_path)
    before = answers(program, package, tmp_path / "other.json", "prepare", tmp_path)
    assert len(before) == 20
    assert after == before


@pytest.mark.parametrize("name", PROGRAMS)
def test_two_captures_of_a_program_are_identical(tmp_path: Path, name: str) -> None:
    program = PROGRAMS[name]
    package = installed(program)
    other = tmp_path / "another place"
    shutil.copytree(package, other)
    one = capture(program, package, tmp_path / "notes.json")
    assert capture(program, other, tmp_path / "notes.json").wasm == one.wasm


def test_pyodide_whose_objects_are_in_javascript_is_refused_with_its_own_way(tmp_path: Path) -> None:
    program = Program("pyodide.mjs", "node_modules/pyodide", "pyodide.asm.wasm")
    with pytest.raises(CaptureRefused, match="table 1 of externref holds objects of JavaScript") as caught:
        capture(program, installed(program), tmp_path / "notes.json")
    assert "_makeSnapshot" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("micropython", {"glue-start"}),
        ("lua", {"clock-frozen", "glue-slots"}),
        ("php", {"entropy-frozen", "clock-frozen", "glue-files", "glue-written", "glue-start", "glue-slots"}),
    ],
)
def test_what_a_program_keeps_is_told(tmp_path: Path, name: str, expected: set[str]) -> None:
    """PHP's random numbers come from a file of its glue."""
    program = PROGRAMS[name]
    assert set(codes(capture(program, installed(program), tmp_path / "notes.json"))) == expected
