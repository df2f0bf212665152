"""What is to be run in a component, and with which values; found out before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...engine.component.cores import Dry
from ...engine.component.functions import Function
from ...engine.component.machine import Machine
from ...engine.component.scope import Scope
from ...engine.component.values import ValueType
from ...errors import InitializerType, NoInitializer, UnknownExport, UsageError, counted, quoted
from ...host.wasi2 import Names
from ...options import DEFAULT_INITIALIZERS, Options
from ...options.calls import Argument, Call, Number, Strings
from ...options.hints import few_of, option
from ...options.wave import Content, Node, read_call
from ...options.wave import Number as WrittenNumber
from ...options.wave import Sequence as WrittenSequence
from ...options.wave import Text as WrittenText
from ...tuples import NamedTuple
from .source import ComponentSource
from .wave import example, has_handles, signature_text, value_of, value_text


class ComponentCall(NamedTuple):
    """A function to call. `path`: its name, or that of an exported instance and its name there."""

    path: tuple[str, ...]
    values: tuple[Any, ...]
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        return "#".join(self.path)


class ComponentPlan(NamedTuple):
    """`calls` in order. `instances`: of each core instance that is made, where its module begins."""

    calls: tuple[ComponentCall, ...]
    instances: tuple[int, ...]


def make_component_plan(source: ComponentSource, options: Options) -> ComponentPlan:
    """Goes through the component without running anything.

    Raises
    ------
    NoInitializer, UnknownExport, InitializerType: as for a module.
    InvalidModule, UnsupportedProposal, EngineLimit: what the component is made of does not fit together.
    Unsupported: it has something that can't be written back.
    """
    dry = Dry({start: part.module for start, part in source.parts.items()})
    machine = Machine(dry, Names())
    scope = machine.run(source.component)
    return ComponentPlan(tuple(_choose(scope, options)), tuple(dry.made))


def functions(exports: dict[str, tuple[str, Any]]) -> Iterator[tuple[tuple[str, ...], Function]]:
    """The functions that a component exports, those of instances too."""
    for name, (sort, item) in exports.items():
        if sort == "func":
            yield (name,), item
        elif sort == "instance":
            for inner, (inner_sort, function) in item.items():
                if inner_sort == "func":
                    yield (name, inner), function


def exported_functions(source: ComponentSource) -> dict[tuple[str, ...], Function]:
    """Each function that a component exports, by its path, in an instance of which nothing runs."""
    machine = Machine(Dry({start: part.module for start, part in source.parts.items()}), Names())
    return dict(functions(machine.run(source.component).exports))


def export_types(source: ComponentSource) -> dict[tuple[str, ...], str]:
    """The type of each function that a component exports, in WIT."""
    return {path: signature_text(found.type) for path, found in exported_functions(source).items()}


def parameter_types(source: ComponentSource) -> dict[tuple[str, ...], list[ValueType]]:
    """The types of the parameters of each function that a component exports."""
    return {path: list(found.type.types) for path, found in exported_functions(source).items()}


def spellings(path: tuple[str, ...]) -> Iterator[str]:
    """How a function may be named."""
    if len(path) == 1:
        yield path[0]
        return
    for interface in dict.fromkeys((path[0], path[0].split("@")[0])):
        yield f"{interface}#{path[1]}"
        yield f"{interface}.{path[1]}"


def _choose(scope: Scope, options: Options) -> Iterator[ComponentCall]:
    known = dict(functions(scope.exports))
    named: dict[str, tuple[str, ...]] = {}
    several: dict[str, list[tuple[str, ...]]] = {}
    for path in known:
        for spelling in spellings(path):
            named.setdefault(spelling, path)
            several.setdefault(spelling, []).append(path)
    if options.init_funcs is None:
        usual = [name for name in DEFAULT_INITIALIZERS if (name,) in known][:1]
        if not usual:
            raise NoInitializer(
                f"the component exports none of {', '.join(DEFAULT_INITIALIZERS)}",
                hint=f"Name a function with `-f`. {_candidates(known)} Or take the snapshot of the component as it is "
                "when it was instantiated: `--no-init-func`.",
            )
        wanted: tuple[str | Call, ...] = tuple(usual)
    else:
        wanted = options.init_funcs
    for given in wanted:
        name, nodes = _written(given, named)
        path = named.get(name, ())
        if len(several.get(name, ())) > 1:
            shown = ", ".join(option("-f", next(iter(spellings(one)))) for one in several[name])
            raise UnknownExport(f"the component exports several versions of {quoted(name)}", hint=f"Name one: {shown}.")
        if not path:
            if any(item_name == name for item_name in scope.exports):
                raise InitializerType(f"the export {quoted(name)} is not a function", hint=_candidates(known))
            raise UnknownExport(f"the component exports no function {quoted(name)}", hint=_candidates(known, name))
        yield _call(path, known[path], nodes)


def _written(given: str | Call, named: dict[str, tuple[str, ...]]) -> tuple[str, tuple[Node, ...]]:
    """The name and the values of a call as it was given."""
    if isinstance(given, str):
        if given in named:
            return given, ()
        call = read_call(given)
        return call.name, call.arguments or ()
    if given.returns not in (None, "result"):
        raise InitializerType(
            f"what a component's function must return can't be written behind the call ({quoted(given.name)})",
            hint="Have it return a result: an error in there fails the build.",
        )
    return given.name, tuple(map(_node, given.arguments))


def _node(value: Argument) -> Node:
    """A value of a call, as WAVE has it."""
    match value:
        case bool():
            pass
        case int() | float():
            return WrittenNumber(repr(value))
        case Number(text):
            return WrittenNumber(text)
        case str():
            return WrittenText(value)
        case bytes():
            return Content(value)
        case Strings(texts):
            return WrittenSequence(True, tuple(map(WrittenText, texts)))
    raise InitializerType(
        "a component's function can't be given words of memory or an argument vector",
        hint="Give values: numbers, texts, lists of texts, the bytes of a file; or write all of them in WAVE.",
    )


def _call(path: tuple[str, ...], function: Function, nodes: tuple[Node, ...]) -> ComponentCall:
    signature = function.type
    where = f"export {quoted('#'.join(path))} of type {signature_text(signature)}"
    if signature.is_async:
        raise InitializerType(
            "the function is asynchronous, and asynchronous calls can't be done at build time",
            where=where,
            hint="Export a function that is not.",
        )
    if any(map(has_handles, signature.types)):
        raise InitializerType(
            "the function takes a handle, and handles can't be given",
            where=where,
            hint="Export a function that makes what it needs itself.",
        )
    if len(nodes) != len(signature.types):
        shown = ", ".join(map(example, signature.types))
        wanted = option("-f", f"{next(iter(spellings(path)))}({shown})")
        raise InitializerType(
            f"the function takes {counted(len(signature.types), 'argument')}, {len(nodes)} "
            f"{'was' if len(nodes) == 1 else 'were'} given",
            where=where,
            hint=f"Write values for them, for example: {wanted}" if shown else "Leave them out.",
        )
    values = []
    for name, found, node in zip(signature.names, signature.types, nodes, strict=True):
        try:
            values.append(value_of(found, node))
        except UsageError as problem:
            raise InitializerType(
                f"the argument {quoted(name)}: {problem.what}", where=where, hint=problem.hint
            ) from None
    shown_values = tuple(_short(value_text(found, value)) for found, value in zip(signature.types, values, strict=True))
    return ComponentCall(path, tuple(values), shown_values)


#: Characters of a value in a report.
_SHOWN = 200


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _candidates(known: dict[tuple[str, ...], Function], wanted: str = "") -> str:
    if not known:
        return "The component exports no function."
    found = {next(iter(spellings(path))): "" for path in known}
    shown = {name: quoted(name) for name in found}
    return f"Exported functions: {few_of(shown, wanted)}."


def find_function(scope: Scope, path: tuple[str, ...]) -> Function:
    """The function of a call, in an instance of the component."""
    return dict(functions(scope.exports))[path]
