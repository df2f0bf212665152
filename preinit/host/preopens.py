"""The folders that guests are given."""

from __future__ import annotations

from ..errors import UsageError, in_words, quoted, way_out
from ..options import Host
from .wasi1.files import Descriptor, Policy, preopen, preopen_late


def preopens(host: Host) -> list[Descriptor]:
    """The folders that a guest is given. Raises `UsageError` where one can't be opened."""
    opened: list[Descriptor] = []
    policy = Policy(host.writable, None if host.file_times == "host" else host.time)
    for folder, guest_path in host.dirs:
        try:
            opened.append(preopen(folder, guest_path, policy))
        except (OSError, ValueError) as problem:
            for entry in opened:
                entry.close()
            reason = in_words(problem)
            raise UsageError(
                f"the folder {quoted(folder)} can't be opened: {reason}",
                hint=way_out(problem, "Name a folder that exists and that you may read."),
            ) from problem
    opened += [preopen_late(guest_path, refuses) for guest_path, refuses in host.late_folders]
    return opened
