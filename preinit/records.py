"""Values with fields, whose methods are shared.

A `dataclass` compiles methods for each class, and importing `dataclasses` takes 8 ms: a tenth of a small build. These
are dataclasses for whoever looks for one: `dataclasses.fields`, `replace` and `asdict` take them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

T = TypeVar("T")


class _Made:
    """A default that is made anew for each value."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory


def field(*, factory: Callable[[], T]) -> T:
    """A field whose default is made anew for each value."""
    return _Made(factory)  # type: ignore[return-value] # as with `dataclasses.field`


#: In the place of a default: the field has to be given.
REQUIRED: Any = object()


class _OfDataclass:
    """What `dataclasses` looks for in a class, made for who asks."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, _instance: object, owner: type) -> Any:
        defaults = defaults_of(owner)
        if not defaults:  # `Value` itself, which is none
            raise AttributeError(self._name)
        import dataclasses

        notes = annotations_of(owner)
        content: dict[str, Any] = {"__annotations__": {name: notes[name] for name in defaults}}
        for name, default in defaults.items():
            if isinstance(default, _Made):
                content[name] = dataclasses.field(default_factory=default.factory)
            elif default is not REQUIRED:
                content[name] = default
        alike = type(owner.__name__, (), content)
        made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, frozen=issubclass(owner, Value))(alike)
        return getattr(made, self._name)


class _Fields:
    """What all of them have in common."""

    if not TYPE_CHECKING:
        __dataclass_fields__ = _OfDataclass("__dataclass_fields__")
        __dataclass_params__ = _OfDataclass("__dataclass_params__")
        _defaults = {}

    def __init__(self, *given: object, **named: object) -> None:
        defaults = defaults_of(type(self))
        values = dict(zip(defaults, given, strict=False)) if given else {}
        wrong = [name for name in named if name in values or name not in defaults]
        if wrong or len(given) > len(defaults):
            raise TypeError(f"{type(self).__qualname__} has no such fields, or they are given twice: {wrong or given}")
        values.update(named)
        held = vars(self)  # not through `__setattr__`, and in the order of the fields: so hashes are those of equals
        for name, default in defaults.items():
            if name in values:
                held[name] = values[name]
            elif default is REQUIRED:
                raise TypeError(f"{type(self).__qualname__} needs its field {name!r}")
            else:
                held[name] = default.factory() if isinstance(default, _Made) else default

    def __replace__(self: T, /, **changes: Any) -> T:
        """For `copy.replace`."""
        return replaced(self, **changes)


class Record(_Fields):
    """Fields that can change: one is equal to itself only."""


class Value(_Fields):
    """Fields that can't: two with equal ones are equal."""

    def __setattr__(self, name: str, value: object) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def record(kind: type[T]) -> type[T]:
    """Makes fields of what is annotated in a `Record`. Raises `TypeError` as `value` does."""
    return _with_fields(kind)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(kind: type[T]) -> type[T]:
    """Makes fields of what is annotated in a `Value`. Raises `TypeError` where one without default follows one with."""
    return _with_fields(kind)


def _with_fields(kind: type[T]) -> type[T]:
    own = {name: getattr(kind, name, REQUIRED) for name in _annotations(kind)}
    defaults = {**defaults_of(kind), **own}
    optional = [default is not REQUIRED for default in defaults.values()]
    if sorted(optional) != optional:
        raise TypeError(f"{kind.__name__}: a field without a default follows one with a default")
    for name, default in own.items():
        if isinstance(default, _Made):
            delattr(kind, name)
    kind._defaults = defaults  # type: ignore[attr-defined]
    kind.__match_args__ = tuple(defaults)  # type: ignore[attr-defined,misc]
    return kind


def annotations_of(kind: type) -> dict[str, Any]:
    """What a class and its bases annotate."""
    return {name: note for one in reversed(kind.__mro__) for name, note in _annotations(one).items()}


def _annotations(kind: type) -> Mapping[str, Any]:
    """What a class itself annotates."""
    own: Mapping[str, Any] = vars(kind).get("__annotations__", {})
    return own


def defaults_of(kind: type) -> Mapping[str, Any]:
    """The fields of a class, in order -> their defaults; `REQUIRED` for one that has none."""
    defaults: Mapping[str, Any] = kind._defaults  # type: ignore[attr-defined]
    return defaults


def replaced(old: T, /, **changes: Any) -> T:
    """A copy with these fields changed, as `dataclasses.replace` gives it. Raises what the class raises."""
    return type(old)(**{**{name: getattr(old, name) for name in defaults_of(type(old))}, **changes})
