"""Classes whose fields are options."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

from ..result.frozen import Value

T = TypeVar("T")


class _Signature:
    """The signature of a class of settings, made for who asks: `help`, editors, documentation."""

    def __get__(self, _instance: object, owner: type) -> Any:
        from inspect import Parameter, Signature

        kind = Parameter.KEYWORD_ONLY
        if not dataclasses.is_dataclass(owner):  # what they have in common, which `help` looks at, too
            return None
        fields = dataclasses.fields(owner)
        return Signature([
            Parameter(field.name, kind, default=_default(field), annotation=field.type) for field in fields
        ])  # fmt: skip


class Settings(Value):
    """What classes of options have in common. Here once: `dataclass` would compile a constructor for each, and no
    program of Python's takes as many parameters; each command would wait for that.

    Fields are given by name. Raises `UsageError` for a value that does not fit, `TypeError` for another name.
    """

    __signature__ = _Signature()

    def __init__(self, *unnamed: object, **given: object) -> None:
        kind = type(self)
        if unnamed:
            raise TypeError(f"{kind.__qualname__}() takes no positional arguments: name the fields")
        for field in dataclasses.fields(self):  # type: ignore[arg-type] # see `settings`
            name = field.name
            object.__setattr__(self, name, given.pop(name) if name in given else _default(field))
        if given:
            raise TypeError(f"{kind.__qualname__}() got an unexpected keyword argument {next(iter(given))!r}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Checks what fields must not be together."""


def _default(field: dataclasses.Field[Any]) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(kind: type[T]) -> type[T]:
    """A dataclass with that constructor, whose fields can't be changed."""
    return dataclass(init=False, eq=False, repr=False, match_args=False, kw_only=True)(kind)
