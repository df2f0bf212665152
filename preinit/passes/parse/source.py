"""A module's bytes, wherever they are."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import Unreadable, UsageError, printable
from .text import is_text, parse_text


def binary(wasm: bytes | str | os.PathLike[str], seconds: float | None = None) -> bytes:
    """The bytes of a binary module, from bytes or a file, text or binary; text within that time.

    Raises `Unreadable`, `UsageError`, what reading text raises.
    """
    if isinstance(wasm, bytes | bytearray | memoryview):
        data = bytes(wasm)
    elif isinstance(wasm, str | os.PathLike):
        name = os.fsdecode(os.fspath(wasm))
        try:
            data = Path(name).read_bytes()
        except (OSError, ValueError) as problem:
            reason = (isinstance(problem, OSError) and problem.strerror) or problem
            raise Unreadable(
                f"the input '{printable(name)}' can't be read: {reason}",
                hint="Give the path of a file that exists, or the bytes of a module.",
            ) from problem
    else:
        raise UsageError(
            f"a module must be bytes or a path, not {type(wasm).__name__}",
            hint="Give the content of an open file: file.read()." if hasattr(wasm, "read") else None,
        )
    return parse_text(data, seconds) if is_text(data) else data
