"""The instructions of real modules are read as `wasm-tools dump` reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit.binary.module import parse
from tests.support.instructions import QUESTIONS, compared, holding
from tests.support.real import module

pytestmark = pytest.mark.real


@pytest.mark.parametrize("name", ["javy", "ruby", "cpython"])
def test_real_modules_are_read_as_wasm_tools_reads_them(name: str) -> None:
    data = Path(module(name).path).read_bytes()
    bodies = [data[body.start : body.end] for body in parse(data).bodies]
    # Of the large ones some functions from everywhere: the whole dump of CPython would be gigabytes.
    step = 1 if name == "javy" else sum(map(len, bodies)) // 500_000
    compared(holding(bodies[::step]), QUESTIONS[:3])
