"""One component, many snapshots: it is read and compiled once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...engine.runtime import Deadline
from ...options import Options
from ...result import Result
from ..observer import Observer
from ..plan.job import interruptible
from .build import build_component
from .choice import Way
from .run import Compiled
from .source import check_options, read_component_source
from .validity import Validities


class ManyOfComponent:
    """For any thread. Raises what reading a component raises."""

    def __init__(self, data: bytes, options: Options, deadline: Deadline) -> None:
        self._source = read_component_source(data, options, deadline)
        self._validities = Validities(self._source, options, many=True)
        self._compiled: dict[tuple[bool, Way], Compiled] = {}
        self._lock = threading.Lock()

    def build(self, options: Options, deadline: Deadline, observer: Observer) -> Result:
        """A snapshot. `options`: the same in what is compiled."""
        check_options(options)

        def once(way: Way, compile_it: Callable[[], Compiled]) -> Compiled:
            with self._lock:
                key = interruptible(options), way
                if key not in self._compiled:
                    self._compiled[key] = compile_it()
                return self._compiled[key]

        return build_component(self._source, options, deadline, observer, once, self._validities)

    def close(self) -> None:
        """Lets go of what was compiled."""
        self._compiled.clear()
