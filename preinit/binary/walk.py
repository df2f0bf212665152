"""Following the types of a function body's operands: https://webassembly.github.io/spec/core/appendix/algorithm.html .

The module must be valid: what instructions take is not checked, only followed.
"""

from __future__ import annotations

from ..errors import UnsupportedProposal
from . import opcodes as op
from .assembler import heap_type
from .cursor import Cursor
from .encoder import sleb
from .module import Module
from .opcodes import BYTES, GC_PREFIX, IMMEDIATES, INTEGER, MEMORY_ARGUMENT, PREFIXES, code
from .signatures import SIGNATURES
from .typed import ELSE, END, IF, LOOP, OPENING, TRY_TABLE, Call, Label, Mark, Scope, TypedBody
from .types import FUNCREF, I32, I64, FuncType, ValType, read_value_type

#: Locals that a function may have: https://webassembly.github.io/spec/js-api/#limits
MOST_LOCALS = 50_000


def read_typed(module: Module, function: int) -> TypedBody:
    """The body of a function that the module defines.

    Raises `UnsupportedProposal` for an instruction that is not known, or belongs to the legacy exceptions; `Malformed`.
    """
    if not module.has_typed_references:
        try:
            return _Walk(module, function, FUNCREF).read()
        except _Typed:
            pass
    return _Walk(module, function, None).read()


class _Typed(Exception):
    """The function needs to know of each reference which function type it has."""


