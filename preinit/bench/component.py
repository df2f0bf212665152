"""Components in the engine's own runtime for components, as hosts run them: with its WASI 0.2, not with ours."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..binary.types import Limits
from ..engine.component.aggregates import Flags, List, Record, Variant
from ..engine.component.cores import Dry
from ..engine.component.handles import ResourceType
from ..engine.component.machine import Machine
from ..engine.component.values import ValueType
from ..engine.copies.pool import CopyNeeds
from ..engine.ffi.components import (
    RECORD,
    VARIANT,
    CompiledComponent,
    ComponentEngine,
    ComponentExited,
    ComponentTrapped,
    Outside,
    World,
    record,
    variant,
)
from ..engine.ffi.copies import Pool
from ..engine.runtime import Deadline, has_winch
from ..engine.values import EngineError
from ..errors import GuestExit, GuestTrap, Unsupported, quoted
from ..host.wasi2 import Names
from ..options import Host, Options
from ..passes.component import read_component_source
from ..passes.component.plan import ComponentCall, make_component_plan, parameter_types
from ..passes.component.shell import check_shell, hollows
from ..passes.component.source import ComponentSource, check_parts
from ..records import replaced
from ..tuples import NamedTuple


class ComponentSubject(NamedTuple):
    """A component that is to be started many times. `calls`: what is called in each instance, with values; `outside`:
    what it imports besides WASI; `needs`, `memories`: what an instance has, and which memories of its own."""

    name: str
    data: bytes
    calls: tuple[tuple[ComponentCall, tuple[Any, ...]], ...]
    outside: tuple[Outside, ...]
    needs: CopyNeeds
    memories: tuple[Limits, ...]

    @property
    def functions(self) -> tuple[str, ...]:
        return tuple(call.name for call, _ in self.calls)


def component_subject(
    name: str, data: bytes, options: Options, afterwards: Sequence[str], deadline: Deadline
) -> ComponentSubject:
    """Reads a component and what is called in it: `options` has initializers, `afterwards` what comes after them.

    Raises what reading a component and choosing an initializer raise.
    """
    source: ComponentSource = read_component_source(data, options, deadline)
    check_shell(source.component, hollows(source, deadline), deadline)
    plan = make_component_plan(source, options)
    check_parts(source, plan.instances, options)
    calls = list(plan.calls)
    if afterwards:
        calls += make_component_plan(source, replaced(options, init_funcs=tuple(afterwards))).calls
    types = parameter_types(source)
    given = ((call, tuple(map(_value, types[call.path], call.values))) for call in calls)
    modules = [source.parts[start].module for start in plan.instances]
    memories = [memory for module in modules for memory in module.memories[module.imported_memories :]]
    tables = [table.limits.minimum for module in modules for table in module.tables[module.imported_tables :]]
    needs = CopyNeeds(len(modules), len(memories), len(tables), max(tables, default=0))
    return ComponentSubject(name, data, tuple(given), _outside(source), needs, tuple(memories))


class _Imports(Names):
    """Notes what a component imports."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[Outside, None] = {}

    def function(self, interface: str, name: str) -> Callable[..., Any]:
        self.found[Outside(interface, name, False)] = None
        return super().function(interface, name)

    def resource(self, interface: str, name: str) -> ResourceType:
        self.found[Outside(interface, name, True)] = None
        return super().resource(interface, name)


#: What the engine has by itself; of one that it has not, it says so.
_PROVIDED = re.compile(r"wasi:(cli|clocks|filesystem|io|random|sockets)/[^@]*@0\.2\.[0-9]+.*")


def _outside(source: ComponentSource) -> tuple[Outside, ...]:
    imports = _Imports()
    Machine(Dry({start: part.module for start, part in source.parts.items()}), imports).run(source.component)
    return tuple(entry for entry in imports.found if not _PROVIDED.fullmatch(entry.interface))


