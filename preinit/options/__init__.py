"""Everything that a build depends on, besides the module and preinit's version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import UsageError, printable
from . import checks
from .calls import Call

Layout = Literal["balanced", "size", "gzip", "few"]
LAYOUTS: tuple[Layout, ...] = ("balanced", "size", "gzip", "few")

Engine = Literal["auto", "whole", "ondemand"]
ENGINES: tuple[Engine, ...] = ("auto", "whole", "ondemand")

Compiler = Literal["auto", "winch", "cranelift"]
COMPILERS: tuple[Compiler, ...] = ("auto", "winch", "cranelift")

Imports = Literal["keep", "define", "restore"]
IMPORTS: tuple[Imports, ...] = ("keep", "define", "restore")

#: Where random numbers come from: a seeded stream, nowhere (a call fails the build), the system.
Random = Literal["seed", "deny", "host"]
RANDOM: tuple[Random, ...] = ("seed", "deny", "host")

#: What times of files a guest sees: the clock's, or the host's.
FileTimes = Literal["fixed", "host"]
FILE_TIMES: tuple[FileTimes, ...] = ("fixed", "host")

#: Seconds that a clock can stand at: what fits in 63 bits as nanoseconds.
LATEST_SECOND = ((1 << 63) - 1) // 10**9

KeepInitFunc = bool | Literal["noop"]

#: Export names that are run when none is given, in this order.
DEFAULT_INITIALIZERS = ("wizer-initialize", "wizer.initialize", "preinit_initialize")

#: Bytes that the memories of a guest may have together: all that a 32-bit memory can address.
DEFAULT_MAX_MEMORY = 4 << 30

#: Bytes that a guest may print.
DEFAULT_MAX_OUTPUT = 64 << 20

#: The fields of `Options` that limit the output.
BUDGETS = ("max_size", "max_gzip", "max_segments", "max_memory_pages")


@dataclass(frozen=True)
class Host:
    """What the guest sees of the world while it initializes. The defaults are hermetic: nothing.

    Parameters
    ----------
    env: environment variables; `(name, value)` pairs or a dict.
    args: the argument vector, the program's name first.
    dirs: `(host folder, guest path)` pairs or a dict; the guest can read them, not write, unless they are `writable`.
    stdin: what the guest can read from standard input.
    seed: seeds the stream that the guest's random numbers come from.
    quiet: drop the guest's output instead of passing it to the standard error.
    public_env: names of variables whose values may be in the output: no warning says that they are.
    clock: where the wall clock stands, in seconds since 1970; the other clocks move by a fixed step each time that they
        are read. "host": the clocks of the system.
    random: "seed": that stream; "deny": asking for random numbers fails the build; "host": those of the system.
    writable: the folders may be written, too. What an initializer did to them stays, even if the build fails.
    file_times: "fixed": all files have the time of the clock (0 with "host"); "host": their own.
    wasi: False: a call of any function of WASI fails the build.
    max_output: bytes that the guest may print; more fail the build.
    """

    env: tuple[tuple[str, str], ...] = ()
    args: tuple[str, ...] = ()
    dirs: tuple[tuple[str, str], ...] = ()
    stdin: bytes = b""
    seed: int = 0
    quiet: bool = False
    public_env: tuple[str, ...] = ()
    clock: int | Literal["host"] = 0
    random: Random = "seed"
    writable: bool = False
    file_times: FileTimes = "fixed"
    wasi: bool = True
    max_output: int = DEFAULT_MAX_OUTPUT

    def __post_init__(self) -> None:
        checks.normalize(self, _HOST)
        for name, _ in self.env:
            if not name or "=" in name:
                raise UsageError(f"'{printable(name)}' can't be the name of an environment variable")
        if self.clock != "host" and not 0 <= self.clock <= LATEST_SECOND:
            raise UsageError(
                f"the clock can't stand at {self.clock} seconds",
                hint=f"Give whole seconds since 1970, up to {LATEST_SECOND}.",
            )
        if self.max_output < 0:
            raise UsageError("the limit of the guest's output can't be negative")

    @property
    def time(self) -> int:
        """Where the wall clock stands, in nanoseconds; 0 where it moves."""
        return 0 if self.clock == "host" else self.clock * 10**9

    @property
    def irreversible(self) -> str | None:
        """Why a run can't be started again as if it had not been: on demand, it may turn out to be needed."""
        if self.writable and self.dirs:
            return "it may write files, which can't be taken back"
        if self.clock == "host":
            return "it may read the host's clock, which would show another time to a second run"
        if self.random == "host":
            return "it may take the host's random numbers, which would be others in a second run"
        return None


