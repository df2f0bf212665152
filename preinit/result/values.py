"""The values that a build gives back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..binary.rope import Rope
from ..errors import Frame, OutputNotWritable, in_words, quoted, way_out
from ..records import Value, field, value
from .captured import CaptureFacts
from .component import ComponentFacts

#: Version of the report's JSON form.
REPORT_VERSION = 1


@value
class BuildWarning(Value):
    """Something to look at before the output is used: `code` is stable, `message` says what and where, `hint` what to
    do."""

    code: str
    message: str
    hint: str


@value
class ModuleFacts(Value):
    """A module: SHA-256 in hex, empty where it was not asked for; bytes in all, and of each section (headers included);
    gzip level 6 if measured."""

    sha256: str
    size: int
    sections: dict[str, int]
    gzip_size: int | None = None


@value
class EngineFacts(Value):
    """How the guest was compiled: `name` is "whole" or "ondemand", `compiler` "winch" or "cranelift".

    `reason` says why, in words, and `reason_code` the same for programs. Of its `functions`, `functions_compiled` were
    compiled, `bytes_compiled` bytes of code, in `chunks` modules; an earlier build had compiled `chunks_from_cache` of
    these. `not_kept`: why compiled code could not be kept for the next build, in words; empty where it is, or was not
    asked for. `compiled_anew`: why code of the cache was not used.
    """

    name: str
    compiler: str
    reason: str
    functions: int
    functions_compiled: int
    bytes_compiled: int
    chunks: int
    chunks_from_cache: int = 0
    not_kept: str = ""
    compiled_anew: str = ""
    reason_code: str = ""


@value
class RunFacts(Value):
    """A function that was run: "start", or an export. `seconds` on the clock, `results` as numbers. `value`: what a
    component's function returned, in WAVE; empty where it returns nothing.

    `exited`: it ended the program with exit code 0 instead of returning. `assumed_stack_pointer`: the index of the
    global that was put back then, where no name but only its place says that it is the stack pointer.
    """

    function: str
    arguments: tuple[str, ...]
    results: tuple[int | float | None, ...]
    seconds: float
    exited: bool = False
    assumed_stack_pointer: int | None = None
    value: str = ""


@value
class MemoryFacts(Value):
    """A memory in the snapshot: its pages before and after, and what of it the output holds, in bytes.

    `zeros_added`: of that, zeros with which wasmtime maps the data as an image, instead of copying it at each start;
    `zeros_missing`: those that an image would need, and that are not there. `stored`: ranges, from and up to, that no
    segment has and the start function stores, without which it maps the rest.
    """

    index: int
    pages_before: int
    pages: int
    page_size: int
    segments: int
    bytes_written: int
    zeros_added: int = 0
    zeros_missing: int = 0
    stored: tuple[tuple[int, int], ...] = ()


@value
class SnapshotFacts(Value):
    """What the snapshot holds. `globals_changed`: indices of mutable globals that have another value than before."""

    memories: tuple[MemoryFacts, ...]
    globals_captured: int
    globals_changed: tuple[int, ...]
    data_segments: int
    dropped_data_segments: tuple[int, ...]


@value
class FileFacts(Value):
    """A file that the guest read: its path in the guest, bytes in all, SHA-256 in hex (None: huge, or not wanted)."""

    path: str
    size: int
    sha256: str | None


@value
class DescriptorFacts(Value):
    """A file or folder that the guest had open, and its path in the guest.

    `opened_in`: the guest's backtrace when it opened it, innermost frame first; of the first 200 that it opened.
    """

    number: int
    path: str
    opened_in: tuple[Frame, ...] = ()


@value
class HostFacts(Value):
    """What the guest asked for while it initialized, so that the snapshot may hold it.

    `calls` of each import of the host, `first_calls`: the guest's backtrace of the first one, innermost frame first
    (functions, without offsets; at most 20).
    `clock_reads` of the time of day, `monotonic_reads` of other clocks. `environment`: the names of the variables that
    were handed over, all at once; `environment_read`: the guest asked, if only how many there are: C libraries keep the
    answer, even if that is none. The same for `arguments`, and for `folders` (guest paths), `folders_listed`.
    `open_descriptors`: at the end, besides those of `folders`. `unflushed`: bytes that were printed into a buffer and
    still lie there, by stream; only where the module says where its streams are. `stubbed`: how often a stub answered
    for each import, instead of a function that does something. `causes`: the backtrace of a function's first call that
    read or took something, which may be a later one than the first. `callers`: of functions by whose callers a warning
    was accepted, the backtraces of all such calls, each once; an empty one where there were too many. `folders_used`:
    those of `folders` in which it looked for something. `late_folders`: guest paths of folders that only instances
    have; `late_opened`, `late_asked`: paths in there that the guest opened, and that it asked for. `functions`: imports
    that it called and that Python functions provided. `only_sizes`: "environment", "arguments", of which the guest
    asked how many and how large they are, and did not take those that there were.
    """

    calls: dict[str, int]
    first_calls: dict[str, tuple[Frame, ...]]
    random_bytes: int
    clock_reads: int
    monotonic_reads: int
    environment_read: bool
    environment: tuple[str, ...]
    arguments_read: bool
    arguments: tuple[str, ...]
    stdin_read: bool
    stdin_bytes: int
    folders: tuple[str, ...]
    folders_listed: bool
    files: tuple[FileFacts, ...]
    open_descriptors: tuple[DescriptorFacts, ...]
    unflushed: dict[str, int] = field(factory=dict)
    stubbed: dict[str, int] = field(factory=dict)
    causes: dict[str, tuple[Frame, ...]] = field(factory=dict)
    callers: dict[str, tuple[tuple[Frame, ...], ...]] = field(factory=dict)
    late_folders: tuple[str, ...] = ()
    late_opened: tuple[str, ...] = ()
    late_asked: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    folders_used: tuple[str, ...] = ()
    only_sizes: tuple[str, ...] = ()


@value
class Difference(Value):
    """A place where the initializer leaves something else in another world; never what it left.

    `depends_on`: those of "entropy", "clock" and "environment" that it depends on. `kind`, with what `index` counts:
    "memory" (`length` bytes from `offset` on), "memory size", "global", "table" (`length` entries from `offset` on),
    "table size", "data segment" and "element segment" (dropped or not), "result" (of that run), or "outcome": there,
    the build fails, and `name` is the error's code. `name` is otherwise what the module's names call it, if they do.
    """

    kind: str
    index: int
    depends_on: tuple[str, ...]
    offset: int = 0
    length: int = 0
    name: str | None = None


@value
class ScrubFacts(Value):
    """The dead part of the stack, bytes 0 to `stack_pointer` of memory 0, of a stack that starts at `stack_top`.

    `bytes_zeroed`: bytes in it that were not zero. `bytes_saved`: how much smaller the data segments are.
    """

    stack_top: int
    stack_pointer: int
    bytes_zeroed: int
    bytes_saved: int


@value
class LateFacts(Value):
    """What instances bring themselves (`late`).

    `environment`, `arguments`: "bound": the output fetches them when it starts; "unneeded": the guest never asked for
    them while it was built, so it does in its instance; "unbound": it asked, and keeps nothing that could be bound;
    None: that was not wanted. `environment_words`: addresses of the words of memory that are set to the address of the
    instance's environment, in place of that of `environment_arrays` arrays; `environment_changed`: the guest changed
    what it had fetched. `elsewhere`: words that hold such an address, and are left alone.
    `argument_arrays`: addresses of the arrays that get the addresses of the instance's `argument_count` arguments.
    `texts`: words that hold the address of a text of the build in one of those arrays, outside of them, and are left
    alone: of the variables `variables_held`, and the arguments number `arguments_held`. `entries_held`: the variables
    whose entries in the build's array of the environment words or globals still point to, "" for its end.
    `environment_globals`: indices of the globals that hold that array's address. `environment_active`,
    `arguments_active`: locals and operands of functions that are active at a pause which may point to the build's, and
    are left alone. `cause`, `arguments_cause`: why what could have been bound by itself is not. `environment_room`,
    `arguments_room`: bytes of what an instance may bring: of the environment the texts, and 4 more for each and for the
    end; of arguments the texts.
    """

    environment: str | None
    environment_words: tuple[int, ...]
    environment_arrays: int
    environment_changed: bool
    elsewhere: int
    arguments: str | None
    argument_arrays: tuple[int, ...]
    argument_count: int
    texts: int = 0
    variables_held: tuple[str, ...] = ()
    arguments_held: tuple[int, ...] = ()
    environment_active: int = 0
    arguments_active: int = 0
    entries_held: tuple[str, ...] = ()
    environment_globals: tuple[int, ...] = ()
    cause: str | None = None
    arguments_cause: str | None = None
    environment_room: int = 0
    arguments_room: int = 0


@value
class ResumedFrame(Value):
    """An active function at a pause: where it was, and what goes on there.

    `offset` of the call that is under way, in the input. `code`: bytes of the function; `continuation`: bytes of the
    function number `resumed` of the output, which does what was left of it.
    """

    function_index: int
    name: str | None
    offset: int
    code: int
    continuation: int
    resumed: int


@value
class PauseFacts(Value):
    """A program that was paused in the middle: `where`, as the options say it, in the call of the export `export`.

    `frames`: what was active, innermost first. `printed`: bytes that it had printed, `replayed`: whether the output
    prints them again. `reopened`: paths of files that the output opens again.
    """

    where: str
    export: str
    frames: tuple[ResumedFrame, ...]
    printed: int
    replayed: bool
    reopened: tuple[str, ...]


@value
class Report(Value):
    """Everything that a user could ask about a build. `passes`: seconds of each, in order.

    `audit`: what depends on entropy, clock or environment, `scrub_stack`: what was zeroed, `late`: what instances bring
    themselves, `pause`: where it was paused, `capture`: of a program with JavaScript glue; each None if that was not
    asked for. `component`: of a component, what it is made of. `options`: those of the build, as
    JSON values, to repeat it; of environment variables only names. `unused`: options of which the guest used nothing,
    as the command line has them.
    """

    version: int
    preinit: str
    layout: str
    engine: EngineFacts
    input: ModuleFacts
    output: ModuleFacts
    runs: tuple[RunFacts, ...]
    passes: dict[str, float]
    snapshot: SnapshotFacts
    host: HostFacts
    warnings: tuple[BuildWarning, ...]
    audit: tuple[Difference, ...] | None = None
    scrub_stack: ScrubFacts | None = None
    late: LateFacts | None = None
    pause: PauseFacts | None = None
    component: ComponentFacts | None = None
    options: dict[str, Any] = field(factory=dict)
    unused: tuple[str, ...] = ()
    capture: CaptureFacts | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        import dataclasses

        facts = dataclasses.asdict(self)
        facts["host"] = _with_frames(facts["host"])
        facts["component"] = _with_frames(facts["component"])
        return facts

    def to_json(self) -> str:
        """The report as `preinit build --report` writes it; `preinit schema --report` prints the schema."""
        from .write import text

        return text(self.to_dict())

    @classmethod
    def from_json(cls, data: str | bytes) -> Report:
        """The report that `to_json` gave. Raises `InputError` for anything else, a failed build's report included."""
        from .read import loads

        return loads(cls, REPORT_VERSION, data)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Report:
        """The report that `to_dict` gave, or that a reader of JSON made of `to_json`. Raises `InputError`."""
        from .read import of_values

        return of_values(cls, REPORT_VERSION, dict(values))


