"""Folders that only instances have: what the guest opened there while it was built was not what instances have."""

from __future__ import annotations

from ...errors import LateFolderOpened, counted, printable
from ...result import HostFacts

#: Paths that a message names.
_FEW = 5


def check_folders(facts: HostFacts) -> None:
    """Raises `LateFolderOpened` where something in such a folder was opened."""
    paths = facts.late_opened
    if not paths:
        return
    shown = ", ".join(map(printable, paths[:_FEW])) + (f" and {len(paths) - _FEW:,} more" if len(paths) > _FEW else "")
    calls = [f"`{frame.name}`" for frame in facts.first_calls.get("path_open", ()) if frame.name]
    raise LateFolderOpened(
        f"the initializer opened {counted(len(paths), 'path')} in a folder that only instances have: {shown}",
        where=f"path_open, first in {calls[0]}" if calls else None,
    )