class _Walk:
    """`reference`: the type that `ref.func` gives; None for the exact one, which older engines do not know."""

    def __init__(self, module: Module, function: int, reference: ValType | None) -> None:
        body = module.bodies[function - module.imported_functions]
        signature = module.function_type(function)
        assert signature is not None  # the module was validated
        self._module = module
        self._function = function
        self._type = signature
        self._entry = body.start
        self._reference = reference
        self._at = Cursor(module.data, body.start, body.end, "function body")
        self._stack: list[ValType | None] = []  # None: any type, in code that is never reached
        self._open: list[Scope] = []
        self._scopes: list[Scope] = []
        self._marks: list[Mark] = []
        self._calls: list[Call] = []
        self._locals = signature.params + self._read_locals()
        self._undefaulted = frozenset(
            i for i, t in enumerate(self._locals) if t[0] == 0x64 and i >= len(signature.params)
        )
        self._set: frozenset[int] = frozenset()

    def _read_locals(self) -> tuple[ValType, ...]:
        found: list[ValType] = []
        for _ in range(self._at.count(2)):
            number = self._at.u32()
            if len(found) + number > MOST_LOCALS:
                raise self._at.fail(f"more than {MOST_LOCALS} locals")
            found += [self._value_type()] * number
        return tuple(found)

    def _value_type(self) -> ValType:
        found = read_value_type(self._at)
        if len(found) > 1 and self._reference:
            raise _Typed
        return found

    def read(self) -> TypedBody:
        at, stack = self._at, self._stack
        first = at.position
        self._enter(0, first, (), self._type.results)
        while self._open:
            start = at.position
            opcode = at.byte()
            if opcode in PREFIXES:
                opcode = code(opcode, at.u32())
            signature = SIGNATURES.get(opcode)
            if opcode == op.LOCAL_GET:
                stack.append(self._locals[at.u32()])
            elif opcode in (op.LOCAL_SET, op.LOCAL_TEE):
                self._set_local(opcode, at.u32())
            elif signature is not None:
                self._skip(IMMEDIATES[opcode])
                self._pop(signature.takes)
                stack.extend(signature.results)
            elif opcode in _SPECIAL:
                _SPECIAL[opcode](self, opcode, start)
            else:
                raise self._unknown(opcode, start)
        if at.remaining:
            raise at.fail(f"{at.remaining} bytes are left over")
        known = (self._scopes, self._marks, self._calls)
        return TypedBody(self._function, self._type, self._locals, self._entry, first, at.position, *known)

    def _unknown(self, opcode: int, start: int) -> UnsupportedProposal:
        what = "is of the legacy exception proposal" if opcode in op.LEGACY else "is not known"
        return UnsupportedProposal(f"the instruction {opcode:#x} {what}", where=f"byte offset {start:#x}")

    # -- operands ------------------------------------------------------------------------------------------------------

    def _pop(self, number: int = 1) -> None:
        height = self._open[-1].height
        left = len(self._stack) - number
        if left < height:
            if not self._open[-1].unreachable:
                raise self._at.fail("an instruction takes more operands than there are")
            left = height
        del self._stack[left:]

    def _top(self) -> ValType | None:
        """Takes the topmost operand; its type."""
        if len(self._stack) > self._open[-1].height:
            return self._stack.pop()
        if not self._open[-1].unreachable:
            raise self._at.fail("an instruction takes more operands than there are")
        return None

    def _dead(self) -> None:
        del self._stack[self._open[-1].height :]
        self._open[-1].unreachable = True

    def _skip(self, immediates: str) -> None:
        at = self._at
        for immediate in immediates:
            if immediate in BYTES:
                at.skip(BYTES[immediate])
            elif immediate == MEMORY_ARGUMENT:
                if at.u32() & 0x40:
                    at.u32()
                at.u64()
            elif immediate == INTEGER:
                at.signed(64)
            elif immediate == "h":
                self._heap_type()
            else:
                at.u32()

    def _heap_type(self) -> bytes:
        start = self._at.position
        if self._at.signed(33) >= 0 and self._reference:
            raise _Typed
        return self._at.buffer[start : self._at.position]

    # -- scopes --------------------------------------------------------------------------------------------------------

    def _enter(self, opcode: int, start: int, params: tuple[ValType, ...], results: tuple[ValType, ...]) -> Scope:
        parent = self._open[-1] if self._open else None
        below = self._stack[parent.height :] if parent else []
        scope = Scope(
            len(self._scopes), opcode, start, self._at.position, params, results,
            parent.number if parent else None, len(self._stack), tuple(t for t in below if t is not None),
            bool(parent and (parent.dead or parent.unreachable)), set_before=self._set,
        )  # fmt: skip
        self._scopes.append(scope)
        self._open.append(scope)
        self._stack.extend(params)
        return scope

    def _block_type(self) -> FuncType:
        peek = self._at.peek()
        if peek == 0x40:
            self._at.skip(1)
            return FuncType((), ())
        if peek & 0x40 and peek < 0x80:
            return FuncType((), (self._value_type(),))
        found = self._module.types.functions[self._at.signed(33)]
        assert found is not None  # it was validated
        return found

    def _block(self, opcode: int, start: int) -> None:
        kind = self._block_type()
        labels: list[Label] = []
        catches = self._at.position
        if opcode == IF:
            self._pop()
        elif opcode == TRY_TABLE:
            for _ in range(self._at.count(2)):
                if self._at.byte() < 2:
                    self._at.u32()
                labels.append(self._label())
        self._pop(len(kind.params))
        scope = self._enter(opcode, start, *kind)
        self._marks.append(Mark(opcode, start, self._at.position, scope.number, tuple(labels), catches))

    def _else(self, opcode: int, start: int) -> None:
        scope = self._open[-1]
        scope.otherwise = start
        scope.unreachable = False
        self._set = scope.set_before
        del self._stack[scope.height :]
        self._stack.extend(scope.params)
        self._marks.append(Mark(opcode, start, self._at.position, scope.number))

    def _end(self, opcode: int, start: int) -> None:
        scope = self._open.pop()
        scope.end = start
        self._set = scope.set_before
        del self._stack[scope.height :]
        self._stack.extend(scope.results)
        self._marks.append(Mark(opcode, start, self._at.position, scope.number))

    def _label(self) -> Label:
        start = self._at.position
        depth = self._at.u32()
        if depth >= len(self._open):
            raise self._at.fail("a label that does not exist", start)
        return Label(start, self._at.position, self._open[-1 - depth].number)

    def _label_types(self, label: Label) -> tuple[ValType, ...]:
        scope = self._scopes[label.scope]
        return scope.params if scope.opcode == LOOP else scope.results

    def _branch(self, opcode: int, start: int) -> None:
        number = self._at.count() if opcode == op.BR_TABLE else 0
        labels = tuple(self._label() for _ in range(number + 1))
        self._marks.append(Mark(opcode, start, self._at.position, self._open[-1].number, labels))
        types = self._label_types(labels[-1])
        if opcode in (op.BR, op.BR_TABLE):
            self._dead()
        elif opcode == op.BR_IF:
            self._pop(1 + len(types))
            self._stack.extend(types)
        elif opcode == op.BR_ON_NULL:
            reference = self._top()
            self._pop(len(types))
            self._stack.extend((*types, _without_null(reference)))
        else:  # br_on_non_null: what is left is null, and gone
            self._pop(len(types))
            self._stack.extend(types[:-1])

    def _branch_on_cast(self, opcode: int, start: int) -> None:
        flags = self._at.byte()
        label = self._label()
        source, target = self._heap_type(), self._heap_type()
        self._marks.append(Mark(opcode, start, self._at.position, self._open[-1].number, (label,)))
        types = self._label_types(label)[:-1]
        self._pop(1 + len(types))
        if opcode == code(GC_PREFIX, 0x18):  # the cast failed: null went along, if the target has it
            left = (b"\x63" if flags & 1 and not flags & 2 else b"\x64") + source
        else:
            left = (b"\x63" if flags & 2 else b"\x64") + target
        self._stack.extend((*types, left))

    def _leave(self, opcode: int, _start: int) -> None:
        self._skip(IMMEDIATES[opcode])
        if opcode == op.RETURN_CALL_REF and self._reference:
            raise _Typed
        self._dead()

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _call(self, opcode: int, start: int) -> None:
        at, types = self._at, self._module.types.functions
        callee: tuple[ValType, ...] = ()
        if opcode == op.CALL:
            signature = self._module.function_type(at.u32())
        else:
            if opcode == op.CALL_REF and self._reference:
                raise _Typed
            index = at.u32()
            signature = types[index]
            if opcode == op.CALL_INDIRECT:
                callee = (I64 if self._module.tables[at.u32()].limits.is_64 else I32,)
            else:
                callee = (b"\x63" + sleb(index),)
        assert signature is not None  # the module was validated
        takes = signature.params + callee
        self._pop(len(takes))
        scope = self._open[-1]
        if not scope.dead and not scope.unreachable:
            operands = tuple(t for t in self._stack if t is not None)
            unset = self._undefaulted - self._set
            self._calls.append(Call(start, at.position, scope.number, operands, takes, signature.results, unset))
        self._stack.extend(signature.results)

    # -- variables, references, objects --------------------------------------------------------------------------------

    def _set_local(self, opcode: int, index: int) -> None:
        self._pop()
        if index in self._undefaulted:
            self._set |= {index}
        if opcode == op.LOCAL_TEE:
            self._stack.append(self._locals[index])

    def _global_get(self, _opcode: int, _start: int) -> None:
        self._stack.append(self._module.globals[self._at.u32()].type)

    def _select(self, opcode: int, _start: int) -> None:
        if opcode == op.SELECT_TYPED:
            types = [self._value_type() for _ in range(self._at.count())]
            self._pop(3)
            self._stack.extend(types)
            return
        self._pop()
        second, first = self._top(), self._top()
        self._stack.append(first if first is not None else second)

    def _table_get(self, _opcode: int, _start: int) -> None:
        table = self._module.tables[self._at.u32()]
        self._pop()
        self._stack.append(table.type)

    def _size(self, opcode: int, _start: int) -> None:
        """How large a memory or table is, or was before it grew."""
        index = self._at.u32()
        module = self._module
        of_table = opcode in (op.TABLE_GROW, op.TABLE_SIZE)
        limits = module.tables[index].limits if of_table else module.memories[index]
        self._pop({op.MEMORY_GROW: 1, op.TABLE_GROW: 2}.get(opcode, 0))
        self._stack.append(I64 if limits.is_64 else I32)

    def _reference_to(self, opcode: int, _start: int) -> None:
        if opcode == op.REF_NULL:
            kind = self._heap_type()
            self._stack.append(kind if len(kind) == 1 and kind[0] >= 0x68 and kind[0] < 0x80 else b"\x63" + kind)
        elif opcode == op.REF_FUNC:
            index = self._module.function_types[self._at.u32()]
            self._stack.append(self._reference or b"\x64" + sleb(index))
        else:  # ref.as_non_null
            self._stack.append(_without_null(self._top()))

    def _object(self, opcode: int, _start: int) -> None:
        """Instructions of the GC proposal whose results depend on a type, or on an operand's."""
        number = opcode & 0xFFFF
        if number in (0x16, 0x17):  # ref.cast
            kind = self._heap_type()
            self._pop()
            self._stack.append((b"\x64" if number == 0x16 else b"\x63") + kind)
            return
        if number in (0x1A, 0x1B):  # any.convert_extern, extern.convert_any
            source = self._top()
            null = source is None or source[0] != 0x64
            self._stack.append((b"\x63" if null else b"\x64") + (b"\x6e" if number == 0x1A else b"\x6f"))
            return
        if number == 0x1C:  # ref.i31
            self._pop()
            self._stack.append(b"\x64\x6c")
            return
        index = self._at.u32()
        fields = self._module.types.fields[index]
        if number in (0x02, 0x0B):  # struct.get, array.get
            self._pop(1 if number == 0x02 else 2)
            self._stack.append(fields[self._at.u32() if number == 0x02 else 0])
            return
        takes = {0x00: len(fields), 0x01: 0, 0x06: 2, 0x07: 1, 0x09: 2, 0x0A: 2}
        if number == 0x08:
            takes[number] = self._at.u32()
        elif number in (0x09, 0x0A):
            self._at.u32()
        self._pop(takes[number])
        self._stack.append(b"\x64" + sleb(index))


