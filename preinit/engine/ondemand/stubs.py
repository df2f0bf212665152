"""Stubs: what stands for a function before, and after, its code is loaded.

A stub has its function's type and a slot. If table `link` has nothing in that slot, it calls `fault(slot)`, in which
the host loads the function and puts it there; then it calls on. Tables, and code that was loaded earlier, hold stubs.

Compiling a function that can be called from outside takes 0.1 ms, instantiating a module 0.01 ms: so one module with a
few stubs for each type, compiled once, is instantiated as often as there are functions to stand for. Each instance
takes the next slots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ...binary import assembler as code
from ...binary import encoder as write
from ...binary import externs
from ...binary.module import Module, SectionId
from ...binary.sections import Global, Table
from ...binary.types import FUNCREF, I32, FuncType, Limits
from ...tuples import NamedTuple
from ..guest import GENERATED
from ..runtime import TABLE_ELEMENTS

#: No more instances of a module of stubs than this would be needed if each of the guest's functions had a stub.
_MOST_INSTANCES = 512
#: About this many functions that a module of stubs would then stand for in one instance.
_FUNCTIONS_PER_INSTANCE = 128


class StubModule(NamedTuple):
    """It has `size` stubs, in the order of `types`: (type index in the guest, how many of it)."""

    types: tuple[tuple[int, int], ...]
    size: int


class Stubs:
    """Which slot stands for which function. Functions by their index, types by the first index that equals them."""

    def __init__(self, module: Module, tail_calls: bool) -> None:
        self._tail_calls = tail_calls
        self._module = module
        first: dict[FuncType | None, int] = {}
        self._canonical = [first.setdefault(t, index) for index, t in enumerate(module.types.functions)]
        used = Counter(module.function_types[module.imported_functions :])
        self._counts: Counter[int] = Counter()
        for index, count in used.items():
            self._counts[self._canonical[index]] += count
        total = used.total()
        self._instances = max(1, min(_MOST_INSTANCES, total // _FUNCTIONS_PER_INSTANCE))
        while self._instances > 1 and self.capacity > TABLE_ELEMENTS:
            self._instances //= (
                2  # many types with few functions each: an instance has one stub for each type, at least
            )
        self._modules: dict[int, tuple[int, int, int]] = {}  # type -> module of stubs, where in it, how many there
        self._taken: Counter[int] = Counter()  # type -> slots that are taken
        self._bases: list[list[int]] = []  # of each module of stubs, the first slot of each instance
        self.modules: list[StubModule] = []
        self.slot_of: dict[int, int] = {}
        self.functions: list[int] = []  # slot -> function, -1 for none yet

    @property
    def capacity(self) -> int:
        """Slots that can be needed at most."""
        return self._instances * sum(self._copies(index) for index in self._counts)

    def _copies(self, type_index: int) -> int:
        return -(-self._counts[type_index] // self._instances)

    def add_module(self, types: Iterable[int] | None = None) -> StubModule:
        """The next module of stubs: for those types, or for all that have none.

        Whoever can't instantiate it does without the rest, too: functions may have slots in it by then.
        """
        chosen = sorted(self._counts.keys() - self._modules.keys()) if types is None else sorted(types)
        copies = tuple((index, self._copies(index)) for index in chosen)
        made = StubModule(copies, sum(n for _, n in copies))
        place = 0
        for index, count in copies:
            self._modules[index] = len(self.modules), place, count
            place += count
        self.modules.append(made)
        self._bases.append([])
        return made

    def fits(self, types: Sequence[tuple[int, int]], needed: Collection[int]) -> bool:
        """Whether the module of stubs that has those, see `StubModule`, can be the next one, and has all `needed`."""
        counts = dict(types)
        return (
            counts.keys() >= set(needed)
            and counts.keys().isdisjoint(self._modules)
            and list(types) == [(index, self._copies(index)) for index in sorted(counts.keys() & self._counts.keys())]
        )

    def wasm(self, made: StubModule) -> bytes:
        """A module of stubs as it is compiled, which takes longer than all else where its code is known."""
        signatures = ((self._module.types.functions[index], count) for index, count in made.types)
        return _stub_module([(s, n) for s, n in signatures if s is not None], self._tail_calls)

    def by_type(self, functions: Iterable[int]) -> dict[int, list[int]]:
        """Functions that have no slot, by their types."""
        found: dict[int, list[int]] = {}
        types, canonical = self._module.function_types, self._canonical
        for function in functions:
            found.setdefault(canonical[types[function]], []).append(function)
        return found

    def unknown(self, types: Iterable[int]) -> set[int]:
        """Those of the types that no module of stubs has."""
        return {index for index in types if index not in self._modules}

    def take(self, by_type: Mapping[int, Sequence[int]]) -> dict[int, int]:
        """Gives a slot to functions that have none, each of a type that is not `unknown`.

        How many more instances of which of `modules` there have to be then; their slots are taken, in this order.
        """
        instances: Counter[int] = Counter()
        for index, functions in by_type.items():
            number, _, count = self._modules[index]
            needed = -(-(self._taken[index] + len(functions)) // count)
            instances[number] = max(instances[number], needed - len(self._bases[number]))
        for number, needed in instances.items():
            for _ in range(needed):
                self._bases[number].append(len(self.functions))
                self.functions.extend([-1] * self.modules[number].size)
        for index, functions in by_type.items():
            self._place(index, functions)
        return instances

    def _place(self, type_index: int, functions: Sequence[int]) -> None:
        """Gives the next slots of a type to functions."""
        number, place, count = self._modules[type_index]
        bases, step = self._bases[number], self.modules[number].size
        first = self._taken[type_index]
        self._taken[type_index] = end = first + len(functions)
        if bases[(end - 1) // count] - bases[first // count] != step * ((end - 1) // count - first // count):
            # Other instances were made between these.
            for n, function in enumerate(functions, first):
                slot = bases[n // count] + place + n % count
                self.slot_of[function] = slot
                self.functions[slot] = function
            return
        for n in range(first, min(first + count, end)):  # all that are in the same place of their instances
            some, start = functions[n - first :: count], bases[n // count] + place + n % count
            slots = range(start, start + step * len(some), step)
            self.slot_of.update(zip(some, slots, strict=True))
            self.functions[start : slots.stop : step] = some


#: Indices in a module of stubs: the imported function, tables and global, and the global of its own.
_FAULT, _LINK, _STUBS, _NEXT, _BASE = 0, 0, 1, 0, 1


def _stub_module(types: Sequence[tuple[FuncType, int]], tail_calls: bool) -> bytes:
    """Stubs for `types`, with the number of each.

    It imports `fault: (i32) -> ()`, the tables `link` and `stubs`, and the global `next`, the first slot that is free.
    When it is instantiated, it takes its slots, and puts its stubs there into the table `stubs`.
    """
    fault_type, start_type = len(types), len(types) + 1
    encoded = [write.function_type(signature) for signature, _ in types]
    encoded += [write.function_type(FuncType((I32,), ())), write.function_type(FuncType((), ()))]
    table = externs.table(Table(FUNCREF, Limits(0, None), None))
    imports = [externs.function(fault_type), table, table, externs.global_(Global(I32, True, None))]
    add = code.I32_OPS.add
    functions: list[bytes] = []
    bodies: list[bytes] = []
    for position, (signature, copies) in enumerate(types):
        index = write.uleb(position)
        slot = len(signature.params)
        call = (code.return_call_indirect if tail_calls else code.call_indirect)(position, _LINK)
        fault = code.if_(code.local_get(slot) + code.call(_FAULT))
        for _ in range(copies):
            own = code.global_get(_BASE) + code.i32_const(len(bodies)) + add + code.local_tee(slot)
            body = own + code.table_get(_LINK) + code.REF_IS_NULL + fault
            body += code.parameters(signature) + code.local_get(slot) + call + code.END
            bodies.append(write.code_entry(code.locals_(I32) + body))
            functions.append(index)
    count = len(bodies)
    all_of_them = write.vector([write.uleb(1 + i) for i in range(count)])
    get_next = code.global_get(_NEXT)
    take = get_next + code.global_set(_BASE) + get_next + code.i32_const(count) + add + code.global_set(_NEXT)
    publish = code.global_get(_BASE) + code.i32_const(0) + code.i32_const(count) + code.table_init(0, _STUBS)
    bodies.append(write.code_entry(code.NO_LOCALS + take + publish + code.END))
    functions.append(write.uleb(start_type))
    return write.assemble(
        [
            write.section(SectionId.TYPE, write.vector(encoded)),
            write.section(SectionId.IMPORT, write.vector([b"\0\0" + described for described in imports])),
            write.section(SectionId.FUNCTION, write.vector(functions)),
            write.section(SectionId.GLOBAL, write.vector([I32 + b"\x01" + code.i32_const(0) + code.END])),
            write.section(SectionId.START, write.uleb(1 + count)),
            write.section(SectionId.ELEMENT, write.vector([b"\x01\0" + all_of_them])),
            write.section(SectionId.CODE, write.vector(bodies)),
            write.module_name(GENERATED),
        ]
    )