_HOST: dict[str, checks.Check] = {
    "env": checks.pairs(checks.string, checks.string),
    "args": checks.several(checks.string),
    "dirs": checks.pairs(checks.path, checks.string),
    "stdin": lambda option, value: bytes(checks.data(option, value)),
    "seed": checks.whole,
    "quiet": checks.flag,
    "public_env": checks.several(checks.string),
    "clock": checks.word_or(checks.whole, "host"),
    "random": checks.one_of(*RANDOM),
    "writable": checks.flag,
    "file_times": checks.one_of(*FILE_TIMES),
    "wasi": checks.flag,
    "max_output": checks.whole,
}


@dataclass(frozen=True)
class Options:
    """How to build. Lists are taken for tuples, dicts for pairs. Raises `UsageError` for what does not fit.

    Parameters
    ----------
    init_funcs: exports to run, in order; `NAME(1,2)` passes numbers, a `Call` data too. Empty: the first of
        `DEFAULT_INITIALIZERS` that the module has.
    start_only: run only the start function and `_initialize`.
    rename_funcs: `(destination, source)` pairs: the export `source` becomes `destination`.
    keep_init_func: keep the exports that were run; "noop": keep them, but as functions that do nothing and return what
        the run returned (null for a reference), for a host that calls them.
    imports: what becomes of imported memories, tables and globals. "keep": they stay imports, and whoever instantiates
        the output passes fresh ones, as for the input; "define": they become the output's own, exported under the
        names that they were imported by; "restore": they stay imports, and a start function fills them, whatever they
        hold.
    import_globals: `(MODULE.NAME, number)` pairs: values of imported globals at build time. A number, or text for one
        that Python's can't be: "0x7fa00001", "-nan".
    preloads: `(NAME, module)` pairs, a module as bytes or a path: what it exports is what the guest imports from NAME.
        Its own state is not captured: the output's host must provide the same.
    stubs: `(MODULE.NAME, what)` pairs: what an imported function does at build time. "trap" fails the build with the
        import's name (as without a stub), "zero" returns zeros and null, a name or number of a WASI errno returns that.
    layout: how memory is cut into data segments, see `rewrite.segments`.
    engine: compile the "whole" module before it runs, or each function "ondemand", when it is called; "auto" chooses.
        A module that can't be compiled on demand is compiled as a whole: the report says why.
    compiler: which of the engine's compilers; "auto" is the fast one where it can.
    cache: keep compiled code for the next build of the same module.
    cache_dir: where; None for the user's cache folder.
    timeout: seconds for the whole build, None for no limit.
    max_memory: bytes that all memories may have together. All tables may have a million elements together.
    host: what the guest sees.
    strict: a build with warnings fails, with all of them.
    process_ends: the caller ends its process after a `TimeLimit`, so the guest need not be stopped: code that can be
        stopped compiles in 1.8 times the time.
    audit: run the initializer again with other entropy, another clock and another environment, and report what differs.
    scrub_stack: zero what calls that have returned left on the stack; only where LLVM's stack-first layout is proven.
    measure_gzip: put compressed sizes into the report, which takes a second for a module of 20 MB.
    digest_files: put the SHA-256 of each file that the guest read into the report, which takes a second for each GB.
    max_size: bytes that the output may have, None for no limit. A build whose output has more fails: `BudgetExceeded`.
    max_gzip: bytes that it may have compressed with gzip (level 6).
    max_segments: data segments that it may have.
    max_memory_pages: pages of 64 KiB that all its memories may have at the start.
    """

    init_funcs: tuple[str | Call, ...] = ()
    start_only: bool = False
    rename_funcs: tuple[tuple[str, str], ...] = ()
    keep_init_func: KeepInitFunc = False
    imports: Imports = "keep"
    import_globals: tuple[tuple[str, str], ...] = ()
    preloads: tuple[tuple[str, bytes | str], ...] = ()
    stubs: tuple[tuple[str, str], ...] = ()
    layout: Layout = "balanced"
    engine: Engine = "auto"
    compiler: Compiler = "auto"
    cache: bool = True
    cache_dir: str | None = None
    timeout: float | None = None
    max_memory: int = DEFAULT_MAX_MEMORY
    host: Host = field(default_factory=Host)
    strict: bool = False
    process_ends: bool = False
    audit: bool = False
    scrub_stack: bool = False
    measure_gzip: bool = False
    digest_files: bool = True
    max_size: int | None = None
    max_gzip: int | None = None
    max_segments: int | None = None
    max_memory_pages: int | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Options:
        """Options from keyword arguments. Raises `UsageError` for an unknown name."""
        known = cls.__dataclass_fields__
        unknown = next((name for name in fields if name not in known), None)
        if unknown:
            raise UsageError(f"there is no option {unknown!r}", hint=f"One of {', '.join(known)}.")
        return cls(**fields)

    @classmethod
    def given(cls, options: Options | None, fields: Mapping[str, Any]) -> Options:
        """What a caller gave: options, or their fields by name. Raises `UsageError` for both, or another type."""
        if options is None:
            return cls.of(fields)
        if not isinstance(options, Options):
            raise UsageError(f"options must be Options, not {type(options).__name__}")
        if fields:
            raise UsageError(f"options were given, and {next(iter(fields))!r} too", hint="Put all into Options.")
        return options

    def __post_init__(self) -> None:
        checks.normalize(self, _OPTIONS)
        if self.start_only and self.init_funcs:
            raise UsageError("an initializer was named, and also that none is to be run")
        if len({name for name, _ in self.preloads}) < len(self.preloads):
            raise UsageError("two modules are preloaded under one name")
        if len({name for name, _ in self.stubs}) < len(self.stubs):
            raise UsageError("one import is stubbed twice", hint="Leave one of the stubs out.")
        if self.audit and ("host" in (self.host.clock, self.host.random)):
            raise UsageError(
                "an audit needs a clock and random numbers that it can change: with the system's, every run differs",
                hint="Audit a build without `--clock host` and `--random host`.",
            )
        if self.audit and self.host.writable and self.host.dirs:
            raise UsageError(
                "an audit runs the initializer several times, and it may write files each time",
                hint="Audit a build without `--writable`.",
            )
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError("the time limit must be more than 0 seconds", hint="Leave it out for no limit.")
        if self.max_memory < 0:
            raise UsageError("the memory limit can't be negative")
        if any(limit < 0 for limit in self.budgets.values()):
            raise UsageError("a budget can't be negative", hint="Leave it out for no limit.")
        destinations = [destination for destination, _ in self.rename_funcs]
        sources = [source for _, source in self.rename_funcs]
        if len(set(destinations)) < len(destinations) or len(set(sources)) < len(sources):
            raise UsageError(
                "each name can stand once as source and once as destination of a renaming",
                hint="Leave one of the renamings out.",
            )

    @property
    def budgets(self) -> dict[str, int]:
        """The limits of the output that are set, by field."""
        return {name: limit for name in BUDGETS if (limit := getattr(self, name)) is not None}


_OPTIONS: dict[str, checks.Check] = {
    "init_funcs": checks.several(
        lambda option, value: value if isinstance(value, Call) else checks.name(option, value)
    ),
    "start_only": checks.flag,
    "rename_funcs": checks.pairs(checks.name, checks.name),
    "keep_init_func": checks.one_of(False, True, "noop"),
    "imports": checks.one_of(*IMPORTS),
    "import_globals": checks.pairs(checks.name, checks.figure),
    "preloads": checks.pairs(checks.name, checks.path_or_data),
    "stubs": checks.pairs(checks.name, checks.name),
    "layout": checks.one_of(*LAYOUTS),
    "engine": checks.one_of(*ENGINES),
    "compiler": checks.one_of(*COMPILERS),
    "cache": checks.flag,
    "cache_dir": checks.optional(checks.path),
    "timeout": checks.optional(checks.number),
    "max_memory": checks.whole,
    "host": checks.instance(Host, "a Host"),
    "strict": checks.flag,
    "process_ends": checks.flag,
    "audit": checks.flag,
    "scrub_stack": checks.flag,
    "measure_gzip": checks.flag,
    "digest_files": checks.flag,
    **dict.fromkeys(BUDGETS, checks.optional(checks.whole)),
}
