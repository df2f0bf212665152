"""`NamedTuple` is that of `typing`, whose classes are made in a tenth of the time.

A command imports well over a hundred of them. Making one takes `typing` 0.2 ms, for an object of each annotation, for
which nobody asks here; and `collections` 0.1 ms, most of it to compile the constructor. Here, all classes with as many
fields share one compiled constructor, and all classes their other methods.
"""

from __future__ import annotations

from collections import _tuplegetter as _getter  # type: ignore[attr-defined] # which has it in Python, too
from collections.abc import Iterable
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    T = TypeVar("T")  # without its bound: Python would compile that text, and its first `compile` takes 3 ms

    class _Fields(tuple):
        """What named tuples have in common: https://docs.python.org/3/library/collections.html#collections.namedtuple"""

        __slots__ = ()

        @classmethod
        def _make(cls: type[T], values: Iterable[Any]) -> T:
            """One of these values. Raises `TypeError` for too few, or too many."""
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, and was given {len(made)} values")
            return made

        def _replace(self: T, /, **named: Any) -> T:
            """A copy with these fields changed. Raises `ValueError` for others."""
            made = self._make(map(named.pop, self._fields, self))
            if named:
                raise ValueError(f"{type(self).__name__} has no such fields: {list(named)}")
            return made

        def _asdict(self) -> dict[str, Any]:
            """The values by name."""
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(map('{}={!r}'.format, self._fields, self))})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            """For `copy` and `pickle`."""
            return tuple(self)

    #: Number of fields -> a constructor's code, whose parameters have no names yet.
    _constructors: dict[int, CodeType] = {}

    def _constructor(fields: tuple[str, ...]) -> FunctionType:
        """`def __new__(cls, field, ...): return tuple.__new__(cls, (field, ...))`."""
        code = _constructors.get(len(fields))
        if code is None:
            values = "".join(f"_{at}," for at in range(len(fields)))
            code = eval(f"lambda _cls,{values}: new(_cls,({values}))").__code__
            _constructors[len(fields)] = code
        code = code.replace(co_varnames=("_cls", *fields), co_name="__new__")
        return FunctionType(code, {"new": tuple.__new__}, "__new__")

    class _Maker(type):
        """Makes the classes of which `NamedTuple` is named as the base."""

        def __new__(cls, name: str, bases: tuple[type, ...], content: dict[str, Any]) -> type:
            fields = tuple(content.get("__annotations__", ()))
            defaults = {field: content.pop(field) for field in fields if field in content}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default follows one with a default")
            new = _constructor(fields)
            new.__defaults__ = tuple(defaults.values())
            content |= {field: _getter(at, f"Field {at}") for at, field in enumerate(fields)}
            content |= {"__new__": new, "_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            return type(name, (_Fields, *bases[1:]), {"__slots__": (), **content})

    NamedTuple = type.__new__(_Maker, "NamedTuple", (), {})
