"""What earlier builds learnt about the core modules of a component."""

from __future__ import annotations

from ...engine.ondemand.suitability import worthwhile
from ...engine.profile import Profile
from ...engine.room import has_limit
from ...engine.runtime import Deadline, Pending
from ...options import Options
from ..plan.job import interruptible
from ..run.profiles import ProfileStore
from .source import ComponentSource


class Stores:
    """Where the profile of each module is kept, by where it begins."""

    def __init__(self, source: ComponentSource, options: Options) -> None:
        self._source = source
        self._options = options
        self._made: dict[int, ProfileStore] = {}
        self._ahead: Pending[dict[int, Profile | None]] | None = None
        self._known: dict[int, Profile | None] = {}

    def __getitem__(self, start: int) -> ProfileStore:
        if start not in self._made:
            module, options = self._source.parts[start].module, self._options
            self._made[start] = ProfileStore(module, options, interruptible(options), linked=True)
        return self._made[start]

    def read_ahead(self, deadline: Deadline) -> None:
        """Begins to read what will be asked for, outside of Python's lock for the most part: megabytes are hashed."""
        if not self._options.cache or self._options.engine == "whole" or has_limit():  # a thread takes address space
            return
        starts = [start for start, part in self._source.parts.items() if worthwhile(part.module)]
        if starts:
            self._ahead = deadline.start(lambda: {start: self[start].read() for start in starts})

    def read(self, start: int) -> Profile | None:
        """What is known about a module, None if nothing is."""
        if self._ahead is not None:
            self._known, self._ahead = self._ahead.result(), None
        return self._known.pop(start) if start in self._known else self[start].read()
