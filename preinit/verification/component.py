"""Is a component what another one is after its initializer? Both are run, and what core instances hold is compared.

What is compared of a core instance is its own: memories, mutable globals and tables that its module defines. Functions
in tables are told apart by the core instance that defines them, and by their index there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.stores import stores_at_start
from ..binary.types import NUMERIC_SIZES, is_numeric
from ..engine.component.cores import Extern
from ..engine.component.linked import LinkedInstance
from ..engine.runtime import Deadline
from ..errors import Discrepancy, InitializerFailed, InputError, Mismatch, UsageError
from ..options import Options
from ..options.record import Recorded
from ..passes.component import read_component_source
from ..passes.component.choice import Way
from ..passes.component.plan import ComponentPlan, export_types, make_component_plan
from ..passes.component.run import Compiled, PausedComponent, run_component
from ..passes.component.seen import is_adapter
from ..passes.component.shell import check_shell, hollows
from ..passes.component.source import ComponentSource, check_parts
from ..passes.observer import Observer
from ..records import replaced
from ..tuples import NamedTuple
from ..version import VERSION
from .component_calls import calls_of_all
from .instances import of_output
from .result import VERIFICATION_VERSION, CallFacts, Compared, Verification

#: Differences that are looked for.
_MOST = 10

#: What a command exports, in any version.
_RUN = "wasi:cli/run.run"


class _Side:
    """One of both components: read and compiled once, run any number of times."""

    def __init__(self, data: bytes, options: Options, deadline: Deadline, observer: Observer) -> None:
        self.source: ComponentSource = read_component_source(data, options, deadline)
        self.options = options
        self._observer = observer
        self._compiled: dict[Way, Compiled] = {}
        check_shell(self.source.component, hollows(self.source, deadline), deadline)

    def plan(self, *more: str) -> ComponentPlan:
        """What is run: the initializers, and then calls."""
        first = make_component_plan(self.source, self.options)
        if not more:
            return first
        last = make_component_plan(self.source, replaced(self.options, init_funcs=more))
        return first._replace(calls=(*first.calls, *last.calls))

    def run(self, plan: ComponentPlan, deadline: Deadline, printed: list[bytes] | None = None) -> PausedComponent:
        """`printed`: takes what it prints."""
        check_parts(self.source, plan.instances, self.options)
        options = self.options
        if printed is not None:
            host = replaced(options.host, quiet_guest=False, stdout=printed.append, stderr=printed.append)
            options = replaced(options, host=host)

        def once(way: Way, compile_it: Callable[[], Compiled]) -> Compiled:
            if way not in self._compiled:
                self._compiled[way] = compile_it()
            return self._compiled[way]

        return run_component(self.source, plan, options, deadline, self._observer, once)


class _Answer(NamedTuple):
    """What a call came to, and what was printed. `detail`: shown; `digest`: of all that was returned."""

    outcome: str
    detail: str
    printed: bytes
    digest: str


def verify_component(
    wasm: bytes,
    output: bytes,
    options: Options,
    calls: tuple[str, ...],
    every: bool,
    seed: int,
    run: bool,
    timeout: float,
    recorded: Recorded | None,
    deadline: Deadline,
    observer: Observer,
) -> Verification:
    """Raises `Mismatch`, and whatever building `wasm` raises. `calls`: in WAVE.

    `every`: functions of the output are called with values made up for their types, the same for the same `seed`.
    """
    before = _Side(wasm, options, deadline, observer)
    if recorded and recorded.input_sha256 != before.source.sha256:
        raise InputError(
            f"the report is of a build of another input: one with SHA-256 {recorded.input_sha256}",
            hint="Give the report of the build of this input.",
        )
    with of_output():
        after = _Side(output, replaced(options, init_funcs=()), deadline, observer)
    all_of_them = calls_of_all(after.source, seed) if every else ()
    wanted = (*calls, *all_of_them, *([_RUN] if run else []))
    plan, other_plan = before.plan(), after.plan()
    with of_output():
        for text in wanted:
            after.plan(text)  # raises where there is no such call
    removed: set[tuple[str, ...]] = set()
    if not options.keep_init_func:
        removed = {call.path for call in plan.calls if len(call.path) == 1}
    exports = _check_exports(before.source, after.source, removed)
    printed: list[bytes] = []  # by the initializer, which calls of the input come after
    with before.run(plan, deadline, printed) as first, after.run(other_plan, deadline) as second:
        with observer.stage("compare"):
            compared = deadline.start(lambda: _compare(first, second, exports)).result()
        runs = tuple(facts.function for facts in first.runs) or ("its start functions",)
    facts = []
    for text in wanted:
        with observer.stage("call", text):
            facts.append(_call(before, after, text, len(b"".join(printed)), timeout))
    return Verification(
        VERIFICATION_VERSION,
        VERSION,
        before.source.sha256,
        after.source.sha256,
        runs,
        compared,
        tuple(facts),
        0.0,
    )


def _check_exports(before: ComponentSource, after: ComponentSource, removed: set[tuple[str, ...]]) -> int:
    """How many functions both export, of the same types. Raises `Mismatch`."""
    expected = {path: text for path, text in export_types(before).items() if path not in removed}
    found = export_types(after)
    for path in dict.fromkeys((*expected, *found)):
        if expected.get(path) != found.get(path):
            name = f"export {'#'.join(path)!r}"
            raise Mismatch((Discrepancy("export", name, expected.get(path, "none"), found.get(path, "none")),))
    return len(found)


# -- state


def _own(instance: LinkedInstance) -> bool:
    """Whether an instance is the component's: what fills shared tables was added."""
    module = instance.module
    return bool(module.bodies or not module.imports or any(entry.module != "preinit" for entry in module.imports))


