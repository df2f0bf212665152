"""Hazards of a snapshot that can be seen in the module."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...binary.types import is_numeric
from ...errors import counted, quoted
from ...options.hints import option
from ...result import BuildWarning, RunFacts
from ..plan.arguments import Call
from ..plan.commands import has_constructors, ran_constructors
from ..plan.exports import missing_exports
from ..plan.initializers import COMMAND_START, constructors_exported
from ..plan.job import Job
from ..snapshot import Snapshot


def module_warnings(job: Job, snapshot: Snapshot, code_moved: bool) -> tuple[BuildWarning, ...]:
    """The warnings for a build. `code_moved`: the code section has another offset in the output than in the input."""
    module, options = job.module, job.options
    found = []
    if job.pause is None:  # in the middle, the stack is in use, and whatever runs first has run
        found = [*stack_pointer_warnings(module, snapshot), *_command(module, job.calls, job.exports)]
        found += _constructors(module, job.exports)
    found += _assumed_globals(module, [name for name, _ in (*options.import_globals, *options.preloads)])
    found += _unlinked(module) if "env" not in dict(options.preloads) else []
    found += [] if job.entries or job.pause else _unused(job)
    if options.imports == "keep":
        found += _larger_imports(module, snapshot)
    return (*found, *custom_warnings(module, code_moved))


def custom_warnings(module: Module, code_moved: bool) -> list[BuildWarning]:
    """Custom sections that don't fit the output. `code_moved`: the code section has another offset in it."""
    found = []
    if module.custom("sourceMappingURL") and code_moved:
        found.append(
            BuildWarning(
                "source-map-moved",
                "the source map's columns are offsets in the file, and the code section has moved",
                "Use DWARF, whose offsets stay true, or make the source map again.",
            )
        )
    if module.custom("signature"):
        found.append(
            BuildWarning("signature", "the module's signature does not fit the output", "Sign the output instead.")
        )
    return found


#: What wasi-libc reserves for itself. As an import from `env`, it was left undefined by a linker that allows that.
_OF_LIBC = ("__wasilibc_", "__wasi_")


