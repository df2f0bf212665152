"""What is to be said of files that were open, of those that were written, and of the current folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ..errors import counted, printable
from ..options.capture import Capturing
from ..options.hints import option
from ..result import BuildWarning
from .imports import CHANGES
from .recording import Files, OpenFile, Recording
from .reopening import kept
from .standins import StandIn, described

#: Names that a message lists.
_FEW = 6
#: Characters of a line that a message shows.
_SHOWN = 40
_STREAM_NAMES = ("standard input", "standard output", "standard error")


def listed(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def paths(files: Files) -> tuple[str, ...]:
    """What is opened again, for a message."""
    return tuple(file.title for file in files.opened)


def of_files(
    recording: Recording, made: Sequence[StandIn], loaded: Files | None, wanted: Capturing
) -> Iterator[BuildWarning]:
    """What the output does not have of them, or has only where things are as they were. `loaded`: what it has once its
    glue has loaded it; None where that is not known."""
    then = kept(recording.files, wanted.forget_fd)
    now = loaded
    if now is None:  # what the stand-ins were written to do
        now = next((one.reopened for one in made if one.reopened != Files()), Files())
    yield from _of_descriptors(then, now, wanted)
    yield from _of_lines(then, now)
    if then.moved and then.folder and then.folder != now.folder:
        yield BuildWarning(
            "glue-folder",
            f"the current folder of the program is {printable(then.folder)} at the pause, and in the output "
            f"{printable(now.folder) if now.folder else 'the one that the glue starts in'}",
            "Go there in resume(program), once it is there: " + f"`program.FS.chdir({json.dumps(then.folder)})`.",
        )
    yield from _of_changes(recording)


def lost_files(
    recording: Recording, made: Sequence[StandIn], loaded: Files | None, wanted: Capturing
) -> list[BuildWarning]:
    """Warnings that may say why an output answers otherwise."""
    return [one for one in of_files(recording, made, loaded, wanted) if one.code not in ("glue-files", "glue-written")]


def _of_descriptors(then: Files, now: Files, wanted: Capturing) -> Iterator[BuildWarning]:
    present = {file.number: file for file in now.opened}
    files = [file for file in then.opened if _is_there(file, present.get(file.number))]
    hosts = [file for file in then.opened if file.host]
    files = [file for file in files if not file.host]
    others = [file for file in then.opened if file not in files and not file.host]
    strays = [file for file in files if file.own_position != present[file.number].own_position]
    by_path = [file for file in files if file.path and file not in strays]
    if by_path:
        start = "" if then.certain or then.folder is not None else ", from the folder that the glue starts in"
        again = [
            f"{printable(file.title)} ({file.number}{'' if file.raw.startswith(b'/') else start})" for file in by_path
        ]
        yield BuildWarning(
            "glue-files",
            f"{listed(again)} {'is' if len(again) == 1 else 'are'} open at the pause, and the output opens "
            f"{'it' if len(again) == 1 else 'them'} again when it is loaded: the same files must be there then",
            "Close them in prepare(program), or leave one closed with its descriptor: "
            + option("--forget-fd", str(by_path[0].number)),
        )
    if hosts:
        names = [f"descriptor {file.number} ({printable(file.title or file.made)})" for file in hosts]
        yield BuildWarning(
            "glue-descriptors",
            f"{listed(names)} {'is' if len(hosts) == 1 else 'are'} open at the pause, with the number that the machine "
            "gave (NODERAWFS), which is another one in each process: the output opens nothing there, and the program's "
            "number leads nowhere, or to something else",
            "Close it in prepare(program), and have the program open it again in instances; if it never uses that "
            f"number again, say so: {' '.join(option('--forget-fd', str(file.number)) for file in hosts)} .",
        )
    if others:
        names = [f"descriptor {file.number} ({printable(file.title or file.made)})" for file in others]
        yield BuildWarning(
            "glue-descriptors",
            f"{listed(names)} {'is' if len(others) == 1 else 'are'} open at the pause, and not in the output",
            f"Close them in prepare(program), or open them in resume(program), in the same order{_way(others)}.",
        )
    if strays:
        places = [_place(file, present[file.number].own_position) for file in strays]
        yield BuildWarning(
            "glue-positions",
            f"{listed(places)}: the program can't go on there where it was",
            "Close them in prepare(program), or leave them closed, and open them in resume(program), in the same order"
            + f"{_way(strays)}; "
            + option("--forget-fd", str(strays[0].number)),
        )
    closed = [number for number in then.shut if number not in now.shut]
    seen = {file.number for file in then.opened} | set(wanted.forget_fd)
    extra = [file for file in now.opened if file.number not in seen]
    if closed or extra:
        names = [f"descriptor {number} ({_STREAM_NAMES[number]})" for number in closed]
        names += [f"descriptor {file.number} ({printable(file.title or file.made)})" for file in extra]
        first = [*closed, *(file.number for file in extra)][0]
        yield BuildWarning(
            "glue-descriptors",
            f"{listed(names)} {'is' if len(names) == 1 else 'are'} closed at the pause, and open in the output",
            f"Close them in resume(program), too: `program.FS.close(program.FS.streams[{first}])`.",
        )


def _way(files: Sequence[OpenFile]) -> str:
    """How to open the first of them that has a path."""
    for file in files:
        if file.path:
            opened = f"program.FS.open({json.dumps(file.path)}, {json.dumps(_mode(file.flags))})"
            return f": `{f'program.FS.llseek({opened}, {file.position}, 0)' if file.position else opened}`"
    return ""


_WRITES, _READS_TOO, _APPENDS = 3, 2, 0o2000  # flags of open, as musl numbers them


def _mode(flags: int) -> str:
    """How the glue's `FS.open` has it."""
    if not flags & _WRITES:
        return "r"
    if not flags & _APPENDS:
        return "r+"
    return "a+" if flags & _READS_TOO else "a"


