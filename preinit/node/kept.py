"""What JavaScript holds at the pause that an output has not: values of the program that `load` returned, files of its
glue, what other modules hold."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..binary.module import parse
from ..binary.sections import ExternKind
from ..errors import PreinitError, counted, printable
from ..result import BuildWarning
from ..tuples import NamedTuple
from .recording import Beside

#: Names that a message lists.
_NAMED = 12
#: Characters of a name that a message shows.
_SHOWN = 100
#: What to do about what prepare(program) left in JavaScript.
SET_AGAIN = "Set it again in resume(program), if anything needs it"
#: What became of a file, in words.
_BECAME = {"made": "made", "changed": "changed", "touched": "its time was changed", "gone": "removed"}


class Left(NamedTuple):
    """What `prepare` did and neither `load` nor `resume` does in the output, each as a name and what became of it:
    `made`, `changed`, `touched` (a file that has another time), `gone`. `values`: of what `load` returned; `files`: of
    the glue. `most_values`, `most_files`: there are more than so many, of which no more were looked at; 0: all were."""

    values: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    most_values: int = 0
    most_files: int = 0

    def __bool__(self) -> bool:
        return bool(self.values or self.files)


def left_between(before: dict[str, Any], after: dict[str, Any]) -> Left:
    """What is left, by what kept.mjs tells of the input, prepared, and of the output, resumed."""
    values, files = (_missing(before.get(kind), after.get(kind)) for kind in ("values", "files"))
    most_values, most_files = ((before.get(kind) or {}).get("most", 0) for kind in ("values", "files"))
    return Left(values, files, most_values, most_files)


def _missing(before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[tuple[str, str], ...]:
    if not before:
        return ()
    again = {str(name) for name, _, _ in after["changes"]} if after else set()
    there = after["now"] if after else {}
    found: list[tuple[str, str]] = []
    whole: set[str] = set()  # of which the parts need not be told
    for name, how, text in before["changes"]:
        if name in again or there.get(name) == text:
            continue
        if not any(name.startswith(outer) and name[len(outer)] in "./[" for outer in whole):
            found.append((str(name), "mounted" if str(text).startswith("mount ") else str(how)))
        if how != "touched":
            whole.add(str(name).rstrip("/"))
    return tuple(found)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
    return ", ".join(names[:_NAMED]) + more


def values_in_words(left: Left) -> str:
    """What `prepare` set on the program, and changed of it."""
    said = []
    for verb, kinds in (("set", ("made",)), ("changed", ("changed", "gone"))):
        names = [f"`{printable(name[:_SHOWN])}`" for name, how in left.values if how in kinds]
        if names:
            said.append(f"{verb} {_listed(names)}")
    return f"prepare(program) {' and '.join(said)} of the program in JavaScript, and resume(program) does not"


def _files_in_words(files: Sequence[tuple[str, str]]) -> str:
    names = [f"{printable(name[:_SHOWN])} ({_BECAME.get(how, how)})" for name, how in files]
    return (
        f"prepare(program) left files of the glue otherwise than load() does, and resume(program) does not: "
        f"{_listed(names)}"
    )


def in_words(left: Left) -> Iterator[str]:
    """All that is left, for who reads that an output answers otherwise."""
    if left.values:
        yield values_in_words(left)
    if left.files:
        yield _files_in_words(left.files)


def warnings_of(left: Left, written: Iterable[str]) -> Iterator[BuildWarning]:
    """`written`: paths of files that the program itself wrote, which another warning names."""
    if left.values:
        yield BuildWarning("glue-left", f"{values_in_words(left)}: no instance has it", f"{SET_AGAIN}.")
    if left.most_values:
        yield BuildWarning("glue-left", _unseen("values of the program", left.most_values), f"{SET_AGAIN}.")
    if left.most_files:
        yield BuildWarning(
            "glue-written",
            _unseen("files of the glue", left.most_files),
            "Do it again in resume(program), or do it in load(), as instances do.",
        )
    told = {posixpath.normpath(path) for path in written}
    files = [one for one in left.files if one[0] not in told]
    if files:
        yield BuildWarning(
            "glue-written",
            f"{_files_in_words(files)}: what JavaScript, or the program, did to them is not in the output",
            "Do it again in resume(program), or do it in load(), as instances do.",
        )


def _unseen(what: str, most: int) -> str:
    return (
        f"there are more {what} than the {most:,} that were looked at: what prepare(program) does to others in "
        "JavaScript is not in the output, and not told"
    )


def besides_warnings(modules: Sequence[Beside]) -> Iterator[BuildWarning]:
    """What is to be said of other modules that may hold something."""
    holding = [one for one in modules if not one.shared or _holds(one.content)]
    if holding:
        names = [
            ("a module" if one.content is None else f"one of {counted(len(one.content), 'byte')}")
            + (f" that exports {', '.join(map(printable, one.names))}" if one.names else "")
            for one in holding
        ]
        yield BuildWarning(
            "glue-modules",
            f"other modules than the captured one have memories, tables or globals of their own ({_listed(names)}): "
            "what prepare(program) changed there is not in the output",
            "Change it again in resume(program).",
        )


def _holds(content: bytes | None) -> bool:
    """Whether a module has what may hold something, or nobody can tell."""
    if content is None:
        return True
    try:
        module = parse(content, libraries=True)
    except PreinitError:
        return True
    own = {kind: sum(entry.kind == kind for entry in module.imports) for kind in ExternKind}
    mutable = any(one.mutable for one in module.globals[own[ExternKind.GLOBAL] :])
    return mutable or len(module.memories) > own[ExternKind.MEMORY] or len(module.tables) > own[ExternKind.TABLE]
