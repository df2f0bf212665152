"""What a capture in Node depends on, besides the module, its script, and what it has in common with a build."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .declared import Effect, Option
from .kinds import COUNT, Kind
from .lists import check_list, read_list, texts
from .texts import NOT_EMPTY, matching_schema, name_text, path_text, read_text

#: Options of a build that a capture has, too; the glue decides about all else.
SHARED = frozenset((
    "layout", "timeout", "max_memory", "clock", "random", "args", "quiet_guest", "max_guest_output", "stdout", "stderr",
    "measure_gzip", "digest_files", "host", "_process_ends",
))  # fmt: skip

_GLUE = "What its JavaScript glue does again"


def _numbers() -> Kind:
    """A list of whole numbers; on the command line, one each time."""
    wanted = "a list of whole numbers"
    return Kind(
        wanted,
        lambda name, value: check_list(name, value, COUNT.check),
        lambda value, path: read_list(value, path, COUNT.read, wanted),
        lambda: {"type": "array", "items": COUNT.schema()},
        COUNT.parse,
        repeats=True,
        resolve=lambda value, files: tuple(value),
    )


def _program() -> Kind:
    def check(name: str, value: Any) -> str | None:
        return None if value is None else path_text(name, value)

    return Kind("a path", check, read_text, lambda: matching_schema(NOT_EMPTY), lambda text, flag: text)


@dataclass(frozen=True, kw_only=True)
class Capturing:
    """Options of `preinit.capture` alone. Raises `UsageError` for what does not fit.

    Parameters
    ----------
    once: exports that glue calls when it loads the module, and that must not run again in the output.
    replay: imports whose calls by such exports are made again when the output is loaded, by the name of the import or
        of the JavaScript function that provides it.
    drop: imports of which it is known that their calls need not be made again.
    forget_fd: descriptors that are not opened again.
    node: the path of Node; None for the one of the search path.
    """

    once: Option[Sequence[str], tuple[str, ...]] = Option(
        (), texts(name_text, NOT_EMPTY), Effect.OUTPUT, "Export that must not run again.",
        heading=_GLUE, metavar="EXPORT",
    )  # fmt: skip
    replay: Option[Sequence[str], tuple[str, ...]] = Option(
        (), texts(name_text, NOT_EMPTY), Effect.OUTPUT, "Import whose calls are made again.",
        heading=_GLUE, metavar="IMPORT",
    )  # fmt: skip
    drop: Option[Sequence[str], tuple[str, ...]] = Option(
        (), texts(name_text, NOT_EMPTY), Effect.OUTPUT, "Import whose calls need not be made again.",
        heading=_GLUE, metavar="IMPORT",
    )  # fmt: skip
    forget_fd: Option[Sequence[int], tuple[int, ...]] = Option(
        (), _numbers(), Effect.OUTPUT, "Descriptor that is not opened again.",
        heading=_GLUE, metavar="N",
    )  # fmt: skip
    node: Option[str | os.PathLike[str] | None, str | None] = Option(
        None, _program(), Effect.PROCESS, "The path of Node.",
        heading=_GLUE, metavar="PATH", otherwise="the one of the search path",
    )  # fmt: skip
