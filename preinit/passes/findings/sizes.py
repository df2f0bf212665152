"""How large outputs are: compressed, and in memory."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from ...binary.mapped import in_turn
from ...result import MemoryFacts

if TYPE_CHECKING:
    from ...binary.rope import Rope

#: The level at which sizes are compared: gzip's own default.
GZIP_LEVEL = 6
#: zlib's name for the window of 32 KiB with gzip's header, and bytes that are compressed at once.
_GZIP, _AT_ONCE = 31, 1 << 20

#: Bytes of the pages that memory budgets count.
PAGE = 1 << 16


def gzip_size(data: bytes | Rope) -> int:
    """Bytes that it has compressed."""
    import zlib

    from ...binary.rope import Rope

    compressor = zlib.compressobj(GZIP_LEVEL, wbits=_GZIP)
    views = chain.from_iterable(map(in_turn, data.pieces if isinstance(data, Rope) else (data,)))
    parts = (view[at : at + _AT_ONCE] for view in views for at in range(0, len(view), _AT_ONCE))
    return sum(len(compressor.compress(part)) for part in parts) + len(compressor.flush())


def pages(memory: MemoryFacts) -> int:
    """Pages of 64 KiB that a memory has."""
    return -(-memory.pages * memory.page_size // PAGE)
