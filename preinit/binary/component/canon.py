"""Canonical functions, as they stand in the binary.

https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md#canonical-definitions
"""

from __future__ import annotations

from ..cursor import Cursor
from .recipe import CanonOptions, Definition, Lift, Lower, ResourceFunction, Unsupported
from .types import lacks, read_value_type

_ENCODINGS = ("utf8", "utf16", "latin1+utf16")
_RESOURCES = {2: "new", 3: "drop", 4: "rep"}

#: Those of asynchronous calls, with what stands behind the opcode: u: an index, b: a byte, o: options.
_OTHERS = {
    0x05: ("task.cancel", ""), 0x06: ("subtask.cancel", "b"), 0x07: ("resource.drop async", "u"),
    0x08: ("backpressure.set", ""), 0x0A: ("context.get", "bu"), 0x0B: ("context.set", "bu"),
    0x0C: ("thread.yield", "b"),
    0x0D: ("subtask.drop", ""), 0x0E: ("stream.new", "u"), 0x0F: ("stream.read", "uo"), 0x10: ("stream.write", "uo"),
    0x11: ("stream.cancel-read", "ub"), 0x12: ("stream.cancel-write", "ub"), 0x13: ("stream.drop-readable", "u"),
    0x14: ("stream.drop-writable", "u"), 0x15: ("future.new", "u"), 0x16: ("future.read", "uo"),
    0x17: ("future.write", "uo"), 0x18: ("future.cancel-read", "ub"), 0x19: ("future.cancel-write", "ub"),
    0x1A: ("future.drop-readable", "u"), 0x1B: ("future.drop-writable", "u"), 0x1C: ("error-context.new", "o"),
    0x1D: ("error-context.debug-message", "o"), 0x1E: ("error-context.drop", ""), 0x1F: ("waitable-set.new", ""),
    0x20: ("waitable-set.wait", "bu"), 0x21: ("waitable-set.poll", "bu"), 0x22: ("waitable-set.drop", ""),
    0x23: ("waitable.join", ""), 0x24: ("backpressure.inc", ""), 0x25: ("backpressure.dec", ""),
}  # fmt: skip
_TASK_RETURN = 0x09


def read_canon(at: Cursor) -> Definition:
    """A canonical function. Raises `UnsupportedProposal` for one that is not known."""
    start = at.position
    kind = at.byte()
    if kind in (0, 1):
        at.skip(1)
        function = at.u32()
        options = _options(at)
        return Lift(function, options, at.u32()) if kind == 0 else Lower(function, options)
    if kind in _RESOURCES:
        return ResourceFunction(_RESOURCES[kind], at.u32())
    if kind == _TASK_RETURN:
        if at.byte() == 0:
            read_value_type(at)
        else:
            at.skip(1)
        _options(at)
        return Unsupported("task.return")
    if kind not in _OTHERS:
        raise lacks(at, f"a canonical function {kind:#x}", start)
    name, behind = _OTHERS[kind]
    for part in behind:
        if part == "u":
            at.u32()
        elif part == "b":
            at.skip(1)
        else:
            _options(at)
    return Unsupported(name)


def _options(at: Cursor) -> CanonOptions:
    found = CanonOptions()
    for _ in range(at.count()):
        start = at.position
        kind = at.byte()
        if kind < len(_ENCODINGS):
            found = found._replace(encoding=_ENCODINGS[kind])
        elif kind == 3:
            found = found._replace(memory=at.u32())
        elif kind == 4:
            found = found._replace(realloc=at.u32())
        elif kind == 5:
            found = found._replace(post_return=at.u32())
        elif kind == 6:
            found = found._replace(is_async=True)
        elif kind == 7:
            at.u32()
        else:
            raise lacks(at, f"a canonical option {kind:#x}", start)
    return found
