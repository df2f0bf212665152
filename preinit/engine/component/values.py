"""Values between component-level types and core Wasm: loading and storing, lifting and lowering.

https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md

In Python: bool, int, float, str; bytes for `list<u8>`, else a list; a tuple for records and tuples; the label of an
enum; (label, payload) of a variant; ("ok" or "err", payload) of a result; None or (value,) of an option; an int for
flags; of a handle what the resource is represented by.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from ...binary.component.types import DEEPEST
from ...errors import EngineLimit, GuestTrap, UnsupportedProposal
from .handles import Handle, Handles

#: Bytes that one call may pass, of all strings and lists together: a list of lists can name the same bytes many times.
MOST_BYTES = 1 << 28

#: Elements of lists that one call may pass: each becomes an object.
MOST_ELEMENTS = 10_000_000

#: Bytes of a type's values: no memory holds more.
_LARGEST = 1 << 32

#: Flat values that a function can have as parameters.
MOST_FLAT = 16


class Context:
    """Where values of one call go to or come from: the handles of one instance, one set of canonical options."""

    __slots__ = ("_elements", "_left", "borrowed", "encoding", "handles", "lent", "memory", "reallocate")

    def __init__(
        self,
        handles: Handles,
        memory: Callable[[], memoryview] | None,
        reallocate: Callable[[int, int, int, int], int] | None,
        encoding: str,
    ) -> None:
        self.handles = handles
        self.memory = memory
        self.reallocate = reallocate
        self.encoding = encoding
        self.lent: list[Handle] = []
        self.borrowed: list[Handle] = []
        self._left = MOST_BYTES
        self._elements = MOST_ELEMENTS

    def view(self) -> memoryview:
        if self.memory is None:
            raise GuestTrap("a value is passed by way of memory, and the component names no memory for that")
        return self.memory()

    def read(self, address: int, size: int) -> memoryview:
        """Bytes of memory. Raises `GuestTrap` where they are not there, or where a call passes too many."""
        memory = self.view()
        if address + size > len(memory):
            raise GuestTrap(
                f"the guest passed {size:,} bytes at address {address:#x}, its memory has {len(memory):,} bytes"
            )
        self._left -= size
        if self._left < 0:
            raise EngineLimit(f"the guest passed more than {MOST_BYTES:,} bytes in one call", hint="Pass less at once.")
        return memory[address : address + size]

    def count(self, number: int) -> None:
        """So many elements of a list are passed."""
        self._elements -= number
        if self._elements < 0:
            raise EngineLimit(
                f"the guest passed more than {MOST_ELEMENTS:,} elements of lists in one call", hint="Pass less at once."
            )

    def allocate(self, size: int, align: int) -> int:
        """The address of memory that the guest sets aside. Raises `GuestTrap` where that is none."""
        if self.reallocate is None:
            raise GuestTrap("a value is passed by way of memory, and the component names no `realloc` for that")
        address = self.reallocate(0, 0, align, size)
        if address & (align - 1) or address + size > len(self.view()):
            raise GuestTrap(
                f"the guest's `realloc` returned {address:#x} for {size:,} bytes with an alignment of {align}: that is "
                "not aligned, or not in its memory"
            )
        return address

    def release(self) -> None:
        """The call is over: what it lent is back."""
        for handle in self.lent:
            handle.lent -= 1


class ValueType(ABC):
    """`flat`: the core types of its values; None for more than a function can have. `depth`: of types within it."""

    kind = ""
    size = 0
    align = 1
    flat: tuple[str, ...] | None = ()
    depth = 0

    @abstractmethod
    def load(self, cx: Context, address: int) -> Any:
        """The value in memory."""

    @abstractmethod
    def store(self, cx: Context, value: Any, address: int) -> None:
        """Puts a value into memory that was checked to be there."""

    @abstractmethod
    def lift(self, cx: Context, flat: Iterator[int]) -> Any:
        """The value of flat ones, each the raw bits of a core value."""

    @abstractmethod
    def lower(self, cx: Context, value: Any) -> list[int]:
        """A value as flat ones."""

    def within(self, *types: ValueType | None) -> None:
        """Says what this type is made of. Raises `EngineLimit`."""
        self.depth = 1 + max((found.depth for found in types if found), default=0)
        if self.depth > DEEPEST:
            raise EngineLimit(f"the component has types within types, more than {DEEPEST} deep")
        if self.size > _LARGEST:
            raise EngineLimit("the component has a type whose values are larger than any memory")


def aligned(address: int, align: int) -> int:
    return (address + align - 1) & -align


def together(types: list[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """Flat values one after the other."""
    found: list[str] = []
    for flat in types:
        if flat is None or len(found) + len(flat) > MOST_FLAT:
            return None
        found += flat
    return tuple(found)


class Number(ValueType):
    """A number, a bool or a char: `to` makes one of what is in memory, `back` the reverse."""

    def __init__(
        self,
        kind: str,
        code: str,
        flat: str,
        to: Callable[[Any], Any] | None = None,
        back: Callable[[Any], Any] | None = None,
    ) -> None:
        self.kind = kind
        self._struct = struct.Struct("<" + code)
        self.size = self.align = self._struct.size
        self.flat = (flat,)
        self._to, self._back = to, back
        self._mask = (1 << 8 * self.size) - 1
        self._bits = (1 << (64 if flat.endswith("64") else 32)) - 1

    def load(self, cx: Context, address: int) -> Any:
        (value,) = self._struct.unpack(cx.read(address, self.size))
        return self._to(value) if self._to else value

    def store(self, cx: Context, value: Any, address: int) -> None:
        self._struct.pack_into(cx.view(), address, self._back(value) if self._back else value)

    def lift(self, cx: Context, flat: Iterator[int]) -> Any:
        (value,) = self._struct.unpack((next(flat) & self._mask).to_bytes(self.size, "little"))
        return self._to(value) if self._to else value

    def lower(self, cx: Context, value: Any) -> list[int]:
        if self._back:
            value = self._back(value)
        if isinstance(value, float):
            return [int.from_bytes(self._struct.pack(value), "little")]
        return [int(value) & self._bits]  # a negative one fills all bits of its core type


class Bool(Number):
    def lift(self, cx: Context, flat: Iterator[int]) -> bool:
        return bool(next(flat) & self._bits)


class Char(Number):
    def lift(self, cx: Context, flat: Iterator[int]) -> str:
        return _character(next(flat) & self._bits)


def _character(code: int) -> str:
    if code >= 0x110000 or 0xD800 <= code < 0xE000:
        raise GuestTrap(f"the guest passed {code:#x} as a char, which is no Unicode scalar value")
    return chr(code)


_CANONICAL = struct.unpack("<d", struct.pack("<Q", 0x7FF8 << 48))[0]


def _float(value: float) -> float:
    return value if value == value else _CANONICAL


class Pointed(ValueType):
    """A string or list: an address and a length."""

    size, align = 8, 4
    flat = ("i32", "i32")
    _PAIR = struct.Struct("<II")

    @abstractmethod
    def read(self, cx: Context, address: int, length: int) -> Any:
        """The value there."""

    @abstractmethod
    def write(self, cx: Context, value: Any) -> tuple[int, int]:
        """Address and length of the value, for which room is made."""

    def load(self, cx: Context, address: int) -> Any:
        return self.read(cx, *self._PAIR.unpack(cx.read(address, 8)))

    def store(self, cx: Context, value: Any, address: int) -> None:
        pair = self.write(cx, value)  # may move the memory
        self._PAIR.pack_into(cx.view(), address, *pair)

    def lift(self, cx: Context, flat: Iterator[int]) -> Any:
        address = next(flat) & 0xFFFFFFFF
        return self.read(cx, address, next(flat) & 0xFFFFFFFF)

    def lower(self, cx: Context, value: Any) -> list[int]:
        return list(self.write(cx, value))


class String(Pointed):
    kind = "string"
    _UTF16 = 1 << 31

    def read(self, cx: Context, address: int, length: int) -> str:
        codec, size, align = "utf-8", length, 1
        if cx.encoding == "utf16":
            codec, size, align = "utf-16-le", 2 * length, 2
        elif cx.encoding == "latin1+utf16":
            codec, align = "latin-1", 2
            if length & self._UTF16:
                codec, size = "utf-16-le", 2 * (length ^ self._UTF16)
        if address & (align - 1):
            raise GuestTrap(f"the guest passed a string at address {address:#x}, which is not aligned")
        try:
            return str(cx.read(address, size), codec)
        except UnicodeDecodeError as problem:
            raise GuestTrap(
                f"the guest passed a string at address {address:#x} that is not {codec.upper()}"
            ) from problem

    def write(self, cx: Context, value: str) -> tuple[int, int]:
        align = 2
        if cx.encoding == "utf8":
            data, align = value.encode(), 1
            length = len(data)
        elif cx.encoding == "utf16":
            data = value.encode("utf-16-le")
            length = len(data) // 2
        else:
            try:
                data = value.encode("latin-1")
                length = len(data)
            except UnicodeEncodeError:
                data = value.encode("utf-16-le")
                length = len(data) // 2 | self._UTF16
        address = cx.allocate(len(data), align)
        cx.view()[address : address + len(data)] = data
        return address, length


class Refused(ValueType):
    """A type whose values can't be passed; that it is there does no harm.

    `element`, `length`: of a list of fixed length; others are handles.
    """

    def __init__(self, kind: str, element: ValueType | None = None, length: int = 0) -> None:
        self.kind = kind
        self.size, self.align, self.flat = 4, 4, ("i32",)
        if element is not None:
            self.size, self.align = element.size * length, element.align
            flat = element.flat
            self.flat = None if flat is None or len(flat) * length > MOST_FLAT else flat * length
            self.within(element)

    def _refuse(self) -> UnsupportedProposal:
        return UnsupportedProposal(
            f"the initializer passes a value of type {self.kind}, which preinit can't do yet",
            hint="Move that out of the initializer.",
        )

    def load(self, cx: Context, address: int) -> Any:
        raise self._refuse()

    def store(self, cx: Context, value: Any, address: int) -> None:
        raise self._refuse()

    def lift(self, cx: Context, flat: Iterator[int]) -> Any:
        raise self._refuse()

    def lower(self, cx: Context, value: Any) -> list[int]:
        raise self._refuse()


PRIMITIVES: dict[str, ValueType] = {
    "bool": Bool("bool", "B", "i32", bool, int),
    "u8": Number("u8", "B", "i32"),
    "s8": Number("s8", "b", "i32"),
    "u16": Number("u16", "H", "i32"),
    "s16": Number("s16", "h", "i32"),
    "u32": Number("u32", "I", "i32"),
    "s32": Number("s32", "i", "i32"),
    "u64": Number("u64", "Q", "i64"),
    "s64": Number("s64", "q", "i64"),
    "f32": Number("f32", "f", "f32", _float, _float),
    "f64": Number("f64", "d", "f64", _float, _float),
    "char": Char("char", "I", "i32", _character, ord),
    "string": String(),
    "error-context": Refused("error-context"),
}
