"""Emscripten's main modules, which can load libraries: PGlite, whose memory is imported, and PHP."""

from __future__ import annotations

import pytest

from preinit import build, verify
from preinit.binary.module import parse
from scripts.real import FOLDER, manifest

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("name", "values"),
    [("pglite", {}), ("php", {"env.__asyncify_state": "0", "env.__asyncify_data": "0"})],
)
def test_a_main_module_runs_its_constructors_and_stays_one(name: str, values: dict[str, str]) -> None:
    entry = manifest()[name]
    path = FOLDER / name / entry["module"]
    if not path.exists():
        pytest.skip(f"scripts/fetch_real {name} fetches this module")
    given = {"init_funcs": entry["init_funcs"], "stubs": {"env.*": "zero"}, "import_globals": values}
    result = build(str(path), **given)
    before, after = parse(path.read_bytes()), parse(result.wasm)
    assert after.sections[0].title == "dylink.0"
    assert before.exported_names - after.exported_names == {"__wasm_call_ctors"}
    assert result.report.runs[-1].function == "__wasm_call_ctors"
    assert {warning.code for warning in result.report.warnings} <= {
        "assumed-global",
        "environment-frozen",
        "stub-answered",
    }
    assert sum(warning.code == "assumed-global" for warning in result.report.warnings) <= 1
    assert verify(str(path), result.wasm, **given).compared.functions == len(before.bodies)
