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

    def __setattr__(self, name: str, value: object) -> None:
        if name in vars(self) or name not in type(self).__dataclass_fields__:  # type: ignore[attr-defined]
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super().__setattr__(name, value)

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
    return dataclass(eq=False, repr=False)(kind)
