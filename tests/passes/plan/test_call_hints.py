"""What is said about calls that were written in another way than they should be."""

from __future__ import annotations

from typing import Any

import pytest

from preinit import build
from preinit.errors import ImportCalled, PreinitError, UsageError
from tests.support.modules import wasm

MODULE = """(module (import "env" "f" (func $f (param i32) (result i32))) (memory (export "memory") 1)
  (func (export "init") (result i32) (i32.const 8))
  (func (export "other") (param i32) (result i32) (local.get 0))
  (func (export "go") (result i32) (call $f (i32.const 1))))"""


def hint(**options: Any) -> str:
    with pytest.raises(PreinitError) as caught:
        build(wasm(MODULE), cache=False, **options)
    return caught.value.hint or ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"init_funcs": ["init=8"]}, '`init_funcs=["init()=8"]`'),
        ({"init_funcs": ["init"], "rename_funcs": {"_start": "other=1"}}, '`rename_funcs={"_start": "other()=1"}`'),
        ({"init_funcs": ["other('a')"]}, "Texts stand between double quotes"),
        ({"init_funcs": ["other(...)=0"]}, "`...` stands for what the call is given"),
    ],
)
def test_a_call_that_was_written_in_another_way_is_told_how_it_is_written(options: dict[str, Any], said: str) -> None:
    assert said in hint(**options)
    if "init_funcs=" in said:
        assert build(wasm(MODULE), cache=False, init_funcs=["init()=8"]).wasm


def test_a_caller_of_the_library_is_told_of_functions() -> None:
    with pytest.raises(ImportCalled, match=r'`functions=\{"MODULE.NAME": function\}`, or `preloads=\{"env": "FILE"\}`'):
        build(wasm(MODULE), cache=False, init_funcs=["go"])
    assert build(wasm(MODULE), cache=False, init_funcs=["go"], functions={"env.f": lambda guest, number: 0}).wasm


def test_an_import_is_named_by_one_text() -> None:
    with pytest.raises(UsageError, match="functions names an import by a tuple"):
        build(wasm(MODULE), cache=False, init_funcs=["go"], functions={("env", "f"): len})  # type: ignore[dict-item]
