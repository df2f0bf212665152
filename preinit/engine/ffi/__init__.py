"""Everything that goes past wasmtime's public Python classes, in one folder.

The public classes are right for most programs; for a tool that takes any module they are not: they abort the process
on types that they don't know (v128, typed references), copy whole modules, quieten signalling NaNs and hide pointers.
Each function here says which public call it stands for, and why.

Nothing here checks what comes from outside: callers hand over modules that were parsed, and names that exist.
"""

from .config import (
    allow_compact_imports,
    build,
    check_bounds,
    compile_in_one_thread,
    leave_out_unwind_info,
    library,
    set_stack,
    use_winch,
)
from .copies import LinkedModule, Pool, SharedFunctions, use_pool
from .host import HostFunction, HostFunctions
from .links import (
    copy_functions,
    deserialize,
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
    call,
    compile_module,
    export,
    instantiate,
    instantiation,
    takes_exception,
    validate,
)
from .state import (
    function_indices,
    function_pointer,
    global_value,
    memory_place,
    memory_reader,
    memory_view,
    set_integer,
    table_size,
    table_values,
)

__all__ = [
    "UNCAUGHT_EXCEPTION",
    "HostFunction",
    "HostFunctions",
    "LinkedModule",
    "Pool",
    "SharedFunctions",
    "allow_compact_imports",
    "build",
    "call",
    "check_bounds",
    "compile_in_one_thread",
    "compile_module",
    "copy_functions",
    "deserialize",
    "export",
    "function_indices",
    "function_pointer",
    "get_function",
    "global_value",
    "grow",
    "instantiate",
    "instantiation",
    "leave_out_unwind_info",
    "library",
    "memory_place",
    "memory_reader",
    "memory_view",
    "new_counter",
    "new_function_table",
    "replace_function",
    "serialize",
    "set_function",
    "set_integer",
    "set_stack",
    "table_size",
    "table_values",
    "takes_exception",
    "use_pool",
    "use_winch",
    "validate",
]
