"""Validating outputs: what was found valid once needs not be looked at again.

Every output has the input's code section, byte for byte, and that is nearly all that validation takes time for. So
when an output was found valid, that is noted, with all that the validity of its function bodies depends on; of the
next output for which that is the same, only the rest is validated, and bodies that are others. So a module of which
some data changed, or some function, is soon validated, too.
"""

from __future__ import annotations

import hashlib
from functools import cached_property

from ...binary.module import Module, SectionId
from ...binary.outline import body_groups, context, context_of_same_code, outline
from ...engine import ffi
from ...engine.ondemand.suitability import worthwhile
from ...engine.validation import REFUSALS, check
from ...files.cache import folder_of, read_entry, write_entry
from ...options import Options
from ...version import VERSION

#: Groups of bodies that are noted for one context: those that were found valid last.
_MOST_GROUPS = 4_000
_SIZE = hashlib.sha256().digest_size


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
        self._known: set[bytes] = set()  # contexts in which all bodies are valid
        if valid and self._pays and self._code:
            self._known.add(context(module.data, module.sections))

    def check(self, wasm: bytes) -> None:
        """Validates an output, or the input. Raises one of `REFUSALS`, with the byte offset."""
        made = context_of_same_code(wasm, self._module.data, self._code) if self._pays and self._code else None
        if made is None:
            check(wasm)
            return
        depends_on, sections = made
        noted = self._noted(depends_on)
        unknown = [] if depends_on in self._known else self._unknown(noted)
        if unknown is not None:
            try:
                check(outline(wasm, sections, unknown))
            except REFUSALS:
                unknown = None  # the offsets are not those of the output
        if unknown is None:
            check(wasm)
        self._known.add(depends_on)
        if self._folder and unknown != []:
            kept = dict.fromkeys([*self._groups, *noted])
            write_entry(self._folder, "valid", self._name(depends_on), b"".join([*kept][:_MOST_GROUPS]))

    def _noted(self, depends_on: bytes) -> list[bytes]:
        """The groups of bodies that were found valid in that context, of any module."""
        if self._folder is None or depends_on in self._known:
            return []
        noted = read_entry(self._folder, "valid", self._name(depends_on)) or b""
        return [noted[at : at + _SIZE] for at in range(0, len(noted), _SIZE)]

    def _unknown(self, noted: list[bytes]) -> list[int] | None:
        """The groups of this module's bodies that are not among them; None where none is."""
        if not noted:
            return None
        among = set(noted)
        found = [number for number, digest in enumerate(self._groups) if digest not in among]
        return found if len(found) < len(self._groups) else None

    @cached_property
    def _groups(self) -> list[bytes]:
        return body_groups(self._module.data, self._module.bodies)

    def _name(self, depends_on: bytes) -> str:
        parts = (VERSION, ffi.build(), "bodies", depends_on.hex())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
