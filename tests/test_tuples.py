"""Classes of `preinit.tuples` are those that `typing.NamedTuple` makes."""

from __future__ import annotations

import pickle
import typing
from typing import Any, Generic, TypeVar

import pytest

from preinit.tuples import NamedTuple

T = TypeVar("T")


class Place(NamedTuple):
    """Where something is."""

    row: int
    name: str | None = None

    @property
    def title(self) -> str:
        return f"{self.name or '?'} in row {self.row}"


class Pair(NamedTuple, Generic[T]):
    first: T
    second: T


def test_fields_have_names_defaults_and_documentation() -> None:
    place = Place(3)
    assert place == (3, None) == Place(row=3, name=None)
    assert isinstance(place, tuple)
    assert place._replace(name="x").title == "x in row 3"
    assert repr(place) == "Place(row=3, name=None)"
    assert Place.__doc__ == "Where something is."
    assert (Place._fields, Place._field_defaults) == (("row", "name"), {"name": None})
    with pytest.raises(TypeError, match="row"):
        Place()  # type: ignore[call-arg]


def test_values_are_counted_and_their_names_known() -> None:
    assert Place._make([3, "x"]) == Place(3, "x")
    assert Place(3)._asdict() == {"row": 3, "name": None}
    for values in ((), (1, "x", 2)):
        with pytest.raises(TypeError, match="Place has 2 fields"):
            Place._make(values)
    with pytest.raises(ValueError, match="column"):
        Place(3)._replace(column=4)  # type: ignore[call-arg]
    match Place(4, "y"):
        case Place(row, name):
            assert (row, name) == (4, "y")


def test_classes_with_as_many_fields_keep_their_own_names_and_defaults() -> None:
    class Other(NamedTuple):
        column: int
        title: str = "none"

    assert Other(column=1) == (1, "none")
    assert Place(row=1) == (1, None)
    with pytest.raises(TypeError, match="row"):
        Other(row=1)  # type: ignore[call-arg]


def test_a_value_travels_to_another_process() -> None:
    assert type(pickle.loads(pickle.dumps(Place(3)))) is Place


def test_a_class_may_be_generic() -> None:
    pair: Pair[int] = Pair[int](1, 2)
    assert pair.second == 2
    assert pair == (1, 2)


def test_annotations_are_those_that_were_written() -> None:
    assert typing.get_type_hints(Place) == {"row": int, "name": str | None}


def test_a_field_without_a_default_can_not_follow_one_with_a_default() -> None:
    content: dict[str, Any] = {"__module__": __name__, "__annotations__": {"a": int, "b": int}, "a": 1}
    with pytest.raises(TypeError, match="without a default"):
        type(NamedTuple)("Wrong", (NamedTuple,), content)
