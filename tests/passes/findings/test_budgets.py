"""Budgets: an output that is too large fails the build, and the message says what takes most of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from preinit.errors import BudgetExceeded, Excess, UsageError
from tests.support.command import GOOD, fails, run
from tests.support.modules import build_text, wasm

#: Fills a part of the second MiB of its memory, which grows by 16 pages, and leaves 3 bytes far from each other below.
LEFT = """(module (memory (export "memory") 16)
  (func $fill (export "wizer-initialize")
    (drop (memory.grow (i32.const 16)))
    (memory.fill (i32.const 0x100000) (i32.const 7) (i32.const 5000))
    (i32.store8 (i32.const 100) (i32.const 1))
    (i32.store8 (i32.const 20000) (i32.const 1))
    (i32.store8 (i32.const 40000) (i32.const 1)))
  (func $large (export "run") NOPS)
  (@custom "notes" "NOTES"))""".replace("NOPS", "nop " * 400).replace("NOTES", "x" * 700)


def exceeded(text: str, **budgets: int) -> tuple[Excess, ...]:
    with pytest.raises(BudgetExceeded) as caught:
        build_text(text, **budgets)
    return caught.value.excesses


def test_an_output_that_just_keeps_its_budgets_is_built_and_one_unit_less_fails() -> None:
    result = build_text(LEFT)
    actual = {
        "max_size": len(result.wasm),
        "max_gzip": len(gzip.compress(result.wasm, 6)),
        "max_segments": 4,
        "max_memory_pages": 32,
    }
    assert build_text(LEFT, **actual).wasm == result.wasm
    for name, value in actual.items():
        (excess,) = exceeded(LEFT, **{**actual, name: value - 1})
        assert (excess.budget, excess.limit, excess.actual) == (name.replace("_", "-"), value - 1, value)


def test_a_size_names_the_largest_sections_functions_and_parts_of_memory() -> None:
    (excess,) = exceeded(LEFT, max_size=6000)
    phrases = [phrase for phrase, _ in excess.contributors]
    assert phrases[0].startswith("data section (+5,0")
    assert phrases[1] == "  memory 0, 0x100000 to 0x200000"
    assert phrases[2] == "  memory 0, 0x0 to 0x100000"
    assert phrases[3:6] == ["custom section 'notes'", "code section", "  function 1, 'large'"]
    amounts = dict(excess.contributors)
    assert (amounts[phrases[1]], amounts[phrases[2]]) == (5000, 3)
    assert (amounts["  function 1, 'large'"] or 0) > 400
    sections = [size or 0 for phrase, size in excess.contributors if "section" in phrase]
    assert sections == sorted(sections, reverse=True)


def test_a_compressed_size_names_the_sections_that_compress_to_most() -> None:
    (excess,) = exceeded(LEFT, max_gzip=10)
    assert {phrase.split(" section")[0] for phrase, _ in excess.contributors} >= {"data", "code", "custom"}
    sizes = [size or 0 for _, size in excess.contributors]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) < excess.actual


def test_segments_and_pages_name_the_memory_what_grew_and_where_it_is() -> None:
    segments, pages = exceeded(LEFT, max_segments=1, max_memory_pages=20)
    assert segments.contributors == (
        ("memory 0", 4),
        ("  memory 0, 0x0 to 0x100000", 3),
        ("  memory 0, 0x100000 to 0x200000", 1),
    )
    assert pages.contributors == (
        ("memory 0, 16 of them grown by the initializer", 32),
        ("  5,003 bytes are in use, the last at 0x101387", None),
    )


def test_pages_of_other_sizes_are_counted_as_64_kib() -> None:
    text = '(module (memory 65537 (pagesize 1)) (memory 1) (func (export "wizer-initialize")))'
    assert build_text(text, max_memory_pages=3)
    (excess,) = exceeded(text, max_memory_pages=2)
    assert [units for _, units in excess.contributors] == [2, 1]


def test_the_command_names_budget_size_and_contributors_and_leaves_the_output(tmp_path: Path) -> None:
    source, output, report = tmp_path / "in.wasm", tmp_path / "out.wasm", tmp_path / "report.json"
    source.write_bytes(wasm(LEFT))
    output.write_bytes(b"as it was")
    said = fails("build", source, "-o", output, "--max-size", "4KiB", "--max-segments", "3", "--report", report)
    assert "error[budget]: the output exceeds its budgets max-size, max-segments" in said
    assert "more than the 4,096 that it allows" in said
    assert "max-segments: 4 segments, 1 more than the 3 that it allows" in said
    assert "memory 0, 0x100000 to 0x200000: 1 segment\n" in said
    assert "what to do: Build with the layout `few`" in said
    assert output.read_bytes() == b"as it was"
    error = json.loads(report.read_text())["error"]
    assert error["code"] == "budget"
    assert [entry["budget"] for entry in error["budgets"]] == ["max-size", "max-segments"]
    assert error["budgets"][1]["contributors"][1] == {"what": "memory 0, 0x0 to 0x100000", "units": 3}


def test_sizes_take_units_and_a_build_within_them_is_written(tmp_path: Path) -> None:
    source, output = tmp_path / "in.wasm", tmp_path / "out.wasm"
    source.write_bytes(wasm(GOOD))
    limits = ["--max-size", "1MiB", "--max-gzip", "4k", "--max-segments", "1", "--max-memory-pages", "1"]
    run("build", source, "-o", output, *limits, code=0)
    assert output.exists()


@pytest.mark.parametrize(
    "arguments",
    [["--max-size", "big"], ["--max-gzip", "-1"], ["--max-segments", "1k"], ["--max-memory-pages", "-1"]],
    ids=" ".join,
)
def test_what_is_no_budget_is_wrong_usage(arguments: list[str]) -> None:
    assert "is not what `--max-" in fails("build", "-", *arguments, stdin=wasm(GOOD), code=2)


@pytest.mark.parametrize("name", ["max_size", "max_gzip", "max_segments", "max_memory_pages"])
def test_a_budget_from_python_is_a_whole_number_that_is_not_negative(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} can't be -1"):
        build_text(GOOD, **{name: -1})
    with pytest.raises(UsageError, match=f"{name} must be a (whole )?number.*, not float"):
        build_text(GOOD, **{name: 1.5})


def test_names_of_a_module_can_not_steer_the_terminal() -> None:
    text = '(module (memory 1) (func (export "wizer-initialize")) (@custom "\\1b[31mred" "xxxxxxxxxxxxxxxxxxx"))'
    assert "\x1b" not in fails("build", "-", "--max-size", "1", stdin=wasm(text))
