"""A module in the cache: what one build learns about it is there for the next."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from ...binary.digest import fingerprint
from ...binary.module import Module
from ...engine.code import DAMAGED, CodeCache
from ...engine.heap import give_back
from ...engine.values import EngineError
from ...files.cache import Examined, examined_of, write_entry
from ...options import Options
from ...version import VERSION

if TYPE_CHECKING:
    from ...engine.profile import Profile

#: Chunks of which the code has a megabyte or so.
MANY = 20


class ProfileStore:
    """Where the profile of one module is kept, for builds with such options. Without a cache, nothing is.

    `linked`: the module is one of a component. Its chunks have other titles, by which traces tell whose they are.
    """

    def __init__(self, module: Module, options: Options, interruptible: bool, linked: bool = False) -> None:
        self._module = module
        self._parts = (VERSION, options.compiler, str(interruptible), *(("linked",) if linked else ()))
        found = examined_of(options.cache_dir) if options.cache else Examined(None)
        self._folder = found.folder
        #: Why nothing is kept, in words, where something should be.
        self.problem = found.problem
        #: Code of the folder.
        self.code = CodeCache(self._folder) if self._folder else None

    @property
    def keeps(self) -> bool:
        return self._folder is not None

    @property
    def folder(self) -> str | None:
        """Where; None if nothing is kept."""
        return self._folder

    @property
    def distrusted(self) -> str:
        """Why code that is there was not used, in words."""
        return self.code.distrusted if self.code else ""

    def running(self) -> AbstractContextManager[None]:
        """While code runs that may come from the folder."""
        return self.code.running() if self.code else nullcontext()

    def read(self) -> Profile | None:
        """What an earlier build learnt; None if there was none."""
        data = self.code.read("profiles", self._name) if self.code else None
        if self.code is None or data is None:
            return None
        from ...engine.profile import decode

        profile = decode(data, self._module, self._name)
        if profile is None:
            self.code.distrust("profiles", self._name, DAMAGED)
        else:
            self.code.uses(self._name)
        return profile

    def write(self, profile: Profile | None) -> None:
        """Keeps a profile, if there is one and a place for it."""
        if self._folder and profile:
            from ...engine.profile import encode

            with suppress(EngineError):  # too little memory, perhaps: the next build is slower, that is all
                write_entry(self._folder, "profiles", self._name, *encode(profile, self._module, self._name))
            if len(profile.chunks) >= MANY:
                give_back()  # the code of each, as it was written

    @cached_property
    def _name(self) -> str:
        """Says all that compiled code depends on, but for the engine's version: the engine knows its own code.

        A module of which only data changed finds the code of the one before; one of which some functions changed, that
        of the others.
        """
        return fingerprint("\n".join((*self._parts, self._module.surroundings_fingerprint)).encode()).hex()
