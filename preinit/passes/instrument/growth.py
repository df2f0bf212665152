"""Growth: every instruction that grows a memory or table is replaced by a call of a guard, see `binary.growth`.

A refused growth gives the guest -1, it goes on with what it has, and a snapshot would freeze that. The guard traps
instead, but not where the module's own maximum is the reason: that is the same everywhere.
"""

from __future__ import annotations

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary.growth import Bounds, growing_functions, guard
from ...binary.module import SectionId
from ...binary.opcodes import MEMORY_GROW
from ...engine.guest import GrowthGuard
from ...tuples import NamedTuple
from .additions import Additions


class GuardedCode(NamedTuple):
    """The code section's payload, none where the module has no code.

    `guards` by function index. `shifts`: of each function whose body was changed, which code offsets moved: `(offset
    in the new body, bytes added)`. `unknown`: the offset of an instruction that isn't known, after which growth can't
    be watched; None where all is.
    """

    payload: write.Pieces
    guards: dict[int, GrowthGuard]
    shifts: dict[int, list[tuple[int, int]]]
    unknown: int | None


def guarded_code(add: Additions, bounds: Bounds | None) -> GuardedCode:
    """The functions of the module, guarded, and those that were added. Guards are added, so it comes last."""
    module = add.module
    guards: dict[int, GrowthGuard] = {}
    shifts: dict[int, list[tuple[int, int]]] = {}
    if module.section(SectionId.CODE) is None and not add.bodies:
        return GuardedCode([], guards, shifts, None)
    found, unknown = growing_functions(module)
    ranges = module.bodies if found else ()
    numbers: dict[tuple[int, int], int] = {}
    pieces: write.Pieces = []
    count, entries = module.code_entries()
    base = module.section(SectionId.CODE)
    position = base.end - len(entries) if base else 0
    view = memoryview(module.data)
    for defined, growths in found.items():
        entry, start, end = ranges[defined]
        body: write.Pieces = []
        at = start
        shift = 0
        moved = shifts.setdefault(module.imported_functions + defined, [])
        for growth in growths:
            key = (growth.opcode, growth.target)
            if key not in numbers:
                numbers[key] = add.function(*guard(module, growth.opcode, growth.target, bounds=bounds))
                guards[numbers[key]] = GrowthGuard("memory" if growth.opcode == MEMORY_GROW else "table", growth.target)
            call = code.call(numbers[key])
            body += [view[at : growth.start], call]
            shift += len(call) - (growth.end - growth.start)
            at = growth.end
            moved.append((at - start + shift, shift))
        body.append(view[at:end])
        size = write.uleb(sum(map(len, body)))
        pieces += [view[position:entry], size, *body]
        position = end
    if base:
        pieces.append(view[position : base.end])
    payload = [write.uleb(count + len(add.bodies)), *pieces, *add.bodies]
    return GuardedCode(payload, guards, shifts, unknown)
