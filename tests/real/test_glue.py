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


#: The warnings that a program's capture gives.
TOLD = {
    "micropython": {"glue-start"},
    "lua": {"clock-frozen", "environment-frozen", "glue-slots"},
    # Its arguments, which load() allocates, lie elsewhere.
    "prolog": {"clock-frozen", "environment-frozen", "glue-files", "glue-load", "glue-start"},
    # Its random numbers come from a file of its glue. Other descriptors took the place of its streams, which are back.
    "php": {
        "entropy-frozen", "clock-frozen", "environment-frozen", "glue-files", "glue-written", "glue-start", "glue-once", "glue-late",
        "glue-slots", "glue-left",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_answers_in_its_glue_as_if_it_had_been_prepared_there(tmp_path: Path, name: str) -> None:
    """One test for all that a capture must be, since those of PHP and Prolog take long: what it keeps is told, and in
    another folder it gives the same bytes."""
    program = PROGRAMS[name]
    package = installed(program)
    result = capture(program, package, tmp_path / "notes.json")
    assert result.report.capture is not None
    assert result.report.capture.answered
    if name in TOLD:
        assert set(codes(result)) == TOLD[name]
    # The same package in another place. Links would lead the glue to where they point.
    other = tmp_path / "another place"
    shutil.copytree(package, other)
    assert capture(program, other, tmp_path / "notes.json").wasm == result.wasm
    (other / program.module).write_bytes(result.wasm)
    after = answers(program, other, tmp_path / "notes.json", "resume", tmp_path)
    before = answers(program, package, tmp_path / "other.json", "prepare", tmp_path)
    assert len(before) == 20
    assert after == before


def test_pyodide_whose_objects_are_in_javascript_is_refused_with_its_own_way(tmp_path: Path) -> None:
    program = Program("pyodide.mjs", "node_modules/pyodide", "pyodide.asm.wasm")
    with pytest.raises(CaptureRefused, match="table 1 of externref holds objects of JavaScript") as caught:
        capture(program, installed(program), tmp_path / "notes.json")
    assert "_makeSnapshot" in (caught.value.hint or "")
