"""load() runs in instances of the output, too, on what was captured: where it does something else there, that is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import preinit
from preinit.errors import AnswerDiffers, CaptureRefused, Misfit, ScriptFailed
from preinit.node.allocating import allocated, is_freed
from preinit.node.recording import ExportCall, LoadCall
from tests.support.glue import LOAD, PROGRAM, captured, codes, in_glue, needs_node

pytestmark = needs_node

#: With what allocates, and gives back.
TEXT = PROGRAM.replace(
    '(func (export "now")',
    """(global $top (mut i32) (i32.const 8192))
  (func (export "malloc") (param i32) (result i32)
    (global.get $top) (global.set $top (i32.add (global.get $top) (local.get 0))))
  (func (export "free") (param i32) (global.set $top (i32.add (global.get $top) (i32.const 16))))
  (func (export "fflush") (param i32))
  (func (export "status") (param i32 i32) (result i32) (i32.const 1))
  (func (export "last_of") (param i32) (result i32) (i32.const 4104))
  (func (export "fails_for_2") (param i32) (result i32)
    (if (i32.eq (local.get 0) (i32.const 2)) (then (unreachable)))
    (local.get 0))
  (func (export "register") (param i32) (result i32)
    (call $register (local.get 0) (i32.const 4000))
    (local.get 0))
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


def test_what_is_only_handed_on_is_not_given_back(tmp_path: Path) -> None:
    assert "`malloc` returned 8192 and returns" in told(made(tmp_path, "p.at = p.malloc(32); p.fflush(p.at)"))


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


def test_more_calls_than_a_stand_in_can_do_again_are_refused_and_no_hint_leads_there(tmp_path: Path) -> None:
    loads = "for (let i = 0; i < {}; i++) p.malloc(8)"
    with pytest.raises(Misfit, match="'malloc', which `once` names, was called 1,001 times") as caught:
        made(tmp_path, loads.format(1001), "0", once=["malloc"])
    assert "call it in prepare(program)" in (caught.value.hint or "")
    result = made(tmp_path, loads.format(1001))
    assert "once" not in told(result)
    result = made(tmp_path, loads.format(1001).replace("malloc(8)", "boot()"))
    assert "once" not in told(result, "glue-start")
    result = made(tmp_path, loads.format(1000), "0", once=["malloc"])
    assert codes(result) == []
    later = "const p = await start(); let last; for (let i = 0; i < 1000; i++) last = p.malloc(8); console.log(last)"
    assert in_glue(tmp_path, result, later) == 8192 + 8 * 999


def test_calls_that_nobody_looks_at_are_told(tmp_path: Path) -> None:
    result = made(tmp_path, "for (let i = 0; i < 10001; i++) p.get(0)", "0")
    assert "10,002 calls of exports, and nobody looked what those after the first 10,000 return" in told(result)


def test_a_minified_main_that_was_called_more_than_twice_is_to_be_named(tmp_path: Path) -> None:
    text = TEXT.replace('(export "put")', '(export "M")').replace(
        "(i32.store (local.get 0) (local.get 1)))",
        """(result i32)
        (call $register (local.get 0) (i32.const 4000)) (local.get 0))""",
    )
    loads = "(function callMain() { for (let i = 1; i < 4; i++) p.M(i, 0) })()"
    script = SCRIPT.replace("LOADS", loads).replace("PREPARES", "0")
    with pytest.raises(CaptureRefused, match="loading the program called 'M' 3 times, and not all") as caught:
        captured(tmp_path, script, text)
    assert 'once=["M"]' in (caught.value.hint or "")
    result = captured(tmp_path, script, text, once=["M"])
    later = f"const p = await start(); {loads}; console.log(JSON.stringify(p.things.map((t) => t[0])))"
    assert in_glue(tmp_path, result, later) == ["7", "1", "2", "3"]


def test_each_of_many_calls_makes_its_own_import_calls_again(tmp_path: Path) -> None:
    loads = "for (let i = 1; i < 5; i++) p.register(i)"
    result = made(tmp_path, loads, "0", once=["register"])
    later = f"const p = await start(); {loads}; p.register(9); console.log(JSON.stringify(p.things.map((t) => t[0])))"
    assert in_glue(tmp_path, result, later) == ["7", "1", "2", "3", "4", "9"]
    assert result.report.capture
    (facts,) = (one for one in result.report.capture.stand_ins if one.export == "register")
    assert facts.replayed == 4


