"""Integers with names, as `enum.IntEnum` has them: that takes 20 us to make each, and there are 150."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enum import IntEnum as IntEnum
else:

    class _Maker(type):
        """Makes the classes, of which each number in the body becomes a member."""

        def __new__(cls, name: str, bases: tuple[type, ...], content: dict[str, Any]) -> type:
            numbers = {label: number for label, number in content.items() if type(number) is int}
            made = super().__new__(cls, name, bases, {k: v for k, v in content.items() if k not in numbers})
            made.__members__ = {}
            for label, number in numbers.items():
                member = made.__members__[label] = int.__new__(made, number)
                member.name = label
                setattr(made, label, member)
            made._known = {int(member): member for member in made.__members__.values()}
            return made

        def __call__(cls, number: int) -> Any:
            """The member with that number. Raises `ValueError`."""
            try:
                return cls._known[number]
            except KeyError:
                raise ValueError(f"{number!r} is not a valid {cls.__name__}") from None

        def __getitem__(cls, label: str) -> Any:
            return cls.__members__[label]

        def __iter__(cls) -> Iterator[Any]:
            return iter(cls.__members__.values())

        def __len__(cls) -> int:
            return len(cls.__members__)

        def __contains__(cls, number: object) -> bool:
            return number in cls._known

    class IntEnum(int, metaclass=_Maker):
        """https://docs.python.org/3/library/enum.html#enum.IntEnum"""

        __str__ = int.__repr__

        def __repr__(self) -> str:
            return f"<{type(self).__name__}.{self.name}: {int(self)}>"

        def __reduce__(self) -> tuple[Any, ...]:
            return type(self), (int(self),)

        @property
        def value(self) -> int:
            return int(self)
