"""The package's bytecode in one file: Python looks for each module in several places, and a build has up to 240.

That is a sixth of a small build. The file lies where Python keeps bytecode and holds what Python compiled. What is in
there of a module is used on Python's own condition, that its source has the time and size that it was compiled with
(https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation), and only as long as the file is there
from which it was taken: whoever installs another version removes that one. `files.bytecode` writes the file.
"""

from __future__ import annotations

import marshal
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType

TYPE_CHECKING = False  # typing is not imported for a build
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    #: Of a module: whether it is a package; size and time of its source, in bytes and seconds; the same of Python's
    #: file, in nanoseconds; where its code begins behind the index, how many bytes it has.
    Entry = tuple[bool, int, int, int, int, int, int]

#: The first number is that of the form. The rest says which Python it is for. Then comes the index, as a dictionary.
HEAD = f"preinit bytecode 1, {sys.implementation.cache_tag} {sys.hexversion:x}\n".encode()
#: Bytes in which the length of the index is written.
LENGTH = 8

#: The package, and where it is.
NAME = __name__.rpartition(".")[0]
FOLDER = os.path.dirname(os.path.abspath(__file__))

#: How a module of the package, and its file, begin.
_WITHIN, _BELOW = f"{NAME}.", f"{FOLDER}{os.sep}"

_SECOND = 1_000_000_000


class Places:
    """Where files of modules are. `cached`: where Python keeps the bytecode of this module."""

    def __init__(self, cached: str) -> None:
        #: Where the file is that holds all: Python has put into the name which version it is, and how it optimizes.
        self.all = f"{os.path.splitext(cached)[0]}.all"
        folder, name = os.path.split(cached)
        self._ending = name.removeprefix(__name__.rpartition(".")[2])
        self._between = f"{os.sep}__pycache__{os.sep}" if folder == f"{_BELOW}__pycache__" else os.sep
        # With a folder of its own for bytecode, Python repeats in there where the source is.
        self._before = "" if self._between != os.sep else folder.removesuffix(FOLDER)

    def source(self, name: str, is_package: bool) -> str:
        """That of the module `name`."""
        inside = _BELOW + name.removeprefix(_WITHIN).replace(".", os.sep)
        return f"{inside}{os.sep}__init__.py" if is_package else f"{inside}.py"

    def compiled(self, source: str) -> str:
        """What Python has compiled of that."""
        folder, _, file = source.rpartition(os.sep)
        return f"{self._before}{folder}{self._between}{file.removesuffix('.py')}{self._ending}"


class Bytecode:
    """Finds the package's modules in that file: one of Python's import hooks.

    `missed`: those that were imported and are not there, or not as they are now.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        self.missed: set[str] = set()
        self._number, self._start, self._entries = _opened(places.all)

    def has(self, name: str) -> bool:
        """Whether something is there of a module."""
        return name in self._entries

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See https://docs.python.org/3/library/importlib.html#importlib.abc.MetaPathFinder.find_spec"""
        if not name.startswith(_WITHIN):
            return None
        try:
            is_package, source_size, source_time, compiled_size, compiled_time, start, size = self._entries[name]
            source = self.places.source(name, is_package)
            compiled = self.places.compiled(source)
            one, other = os.stat(source), os.stat(compiled)
            same = (one.st_size, int(one.st_mtime), other.st_size) == (source_size, source_time, compiled_size)
            # Whoever copies files, into an image say, may leave out what is less than a second.
            same = same and other.st_mtime_ns in (compiled_time, compiled_time // _SECOND * _SECOND)
        except (LookupError, OSError, TypeError, ValueError):
            same = False
        if not same:
            self.missed.add(name)
            return None
        loader = _Loader(name, source, self, (start, size))
        spec = ModuleSpec(name, loader, origin=source, is_package=is_package)
        spec.has_location = True  # so that the module gets its `__file__`
        spec.cached = compiled
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(source)]
        return spec

    def is_old(self) -> bool:
        """Whether it lacks what was imported, and may be written."""
        return bool(self.missed) and not sys.dont_write_bytecode

    def code(self, start: int, size: int) -> bytes:
        """So many bytes of the code. Raises `OSError`."""
        return os.pread(self._number, size, self._start + start)


class _Loader(SourceFileLoader):
    """Takes a module's code from the file, at `place`; all else is as for any module."""

    def __init__(self, name: str, path: str, bytecode: Bytecode, place: tuple[int, int]) -> None:
        super().__init__(name, path)
        self._bytecode = bytecode
        self._place = place

    def get_code(self, fullname: str) -> CodeType | None:
        try:
            code = marshal.loads(self._bytecode.code(*self._place))
        except (OSError, EOFError, ValueError, TypeError, OverflowError):
            code = None
        if isinstance(code, CodeType) and code.co_filename == self.path:
            return code
        self._bytecode.missed.add(fullname)
        return super().get_code(fullname)


def _opened(path: str) -> tuple[int, int, dict[str, Entry]]:
    """The file's descriptor, where its index ends, and that: nothing is in it if another Python has written it."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe of that name is not waited for
    except OSError:
        return -1, 0, {}
    start = len(HEAD) + LENGTH
    try:
        head = os.pread(number, start, 0)
        if head.startswith(HEAD):
            length = int.from_bytes(head[len(HEAD) :], "little")
            entries = marshal.loads(os.pread(number, length, start))
            if isinstance(entries, dict):
                return number, start + length, entries
    except (OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError):
        pass  # it is damaged, and is written again
    os.close(number)
    return -1, 0, {}


def use() -> None:
    """Takes what is imported from now on from that file, if this process can, and if Python keeps bytecode here."""
    cached = __spec__.cached if __spec__ else None
    if cached and hasattr(os, "pread") and in_use() is None:
        hooks = sys.meta_path
        place = hooks.index(PathFinder) if PathFinder in hooks else 0  # others come first as ever
        hooks.insert(place, Bytecode(Places(cached)))


def in_use() -> Bytecode | None:
    """What `use` made."""
    return next((hook for hook in sys.meta_path if isinstance(hook, Bytecode)), None)
