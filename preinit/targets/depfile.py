"""Dependency files for make and ninja, in the form that compilers write.

https://www.gnu.org/software/make/manual/html_node/Rule-Syntax.html , https://ninja-build.org/manual.html#_depfile
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import OutputNotWritable
from ..files.toml import shown
from .inputs import files_read
from .target import Target


def depfile(targets: Sequence[Target], folder: Path) -> str:
    """A rule for each output, with paths relative to `folder`, and an empty one for each input: it may be deleted.

    `targets`: in the order in which they are built. Where one reads another's output, its rule has that one's inputs
    instead: a command that builds both must not wait for itself. Raises `OutputNotWritable` for a path that no
    dependency file can hold.
    """
    inputs: dict[str, list[str]] = {}
    for target in targets:
        read: list[str] = []
        for path in files_read(target):
            name = _relative(path, folder)
            read += inputs.get(name, [name])
        for path in target.writes:
            inputs[_relative(path, folder)] = list(dict.fromkeys(read))
    return "\n".join([*_rules(inputs), *_empty_rules(inputs)]) + "\n"


def _rules(inputs: Mapping[str, Iterable[str]]) -> list[str]:
    return [f"{_escaped(output)}: " + " \\\n  ".join(map(_escaped, read)) for output, read in inputs.items()]


def _empty_rules(inputs: Mapping[str, Iterable[str]]) -> list[str]:
    names = dict.fromkeys(name for read in inputs.values() for name in read)
    return [f"{_escaped(name)}:" for name in names if name not in inputs]


def _relative(path: Path, folder: Path) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another drive
        return os.fspath(path)


def _escaped(name: str) -> str:
    """Spaces, `#` and `:` after a backslash, which doubles backslashes before them; `$` twice."""
    if re.search(r"[\n\r\t\0]", name):
        raise OutputNotWritable(
            f"a dependency file can't hold the name {shown(Path(name))!r}",
            hint="Rename that file, or leave out `--depfile`.",
        )
    special = "[ #:]" if os.name == "posix" else "[ #]"  # a drive has a colon
    name = re.sub(rf"(\\*)({special})", lambda match: match[1] * 2 + "\\" + match[2], name)
    return name.replace("$", "$$")
