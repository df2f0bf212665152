"""Functions that would change files which are only read, or need a network: their errno, whatever they are given."""

from __future__ import annotations

from .abi import Errno

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
