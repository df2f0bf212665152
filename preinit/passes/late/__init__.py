"""The instance's own environment and arguments: where the guest keeps what it fetched while it was built.

libc fetches them once, into an array of addresses of strings, and keeps the array's address. The output fetches them
again when it starts, into room that the guest made for them, and sets the words of memory that hold that address: see
`rewrite.late`, which writes that.
"""

from __future__ import annotations

from .value import Bound, Late

__all__ = ["Bound", "Late"]
