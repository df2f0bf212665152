"""What earlier builds learnt about the core modules of a component."""

from __future__ import annotations

from ...engine.ondemand.suitability import worthwhile
from ...engine.profile import Profile
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
        self._pending: dict[int, Pending[Profile | None]] = {}

    def __getitem__(self, start: int) -> ProfileStore:
        if start not in self._made:
            module, options = self._source.parts[start].module, self._options
            self._made[start] = ProfileStore(module, options, interruptible(options), linked=True)
        return self._made[start]

    def read_ahead(self, deadline: Deadline) -> None:
        """Begins to read what will be asked for, outside of Python's lock for the most part: megabytes are hashed."""
        if self._options.cache and self._options.engine != "whole":
            for start, part in self._source.parts.items():
                if worthwhile(part.module):
                    self._pending[start] = deadline.start(self[start].read)

    def read(self, start: int) -> Profile | None:
        """What is known about a module, None if nothing is."""
        pending = self._pending.pop(start, None)
        return pending.result() if pending else self[start].read()