def test_import_calls_of_prepare_are_made_again_with_the_text_that_they_had(tmp_path: Path) -> None:
    prepares = "for (const text of [0x6161, 0x6262]) { p.put(4000, text); p.register(5); } p.put(4000, 0)"
    result = made(tmp_path, "0", prepares, once=["register"])
    later = "const p = await start(); p.register(5); p.register(5); console.log(JSON.stringify(p.things))"
    assert in_glue(tmp_path, result, later) == ["7 hi", "5 aa", "5 bb"]


def test_a_later_call_that_threw_is_told(tmp_path: Path) -> None:
    loads = "for (let i = 1; i < 5; i++) try { p.fails_for_2(i % 4) } catch {}"
    said = told(made(tmp_path, loads, "0", once=["fails_for_2"]), "glue-threw")
    assert "fails_for_2 ended by throwing when the program was loaded in 1 of 4 calls: in the output it returns" in said


def test_javascript_that_writes_over_what_was_captured_while_it_loads_is_told(tmp_path: Path) -> None:
    """The program does not see that, and answers from what is there."""
    writes = "new DataView(p.memory.buffer).setInt32(5000, {}, true)"
    result = made(tmp_path, writes.format(1), writes.format(0x02020202))
    assert "it writes over 4 bytes of what was captured, from 0x1388 on" in told(result)
    assert "Write there in prepare(program)" in told(result)
    # The same value, in what nothing used, or in what was allocated just now, nothing is lost.
    other = writes.replace("5000", "5008")
    both = [f"{writes.format(7)}; {other.format(value)}" for value in (7, 0)]
    assert codes(made(tmp_path, *both)) == []
    fresh = "new DataView(p.memory.buffer).setInt32(p.malloc(8), 5, true); p.free(8192)"
    assert "writes over" not in str(made(tmp_path, fresh, "p.put(8216, -1)").report.warnings)


def test_only_what_a_function_allocated_may_be_written_over(tmp_path: Path) -> None:
    """Nothing of what is elsewhere: behind what it allocated, or where one gives no memory."""
    writes = "new DataView(p.memory.buffer).setInt32({}, 1, true)"
    result = made(tmp_path, f"p.status(0, 60000); {writes.format(5000)}", "p.put(5000, -1)")
    assert "it writes over 4 bytes of what was captured, from 0x1388 on" in told(result)
    result = made(tmp_path, f"p.last_of(60000); {writes.format(5000)}", "p.put(5000, -1)")
    assert "it writes over 4 bytes of what was captured, from 0x1388 on" in told(result)
    fresh = writes.format("p.malloc(8) + {}") + "; p.free(8192)"
    assert "it writes over 1 byte" in str(
        made(tmp_path, fresh.format(5), "p.put(8220, -1); p.put(8224, -1)").report.warnings
    )


