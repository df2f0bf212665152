"""Globals: their values, and what an output must set or check when it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..binary.constexpr import bits_of
from ..binary.module import Module
from ..binary.sections import ExternKind, Global
from ..binary.types import I32, V128, is_numeric, type_name
from ..errors import Discrepancy, GuestTrap
from ..host.wasi1.process import Clock
from ..options.numbers import encode
from ..passes.plan.job import Job
from ..passes.plan.owners import Owners
from ..passes.run.guest import run_again
from ..passes.run.observed import Observed, numbers, observe_globals
from ..passes.run.paused import Paused
from ..passes.snapshot import GlobalsState
from ..records import replaced
from ..symbols.places import Places
from ..tuples import NamedTuple
from .references import Reference, named, worded

#: Imported constants of which the output is given another value.
_MOST_GUARDS = 8


class GlobalsSeen(NamedTuple):
    """`numbers`: index of a global that can change, or that the module does not say, -> its bits; `references`: index
    of a reference global -> its value."""

    numbers: dict[int, bytes]
    references: dict[int, Reference]


def observe_values(module: Module, run: Paused) -> GlobalsSeen:
    seen = observe_globals(module, run.instrumented, run.instance)
    words = worded(run.instance)
    references = {i: words(value) for i, value in seen.items() if not is_numeric(module.globals[i].type)}
    return GlobalsSeen(numbers(module, Observed(seen, {})), references)


def compare_globals(
    module: Module, output: Module, places: Places, before: GlobalsSeen, after: GlobalsSeen
) -> Iterator[Discrepancy]:
    for index, (a, b) in enumerate(zip(module.globals, output.globals, strict=False)):  # what is added comes behind
        if is_numeric(a.type):
            x, y = _number(a, before.numbers.get(index)), _number(b, after.numbers.get(index))
        else:
            x, y = named(module, before.references[index]), named(module, after.references[index])
        if x != y:
            name = places.single("global", index)
            place = f"global {index}{f' ({name})' if name else ''} of type {type_name(a.type)}"
            yield Discrepancy("global", place, x, y)


def added_globals(module: Module, output: Module, added: int) -> Iterator[Discrepancy]:
    """After the input's globals, there are `added` mutable ones of type i32 that start with 0."""
    more = output.globals[len(module.globals) :]
    if len(more) != added:
        yield Discrepancy("global", "globals after those of the input", f"{added}", f"{len(more)}")
    for index, entry in enumerate(more, len(module.globals)):
        starts = bits_of(entry.initializer) if entry.initializer else None
        if entry.type != I32 or not entry.mutable or starts != bytes(4):
            yield Discrepancy("global", f"global {index}", "a mutable i32 that starts with 0", "another global")


def _number(entry: Global, bits: bytes | None) -> str:
    """The value of a global whose bits were read, or else of one that starts with a constant."""
    if bits is None and entry.initializer:
        bits = bits_of(entry.initializer)
        if bits is None:
            return f"the value of {entry.initializer.raw.hex(' ')}"
    return "nothing" if bits is None else f"{int.from_bytes(bits, 'little'):#x}"


def need_start(module: Module, state: GlobalsState, owners: Owners) -> bool:
    """Whether there is something to set, or to check, when an instance with imported globals starts."""
    for index in range(owners.first_defined):
        entry = module.globals[index]
        if not is_numeric(entry.type):
            if entry.mutable and index in state.references:
                return True
        elif not entry.mutable or state.numbers[index] != state.numbers_before[index]:
            return True
    return False


def guards(module: Module, preloads: Mapping[str, Module], values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """For imported constants: `MODULE.NAME` and another value than the one that the output was built with."""
    for entry in module.imports:
        constant = entry.kind == ExternKind.GLOBAL and entry.global_
        name = f"{entry.module}.{entry.name}"
        if not constant or constant.mutable or name not in values or entry.module in preloads:
            continue
        texts = ("0x0", "0x1") if constant.type == V128 else ("0", "1")
        given = encode(constant.type, values[name])
        yield name, next(text for text in texts if encode(constant.type, text) != given)


def takes_other_values(job: Job, first: Paused, others: Iterator[tuple[str, str]]) -> Iterator[Discrepancy]:
    """Imported constants of which the output starts with another value, although what it holds depends on them."""
    for name, value in list(others)[:_MOST_GUARDS]:
        kept = [pair for pair in job.options.import_globals if pair[0] != name]
        options = replaced(job.options, import_globals=(*kept, (name, value)))
        try:
            run = run_again(job._replace(options=options), first, Clock())
        except GuestTrap:
            continue
        run.close()
        place = f"start with {name}={value}"
        yield Discrepancy("start function", place, "another value, on which it depends", "started")
