"""The package's bytecode in one file: Python looks for each module in several places, and a build has up to 270.

That is a sixth of a small build. The file lies where Python keeps bytecode and holds what Python compiled. What is in
there of a module is used on Python's own condition: its source has the time and size that it was compiled with
(https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation). `files.bytecode` writes the file.
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

    #: Of a module: size of its source in bytes, time of that in seconds, both modulo 2**32 as Python notes them; where
    #: its code begins behind the index, how many bytes it has; whether it is a package.
    Entry = tuple[int, int, int, int, bool]

#: The first number is that of the form. The rest says which Python it is for. Then comes the index, as a dictionary.
HEAD = f"preinit bytecode 1, {sys.implementation.cache_tag} {sys.hexversion:x}\n".encode()
#: Bytes in which the length of the index is written.
LENGTH = 8

#: The package, and where it is.
NAME = __name__.rpartition(".")[0]
FOLDER = os.path.dirname(os.path.abspath(__file__))

_WITHIN = f"{NAME}."
_WORD = (1 << 32) - 1


class Bytecode:
    """Finds the package's modules in the file at `path`: one of Python's import hooks.

    `missed`: those that were imported and are not there, or not as they are now.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.missed: set[str] = set()
        self._number, self._start, self._entries = _opened(path)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See https://docs.python.org/3/library/importlib.html#importlib.abc.MetaPathFinder.find_spec"""
        entry = self._entries.get(name)
        if entry is None:
            if name.startswith(_WITHIN):
                self.missed.add(name)
            return None
        size, time, _, _, is_package = entry
        inside = f"{FOLDER}{os.sep}{name.removeprefix(_WITHIN).replace('.', os.sep)}"
        source = f"{inside}{os.sep}__init__.py" if is_package else f"{inside}.py"
        try:
            found = os.stat(source)
        except OSError:
            return None
        if (found.st_size & _WORD, int(found.st_mtime) & _WORD) != (size, time):
            self.missed.add(name)
            return None
        spec = ModuleSpec(name, _Loader(name, source, self, entry), origin=source, is_package=is_package)
        spec.has_location = True  # so that the module gets its `__file__`
        if is_package:
            spec.submodule_search_locations = [inside]
        return spec

    def is_old(self) -> bool:
        """Whether it lacks what was imported, and may be written."""
        return bool(self.missed) and not sys.dont_write_bytecode

    def code(self, entry: Entry) -> bytes:
        """What the file holds of a module. Raises `OSError`."""
        return os.pread(self._number, entry[3], self._start + entry[2])


class _Loader(SourceFileLoader):
    """Takes a module's code from the file; all else is as for any module."""

    def __init__(self, name: str, path: str, bytecode: Bytecode, entry: Entry) -> None:
        super().__init__(name, path)
        self._bytecode = bytecode
        self._entry = entry

    def get_code(self, fullname: str) -> CodeType | None:
        try:
            code = marshal.loads(self._bytecode.code(self._entry))
        except (OSError, EOFError, ValueError, TypeError):
            code = None
        if isinstance(code, CodeType) and code.co_filename == self.path:
            return code
        return super().get_code(fullname)  # it came here from another place, which its tracebacks would name


def _opened(path: str) -> tuple[int, int, dict[str, Entry]]:
    """The file's descriptor, where its index ends, and that: nothing is in it if another Python has written it."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return -1, 0, {}
    start = len(HEAD) + LENGTH
    try:
        head = os.pread(number, start, 0)
        if head.startswith(HEAD):
            length = int.from_bytes(head[len(HEAD) :], "little")
            return number, start + length, marshal.loads(os.pread(number, length, start))
    except (OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError):
        pass  # somebody has cut it: it is written again
    os.close(number)
    return -1, 0, {}


def use() -> None:
    """Takes what is imported from now on from that file, if this process can, and if Python keeps bytecode here."""
    cached = __spec__.cached if __spec__ else None
    if cached and hasattr(os, "pread") and in_use() is None:
        # Python has put into that name which version it is, and how it optimizes.
        bytecode = Bytecode(f"{os.path.splitext(cached)[0]}.all")
        hooks = sys.meta_path
        hooks.insert(hooks.index(PathFinder) if PathFinder in hooks else 0, bytecode)  # others come first as ever


def in_use() -> Bytecode | None:
    """What `use` made."""
    return next((hook for hook in sys.meta_path if isinstance(hook, Bytecode)), None)
