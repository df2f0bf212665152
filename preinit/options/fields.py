"""Options by name, as callers of the library give them: fields of `Options` and of `Host` side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..records import defaults_of, replaced
from .build import Options
from .declared import declared
from .host import Host

if TYPE_CHECKING:
    from typing import TypedDict

    from .build import Compiler, Engine, Imports, KeepInitFunc, Late, Layout, Preload
    from .calls import Call
    from .host import FileTimes, Folders, Pairs, Sink

    class Fields(TypedDict, total=False):
        """All of them, so that a type checker finds one that is misspelled. A test holds them against the classes."""

        init_funcs: Sequence[str | Call] | None
        pause_at: str | None
        reopen: bool
        replay_output: bool
        preloads: Mapping[str, Preload] | Sequence[tuple[str, Preload]]
        stubs: Mapping[str, str] | Sequence[tuple[str, str]]
        import_globals: Mapping[str, str | int | float] | Sequence[tuple[str, str | int | float]]
        allocator: str | None
        rename_funcs: (
            Mapping[str, str] | Mapping[str, Call] | Mapping[str, str | Call] | Sequence[tuple[str, str | Call]]
        )
        keep_init_func: KeepInitFunc
        late: Sequence[Late] | None
        late_room: int | str | None
        imports: Imports
        layout: Layout
        scrub_stack: bool
        host: Host
        engine: Engine
        compiler: Compiler
        cache: bool
        cache_dir: str | os.PathLike[str] | None
        timeout: float | None
        max_memory: int | str
        audit: bool
        strict: bool
        accept: Sequence[str]
        max_size: int | str | None
        max_gzip: int | str | None
        max_segments: int | None
        max_memory_pages: int | None
        measure_gzip: bool
        digest_files: bool
        digest_modules: bool
        env: Pairs
        args: Sequence[str]
        dirs: Folders
        late_dirs: Sequence[str]
        writable: bool
        file_times: FileTimes
        stdin: bytes
        clock: int | str
        clock_pace: int
        random: str
        wasi: bool
        quiet_guest: bool
        max_guest_output: int | str
        functions: Mapping[str, Callable[..., Any]] | Sequence[tuple[str, Callable[..., Any]]]
        public_env: Sequence[str]
        stdout: Sink | None
        stderr: Sink | None


def given(options: Options | None, fields: Mapping[str, Any]) -> Options:
    """What a caller gave: options, or fields by name. Raises `UsageError` for both, another type, an unknown name."""
    if options is None:
        return changed(Options(), fields)
    if not isinstance(options, Options):
        raise UsageError(f"options must be Options, not {type(options).__name__}")
    if fields:
        raise UsageError(f"options were given, and {next(iter(fields))!r} too", hint="Put all into Options.")
    return options


def changed(options: Options, changes: Mapping[str, Any]) -> Options:
    """The options with other values for some fields, of the host too. Raises `UsageError`."""
    of_options, of_hosts = defaults_of(Options), defaults_of(Host)
    known = {**of_options, **of_hosts}
    unknown = next((name for name in changes if name not in known), None)
    if unknown is not None:
        raise UsageError(f"there is no option {unknown!r}", hint=f"One of {', '.join(public_names())}.")
    own = {name: value for name, value in changes.items() if name in of_options}
    of_host = {name: value for name, value in changes.items() if name in of_hosts}
    if of_host:
        host = own.get("host", options.host)
        if not isinstance(host, Host):
            raise UsageError(f"host must be a Host, not {type(host).__name__}")
        own["host"] = replaced(host, **of_host)
    return replaced(options, **own) if own else options


def public_names() -> list[str]:
    """The names of all options that callers may give."""
    names = (*defaults_of(Options), *defaults_of(Host))
    return [name for name in names if not name.startswith("_")]


def changed_for_build(options: Options, changes: Mapping[str, Any]) -> Options:
    """The options of one build of a Builder. Raises `UsageError` for what is the same in all of them."""
    fixed = [option.name for option in declared(Options) if option.compiled]
    for name in changes:
        if name in fixed:
            raise UsageError(
                f"{name!r} is the same in all builds of a builder: what was compiled depends on it",
                hint="Give it to the Builder.",
            )
    if changes.get("timeout") is not None and options.timeout is None:
        raise UsageError(
            "the builder has no time limit, so what it compiled can't be stopped",
            hint="Give the Builder a timeout, too; that of each build may be another one.",
        )
    return changed(options, changes)
