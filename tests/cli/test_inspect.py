"""`preinit inspect`, and `preinit build --html`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import GOOD, fails, run
from tests.support.modules import wasm


@pytest.fixture
def built(good: Path, tmp_path: Path) -> Path:
    """An output, next to the report of its build and a page about it."""
    out = tmp_path / "out.wasm"
    run("build", good, "-o", out, "--report", tmp_path / "report.json", "--html", tmp_path / "page.html", code=0)
    return out


def test_text_goes_to_standard_output_with_aligned_tables(good: Path) -> None:
    done = run("inspect", good, code=0)
    said = done.stdout.decode()
    assert said.startswith("good.wasm: 0.1 KiB (")
    assert "memory 0: 1 page, 64.0 KiB; 0 bytes not zero" in said
    assert "wizer-initialize" in said
    assert done.stderr == b""


def test_against_says_what_the_snapshot_added(good: Path, built: Path) -> None:
    said = run("inspect", built, "--against", good, code=0).stdout.decode()
    assert "what it has beyond the original" in said
    assert "exports gone: wizer-initialize" in said
    (line,) = [line for line in said.splitlines() if line.startswith("  0 ") and "changed" in line.split()]
    assert line.split()[:4] == ["0", "0x0", "0x10000", "changed"]


def test_json_goes_to_standard_output_or_to_a_file_named_after_the_equals_sign(good: Path, tmp_path: Path) -> None:
    out = json.loads(run("inspect", "--json", good, code=0).stdout)
    assert (out["version"], out["memories"][0]["pages"], out["against"]) == (1, 1, None)
    assert run("inspect", good, f"--json={tmp_path / 'found.json'}", code=0).stdout == b""
    assert json.loads((tmp_path / "found.json").read_text()) == out


def test_the_page_is_written_with_the_report_of_the_build(good: Path, built: Path, tmp_path: Path) -> None:
    page = tmp_path / "again.html"
    report = tmp_path / "report.json"
    done = run("inspect", built, "--against", good, "--from-report", report, "--html", page, code=0)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert page.read_text() == (tmp_path / "page.html").read_text()
    assert "<h2" in page.read_text()
    assert "wizer-initialize" in page.read_text()


def test_a_report_of_another_module_is_noted(good: Path, built: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wasm"
    other.write_bytes(wasm("(module)"))
    page = tmp_path / "other.html"
    report = built.with_name("report.json")
    said = run("inspect", other, "--from-report", report, "--html", page, code=0).stderr.decode()
    assert "the report is that of another module" in said
    assert run("inspect", other, "--from-report", report, "--html", page, "-q", code=0).stderr == b""


@pytest.mark.parametrize("content", [GOOD.encode(), wasm(GOOD)])
def test_the_module_may_be_text_and_come_from_standard_input(content: bytes) -> None:
    assert run("inspect", "-", stdin=content, code=0).stdout.decode().startswith("standard input: ")


def test_the_original_may_come_from_standard_input(good: Path, built: Path) -> None:
    said = run("inspect", built, "--against", "-", stdin=good.read_bytes(), code=0).stdout.decode()
    assert "what it has beyond the original" in said


def test_a_page_on_standard_output_is_nothing_but_the_page(good: Path) -> None:
    assert run("inspect", good, "--html", "-", code=0).stdout.startswith(b"<!DOCTYPE html>")
    assert run("build", good, "--html", "-", "-o", "/dev/null", code=0).stdout.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "not-wasm", "the input is empty"),
        (b"\0asm\1\0\0\0\1\x7f", "truncated", "bad.wasm, byte offset 0x8"),
        (b"(module", "text-syntax", "line 1"),
        (b"\0asm\x0d\0\1\0\x09\1\0", "unsupported-proposal", "a start function"),
    ],
)
def test_what_is_no_module_fails_with_its_name_and_place(tmp_path: Path, content: bytes, code: str, said: str) -> None:
    path = tmp_path / "bad.wasm"
    path.write_bytes(content)
    message = fails("inspect", path)
    assert f"error[{code}]" in message
    assert said in message
    assert "bad.wasm" in message


def test_an_original_that_is_no_module_is_named(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.wasm"
    path.write_bytes(b"\0asm\1\0\0\0\1\x7f")
    message = fails("inspect", good, "--against", path)
    assert "where: the original, byte offset 0x8" in message
    assert "good.wasm" not in message


def test_what_is_no_report_is_refused_and_nothing_is_written(good: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("before")
    assert "the report is not JSON" in fails("inspect", good, "--from-report", good, "--html", page)
    assert "can't be read" in fails("inspect", good, "--from-report", tmp_path / "none.json", "--html", page, code=2)
    assert page.read_text() == "before"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("GOOD", "--html", "GOOD"), "`--html` would overwrite the input"),
        (("GOOD", "--json=GOOD"), "`--json` would overwrite the input"),
        (("OTHER", "--against", "GOOD", "--html", "GOOD"), "`--html` would overwrite the input"),
        (("GOOD", "--json", "--html", "-"), "can't both go to one place"),
        (("-", "--against", "-"), "only one of"),
        (("GOOD", "--html", ""), "the file name of `--html` is empty"),
        (("", "--json"), "the file name of `IN` is empty"),
    ],
)
def test_names_that_stand_in_each_others_way_are_wrong_usage(good: Path, arguments: tuple[str, ...], said: str) -> None:
    before = good.read_bytes()
    assert said in fails("inspect", *(a.replace("GOOD", str(good)) for a in arguments), code=2)
    assert good.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "X", "--html", "X"), "the module and the page can't both go to 'X'"),
        (("-o", "X", "--report", "Y", "--html", "Y"), "the report and the page can't both go to 'Y'"),
        (("--html", "-"), "the module and the page can't both go to standard output"),
        (("-o", "X", "--html", "GOOD"), "the page would overwrite the input"),
    ],
)
def test_a_builds_page_overwrites_nothing_else(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in fails("build", good, *(a.replace("GOOD", str(good)) for a in arguments), code=2)


def test_a_page_whose_folder_is_missing_stops_a_build_before_it_runs(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    message = fails("build", good, "-o", out, "--html", tmp_path / "none" / "page.html")
    assert "the folder of the page" in message
    assert not out.exists()


def test_a_name_that_would_steer_the_terminal_does_not(tmp_path: Path) -> None:
    path = tmp_path / "evil.wasm"
    path.write_bytes(wasm('(module (func (export "\\1b[31mred")))'))
    said = run("inspect", path, code=0).stdout
    assert b"\x1b" not in said
    assert b"\\x1b[31mred" in said


def test_a_component_is_shown_with_its_core_modules(tmp_path: Path) -> None:
    text = """(component (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func (param "status" (result))))))
      (component (core module $M (memory 2) (func (export "f"))))
      (core module $N (func $named)) (core instance $n (instantiate $N))
      (core module $Q (func (export "f"))) (core instance $q (instantiate $Q))
      (func (export "run") (canon lift (core func $q "f"))) (core module $P (func (export "f"))))"""
    path = tmp_path / "app.wasm"
    path.write_bytes(wasm(text))
    said = run("inspect", path, code=0).stdout.decode()
    assert "app.wasm: a component of" in said
    assert "4 core modules, 1 component within" in said
    assert "  instance wasi:cli/exit@0.2.0" in said
    assert "  func run" in said
    assert "core module 3" in said
    found = json.loads(run("inspect", path, "--json", code=0).stdout)
    assert (found["component"], found["components_within"], len(found["core_modules"])) == (True, 1, 4)
    assert found["exports"] == [{"sort": "func", "name": "run"}]
    run("inspect", path, "--html", tmp_path / "app.html", code=0)
    page = (tmp_path / "app.html").read_text()
    assert "Core module 3" in page
    assert "wasi:cli/exit@0.2.0" in page


#: One core module with two instances and a table that they share; the initializer changes all of it.
TWICE = """(component
  (core module $T (table (export "t") 4 funcref))
  (core module $M (import "t" "t" (table 4 funcref)) (global $g (mut i32) (i32.const 0)) (elem declare func $get)
    (func $get (export "get") (result i32) (global.get $g))
    (func (export "run") (global.set $g (i32.const 7)) (table.set (i32.const 1) (ref.func $get))))
  (core instance $t (instantiate $T))
  (core instance $a (instantiate $M (with "t" (instance $t))))
  (core instance $b (instantiate $M (with "t" (instance $t))))
  (func (export "run") (canon lift (core func $a "run")))
  (func (export "get") (result u32) (canon lift (core func $b "get"))))"""


def test_a_component_is_compared_with_the_one_that_it_was_made_from(tmp_path: Path) -> None:
    before, after = tmp_path / "app.wat", tmp_path / "ready.wasm"
    before.write_text(TWICE)
    run("build", before, "-f", "run", "-o", after, code=0)
    said = run("inspect", after, "--against", before, code=0).stdout.decode()
    assert "made from a component of" in said
    assert "exports gone: func run" in said
    assert "core module 1, made from core module 1" in said
    assert "core module 2, made from core module 1" in said
    assert "core module 3, which the original has not" in said
    assert "global 0 (g): 0 before, 7 now" in said
    found = json.loads(run("inspect", after, "--against", before, "--json", code=0).stdout)
    assert found["against"]["originals"] == [0, 1, 1, None]
    assert found["against"]["exports_gone"] == [{"sort": "func", "name": "run"}]
    assert [module["against"] is None for module in found["core_modules"]] == [False, False, False, True]
    run("inspect", after, "--against", before, "--html", tmp_path / "app.html", code=0)
    assert "Beyond the original" in (tmp_path / "app.html").read_text()


def test_a_component_is_compared_with_components_only(tmp_path: Path) -> None:
    component, module, broken = tmp_path / "app.wasm", tmp_path / "module.wasm", tmp_path / "broken.wasm"
    component.write_bytes(wasm(TWICE))
    module.write_bytes(wasm("(module)"))
    broken.write_bytes(wasm(TWICE)[:-5])
    assert "the original is none" in fails("inspect", component, "--against", module)
    assert "the original is a component" in fails("inspect", module, "--against", component)
    said = fails("inspect", component, "--against", broken)
    assert "the original, byte offset" in said
    assert str(component) not in said
    fails("inspect", component, "--against", tmp_path / "none.wasm", code=2)