def _is_there(file: OpenFile, found: OpenFile | None) -> bool:
    """Whether the output has the same one under a number."""
    if found is None or (file.path, file.copy_of) != (found.path, found.copy_of):
        return False
    return bool(file.path) or file.copy_of is not None or file.made == found.made


def _place(file: OpenFile, now: int | None) -> str:
    name = f"descriptor {file.number} ({printable(file.title)})"
    if file.position is None:
        return f"nothing tells at which byte {name} stands, and the output has it at {now or 0:,}"
    return f"{name} stands at byte {file.position:,} at the pause, and in the output at {now or 0:,}"


def _of_lines(then: Files, now: Files) -> Iterator[BuildWarning]:
    for number, line in then.begun.items():
        text = line.decode("utf-8", "replace")
        shown = printable(text[:_SHOWN]) + ("..." if text[_SHOWN:] else "")
        what = f"the program has begun a line on {_STREAM_NAMES[number]} ({counted(len(line), 'byte')}: {shown})"
        if now.begun.get(number) != line:
            yield BuildWarning(
                "glue-output",
                f"{what}: what JavaScript keeps of it until it ends is not in the output",
                "End the line in prepare(program), or write it in resume(program).",
            )
        elif not then.certain:
            yield BuildWarning(
                "glue-output",
                f"{what}: the output writes that again when it is loaded, as glue keeps it until the line ends",
                "Where yours shows it at once (a `stdout` of its own), have that left out: "
                + option("--forget-fd", str(number)),
            )


def _of_changes(recording: Recording) -> Iterator[BuildWarning]:
    changes = {
        entry.title: entry.times
        for entry in recording.imports
        if entry.times and any(map(CHANGES.fullmatch, (entry.name, entry.provider)))
    }
    if recording.written or changes:
        wrote = [f"wrote {listed([printable(path) for path in recording.written])}"] if recording.written else []
        called = [f"called {described(changes)}"] if changes else []
        yield BuildWarning(
            "glue-written",
            f"the program {' and '.join(wrote + called)}: files and folders of the glue are not in the output",
            "Write them again in resume(program), or keep what they say in the program's memory.",
        )
