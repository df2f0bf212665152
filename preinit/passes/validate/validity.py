"""Validating outputs: what was found valid once needs not be looked at again.

Every output has the input's code section, byte for byte, and that is nearly all that validation takes time for. So
a large input is validated while it runs; of an output with the same bodies, and the same of what their validity
depends on, only the rest is validated then. Between builds, what was found valid is noted in the cache: groups of
bodies, so that of a module of which some function changed, only its group is validated again.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ...binary.digest import FINGERPRINT, fingerprint
from ...binary.large import LARGE, joined
from ...binary.module import Module, SectionId
from ...binary.rope import Rope
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
_MOST_GROUPS = 4_000


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

    def check(self, wasm: bytes | Rope, parallel: bool = True) -> None:
        """Validates an output, or the input. `parallel`: on all cores, where nothing else goes on.

        Raises one of `REFUSALS`, with the byte offset.
        """
        if not self._pays or self._code is None:
            check(_joined(wasm), parallel)
            return
        from ...binary.few import outline_of_few  # not every build has use for these
        from ...binary.outline import context_of_same_code, outline

        own = wasm is self._module.data
        made = (self._input, self._module.sections) if own else context_of_same_code(wasm, self._module)
        if made is None:
            check(_joined(wasm), parallel)
            return
        depends_on, sections = made
        unknown = self._doubted(depends_on)
        told = unknown is not None
        if not told:
            unknown = self._unknown(depends_on)
        if own and unknown == [] and self._folder and self._rest in self._noted(depends_on):
            return
        new = own or (not told and unknown != [])
        if unknown is None and isinstance(wasm, Rope) and len(wasm.pieces) > 1:
            unknown = self._unknown_of_input(depends_on, parallel)
        if unknown is not None:
            try:
                few = None if unknown else outline_of_few(wasm, sections, self._module)
                check(few or outline(wasm, sections, False, self._module, unknown), parallel)
            except REFUSALS:
                unknown = None  # the offsets are not those of the output
        if unknown is None:
            check(_joined(wasm), parallel)
        if new:
            self._known.append(depends_on)
            self._note(depends_on, own)

    def check_input(self, parallel: bool = True) -> None:
        """Validates the input, unless that was done."""
        if not self.input_is_valid:
            self.check(self._module.data, parallel)
            self.input_is_valid = True

    def _unknown_of_input(self, wanted: Context, parallel: bool) -> list[range] | None:
        """The same once the input was validated, which is in one piece: the output would have to be joined."""
        doubted = self._in_doubt(self._input, wanted)
        if doubted is not None:
            try:
                check(self._module.data, parallel)
            except REFUSALS:
                return None
            self._known.append(self._input)
        return doubted

    def _doubted(self, wanted: Context) -> list[range] | None:
        """The module's bodies that may not be valid there, though they are elsewhere; None where that is not known."""
        if wanted in self._known:
            return []
        found = (self._in_doubt(known, wanted) for known in self._known)
        return next((doubted for doubted in found if doubted is not None), None)

    def _in_doubt(self, known: Context, wanted: Context) -> list[range] | None:
        """Of the module's bodies that are valid in one context, those that may not be in another; None: all."""
        from ...binary.instructions import decoder
        from ...binary.opcodes import Kind
        from ...binary.outline import in_doubt
        from ...engine.own.finder import Finder

        finder = Finder(decoder(frozenset((Kind.FUNCTION,))))
        try:
            return in_doubt(known, wanted, self._module, finder.scan)
        finally:
            finder.close()

    def _unknown(self, wanted: Context) -> list[range] | None:
        """The bodies that are not known to be valid there from other builds; None where none is known to be."""
        from ...binary.outline import groups, united

        if self._folder is None:
            return None
        noted = set(self._noted(wanted))
        doubted: list[range] | None = []
        if not noted and (of_input := self._noted(self._input)):
            doubted = self._in_doubt(self._input, wanted)
            if doubted is not None:
                noted = set(of_input)  # whoever built another output has left that the input is valid
        if not noted:
            return None  # hashing them all may wait until they are noted
        digests = self._groups
        unknown = [found for found, digest in zip(groups(self._module), digests, strict=True) if digest not in noted]
        if len(unknown) == len(digests):
            return None
        unknown = united((*unknown, *(doubted or ())))
        if not unknown:
            self._known.append(wanted)
        return unknown

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
        return [noted[at : at + FINGERPRINT] for at in range(0, len(noted), FINGERPRINT)] if noted else []

    def _note(self, depends_on: Context, own: bool) -> None:
        """That of all of the module's bodies. What another build notes meanwhile may be lost, and is found again.

        `own`: that the rest of the module is valid, too.
        """
        if self._folder:
            more = (self._rest,) if own else ()
            found = [*dict.fromkeys((*more, *self._groups, *self._noted(depends_on)))]
            write_entry(self._folder, "valid", _name(depends_on), b"".join(found[:_MOST_GROUPS]))


def _joined(wasm: bytes | Rope) -> bytes:
    """In one piece. A large output stays in pieces: it is written as it is."""
    if not isinstance(wasm, Rope):
        return wasm
    return wasm.joined() if len(wasm) < LARGE else joined(wasm.pieces)


def _name(depends_on: Context) -> str:
    """Bodies are told apart by digests: whatever else an entry holds, by accident, is no body's."""
    fixed, declared, segments = depends_on
    named = fingerprint(repr((fixed, sorted(declared), segments)).encode()).hex()
    return fingerprint("\n".join((VERSION, ffi.build(), "bodies", named)).encode()).hex()


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
