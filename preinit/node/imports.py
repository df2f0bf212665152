"""Imports of programs with JavaScript glue: which must be called again, and which need not be.

They are known by the names of the glue's functions, which are there where the module's own are minified.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..binary.module import Module
from ..binary.sections import ExternKind

#: Their calls give JavaScript something that it must be given again.
REPLAYED = re.compile(r"_*(embind_|emval_)")
#: Of objects that JavaScript holds for the program: what comes after start-up is lost. Of embind, Pyodide, wasm-bindgen
#: and Go.
HANDLES = re.compile(r"_*(emval_|hiwire_|JsProxy_|JsRef_|wbindgen_(?!throw)|wbg_|syscall/js\.)")
#: Their calls leave nothing in JavaScript that an instance needs.
HARMLESS = re.compile(
    r"_*(fd_write|fd_read|fd_pread|fd_pwrite|fd_close|fd_seek|fd_fdstat_get|fd_fdstat_set_flags|fd_prestat_get"
    r"|fd_prestat_dir_name|fd_filestat_get|fd_sync|path_filestat_get|sched_yield"
    r"|environ_get|environ_sizes_get|args_get|args_sizes_get|clock_time_get|clock_res_get|random_get|proc_exit|exit"
    r"|emscripten_(resize_heap|memcpy_big|memcpy_js|memcpy|get_now|get_now_res|date_now|get_heap_max|get_heap_size"
    r"|get_now_is_monotonic|random|has_threading_support|num_logical_cores|runtime_keepalive_clear|console_log"
    r"|console_error|console_warn|err|out|log.*|throw_longjmp|longjmp)"
    r"|cxa_(allocate_exception|free_exception|(re)?throw|rethrow_primary_exception|begin_catch|end_catch|atexit"
    r"|find_matching_catch(_\d+)?|uncaught_exceptions?|get_exception_ptr|current_primary_exception|thread_atexit"
    r"|(in|de)crement_exception_refcount|call_unexpected|pure_virtual|demangle|can_catch|is_pointer_type)"
    r"|llvm_(eh_typeid_for|trap|stacksave|stackrestore|prefetch|\w+_[fi](32|64)|mem(cpy|move|set)_\w+)"
    r"|resumeException|assert_fail|abort(_js|_malloc|OnCannotGrowMemory|StackOverflow)?|tzset_js|tzset|localtime_js|gmtime_js|mktime_js|timegm_js"
    r"|strftime(_l)?|getentropy|getTempRet0|setTempRet0|gettimeofday|time|clock_gettime|throw_longjmp"
    r"|syscall_(?!mkdir|mknod|unlink|rmdir|rename|symlink|link|f?truncate|f?chmod|f?chown|utime|bind"
    r"|listen|connect).*|mmap_js|munmap_js|(js_)?getpid|longjmp|invoke_.*)"
)
#: They change what the glue holds of files, folders and connections.
CHANGES = re.compile(
    r"_*syscall_((mkdir|mknod|unlink|rmdir|rename|symlink|link|f?truncate|f?chmod|f?chown|utime)\w*"
    r"|bind|listen|connect)"
)
#: They end the program.
ENDING = re.compile(r"_*(proc_exit|exit)")
RESIZE = re.compile(r"_*emscripten_resize_heap")


def numbered(module: Module) -> dict[tuple[str, str], int]:
    """The index of each imported function, by the names of module and import."""
    functions = [entry for entry in module.imports if entry.kind == ExternKind.FUNC]
    return {(entry.module, entry.name): index for index, entry in enumerate(functions)}


def replayed_pattern(named: Sequence[str]) -> str:
    """What matches the names of imports whose calls may be made again, `named` ones too; for JavaScript."""
    return "|".join([REPLAYED.pattern, *(rf"_*{re.escape(name.lstrip('_'))}$" for name in named)])
