"""Frames: functions that go on where the active ones were.

There is exactly one paused stack, so each of its frames needs exactly one point to go on from: a function of its own,
the continuation. It sets the locals, calls the continuation of the next frame in place of the call that is under way,
and then does what is left of the body. The innermost makes the call that was paused.

What is left inside of a block comes first, in the same block, then what follows it. Of a loop, the rest of the
iteration that is under way comes before the loop itself:

    block $out
      block $again      ;; stands for the loop's label
        rest; br $out
      end
      loop ... end      ;; the loop as it was
    end
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary import paused
from ...binary.module import Module
from ...binary.typed import BLOCK, END, LOOP, OPENING, TRY_TABLE, Mark, Scope
from ...binary.types import NUMERIC_SIZES, FuncType, ValType, is_numeric
from ...errors import PauseRefused, counted
from ...tuples import NamedTuple
from ..snapshot import FramesState, FrameState, FrameValue
from .plan import Added
from .references import reference_value

#: What a continuation is called: its function's name with this behind.
RESUMED = ".resumed"

#: Bytes of all continuations, and of one: engines take no longer function
#: (https://webassembly.github.io/spec/js-api/#limits).
MOST_CODE, LONGEST = 128 << 20, 7_654_321

#: Where labels lead in a continuation: to scopes by their number, and out of a loop that has begun already.
_Out = tuple[str, int]
_Nesting = tuple[int | _Out, ...]


class Continuations(NamedTuple):
    """Functions to append, innermost first, and the types that they need in addition; what to call them, by index.

    `entry`: the function that the export becomes; None where it stays what it is, as nothing was active.
    """

    functions: tuple[Added, ...] = ()
    types: tuple[FuncType, ...] = ()
    names: Mapping[int, str] = MappingProxyType({})
    entry: int | None = None


class NewTypes:
    """Function types of the output: those that there are, and what is appended."""

    def __init__(self, module: Module) -> None:
        self._known: dict[FuncType, int] = {}
        if not module.types.has_gc:  # there, equal types may be different ones
            for index, known in enumerate(module.types.functions):
                if known is not None:
                    self._known.setdefault(known, index)
        self._count = len(module.types.functions)
        self.added: list[FuncType] = []

    def index(self, wanted: FuncType) -> int:
        if wanted not in self._known:
            self._known[wanted] = self._count + len(self.added)
            self.added.append(wanted)
        return self._known[wanted]


def continuations(
    module: Module, state: FramesState, name: str, first: int, before: bytes, called: int | None = None
) -> Continuations:
    """One continuation for each frame; the first of them will have the index `first`.

    The export `name` was called: it keeps its type, and what it is given when it goes on is not looked at. `before`:
    what is done before the outermost continuation. `called`: the index of a global that says whether it was called
    already: what was under way goes on once, and who calls it again gets the function that it was; None: nobody does.
    Raises `PauseRefused` where they would be too large.
    """
    if not state.frames and not before:
        return Continuations()
    _check_size(module, state)
    types = NewTypes(module)
    functions: list[Added] = []
    names: dict[int, str] = {}
    callee: int | None = None
    for number, frame in enumerate(state.frames):
        function = _Continuation(module, frame, types, callee).function()
        size = len(function.locals) + len(function.body) + len(code.END)
        if size > LONGEST:
            raise _too_long(module, frame, size)
        functions.append(function)
        callee = first + number
        title = module.function_name(frame.body.function)
        if title and module.custom("name"):
            names[callee] = title + RESUMED
    export = module.exported(name)
    signature = module.function_type(export.target) if export else None
    assert export is not None and signature is not None  # it was called
    if callee is None or signature.params or before or called is not None:
        if called is not None:
            again = code.parameters(signature) + code.call(export.target) + code.RETURN
            begins = code.i32_const(1) + code.global_set(called)
            before = code.global_get(called) + code.if_(again) + begins + before
        goes_on = code.parameters(signature) + code.call(export.target) if callee is None else code.call(callee)
        functions.append(Added(signature, code.NO_LOCALS, before + goes_on))
        callee = first + len(functions) - 1
    return Continuations(tuple(functions), tuple(types.added), names, callee)


def _check_size(module: Module, state: FramesState) -> None:
    """Raises `PauseRefused` where continuations would be too large, before any is made."""
    sizes: Counter[int] = Counter()
    for frame in state.frames:
        size = _size(frame)
        if size > LONGEST:
            raise _too_long(module, frame, size)
        sizes[frame.body.function] += size
    total = sum(sizes.values())
    if total <= MOST_CODE:
        return
    function, size = sizes.most_common(1)[0]
    times = sum(frame.body.function == function for frame in state.frames)
    raise PauseRefused(
        f"what is left to do of {counted(len(state.frames), 'active function')} takes {total:,} bytes of code, and at "
        f"most {MOST_CODE:,} are written. This one is active {counted(times, 'time')}, for {size:,} bytes",
        where=module.function_place(function),
        hint="Pause where fewer calls are under way: outside of a deep recursion.",
    )


def _too_long(module: Module, frame: FrameState, size: int) -> PauseRefused:
    return PauseRefused(
        f"what is left to do of an active function takes {size:,} bytes of code, and engines take functions of at most "
        f"{LONGEST:,}",
        where=module.function_place(frame.body.function),
        hint="Pause where that function is not active, or where fewer of its loops are under way.",
    )


def _size(frame: FrameState) -> int:
    """Bytes of a continuation, or somewhat less: constants and labels may take more."""
    chain = frame.body.chain(frame.call.scope)
    loops = sum(scope.end + 1 - scope.start for scope in chain if scope.opcode == LOOP)
    others = (scope for scope in chain if scope.otherwise is not None and frame.call.start < scope.otherwise)
    left = frame.body.end - frame.call.end - sum(scope.end - (scope.otherwise or scope.end) for scope in others)
    constants = 4 * sum(isinstance(value, bytes) and any(value) for value in frame.locals.values())
    return loops + left + constants


SECTION = paused.SECTION


def section(state: FramesState, first: int) -> write.Pieces:
    """What the output says of itself, for who looks at it; `first`: the index of the innermost continuation."""
    return paused.section(
        paused.ActiveFunction(frame.body.function, frame.call.start - frame.body.entry, first + number)
        for number, frame in enumerate(state.frames)
    )


def _value(value_type: ValType, value: FrameValue) -> bytes:
    """The instructions that give what a frame held."""
    return code.value(value_type, value) if isinstance(value, bytes) else reference_value(value, value_type)


class _Continuation:
    """What is left of one frame's function. `callee`: the next frame's continuation; None for the innermost."""

    def __init__(self, module: Module, frame: FrameState, types: NewTypes, callee: int | None) -> None:
        self._data = module.data
        self._frame = frame
        self._types = types
        self._callee = callee
        self._scopes = frame.body.scopes
        self._chain = frame.body.chain(frame.call.scope)

    def function(self) -> Added:
        locals_ = self._frame.body.locals
        pieces = []
        for index, value in sorted(self._frame.locals.items()):
            kind = locals_[index]
            if value is None or (isinstance(value, bytes) and is_numeric(kind) and value == bytes(NUMERIC_SIZES[kind])):
                continue  # what it is anyway
            pieces.append(_value(kind, value) + code.local_set(index))
        runs = [(len(list(same)), kind) for kind, same in groupby(locals_)]
        declared = write.vector([write.uleb(number) + kind for number, kind in runs])
        return Added(FuncType((), self._frame.body.type.results), declared, b"".join(pieces) + self._rest(0, (0,)))

    def _rest(self, place: int, nesting: _Nesting) -> bytes:
        """What is left of a scope, `self._chain[place]`, without its `end`."""
        frame, chain = self._frame, self._chain
        scope = chain[place]
        deepest = place + 1 == len(chain)
        height = len(frame.call.operands) if deepest else chain[place + 1].height
        operands = zip(frame.call.operands[scope.height : height], frame.operands[scope.height : height], strict=True)
        held = b"".join(_value(*operand) for operand in operands)
        if deepest:
            return held + self._call() + self._copy(frame.call.end, self._end(scope), nesting, scope)
        inner = chain[place + 1]
        return held + self._enter(place + 1, nesting) + self._copy(inner.end + 1, self._end(scope), nesting, scope)

    def _end(self, scope: Scope) -> int:
        """Where what is done of a scope ends."""
        other = scope.otherwise
        return scope.end if other is None or self._frame.call.start > other else other

    def _call(self) -> bytes:
        if self._callee is not None:
            return code.call(self._callee)
        call = self._frame.call
        given = zip(call.takes, self._frame.arguments, strict=True)
        return b"".join(_value(*argument) for argument in given) + self._data[call.start : call.end]

    def _enter(self, place: int, nesting: _Nesting) -> bytes:
        """A scope that is under way, from its beginning to its end."""
        scope = self._chain[place]
        if scope.opcode == LOOP:
            out = ("out", scope.number)
            rest = self._rest(place, (*nesting, out, scope.number)) + code.br(1)
            again = self._open(FuncType((), scope.params)) + rest + code.END
            loop = self._copy(scope.start, scope.end + 1, (*nesting, out), self._scopes[self._chain[place - 1].number])
            return self._open(FuncType((), scope.results)) + again + loop + code.END
        if scope.opcode == TRY_TABLE:
            mark = next(m for m in self._frame.body.marks if m.start == scope.start)
            kind = self._block_type(FuncType((), scope.results))
            head = bytes((TRY_TABLE,)) + kind + self._labelled(mark, nesting, mark.catches)
            return head + self._rest(place, (*nesting, scope.number)) + code.END
        return self._open(FuncType((), scope.results)) + self._rest(place, (*nesting, scope.number)) + code.END

    def _open(self, kind: FuncType) -> bytes:
        return bytes((BLOCK,)) + self._block_type(kind)

    def _block_type(self, kind: FuncType) -> bytes:
        if not kind.params and len(kind.results) < 2:
            return kind.results[0] if kind.results else b"\x40"
        return write.sleb(self._types.index(kind))

    # -- copying -------------------------------------------------------------------------------------------------------

    def _copy(self, start: int, end: int, nesting: _Nesting, scope: Scope) -> bytes:
        """Instructions of a scope, which stand in another nesting now: labels lead to the same place all the same."""
        if start >= end:
            return b""
        if nesting == tuple(around.number for around in self._frame.body.chain(scope.number)):
            return self._data[start:end]
        pieces = []
        inside = list(nesting)
        at = start
        marks = self._frame.body.marks
        for mark in marks[bisect_left(marks, start, key=lambda mark: mark.start) :]:
            if mark.start >= end:
                break
            if mark.labels:
                pieces.append(self._labelled(mark, inside, at))
                at = mark.end
            if mark.opcode in OPENING:
                inside.append(mark.scope)
            elif mark.opcode == END:
                inside.pop()
        pieces.append(self._data[at:end])
        return b"".join(pieces)

    def _labelled(self, mark: Mark, nesting: Sequence[int | _Out], start: int) -> bytes:
        """What stands from `start` to the end of an instruction with labels."""
        pieces = []
        for label in mark.labels:
            depth = nesting[::-1].index(label.scope)
            pieces += [self._data[start : label.start], write.uleb(depth)]
            start = label.end
        pieces.append(self._data[start : mark.end])
        return b"".join(pieces)
