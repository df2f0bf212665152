"""Validating outputs: what was found valid once needs not be looked at again.

Every output has the input's code section, byte for byte, and that is nearly all that validation takes time for. So
a large input is validated while it runs; of an output with the same bodies, and the same of what their validity
depends on, only the rest is validated then. Between builds, what was found valid is noted in the cache.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ...binary.digest import sha256
from ...binary.module import Module, SectionId
from ...engine import ffi
from ...engine.ondemand.suitability import validated_beside, worthwhile
from ...engine.runtime import Deadline, Pending
from ...engine.validation import REFUSALS, check
from ...files.cache import folder_of, has_entry, write_entry
from ...options import Options
from ...version import VERSION

if TYPE_CHECKING:
    from ...binary.outline import Context
    from ..observer import Observer


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
        from ...binary.outline import context

        return context(self._module.data, self._module.sections)

    def check(self, wasm: bytes, parallel: bool = True) -> None:
        """Validates an output, or the input. `parallel`: on all cores, where nothing else goes on.

        Raises one of `REFUSALS`, with the byte offset.
        """
        if not self._pays or self._code is None:
            check(wasm, parallel)
            return
        from ...binary.outline import context_of_same_code, outline  # not every build has use for it

        made = context_of_same_code(wasm, self._module.data, self._code)
        if made is None:
            check(wasm, parallel)
            return
        depends_on, sections = made
        if self._is_known(depends_on):
            try:
                check(outline(wasm, sections, contents=False))
                return
            except REFUSALS:
                pass  # the offsets are not those of the output
        check(wasm, parallel)
        self._known.append(depends_on)
        if self._folder:
            write_entry(self._folder, "valid", self._name(depends_on), b"")

    def _is_known(self, wanted: Context) -> bool:
        """Whether the bodies are known to be valid there."""
        from ...binary.outline import serves

        if any(serves(known, wanted, self._module) for known in self._known):
            return True
        folder = self._folder
        if folder is None:
            return False
        if has_entry(folder, "valid", self._name(wanted)):
            return True
        # Whoever built another output has left that the input is valid.
        noted = serves(self._input, wanted, self._module) and has_entry(folder, "valid", self._name(self._input))
        if noted:
            self._known.append(self._input)
        return noted

    def _name(self, depends_on: Context) -> str:
        fixed, declared, segments = depends_on
        named = sha256(repr((fixed, sorted(declared), segments)).encode()).hex()
        parts = (VERSION, ffi.build(), self._module.code_sha256, named)
        return sha256("\n".join(parts).encode()).hex()


class InputCheck:
    """The validation of one build's input: where it is `validated_beside` other work, from here on."""

    def __init__(self, validity: Validity, module: Module, deadline: Deadline) -> None:
        self._validity, self._module, self._deadline = validity, module, deadline
        # One with exceptions is soon waited for, see `Attempt`; beside another, the guest runs.
        self._pending = self._start(bool(module.tags)) if validated_beside(module) else None

    def _start(self, parallel: bool = True) -> Pending[None]:
        return self._deadline.start(lambda: self._work(parallel))

    def _work(self, parallel: bool) -> None:
        if not self._validity.input_is_valid:
            self._validity.check(self._module.data, parallel)
            self._validity.input_is_valid = True
        _ = self._module.sha256  # which the report has

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