def _unlinked(module: Module) -> list[BuildWarning]:
    """Imports of what the C library should have defined: no host has them, so that no instance can be made."""
    names = [
        entry.name
        for entry in module.imports
        if entry.kind == ExternKind.FUNC and entry.module == "env" and entry.name.startswith(_OF_LIBC)
    ]
    if not names:
        return []
    shown = ", ".join(f"`env.{name}`" for name in names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    return [
        BuildWarning(
            "unlinked-import",
            f"the output imports {shown}: the C library should have defined that, and hosts do not have it",
            "Link a wasi-libc that defines it (`__wasilibc_reset_preopens` came in April 2024), or don't call it.",
        )
    ]


def _unused(job: Job) -> list[BuildWarning]:
    """An output that nothing could use, and that is accepted."""
    missing = missing_exports(job.module, job.calls, job.exports)
    if not missing:
        return []
    return [
        BuildWarning(
            "nothing-exported",
            f"nothing can use what was initialized: {missing}",
            "Export the functions that are to go on from there.",
        )
    ]


#: Where a main module with dynamic linking imports addresses of functions and data from, which its loader fills in:
#: https://github.com/WebAssembly/tool-conventions/blob/main/DynamicLinking.md
_GOT = ("GOT.func", "GOT.mem")


def _assumed_globals(module: Module, given: Collection[str]) -> list[BuildWarning]:
    """Imported mutable numbers that nobody gave a value: the initializer saw zero."""
    assumed = [
        entry
        for entry in module.imports
        if entry.global_
        and entry.global_.mutable
        and is_numeric(entry.global_.type)
        and not {entry.module, f"{entry.module}.{entry.name}"} & set(given)
    ]
    addresses = [f"{entry.module}.{entry.name}" for entry in assumed if entry.module in _GOT]
    found = [
        BuildWarning(
            "assumed-global",
            f"the imported global `{entry.module}.{entry.name}` was zero while the initializer ran",
            "Give it the value that it will have: " + option("--import-global", f"{entry.module}.{entry.name}=VALUE"),
        )
        for entry in assumed
        if entry.module not in _GOT
    ]
    if addresses:
        were = "was" if len(addresses) == 1 else "were"
        found.append(
            BuildWarning(
                "assumed-global",
                f"{counted(len(addresses), 'imported address', 'imported addresses')} that a loader fills in {were} "
                f"zero while the initializer ran, `{addresses[0]}` first",
                "That is right where the initializer uses none of them; else give their values: "
                + option("--import-global", f"{addresses[0]}=VALUE"),
            )
        )
    return found


def _larger_imports(module: Module, snapshot: Snapshot) -> list[BuildWarning]:
    """Imports that now ask for more than they did: a loader that makes them must know."""
    found = []
    memories = [entry for entry in module.imports if entry.memory]
    for entry, limits, state in zip(memories, module.memories, snapshot.memories, strict=False):
        if state.pages > limits.minimum:
            found.append(
                BuildWarning(
                    "imported-memory-grew",
                    f"the imported memory `{entry.module}.{entry.name}` must now have {counted(state.pages, 'page')} "
                    f"({state.pages * limits.page_size} bytes) at least; it had to have {limits.minimum}",
                    "Give the loader that makes it the new size (with Emscripten's, INITIAL_MEMORY), or use "
                    "`--imports restore`.",
                )
            )
    tables = [entry for entry in module.imports if entry.table]
    for index, entry in enumerate(tables):
        content = snapshot.tables.changed.get(index, ())
        if len(content) > module.tables[index].limits.minimum:
            found.append(
                BuildWarning(
                    "imported-table-grew",
                    f"the imported table `{entry.module}.{entry.name}` must now have "
                    f"{counted(len(content), 'element')} at least",
                    "Give the loader that makes it the new size, or use `--imports restore`.",
                )
            )
    return found


def stack_pointer_warnings(module: Module, snapshot: Snapshot) -> list[BuildWarning]:
    """The stack pointer, where a name says which it is, is not where it was."""
    for index, name in module.names.globals.items():
        if name != "__stack_pointer" or index not in snapshot.globals.numbers:
            continue
        now = snapshot.globals.numbers[index]
        if now != snapshot.globals.numbers_before[index]:
            return [
                BuildWarning(
                    "stack-pointer",
                    f"the stack pointer (global {index}) is {int.from_bytes(now, 'little')} after the initializer, "
                    "not where it was before: every instance starts with a smaller stack",
                    "An initializer must not leave by longjmp, or keep a frame alive.",
                )
            ]
    return []


def assumed_stack_pointers(runs: Sequence[RunFacts]) -> list[BuildWarning]:
    """Of functions that exited: the global that was put back then, if no name says that it is the stack pointer."""
    return [
        BuildWarning(
            "stack-pointer",
            f"{quoted(run.function)} exited, and global {run.assumed_stack_pointer} was set back to where it was: it "
            "is taken for the stack pointer, and no name says so",
            "Keep the name section when you build the module, or let the function return.",
        )
        for run in runs
        if run.assumed_stack_pointer is not None
    ]


def _constructors(module: Module, exports: Sequence[tuple[str, int, int]]) -> list[BuildWarning]:
    """What a loader would call to run the constructors, and that is still there."""
    targets = {export.target for export in constructors_exported(module)}
    return [
        BuildWarning(
            "constructors-exported",
            f"the output still exports {quoted(name)}, which runs the constructors on an initialized memory: a loader "
            "that calls it undoes what the initializer did",
            "Leave the call out of the loader, or do not export it.",
        )
        for name, kind, index in exports
        if kind == ExternKind.FUNC and index in targets
    ]


def _command(module: Module, calls: Sequence[Call], exports: Sequence[tuple[str, int, int]]) -> list[BuildWarning]:
    start = module.exported(COMMAND_START)
    if start is None or start.kind != ExternKind.FUNC:
        return []
    found = []
    ran = ran_constructors(module, calls)
    if any(name == COMMAND_START and index == start.target for name, _, index in exports):
        again = "runs the constructors again, on" if ran else "runs the constructors on"
        found.append(
            BuildWarning(
                "start-runs-constructors",
                f"the output still exports `_start`, which {again} an initialized memory",
                "Export another entry point that only calls main, and rename it: -r _start=ENTRY",
            )
        )
    if has_constructors(module) and calls and not ran:
        found.append(
            BuildWarning(
                "no-constructors",
                f"the module is a command (it exports `_start`), and {calls[0].name!r} ran without its constructors",
                "Build it as a reactor (`-mexec-model=reactor`), or call `__wasm_call_ctors` in the initializer.",
            )
        )
    return found
