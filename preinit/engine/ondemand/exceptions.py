"""Exceptions for the baseline compiler, which has none: as long as nothing is thrown, they make no difference.

A `try_table` is a block then, and a reference to an exception is never anything but null. So code is compiled with
those, and with a call of the host in the place of what throws: that gives up, and another compiler has its turn. C++
programs are full of places where something could be thrown, and rarely throw while they start.
https://webassembly.github.io/spec/core/exec/instructions.html#exec-try-table
"""

from __future__ import annotations

from collections.abc import Iterator

from ...binary.bodies import Body
from ...binary.cursor import Cursor
from ...binary.instructions import Scan, may_have_type
from ...binary.module import Module
from ...binary.opcodes import (
    CALL_INDIRECT,
    IMMEDIATES,
    NUMERIC,
    REF_NULL,
    RETURN_CALL_INDIRECT,
    SELECT_TYPED,
    THROW,
    THROW_REF,
    Kind,
)
from ...binary.sections import ExternKind
from ...binary.types import FUNCREF, FuncType, ValType, read_value_type
from ...tuples import NamedTuple
from ..values import Unsuited

TRY_TABLE = 0x1F
_BLOCK = b"\x02"
_BLOCKS = (0x02, 0x03, 0x04, TRY_TABLE)
_EMPTY = 0x40

#: What code with exceptions is found by.
EXCEPTIONS = frozenset((TRY_TABLE, THROW, THROW_REF))

#: Instructions with the index of a type, and nothing else.
_OF_TYPES = frozenset(opcode for opcode, immediates in IMMEDIATES.items() if immediates == Kind.TYPE)

#: Stands among a chunk's guards for the host's function that is called instead of throwing.
THROWN = (THROW, 0)

#: References to exceptions: any, and none.
KINDS_OF_EXCEPTION = frozenset((0x69, 0x74))


class Edit(NamedTuple):
    """Bytes `start:end` of the file become `code`; None: a call of `THROWN`."""

    start: int
    end: int
    code: bytes | None


def can_do_without(module: Module) -> bool:
    """Whether a module with tags can be compiled that way: nothing but code of its own handles exceptions."""
    shared = [entry.kind for entry in module.imports] + [entry.kind for entry in module.exports]
    if ExternKind.TAG in shared:
        return False
    kinds = [module.types.functions[index] for index in set(module.function_types)]
    held = [table.type for table in module.tables] + [entry.type for entry in module.globals]
    held += [kind for signature in kinds if signature for kind in (*signature.params, *signature.results)]
    return not any(map(_holds_exception, held))


def _holds_exception(kind: ValType) -> bool:
    return kind[-1] in KINDS_OF_EXCEPTION


def without_exceptions(signature: FuncType) -> FuncType:
    """The type of a block, with any reference in the place of one to an exception."""
    if not any(map(_holds_exception, (*signature.params, *signature.results))):
        return signature
    params, results = (tuple(FUNCREF if _holds_exception(t) else t for t in ts) for ts in signature)
    return FuncType(params, results)


def exception_types(module: Module) -> frozenset[int]:
    """The indices of function types with references to exceptions: as other ones, they may be those of functions."""
    signatures = enumerate(module.types.functions)
    return frozenset(
        index for index, signature in signatures if signature and without_exceptions(signature) != signature
    )


def has_exceptions(module: Module, body: Body, scan: Scan, types: frozenset[int]) -> bool:
    """Whether a function body, and what was found in it, may need `edits`. `types`: see `exception_types`.

    What may name an exception was found as such: looking at each instruction takes a hundred times as long.
    """
    if not _OF_TYPES.isdisjoint(scan.simple.opcodes) and any(
        each.target in types for each in scan.simple.each() if each.opcode in _OF_TYPES
    ):
        return True
    for instruction in scan.others:
        if instruction.opcode in EXCEPTIONS:
            return True
        for reference in instruction.references:
            if reference.target in types and reference.kind == Kind.TYPE:
                return True
        if may_have_type(instruction, module.data, KINDS_OF_EXCEPTION):
            return True
    if _has_plain_locals(module.data, body.start):
        return False
    at = Cursor(module.data, body.start, body.end, "function body")
    for _ in range(at.count(2)):
        at.u32()
        if _holds_exception(read_value_type(at)):
            return True
    return False


def _has_plain_locals(data: bytes, at: int) -> bool:
    """Whether all locals of a function body, which begins there and could be read, are numbers, as nearly always."""
    groups = data[at]
    if groups > 0x7F:
        return False
    at += 1
    for _ in range(groups):
        while data[at] > 0x7F:
            at += 1
        if data[at + 1] not in NUMERIC:
            return False
        at += 2
    return True


def edits(module: Module, body: Body, scan: Scan) -> Iterator[Edit]:
    """What changes in a function body, in which that was found, which may have exceptions, but for indices. In order.

    Raises `Unsuited` for what only another compiler can do.
    """
    at = Cursor(module.data, body.start, body.end, "function body")
    for _ in range(at.count(2)):
        at.u32()
        yield from _value_type(at)
    for opcode, begin, after, references in scan.others:
        if opcode in (THROW, THROW_REF):
            yield Edit(begin, after, None)
        elif opcode in _BLOCKS:
            at.position = begin + 1
            if opcode == TRY_TABLE:
                yield Edit(begin, begin + 1, _BLOCK)
            if at.peek() == _EMPTY:
                at.skip(1)
            elif at.peek() & 0x40 and at.peek() < 0x80:
                yield from _value_type(at)
            else:
                at.signed(33)
            if opcode == TRY_TABLE:
                yield Edit(at.position, after, b"")
        elif opcode == REF_NULL and module.data[begin + 1] in KINDS_OF_EXCEPTION:
            yield Edit(begin + 1, after, FUNCREF)
        elif opcode == SELECT_TYPED:
            at.position = begin + 1
            for _ in range(at.count()):
                yield from _value_type(at)
        elif opcode in (CALL_INDIRECT, RETURN_CALL_INDIRECT):
            named = next((r.target for r in references if r.kind == Kind.TYPE), -1)
            signature = module.types.functions[named] if 0 <= named < len(module.types.functions) else None
            if signature and without_exceptions(signature) != signature:
                raise _unsuited("a function that is called takes or gives exceptions")


def _value_type(at: Cursor) -> Iterator[Edit]:
    start = at.position
    kind = read_value_type(at)
    if not _holds_exception(kind):
        return
    if len(kind) > 1:
        raise _unsuited("code has exceptions that are never null, or a type that is written at length")
    yield Edit(start, at.position, FUNCREF)


def _unsuited(why: str) -> Unsuited:
    return Unsuited("exceptions", why, "cranelift")


def thrown() -> None:
    """What is called instead of throwing. Raises `Unsuited`."""
    raise _unsuited("it throws an exception")
