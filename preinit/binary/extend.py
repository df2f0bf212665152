"""A section of a module with items added at its end; the present ones are not copied."""

from __future__ import annotations

from collections.abc import Sequence

from . import encoder as write
from .cursor import leading_u32
from .module import Module


def extended_section(module: Module, number: int, added: Sequence[bytes]) -> write.Pieces:
    """The pieces of the section with that number; none where it neither exists nor gains anything."""
    section = module.section(number)
    if section is None:
        return write.section(number, write.vector(added)) if added else []
    payload = module.payload(section)
    if not added:
        return write.section(number, payload)
    present, size = leading_u32(payload)
    head = write.uleb(present + len(added))
    tail = b"".join(added)
    total = len(head) + len(payload) - size + len(tail)
    return [bytes((number,)) + write.uleb(total) + head, payload[size:], tail]
