"""A module whose start function is called later."""

from __future__ import annotations

from ...binary import encoder as write
from ...binary.extend import extended_section
from ...binary.module import Module, SectionId
from ...binary.sections import ExternKind
from .additions import free_prefix


def exported_start(module: Module) -> tuple[bytes, str | None]:
    """The module itself, unless it has a start function: then a copy that exports it, under that name, instead.

    Host functions find the guest's memory in its instance, and there is none while a start function runs.
    """
    if module.start is None:
        return module.data, None
    name = f"{free_prefix(module)}start"
    added = {SectionId.EXPORT: [write.export(name, ExternKind.FUNC, module.start)]}
    numbers = (number for number in write.SECTION_ORDER if number != SectionId.START)
    return write.assemble([extended_section(module, n, added.get(SectionId(n), [])) for n in numbers]), name
