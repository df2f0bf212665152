"""Options of `build` that say what the output is: whoever runs the initializer again has the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ..options import COMPILERS, DEFAULT_INITIALIZERS, DEFAULT_MAX_MEMORY, ENGINES, IMPORTS, LAYOUTS, Options
from ..options.calls import written
from .arguments import Kept, Size, imported_global, preload, read, renaming, stub
from .help import under
from .wizer import spellings
from .world import host, world_options

Function = TypeVar("Function", bound=Callable[..., Any])

_RUN = (
    click.option(
        "-f",
        "--init-func",
        multiple=True,
        metavar="NAME[(ARG,..)]",
        help=f"Export to run, several in order. Default: the first of {', '.join(DEFAULT_INITIALIZERS)}. ARG is a "
        "number, @FILE for its bytes as address and length, or *N for the 32 bits at N bytes from what was returned. A "
        "? behind it: an error that it returns fails the build.",
    ),
    click.option(
        "--init",
        type=click.Choice(["auto", "none"]),
        default="auto",
        help="none: run only the start function and _initialize.",
    ),
)
_IMPORTS = (
    click.option(
        "--preload",
        "preloads",
        multiple=True,
        metavar="NAME=FILE",
        help="Module (.wasm or .wat) that provides the imports from NAME while the initializer runs.",
    ),
    click.option(
        "--stub",
        "stubs",
        multiple=True,
        metavar="MODULE.NAME=trap|zero|ERRNO",
        help="What an imported function does at build time: fail the build, return zeros, or an errno of WASI.",
    ),
    click.option(
        "--import-global",
        "import_globals",
        multiple=True,
        metavar="MODULE.NAME=VALUE",
        help="Value of an imported global.",
    ),
)
_OUTPUT = (
    click.option(
        "-r", "--rename-func", multiple=True, metavar="DST=SRC", help="Export SRC under the name DST in the output."
    ),
    click.option(
        "--keep-init-func",
        type=Kept(),
        default=False,
        metavar="[=BOOL|noop]",
        help="Keep the exports that were run; noop: as functions that do nothing. A value comes only after =.",
    ),
    click.option(
        "--imports",
        type=click.Choice(IMPORTS),
        default="keep",
        show_default=True,
        help="Imported memories, tables and globals stay imports and must come fresh (keep), become the output's own "
        "(define), or are filled by a start function, whatever they hold (restore).",
    ),
    click.option(
        "--layout",
        type=click.Choice(LAYOUTS),
        default="balanced",
        show_default=True,
        help="How memory is cut into segments: for size and start-up time, smallest file, smallest gzip, or few.",
    ),
    click.option(
        "--scrub-stack",
        is_flag=True,
        help="Zero what returned calls left on the stack; refused unless the stack is first.",
    ),
)
_ENGINE = (
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default="auto",
        show_default=True,
        help="Compile the whole module before it runs, or each function when it is called (ondemand).",
    ),
)
_COMPILER = (
    click.option(
        "--compiler",
        type=click.Choice(COMPILERS),
        default="auto",
        show_default=True,
        help="The engine's compiler: fast (winch), for every proposal (cranelift), or the first that can.",
    ),
)
_CACHE = (
    click.option("--cache/--no-cache", default=True, help="Keep compiled code for the next build of the same module."),
)
_LIMITS = (
    click.option("--timeout", type=float, metavar="SECONDS", help="Give up after that long."),
    click.option(
        "--max-memory",
        type=Size(),
        default=DEFAULT_MAX_MEMORY,
        metavar="SIZE",
        help="Most that all memories may have together.  [default: 4GiB]",
    ),
)


#: What those options are without being given, for commands that don't have them all.
_DEFAULTS = {
    "rename_func": (),
    "keep_init_func": False,
    "imports": "keep",
    "layout": "balanced",
    "engine": "auto",
    "cache": True,
    "scrub_stack": False,
}


def build_options(function: Function) -> Function:
    """Adds the options that `options_of` takes."""
    return _all_of(
        function,
        under("What is run", *_RUN),
        under("What it needs from outside", *_IMPORTS),
        under("What the guest sees of the world", spellings, world_options),
        under("What is written", *_OUTPUT),
        under("How it is compiled, and limits", *_ENGINE, *_COMPILER, *_CACHE, *_LIMITS),
    )


def run_options(function: Function) -> Function:
    """Adds those that matter to whoever only runs initializers; `options_of` takes them, too."""
    return _all_of(
        function,
        under("What is run", *_RUN),
        under("What it needs from outside", *_IMPORTS),
        under("What the guest sees of the world", spellings, world_options),
        under("Compiler and limits", *_COMPILER, *_LIMITS),
    )


def _all_of(function: Function, *decorators: Callable[[Function], Function]) -> Function:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def options_of(given: Mapping[str, Any], **more: Any) -> Options:
    """The `Options` for what was given to those options; `more`: fields that they don't set. Raises `UsageError`."""
    given = {**_DEFAULTS, **given}
    return Options(
        init_funcs=tuple(written(text, read) for text in given["init_func"]),
        start_only=given["init"] == "none",
        rename_funcs=tuple(map(renaming, given["rename_func"])),
        keep_init_func=given["keep_init_func"],
        imports=given["imports"],
        import_globals=tuple(map(imported_global, given["import_globals"])),
        preloads=tuple(map(preload, given["preloads"])),
        stubs=tuple(map(stub, given["stubs"])),
        layout=given["layout"],
        engine=given["engine"],
        compiler=given["compiler"],
        cache=given["cache"],
        timeout=given["timeout"],
        max_memory=given["max_memory"],
        host=host(given),
        scrub_stack=given["scrub_stack"],
        **more,
    )