class ComponentCopies:
    """A compiled component. See `run.Runner`."""

    def __init__(self, engine: ComponentEngine, subject: ComponentSubject, host: Host, deadline: Deadline) -> None:
        self._calls = [(call.path, values) for call, values in subject.calls]
        self._deadline = deadline
        self._stdin = tempfile.NamedTemporaryFile()  # noqa: SIM115 - as long as copies are started
        self._stdin.write(host.stdin or b"")
        self._stdin.flush()
        environment = [(_text(name), _text(value)) for name, value in host.env]
        folders = [(str(Path(folder)), guest_path) for folder, guest_path in host.dirs]
        self._world = World(environment, list(map(_text, host.args)), folders, self._stdin.name, host.writable)
        began = time.perf_counter()
        with _problems(deadline):
            self._compiled = CompiledComponent(engine, subject.data, subject.outside)
        self.compile_seconds = time.perf_counter() - began

    def start(self, called: bool = True) -> tuple[float, Callable[[], float]]:
        """See `run.Runner`. `called`: or else nothing is called in it."""
        self._deadline.check()
        with _problems(self._deadline):
            took, store = self._compiled.start(self._world, self._calls if called else [])

        def free() -> float:
            began = time.perf_counter()
            store.close()
            return time.perf_counter() - began

        return took, free


def component_engine(options: Options, deadline: Deadline, pool: Pool | None = None) -> tuple[ComponentEngine, str]:
    """One for all components, and its compiler. Raises `Unsupported`: there is no such compiler."""
    if options.compiler == "winch" and not has_winch():
        raise Unsupported("the compiler winch is not available on this machine", hint="Use `--compiler cranelift`.")
    compiler = "winch" if options.compiler == "winch" else "cranelift"
    engine = ComponentEngine(compiler == "winch", options.timeout is not None and not options.process_ends, pool)
    deadline.watch(engine)
    return engine, compiler


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


@contextmanager
def _problems(deadline: Deadline) -> Iterator[None]:
    try:
        yield
    except ComponentTrapped as trap:
        deadline.check()
        said, called = trap.args
        raise GuestTrap(f"{quoted(called) if called else 'a start function'} trapped: {said}") from trap
    except ComponentExited as ended:
        status = ended.args[0]
        raise GuestExit(
            f"a function ended the program (exit code {status})",
            status=status,
            hint="Call functions that return: what comes after them is measured.",
        ) from ended
    except EngineError as problem:
        deadline.check()
        raise Unsupported(f"the engine's runtime for components refuses it: {problem}") from problem


# -- values


def _value(kind: ValueType, value: Any) -> Any:
    """A value in the form in which wasmtime-py takes it."""
    match kind:
        case List():
            return value if isinstance(value, bytes) else [_value(kind.element, item) for item in value]
        case Record() if kind.names is None:
            return tuple(_value(found, item) for found, item in zip(kind.types, value, strict=True))
        case Record():
            return record(
                kind.names or (), [_value(found, item) for found, item in zip(kind.types, value, strict=True)]
            )
        case Flags():
            return {label for bit, label in enumerate(kind.labels) if value >> bit & 1}
        case Variant() if kind.kind == "enum":
            return value
        case Variant():
            number, payload = kind.parts(value)
            of_case = kind.payloads[number]
            inner = None if of_case is None else _value(of_case, payload)
            return variant(kind.labels[number], inner) if _is_tagged(kind) else inner
    return float(value) if kind.kind in ("f32", "f64") else value


def _is_tagged(kind: Variant) -> bool:
    """Whether the class of a payload does not tell the case."""
    seen: set[type] = set()
    for payload in kind.payloads:
        case = {object} if payload is None else _classes(payload)
        if case & seen:
            return True
        seen |= case
    return False


def _classes(kind: ValueType) -> set[type]:
    match kind:
        case List():
            return {bytes} if kind.element.kind == "u8" else {list}
        case Record():
            return {tuple} if kind.names is None else {RECORD}
        case Flags():
            return {set}
        case Variant() if kind.kind == "enum":
            return {str}
        case Variant():
            if _is_tagged(kind):
                return {VARIANT}
            return {one for found in kind.payloads for one in ({object} if found is None else _classes(found))}
    if kind.kind in ("string", "char"):
        return {str}
    return {bool} if kind.kind == "bool" else {float} if kind.kind in ("f32", "f64") else {int}
