"""load() runs in instances of the output, too, on what was captured: where it does something else there, that is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import preinit
from preinit.errors import AnswerDiffers, ScriptFailed
from tests.support.glue import LOAD, PROGRAM, captured, codes, in_glue, needs_node

pytestmark = needs_node

#: With what allocates, and gives back.
TEXT = PROGRAM.replace(
    '(func (export "now")',
    """(global $top (mut i32) (i32.const 8192))
  (func (export "malloc") (param i32) (result i32)
    (global.get $top) (global.set $top (i32.add (global.get $top) (local.get 0))))
  (func (export "free") (param i32) (global.set $top (i32.add (global.get $top) (i32.const 16))))
  (func (export "now")""",
)
SCRIPT = (
    LOAD.replace("() => start()", "async () => { const p = await start(); LOADS; return p; }")
    + "export const prepare = (p) => { PREPARES; }; export const answer = (p) => p.constructed();\n"
)


def made(folder: Path, loads: str, prepares: str = "p.malloc(64)", more: str = "", **options: object) -> preinit.Result:
    script = SCRIPT.replace("LOADS", loads).replace("PREPARES", prepares) + more
    return captured(folder, script, TEXT, **options)


def told(result: preinit.Result, code: str = "glue-load") -> str:
    (warning,) = (warning for warning in result.report.warnings if warning.code == code)
    return f"{warning.message} | {warning.hint}"


def test_an_address_that_load_gets_elsewhere_in_the_output_is_told_with_a_way_out_that_works(tmp_path: Path) -> None:
    result = made(tmp_path, "p.at = p.malloc(32)")
    assert "`malloc` returned 8192 and returns 8288 in the output" in told(result)
    later = "const p = await start(); console.log(JSON.stringify([p.malloc(32), p.malloc(32)]));"
    assert in_glue(tmp_path, result, later) == [8288, 8320]
    assert '`once=["malloc"]`' in told(result)
    result = made(tmp_path, "p.at = p.malloc(32)", once=["malloc"])
    assert codes(result) == []
    assert in_glue(tmp_path, result, later) == [8192, 8288]
    writes = "p.at = p.malloc(32); p.put8 = (n) => new DataView(p.memory.buffer).setUint8(p.at, n); p.put8(1)"
    assert "it writes over 1 byte" in told(made(tmp_path, writes, "p.put8(7)", once=["malloc"]))


def test_what_load_gives_back_at_once_may_lie_elsewhere(tmp_path: Path) -> None:
    assert codes(made(tmp_path, "p.free(p.malloc(32))")) == []


def test_what_may_not_return_the_same_again_is_not_to_be_had_again(tmp_path: Path) -> None:
    """What was given back may be in use when the output is loaded."""
    assert "once" not in told(made(tmp_path, "p.malloc(8); p.free(p.malloc(8))"))


def test_each_of_many_calls_returns_again_what_it_did(tmp_path: Path) -> None:
    loads = "for (let i = 0; i < 4; i++) p.malloc(i + 1)"
    result = made(tmp_path, loads, once=["malloc"])
    assert codes(result) == []
    later = f"const p = await start(); const got = []; const malloc = p.malloc; p.malloc = (n) => got.push(malloc(n)); {loads};"
    assert in_glue(tmp_path, result, f"{later} p.malloc(9); console.log(JSON.stringify(got))") == [
        8192,
        8193,
        8195,
        8198,
        8266,
    ]


def test_javascript_that_writes_over_what_was_captured_while_it_loads_is_told(tmp_path: Path) -> None:
    """The program does not see that, and answers from what is there."""
    writes = "new DataView(p.memory.buffer).setInt32(5000, {}, true)"
    result = made(tmp_path, writes.format(1), writes.format(0x02020202))
    assert "it writes over 4 bytes of what was captured, from 0x1388 on" in told(result)
    assert "Write there in prepare(program)" in told(result)
    # The same value, in what nothing used, or in what was allocated just now, nothing is lost.
    assert codes(made(tmp_path, writes.format(7), writes.format(7))) == []
    assert codes(made(tmp_path, writes.format(7), writes.format(0))) == []
    fresh = "new DataView(p.memory.buffer).setInt32(p.malloc(8), 5, true); p.free(8192)"
    assert "writes over" not in str(made(tmp_path, fresh, "p.put(8304, -1)").report.warnings)


def test_an_export_that_load_calls_says_what_it_returns_in_the_output(tmp_path: Path) -> None:
    result = made(tmp_path, "p.boot()")
    said = told(result, "glue-start")
    assert "on a memory that is prepared already: `boot` returned 1 and returns 2 in the output" in said
    assert codes(result) == ["glue-start"]


def test_an_answer_that_depends_on_it_names_it(tmp_path: Path) -> None:
    script = SCRIPT.replace("LOADS", "p.at = p.malloc(32)").replace("PREPARES", "p.put(p.at, 5)")
    with pytest.raises(AnswerDiffers) as caught:
        captured(tmp_path, script.replace("p.constructed()", "p.get(p.at)"), TEXT)
    assert "Of what load() called, `malloc` returned 8192 and returns 8224 in the output." in (caught.value.hint or "")


def test_a_pause_in_load_is_refused_with_its_way_out(tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed, match=r"preinit.pause\(\) was called in load\(\)") as caught:
        made(tmp_path, "preinit.pause(); p.boot()")
    assert "Call it in prepare(program)" in (caught.value.hint or "")
    later = "export const prepare = (p) => { p.boot(); preinit.pause(); p.boot(); }; export const answer = (p) => p.booted();"
    assert in_glue(tmp_path, captured(tmp_path, LOAD + later), "console.log((await start()).booted())") == 1


#: Wraps what it finds there once more each time, and would never end, as streams do that are bound twice.
BINDS = TEXT.replace(
    '(func (export "now")',
    """(func (export "bind") (i32.store (i32.const 5000) (i32.add (i32.load (i32.const 5000)) (i32.const 1))))
  (func (export "open") (result i32) (i32.store (i32.const 5004) (i32.const 77)) (i32.const 77))
  (func (export "look") (result i32) (i32.load (i32.const 5004)))
  (func (export "now")""",
)


def test_what_load_sets_up_once_is_not_set_up_again_in_the_output(tmp_path: Path) -> None:
    script = SCRIPT.replace("LOADS", "p.bind()").replace("PREPARES", "0").replace("p.constructed()", "p.get(5000)")
    result = captured(tmp_path, script, BINDS)
    assert codes(result) == []
    assert result.report.capture
    assert [one.export for one in result.report.capture.stand_ins] == ["__wasm_call_ctors", "bind"]
    later = "const p = await start(); p.bind(); const first = p.get(5000); p.bind();"
    assert in_glue(tmp_path, result, f"{later} console.log(JSON.stringify([first, p.get(5000)]));") == [1, 2]


def test_what_is_called_more_than_once_or_returns_something_runs_again(tmp_path: Path) -> None:
    script = SCRIPT.replace("PREPARES", "p.bind()").replace("p.constructed()", "1")
    for loads in ("p.bind()", "p.open()"):
        result = captured(tmp_path, script.replace("LOADS", loads), BINDS)
        assert "glue-start" in codes(result)


def test_a_hint_names_what_changes_the_program_and_no_handle(tmp_path: Path) -> None:
    """One that only looks, or whose result another call ends, is not to be had again."""
    script = SCRIPT.replace("PREPARES", "0").replace("p.constructed()", "1")
    hint = told(
        captured(tmp_path, script.replace("LOADS", "p.look(); p.boot(); p.free(p.open())"), BINDS), "glue-start"
    )
    assert re.findall(r'once=\["(\w+)"\]', hint) == ["boot"]


# -- what prepare() leaves in JavaScript -------------------------------------------------------------------------------


def test_what_prepare_sets_on_the_program_and_resume_does_not_is_told(tmp_path: Path) -> None:
    result = made(tmp_path, "p.none = null", "p.none = 1; p.kept = {}; p.gone = undefined")
    assert "prepare(program) set `none`, `kept` of the program in JavaScript" in told(result, "glue-left")
    more = "export const resume = (p) => { p.none = 1; p.kept = {}; };"
    assert codes(made(tmp_path, "0", "p.none = 1; p.kept = {}", more)) == []


def test_an_output_that_fails_for_want_of_it_names_it(tmp_path: Path) -> None:
    script = (
        SCRIPT.replace("LOADS", "0").replace("PREPARES", "p.words = ['one']").replace("p.constructed()", "p.words[0]")
    )
    with pytest.raises(AnswerDiffers, match=r"prepare\(program\) set `words` of the program") as caught:
        captured(tmp_path, script)
    assert (caught.value.hint or "").startswith("Set it again in resume(program)")
    with pytest.raises(AnswerDiffers, match=r"prepare\(program\) set `words` of the program"):
        captured(tmp_path, script.replace("p.words[0]", "p.words?.[0] ?? 'none'"))
    resumes = "export const resume = (p) => { p.words = ['one']; };"
    assert codes(captured(tmp_path, script + resumes)) == []
