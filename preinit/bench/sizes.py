"""How large a module is, as it is and as it is sent."""

from __future__ import annotations

import zlib
from importlib import import_module

from .model import Sizes

#: gzip's usual level, with its container; brotli's best quality takes minutes for tens of megabytes.
_GZIP_LEVEL, _GZIP_WINDOW = 6, 31
_BROTLI_QUALITY = 9


def sizes(data: bytes) -> Sizes:
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return Sizes(len(data), len(packer.compress(data)) + len(packer.flush()), _brotli(data))


def _brotli(data: bytes) -> int | None:
    for name in ("brotli", "brotlicffi"):
        try:
            return len(import_module(name).compress(data, quality=_BROTLI_QUALITY))
        except ImportError:
            continue
    return None
