"""Validating a component's core modules: those that are written, and those that stay as they are.

Of a module that is compiled on demand, nobody has looked at the functions that were not called.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...binary.digest import fingerprint
from ...engine import ffi
from ...engine.ondemand.suitability import worthwhile
from ...engine.runtime import Deadline
from ...errors import PreinitError
from ...files.cache import folder_of, has_entry, write_entry
from ...options import Options
from ...version import VERSION
from ..validate import Validity
from .source import ComponentSource, placed


class Validities:
    """What is known about outputs of each core module of a component, by where it begins. `many`: see `Validity`."""

    def __init__(self, source: ComponentSource, options: Options, many: bool = False) -> None:
        self._source = source
        self._options = options
        self._many = many
        self._made: dict[int, Validity] = {}

    def __getitem__(self, start: int) -> Validity:
        if start not in self._made:
            made = Validity(self._source.parts[start].module, self._options, self._many)
            self._made.setdefault(start, made)  # for any thread
        return self._made[start]

    def large(self) -> list[int]:
        """Where the modules begin whose validation takes long, so that it goes on beside the guest."""
        return [start for start, part in self._source.parts.items() if worthwhile(part.module)]

    def check_inputs(self, starts: Sequence[int], deadline: Deadline, parallel: bool = True) -> None:
        """Validates modules of the input. Raises one of `REFUSALS`, with the byte offset in the component.

        `parallel`: on all cores, where nothing else goes on. That small ones are valid is noted for other builds, for
        all of them together; of a large one, `Validity` does that.
        """
        small = [start for start in starts if not worthwhile(self._source.parts[start].module)]
        folder = folder_of(self._options.cache_dir) if self._options.cache and small else None
        name = self._name(small) if folder else ""
        if folder and has_entry(folder, "valid", name):
            starts, folder = [start for start in starts if start not in small], None
        self._check(starts, deadline, parallel)
        if folder:
            write_entry(folder, "valid", name)

    def _name(self, starts: Sequence[int]) -> str:
        digests = [fingerprint(self._source.parts[start].module.data).hex() for start in starts]
        return fingerprint("\n".join((VERSION, ffi.build(), "modules", *digests)).encode()).hex()

    def _check(self, starts: Iterable[int], deadline: Deadline, parallel: bool) -> None:
        for start in starts:
            deadline.check_time()
            try:
                self[start].check_input(parallel)
            except PreinitError as problem:
                part = self._source.parts[start]
                raise placed(problem, part.number, part.start) from None
