"""Choosing what to run."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

from ...binary.instructions import decoder
from ...binary.module import Module
from ...binary.opcodes import Kind
from ...binary.sections import Export, ExternKind
from ...binary.types import F32, F64, I32, I64, FuncType, type_name
from ...errors import InitializerType, NoInitializer, UnknownExport, quoted
from ...options import DEFAULT_INITIALIZERS, Options
from ...options.calls import Call as Given
from ...options.hints import few_of, option
from .arguments import ANY, Before, check_number, expected_result, number, with_data
from .arguments import Call as Call
from .written import site_of, site_of_given

if TYPE_CHECKING:
    from ...options.grammar import Written

#: What a reactor exports to have its constructors run:
#: https://github.com/WebAssembly/WASI/blob/main/legacy/application-abi.md
REACTOR_START = "_initialize"

#: What a command exports: its whole program. https://github.com/WebAssembly/WASI/blob/main/legacy/application-abi.md
COMMAND_START = "_start"

#: What `wasm-ld` calls the function that runs constructors, and the wrappers that call it in a command. Emscripten
#: exports the former, and its loader calls it: https://lld.llvm.org/WebAssembly.html
CONSTRUCTORS, COMMAND_WRAPPER = "__wasm_call_ctors", ".command_export"


def choose(module: Module, options: Options) -> list[Call]:
    """The exports to run after the start function, in order: what runs the constructors, then the initializers.

    What runs them: `_initialize`, or else, where no initializer does, an exported `__wasm_call_ctors`.

    Raises
    ------
    NoInitializer: none was named, and the module has none of the usual names; `_start` is one of a paused program.
    UnknownExport: a name that is no exported function.
    InitializerType: arguments that don't fit, or parameters that can't be given.
    """
    functions = {e.name: e.target for e in module.exports if e.kind == ExternKind.FUNC}
    named: list[str | Given] = list(options.init_funcs or ())
    if options.init_funcs is None:
        usual = (COMMAND_START, *DEFAULT_INITIALIZERS) if options.pause else DEFAULT_INITIALIZERS
        named += [name for name in usual if name in functions][:1]
        if not named:
            raise _no_initializer(module, functions)
    calls: list[Call] = []
    for text in named:
        calls.append(call_of(module, functions, text, options.allocator, calls[-1].type if calls else None))
    if REACTOR_START in functions and all(call.name != REACTOR_START for call in calls):
        calls.insert(0, call_of(module, functions, REACTOR_START))
    constructors = _constructors_to_run(module, functions, calls)
    if constructors is not None:
        calls.insert(0, call_of(module, functions, constructors))
    if not calls and module.start is None:
        raise NoInitializer(
            "there is nothing to run: the module has neither a start function nor one that runs constructors",
            hint="Name an export with `-f`.",
        )
    return calls


def constructors_exported(module: Module) -> list[Export]:
    """The exports by which a loader runs the constructors; where it has no other way, whatever their names."""
    functions = [export for export in module.exports if export.kind == ExternKind.FUNC]
    found = [export for export in functions if export.name == CONSTRUCTORS]
    if not found and not {REACTOR_START, COMMAND_START} & module.exported_names:
        names = module.names.functions_among({export.target for export in functions})
        found = [export for export in functions if names.get(export.target) == CONSTRUCTORS]
    return found


def _constructors_to_run(module: Module, functions: Mapping[str, int], calls: Sequence[Call]) -> str | None:
    """The export that is to be run first, as a loader would do; None where something that is run calls it itself."""
    exported = constructors_exported(module)
    if not exported:
        return None
    name, target = exported[0].name, exported[0].target
    if module.function_type(target) != FuncType((), ()):
        return None
    run = [functions[call.name] for call in calls]
    if any(call.name in (REACTOR_START, COMMAND_START) for call in calls) or target in run:
        return None
    if any(_name_of(module, index).endswith(COMMAND_WRAPPER) for index in run):
        return None
    if module.start is not None:
        run.append(module.start)
    return None if target == module.start or any(_calls(module, index, target) for index in run) else name


def _name_of(module: Module, index: int) -> str:
    return module.names.functions_among({index}).get(index, "")


def _calls(module: Module, caller: int, callee: int) -> bool:
    """Whether a function has an instruction that calls another one."""
    if caller < module.imported_functions:
        return False
    body = module.bodies[caller - module.imported_functions]
    found = decoder(frozenset({Kind.FUNCTION})).search(module.data, body.start, body.end).found
    return any(reference.target == callee for instruction in found for reference in instruction.references)


def call_of(
    module: Module,
    functions: dict[str, int],
    wanted: str | Given,
    allocator: str | None = None,
    before: Before = ANY,
    prefix: str = "",
) -> Call:
    """The call of an export that was written: a name of `functions`, or with arguments. `before`: what the call before
    returns; `prefix`: what was written before it. Raises what `choose` raises, and `UsageError`."""
    name = wanted if isinstance(wanted, str) else wanted.name
    written = None
    if isinstance(wanted, str) and name not in functions and "(" in name:
        written = _read(name, prefix)
        name = written.name
    if name not in functions:
        if name in module.exported_names:
            raise InitializerType(f"the export {quoted(name)} is not a function", hint=_candidates(module, functions))
        hint = checked_result(name, functions, "-f") or _candidates(module, functions, name)
        raise UnknownExport(f"the module exports no function {quoted(name)}", hint=hint)
    function_type = module.function_type(functions[name])
    if function_type is None:
        raise InitializerType(
            f"the export {quoted(name)} has no function type that can be called", hint=_candidates(module, functions)
        )
    export = f"export {quoted(name)} of type {function_type}"
    if not isinstance(wanted, str):
        site = site_of_given(export, wanted, prefix)
        return with_data(module, wanted, function_type, site, allocator, before)
    site = site_of(export, wanted, written, prefix)
    unfit = next((place for place, t in enumerate(function_type.params) if t not in (I32, I64, F32, F64)), None)
    if unfit is not None:
        raise InitializerType(
            f"an initializer can't have a parameter of type {type_name(function_type.params[unfit])}",
            where=site.argument(unfit),
            hint="Only numbers can be given: export a function without that parameter, which calls this one.",
        )
    check_number(function_type, name, site, "initializer", "-f", InitializerType)
    parts = tuple(
        f"@{part.values[0]}" if part.kind == "file" else wanted[part.start : part.end]
        for part in (written.parts if written else ())
    )
    raw = tuple(
        number(kind, part, site.argument(place))
        for place, (kind, part) in enumerate(zip(function_type.params, parts, strict=True))
    )
    returned = written.returns if written else None
    expected = None if returned is None else expected_result(function_type, returned, site.result())
    return Call(name, function_type, parts, raw, expected=expected)


def checked_result(text: str, functions: Container[str], flag: str, prefix: str = "") -> str | None:
    """How to write a call whose result is checked, where somebody left out its arguments; None where nobody did.

    `prefix`: what stands before the call.
    """
    name, equals, returned = text.partition("=")
    if not equals or name not in functions:
        return None
    return f"To have the result checked, write the arguments, too: {option(flag, f'{prefix}{name}()={returned}')}"


def _read(text: str, prefix: str) -> Written:
    """A call whose arguments are numbers, or should be: what gives more is a `preinit.Call` by now. Raises
    `UsageError`."""
    from ...options.grammar import parse, read, read_numbers
    from ...options.reading import Mistake

    try:
        # Of what only a call of a component could be, the mistake that it is here.
        return parse(text) or read_numbers(text) or read(text)
    except Mistake as mistake:
        raise mistake.error(text, prefix) from None


def _candidates(module: Module, functions: dict[str, int], wanted: str = "") -> str:
    """Which functions could be named, with types where they take or return something: first those whose name is like
    the one that was `wanted`, then those that take nothing and return nothing, then others."""
    plain, others = {}, {}
    for name, index in functions.items():
        function_type = module.function_type(index)
        if function_type == FuncType((), ()):
            plain[name] = quoted(name)
        elif function_type and all(t in (I32, I64, F32, F64) for t in function_type.params):
            others[name] = f"{quoted(name)} {function_type}"
    found = plain | others
    if set(functions) == {COMMAND_START}:
        return (
            "The module is a whole program, which exports `_start` alone: pause it in the middle, with `--pause-at` "
            "and without `-f`, or export a function that ends where instances are to go on, too."
        )
    if not found:
        return "The module exports no function that takes nothing but numbers."
    return f"Exported functions: {few_of(found, wanted)}."


def _no_initializer(module: Module, functions: dict[str, int]) -> NoInitializer:
    known = _candidates(module, functions)
    hint = known if set(functions) == {COMMAND_START} else f"Name one with `-f NAME`. {known}"
    constructors = constructors_exported(module)
    if module.start is not None or REACTOR_START in functions or constructors:
        what = "`_initialize`" if REACTOR_START in functions else quoted(constructors[0].name) if constructors else ""
        what = "its start function" if module.start is not None else what
        hint += f" Or take the snapshot after {what}: `--no-init-func`."
    return NoInitializer(f"the module exports none of {', '.join(DEFAULT_INITIALIZERS)}", hint=hint)
