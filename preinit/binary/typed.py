"""What is known of a function body: its blocks, labels and calls, and what lies on the stack at each call.

Of instructions, those are kept that build the structure or name a label; others are bytes. `walk.read_typed` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..tuples import NamedTuple
from .types import FuncType, ValType

BLOCK, LOOP, IF, ELSE, END, TRY_TABLE = 0x02, 0x03, 0x04, 0x05, 0x0B, 0x1F
OPENING = (BLOCK, LOOP, IF, TRY_TABLE)


class Label(NamedTuple):
    """A label among immediates, `start:end` in the file, and the number of the scope that it leads to."""

    start: int
    end: int
    scope: int


class Mark(NamedTuple):
    """An instruction `start:end` that opens, divides or closes scope number `scope`, or only names labels.

    `catches`: of a `try_table`, where its catch clauses begin.
    """

    opcode: int
    start: int
    end: int
    scope: int
    labels: tuple[Label, ...] = ()
    catches: int = -1


@dataclass(slots=True)
class Scope:
    """A block, or the function's body, which is scope 0, without a parent.

    `start`: where it begins, `inside`: the first instruction in it, `otherwise`: of an `if`, its `else`, `end`: its
    `end`, all in the file. `below`: the types of the operands below it that belong to its parent; `height`: how many
    operands are below it in all. `dead`: whether nothing ever gets there.
    """

    number: int
    opcode: int
    start: int
    inside: int
    params: tuple[ValType, ...]
    results: tuple[ValType, ...]
    parent: int | None
    height: int
    below: tuple[ValType, ...]
    dead: bool
    otherwise: int | None = None
    end: int = -1
    unreachable: bool = False
    set_before: frozenset[int] = frozenset()


class Call(NamedTuple):
    """A call in code that can be reached: `start:end` in the file.

    `operands`: the types of all that lies on the stack below what it `takes`, those below enclosing blocks included.
    What it takes: the arguments, and after them what says whom it calls. `unset`: locals without a default value that
    may not have been set.
    """

    start: int
    end: int
    scope: int
    operands: tuple[ValType, ...]
    takes: tuple[ValType, ...]
    results: tuple[ValType, ...]
    unset: frozenset[int]


class TypedBody(NamedTuple):
    """`locals`: their types, parameters first. The code is `start:end` in the file, its last `end` included; before it,
    from `entry` on, there are the locals."""

    function: int
    type: FuncType
    locals: tuple[ValType, ...]
    entry: int
    start: int
    end: int
    scopes: list[Scope]
    marks: list[Mark]
    calls: list[Call]

    def chain(self, scope: int) -> list[Scope]:
        """A scope and all around it, from the function's body on."""
        found = []
        at: int | None = scope
        while at is not None:
            found.append(self.scopes[at])
            at = self.scopes[at].parent
        return found[::-1]
