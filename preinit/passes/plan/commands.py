"""Commands, which export `_start`: whether what they do at their start was done before an initializer.

https://github.com/WebAssembly/WASI/blob/main/legacy/application-abi.md
"""

from __future__ import annotations

from collections.abc import Sequence

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...options.hints import option
from .arguments import Call, call_text
from .initializers import COMMAND_START, COMMAND_WRAPPER, CONSTRUCTORS, REACTOR_START

#: What AssemblyScript calls the function that it exports as `_start`: it gives globals of the program their values.
_ASSEMBLYSCRIPT_START = "~start"


def is_command(module: Module) -> bool:
    """Whether it exports the function `_start`."""
    start = module.exported(COMMAND_START)
    return start is not None and start.kind == ExternKind.FUNC


def ran_constructors(module: Module, calls: Sequence[Call]) -> bool:
    """Whether some of the calls ran a command's constructors, as far as names tell."""
    functions = module.names.functions
    indices = {e.name: e.target for e in module.exports if e.kind == ExternKind.FUNC}
    wrapped = any(functions.get(indices.get(call.name, -1), "").endswith(COMMAND_WRAPPER) for call in calls)
    return wrapped or any(call.name in (REACTOR_START, COMMAND_START, CONSTRUCTORS) for call in calls)


def has_constructors(module: Module) -> bool:
    """Whether a command may have some: the name section would say so, where there is one."""
    functions = module.names.functions
    return CONSTRUCTORS in functions.values() if functions else True


def how_to_start(module: Module, calls: Sequence[Call]) -> str | None:
    """What to do where a command's initializer ran before its runtime was started; None if that was done.

    `calls`: those up to the one that failed.
    """
    if not calls or not is_command(module) or ran_constructors(module, calls):
        return None
    if _ASSEMBLYSCRIPT_START in module.names.functions.values():
        named = " ".join(f"-f {call_text(call)}" if call.arguments else option("-f", call.name) for call in calls)
        return (
            f"The module's `{COMMAND_START}`, which gives its globals their values, did not run before: "
            f"-f {COMMAND_START} {named}"
        )
    if not has_constructors(module):
        return None
    return (
        f"The module is a command: only its `{COMMAND_START}` runs its constructors, which did not run before. Build "
        "it as a reactor (`-mexec-model=reactor`), or call `__wasm_call_ctors` first in the initializer."
    )
