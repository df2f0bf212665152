"""Lists, records, variants, flags, handles: types that are made of others.

https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#alignment
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from ...errors import GuestTrap, InvalidModule
from .handles import ResourceType
from .values import PRIMITIVES, Context, Pointed, ValueType, aligned, together


class List(Pointed):
    kind = "list"

    def __init__(self, element: ValueType) -> None:
        self.element = element
        self._bytes = element is PRIMITIVES["u8"]
        self.within(element)

    def read(self, cx: Context, address: int, length: int) -> Any:
        element = self.element
        if address & (element.align - 1):
            raise GuestTrap(f"the guest passed a list at address {address:#x}, which is not aligned")
        content = cx.read(address, length * element.size)
        if self._bytes:
            return bytes(content)
        cx.count(length)
        return [element.load(cx, address + number * element.size) for number in range(length)]

    def write(self, cx: Context, value: Any) -> tuple[int, int]:
        size = self.element.size
        address = cx.allocate(len(value) * size, self.element.align)
        if self._bytes:
            cx.view()[address : address + len(value)] = bytes(value)
        else:
            for number, item in enumerate(value):
                self.element.store(cx, item, address + number * size)
        return address, len(value)


class Record(ValueType):
    """A record, or a tuple: without `names`."""

    def __init__(self, types: Sequence[ValueType], names: Sequence[str] | None) -> None:
        if not types:
            raise InvalidModule("the component is not valid: it has a record without fields")
        self.kind = "tuple" if names is None else "record"
        self.types, self.names = types, names
        self.align = max(found.align for found in types)
        at, places = 0, []
        for found in types:
            at = aligned(at, found.align)
            places.append(at)
            at += found.size
        self.size = aligned(at, self.align)
        self.flat = together([found.flat for found in types])
        self._places = list(zip(types, places, strict=True))
        self.within(*types)

    def load(self, cx: Context, address: int) -> Any:
        return tuple([found.load(cx, address + place) for found, place in self._places])

    def store(self, cx: Context, value: Any, address: int) -> None:
        for (found, place), item in zip(self._places, value, strict=True):
            found.store(cx, item, address + place)

    def lift(self, cx: Context, flat: Iterator[int]) -> Any:
        return tuple([found.lift(cx, flat) for found in self.types])

    def lower(self, cx: Context, value: Any) -> list[int]:
        return [bits for found, item in zip(self.types, value, strict=True) for bits in found.lower(cx, item)]


def _join(one: str, other: str) -> str:
    return one if one == other else "i32" if {one, other} == {"i32", "f32"} else "i64"


class Variant(ValueType):
    """Cases with or without a payload: a variant; `kind` says whether it is written as an enum, option or result."""

    def __init__(self, kind: str, labels: Sequence[str], payloads: Sequence[ValueType | None]) -> None:
        if not labels:
            raise InvalidModule("the component is not valid: it has a variant without cases")
        self.kind = kind
        self.labels, self.payloads = labels, payloads
        self.numbers = {label: number for number, label in enumerate(labels)}
        present = [found for found in payloads if found]
        size = 1 if len(labels) <= 1 << 8 else 2 if len(labels) <= 1 << 16 else 4
        self._discriminant = PRIMITIVES[f"u{8 * size}"]
        align = max((found.align for found in present), default=1)
        self.align = max(size, align)
        self._place = aligned(size, align)
        self.size = aligned(self._place + max((found.size for found in present), default=0), self.align)
        self.flat = self._flat(present)
        self.within(*present)

    def _flat(self, present: Sequence[ValueType]) -> tuple[str, ...] | None:
        joined: list[str] = []
        for found in present:
            if found.flat is None:
                return None
            pairs = zip_longest(joined, found.flat)
            joined = [_join(*pair) if all(pair) else pair[0] or pair[1] for pair in pairs]
        return together([("i32",), tuple(joined)])

    def _value(self, number: int, payload: Any) -> Any:
        label = self.labels[number]
        if self.kind == "enum":
            return label
        if self.kind == "option":
            return (payload,) if number else None
        return label, payload

    def parts(self, value: Any) -> tuple[int, Any]:
        if self.kind == "enum":
            return self.numbers[value], None
        if self.kind == "option":
            return (0, None) if value is None else (1, value[0])
        return self.numbers[value[0]], value[1]

    def _check(self, number: int) -> None:
        if number >= len(self.labels):
            raise GuestTrap(f"the guest passed case {number} of a {self.kind} that has {len(self.labels)}")

    def load(self, cx: Context, address: int) -> Any:
        number = self._discriminant.load(cx, address)
        self._check(number)
        payload = self.payloads[number]
        return self._value(number, payload.load(cx, address + self._place) if payload else None)

    def store(self, cx: Context, value: Any, address: int) -> None:
        number, item = self.parts(value)
        self._discriminant.store(cx, number, address)
        if payload := self.payloads[number]:
            payload.store(cx, item, address + self._place)

    def lift(self, cx: Context, flat: Iterator[int]) -> Any:
        number = next(flat) & 0xFFFFFFFF
        self._check(number)
        rest = [next(flat) for _ in range(len(self.flat or ()) - 1)]  # bits: what is joined needs no change
        payload = self.payloads[number]
        return self._value(number, payload.lift(cx, iter(rest)) if payload else None)

    def lower(self, cx: Context, value: Any) -> list[int]:
        number, item = self.parts(value)
        payload = self.payloads[number]
        found = [number, *(payload.lower(cx, item) if payload else ())]
        return found + [0] * (len(self.flat or ()) - len(found))


def option_of(payload: ValueType) -> Variant:
    return Variant("option", ("none", "some"), (None, payload))


def result_of(ok: ValueType | None, error: ValueType | None) -> Variant:
    return Variant("result", ("ok", "err"), (ok, error))


class Flags(ValueType):
    kind = "flags"
    _MOST = 32

    def __init__(self, labels: Sequence[str]) -> None:
        if not 0 < len(labels) <= self._MOST:
            raise InvalidModule(f"the component is not valid: it has a type with {len(labels)} flags, not 1 to 32")
        self.labels = labels
        size = 1 if len(labels) <= 8 else 2 if len(labels) <= 16 else 4
        self._number = PRIMITIVES[f"u{8 * size}"]
        self.size = self.align = size
        self.flat = ("i32",)
        self._mask = (1 << len(labels)) - 1

    def load(self, cx: Context, address: int) -> int:
        return int(self._number.load(cx, address)) & self._mask

    def store(self, cx: Context, value: Any, address: int) -> None:
        self._number.store(cx, value, address)

    def lift(self, cx: Context, flat: Iterator[int]) -> int:
        return next(flat) & self._mask

    def lower(self, cx: Context, value: Any) -> list[int]:
        return [value]


class Own(ValueType):
    kind = "own"
    size = align = 4
    flat = ("i32",)

    def __init__(self, resource: ResourceType) -> None:
        self.resource = resource

    def load(self, cx: Context, address: int) -> Any:
        return self._taken(cx, PRIMITIVES["u32"].load(cx, address))

    def store(self, cx: Context, value: Any, address: int) -> None:
        PRIMITIVES["u32"].store(cx, self._given(cx, value), address)

    def lift(self, cx: Context, flat: Iterator[int]) -> Any:
        return self._taken(cx, next(flat) & 0xFFFFFFFF)

    def lower(self, cx: Context, value: Any) -> list[int]:
        return [self._given(cx, value)]

    def _taken(self, cx: Context, index: int) -> Any:
        return cx.handles.take(index, self.resource)

    def _given(self, cx: Context, value: Any) -> int:
        return cx.handles.add(self.resource, value, True)


class Borrow(Own):
    kind = "borrow"

    def _taken(self, cx: Context, index: int) -> Any:
        handle = cx.handles.get(index, self.resource)
        handle.lent += 1
        cx.lent.append(handle)
        return handle.representation

    def _given(self, cx: Context, value: Any) -> int:
        if self.resource.owner is cx.handles:
            return int(value)
        index = cx.handles.add(self.resource, value, False)
        cx.borrowed.append(cx.handles.get(index, self.resource))
        return index
