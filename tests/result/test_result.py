"""What a build gives back does not change, and looks like the two things that it is."""

from __future__ import annotations

import pytest

from preinit import Result, build
from tests.support.both_engines import INIT
from tests.support.modules import UNUSABLE, wasm


def test_a_result_can_be_taken_apart_and_not_be_changed() -> None:
    result = build(wasm(f"(module (memory 1) (func {INIT} (i32.store (i32.const 8) (i32.const 7))))"), **UNUSABLE)
    match result:
        case Result(binary, report):
            assert binary == result.wasm
            assert report is result.report
    for name in ("wasm", "report", "other"):
        with pytest.raises(AttributeError):
            setattr(result, name, None)
