"""Validating outputs: what was found valid once needs not be looked at again.

Every output has the input's code section, byte for byte, and that is nearly all that validation takes time for. So
a large input is validated while it runs; of an output with the same bodies, and the same of what their validity
depends on, only the rest is validated then. Between builds, what was found valid is noted in the cache: groups of
bodies, so that of a module of which some function changed, only its group is validated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ...binary.digest import sha256
from ...binary.module import Module, SectionId
from ...engine import ffi
from ...engine.ondemand.suitability import validated_beside, validated_first, worthwhile
from ...engine.runtime import Deadline, Pending
from ...engine.validation import REFUSALS, check
from ...files.cache import folder_of, read_entry, write_entry
from ...options import Options
from ...version import VERSION

if TYPE_CHECKING:
    from ...binary.outline import Context
    from ..observer import Observer

#: Groups of bodies that are noted for one context, those that were found valid last; and bytes of a digest.
_MOST_GROUPS, _SIZE = 4_000, 32


class Validity:
    """What is known about outputs made of one module. Without a cache, nothing but what this object was told.

    `many`: there will be many outputs, so that it pays however small the module is. For any thread.
    """

    def __init__(self, module: Module, options: Options, many: bool = False) -> None:
        self._module = module
        self._code = module.section(SectionId.CODE)
        self._large = worthwhile(module)
        self._pays = many or self._large
        self._folder = folder_of(options.cache_dir) if options.cache and self._large else None
        self._known: list[Context] = []
        #: Whether the input was found valid.
        self.input_is_valid = False

    @cached_property
    def _input(self) -> Context:
        from ...binary.outline import context_of_input

        return context_of_input(self._module)

    def check(self, wasm: bytes, parallel: bool = True) -> None:
        """Validates an output, or the input. `parallel`: on all cores, where nothing else goes on.

        Raises one of `REFUSALS`, with the byte offset.
        """
        if not self._pays or self._code is None:
            check(wasm, parallel)
            return
        from ...binary.outline import context_of_same_code, outline  # not every build has use for it

        own = wasm is self._module.data
        made = (
            (self._input, self._module.sections) if own else context_of_same_code(wasm, self._module.data, self._code)
        )
        if made is None:
            check(wasm, parallel)
            return
        depends_on, sections = made
        unknown = self._unknown(depends_on)
        if own and unknown == [] and self._rest in self._noted(depends_on):
            return
        if unknown is not None:
            try:
                check(outline(wasm, sections, False, self._module, unknown), parallel)
            except REFUSALS:
                unknown = None  # the offsets are not those of the output
        if unknown is None:
            check(wasm, parallel)
        if unknown != [] or own:
            self._known.append(depends_on)
            self._note(depends_on, (self._rest,) if own else ())

    def check_input(self, parallel: bool = True) -> None:
        """Validates the input, unless that was done."""
        if not self.input_is_valid:
            self.check(self._module.data, parallel)
            self.input_is_valid = True

    def _unknown(self, wanted: Context) -> list[int] | None:
        """The groups of the module's bodies that are not known to be valid there; None where none is known to be."""
        from ...binary.outline import serves

        if any(serves(known, wanted, self._module) for known in self._known):
            return []
        if self._folder is None:
            return None
        noted = set(self._noted(wanted))
        if not noted and serves(self._input, wanted, self._module):
            noted = set(self._noted(self._input))  # whoever built another output has left that the input is valid
        if not noted:
            return None  # hashing them all may wait until they are noted
        unknown = [number for number, digest in enumerate(self._groups) if digest not in noted]
        if not unknown:
            self._known.append(wanted)
        return unknown if len(unknown) < len(self._groups) else None

    @cached_property
    def _groups(self) -> list[bytes]:
        from ...binary.outline import group_digests

        return group_digests(self._module)

    @cached_property
    def _rest(self) -> bytes:
        from ...binary.outline import rest_digest

        return rest_digest(self._module)

    def _noted(self, depends_on: Context) -> list[bytes]:
        """Digests of the groups of bodies, of any module, that were found valid in that context."""
        noted = read_entry(self._folder, "valid", _name(depends_on)) if self._folder else None
        return [noted[at : at + _SIZE] for at in range(0, len(noted), _SIZE)] if noted else []

    def _note(self, depends_on: Context, more: Sequence[bytes]) -> None:
        """That of all of the module's bodies. What another build notes meanwhile may be lost, and is found again.

        `more`: other digests that are noted with them.
        """
        if self._folder:
            found = [*dict.fromkeys((*more, *self._groups, *self._noted(depends_on)))]
            write_entry(self._folder, "valid", _name(depends_on), b"".join(found[:_MOST_GROUPS]))


def _name(depends_on: Context) -> str:
    """Bodies are told apart by digests: whatever else an entry holds, by accident, is no body's."""
    fixed, declared, segments = depends_on
    named = sha256(repr((fixed, sorted(declared), segments)).encode()).hex()
    return sha256("\n".join((VERSION, ffi.build(), "bodies", named)).encode()).hex()


class InputCheck:
    """The validation of one build's input: where it is `validated_beside` other work, from here on."""

    def __init__(self, validity: Validity, module: Module, deadline: Deadline, digests: bool) -> None:
        """`digests`: whether the report has the module's."""
        self._validity, self._module, self._deadline, self._digests = validity, module, deadline, digests
        self._pending = self._start(validated_first(module)) if validated_beside(module) else None

    def _start(self, parallel: bool = True) -> Pending[None]:
        return self._deadline.start(lambda: self._work(parallel))

    def _work(self, parallel: bool) -> None:
        self._validity.check_input(parallel)
        if self._digests:
            _ = self._module.sha256

    def __call__(self) -> Pending[None]:
        """It is under way: `result` waits for it, and raises one of `REFUSALS`."""
        if self._pending is None:
            self._pending = self._start()
        return self._pending

    def finish(self, observer: Observer) -> None:
        """Waits for what is under way. Raises one of `REFUSALS`."""
        if self._pending:
            with observer.stage("check"):
                self._pending.result()
