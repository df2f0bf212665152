"""Finding instructions in function bodies at the speed of `re`.

One possessive pattern matches a whole run of instructions that are of no interest; a few lines of Python handle the
ones where it stops. An instruction that isn't known ends the search: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache, cached_property
from operator import itemgetter

from ..errors import InputError
from ..tuples import NamedTuple
from .cursor import Cursor
from .opcodes import (
    ABSTRACT,
    BLOCK_TYPE,
    BRANCH_TABLE,
    BYTES,
    CATCHES,
    HEAP_TYPE,
    IMMEDIATES,
    INTEGER,
    MEMORY_ARGUMENT,
    PREFIXES,
    VALUE_TYPES,
    Kind,
    code,
    instruction_pattern,
)
from .types import read_value_type


class Reference(NamedTuple):
    """An index among an instruction's immediates: it stands at `start:end` in the file."""

    kind: str
    start: int
    end: int
    target: int


class Instruction(NamedTuple):
    """An instruction is `start:end` in the file, immediates included. `opcode` as in `opcodes.IMMEDIATES`."""

    opcode: int
    start: int
    end: int
    references: tuple[Reference, ...]


class Search(NamedTuple):
    """What was found in a function body, in order. `types` are type indices among its locals.

    `unknown`: the offset of an instruction that is not known, or the one after `MOST_FOUND`, where the search ended;
    None if it came to the end.
    """

    found: list[Instruction]
    types: list[Reference]
    unknown: int | None


class Simple(NamedTuple):
    """An instruction with an opcode of one byte and nothing but an index, which stands at `start:end` in the file."""

    opcode: int
    start: int
    end: int
    target: int


class SimpleInstructions(NamedTuple):
    """Some of them, in order: a list of each of their fields, for there are tens of thousands."""

    opcodes: bytearray
    starts: list[int]
    ends: list[int]
    targets: list[int]

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.opcodes)

    def add(self, opcode: int, start: int, end: int, target: int) -> None:
        """One more."""
        self.opcodes.append(opcode)
        self.starts.append(start)
        self.ends.append(end)
        self.targets.append(target)

    def extend(self, more: SimpleInstructions) -> None:
        """Some more."""
        for own, others in zip(self, more, strict=True):
            own.extend(others)

    def each(self) -> Iterator[Simple]:
        """One by one."""
        return map(Simple, *self)


class Scan(NamedTuple):
    """The same as a `Search`, with `simple` instructions apart: most are calls."""

    simple: SimpleInstructions
    others: list[Instruction]
    types: list[Reference]
    unknown: int | None


#: Reads a body on from an offset; from where it begins, its locals, too. Gives what a `Decoder` finds, simple
#: instructions and others, and where it stopped, which is before what it does not know.
Fast = Callable[[int], tuple[SimpleInstructions, list[Instruction], int]]

#: Most instructions that one search finds: each takes some hundred bytes.
MOST_FOUND = 500_000

_START = itemgetter(Instruction._fields.index("start"))

#: Bytes of a body that is searched without a pattern.
_FEW_BYTES = 2_500

#: A 32-bit integer.
_INDEX = rb"[\x80-\xff]{0,4}+[\x00-\x7f]"


def in_lists(instructions: Iterable[Simple] = ()) -> SimpleInstructions:
    """Those, as lists."""
    found = SimpleInstructions(bytearray(), [], [], [])
    for each in instructions:
        found.add(*each)
    return found


def _nothing(at: int) -> tuple[SimpleInstructions, list[Instruction], int]:
    """Reads nothing: each instruction is looked at by itself."""
    return in_lists(), [], at


class Decoder:
    """Finds the instructions that refer to an index of one of `kinds`, and those with one of `opcodes`.

    Of the former, references of other kinds are left out. `types`: abstract heap types; the instructions that may have
    one are found, too: none that has is missed.
    """

    def __init__(
        self, kinds: Collection[Kind] = (), opcodes: Collection[int] = (), types: Collection[int] = ()
    ) -> None:
        self.kinds = frozenset(kind.value for kind in kinds)
        self.opcodes = frozenset(opcodes)
        self.types = frozenset(types)
        # Most stops are at calls: those with nothing but an index of one byte opcodes are read by the pattern, too.
        self.simple = simple = [n for n, immediates in IMMEDIATES.items() if n < 0x100 and immediates in self.kinds]
        stop = b"|".join(re.escape(bytes((number,))) for number in simple) or rb"(?!)"
        self._stop = rb"(?:(" + stop + rb")(" + _INDEX + rb"))?"
        self._kind_of = {number: IMMEDIATES[number] for number in simple}

    @cached_property
    def _next(self) -> Callable[[bytes, int, int], re.Match[bytes] | None]:
        """The pattern takes as long to compile as thousands of instructions take without it."""
        skip = instruction_pattern(self.kinds, self.opcodes, self.types)
        return re.compile(skip + rb"*+" + self._stop, re.DOTALL).match

    def search(self, data: bytes, start: int, end: int) -> Search:
        """What the function body `data[start:end]`, locals and expression, holds."""
        few = end - start <= _FEW_BYTES
        simple, found, types, unknown = self.scan(data, start, end, _nothing if few else None)
        kind_of = self._kind_of
        found += [
            Instruction(opcode, start - 1, end, (Reference(kind_of[opcode], start, end, target),))
            for opcode, start, end, target in simple.each()
        ]
        found.sort(key=_START)
        return Search(found, types, unknown)

    def scan(self, data: bytes, start: int, end: int, fast: Fast | None = None) -> Scan:
        """The same, as it is found. `fast`: what can read some of it in less time."""
        at = Cursor(data, start, end, "function body")
        simple = in_lists()
        found: list[Instruction] = []
        types: list[Reference] = []
        begin = start
        following = None if fast else self._next
        add, left = simple.add, MOST_FOUND
        try:
            position = start
            if fast:
                simple, found, position = fast(start)
                add, left = simple.add, left - simple.number - len(found)
            if position == start:
                for _ in range(at.count(2)):  # locals
                    at.u32()
                    types += _value_type(at)
                position = at.position
            while True:
                match = following(data, position, end) if following else None
                if match and match.lastindex:
                    first, position = match.span(2)
                    begin = first - 1
                    if not left:
                        return Scan(simple, found, types, begin)
                    left -= 1
                    length = position - first
                    if length == 2:
                        index = data[first] & 0x7F | data[first + 1] << 7
                    else:
                        index = data[first] if length == 1 else _u32(data, first, position)
                    add(data[begin], first, position, index)
                    continue
                begin = position = match.end() if match else position
                if not left:
                    return Scan(simple, found, types, begin)
                if begin >= end:
                    return Scan(simple, found, types, None)
                at.position = begin
                instruction = read_instruction(at)
                if instruction is None:
                    return Scan(simple, found, types, begin)
                if instruction.opcode in self._kind_of:
                    ((_, first, last, index),) = instruction.references
                    add(instruction.opcode, first, last, index)
                    left -= 1
                elif instruction.opcode in self.opcodes:
                    found.append(instruction)
                    left -= 1
                elif instruction.references or self.types:
                    wanted = tuple(r for r in instruction.references if r.kind in self.kinds)
                    if wanted or may_have_type(instruction, data, self.types):
                        found.append(instruction._replace(references=wanted))
                        left -= 1
                position = at.position
                if fast:
                    more, others, position = fast(position)
                    simple.extend(more)
                    found += others
                    left -= more.number + len(others)
        except InputError:
            return Scan(simple, found, types, begin)


