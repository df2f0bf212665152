"""Values with fields: what `dataclass` would give each of them."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from preinit.records import Record, Value, field, record, replaced, value


@value
class Point(Value):
    x: int
    y: int = 2
    names: list[str] = field(factory=list)


def test_fields_are_given_in_order_or_by_name_and_have_defaults() -> None:
    assert (Point(1).x, Point(1).y, Point(1).names) == (1, 2, [])
    assert Point(1, names=["a"], y=3) == Point(1, 3, ["a"])
    assert Point(1).names is not Point(1).names
    assert repr(Point(y=5, x=1)) == "Point(x=1, y=5, names=[])"


@pytest.mark.parametrize(
    ("given", "named", "said"),
    [
        ((), {}, "'x'"),
        ((1,), {"x": 1}, "x"),
        ((1, 2, [], 4), {}, "no such fields"),
        ((1,), {"z": 1}, "z"),
    ],
)
def test_fields_that_are_missing_unknown_or_given_twice_are_refused(
    given: tuple[object, ...], named: dict[str, object], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        Point(*given, **named)  # type: ignore[arg-type]


def test_a_value_can_not_be_changed_but_a_changed_copy_made() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.y = 5  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.y
    assert dataclasses.replace(point, y=5) == Point(1, 5)


def test_equal_values_have_one_hash_and_survive_pickling() -> None:
    @value
    class Pair(Value):
        a: int
        b: int

    assert hash(Pair(1, 2)) == hash(Pair(b=2, a=1))
    assert Pair(1, 2) != Pair(2, 1)
    assert pickle.loads(pickle.dumps(Point(1, 7))) == Point(1, 7)


def test_a_record_can_be_changed_and_equals_itself_only() -> None:
    @record
    class Counter(Record):
        name: str
        count: int = 0

    one, other = Counter("a"), Counter("a")
    one.count += 1
    assert (one.count, other.count) == (1, 0)
    assert one != replaced(one)
    assert replaced(one, name="b").count == 1
    assert {one: 1}[one] == 1


def test_a_field_without_a_default_behind_one_with_is_refused() -> None:
    with pytest.raises(TypeError, match="without a default"):

        @value
        class Wrong(Value):
            a: int = 1
            b: str  # type: ignore[misc]


@value
class Solid(Point):
    z: int = 9


def test_fields_of_one_that_is_derived_are_all_of_them_whoever_asked_first() -> None:
    assert [one.name for one in dataclasses.fields(Point)] == ["x", "y", "names"]
    assert [one.name for one in dataclasses.fields(Solid)] == ["x", "y", "names", "z"]
    assert dataclasses.asdict(Solid(1)) == {"x": 1, "y": 2, "names": [], "z": 9}


def test_a_dataclass_may_be_derived_from_one() -> None:
    @dataclasses.dataclass(frozen=True)
    class Named(Point):
        name: str = ""

    assert (Named(1, name="a").x, Named(1, name="a").name) == (1, "a")


def test_dataclasses_take_them_for_their_own() -> None:
    assert dataclasses.is_dataclass(Point)
    assert not dataclasses.is_dataclass(Value)
    assert [(one.name, one.type) for one in dataclasses.fields(Point)] == [
        ("x", "int"),
        ("y", "int"),
        ("names", "list[str]"),
    ]
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 2, "names": []}
    match Point(1, 5):
        case Point(x, y):
            assert (x, y) == (1, 5)
