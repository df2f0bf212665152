"""What a run in Node told, as values: hook.mjs wrote it."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

from ..errors import Unsupported, printable
from ..tuples import NamedTuple

#: Bytes that the description of a state may have: engines take 10 million entries of all tables.
_MOST_STATE = 1 << 30

#: What a global or table holds: a function by its index, null, "foreign": a function of another instance, "object",
#: "undefined": that is not null in JavaScript.
Held = int | str | None


class ImportCall(NamedTuple):
    """A call of an import, straight from an export that JavaScript had called, or from the start function.

    `function`: its place among the imports of the recording.
    `arguments`: numbers, as JSON has them, see `arguments.raw`; None for what is no number. `pointed`: of calls that
    may be made again, what may be addresses among them, and the bytes that lay there.
    """

    function: int
    arguments: tuple[Any, ...]
    pointed: tuple[tuple[int, bytes], ...]


class ExportCall(NamedTuple):
    """A call that JavaScript made; one without a name is that of the start function. `loading`: before the script
    said that its program is loaded. `frames`: names of the JavaScript functions that called, innermost first;
    `alias`: what JavaScript calls the export, where that is known; `texts`: what main is handed, its own name first."""

    name: str
    loading: bool
    arguments: tuple[Any, ...]
    frames: tuple[str, ...]
    alias: str
    result: Any
    threw: bool
    imports: tuple[ImportCall, ...]
    texts: tuple[str, ...] | None = None


class ImportUse(NamedTuple):
    """An import: what it is called in the module, and what the function that provides it is called in JavaScript; how
    many `times` it was called, and how many of them `late`, after the program was loaded."""

    module: str
    name: str
    provider: str
    times: int
    late: int

    @property
    def title(self) -> str:
        """What it is best called."""
        return self.provider or self.name


class OpenFile(NamedTuple):
    """A descriptor that is open. `path`: None where it was made otherwise than by opening one, as `made` says; `raw`:
    its bytes, which need be no UTF-8; `position`: None where nothing tells it; `places`: it was opened as another one,
    and put where it is (dup3, freopen); `copy_of`: another descriptor, with which it shares the file and its position,
    unless that is `apart`; `listed`: it is a folder whose entries were asked for; `host`: it
    is the machine's own, whose number is another one in each process."""

    number: int
    path: str | None
    flags: int
    position: int | None
    made: str
    raw: bytes
    places: bool
    copy_of: int | None = None
    listed: bool = False
    apart: bool = False
    host: bool = False

    @property
    def title(self) -> str:
        """What is open there, for a message."""
        return self.path or ("" if self.copy_of is None else f"a copy of descriptor {self.copy_of}")

    @property
    def own_position(self) -> int | None:
        """The position, where it is its own."""
        return self.position if self.path and (self.copy_of is None or self.apart) else 0


class Files(NamedTuple):
    """What a program has of its glue's files.

    `opened`: descriptors; `shut`: standard streams that are closed; `folder`: the current one, None where it is not
    known; `moved`: it is not the one of the start; `begun`: what was written to standard output (1) and error (2)
    behind the last end of a line; `certain`: the glue itself says what it keeps of that; `synced`: streams of which it
    may have shown that already.
    """

    opened: tuple[OpenFile, ...] = ()
    shut: tuple[int, ...] = ()
    folder: str | None = None
    moved: bool = False
    begun: dict[int, bytes] = {}
    certain: bool = True
    synced: tuple[int, ...] = ()


class Given(NamedTuple):
    """How much the program asked of the world while it ran: random bytes, readings of clocks."""

    random: int
    clock: int
    monotonic: int


class LoadCall(NamedTuple):
    """A call that JavaScript made while it loaded the program. `result`: a list of several; `changes`: whether it,
    which has no arguments, changed the memory of the program; None where nobody looked."""

    name: str
    arguments: tuple[Any, ...]
    result: Any
    changes: bool | None = None


class Asked(NamedTuple):
    """What it asked of the world, and by which of its functions.

    `environment`: names of variables that it was handed; `arguments`; `counts`: how many there are of both, as it was
    told; `input`: bytes of standard input that it read, None if it did not; `devices`: others that it read, how many
    bytes, and the functions that were running then, as in `first`. `first`: by a function's name in WASI,
    indices of the functions that were running when it was called first, innermost first; `ways`: of functions whose
    callers must be known, each way to it once, an empty one where there were too many.
    """

    environment: tuple[str, ...]
    arguments: tuple[str, ...]
    counts: dict[str, int]
    input: int | None
    devices: tuple[tuple[str, int, tuple[int, ...]], ...]
    first: dict[str, tuple[int, ...]]
    ways: dict[str, tuple[tuple[int, ...], ...]]


