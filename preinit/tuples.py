"""`NamedTuple` is that of `typing`, whose classes are made in a third of the time.

A command imports well over a hundred of them. Making one takes `typing` 0.2 ms: it makes an object of each annotation,
for which nobody asks here.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class _Maker(type):
        """Makes the classes of which `NamedTuple` is named as the base."""

        def __new__(cls, name: str, bases: tuple[type, ...], content: dict[str, Any]) -> type:
            fields = content.get("__annotations__", {})
            given = [field for field in fields if field in content]
            if given != list(fields)[len(fields) - len(given) :]:
                raise TypeError(f"{name}: a field without a default follows one with a default")
            defaults = [content.pop(field) for field in given]
            made = namedtuple(name, fields, defaults=defaults, module=content["__module__"])
            if len(bases) > 1:  # a generic one
                return type(name, (made, *bases[1:]), {"__slots__": (), **content})
            for key, value in content.items():
                setattr(made, key, value)
            return made

    NamedTuple = type.__new__(_Maker, "NamedTuple", (), {})
