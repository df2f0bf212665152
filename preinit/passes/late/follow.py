"""Following what a function does with the size of a memory, on all ways from its beginning to its end.

What is followed is what may be in each local, in each global that the function sets, and in the words of its frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...binary import opcodes as op
from ...binary.cursor import Cursor
from ...binary.module import Module
from ...binary.opcodes import BRANCH_TABLE, BYTES, IMMEDIATES, INTEGER, MEMORY_ARGUMENT, PREFIXES, code
from ...binary.signatures import SIGNATURES
from ...binary.typed import BLOCK, ELSE, END, IF, LOOP
from ...binary.types import read_value_type

#: What a value may be: bits.
OTHER, CONSTANT, SIZE, GROWN = 1, 2, 4, 8

#: Bytes of a function that is followed: an allocator's have some thousands.
LONGEST = 1 << 18
#: Values that are copied where ways part or meet, in one function.
_MOST_COPIES = 2_000_000
#: How often a function is followed, for its loops.
_ROUNDS = 8

_ADD, _SUB, _MUL, _AND = (0x6A, 0x7C), (0x6B, 0x7D), (0x6C, 0x7E), (0x71, 0x83)
_SHIFTS = (0x74, 0x76, 0x86, 0x88)
_SCALED = (*_ADD, *_SUB, *_MUL, *_AND, *_SHIFTS)
_EQUAL = (0x46, 0x47, 0x51, 0x52)
_ORDERED = (*range(0x48, 0x50), *range(0x53, 0x5B))
_CONVERTED = (0xA7, 0xAC, 0xAD)
_CONSTANTS = (0x41, 0x42)
_LOAD, _STORE = (0x28, 0x29), (0x36, 0x37)

#: A local by its index, a global, or a word at an offset from what a local has.
_Key = tuple[str, int, int]
_State = dict[_Key, int]


class Followed(NamedTuple):
    """`compared`: where a size meets an address, in the file; None for nowhere. `returned`: what the function may give
    back, as bits; 0 for nothing that is known."""

    compared: int | None
    returned: int


class _Unknown(Exception):
    """The function can't be followed."""


class _Value(NamedTuple):
    may: int
    local: int = -1  # where it was read from


_PLAIN = _Value(OTHER)


class _Block:
    def __init__(self, opcode: int, height: int, before: _State | None, takes: int, gives: int, number: int) -> None:
        self.opcode, self.height, self.takes, self.gives, self.number = opcode, height, takes, gives, number
        self.before = before
        self.after: _State | None = None  # what comes with the branches to its end
        self.result = 0  # what its only result may be, likewise


def follow(module: Module, defined: int, memory: int, returned: Mapping[int, int]) -> Followed:
    """`returned`: of functions by index, what they may give back. One that can't be followed gives nothing."""
    body = module.bodies[defined]
    if body.end - body.start > LONGEST:
        return Followed(None, 0)
    one = _Function(module, defined, memory, returned)
    try:
        for _ in range(_ROUNDS):
            known = {number: dict(state) for number, state in one.loops.items()}
            one.run()
            if one.loops == known:
                break
    except _Unknown:
        return Followed(None, 0)
    return Followed(one.compared, one.returned)