def read_instruction(at: Cursor) -> Instruction | None:
    """Any instruction; None if it isn't known."""
    start = at.position
    opcode = at.byte()
    if opcode in PREFIXES:
        opcode = code(opcode, at.u32())
    immediates = IMMEDIATES.get(opcode)
    if immediates is None:
        return None
    references: list[Reference] = []
    for immediate in immediates:
        if immediate == INTEGER:
            _skip_integer(at)
        elif immediate in BYTES:
            at.skip(BYTES[immediate])
        elif immediate in (BLOCK_TYPE, HEAP_TYPE):
            references += _type(at, immediate)
        elif immediate == MEMORY_ARGUMENT:
            references += _memory_argument(at)
        elif immediate == BRANCH_TABLE:
            at.u32s(at.count() + 1)
        elif immediate == CATCHES:
            references += _catches(at)
        elif immediate in _KINDS:
            references += _index(at, immediate)
        else:
            for _ in range(at.count()):
                references += _value_type(at)
    return Instruction(opcode, start, at.position, tuple(references))


def _index(at: Cursor, kind: str) -> list[Reference]:
    start = at.position
    index = at.u32()
    return [Reference(kind, start, at.position, index)]


def _type(at: Cursor, immediate: str) -> list[Reference]:
    """A heap type, or a block type: empty, a value type or a type index."""
    start = at.position
    if immediate == BLOCK_TYPE and at.peek() & 0x40 and at.peek() < 0x80:
        if at.peek() == 0x40:
            at.skip(1)
            return []
        return _value_type(at)
    index = at.signed(33)
    if index >= 0:
        return [Reference(Kind.TYPE, start, at.position, index)]
    if at.buffer[start] not in ABSTRACT:
        raise at.fail("a type that is not known", start)
    return []


def _value_type(at: Cursor) -> list[Reference]:
    start = at.position
    if len(read_value_type(at)) == 1:
        return []
    end, at.position = at.position, start + 1
    found = _type(at, HEAP_TYPE)
    at.position = end
    return found


def _memory_argument(at: Cursor) -> list[Reference]:
    found = _index(at, Kind.MEMORY) if at.u32() & 0x40 else []
    at.u64()
    return found


def _catches(at: Cursor) -> list[Reference]:
    found: list[Reference] = []
    for _ in range(at.count(2)):
        kind = at.byte()
        if kind > 3:
            raise at.fail(f"a catch clause of unknown kind {kind}")
        if kind < 2:
            found += _index(at, Kind.TAG)
        at.u32()
    return found


_KINDS = frozenset(kind.value for kind in Kind)


@cache
def decoder(
    kinds: frozenset[Kind], opcodes: frozenset[int] = frozenset(), types: frozenset[int] = frozenset()
) -> Decoder:
    """The decoder for those: its pattern is compiled once."""
    return Decoder(kinds, opcodes, types)


#: Instructions with a type among their immediates.
_TYPED = frozenset(n for n, immediates in IMMEDIATES.items() if set(immediates) & {BLOCK_TYPE, HEAP_TYPE, VALUE_TYPES})


def may_have_type(instruction: Instruction, data: bytes, types: frozenset[int]) -> bool:
    """Whether an instruction of `data` may have one of `types`, abstract heap types, among its immediates."""
    if not types or instruction.opcode not in _TYPED:
        return False
    return not types.isdisjoint(data[instruction.start + 1 : instruction.end])


def _u32(data: bytes, start: int, end: int) -> int:
    """An integer of several bytes that is known to end there. Raises `Malformed` if it has more than 32 bits."""
    return Cursor(data, start, end, "function body").u32()


def _skip_integer(at: Cursor) -> None:
    """Past an integer of at most 64 bits, signed or not."""
    for _ in range(10):
        if at.byte() < 0x80:
            return
    raise at.fail("an integer of more than 64 bits")
