"""What the guest's function bodies refer to: read once, when they are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from ...binary.bodies import Body
from ...binary.growth import GROWTH
from ...binary.instructions import (
    MOST_FOUND,
    Instruction,
    Reference,
    Scan,
    Simple,
    SimpleInstructions,
    decoder,
    in_lists,
)
from ...binary.module import Module
from ...binary.opcodes import CALL, REF_FUNC, RETURN_CALL, TABLE_CHANGES, Kind
from ...tuples import NamedTuple
from ..own.finder import Finder
from ..values import Unsuited
from .exceptions import EXCEPTIONS, KINDS_OF_EXCEPTION, Edit, edits, exception_types, has_exceptions

_KINDS = frozenset((Kind.FUNCTION, Kind.TYPE, Kind.DATA, Kind.ELEMENT))

#: Globals up to which a chunk imports all: instructions with a global are many, and need not be looked at then.
FEW_GLOBALS = 16
_OPCODES = GROWTH | TABLE_CHANGES

_OF_FUNCTIONS = (CALL, RETURN_CALL, REF_FUNC)


class Named(NamedTuple):
    """What a function body names: instructions with the index of a `function` and nothing else, the same with one of a
    type or global (`indices`), `others`, and `types` among its locals. `callees`: the functions that it calls, each
    once; `references`: those to which it makes references.
    """

    functions: SimpleInstructions
    indices: Sequence[Simple]
    others: Sequence[Instruction]
    types: Sequence[Reference]
    callees: Sequence[int]
    references: Sequence[int]


class Bodies:
    """The guest's function bodies, decoded once, when they are looked at."""

    def __init__(self, module: Module, erases: bool = False) -> None:
        """`erases`: whether code is compiled without exceptions, see `exceptions`; then chunks have no tags."""
        self._module = module
        self.erases = erases
        #: Whether a chunk imports the globals that it uses, not all.
        self.picks_globals = len(module.globals) > FEW_GLOBALS
        self._exception_types = exception_types(module) if erases else frozenset()
        self._named: dict[int, Named] = {}
        self.erased: dict[int, list[Edit]] = {}  # function -> see `exceptions.edits`
        self._ranges = module.bodies
        self._first = module.imported_functions
        self._declared = frozenset(module.references)
        self.functions = range(module.imported_functions, len(module.function_types))

    @cached_property  # where all is in the cache, no body is looked at
    def _finder(self) -> Finder:
        kinds = _KINDS | {Kind.GLOBAL} if self.picks_globals else _KINDS
        return Finder(
            decoder(kinds, _OPCODES | EXCEPTIONS, KINDS_OF_EXCEPTION) if self.erases else decoder(kinds, _OPCODES)
        )

    def close(self) -> None:
        """Frees what finds things in them: hardly any is looked at from now on."""
        if "_finder" in self.__dict__:
            self._finder.close()

    def size(self, function: int) -> int:
        return self._ranges.size(function - self._first)

    def range(self, function: int) -> Body:
        return self._ranges[function - self._first]

    def __getitem__(self, function: int) -> Named:
        """What a function's body refers to. Raises `Unsuited` where that isn't known, or nothing for a chunk."""
        named = self._named.get(function)
        if named is None:
            body = self.range(function)
            scan = self._finder.scan(self._module.data, body.start, body.end)
            named = self._checked(scan)
            if self.erases and has_exceptions(self._module, body, scan, self._exception_types):
                self.erased[function] = list(edits(self._module, body, scan))
            self._named[function] = named
        return named

    def _checked(self, scan: Scan) -> Named:
        simple, others, types, unknown = scan
        if simple.number + len(others) >= MOST_FOUND:
            raise Unsuited("large-function", f"a function names more than {MOST_FOUND} others")
        if unknown is not None:
            raise Unsuited("unknown-instruction", f"an instruction is not known (byte offset {unknown:#x})")
        for instruction in others:
            if any(r.kind in (Kind.DATA, Kind.ELEMENT) for r in instruction.references):
                raise Unsuited("code-names-segment", f"code names a segment (byte offset {instruction.start:#x})")
        if simple.opcodes.count(CALL) == simple.number:
            return Named(simple, (), others, types, tuple(dict.fromkeys(simple.targets)), ())
        functions = [each for each in simple.each() if each.opcode in _OF_FUNCTIONS]
        referring = [each for each in functions if each.opcode == REF_FUNC]
        for each in referring:
            if each.target not in self._declared:
                # A chunk exports its functions, and that declares them.
                raise Unsuited(
                    "undeclared-function",
                    f"code names a function that nothing declares (byte offset {each.start - 1:#x})",
                )
        callees = _targets(each for each in functions if each.opcode != REF_FUNC)
        indices = [each for each in simple.each() if each.opcode not in _OF_FUNCTIONS]
        return Named(in_lists(functions), indices, others, types, callees, _targets(referring))

    def is_known(self, function: int) -> bool:
        """Whether a chunk can hold that function."""
        try:
            self[function]
        except Unsuited:
            return False
        return True

    def forget(self, functions: Sequence[int]) -> None:
        """Drops what is kept about functions that are loaded."""
        for function in functions:
            self._named.pop(function, None)
            self.erased.pop(function, None)


def _targets(found: Iterable[Simple]) -> Sequence[int]:
    return tuple(dict.fromkeys(target for _, _, _, target in found))
