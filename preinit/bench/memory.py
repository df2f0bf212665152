"""What this process has in memory."""

from __future__ import annotations

import re
from pathlib import Path

from ..tuples import NamedTuple

#: https://docs.kernel.org/filesystems/proc.html
_ROLLUP = Path("/proc/self/smaps_rollup")
_LINE = re.compile(r"^(Rss|Pss):\s+(\d+) kB$", re.MULTILINE)


class Usage(NamedTuple):
    """Bytes of pages in memory; of shared pages, `proportional` has this process's part only."""

    resident: int
    proportional: int


def usage() -> Usage | None:
    """None where the operating system does not tell."""
    try:
        found = dict(_LINE.findall(_ROLLUP.read_text(encoding="ascii")))
    except OSError:
        return None
    if len(found) < 2:
        return None
    return Usage(int(found["Rss"]) << 10, int(found["Pss"]) << 10)
