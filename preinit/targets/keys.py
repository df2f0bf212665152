"""All keys of the config file."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError
from ..options import COMPILERS, ENGINES, FILE_TIMES, IMPORTS, LAYOUTS
from ..options.calls import files
from .kinds import (
    ANY_TEXT,
    COUNT,
    FLAG,
    NUMBER,
    SECONDS,
    SIZE,
    TEXT,
    Key,
    Kind,
    Path,
    Wrong,
    either,
    list_of,
    matching,
    one_of,
    table,
    table_of,
)

#: What a file is called that a target writes: no folder.
_FILE = matching("the name of a file", r"(?:[^\u0000]*/)?(?!\.\.?$)[^/\u0000]+")

_TEXTS = list_of(TEXT, "a list of strings")


def _read_call(value: Any, path: Path) -> Any:
    text = TEXT.read(value, path)
    try:
        files(text)
    except UsageError as problem:
        raise Wrong(path, problem.what, problem.hint) from None
    return text


#: An initializer as `-f` takes it.
_CALL = Kind(TEXT.wanted, TEXT.schema, _read_call)

#: What a target may be called: nothing that is taken for a file name or an option.
NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]*"

HOST = {
    "env": Key(table_of(ANY_TEXT, "a table of strings"), "Environment variables of the guest and their values."),
    "inherit-env": Key(
        either(FLAG, (bool,), _TEXTS), "Names of our environment variables that the guest gets; true: all of them."
    ),
    "args": Key(list_of(ANY_TEXT, "a list of strings"), "Arguments of the guest; the first is its program name."),
    "dirs": Key(
        table_of(TEXT, "a table of strings"),
        "Folders that the guest may read: host folder, relative to this file, and its path in the guest.",
    ),
    "writable": Key(FLAG, "The guest may write those folders, too; such a target is always built."),
    "file-times": Key(one_of(*FILE_TIMES), "Times of files that the guest sees: the clock's, or their own."),
    "stdin": Key(TEXT, "File, relative to this one, that the guest reads as standard input."),
    "clock": Key(
        matching('"epoch:SECONDS" or "host"', "host|epoch:[0-9]{1,20}"),
        "Where the guest's clock stands, or the system's clocks. Default: $SOURCE_DATE_EPOCH, or epoch:0.",
    ),
    "random": Key(
        matching('"seed:N", "deny" or "host"', "deny|host|seed:-?[0-9]{1,20}"),
        "Random numbers: a seeded stream, none (asking for some fails the build), or the system's.",
    ),
    "wasi": Key(FLAG, "false: a call of any function of WASI fails the build."),
    "quiet": Key(FLAG, "Drop what the guest prints."),
    "max-output": Key(SIZE, "Most that the guest may print."),
}

BUDGETS = {
    "max-size": Key(SIZE, "Most bytes that the output may have."),
    "max-gzip": Key(SIZE, "Most bytes that it may have compressed (gzip -6)."),
    "max-segments": Key(COUNT, "Most data segments that it may have."),
    "max-memory-pages": Key(COUNT, "Most pages of 64 KiB that its memories may have at the start."),
}

VERIFY = {
    "call": Key(_TEXTS, "Exports that are called in both, NAME or NAME(1,2)."),
    "call-all": Key(FLAG, "Call every export that takes nothing but numbers."),
    "seed": Key(COUNT, "What the arguments of these calls come from."),
    "run": Key(FLAG, "Call _start: compare what a command prints and its exit code."),
    "call-timeout": Key(SECONDS, "Seconds after which a call is stopped."),
}

#: What both a target and the defaults may say.
COMMON = {
    "input": Key(TEXT, "The module, a binary or text file; relative to this file, as all paths."),
    "init": Key(
        either(_CALL, (str,), list_of(_CALL, "a list of strings")),
        "Exports to run, in order, NAME(1,2) with numbers, NAME(@FILE)? with the bytes of a file, as build's -f; "
        '"auto": the usual names (default); "none": only the start function and _initialize.',
    ),
    "renames": Key(
        table_of(TEXT, "a table of strings"), "Exports of the output with a new name: DESTINATION = SOURCE."
    ),
    "keep-init-func": Key(one_of(False, True, "noop"), "Keep the exports that were run; noop: as empty functions."),
    "imports": Key(one_of(*IMPORTS), "What becomes of imported memories, tables and globals."),
    "import-globals": Key(table_of(NUMBER, "a table of numbers"), "Values of imported globals: MODULE.NAME = VALUE."),
    "preloads": Key(
        table_of(TEXT, "a table of strings"), "Modules that provide imports while the initializer runs: NAME = FILE."
    ),
    "stubs": Key(
        table_of(TEXT, "a table of strings"), "What imported functions do: MODULE.NAME = trap, zero or an errno."
    ),
    "layout": Key(one_of(*LAYOUTS), "How memory is cut into segments."),
    "engine": Key(one_of(*ENGINES), "Compile the whole module, or each function when it is called."),
    "compiler": Key(one_of(*COMPILERS), "The engine's compiler."),
    "cache": Key(FLAG, "Keep compiled code for the next build of the same module."),
    "timeout": Key(SECONDS, "Seconds after which the build is given up."),
    "max-memory": Key(SIZE, "Most bytes that a memory of the guest may have."),
    "audit": Key(FLAG, "Run the initializer again in other worlds, and say what depends on them."),
    "scrub-stack": Key(FLAG, "Zero what returned calls left on the stack."),
    "strict": Key(FLAG, "Warnings are errors."),
    "host": Key(table(HOST, "a table"), "What the guest sees of the world while it initializes."),
    "verify": Key(
        either(FLAG, (bool,), table(VERIFY, "a table")),
        "Run the initializer again and compare with an instance of the output; in a table, what to call in both.",
    ),
    "budgets": Key(table(BUDGETS, "a table"), "Limits of the output; a build whose output exceeds one fails."),
}

TARGET = {
    **COMMON,
    "output": Key(_FILE, "Where the module is written that starts where the initializer ended."),
    "report": Key(_FILE, "Where a JSON report of the build is written."),
}
DEFAULTS = table(COMMON, "a table")
TARGETS = table(TARGET, "a table")
