"""Options have one constructor, which is as good as one of their own."""

from __future__ import annotations

import inspect
import pydoc

import pytest

from preinit import Host, Options
from preinit.errors import UsageError


@pytest.mark.parametrize("kind", [Options, Host])
def test_fields_are_given_by_name_only(kind: type) -> None:
    with pytest.raises(TypeError, match=f"{kind.__name__}.* no positional arguments"):
        kind(())
    with pytest.raises(TypeError, match=f"{kind.__name__}.* unexpected keyword argument 'colour'"):
        kind(colour="red")


def test_each_value_is_checked() -> None:
    with pytest.raises(UsageError, match="layout"):
        Options(layout="sideways")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="random"):
        Host(random="often")


def test_who_asks_sees_all_fields_and_their_defaults() -> None:
    parameters = inspect.signature(Options).parameters
    assert next(iter(parameters)) == "init_funcs"
    assert all(each.kind is inspect.Parameter.KEYWORD_ONLY for each in parameters.values())
    assert parameters["layout"].default == Options().layout
    assert inspect.signature(Host).parameters["clock_pace"].default == Host().clock_pace


class Narrower(Options):
    """Options of somebody's own."""


@pytest.mark.parametrize("kind", [Options, Host, Narrower])
def test_help_shows_all_fields(kind: type) -> None:
    shown = pydoc.plain(pydoc.render_doc(kind))
    assert all(field in shown for field in inspect.signature(kind).parameters)
