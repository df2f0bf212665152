"""Validating outputs: what was found valid once needs not be looked at again.

Every output has the input's code section, byte for byte, and that is nearly all that validation takes time for. So
when an output was found valid, that is noted, with all that the validity of its function bodies depends on; of the
next output with the same bodies, and the same of that, only the rest is validated.
"""

from __future__ import annotations

import hashlib

from ...binary.module import Module, SectionId
from ...binary.outline import context, context_of_same_code, outline
from ...engine import ffi
from ...engine.ondemand.suitability import worthwhile
from ...engine.validation import REFUSALS, check
from ...files.cache import folder_of, has_entry, write_entry
from ...options import Options
from ...version import VERSION


class Validity:
    """What is known about outputs made of one module. Without a cache, nothing but what this object was told.

    `many`: there will be many outputs, so that it pays however small the module is. `valid`: the
    module itself was found valid. For any thread.
    """

    def __init__(self, module: Module, options: Options, many: bool = False, valid: bool = False) -> None:
        self._module = module
        self._code = module.section(SectionId.CODE)
        self._large = worthwhile(module)
        self._pays = many or self._large
        self._folder = folder_of(options.cache_dir) if options.cache and self._large else None
        self._known: set[str] = set()
        if valid and self._pays and self._code:
            self._known.add(self._name(context(module.data, module.sections)))

    def check(self, wasm: bytes) -> None:
        """Validates an output, or the input. Raises one of `REFUSALS`, with the byte offset."""
        made = context_of_same_code(wasm, self._module.data, self._code) if self._pays and self._code else None
        if made is None:
            check(wasm)
            return
        depends_on, sections = made
        name = self._name(depends_on)
        if name in self._known or (self._folder and has_entry(self._folder, "valid", name)):
            try:
                check(outline(wasm, sections))
                return
            except REFUSALS:
                pass  # the offsets are not those of the output
        check(wasm)
        self._known.add(name)
        if self._folder:
            write_entry(self._folder, "valid", name, b"")

    def _name(self, depends_on: bytes) -> str:
        parts = (VERSION, ffi.build(), self._module.sha256, depends_on.hex())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
