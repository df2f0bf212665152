"""What is said of a capture, in words of a capture: who made one has no initializer, and built nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from preinit.errors import BudgetExceeded, Misfit, PreinitError, TimeLimit, WarningsRefused
from preinit.options.words import in_capture, in_python
from tests.support.glue import LOAD, captured, codes, needs_node

pytestmark = needs_node

CLOCK = LOAD + "export const prepare = (p) => { p.now(); }; export const answer = (p) => p.add(2);"


def test_warnings_that_builds_give_too_speak_of_the_script_and_the_program(tmp_path: Path) -> None:
    result = captured(
        tmp_path, CLOCK.replace("load = () => start()", "load = () => start({ emscripten_date_now: Date.now })")
    )
    assert codes(result) == ["clock-frozen"]
    (warning,) = result.report.warnings
    assert warning.message.startswith("the program read the time of day (first in `now`): ")
    assert warning.hint == "Read the clock when an instance starts, not in the script."


@pytest.mark.parametrize(
    ("script", "options", "kind", "says"),
    [
        (CLOCK.replace("p.now();", "for (;;);"), {"timeout": 0.5}, TimeLimit, ("the capture took", "running the script")),
        (CLOCK, {"strict": True}, WarningsRefused, ("the capture has a warning",)),
        (CLOCK, {"max_size": 10}, BudgetExceeded, ("Capture with the layout `size`", "have the script leave less",)),
        (CLOCK.replace("p.now();", "console.log('x'.repeat(5000));"), {"max_guest_output": 100}, PreinitError,
         ("Have the script print less",)),
    ],
)  # fmt: skip
def test_errors_that_builds_give_too_speak_of_the_capture(
    tmp_path: Path, script: str, options: dict[str, object], kind: type[PreinitError], says: tuple[str, ...]
) -> None:
    with pytest.raises(kind) as caught:
        captured(tmp_path, script, **options)
    said = str(caught.value)
    for text in says:
        assert text in said
    assert "initializer" not in said
    assert "the build" not in said


def test_what_somebody_else_called_an_initializer_keeps_its_name() -> None:
    said = "the initializer called `the initializer`, in the initializer's file 'the build': Build with `--late args`."
    assert in_capture(said) == (
        "the program called `the initializer`, in the script's file 'the build': Capture with `--late args`."
    )
    assert in_capture("build the module with fewer element segments") == "build the module with fewer element segments"


def test_a_hint_that_names_an_option_several_times_is_one_list_in_python() -> None:
    said = "made again: --replay H --replay 'a b' ; if not: `--drop H`, --drop G --once f ."
    assert in_python(said) == 'made again: `replay=["H", "a b"]` ; if not: `drop=["H"]`, `drop=["G"]` `once=["f"]` .'


def test_a_hint_to_name_imports_names_them_all(tmp_path: Path) -> None:
    names = [f"js_note_{number}" for number in range(9)]
    imports = "".join(f'(import "env" "{name}" (func ${name}))' for name in names)
    calls = "".join(f"(call ${name})" for name in names)
    text = f'(module {imports} (memory 1) (func (export "__wasm_call_ctors")) (func (export "use") {calls}))'
    given = ", ".join(f"{name}() {{}}" for name in names)
    script = LOAD.replace("start()", f"start({{ {given} }})")
    script += "export const prepare = (p) => p.use(); export const answer = () => 1;"
    (warning,) = captured(tmp_path, script, text).report.warnings
    assert f"if not, say so: `drop={json.dumps(names)}` ." in warning.hint
    assert codes(captured(tmp_path, script, text, drop=names)) == []


def test_a_module_that_imports_nothing_has_nothing_to_name(tmp_path: Path) -> None:
    with pytest.raises(Misfit) as caught:
        captured(
            tmp_path,
            LOAD + "export const prepare = () => 0;",
            '(module (memory 1) (func (export "__wasm_call_ctors")))',
            drop=["fetch"],
        )
    assert caught.value.hint == "It imports none: leave `drop` out."
