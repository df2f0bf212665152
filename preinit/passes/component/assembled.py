"""A component that was written, in pieces: its core modules are nearly all of it, and need be neither copied nor read
again."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping
from typing import cast

from ...binary.rope import Rope
from ...tuples import NamedTuple

#: What is in a component: a core module, or any other bytes.
Piece = bytes | Rope


class Assembled(NamedTuple):
    """`written`: all of it. `text`: the same with zeros in place of the core modules in `modules`, for who reads
    everything else; these by where they begin."""

    written: Rope
    text: bytes
    modules: Mapping[int, Rope]


def assembled(pieces: Iterable[Piece]) -> Assembled:
    """The component that has these pieces, in order."""
    flat: list[bytes | memoryview] = []
    texts: list[tuple[int, bytes]] = []
    modules: dict[int, Rope] = {}
    size = 0
    for piece in pieces:
        if isinstance(piece, Rope):
            modules[size] = piece
            flat += piece.pieces
        else:
            texts.append((size, piece))
            flat.append(piece)
        size += len(piece)
    text = mmap.mmap(-1, size, access=mmap.ACCESS_COPY)  # of which only what is written to takes memory
    for start, content in texts:
        text[start : start + len(content)] = content
    return Assembled(Rope(flat), cast(bytes, text), modules)


def joined(pieces: Iterable[Piece]) -> bytes:
    """All of the pieces in one."""
    return b"".join(part for piece in pieces for part in (piece.pieces if isinstance(piece, Rope) else (piece,)))
