"""How to build: everything that a build depends on, besides the module and preinit's version."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..errors import UsageError, quoted
from .accepted import accepted_kind
from .calls import Call, initializers, renamings
from .declared import Effect, Option
from .hints import option
from .host import Host
from .kinds import COUNT, FLAG, SECONDS, SIZE, Kind, one_of, optional, unfit
from .lists import anchored_path, items, name_kind, pairs, words
from .pause import PAUSE, PausePoint, pause_point
from .settings import Settings, settings
from .texts import figure, name_text, path_or_data, path_text, read_number

Layout = Literal["balanced", "size", "wizer", "gzip", "few", "start"]
LAYOUTS: tuple[Layout, ...] = ("balanced", "size", "wizer", "gzip", "few", "start")

Engine = Literal["auto", "whole", "ondemand"]
ENGINES: tuple[Engine, ...] = ("auto", "whole", "ondemand")

Compiler = Literal["auto", "winch", "cranelift"]
COMPILERS: tuple[Compiler, ...] = ("auto", "winch", "cranelift")

Imports = Literal["keep", "define", "restore"]
IMPORTS: tuple[Imports, ...] = ("keep", "define", "restore")

KeepInitFunc = bool | Literal["noop"]

#: What an instance may bring itself: its environment, its arguments.
Late = Literal["env", "args"]
LATE: tuple[Late, ...] = ("env", "args")

#: Export names that are run when none is given, in this order.
DEFAULT_INITIALIZERS = ("wizer-initialize", "wizer.initialize", "preinit_initialize")

#: Bytes that the memories of a guest may have together: all that a 32-bit memory can address.
DEFAULT_MAX_MEMORY = 4 << 30

#: Bytes of room for an instance's environment, or arguments.
SMALLEST_ROOM, LARGEST_ROOM = 256, 256 << 20

_RUN = "What is run"
_OUTSIDE = "What it needs from outside"
_WRITTEN = "What is written"
_COMPILED = "How it is compiled, and limits"
_CHECKS = "Checks, budgets and reports"

#: What to leave out, by why a run can't be made twice: see `Host.irreversible`.
_WITHOUT = {
    "writes-files": "Leave out `--writable`.",
    "own-clock": "Leave out `--clock host`.",
    "python-functions": "Leave out `functions`: a stub (--stub), or a module that is preloaded (--preload), can answer "
    "those imports.",
    "own-random": "Leave out `--random host`.",
}

#: A module's bytes, or the path of its file.
Preload = bytes | str | os.PathLike[str]

_PRELOADS = pairs(
    name_text, path_or_data, "NAME=FILE", "env=library.wasm",
    resolve=lambda value, files: tuple((name, files.module(file)) for name, file in items(value)),
)._replace(anchor=lambda value, folder: {name: anchored_path(file, folder) for name, file in items(value)})  # fmt: skip


def _host() -> Kind:
    def check(name: str, value: Any) -> Host:
        if not isinstance(value, Host):
            raise unfit(name, "a Host", value)
        return value

    return FLAG._replace(wanted="a Host", check=check)


def _imports() -> Kind:
    kind = one_of(*IMPORTS)

    def check(option: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            raise unfit(option, "a word", value, "Functions that provide imports are given as `functions`.")
        return kind.check(option, value)

    return kind._replace(check=check)


@settings
class Options(Settings):
    """How to build. Lists are taken for tuples, mappings for pairs. Raises `UsageError` for what does not fit.

    Parameters
    ----------
    init_funcs: exports to run, in order; `NAME(1,2)` passes numbers, a `Call` data too. None: the first of
        `DEFAULT_INITIALIZERS` that the module has. Empty: only the start function and `_initialize`.
    pause_at: pause the program in the middle, and write a module whose export of the same name goes on from there:
        "stdin", before standard input is read for the first time; "import:MODULE.NAME#N", before the N-th call of an
        import (without #N, the first); "function:NAME#N", where a function of the module (a name of its name section or
        an export, or an index) is entered; "path:PATH", before the first call that names that path of the guest. With
        it, `_start` is run unless `init_funcs` says otherwise.
    reopen: files that are open at the pause are opened again when the output goes on; without it, they are refused.
    replay_output: the output prints what the program had printed before the pause, when it goes on.
    allocator: the export that makes room for data that functions are given, where it is none of the usual ones: it
        takes a size; a size and an alignment; or what `cabi_realloc` takes.
    rename_funcs: destination -> source, or such pairs: the export `source` becomes `destination`, or several of them.
        Where `source` is a call, as for `init_funcs`, the output gets a function `destination` that does this call.
    keep_init_func: keep the exports that were run; "noop": keep them, but as functions that do nothing and return what
        the run returned (null for a reference), for a host that calls them.
    late: what each instance brings itself when it starts, in place of what libc kept while it was built: "env", its
        environment; "args", its arguments, as many as were given to the build. None: both of a paused program, where
        that can be; else nothing. On the command line, "none" is an empty list.
    late_room: bytes of room that the guest makes for each of them, in addition to what the build gives it: at least
        256, at most 256 MiB. None: 128 KiB for the environment, 16 KiB for the arguments. An instance that brings more
        ends with a message.
    imports: what becomes of imported memories, tables and globals. "keep": they stay imports, and whoever instantiates
        the output passes fresh ones, as for the input; "define": they become the output's own, exported under the
        names that they were imported by; "restore": they stay imports, and a start function fills them, whatever they
        hold.
    import_globals: `MODULE.NAME` -> number, or such pairs: values of imported globals at build time. A number, or text
        for one that Python's can't be: "0x7fa00001", "-nan".
    preloads: NAME -> module, or such pairs, a module as bytes or a path: what it exports is what the guest imports from
        NAME. Its own state is not captured: the output's host must provide the same.
    stubs: `MODULE.NAME` -> what an imported function does at build time, or such pairs. "trap" fails the build with the
        import's name (as without a stub), "zero" returns zeros and null, a number that (several, with commas, for
        several results), a name of a WASI errno that errno. `MODULE.*`: all functions of a module; a longer name wins.
    layout: how memory is cut into data segments: for size and start-up time ("balanced"), smallest file ("size"),
        of about the size that wizer gives it ("wizer"), smallest when compressed ("gzip"), "few" segments;
        "start" as "balanced", and with the zeros that let wasmtime map data instead of copying it at each start.
    scrub_stack: zero what calls that have returned left on the stack; only where LLVM's stack-first layout is proven.
    host: what the guest sees.

    How it is run; nothing of that changes the output:

    engine: compile the "whole" module before it runs, or each function "ondemand", when it is called; "auto" chooses.
        A module that can't be compiled on demand is compiled as a whole: the report says why.
    compiler: which of the engine's compilers; "auto" is the fast one where it can.
    cache: keep compiled code for the next build of the same module.
    cache_dir: the folder for compiled code; None for the user's cache folder.
    timeout: seconds for the whole build, None for no limit.
    max_memory: bytes that all memories may have together. All tables may have a million elements together.

    What is accepted, and what is reported:

    strict: a build with warnings fails, with all of them.
    accept: warnings with which it does not fail: the code of one; or, for one about what the guest asked for,
        CODE@FUNCTION: then each of the calls that it is about must come from that function, or from what it calls.
    audit: run the initializer again with other entropy, another clock and another environment, and report what differs.
    max_size: bytes that the output may have, None for no limit. A build whose output has more fails: `BudgetExceeded`.
    max_gzip: bytes that it may have compressed with gzip (level 6).
    max_segments: data segments that it may have.
    max_memory_pages: pages of 64 KiB that all its memories may have at the start.
    measure_gzip: put compressed sizes into the report, which takes a second for a module of 20 MB.
    digest_files: put the SHA-256 of each file that the guest read into the report, which takes a second for each GB.
    digest_modules: put the SHA-256 of the module and of the output into the report; without it, they are empty there.
    """

    init_funcs: Option[Sequence[str | Call] | None, tuple[str | Call, ...] | None] = Option(
        None, initializers(), Effect.OUTPUT,
        "Export to run.",
        heading=_RUN, flag="--init-func", short="-f", metavar="NAME[(ARG,..)]",
        otherwise="usual names",
    )  # fmt: skip
    pause_at: Option[str | None, str | None] = Option(
        None, PAUSE, Effect.OUTPUT,
        "Pause: stdin, path:P, import:I, function:F.",
        heading=_RUN, metavar="WHERE", compiled=True,
    )  # fmt: skip
    reopen: Option[bool, bool] = Option(
        False, FLAG, Effect.OUTPUT, "Going on, open again what was open.", heading=_RUN,
    )  # fmt: skip
    replay_output: Option[bool, bool] = Option(
        False, FLAG, Effect.OUTPUT, "Going on, print again what it printed.", heading=_RUN,
    )  # fmt: skip
    preloads: Option[Mapping[str, Preload] | Sequence[tuple[str, Preload]], tuple[tuple[str, bytes | str], ...]] = (
        Option(
            (), _PRELOADS, Effect.OUTPUT,
            "Module that provides the imports from NAME.",
            heading=_OUTSIDE, flag="--preload", metavar="NAME=FILE", compiled=True,
        )
    )  # fmt: skip
    stubs: Option[Mapping[str, str] | Sequence[tuple[str, str]], tuple[tuple[str, str], ...]] = Option(
        (), pairs(name_text, name_text, "MODULE.NAME=trap|zero|NUMBER|ERRNO", "env.log=zero", last=True), Effect.OUTPUT,
        "What an import does: trap, zero, N or ERRNO.",
        heading=_OUTSIDE, flag="--stub", metavar="MODULE.NAME=WHAT", compiled=True,
    )  # fmt: skip
    import_globals: Option[
        Mapping[str, str | int | float] | Sequence[tuple[str, str | int | float]], tuple[tuple[str, str], ...]
    ] = Option(
        (),
        pairs(
            name_text, figure, "MODULE.NAME=VALUE", "env.base=1024", last=True, read=read_number,
            values={"type": ["number", "string"]}, wanted="a table of numbers",
        ),
        Effect.OUTPUT, "Value of an imported global at build time.",
        heading=_OUTSIDE, flag="--import-global", metavar="MODULE.NAME=N",
    )  # fmt: skip
    allocator: Option[str | None, str | None] = Option(
        None, optional(name_kind()), Effect.OUTPUT, "Export that allocates memory.",
        heading=_RUN, metavar="NAME",
    )  # fmt: skip
    rename_funcs: Option[
        Mapping[str, str] | Mapping[str, Call] | Mapping[str, str | Call] | Sequence[tuple[str, str | Call]],
        tuple[tuple[str, str | Call], ...],
    ] = Option(
        (), renamings(), Effect.OUTPUT,
        "Export SRC, or a call of it, as DST.",
        heading=_WRITTEN, flag="--rename-func", short="-r", metavar="DST=SRC",
    )  # fmt: skip
    keep_init_func: Option[KeepInitFunc, KeepInitFunc] = Option(
        False, one_of(False, True, "noop"), Effect.OUTPUT,
        "Keep what was run; noop: does nothing.",
        heading=_WRITTEN, metavar="[=BOOL|noop]",
    )  # fmt: skip
    late: Option[Sequence[Late] | None, tuple[Late, ...] | None] = Option(
        None, optional(words(*LATE)), Effect.OUTPUT,
        "What each instance brings itself.",
        heading=_WRITTEN, metavar="env,args",
    )  # fmt: skip
    late_room: Option[int | str | None, int | None] = Option(
        None, optional(SIZE), Effect.OUTPUT,
        "Room for each: env 128KiB, args 16KiB.",
        heading=_WRITTEN, metavar="SIZE",
    )  # fmt: skip
    imports: Option[Imports, Imports] = Option(
        "keep", _imports(), Effect.OUTPUT,
        "Imported state: fresh, the output's own, or filled.",
        heading=_WRITTEN, compiled=True,
    )  # fmt: skip
    layout: Option[Layout, Layout] = Option(
        "balanced", one_of(*LAYOUTS), Effect.OUTPUT,
        "How memory is cut into data segments.",
        heading=_WRITTEN,
    )  # fmt: skip
    scrub_stack: Option[bool, bool] = Option(
        False, FLAG, Effect.OUTPUT, "Zero what returned calls left on the stack.",
        heading=_WRITTEN,
    )  # fmt: skip
    host: Option[Host, Host] = Option(Host(), _host(), Effect.OUTPUT)
    engine: Option[Engine, Engine] = Option(
        "auto", one_of(*ENGINES), Effect.ENGINE,
        "Compile the whole module, or what is called.",
        heading=_COMPILED, compiled=True,
    )  # fmt: skip
    compiler: Option[Compiler, Compiler] = Option(
        "auto", one_of(*COMPILERS), Effect.ENGINE,
        "The engine's compiler.",
        heading=_COMPILED, compiled=True,
    )  # fmt: skip
    cache: Option[bool, bool] = Option(
        True, FLAG, Effect.PROCESS, "Keep compiled code for the next build.",
        heading=_COMPILED, compiled=True,
    )  # fmt: skip
    cache_dir: Option[str | os.PathLike[str] | None, str | None] = Option(
        None, FLAG._replace(check=lambda name, value: None if value is None else path_text(name, value)),
        Effect.PROCESS, compiled=True,
    )  # fmt: skip
    timeout: Option[float | None, float | None] = Option(
        None, optional(SECONDS), Effect.PROCESS, "Stop the build after that many seconds.",
        heading=_COMPILED, short="-t", metavar="SECONDS",
    )  # fmt: skip
    max_memory: Option[int | str, int] = Option(
        DEFAULT_MAX_MEMORY, SIZE, Effect.LIMIT, "Limit for all memories.",
        heading=_COMPILED, metavar="SIZE", otherwise="4GiB",
    )  # fmt: skip
    audit: Option[bool, bool] = Option(
        False, FLAG, Effect.VERDICT,
        "Run again in other worlds, and compare.", heading=_CHECKS,
    )  # fmt: skip
    strict: Option[bool, bool] = Option(False, FLAG, Effect.VERDICT, "Warnings are errors.", heading=_CHECKS)
    accept: Option[Sequence[str], tuple[str, ...]] = Option(
        (), accepted_kind(), Effect.VERDICT, "Warning that a strict build lets pass.",
        heading=_CHECKS, metavar="WARNING[@FUNCTION]",
    )  # fmt: skip
    max_size: Option[int | str | None, int | None] = Option(
        None, optional(SIZE), Effect.VERDICT, "Most bytes that the output may have.", heading=_CHECKS, metavar="SIZE"
    )
    max_gzip: Option[int | str | None, int | None] = Option(
        None, optional(SIZE), Effect.VERDICT, "Most bytes that it may have with gzip -6.",
        heading=_CHECKS, metavar="SIZE",
    )  # fmt: skip
    max_segments: Option[int | None, int | None] = Option(
        None, optional(COUNT), Effect.VERDICT, "Most data segments that it may have.", heading=_CHECKS, metavar="N"
    )
    max_memory_pages: Option[int | None, int | None] = Option(
        None, optional(COUNT), Effect.VERDICT, "Most pages of 64 KiB at the start.",
        heading=_CHECKS, metavar="N",
    )  # fmt: skip
    measure_gzip: Option[bool, bool] = Option(False, FLAG, Effect.REPORT)
    digest_files: Option[bool, bool] = Option(True, FLAG, Effect.REPORT)
    digest_modules: Option[bool, bool] = Option(True, FLAG, Effect.REPORT)
    #: The command ends its process after a `TimeLimit`, so the guest need not be stopped: code that can be stopped
    #: compiles in 1.8 times the time. Nobody else should say so.
    _process_ends: Option[bool, bool] = Option(False, FLAG, Effect.PROCESS, compiled=True)

    def __post_init__(self) -> None:
        self._check_unique()
        host = self.host
        if self.audit and (host.has_own_clock or host.random == "host"):
            raise UsageError(
                "an audit needs a clock and random numbers that it can change: with the system's, every run differs",
                hint="Audit a build without `--clock host` and `--random host`.",
            )
        guest_paths = [*(guest for _, guest in host.dirs), *(guest for guest, _ in host.late_folders)]
        guest_paths = [path.rstrip("/") or "/" for path in guest_paths]
        twice = next((path for path in guest_paths if guest_paths.count(path) > 1), None) if host.late_dirs else None
        if twice is not None:
            raise UsageError(
                f"the guest has two folders {quoted(twice)}, and would look into the first one",
                hint="Give that one once, with `--dir` or with `--late-dir`.",
            )
        if self.late_room is not None and not SMALLEST_ROOM <= self.late_room <= LARGEST_ROOM:
            raise UsageError(
                f"late_room can't be {self.late_room:,} bytes: at least {SMALLEST_ROOM}, at most "
                f"{LARGEST_ROOM >> 20} MiB",
                hint=f"Leave it out, or give a size in between: {option('--late-room', '1MiB')}",
            )
        if self.late and host.writable and host.dirs:
            raise UsageError(
                "what an instance brings itself is found by running the initializer twice, and it may write files each "
                "time",
                hint="Build without `--writable`.",
            )
        if self.audit and host.writable and host.dirs:
            raise UsageError(
                "an audit runs the initializer several times, and it may write files each time",
                hint="Audit a build without `--writable`.",
            )

        if self.pause_at is not None:
            self._check_pause()
        elif self.reopen or self.replay_output:
            name = "--reopen" if self.reopen else "--replay-output"
            raise UsageError(
                f"`{name}` is about a program that is paused", hint="Say where it is paused: --pause-at stdin"
            )

    def _check_pause(self) -> None:
        reason = self.host.irreversible
        if reason:
            raise UsageError(
                f"a program that is paused runs twice, and {reason}",
                hint=_WITHOUT[reason.code],
            )
        if self.audit:
            raise UsageError(
                "an audit compares runs to the end of an initializer, and a paused program has not come to its end",
                hint="Leave out `--audit` or `--pause-at`.",
            )

    def _check_unique(self) -> None:
        for pairs_of, what, hint in (
            (self.preloads, "two modules are preloaded under one name", "Leave one of them out."),
            (self.stubs, "one import is stubbed twice", "Leave one of the stubs out."),
        ):
            if len({name for name, _ in pairs_of}) < len(pairs_of):
                raise UsageError(what, hint=hint)
        if len({destination for destination, _ in self.rename_funcs}) < len(self.rename_funcs):
            raise UsageError(
                "two exports would be renamed to one name: each can stand once as the destination of a renaming",
                hint="Leave one of the renamings out.",
            )

    @property
    def budgets(self) -> dict[str, int]:
        """The limits of the output that are set, by field."""
        return {name: limit for name in BUDGETS if (limit := getattr(self, name)) is not None}

    @property
    def wants_late(self) -> tuple[Late, ...]:
        """What an instance is to bring itself."""
        if self.late is None:
            return LATE if self.pause_at is not None and self.host.wasi else ()
        return self.late

    @property
    def says_late(self) -> bool:
        """Whether an output says what its instances bring themselves."""
        return bool(self.wants_late or self.host.late_dirs)

    @property
    def pause(self) -> PausePoint | None:
        """Where to pause; None for the end of the initializer."""
        return None if self.pause_at is None else pause_point(self.pause_at)

    @property
    def process_ends(self) -> bool:
        """Whether the process ends after this build."""
        return self._process_ends


#: The fields of `Options` that limit the output.
BUDGETS = ("max_size", "max_gzip", "max_segments", "max_memory_pages")
