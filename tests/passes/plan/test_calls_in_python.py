"""Calls that Python writes as text: they pass numbers, and say what passes the rest."""

from __future__ import annotations

import pytest

from preinit.errors import InitializerType
from tests.support.modules import build_text


@pytest.mark.parametrize("argument", ["*", "*8", '"text"', "@file", '"f(1, 2)"'])
def test_text_that_is_no_number_is_refused_with_what_passes_it(argument: str) -> None:
    text = '(module (func (export "a") (result i32) (i32.const 0)) (func (export "f") (param i32)))'
    with pytest.raises(InitializerType, match="is not a number of type i32") as caught:
        build_text(text, init_funcs=("a", f"f({argument})"))
    assert "`preinit.Call`" in (caught.value.hint or "")
