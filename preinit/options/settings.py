"""Classes whose fields are options."""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

from ..records import Value, annotations_of, defaults_of, value

T = TypeVar("T")


class _Signature:
    """The signature of a class of settings, made for who asks: `help`, editors, documentation."""

    def __get__(self, _instance: object, owner: type) -> Any:
        from inspect import Parameter, Signature

        kind, notes = Parameter.KEYWORD_ONLY, annotations_of(owner)
        defaults = defaults_of(owner)
        if not defaults:  # what they have in common, which `help` looks at, too
            return None
        return Signature([
            Parameter(name, kind, default=default, annotation=notes[name]) for name, default in defaults.items()
        ])  # fmt: skip


class Settings(Value):
    """What classes of options have in common. No program of Python's takes as many parameters as a constructor of them
    would have.

    Fields are given by name. Raises `UsageError` for a value that does not fit, `TypeError` for another name.
    """

    __signature__ = _Signature()

    def __init__(self, *unnamed: object, **given: object) -> None:
        kind = type(self)
        if unnamed:
            raise TypeError(f"{kind.__qualname__}() takes no positional arguments: name the fields")
        for name, default in defaults_of(kind).items():
            object.__setattr__(self, name, given.pop(name) if name in given else default)
        if given:
            raise TypeError(f"{kind.__qualname__}() got an unexpected keyword argument {next(iter(given))!r}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Checks what fields must not be together."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(kind: type[T]) -> type[T]:
    """Makes fields of the options of a class, which can't be changed."""
    return value(kind)