def _with_frames(value: Any) -> Any:
    """The same, with frames as JSON objects: `dataclasses.asdict` leaves named tuples as they are."""
    if isinstance(value, Frame):
        return value._asdict()
    if isinstance(value, dict):
        return {key: _with_frames(item) for key, item in value.items()}
    return type(value)(map(_with_frames, value)) if isinstance(value, list | tuple) else value


class Result:
    """The output module and the report about it.

    `written`: the module in pieces, of which the large ones are views of the input. They are joined when somebody asks
    for `wasm`, and not before: whoever only writes it to a file needs no second copy.
    """

    __slots__ = ("_report", "_written")
    __match_args__ = ("wasm", "report")

    def __init__(self, wasm: bytes | Rope, report: Report) -> None:
        self._written = Rope([wasm]) if isinstance(wasm, bytes) else wasm
        self._report = report

    def __repr__(self) -> str:
        return f"{type(self).__name__}(report={self._report!r})"

    @property
    def wasm(self) -> bytes:
        return self._written.joined()

    @property
    def written(self) -> Rope:
        return self._written

    @property
    def report(self) -> Report:
        return self._report

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the module to a file, in one step: what was there stays until it is complete.

        Raises `OutputNotWritable`.
        """
        from ..files.replace import replace_file

        try:
            replace_file(os.path.realpath(path), *self._written.pieces)
        except (OSError, ValueError) as problem:
            reason = in_words(problem)
            raise OutputNotWritable(
                f"the output {quoted(os.fsdecode(path))} can't be written: {reason}",
                hint=way_out(problem, "Name another file, or make its folder writable."),
            ) from problem