def _without_null(reference: ValType | None) -> ValType | None:
    return None if reference is None else b"\x64" + heap_type(reference)


def _gc(*numbers: int) -> list[int]:
    return [code(GC_PREFIX, number) for number in numbers]


_SPECIAL = {
    **dict.fromkeys(OPENING, _Walk._block),
    ELSE: _Walk._else,
    END: _Walk._end,
    **dict.fromkeys((op.BR, op.BR_IF, op.BR_TABLE, op.BR_ON_NULL, op.BR_ON_NON_NULL), _Walk._branch),
    **dict.fromkeys(_gc(0x18, 0x19), _Walk._branch_on_cast),
    **dict.fromkeys(
        (
            op.UNREACHABLE,
            op.RETURN,
            op.THROW,
            op.THROW_REF,
            op.RETURN_CALL,
            op.RETURN_CALL_INDIRECT,
            op.RETURN_CALL_REF,
        ),
        _Walk._leave,
    ),
    **dict.fromkeys((op.CALL, op.CALL_INDIRECT, op.CALL_REF), _Walk._call),
    op.GLOBAL_GET: _Walk._global_get,
    **dict.fromkeys((op.SELECT, op.SELECT_TYPED), _Walk._select),
    op.TABLE_GET: _Walk._table_get,
    **dict.fromkeys((op.MEMORY_SIZE, op.MEMORY_GROW, op.TABLE_GROW, op.TABLE_SIZE), _Walk._size),
    **dict.fromkeys((op.REF_NULL, op.REF_FUNC, op.REF_AS_NON_NULL), _Walk._reference_to),
    **dict.fromkeys(_gc(0, 1, 2, 6, 7, 8, 9, 10, 11, 0x16, 0x17, 0x1A, 0x1B, 0x1C), _Walk._object),
}