def _compare(first: PausedComponent, second: PausedComponent, exports: int) -> Compared:
    ours = [instance for instance in first.cores.instances if _own(instance)]
    theirs = [instance for instance in second.cores.instances if _own(instance)]
    if len(ours) != len(theirs):
        raise Mismatch((Discrepancy("import", "core instances", str(len(ours)), str(len(theirs))),))
    numbers = {id(instance): number for side in (ours, theirs) for number, instance in enumerate(side)}
    found: list[Discrepancy] = []
    sizes: list[int] = []
    entries: list[int] = []
    globals_ = functions = size = 0
    known = (_functions(first, numbers), _functions(second, numbers))
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        where = f"core instance {number}"
        functions += len(one.module.bodies)
        size += sum(body.end - body.start for body in one.module.bodies)
        if not _same_code(one.module, other.module):
            found.append(Discrepancy("code", where, "its code", "other code"))
        if is_adapter(one.module):
            continue
        found += _memories(first, second, one, other, where, sizes)
        for index, kind in _mutable(one.module):
            globals_ += 1
            value, now = _value(first, one, index, kind), _value(second, other, index, kind)
            if value != now:
                found.append(Discrepancy("global", f"global {index} of {where}", value, now))
        for index in range(one.module.imported_tables, len(one.module.tables)):
            before, after = _table(first, one, index, known[0]), _table(second, other, index, known[1])
            entries.append(len(before))
            if before != after:
                slot = next(
                    (n for n, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), len(before)
                )
                name = f"table {index} of {where}, element {slot}"
                found.append(Discrepancy("table", name, _at(before, slot), _at(after, slot)))
        if len(found) >= _MOST:
            break
    if found:
        raise Mismatch(tuple(found[:_MOST]))
    return Compared(tuple(sizes), tuple(entries), globals_, 0, exports, 0, functions, size, 0)


def _same_code(module: Module, output: Module) -> bool:
    """Whether the functions are the same ones, but for a start function behind them that stores constants and does
    nothing else: what memories hold then is compared anyway."""
    before, after = _code(module), _code(output)
    if len(after) == len(before) + 1 and output.start == len(output.function_types) - 1:
        stored, nothing_else = stores_at_start(output)
        return bool(stored) and nothing_else and before == after[:-1]
    return before == after


def _code(module: Module) -> list[bytes]:
    return [module.data[body.start : body.end] for body in module.bodies]