class _Function:
    def __init__(self, module: Module, defined: int, memory: int, returned: Mapping[int, int]) -> None:
        self._module, self._memory, self._calls = module, memory, returned
        self._body = module.bodies[defined]
        signature = module.function_type(module.imported_functions + defined)
        assert signature is not None  # the module was validated
        self._type = signature
        self._copies, self._words = 0, False
        self.loops: dict[int, _State] = {}
        self.compared: int | None = None
        self.returned = 0

    def run(self) -> None:
        self.compared, self.returned = None, 0
        self._at = at = Cursor(self._module.data, self._body.start, self._body.end, "function body")
        for _ in range(at.count(2)):
            at.u32()
            read_value_type(at)
        self._state: _State | None = {}
        self._stack: list[_Value] = []
        self._blocks = [_Block(BLOCK, 0, None, 0, len(self._type.results), -1)]
        number = 0
        while self._blocks:
            start = at.position
            opcode = at.byte()
            if opcode in PREFIXES:
                opcode = code(opcode, at.u32())
            if opcode in (BLOCK, LOOP, IF):
                self._open(opcode, number)
                number += 1
            elif opcode == ELSE:
                block = self._blocks[-1]
                self._arrive(block)
                del self._stack[block.height :]
                self._stack += [_PLAIN] * block.takes
                self._state, block.before, block.opcode = self._copy(block.before), None, BLOCK
            elif opcode == END:
                self._end()
            else:
                self._instruction(opcode, start)

    # -- ways ----------------------------------------------------------------------------------------------------------

    def _copy(self, state: _State | None) -> _State | None:
        if state is None:
            return None
        self._count(len(state) + 1)
        return dict(state)

    def _count(self, values: int) -> None:
        self._copies += values
        if self._copies > _MOST_COPIES:
            raise _Unknown

    def _default(self, key: _Key) -> int:
        return CONSTANT if key[0] == "local" and key[1] >= len(self._type.params) else OTHER

    def _joined(self, one: _State | None, other: _State | None) -> _State | None:
        if one is None or other is None:
            return self._copy(other if one is None else one)
        made = self._copy(one)
        assert made is not None
        self._count(len(other))
        for key in one.keys() | other.keys():
            default = self._default(key)
            made[key] = one.get(key, default) | other.get(key, default)
        return made

    def _open(self, opcode: int, number: int) -> None:
        at = self._at
        peek = at.peek()
        takes = gives = 0
        if peek == 0x40:
            at.skip(1)
        elif peek & 0x40 and peek < 0x80:
            read_value_type(at)
            gives = 1
        else:
            kind = self._module.types.functions[at.signed(33)]
            if kind is None:
                raise _Unknown
            takes, gives = len(kind.params), len(kind.results)
        if opcode == IF:
            self._pop()
        block = _Block(opcode, max(self._blocks[-1].height, len(self._stack) - takes), None, takes, gives, number)
        if opcode == LOOP and number in self.loops:
            self._state = self._joined(self._state, self.loops[number])
        if opcode == IF:
            block.before = self._copy(self._state)
        self._blocks.append(block)

    def _end(self) -> None:
        block = self._blocks.pop()
        self._arrive(block)
        if block.opcode == IF:
            block.after = self._joined(block.after, block.before)
        self._state = block.after
        del self._stack[block.height :]
        self._stack += [_Value(block.result or OTHER)] * block.gives
        if not self._blocks:
            self.returned = block.result

    def _arrive(self, block: _Block) -> None:
        """This way leads to the end of a block."""
        if self._state is not None:
            if block.gives == 1 and self._stack:
                block.result |= self._stack[-1].may
            block.after = self._joined(block.after, self._state)

    def _branch(self, depth: int) -> None:
        if depth >= len(self._blocks):
            raise _Unknown
        block = self._blocks[-1 - depth]
        if block.opcode == LOOP:
            joined = self._joined(self.loops.get(block.number), self._state)
            if joined is not None:
                self.loops[block.number] = joined
        else:
            self._arrive(block)

    def _dead(self) -> None:
        del self._stack[self._blocks[-1].height :]
        self._state = None

    # -- values --------------------------------------------------------------------------------------------------------

    def _pop(self) -> _Value:
        return self._stack.pop() if len(self._stack) > self._blocks[-1].height else _PLAIN

    def _read(self, key: _Key) -> int:
        return OTHER if self._state is None else self._state.get(key, self._default(key))

    def _write(self, key: _Key, may: int) -> None:
        if self._state is not None:
            if key[0] == "local" and self._words:
                self._count(len(self._state))
                for word in [one for one in self._state if one[0] == "word" and one[1] == key[1]]:
                    del self._state[word]
            self._words |= key[0] == "word"
            if key[0] == "local" or may != OTHER:
                self._state[key] = may
            else:
                self._state.pop(key, None)

    def _instruction(self, opcode: int, start: int) -> None:
        at, stack = self._at, self._stack
        if opcode in (op.LOCAL_GET, op.LOCAL_SET, op.LOCAL_TEE):
            index = at.u32()
            if opcode != op.LOCAL_GET:
                self._write(("local", index, 0), self._pop().may)
            if opcode != op.LOCAL_SET:
                stack.append(_Value(self._read(("local", index, 0)), index))
        elif opcode == op.GLOBAL_GET:
            stack.append(_Value(self._read(("global", at.u32(), 0))))
        elif opcode == op.GLOBAL_SET:
            self._write(("global", at.u32(), 0), self._pop().may)
        elif opcode in (op.MEMORY_SIZE, op.MEMORY_GROW):
            mine = at.u32() == self._memory
            if opcode == op.MEMORY_GROW:
                self._pop()
            stack.append(_Value((SIZE if opcode == op.MEMORY_SIZE else GROWN) if mine else OTHER))
        elif opcode in (op.CALL, op.CALL_INDIRECT):
            self._call(opcode)
        elif opcode in (op.BR, op.BR_IF, op.BR_TABLE):
            if opcode != op.BR:
                self._pop()
            for depth in {at.u32() for _ in range(at.count() + 1 if opcode == op.BR_TABLE else 1)}:
                self._branch(depth)
            if opcode != op.BR_IF:
                self._dead()
        elif opcode == op.RETURN:
            self._arrive(self._blocks[0])
            self._dead()
        elif opcode == op.UNREACHABLE:
            self._dead()
        elif opcode == op.SELECT:
            self._pop()
            stack.append(_Value(self._pop().may | self._pop().may))
        elif opcode in SIGNATURES:
            self._plain(opcode, start)
        else:
            raise _Unknown

    def _call(self, opcode: int) -> None:
        index = self._at.u32()
        if opcode == op.CALL:
            signature, may = self._module.function_type(index), self._calls.get(index, OTHER) or OTHER
        else:
            self._at.u32()
            self._pop()
            signature, may = self._module.types.functions[index], OTHER
        if signature is None:
            raise _Unknown
        for _ in signature.params:
            self._pop()
        self._stack += [_Value(may if len(signature.results) == 1 else OTHER)] * len(signature.results)

    def _plain(self, opcode: int, start: int) -> None:
        offset = self._immediates(IMMEDIATES[opcode])
        takes, results = SIGNATURES[opcode]
        values = [self._pop() for _ in range(takes)][::-1]
        may = OTHER
        if opcode in _CONSTANTS:
            may = CONSTANT
        elif opcode in _CONVERTED:
            may = values[0].may
        elif opcode in _LOAD and values[0].local >= 0:
            may = self._read(("word", values[0].local, offset))
        elif opcode in _STORE and values[0].local >= 0:
            self._write(("word", values[0].local, offset), values[1].may)
        elif takes == 2 and results:
            may = self._of_two(opcode, start, values[0].may, values[1].may)
        self._stack += [_Value(may)] * len(results)

    def _of_two(self, opcode: int, start: int, one: int, other: int) -> int:
        if opcode in _EQUAL or opcode in _ORDERED:
            if self._state is None or not (one | other) & SIZE:
                return OTHER
            if not (one | other) & GROWN:
                if opcode in _ORDERED and CONSTANT not in (one, other) and self.compared is None:
                    self.compared = start
            elif opcode in _EQUAL:  # the size is where memory grew: from here on it's as good as that
                self._count(len(self._state))
                self._state.update({key: may | GROWN for key, may in self._state.items() if may & SIZE})
            return OTHER
        if (one | other) & GROWN:
            return GROWN
        if one == other == CONSTANT:
            return CONSTANT
        if opcode in _SCALED and one & SIZE and (other == CONSTANT or opcode in _SUB):
            return SIZE
        if opcode in (*_ADD, *_MUL, *_AND) and other & SIZE and one == CONSTANT:
            return SIZE
        return OTHER

    def _immediates(self, immediates: str) -> int:
        """Past them; the last number: of a memory argument, its offset."""
        at, last = self._at, 0
        for immediate in immediates:
            if immediate in BYTES:
                at.skip(BYTES[immediate])
            elif immediate == MEMORY_ARGUMENT:
                if at.u32() & 0x40:
                    at.u32()
                last = at.u64()
            elif immediate == INTEGER:
                at.signed(64)
            elif immediate in (BRANCH_TABLE, "h"):
                raise _Unknown
            else:
                at.u32()
        return last
