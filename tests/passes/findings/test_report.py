"""The report of a build."""

from __future__ import annotations

import json

from preinit import build
from tests.support.modules import build_text, wasm
from tests.support.shapes.state import SHAPES


def test_the_report_tells_what_the_snapshot_holds() -> None:
    report = build_text(SHAPES["a_memory_that_grew"], measure_gzip=True).report
    memory = report.snapshot.memories[0]
    assert (memory.pages_before, memory.pages, memory.segments, memory.bytes_written) == (1, 4, 1, 4)
    assert report.input.sha256 != report.output.sha256
    assert sum(report.output.sections.values()) + 8 == report.output.size
    assert report.output.gzip_size


def test_modules_are_not_hashed_where_nobody_wants_that() -> None:
    report = build_text(SHAPES["a_memory_that_grew"], digest_modules=False).report
    assert (report.input.sha256, report.output.sha256) == ("", "")
    assert report.output.size > report.input.size


def test_reports_are_json() -> None:
    from preinit.report.json import dumps

    report = build(
        wasm('(module (func (export "f") (result f64) (f64.const nan)) (memory (export "memory") 0))'),
        init_funcs=["f"],
        cache=False,
    ).report
    assert json.loads(dumps(report))["runs"][0]["results"] == ["nan"]