def test_where_there_was_too_much_to_look_at_it_is_told_that_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory of 1 MiB without zeros is looked at some 500 times."""
    loads = "for (let i = 0; i < 600; i++) p.status(0, 0); new DataView(p.memory.buffer).setInt8(5000, {})"
    fills = "new Uint8Array(p.memory.buffer).fill(1, 8192)"
    monkeypatch.setitem(
        globals(), "TEXT", TEXT.replace('(memory (export "memory") 1)', '(memory (export "memory") 16)')
    )
    said = told(made(tmp_path, loads.format(1), f"p.put(5000, 2); {fills}"))
    assert "nobody looked what JavaScript writes over after 51" in said
    assert "0x1388 does not hold what was captured" in said
    assert "glue-load" not in codes(made(tmp_path, loads.format(2), f"p.put(5000, 2); {fills}"))


# -- what allocates, and gives back ------------------------------------------------------------------------------------


def call(name: str, alias: str = "", *frames: str) -> dict[str, ExportCall]:
    return {name: ExportCall(name, True, (), frames, alias, None, False, ())}


@pytest.mark.parametrize(
    ("name", "arguments", "size"),
    [
        ("malloc", (100,), 100),
        ("__wbindgen_malloc", (100, 8), 100),
        ("sqlite3_db_malloc64", (70000, 100), 100),
        ("calloc", (10, 100), 1000),
        ("realloc", (70000, 100), 100),
        ("cabi_realloc", (70000, 50, 8, 100), 100),
        ("memalign", (64, 100), 100),
        ("PyMem_Malloc", (100,), 100),
        ("_Znwm", (100,), 100),
        ("dealloc", (100,), 0),
        ("create", (100,), 0),
    ],
)
def test_a_function_allocates_what_its_name_says(name: str, arguments: tuple[int, ...], size: int) -> None:
    calls = [LoadCall(name, arguments, 8200), LoadCall(name, arguments, 1), LoadCall(name, arguments, 8192)]
    places = [(at, at + size) for at in (8200, 8192)] if size else []
    assert list(allocated(calls, {}, 0)) == places
    assert list(allocated(calls, {}, 8193)) == places[:1]


def test_where_names_are_minified_what_javascript_calls_it_tells_or_what_it_does() -> None:
    calls = [LoadCall("I", (100,), 8200), LoadCall("I", (100,), 8201), LoadCall("I", (0, 100), 8200)]
    assert list(allocated(calls, {}, 0)) == [(8200, 8300)]
    assert list(allocated(calls, call("I", "", "load"), 0)) == [(8200, 8300)]
    assert list(allocated(calls, call("I", "_malloc"), 0)) == [(8200, 8300), (8201, 8301), (8200, 8300)]
    assert list(allocated(calls, call("I", "", "_status"), 0)) == []


@pytest.mark.parametrize(
    ("name", "known", "frees"),
    [
        ("free", {}, True),
        ("xmlFreeDoc", {}, True),
        ("_emscripten_bind_Thing___destroy___0", {}, True),
        ("ts_parser_delete", {}, True),
        ("freeze", {}, False),
        ("begin", {}, False),
        ("J", {}, True),
        ("J", call("J", "", "_free"), True),
        ("J", call("J", "_fflush"), False),
    ],
)
def test_a_function_gives_back_what_its_name_says(name: str, known: dict[str, ExportCall], frees: bool) -> None:
    calls = [LoadCall("create", (), 8200), LoadCall(name, (8200,), None)]
    assert is_freed(calls, 0, known) is frees
    assert not is_freed([calls[0], LoadCall(name, (8200,), 1)], 0, known)
    assert not is_freed([calls[0], LoadCall(name, (8208,), None)], 0, known)


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
    values = {
        "p.one": ("5", "p.one = 6"), "p.map": ("new Map([['a', 1]])", "p.map.set('a', 2)"),
        "p.set": ("new Set()", "p.set.add(1)"), "p.inner": ("{ a: { b: 1 } }", "delete p.inner.a.b"),
        "p.list": ("[1]", "p.list.push(2)"), "p.bytes": ("new Uint8Array(4)", "p.bytes[1] = 1"),
        "p.global": ("new WebAssembly.Global({ value: 'i64', mutable: true }, 1n)", "p.global.value = 2n"),
        "p.when": ("new Date(0)", "p.when.setTime(1)"), "p.call": ("() => 1", "p.call = () => 2"),
        # Neither is that lost.
        "p.view": ("new Uint8Array(p.memory.buffer)", "p.put(64, 1)"), "p.same": ("{ a: 1 }", "p.same = { a: 1 }"),
        "p.stub": ("() => (p.stub = p.get)(64)", "p.stub()"),
    }  # fmt: skip
    before = "; ".join(f"{name} = {value}" for name, (value, _) in values.items())
    changes = "; ".join(change for _, change in values.values())
    result = made(tmp_path, f"p.none = null; {before}", f"{changes}; p.none = 1; p.kept = {{}}; p.gone = undefined")
    said = told(result, "glue-left")
    changed = ("one", "set", "list", "bytes", "global", "when", "call", 'map.get("a")', "inner.a.b")
    assert f"set `none`, `kept` and changed {', '.join(f'`{name}`' for name in changed)} of the program" in said
    more = "export const resume = (p) => { p.none = 1; p.kept = {}; p.list.push(3); };"
    assert codes(made(tmp_path, "p.list = []", "p.none = 1; p.kept = {}; p.list.push(2)", more)) == []


def test_more_values_than_are_looked_at_are_told_and_what_is_new_among_the_nearest_is_named(tmp_path: Path) -> None:
    many = "p.many = Array.from({ length: 6000 }, (_, n) => n)"
    result = made(tmp_path, many, "p.many[5999] = 0; p.settings = { a: 1 }")
    found = [one.message for one in result.report.warnings if one.code == "glue-left"]
    assert len(found) == 2
    assert "set `settings` of the program" in found[0]
    assert "more values of the program than the 5,000 that were looked at" in found[1]


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
