"""Frozen values, whose methods are shared."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


class Value:
    """What frozen values have in common.

    Here once, since `dataclass` compiles these methods for each class: for all of them, that takes longer than the rest
    of a small build.
    """

    def __init__(self, *given: object, **named: object) -> None:
        fields: dict[str, dataclasses.Field[object]] = type(self).__dataclass_fields__  # type: ignore[attr-defined]
        values = dict(zip(fields, given, strict=False)) if given else {}
        wrong = [name for name in named if name in values or name not in fields]
        if wrong or len(given) > len(fields):
            raise TypeError(f"{type(self).__qualname__} has no such fields, or they are given twice: {wrong or given}")
        values.update(named)
        held = vars(self)  # not through `__setattr__`, and in the order of the fields: so hashes are those of equals
        for name, field in fields.items():
            if name in values:
                held[name] = values[name]
            elif field.default is not dataclasses.MISSING:
                held[name] = field.default
            elif field.default_factory is not dataclasses.MISSING:
                held[name] = field.default_factory()
            else:
                raise TypeError(f"{type(self).__qualname__} needs its field {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


@dataclass_transform(frozen_default=True)
def value(kind: type[T]) -> type[T]:
    """A dataclass with those methods."""
    return dataclass(init=False, eq=False, repr=False)(kind)
