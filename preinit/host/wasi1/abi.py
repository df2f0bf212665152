"""Numbers and signatures of WASI preview 1.

https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md
"""

from __future__ import annotations

import errno
import struct

from ...enums import IntEnum
from ...errors import InitializerFailed, in_words, way_out
from .errnos import Errno as Errno

MODULE = "wasi_snapshot_preview1"


#: What an error that comes from a folder's content is called in WASI.
FROM_HOST = {
    errno.EACCES: Errno.ACCES,
    errno.ELOOP: Errno.LOOP,
    errno.ENAMETOOLONG: Errno.NAMETOOLONG,
    errno.ENOENT: Errno.NOENT,
    errno.ENOTDIR: Errno.NOTDIR,
    errno.EPERM: Errno.PERM,
    errno.EISDIR: Errno.ISDIR,
    errno.EINVAL: Errno.INVAL,
    errno.EILSEQ: Errno.ILSEQ,
    errno.EEXIST: Errno.EXIST,
    errno.EFBIG: Errno.FBIG,
    errno.EMLINK: Errno.MLINK,
    errno.ENOTEMPTY: Errno.NOTEMPTY,
    errno.EROFS: Errno.ROFS,
    errno.ETXTBSY: Errno.TXTBSY,
    errno.EXDEV: Errno.XDEV,
}


class FileType(IntEnum):
    UNKNOWN = 0
    DIRECTORY = 3
    REGULAR_FILE = 4
    SYMBOLIC_LINK = 7


class Rights(IntEnum):
    FD_DATASYNC = 1 << 0
    FD_READ = 1 << 1
    FD_SEEK = 1 << 2
    FD_FDSTAT_SET_FLAGS = 1 << 3
    FD_SYNC = 1 << 4
    FD_TELL = 1 << 5
    FD_WRITE = 1 << 6
    FD_ALLOCATE = 1 << 8
    PATH_OPEN = 1 << 13
    FD_READDIR = 1 << 14
    PATH_READLINK = 1 << 15
    PATH_FILESTAT_GET = 1 << 18
    FD_FILESTAT_GET = 1 << 21
    FD_FILESTAT_SET_SIZE = 1 << 22
    FD_FILESTAT_SET_TIMES = 1 << 23
    POLL_FD_READWRITE = 1 << 27


FILE_RIGHTS = Rights.FD_READ | Rights.FD_SEEK | Rights.FD_TELL | Rights.FD_FILESTAT_GET | Rights.POLL_FD_READWRITE
DIRECTORY_RIGHTS = (
    Rights.PATH_OPEN | Rights.FD_READDIR | Rights.PATH_READLINK | Rights.PATH_FILESTAT_GET | Rights.FD_FILESTAT_GET
)
#: What wasi-libc may ask for below a directory: it drops other rights without a word, and then a file that was to be
#: written would open, and only the writing fail.
INHERITED_RIGHTS = DIRECTORY_RIGHTS | FILE_RIGHTS | Rights.FD_WRITE

#: A file that was opened to be written, and what is below a folder that may be written: all but sockets.
WRITTEN_RIGHTS = (
    Rights.FD_DATASYNC
    | Rights.FD_FDSTAT_SET_FLAGS
    | Rights.FD_SYNC
    | Rights.FD_WRITE
    | Rights.FD_ALLOCATE
    | Rights.FD_FILESTAT_SET_SIZE
    | Rights.FD_FILESTAT_SET_TIMES
)
ALL_RIGHTS = (1 << 28) - 1

#: `oflags` of path_open.
CREATE, DIRECTORY, EXCLUSIVE, TRUNCATE = 1, 2, 4, 8
#: `fdflags`: only this one means anything for a file.
APPEND = 1
#: All flags of a descriptor: append, dsync, nonblock, rsync, sync.
FD_FLAGS = 0x1F
#: `lookupflags`.
SYMLINK_FOLLOW = 1

#: A `filestat`: device, inode, type, links, size, times of access, modification, change.
FILESTAT = struct.Struct("<QQB7xQQQQQ")

_I, _L = "i32", "i64"

#: Parameters of each function; all but `proc_exit` return an errno.
SIGNATURES: dict[str, tuple[str, ...]] = {
    "args_get": (_I, _I),
    "args_sizes_get": (_I, _I),
    "environ_get": (_I, _I),
    "environ_sizes_get": (_I, _I),
    "clock_res_get": (_I, _I),
    "clock_time_get": (_I, _L, _I),
    "fd_advise": (_I, _L, _L, _I),
    "fd_allocate": (_I, _L, _L),
    "fd_close": (_I,),
    "fd_datasync": (_I,),
    "fd_fdstat_get": (_I, _I),
    "fd_fdstat_set_flags": (_I, _I),
    "fd_fdstat_set_rights": (_I, _L, _L),
    "fd_filestat_get": (_I, _I),
    "fd_filestat_set_size": (_I, _L),
    "fd_filestat_set_times": (_I, _L, _L, _I),
    "fd_pread": (_I, _I, _I, _L, _I),
    "fd_prestat_get": (_I, _I),
    "fd_prestat_dir_name": (_I, _I, _I),
    "fd_pwrite": (_I, _I, _I, _L, _I),
    "fd_read": (_I, _I, _I, _I),
    "fd_readdir": (_I, _I, _I, _L, _I),
    "fd_renumber": (_I, _I),
    "fd_seek": (_I, _L, _I, _I),
    "fd_sync": (_I,),
    "fd_tell": (_I, _I),
    "fd_write": (_I, _I, _I, _I),
    "path_create_directory": (_I, _I, _I),
    "path_filestat_get": (_I, _I, _I, _I, _I),
    "path_filestat_set_times": (_I, _I, _I, _I, _L, _L, _I),
    "path_link": (_I, _I, _I, _I, _I, _I, _I),
    "path_open": (_I, _I, _I, _I, _I, _L, _L, _I, _I),
    "path_readlink": (_I, _I, _I, _I, _I, _I),
    "path_remove_directory": (_I, _I, _I),
    "path_rename": (_I, _I, _I, _I, _I, _I),
    "path_symlink": (_I, _I, _I, _I, _I),
    "path_unlink_file": (_I, _I, _I),
    "poll_oneoff": (_I, _I, _I, _I),
    "proc_exit": (_I,),
    "proc_raise": (_I,),
    "random_get": (_I, _I),
    "sched_yield": (),
    "sock_accept": (_I, _I, _I),
    "sock_recv": (_I, _I, _I, _I, _I, _I),
    "sock_send": (_I, _I, _I, _I, _I),
    "sock_shutdown": (_I, _I),
}

#: Functions without a result.
NO_RESULT = frozenset(("proc_exit",))


class WasiError(Exception):
    """A call that ends with an errno other than SUCCESS."""

    def __init__(self, number: Errno) -> None:
        super().__init__(number.name)
        self.number = number


def from_host(problem: OSError) -> WasiError:
    """The errno for an error of the host's file system.

    Raises `InitializerFailed` for one that says something about the host (too many open files, a broken disk): a
    snapshot would freeze that the guest once met it.
    """
    if problem.errno not in FROM_HOST:
        raise InitializerFailed(
            f"the host failed while the initializer used its files: {in_words(problem)}",
            hint=way_out(problem, "Try again when the host can read (or write) the folders that `--dir` names."),
        ) from problem
    return WasiError(FROM_HOST[problem.errno])
