"""The engine wasmtime, through its C API.

The classes of the package `wasmtime` are right for most programs; for a tool that takes any module they are not: they
abort the process on types that they don't know (v128, typed references), copy whole modules, quieten signalling NaNs,
hide pointers, and take long to import.

Nothing here checks what comes from outside: callers hand over modules that were parsed, and names that exist.
"""

from .capi import (
    INTERRUPT,
    MEMORY_OUT_OF_BOUNDS,
    STACK_OVERFLOW,
    TABLE_OUT_OF_BOUNDS,
    UNREACHABLE,
    machine,
)
from .config import (
    build,
    check_bounds,
    library,
    set_stack,
    use_winch,
)
from .host import HostFunction, HostFunctions
from .links import (
    copy_functions,
    deserialize,
    function_at,
    get_function,
    grow,
    new_counter,
    new_function_table,
    replace_function,
    serialize,
    set_function,
)
from .modules import (
    UNCAUGHT_EXCEPTION,
    binary,
    call,
    caller,
    compile_module,
    export,
    instantiate,
    instantiation,
    results_reader,
    takes_exception,
    validate,
)
from .objects import Config, Engine, Linker, Module, Store
from .state import (
    function_indices,
    function_pointer,
    functions_at,
    global_value,
    memory_place,
    memory_reader,
    memory_view,
    set_integer,
    table_identity,
    table_size,
    table_values,
)

__all__ = [
    "INTERRUPT",
    "MEMORY_OUT_OF_BOUNDS",
    "STACK_OVERFLOW",
    "TABLE_OUT_OF_BOUNDS",
    "UNCAUGHT_EXCEPTION",
    "UNREACHABLE",
    "Config",
    "Engine",
    "HostFunction",
    "HostFunctions",
    "Linker",
    "Module",
    "Store",
    "binary",
    "build",
    "call",
    "caller",
    "check_bounds",
    "compile_module",
    "copy_functions",
    "deserialize",
    "export",
    "function_at",
    "function_indices",
    "function_pointer",
    "functions_at",
    "get_function",
    "global_value",
    "grow",
    "instantiate",
    "instantiation",
    "library",
    "machine",
    "memory_place",
    "memory_reader",
    "memory_view",
    "new_counter",
    "new_function_table",
    "replace_function",
    "results_reader",
    "serialize",
    "set_function",
    "set_integer",
    "set_stack",
    "table_identity",
    "table_size",
    "table_values",
    "takes_exception",
    "use_winch",
    "validate",
]
