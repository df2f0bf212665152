"""Modules with exceptions of the old kind, which the engine lacks: refused before anything else is read.

Only instructions tell the old kind from the new one, and reading all of a large module takes several times as long as
the engine's validation, which stops at the first of them:
https://github.com/WebAssembly/exception-handling/blob/main/proposals/exception-handling/legacy/Exceptions.md
"""

from __future__ import annotations

from ...binary.cursor import Cursor
from ...binary.module import SectionId, read_sections
from ...binary.sections import ExternKind, read_imports
from ...engine.ondemand.suitability import WORTHWHILE
from ...engine.validation import REFUSALS, check
from ...errors import PreinitError, UnsupportedProposal


def refuse_old_exceptions(data: bytes) -> bool:
    """Validates a large binary that has tags, as all that use exceptions do; whether it was, and is valid.

    Raises `UnsupportedProposal`. What else may be wrong is for parsing to say.
    """
    if not _is_concerned(data):
        return False
    try:
        check(data)
    except UnsupportedProposal as problem:
        if "legacy exception" in problem.what:
            raise
        return False
    except REFUSALS:
        return False
    return True


def _is_concerned(data: bytes) -> bool:
    """Whether a binary has tags, and so much code that the rest would take long. Small ones are refused soon enough."""
    try:
        sections = {section.id: section for section in read_sections(data) if section.id}
        code = sections.get(SectionId.CODE)
        if code is None or code.end - code.start < WORTHWHILE:
            return False
        if SectionId.TAG in sections:
            return True
        found = sections.get(SectionId.IMPORT)
        imports = read_imports(Cursor(data, found.start, found.end, found.label)) if found else ()
        return any(entry.kind == ExternKind.TAG for entry in imports)
    except PreinitError:
        return False
