"""Each shape of a component, as `scripts/compare_shapes` shows them, in the engine's own runtime for components."""

from __future__ import annotations

from itertools import count, takewhile
from pathlib import Path

import pytest

from preinit import Host
from scripts.component_shapes import COMPONENTS, initializer
from tests.support.components import RunningComponent, build_component
from tests.support.modules import wasm
from tests.support.places import FIXTURES

SHAPES = sorted((FIXTURES / "shapes/components").glob("*.wat"))


def test_there_are_as_many_as_the_comparison_promises() -> None:
    assert len(SHAPES) >= 25
    assert COMPONENTS == FIXTURES / "shapes/components"


@pytest.mark.parametrize("path", SHAPES, ids=lambda path: path.stem)
def test_the_output_answers_as_the_component_does_after_its_initializer(path: Path) -> None:
    text = path.read_text()
    run, values = initializer(text)
    host = Host(quiet_guest=True, stdin=b"")
    binary = build_component(text, run, host=host).wasm
    resumed = RunningComponent(binary, wasi=True)
    checks = list(takewhile(resumed.has, (f"check{number}" for number in count())))
    assert checks
    original = RunningComponent(wasm(text), wasi=True)
    fresh = RunningComponent(wasm(text), wasi=True)
    original.call("wizer-initialize", *values)
    expected = [original.answer(check) for check in checks]
    assert [resumed.answer(check) for check in checks] == expected
    assert [fresh.answer(check) for check in checks] != expected, "the checks don't tell whether the initializer ran"
    assert not resumed.has("wizer-initialize")


@pytest.mark.parametrize("path", SHAPES, ids=lambda path: path.stem)
def test_the_output_is_the_same_whole_and_on_demand(path: Path) -> None:
    text = path.read_text()
    run, _ = initializer(text)
    host = Host(quiet_guest=True)
    whole = build_component(text, run, host=host, engine="whole")
    on_demand = build_component(text, run, host=host, engine="ondemand")
    assert on_demand.wasm == whole.wasm
    assert [one.message for one in on_demand.report.warnings] == [one.message for one in whole.report.warnings]


def test_some_are_compiled_on_demand() -> None:
    names = ["a-table-entry-is-set", "a-component-within", "handles-are-left-open", "records-and-lists-as-arguments"]
    for name in names:
        text = next(path for path in SHAPES if path.stem == name).read_text()
        report = build_component(text, initializer(text)[0], host=Host(quiet_guest=True), engine="ondemand").report
        assert report.engine.name == "ondemand", (name, report.engine.reason)
        assert report.engine.functions_compiled < report.engine.functions
