"""Calls of every function that a component exports, with values made up for its types: written in WAVE, as users do."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from ..engine.component.aggregates import Flags, List, Own, Record, Variant
from ..engine.component.values import Refused, ValueType
from ..passes.component.plan import exported_functions, spellings
from ..passes.component.source import ComponentSource
from ..passes.component.wave import types_within

#: Calls of each function with parameters: so many have values at a boundary, so many random ones. The initializer runs
#: before each of them.
_BOUNDARIES, _RANDOM = 3, 3

#: Scalars and elements of one call, elements of a random list, values within values from which on lists are empty.
_MOST_PARTS, _LONGEST, _DEEPEST = 1_000, 3, 4

#: What most often goes wrong; of integers, see `_integer`.
_EDGES = {
    "bool": ("false", "true"),
    "char": ("'a'", r"'\u{0}'", r"'\u{10ffff}'", "'é'"),
    "string": ('""', r'"\u{0}é\u{1f600}"', '"' + "long " * 100 + '"', '"1"'),
    "f32": ("0", "-0.0", "nan", "inf", "-inf", "3.4028234663852886e38", "0.1"),
    "f64": ("0", "-0.0", "nan", "inf", "-inf", "1.7976931348623157e308", "5e-324", "0.1"),
}


def calls_of_all(source: ComponentSource, seed: int) -> Iterator[str]:
    """Calls of every exported function whose parameters can be written: not of one that takes handles, or that is
    asynchronous. The same for the same seed."""
    for path, function in exported_functions(source).items():
        types, name = function.type.types, next(spellings(path))
        if function.type.is_async or any(map(_is_unwritable, types)):
            continue
        if not types:
            yield name
            continue
        chosen = random.Random(f"{seed} {name}")
        texts = (_Values(chosen, number).call(name, types) for number in range(_BOUNDARIES + _RANDOM))
        yield from dict.fromkeys(text for text in texts if text)


def _is_unwritable(found: ValueType) -> bool:
    return any(isinstance(kind, (Own, Refused)) for kind in types_within(found))


class _Values:
    """The values of one call: those of the first calls stand at boundaries."""

    def __init__(self, chosen: random.Random, number: int) -> None:
        self._chosen = chosen
        self._number = number
        self._parts = 0

    def call(self, name: str, types: Sequence[ValueType]) -> str:
        """The call; nothing where its values would have too many parts."""
        try:
            return f"{name}({', '.join(self._value(found, 0) for found in types)})"
        except OverflowError:
            return ""

    def _at(self, choices: int) -> int:
        """Which of so many choices."""
        if self._number < _BOUNDARIES:
            return (self._number + self._parts // 2) % choices
        return self._chosen.randrange(choices)

    def _value(self, wanted: ValueType, depth: int) -> str:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise OverflowError
        match wanted:
            case List():
                count = 0 if depth >= _DEEPEST else self._at(_LONGEST + 1)
                return f"[{', '.join(self._value(wanted.element, depth + 1) for _ in range(count))}]"
            case Record():
                items = [self._value(kind, depth + 1) for kind in wanted.types]
                if wanted.names is None:
                    return f"({', '.join(items)})"
                return "{" + ", ".join(f"{name}: {item}" for name, item in zip(wanted.names, items, strict=True)) + "}"
            case Flags():
                bits = (0, -1, 1)[self._number] if self._number < _BOUNDARIES else self._chosen.getrandbits(32)
                return "{" + ", ".join(label for bit, label in enumerate(wanted.labels) if bits >> bit & 1) + "}"
            case Variant():
                number = self._at(len(wanted.labels))
                payload = wanted.payloads[number]
                label = wanted.labels[number]
                return label if payload is None else f"{label}({self._value(payload, depth + 1)})"
        edges = _EDGES.get(wanted.kind)
        return edges[self._at(len(edges))] if edges else self._integer(wanted.kind)

    def _integer(self, kind: str) -> str:
        bits = int(kind[1:])
        low, high = (0, (1 << bits) - 1) if kind[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)
        edges = (0, high, 1, low, 8)
        if self._number < _BOUNDARIES or self._chosen.random() < 0.5:
            return str(edges[self._at(len(edges))])
        if self._chosen.random() < 0.5:
            return str(self._chosen.randrange(min(high, 1 << 16)))  # small enough for an index or a length
        return str(self._chosen.randint(low, high))
