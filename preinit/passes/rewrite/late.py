"""Functions that fetch the instance's own environment and arguments: before whatever a host calls first.

That is `_start` of a command, else `_initialize`, which is added where there is none: hosts call it before anything
else. Both do what they did, after that.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.late import Places
from ...binary.late import section as late_section
from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import I32, FuncType
from ..late import Late
from .entries import exits, wasi_functions
from .plan import Added, Export, Plan

#: What a host calls first: of a command, and of a reactor.
ENTRIES = ("_start", "_initialize")

#: Exit codes of sysexits.h: wrong usage; the system does not do what it should.
_USAGE, _OS_ERROR = 64, 71

#: The function's locals: how many strings there are, and how many bytes they have.
_COUNT, _SIZE = 0, 1
_LOCALS = code.locals_(I32, I32)
_NOTHING = FuncType((), ())
_STDERR = 2


def section(late: Late | None, folders: Sequence[str]) -> write.Pieces:
    """What the output says of itself, for who serves it and who builds from it: whether environment and arguments are
    the instance's own, where it puts them, and the guest paths of folders that it must be given, all in order."""
    facts = {"environment": late.facts.environment, "arguments": late.facts.arguments} if late else {}
    return late_section({**facts, "folders": list(folders)}, late.places if late else Places())


def late_functions(module: Module, late: Late, plan: Plan) -> tuple[tuple[Added, ...], tuple[Export, ...]]:
    """The functions to append after those that the `plan` appends, and the exports of an output that has them."""
    exports = plan.exports
    if not late.binds:
        return (), exports
    first = len(module.function_types) + len(plan.noops) + len(plan.added)
    functions = [Added(_NOTHING, _LOCALS, _fetching(module, late))]
    present = {name: index for name, kind, index in exports if kind == ExternKind.FUNC and name in ENTRIES}
    if not present:
        return tuple(functions), (*exports, (ENTRIES[1], int(ExternKind.FUNC), first))
    wrappers: dict[str, int] = {}
    for name, index in present.items():
        signature = _type(module, plan, index)
        wrappers[name] = first + len(functions)
        functions.append(
            Added(signature, code.NO_LOCALS, code.call(first) + code.parameters(signature) + code.call(index))
        )
    changed = (
        (name, kind, wrappers.get(name, index) if kind == ExternKind.FUNC else index) for name, kind, index in exports
    )
    return tuple(functions), tuple(changed)


def _type(module: Module, plan: Plan, index: int) -> FuncType:
    """The type of a function of the output, also of one behind the module's own."""
    place = index - len(module.function_types)
    if place >= len(plan.noops):
        return plan.added[place - len(plan.noops)].type
    signature = module.function_type(index) if place < 0 else module.types.functions[plan.noops[place][0]]
    assert signature is not None
    return signature


def _fetching(module: Module, late: Late) -> bytes:
    calls = _Calls(module, late.memory)
    body = calls.environment(late) if late.environment else b""
    return body + (calls.arguments(late) if late.arguments else b"")


class _Calls:
    """Instructions that call WASI, as the module imports it."""

    def __init__(self, module: Module, memory: int) -> None:
        self._memory = memory
        self._functions = wasi_functions(module)
        self._module = module

    def environment(self, late: Late) -> bytes:
        """Fetches it for each array, into the room of each."""
        body = b""
        for (start, size), words in late.places.environments.items():
            body += self._one_environment(start, size, words)
        return body

    def _one_environment(self, start: int, size: int, words: Sequence[int]) -> bytes:
        """Puts the array into a room, null behind it, then the strings."""
        ops, wide = code.I64_OPS, code.I64_EXTEND_I32_U
        body = self._sizes("environ_sizes_get", start)
        strings = code.i32_const(start) + code.local_get(_COUNT) + code.i32_const(1) + code.I32_OPS.add
        strings += code.i32_const(2) + code.I32_OPS.shl + code.I32_OPS.add
        needed = code.local_get(_SIZE) + wide  # added up in 64 bits
        needed += code.local_get(_COUNT) + wide + ops.const(1) + ops.add + ops.const(2) + ops.shl + ops.add
        said = f"the environment is larger than the {size:,} bytes that this program was prepared for"
        body += needed + ops.const(size) + ops.gt_u + code.if_(self._complaint(start, said, _OS_ERROR))
        # Node's hosts fail where there is nothing to get.
        fetched = self._called("environ_get", code.i32_const(start) + strings)
        body += code.local_get(_COUNT) + code.if_(fetched)
        end = code.i32_const(start) + code.local_get(_COUNT) + code.i32_const(2) + code.I32_OPS.shl + code.I32_OPS.add
        body += end + code.i32_const(0) + code.i32_store(0, self._memory)
        for word in words:
            body += code.i32_const(word) + code.i32_const(start) + code.i32_store(0, self._memory)
        return body

    def arguments(self, late: Late) -> bytes:
        """Has the arrays that there are hold the addresses of other strings, in the room of each."""
        places, count = late.places.arguments, late.arguments[0].strings
        start, _ = next(iter(places.values()))
        most = min(size for _, size in places.values())
        body = self._sizes("args_sizes_get", start)
        other = code.local_get(_COUNT) + code.i32_const(count) + code.I32_OPS.ne
        said = f"this program was prepared with {count} argument{'s' * (count != 1)} and takes as many"
        body += other + code.if_(self._complaint(start, said, _USAGE))
        larger = code.local_get(_SIZE) + code.i32_const(most) + code.I32_OPS.gt_u
        said = f"the arguments are larger than the {most:,} bytes that this program was prepared for"
        body += larger + code.if_(self._complaint(start, said, _OS_ERROR))
        for array, room in places.items():
            body += self._called("args_get", code.i32_const(array) + code.i32_const(room.start))
        return body

    def _sizes(self, name: str, at: int) -> bytes:
        body = self._called(name, code.i32_const(at) + code.i32_const(at + 4))
        body += code.i32_const(at) + code.i32_load(0, self._memory) + code.local_set(_COUNT)
        return body + code.i32_const(at + 4) + code.i32_load(0, self._memory) + code.local_set(_SIZE)

    def _called(self, name: str, arguments: bytes) -> bytes:
        return arguments + code.call(self._functions[name]) + code.if_(exits(self._module, _OS_ERROR))

    def _complaint(self, at: int, said: str, status: int) -> bytes:
        """Says on standard error why the program ends, and ends. `at`: room of `SMALLEST_ROOM` bytes."""
        line, body = f"{said}\n".encode(), b""
        writes = self._functions.get("fd_write")
        if writes is not None:
            vector = at + 8
            text = vector + 16
            padded = line.ljust(-(-len(line) // 8) * 8, b"\0")
            for place in range(0, len(padded), 8):
                number = int.from_bytes(padded[place : place + 8], "little")
                body += code.i32_const(text + place) + code.i64_const(number) + code.i64_store(0, self._memory)
            for place, number in ((vector, text), (vector + 4, len(line))):
                body += code.i32_const(place) + code.i32_const(number) + code.i32_store(0, self._memory)
            body += code.i32_const(_STDERR) + code.i32_const(vector) + code.i32_const(1) + code.i32_const(at)
            body += code.call(writes) + code.DROP
        return body + exits(self._module, status)