def _memories(
    first: PausedComponent,
    second: PausedComponent,
    one: LinkedInstance,
    other: LinkedInstance,
    where: str,
    sizes: list[int],
) -> Iterator[Discrepancy]:
    for index in range(one.module.imported_memories, len(one.module.memories)):
        before = one.guest.memory(first.instrumented[one.base].memories[index])
        after = other.guest.memory(second.instrumented[other.base].memories[index])
        sizes.append(len(before))
        if len(after) > len(before) and _has_adapter(second, other, index):
            after = after[: len(before)]  # it has set memory aside for itself, in this instance once more
        if len(before) != len(after):
            name = f"size of memory {index} of {where}"
            yield Discrepancy("memory", name, f"{len(before):,} bytes", f"{len(after):,} bytes")
        elif before != after:
            place = _first_difference(before, after)
            name = f"byte {place:#x} of memory {index} of {where}"
            yield Discrepancy("memory", name, f"{before[place]:#x}", f"{after[place]:#x}")


def _has_adapter(paused: PausedComponent, owner: LinkedInstance, memory: int) -> bool:
    """Whether an adapter, whose start function runs in each instance, uses a memory."""
    extern = owner.extern(ExternKind.MEMORY, memory)
    return any(
        extern in instance.given and instance.module.start is not None and is_adapter(instance.module)
        for instance in paused.cores.instances
    )


def _first_difference(one: memoryview, other: memoryview) -> int:
    low, high = 0, len(one)
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _mutable(module: Module) -> Iterator[tuple[int, bytes]]:
    for index, entry in enumerate(module.globals):
        if index >= module.imported_globals and entry.mutable and is_numeric(entry.type):
            yield index, entry.type


def _value(paused: PausedComponent, instance: LinkedInstance, index: int, kind: bytes) -> str:
    name = paused.instrumented[instance.base].globals[index]
    return f"{instance.guest.global_value(name, NUMERIC_SIZES[kind]).bits.hex()} (little-endian)"


def _functions(paused: PausedComponent, numbers: Mapping[int, int]) -> dict[bytes, str]:
    """What to call each function in a table: the same for both."""
    found: dict[bytes, str] = {}
    for instance in paused.cores.instances:
        for pointer, index in instance.guest.functions_by_pointer().items():
            extern: Extern = instance.extern(ExternKind.FUNC, index)
            owner = "the host" if extern.owner is None else f"core instance {numbers.get(id(extern.owner), -1)}"
            found.setdefault(pointer, f"function {extern.index} of {owner}")
    return found


def _table(paused: PausedComponent, instance: LinkedInstance, index: int, names: Mapping[bytes, str]) -> list[str]:
    values = paused.watched.entries(instance.extern(ExternKind.TABLE, index))
    return [names.get(value.bits, "?") if value.kind == "func" else value.kind for value in values]


def _at(entries: list[str], slot: int) -> str:
    return entries[slot] if slot < len(entries) else "no such element"


# -- calls


def _call(before: _Side, after: _Side, text: str, skipped: int, timeout: float) -> CallFacts:
    """Calls a function in fresh instances of both. Raises `Mismatch`. `skipped`: bytes that the initializer prints."""
    expected, found = _answer(before, text, skipped, timeout), _answer(after, text, 0, timeout)
    if "time-limit" in (expected.outcome, found.outcome):
        return CallFacts(text, "time-limit", f"not done after {timeout:g} s")
    if expected != found:
        what = next(n for n, pair in enumerate(zip(expected, found, strict=True)) if pair[0] != pair[1])
        said = [str(side[what]) if what else f"{side.outcome}: {side.detail}" for side in (expected, found)]
        part = {2: ", what it prints", 3: ", SHA-256 of what it returns"}.get(what, "")
        raise Mismatch((Discrepancy("call", f"call of {text}{part}", *said),))
    return CallFacts(text, expected.outcome, expected.detail)


def _answer(side: _Side, text: str, skipped: int, timeout: float) -> _Answer:
    printed: list[bytes] = []
    deadline = Deadline(timeout, what="the call")
    plan = side.plan(text)
    try:
        with side.run(plan, deadline, printed) as paused:
            outcome, detail, digest = "returned", paused.runs[-1].value, paused.returned[-1]
    except InitializerFailed as problem:
        outcome, detail, digest = problem.code, problem.what, ""
    return _Answer(outcome, detail, b"".join(printed)[skipped:], digest)


def check_world(has_host: bool) -> None:
    """Refuses another world for calls, which components don't have. Raises `UsageError`."""
    if has_host:
        raise UsageError(
            "calls of a component see the same world as its initializer",
            hint="Leave out `--run-arg` and `--run-stdin`; `--arg` and `--stdin` are for both.",
        )
