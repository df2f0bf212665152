"""Names and arguments of initializers that fit nothing in the module."""

from __future__ import annotations

import pytest

from preinit import errors
from tests.support.modules import build_text


@pytest.mark.parametrize(
    ("init_func", "error"),
    [
        ("add(1)", errors.InitializerType),
        ("add(1,2,3)", errors.InitializerType),
        ("add(1,x)", errors.InitializerType),
        ("add(1,4294967296)", errors.InitializerType),
        ("add(1,-2147483649)", errors.InitializerType),
        ("add(1,1.5)", errors.InitializerType),
        ("memory", errors.InitializerType),
        ("nothing", errors.UnknownExport),
        ("add(1,2", errors.UnknownExport),
    ],
)
def test_arguments_that_do_not_fit_are_refused(init_func: str, error: type[errors.PreinitError]) -> None:
    text = '(module (memory (export "memory") 1) (func (export "add") (param i32 i32)))'
    with pytest.raises(error):
        build_text(text, init_funcs=(init_func,))


@pytest.mark.parametrize("init_func", ["add(1,2", "add((1),2)", "(add"])
def test_a_call_without_both_brackets_is_told_what_a_call_looks_like(init_func: str) -> None:
    with pytest.raises(errors.UnknownExport, match=r"with both brackets"):
        build_text('(module (func (export "add") (param i32 i32)))', init_funcs=(init_func,))


def test_renaming_needs_an_export_that_stays() -> None:
    text = '(module (func (export "preinit_initialize")))'
    with pytest.raises(errors.UnknownExport):
        build_text(text, rename_funcs=(("a", "b"),))
    with pytest.raises(errors.UsageError):
        build_text(text, rename_funcs=(("a", "preinit_initialize"),))
