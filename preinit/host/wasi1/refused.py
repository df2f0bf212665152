"""Functions that would change files which are only read, or need a network: their errno, whatever they are given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from .abi import Errno, WasiError
from .memory import GuestMemory
from .table import Table

REFUSED = {
    "fd_allocate": Errno.ROFS,
    "fd_filestat_set_size": Errno.ROFS,
    "fd_filestat_set_times": Errno.ROFS,
    "path_create_directory": Errno.ROFS,
    "path_filestat_set_times": Errno.ROFS,
    "path_link": Errno.ROFS,
    "path_remove_directory": Errno.ROFS,
    "path_rename": Errno.ROFS,
    "path_symlink": Errno.ROFS,
    "path_unlink_file": Errno.ROFS,
    "sock_accept": Errno.NOTSOCK,
    "sock_recv": Errno.NOTSOCK,
    "sock_send": Errno.NOTSOCK,
    "sock_shutdown": Errno.NOTSOCK,
}

#: Where the arguments of such a function have a folder, and a path in it: the path's address, its size.
_PATHS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "path_create_directory": ((0, 1, 2),),
    "path_filestat_set_times": ((0, 2, 3),),
    "path_link": ((0, 2, 3), (4, 5, 6)),
    "path_remove_directory": ((0, 1, 2),),
    "path_rename": ((0, 1, 2), (3, 4, 5)),
    "path_symlink": ((2, 3, 4),),
    "path_unlink_file": ((0, 1, 2),),
}


def refusing(name: str, memory: GuestMemory, table: Table) -> Callable[..., None]:
    """A function of `REFUSED`. That a guest asked for something in a folder is noted; in one that only instances have,
    for what: it may keep the answer."""
    number = REFUSED[name]

    def refuse(*arguments: int) -> None:
        for folder, _, _ in _PATHS.get(name, ()):
            table.note_used(arguments[folder])
        for folder, path, size in _PATHS.get(name, ()):
            late = table.late(arguments[folder])
            if late is None:
                continue
            asked = b""
            with suppress(WasiError):
                asked = memory.path(arguments[path], arguments[size])
            late.note(asked, opens=False)
        if name == "fd_filestat_set_times":
            table.note_used(arguments[0])
            table.note_itself(arguments[0])
        raise WasiError(number)

    return refuse