class State(NamedTuple):
    """Globals, and entries of tables, by index. A number's raw bytes, or what is held."""

    numbers: dict[int, bytes]
    held: dict[int, Held]
    tables: dict[int, tuple[Held, ...]]


class Beside(NamedTuple):
    """Another module, of which JavaScript made an instance. `content`: None where its bytes are not known; `names`: of
    exports, some; `shared`: it imports no other memory and table than the captured program's."""

    content: bytes | None
    names: tuple[str, ...]
    shared: bool


class Recording(NamedTuple):
    """A program at its pause, and how it came there.

    `makers`: JavaScript functions that made the first instances; `before`: right after instantiation; `called`: how
    often JavaScript called each export, `loading`: before the program was loaded; `written`: paths of files that
    the program wrote; `loads`: calls of exports until the program was loaded, the first ones where they are many;
    `overwritten`: where JavaScript, while it loaded an output, wrote over what was not zero; `watched`: calls of
    exports after which nobody looked for that any more, None if somebody did to the end; `lost`: calls that were
    too many to be kept; `resources`: what keeps Node alive.
    """

    instances: int
    makers: tuple[str, ...]
    depth: int
    suspended: int
    loaded: bool
    lost: int
    imports: tuple[ImportUse, ...]
    calls: tuple[ExportCall, ...]
    called: dict[str, int]
    loading: dict[str, int]
    files: Files
    written: tuple[str, ...]
    given: Given
    asked: Asked
    loads: tuple[LoadCall, ...]
    overwritten: tuple[tuple[int, int], ...]
    watched: int | None
    state: State
    before: State
    memories: dict[int, memoryview]
    dropped_data: frozenset[int]
    dropped_elements: frozenset[int]
    resources: tuple[str, ...]
    beside: tuple[Beside, ...]


def read_outcome(folder: Path) -> dict[str, Any] | None:
    """What a run told; None if it told nothing. Raises `Unsupported`."""
    path = folder / "state.json"
    try:
        if path.stat().st_size > _MOST_STATE:
            raise Unsupported("what Node told of the program is too large: tables or globals are", where=str(path))
        outcome = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as problem:
        raise _unreadable(problem) from problem
    return outcome if isinstance(outcome, dict) else None


def recording_of(outcome: dict[str, Any], folder: Path) -> Recording:
    """The recording of a run that ended at a pause. Raises `Unsupported` where it is none: the script overwrote it."""
    try:
        return _recording(outcome, folder)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError) as problem:
        raise _unreadable(problem) from problem


def _unreadable(problem: Exception) -> Unsupported:
    return Unsupported(
        f"what Node told of the program can't be read: {printable(str(problem)) or type(problem).__name__}",
        hint="The script must leave `globalThis.preinit` and its files alone; else this is a bug: please report it.",
    )


def _recording(outcome: dict[str, Any], folder: Path) -> Recording:
    given = outcome["given"]
    aliases = outcome["aliases"]
    calls = tuple(_call(call, str(aliases.get(call["name"], ""))) for call in outcome["calls"])
    if any(not 0 <= made.function < len(outcome["imports"]) for call in calls for made in call.imports):
        raise ValueError("a call of an import that there is not")
    return Recording(
        int(outcome["instances"]),
        tuple(map(str, outcome["makers"])),
        int(outcome["depth"]),
        int(outcome["suspended"]),
        outcome["phase"] != "load",
        int(outcome["lost"]),
        tuple(
            ImportUse(str(e["module"]), str(e["name"]), str(e["js"]), int(e["count"]), int(e["late"]))
            for e in outcome["imports"]
        ),
        calls,
        {str(name): int(times) for name, times, _ in outcome["called"]},
        {str(name): int(loading) for name, _, loading in outcome["called"]},
        _files(outcome["files"]),
        tuple(map(str, outcome["wrote"])),
        Given(int(given["random"]), int(given["clock"]), int(given["monotonic"])),
        _asked(outcome["asked"]),
        tuple(LoadCall(str(e["name"]), tuple(e["args"]), e.get("result"), e.get("changes")) for e in outcome["loads"]),
        tuple((int(start), int(end)) for start, end in outcome["overwritten"]),
        None if outcome["watched"] is None else int(outcome["watched"]),
        _state(outcome),
        _state(outcome["before"]),
        _memories(folder),
        frozenset(map(int, outcome["droppedData"])),
        frozenset(map(int, outcome["droppedElements"])),
        tuple(map(str, outcome["resources"])),
        tuple(
            Beside(
                (folder / f"beside{number}").read_bytes() if e["known"] else None,
                tuple(map(str, e["names"])),
                bool(e["shared"]),
            )
            for number, e in enumerate(outcome["beside"])
        ),
    )


