"""What comes after the guest: taking the snapshot, writing the output, validating it, and what is to be said.

It is imported while the guest runs, which takes no less time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ...binary import encoder as write
from ...binary.component import Component, read_component
from ...binary.component.recipe import CoreModule
from ...binary.digest import sha256
from ...binary.module import Module, parse
from ...binary.rope import Rope
from ...binary.sections import ExternKind
from ...engine.component.cores import Dry, Extern
from ...engine.component.linked import LinkedInstance
from ...engine.component.machine import Machine
from ...engine.component.scope import Scope
from ...engine.runtime import Deadline
from ...errors import OutputInvalid, PreinitError
from ...files.cache import Name
from ...host.wasi2 import Names
from ...options import Options
from ...records import replaced
from ...result import Result
from ..instrument.additions import free_prefix
from ..observer import Observer
from ..plan.job import Job
from ..rewrite import Rewritten, make_plan, memory_runs, write_module
from ..rewrite.module import variants
from ..snapshot import Snapshot
from ..validate import first_valid
from .assembled import Assembled
from .beside import Beside
from .capture import Captured, capture_component
from .findings import Output, check_component_accepted, find_component
from .fixup import Fixup
from .plan import ComponentPlan
from .rewrite import Written, is_plainly, with_exports, write_component
from .run import Once, PausedComponent
from .shell import check_shell, hollow
from .source import ComponentSource, placed
from .validity import Validities


def finish(
    source: ComponentSource,
    plan: ComponentPlan,
    options: Options,
    deadline: Deadline,
    observer: Observer,
    once: Once,
    paused: PausedComponent,
    beside: Beside,
) -> Result:
    """The passes after the guest has ended. Raises a `PreinitError`."""
    with observer.stage("capture"):
        captured = deadline.start(partial(capture_component, source, paused)).result()
    differences = None
    if options.audit:
        from .audit import audit_component

        with observer.stage("audit"):
            differences = audit_component(source, plan, options, deadline, once, paused, captured)
    with observer.stage("check"):
        for check in beside.checks:
            check.result()
    validities = beside.validities
    unwritten = [start for start in _unwritten(source, paused, captured) if start not in beside.checked]
    checking = deadline.start(partial(validities.check_inputs, unwritten, deadline))  # beside what is in Python
    names = _names(captured)
    rewritten = {
        instance: _rewrite(source, instance, state, names, options, deadline, validities, observer)
        for instance, state in captured.states.items()
    }
    removed = frozenset() if options.keep_init_func else _removed(plan)
    with observer.stage("rewrite"):
        output = _write(source, paused, captured, rewritten, names, removed)
    observer.wrote(output.written)
    digests = [*beside.digests]
    if options.digest_modules:
        digests.append(deadline.start(lambda: sha256(*output.written.pieces).hex()))
    with observer.stage("validate"):
        checking.result()
        made = _check_output(output, source, beside.hollow, deadline, beside.cache)
    before, after = (digest.result() for digest in digests) if digests else ("", "")
    facts = Output(output.written, made, (before, after), removed)
    report = find_component(source, paused, captured, rewritten, facts, options, observer.seconds)
    if differences is not None:
        report = replaced(report, audit=differences)
    check_component_accepted(report, options)
    return Result(output.written, report)


def _unwritten(source: ComponentSource, paused: PausedComponent, captured: Captured) -> list[int]:
    """Where the modules begin that stay as they are."""
    kept = {instance.base for instance in paused.cores.instances if instance not in captured.states}
    seen = {instance.base for instance in captured.states}
    return [start for start in source.parts if start in kept or start not in seen]


def _removed(plan: ComponentPlan) -> frozenset[str]:
    """The exports that were run; functions of an exported instance stay, since its type has them."""
    return frozenset(call.path[0] for call in plan.calls if len(call.path) == 1)


def _names(captured: Captured) -> dict[Extern, str]:
    """Under which name each function and table that a fixup needs is exported; some get one."""
    found: dict[Extern, str] = {}
    wanted = [*captured.fixes, *(fix for entries in captured.fixes.values() for fix in entries.values() if fix)]
    for extern in dict.fromkeys(wanted):
        if extern.owner is None:
            continue
        exports = extern.owner.module.exports
        known = (e.name for e in exports if e.kind == extern.kind and _target(extern, e.target))
        label = "table" if extern.kind == ExternKind.TABLE else "func"
        found[extern] = next(known, f"{free_prefix(extern.owner.module)}{label}{extern.index}")
    return found


def _target(extern: Extern, target: int) -> bool:
    return extern.index == target


def _added(instance: LinkedInstance, names: Mapping[Extern, str]) -> tuple[tuple[str, int, int], ...]:
    """The exports that a module gets for a fixup."""
    known = instance.module.exported_names
    return tuple(
        (name, int(extern.kind), extern.index)
        for extern, name in names.items()
        if extern.owner is instance and name not in known
    )


def _rewrite(
    source: ComponentSource,
    instance: LinkedInstance,
    state: Snapshot,
    names: Mapping[Extern, str],
    options: Options,
    deadline: Deadline,
    validities: Validities,
    observer: Observer,
) -> Rewritten:
    """The core module that holds what one instance held."""
    module = instance.module
    exports = (*((e.name, e.kind, e.target) for e in module.exports), *_added(instance, names))
    job = Job(module, (), options, {}, {}, deadline, exports)
    plan = make_plan(job.owners, options.layout, exports)
    try:
        with observer.stage("rewrite"):
            runs = deadline.start(partial(memory_runs, module, state, plan.memories)).result()
        outputs = (
            deadline.start(partial(write_module, module, state, variant, runs)).result()
            for variant in variants(module, state, plan)
        )
        return first_valid(outputs, job, validities[instance.base], observer)
    except PreinitError as problem:
        part = source.parts[instance.base]
        raise placed(problem, part.number, part.start) from None


def _write(
    source: ComponentSource,
    paused: PausedComponent,
    captured: Captured,
    rewritten: Mapping[LinkedInstance, Rewritten],
    names: Mapping[Extern, str],
    removed: frozenset[str],
) -> Assembled:
    modules: dict[LinkedInstance, Rope] = {}
    for instance in paused.cores.instances:
        one = rewritten[instance].written if instance in rewritten else Rope([_unchanged(instance, names)])
        others = (modules[other] for other in modules if other.base == instance.base)
        modules[instance] = next((other for other in others if _same(one, other)), one)
    fixups: dict[Scope, Fixup] = {}
    for scope in paused.machine.scopes:
        tables = {table: fixes for table, fixes in captured.fixes.items() if table.owner in scope.cores}
        if tables:
            fixups[scope] = Fixup(tables, names)
    originals = {start: part.module.data for start, part in source.parts.items()}
    return write_component(paused.scope, paused.machine.scopes, Written(modules, fixups, originals), removed)


def _unchanged(instance: LinkedInstance, names: Mapping[Extern, str]) -> bytes:
    """A module as it was, but for exports that a fixup needs."""
    module: Module = instance.module
    added = [write.export(*entry) for entry in _added(instance, names)]
    return with_exports(module, added) if added else module.data


def _same(one: Rope, other: Rope) -> bool:
    if len(one) != len(other):
        return False
    return all(a is b for a, b in zip(one.pieces, other.pieces, strict=False)) or one.joined() == other.joined()


def _hollow_output(output: Assembled, source: ComponentSource, known: Mapping[int, bytes], place: CoreModule) -> bytes:
    """A core module of the output without what the engine has validated. `known`: those of the input."""
    found = output.modules.get(place.start)
    wasm = output.text[place.start : place.end] if found is None else found  # it may be in a component within
    for start, part in source.parts.items():
        if len(part.module.data) != len(wasm):
            continue
        if (
            is_plainly(wasm, part.module.data)
            or (wasm if isinstance(wasm, bytes) else wasm.joined()) == part.module.data
        ):
            return known[start]
    return hollow(wasm)


def _check_output(
    output: Assembled, source: ComponentSource, known: Mapping[int, bytes], deadline: Deadline, cache: Name | None
) -> Component:
    """Reads the output, validates it and goes through it. Its core modules were validated. Raises `OutputInvalid`.

    `known`: the core modules of the input, `hollow`, by where they begin.
    """
    try:
        component = read_component(output.text, source.component)
        modules = {one.start: _hollow_output(output, source, known, one) for one in component.core_modules()}
        if not check_shell(component, modules, deadline, cache):  # else nothing is new to the machine either
            parsed = {start: parse(wasm, libraries=True) for start, wasm in modules.items()}
            deadline.start(lambda: Machine(Dry(parsed), Names()).run(component)).result()
    except PreinitError as problem:
        if problem.code == "time-limit":
            raise
        raise OutputInvalid(f"the output does not validate: {problem.what}") from problem
    return component
