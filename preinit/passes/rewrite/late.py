"""Functions that fetch the instance's own environment and arguments: before whatever a host calls first.

That is `_start` of a command, else `_initialize`, which is added where there is none: hosts call it before anything
else. Both do what they did, after that.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import I32, FuncType
from ..late import Late
from .entries import exits, wasi_functions
from .plan import Added, Export, Plan

#: What a host calls first: of a command, and of a reactor.
ENTRIES = ("_start", "_initialize")

#: The custom section that says what an output fetches when it starts: see `section`.
SECTION = "preinit.late"

#: Exit codes of sysexits.h: wrong usage; the system does not do what it should.
_USAGE, _OS_ERROR = 64, 71

#: The function's locals: where things are put, how many strings there are, and how many bytes they have.
_BASE, _COUNT, _SIZE = 0, 1, 2
_LOCALS = code.locals_(I32, I32, I32)
_NOTHING = FuncType((), ())
_STDERR = 2


def section(late: Late | None, folders: Sequence[str]) -> write.Pieces:
    """What the output says of itself, for who serves it: whether environment and arguments are the instance's own, and
    the guest paths of folders that it must be given, all in order."""
    import json  # takes 2 ms, which most builds do not need

    facts = {"environment": late.facts.environment, "arguments": late.facts.arguments} if late else {}
    said = json.dumps({name: value for name, value in (*facts.items(), ("folders", list(folders))) if value})
    return write.custom_section(SECTION, said.encode())


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
        self._limits = module.memories[memory]
        self._memory = memory
        self._functions = wasi_functions(module)
        self._module = module

    def environment(self, late: Late) -> bytes:
        start, size = late.environment_room
        body = self._sizes("environ_sizes_get", start)
        # The array, null behind it, the strings.
        strings = self._string_place(code.local_get(_BASE), array=True)
        body += self._place(start, size, array=True)
        # Node's hosts fail where there is nothing to get.
        body += code.local_get(_COUNT) + code.if_(self._called("environ_get", code.local_get(_BASE) + strings))
        end = code.local_get(_BASE) + code.local_get(_COUNT) + code.i32_const(2) + code.I32_OPS.shl + code.I32_OPS.add
        body += end + code.i32_const(0) + code.i32_store(0, self._memory)
        for word in late.words:
            body += code.i32_const(word) + code.local_get(_BASE) + code.i32_store(0, self._memory)
        return body

    def arguments(self, late: Late) -> bytes:
        start, size = late.arguments_room
        count = late.arguments[0].strings
        body = self._sizes("args_sizes_get", start)
        other = code.local_get(_COUNT) + code.i32_const(count) + code.I32_OPS.ne
        body += other + code.if_(self._complaint(start, count))
        body += self._place(start, size, array=False)
        for one in late.arguments:
            body += self._called("args_get", code.i32_const(one.array) + code.local_get(_BASE))
        return body

    def _sizes(self, name: str, at: int) -> bytes:
        body = self._called(name, code.i32_const(at) + code.i32_const(at + 4))
        body += code.i32_const(at) + code.i32_load(0, self._memory) + code.local_set(_COUNT)
        return body + code.i32_const(at + 4) + code.i32_load(0, self._memory) + code.local_set(_SIZE)

    def _called(self, name: str, arguments: bytes) -> bytes:
        return arguments + code.call(self._functions[name]) + code.if_(exits(self._module, _OS_ERROR))

    def _string_place(self, base: bytes, array: bool) -> bytes:
        """Where strings begin that lie behind an array, and null, or at `base`."""
        if not array:
            return base
        ops = code.I32_OPS
        return base + code.local_get(_COUNT) + code.i32_const(1) + ops.add + code.i32_const(2) + ops.shl + ops.add

    def _place(self, start: int, size: int, array: bool) -> bytes:
        """Sets `_BASE`: the room, or where new pages begin. Sizes are added up in 64 bits."""
        ops, wide = code.I64_OPS, code.I64_EXTEND_I32_U
        needed = code.local_get(_SIZE) + wide
        if array:
            needed += code.local_get(_COUNT) + wide + ops.const(1) + ops.add + ops.const(2) + ops.shl + ops.add
        shift = self._limits.page_size.bit_length() - 1
        pages = needed + ops.const(self._limits.page_size - 1) + ops.add + ops.const(shift) + code.I64_SHR_U
        # More pages than a memory can have are refused, not wrapped.
        most = ops.const(0xFFFF_FFFF) + ops.gt_u + code.if_(exits(self._module, _OS_ERROR))
        grown = pages + most + pages + code.I32_WRAP_I64 + code.memory_grow(self._memory) + code.local_tee(_BASE)
        grown += code.i32_const(-1) + code.I32_OPS.eq + code.if_(exits(self._module, _OS_ERROR))
        grown += code.local_get(_BASE) + code.i32_const(shift) + code.I32_OPS.shl + code.local_set(_BASE)
        fits = code.i32_const(start) + code.local_set(_BASE)
        return needed + ops.const(size) + ops.gt_u + code.if_(grown, fits)

    def _complaint(self, at: int, count: int) -> bytes:
        """Says on standard error that there must be other arguments, and ends."""
        said = f"this program was prepared with {count} argument{'s' * (count != 1)} and takes as many\n".encode()
        body = b""
        writes = self._functions.get("fd_write")
        if writes is not None:
            vector = at + 8
            text = vector + 16
            padded = said.ljust(-(-len(said) // 8) * 8, b"\0")
            for place in range(0, len(padded), 8):
                number = int.from_bytes(padded[place : place + 8], "little")
                body += code.i32_const(text + place) + code.i64_const(number) + code.i64_store(0, self._memory)
            for place, number in ((vector, text), (vector + 4, len(said))):
                body += code.i32_const(place) + code.i32_const(number) + code.i32_store(0, self._memory)
            body += code.i32_const(_STDERR) + code.i32_const(vector) + code.i32_const(1) + code.i32_const(at)
            body += code.call(writes) + code.DROP
        return body + exits(self._module, _USAGE)
