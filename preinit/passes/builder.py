"""One module, many snapshots: what does not differ between builds is done once."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..options import Host, Options
from ..options.calls import Call
from .observer import Observer
from .parse.source import Wasm, check_again, read_source
from .pipeline import build_source, deadline_of
from .run import KeptInMemory
from .validate.validity import Validity

if TYPE_CHECKING:
    from ..result import Result

#: What the engine compiles depends on these, so they are the builder's.
FIXED = ("preloads", "engine", "compiler", "cache", "cache_dir", "process_ends", "imports", "stubs")
#: Names under which `build` takes an option besides its own.
_ALIASES = {"init": "init_funcs"}


class Builder:
    """A module that is parsed, checked, instrumented and compiled once, for any number of snapshots.

        with preinit.Builder("engine.wasm") as builder:
            for path in Path("scripts").glob("*.js"):
                result = builder.build(
                    init=["initialize-runtime", preinit.Call("compile-src", path.read_bytes(), returns="result")]
                )
                path.with_suffix(".wasm").write_bytes(result.wasm)

    Each build runs the initializer in a fresh instance with a world of its own; the output has the same bytes as that
    of `preinit.build` with the same options. For any thread, and any number of threads at once.

    Parameters
    ----------
    wasm: a module's bytes, binary or text, or the path of a file that holds them.
    options: how to build; instead, its fields can be given by name.

    Raises what `preinit.build` raises about a module before it runs. What the engine says about it comes with the first
    `build`, which compiles it.
    """

    def __init__(self, wasm: Wasm, options: Options | None = None, **fields: Any) -> None:
        self._options = options = Options.given(options, fields)
        self._source = read_source(wasm, options, deadline_of(options, Observer()))
        self._kept = KeptInMemory(self._source.module, options)
        self._validity = Validity(self._source.module, options, many=True)
        self._lock = threading.Lock()
        self._running = 0
        self._closed = False

    def build(
        self,
        *,
        init: Sequence[str | Call] | None = None,
        stdin: bytes | None = None,
        env: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        args: Sequence[str] | None = None,
        dirs: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        observer: Observer | None = None,
        **changes: Any,
    ) -> Result:
        """A snapshot. What is not given is as in the builder's options.

        Parameters
        ----------
        init: exports to run, for `Options.init_funcs`.
        stdin, env, args, dirs: for the fields of `Host` of these names.
        observer: told how far the build is.
        changes: other fields of `Host` or `Options`, but for those that what is compiled depends on.

        Raises what `preinit.build` raises; the builder can be used after any of it. A time limit holds for each build.
        """
        given = {"init": init, "stdin": stdin, "env": env, "args": args, "dirs": dirs}
        changes.update((name, value) for name, value in given.items() if value is not None)
        options = changed(self._options, changes)
        with self._lock:
            if self._closed:
                raise UsageError("the builder is closed", hint="Build before its `with` ends.")
            self._running += 1
        try:
            observer = observer or Observer()
            deadline = deadline_of(options, observer)
            if options is not self._options:
                with observer.stage("plan"):
                    check_again(self._source, options)
            return build_source(self._source, options, deadline, observer, self._kept, self._validity)
        finally:
            with self._lock:
                self._running -= 1
            self._settle()

    def close(self) -> None:
        """Lets go of what was compiled, once builds that are under way have ended."""
        with self._lock:
            self._closed = True
        self._settle()

    def _settle(self) -> None:
        with self._lock:
            if not self._closed or self._running:
                return
        self._kept.close()

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()


def changed(options: Options, changes: Mapping[str, Any]) -> Options:
    """The options of a build with changes that are named as `Builder.build` names them. Raises `UsageError`."""
    changes = {_ALIASES.get(name, name): value for name, value in changes.items()}
    known = {**Options.__dataclass_fields__, **Host.__dataclass_fields__}
    for name in changes:
        if name in FIXED:
            raise UsageError(
                f"{name!r} is the same in all builds of a builder: what was compiled depends on it",
                hint="Give it to the Builder.",
            )
        if name not in known:
            names = [name for name in known if name not in FIXED]
            raise UsageError(f"there is no option {name!r} of a build", hint=f"One of {', '.join(names)}.")
    if changes.get("timeout") is not None and options.timeout is None:
        raise UsageError(
            "the builder has no time limit, so what it compiled can't be stopped",
            hint="Give the Builder a timeout, too; that of each build may be another one.",
        )
    if changes.get("init_funcs") and "start_only" not in changes:
        changes["start_only"] = False
    elif changes.get("start_only"):
        changes.setdefault("init_funcs", ())
    host = changes.pop("host", options.host)
    if not isinstance(host, Host):
        raise UsageError(f"host must be a Host, not {type(host).__name__}")
    of_host = {name: changes.pop(name) for name in list(changes) if name in Host.__dataclass_fields__}
    if of_host:
        host = dataclasses.replace(host, **of_host)
    return dataclasses.replace(options, host=host, **changes)
