"""Where a module comes from: bytes or a path, binary or text."""

from __future__ import annotations

import io
from typing import Any

import pytest

from preinit import build
from preinit.errors import InputError, UsageError
from tests.support.command import GOOD, assert_initialized


@pytest.mark.parametrize("given", [None, 5, io.BytesIO(), ["x"]], ids=lambda given: type(given).__name__)
def test_what_is_no_module_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="a module must be bytes or a path"):
        build(given)


@pytest.mark.parametrize("given", ["a\0b", "no-such-file", "\ud800", "(module)", "", "x" * 5000], ids=ascii)
def test_a_path_that_leads_nowhere_is_an_error_of_the_input(given: str) -> None:
    with pytest.raises(InputError, match="can't be read") as caught:
        build(given)
    assert caught.value.hint


@pytest.mark.parametrize("before", ["\ufeff", " \n\t" * 1000, ";; x\n" * 1000, "\ufeff \n(; x ;)", "\r\n"], ids=ascii)
def test_text_is_recognized_after_anything_that_may_come_first(before: str) -> None:
    assert_initialized(build((before + GOOD).encode(), cache=False).wasm)
