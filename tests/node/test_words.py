"""What is said of a capture, in words of a capture: who made one has no initializer, and built nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit.errors import BudgetExceeded, PreinitError, TimeLimit, WarningsRefused
from preinit.options.words import in_capture
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
