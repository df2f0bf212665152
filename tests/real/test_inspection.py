"""Inspections of real modules, and of what builds of them gave."""

from __future__ import annotations

from pathlib import Path

import pytest

import preinit
from preinit.report.inspection_page import inspection_page
from preinit.report.inspection_text import lines
from tests.support.real import module, options

pytestmark = pytest.mark.real


@pytest.mark.parametrize("name", ["javy", "ruby", "cpython"])
def test_a_snapshot_is_told_from_its_original_on_a_page_of_less_than_a_megabyte(name: str) -> None:
    entry = module(name)
    result = preinit.build(entry.path, options(entry))
    found = preinit.inspect(result.wasm, entry.path)
    assert (found.sha256, found.size) == (result.report.output.sha256, result.report.output.size)
    assert found.against is not None
    assert found.against.same_code
    assert found.against.sha256_before == result.report.input.sha256
    assert {change.name for change in found.against.sections if not change.same} <= {
        "memory", "global", "export", "start", "data", "data count", "element", "name", "producers", "target_features",
    }  # fmt: skip
    memory = found.memories[0]
    assert {run.state for run in memory.runs} == {"zero", "data", "changed"}
    assert memory.bytes_set >= memory.bytes_changed > 0
    assert sum(run.pages for run in memory.runs) == memory.pages == result.report.snapshot.memories[0].pages
    assert (
        sum(group.functions for group in found.groups) == found.counts["functions"] - found.counts["imported_functions"]
    )
    assert len(inspection_page(found, name, result.report).encode()) < 1_000_000
    assert len(lines(found, name)) < 300


def test_the_page_by_page_map_agrees_with_the_memory_of_an_instance() -> None:
    from tests.support.instances import Running

    entry = module("javy")
    result = preinit.build(entry.path, options(entry))
    page = 1 << 16
    now, before = (Running(data).state().memories[0] for data in (result.wasm, Path(entry.path).read_bytes()))
    before = before.ljust(len(now), b"\0")
    (memory,) = preinit.inspect(result.wasm, entry.path).memories
    states = [run.state for run in memory.runs for _ in range(run.pages)]
    for number, state in enumerate(states):
        own, old = (image[number * page : (number + 1) * page] for image in (now, before))
        assert state == ("changed" if own != old else "data" if any(own) else "zero"), f"page {number}"
    assert memory.bytes_set == len(now) - now.count(0)
