"""Integers with names are what `enum.IntEnum` would make of them."""

from __future__ import annotations

import copy
import enum
import json
import pickle
from typing import Any

import pytest

from preinit.binary.module import SectionId
from preinit.enums import IntEnum
from preinit.host.wasi1.errnos import Errno


class Ours(IntEnum):
    ZERO = 0
    FAR = 1 << 40


class Theirs(enum.IntEnum):
    ZERO = 0
    FAR = 1 << 40


def facts(kind: Any) -> list[Any]:
    """What can be seen of a class and of its members."""
    members = list(kind)
    return [
        len(kind),
        [(str(one), f"{one}", f"{one:#x}", one.name, one.value, int(one), hash(one), one + 1) for one in members],
        [repr(one).replace(kind.__name__, "") for one in members],
        json.dumps(members),
        list(kind.__members__),
        [kind(int(one)) is one and kind[one.name] is one and getattr(kind, one.name) is one for one in members],
        [isinstance(one, kind) and isinstance(one, int) for one in members],
        [copy.deepcopy(one) is one and pickle.loads(pickle.dumps(one)) is one for one in members],
        {1 << 40: "by number"}[kind.FAR],
        sorted([kind.FAR, kind.ZERO, 7]) == [0, 7, 1 << 40],
        kind.ZERO in kind,
        bool(kind.ZERO),
    ]


def test_all_that_can_be_seen_is_the_same() -> None:
    assert facts(Ours) == facts(Theirs)


@pytest.mark.parametrize("kind", [Ours, Theirs])
def test_what_is_no_member_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=f"5 is not a valid {kind.__name__}"):
        kind(5)
    with pytest.raises(KeyError):
        kind["FIVE"]


def test_those_of_the_package_are_there() -> None:
    assert (SectionId(10), SectionId.CODE.name) == (SectionId.CODE, "CODE")
    assert (Errno["NOENT"], len(Errno)) == (44, 77)