def _asked(facts: dict[str, Any]) -> Asked:
    taken = facts["input"]
    return Asked(
        tuple(map(str, facts["environment"] or ())),
        tuple(map(str, facts["arguments"] or ())),
        {str(kind): int(number) for kind, number in facts["counts"].items()},
        None if taken is None else int(taken),
        tuple((str(path), int(size), tuple(map(int, frames))) for path, size, frames in facts["devices"]),
        {str(name): tuple(map(int, frames)) for name, frames in facts["first"].items()},
        {str(name): tuple(tuple(map(int, way)) for way in (known or [()])) for name, known in facts["ways"]},
    )


def _memories(folder: Path) -> dict[int, memoryview]:
    found = {}
    for path in folder.glob("memory*"):
        with path.open("rb") as stream:
            size = path.stat().st_size
            content = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)) if size else memoryview(b"")
            found[int(path.name.removeprefix("memory"))] = content
    return found


def _state(facts: dict[str, Any]) -> State:
    numbers, held = {}, {}
    for index, value in facts["globals"].items():
        if isinstance(value, str):
            numbers[int(index)] = bytes.fromhex(value)
        else:
            held[int(index)] = _held(value["holds"])
    return State(numbers, held, {int(i): tuple(map(_held, entries)) for i, entries in facts["tables"].items()})


def _held(value: Any) -> Held:
    if value is None or isinstance(value, int):
        return value
    if value in ("foreign", "object", "undefined"):
        return str(value)
    raise ValueError(f"a reference is {value!r}")


def _call(facts: dict[str, Any], alias: str) -> ExportCall:
    imports = tuple(
        ImportCall(
            int(entry["i"]),
            tuple(entry["args"]),
            tuple((int(address), bytes.fromhex(content)) for address, content in entry.get("stack") or ()),
        )
        for entry in facts["imports"]
    )
    return ExportCall(
        str(facts["name"]), facts["phase"] == "load", tuple(facts["args"]), tuple(map(str, facts["frames"])),
        alias, facts.get("result"), bool(facts.get("threw")), imports,
        None if facts.get("texts") is None else tuple(map(str, facts["texts"])),
    )  # fmt: skip


def _files(facts: dict[str, Any]) -> Files:
    if not facts:  # the program is paused inside of a call
        return Files()
    folder = facts["folder"]
    if not {*map(int, facts["shut"]), *map(int, facts["begun"])} <= {0, 1, 2}:
        raise ValueError("a standard stream that there is not")
    return Files(
        tuple(_file(int(number), entry) for number, entry in sorted(facts["opened"], key=lambda pair: int(pair[0]))),
        tuple(map(int, facts["shut"])),
        None if folder is None else str(folder),
        bool(facts["moved"]),
        {int(number): bytes.fromhex(line) for number, line in facts["begun"].items()},
        bool(facts["asked"]),
        tuple(map(int, facts["synced"])),
    )


def _file(number: int, facts: dict[str, Any]) -> OpenFile:
    path = facts.get("path")
    raw = facts.get("raw")
    position = facts.get("position") if path is not None else 0
    if position is not None and not 0 <= position < 1 << 63:
        raise ValueError(f"a file stands at {position!r}")
    return OpenFile(
        number, None if path is None else str(path), int(facts.get("flags") or 0),
        None if position is None else int(position), str(facts.get("made") or ""),
        str(path or "").encode("utf-8", "replace") if raw is None else bytes.fromhex(raw), bool(facts.get("places")),
        None if (copied := facts.get("copy")) is None else int(copied), bool(facts.get("listed")),
        bool(facts.get("apart")), bool(facts.get("host")),
    )  # fmt: skip
