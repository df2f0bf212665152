"""What a target or a job says in addition to its options: the files that it reads and writes, what is verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kinds import COUNT, FLAG, SECONDS, Kind
from .lists import either, texts
from .tables import Key, table_of
from .texts import NOT_EMPTY, matching, matching_schema, read_text


def _named(read: Any, pattern: str) -> Kind:
    """The name of a file, which only other files say."""
    return FLAG._replace(wanted="the name of a file", read=read, schema=lambda: matching_schema(pattern), is_flag=False)


#: What a file is called that is written: no folder.
_WRITABLE = r"(?:[^\u0000]*/)?(?!\.\.?$)[^/\u0000]+"
_WRITTEN = _named(matching("the name of a file", _WRITABLE), _WRITABLE)
_READ = _named(read_text, NOT_EMPTY)

INPUT = Key(_READ, "The module, a binary or text file; relative to this file, as all paths.")
OUTPUT = Key(_WRITTEN, "Where the module is written that starts where the initializer ended.")
OUTPUT_DIR = Key(_READ, "The folder in which outputs are written.")
REPORT = Key(_WRITTEN, "Where a JSON report of the build is written.")

VERIFY = {
    "calls": Key(texts(pattern=NOT_EMPTY), "Exports that are called in both, NAME or NAME(1,2)."),
    "call-all": Key(FLAG, "Call every export that takes nothing but numbers."),
    "seed": Key(COUNT, "What the arguments of these calls come from."),
    "run": Key(FLAG, "Call _start: compare what a command prints and its exit code."),
    "call-timeout": Key(SECONDS, "Seconds after which a call is stopped."),
}
VERIFIED = Key(
    either(FLAG, table_of(VERIFY)),
    "Run the initializer again and compare with an instance of the output; in a table, what to call in both.",
)


def verified(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """What to call when an output is verified, by the keys of `VERIFY`; None where it is not."""
    given = settings.get("verify", False)
    return None if given is False else {} if given is True else dict(given)
