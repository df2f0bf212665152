"""One module, many snapshots: what does not differ between builds is done once."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..options import Options
from ..options.fields import changed_for_build, given
from ..options.words import for_python
from .observer import Listener, Observer
from .parse.source import Wasm, check_again, is_component, read_source, read_within
from .pipeline import build_source, deadline_of, with_python_hints
from .run.kept import KeptInMemory
from .validate.validity import Validity

if TYPE_CHECKING:
    from typing import Unpack

    from ..engine.runtime import Deadline
    from ..options.fields import Fields
    from ..result import Result
    from .component import ManyOfComponent


class ManyOfModule:
    """A core module that is read, checked and compiled once."""

    def __init__(self, data: bytes, options: Options, deadline: Deadline) -> None:
        self._options = options
        self._source = read_source(data, options, deadline)
        self._kept = KeptInMemory(self._source.module, options)
        self._validity = Validity(self._source.module, options, many=True)

    def build(self, options: Options, deadline: Deadline, observer: Observer) -> Result:
        """A snapshot. `options`: the same in what is compiled."""
        if options is not self._options:
            with observer.stage("plan"):
                check_again(self._source, options)
        return build_source(self._source, options, deadline, observer, self._kept, self._validity)

    def close(self) -> None:
        """Lets go of what was compiled."""
        self._kept.close()


class Prepared:
    """What a `Builder` does, with messages in the words of the command line."""

    def __init__(self, wasm: Wasm, options: Options) -> None:
        self.options = options
        deadline = deadline_of(options, Observer())
        data = read_within(wasm, deadline)
        self._many: ManyOfModule | ManyOfComponent | None  # None once it is closed and nothing runs
        if is_component(data):
            from .component import ManyOfComponent

            self._many = ManyOfComponent(data, options, deadline)
        else:
            self._many = ManyOfModule(data, options, deadline)
        self._lock = threading.Lock()
        self._running = 0
        self._closed = False

    def build(self, options: Options, observer: Observer) -> Result:
        """A snapshot. `options`: the same as the builder's in what is compiled, see `changed_for_build`."""
        with self._lock:
            many = self._many
            if self._closed or many is None:
                raise UsageError("the builder is closed", hint="Build before its `with` ends.")
            self._running += 1
        try:
            return many.build(options, deadline_of(options, observer), observer)
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
            many, self._many = self._many, None  # with the files from which it is mapped
        if many is not None:
            many.close()


class Builder:
    """A module that is parsed, checked, instrumented and compiled once, for any number of snapshots.

        with preinit.Builder("engine.wasm") as builder:
            for path in Path("scripts").glob("*.js"):
                result = builder.build(
                    init_funcs=["initialize-runtime", preinit.Call("compile-src", path.read_bytes(), returns="result")]
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

    def __init__(self, wasm: Wasm, options: Options | None = None, **fields: Unpack[Fields]) -> None:
        with for_python():
            self._prepared = Prepared(wasm, given(options, fields))

    def build(self, *, progress: Listener | None = None, **changes: Unpack[Fields]) -> Result:
        """A snapshot. What is not given is as in the builder's options.

        Parameters
        ----------
        progress: called with each `Event`: a stage begins or ends, something was found out.
        changes: fields of `Options` or `Host`, but for those that what is compiled depends on.

        Raises what `preinit.build` raises; the builder can be used after any of it. A time limit holds for each build.
        """
        prepared = self._prepared
        with for_python():
            options = changed_for_build(prepared.options, changes)
            return with_python_hints(prepared.build(options, Observer(progress)))

    def close(self) -> None:
        """Lets go of what was compiled, once builds that are under way have ended."""
        self._prepared.close()

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()
