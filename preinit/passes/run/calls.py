"""Calling an initializer with data: what it is given is put where the module itself allocates memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...binary.types import I32, I64, NUMERIC_SIZES, ValType, type_name
from ...errors import GuestTrap, InitializerRefused, InitializerType, MemoryLimit, quoted
from ...options.calls import Argv, Returned, Word
from ..plan.arguments import Allocator, Call, Data, call_text
from .results import numeric_results

#: Of a result in memory: it holds an address.
_ALIGNMENT = 4

#: Bytes of a refusal's message that are shown.
_LONGEST = 4000


class Callee(Protocol):
    """An instance whose exports are called, see `engine.guest.Instance`."""

    def call(self, name: str, arguments: Sequence[bytes], results: int) -> list[bytes]:
        """Calls an export with raw values of 16 bytes, as many as it takes."""

    def memory(self, name: str) -> memoryview:
        """A memory's bytes; valid until the guest runs again."""


class Caller:
    """Calls exports of an instance, in order. `memory`: what the copy that runs calls the export "memory"."""

    def __init__(self, instance: Callee, memory: str | None) -> None:
        self._instance = instance
        self._memory = memory
        self._returned = 0
        self._raw: list[bytes] = []
        self._types: tuple[ValType, ...] = ()

    def __call__(self, call: Call) -> list[bytes]:
        """The raw results. Raises an `InitializerFailed`."""
        returned = self._instance.call(call.name, self.arguments(call), len(call.type.results))
        self._raw, self._types = returned, call.type.results
        self._returned = int.from_bytes(returned[0][:4], "little") if returned else 0
        if call.returns == "result":
            self._check_result(call)
        if call.expected is not None:
            _check_number(call, returned, call.expected)
        return returned

    def _check_result(self, call: Call) -> None:
        """Raises `InitializerRefused` for an error, and for what is no address of a `result<_, string>`: a status."""
        is_address = self._returned and self._returned % _ALIGNMENT == 0
        discriminant = self._read(self._returned, 1)[0] if is_address else None
        if discriminant not in (0, 1):
            raise InitializerRefused(
                f"the initializer {quoted(call.name)} returned {self._returned:#x}, and no result is there",
                hint=f"Leave out the `?`. Where 0 says that all is well: -f {call_text(call, '=0')}",
            )
        if discriminant:
            raise InitializerRefused(f"the initializer {quoted(call.name)} refuses: {self._message()}")

    def arguments(self, call: Call) -> list[bytes]:
        """The raw arguments of a call: copies are made of what it is given. Raises an `InitializerFailed`."""
        raw: list[bytes] = []
        for value in call.values:
            if isinstance(value, Data):
                raw += self._data(value)
            elif isinstance(value, Word):
                raw.append(self._read(self._address(call, value) + value.offset, 4).ljust(16, b"\0"))
            elif isinstance(value, Returned):
                raw.append(self._same(call, call.type.params[len(raw)]))
            else:
                raw.append(value)
        return raw

    def _address(self, call: Call, word: Word) -> int:
        """What the call before returned, as an address."""
        if self._types not in ((I32,), (I64,)):
            raise InitializerType(
                f"`*{word.offset}` in the call of {quoted(call.name)} stands for a word in memory at an address that "
                f"the call before returned: {self._before()}, and one address is needed",
                hint="Give it to the call right behind the one that returns the address.",
            )
        return int.from_bytes(self._raw[0][: NUMERIC_SIZES[self._types[0]]], "little")

    def _before(self) -> str:
        return "the call before returned " + (" ".join(map(type_name, self._types)) or "nothing")

    def _same(self, call: Call, wanted: ValType) -> bytes:
        """What the call before returned, for a parameter of that type."""
        if self._types != (wanted,) or not self._raw:
            raise InitializerType(
                f"`*` in the call of {quoted(call.name)} stands for what the call before returned: "
                f"{self._before()}, and type {type_name(wanted)} is needed",
                hint="Give `*` to the call right behind the one that returns it.",
            )
        return self._raw[0]

    def _data(self, data: Data) -> list[bytes]:
        """The arguments that stand for data: addresses, lengths, numbers of texts."""
        content, allocator = data
        if isinstance(content, bytes):
            return [_word(self._placed(content, allocator)), _word(len(content))]
        if isinstance(content, str):
            return [_word(self._placed(c_string(content), allocator))]
        if isinstance(content, Argv):
            places = [self._placed(c_string(text), allocator) for text in content.texts]
            array = b"".join(place.to_bytes(4, "little") for place in (*places, 0))
            return [_word(len(places)), _word(self._placed(array, allocator))]
        entries = b""
        for text in content.texts:
            encoded = text.encode("utf-8", "surrogateescape")
            entries += self._placed(encoded, allocator).to_bytes(4, "little") + len(encoded).to_bytes(4, "little")
        return [_word(self._placed(entries, allocator)), _word(len(content.texts))]

    def _placed(self, content: bytes, allocator: Allocator) -> int:
        """The address of a copy in the guest's memory."""
        assert self._memory is not None
        name = allocator.name
        if len(content) >> 32:
            raise MemoryLimit(f"{len(content)} bytes are more than a memory of 32 bits can hold", hint="Give less.")
        arguments = [_word(len(content) if value is None else value) for value in allocator.arguments]
        place = int.from_bytes(self._instance.call(name, arguments, 1)[0][:4], "little")
        memory = self._instance.memory(self._memory)
        if (not place and content) or place + len(content) > len(memory):
            raise MemoryLimit(
                f"the module's `{name}` has no room for {len(content)} bytes: it returned {place:#x}",
                hint="Give less, or have the module allocate more.",
            )
        if content:
            memory[place : place + len(content)] = content
        return place

    def _read(self, place: int, size: int) -> bytes:
        assert self._memory is not None
        memory = self._instance.memory(self._memory)
        if place + size > len(memory):
            raise GuestTrap(
                f"the address {place:#x} is outside of memory, which has {len(memory):#x} bytes",
                hint="The call before must return the address of what is to be read.",
            )
        return memory[place : place + size].tobytes()

    def _message(self) -> str:
        """The string in an error of a result: its address and length stand after the discriminant."""
        start, size = (int.from_bytes(self._read(self._returned + at, 4), "little") for at in (4, 8))
        try:
            said = self._read(start, min(size, _LONGEST)).decode("utf-8", "replace").strip()
        except GuestTrap:
            said = ""
        return said or "it does not say why"


def _check_number(call: Call, returned: list[bytes], expected: bytes) -> None:
    size = NUMERIC_SIZES[call.type.results[0]]
    if returned[0][:size] != expected[:size]:
        (value,), (wanted,) = numeric_results(call, returned), numeric_results(call, [expected])
        raise InitializerRefused(
            f"the initializer {quoted(call.name)} returned {value}, and its call says {wanted}",
            hint="What it printed may say why it failed. Where it did not, leave out the `=N` after the call.",
        )


def _word(number: int) -> bytes:
    return number.to_bytes(16, "little")


def c_string(text: str) -> bytes:
    """A text as C has it, with NUL at its end."""
    return text.encode("utf-8", "surrogateescape") + b"\0"
