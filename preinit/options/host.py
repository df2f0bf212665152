"""What the guest sees of the world while it initializes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from posixpath import normpath
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UsageError, printable, quoted
from ..errors.reason import Reason
from . import hints
from . import text as written
from .callables import check_runs
from .declared import Effect, Option
from .kinds import COUNT, FLAG, SIZE, Files, Kind, Path, misplaced, one_of, unfit
from .lists import anchored_path, check_pairs, items, pairs, texts
from .settings import Settings, settings
from .texts import (
    NOT_EMPTY,
    data,
    guest_text,
    in_unicode,
    matching_schema,
    name_text,
    path_text,
    read_any_text,
    read_text,
)

if TYPE_CHECKING:
    import pathlib

    #: Folders with their names for the guest. A mapping is taken with keys of one type only: so are mappings typed.
    Folders = (
        Mapping[str, str]
        | Mapping[pathlib.Path, str]
        | Mapping[os.PathLike[str], str]
        | Mapping[str | pathlib.Path, str]
        | Sequence[tuple[str | os.PathLike[str], str]]
    )

#: What times of files a guest sees: the clock's, or the host's.
FileTimes = Literal["fixed", "host"]
FILE_TIMES: tuple[FileTimes, ...] = ("fixed", "host")

#: The monotonic clock stands for that many readings, then moves by a tick. Programs that measure what
#: they do are misled by a clock that moves with every reading: a garbage collector which reads it more often than the
#: program that it serves finds that it takes nearly all of the time. One that hardly moves misleads them, too: no
#: collection seems to take time, so that young objects get ever more room. And where many collections seem long, they
#: get so little that all of them become old. The tick is the pause that SpiderMonkey's collector aims at, and falls
#: into every third of its collections: these leave the room as it is. `scripts/bench_wizer_tools --sizes` measures it.
CLOCK_PACE = 64

#: Seconds that a clock can stand at: what fits in 63 bits as nanoseconds.
LATEST_SECOND = written.LATEST_SECOND

#: Bytes that a guest may print.
DEFAULT_MAX_OUTPUT = 64 << 20

#: What callers may give for pairs.
Pairs = Mapping[str, str] | Sequence[tuple[str, str]]

#: Takes what a guest prints, piece by piece.
Sink = Callable[[bytes], object]

#: Gives standard input, the same each time: a guest may have to run twice.
Late = Callable[[], bytes]

_WORLD = "What the guest sees of the world"


def _environment_name(option: str, value: Any) -> str:
    name = guest_text(option, value)
    if not name or "=" in name:
        raise UsageError(f"'{printable(name)}' can't be the name of an environment variable")
    return name


def _parse_variable(text: str, flag: str) -> tuple[str, str | None]:
    """`K=V`, or `K` for our own value."""
    name, found, value = text.partition("=")
    if not name:
        raise UsageError(f"{quoted(text)} is not of the form {flag} K=V", hint=f"For example: {flag} LANG=C")
    return name, value if found else None


def _resolve_environment(value: Any, files: Files) -> tuple[tuple[str, str], ...]:
    return tuple((name, _ours(name, files) if text is None else text) for name, text in items(value))


def _ours(name: str, files: Files) -> str:
    if name not in files.environment:
        raise UsageError(
            f"there is no environment variable {quoted(name)} to pass on",
            hint=f"Set it, or give it a value: {hints.option('--env', f'{name}=VALUE')}",
        )
    return files.environment[name]


def _environment() -> Kind:
    plain = pairs(
        _environment_name, guest_text, "K=V", "LANG=C", read=read_any_text, values={"type": "string"},
        resolve=_resolve_environment,
    )  # fmt: skip
    return plain._replace(parse=_parse_variable, gather=dict)


def _parse_folder(text: str, flag: str) -> tuple[str, str]:
    host, found, guest = text.partition("::")
    if not host or (found and not guest):
        raise UsageError(
            f"{quoted(text)} is not of the form {flag} HOST[::GUEST]", hint=f"For example: {flag} lib::/usr/lib"
        )
    return host, in_unicode(guest if found else host)


def _folders() -> Kind:
    plain = pairs(path_text, guest_text, "HOST[::GUEST]", "lib::/usr/lib")

    def check(option: str, value: Any) -> tuple[tuple[str, str], ...]:
        found: tuple[tuple[str, str], ...] = plain.check(option, value)
        places: dict[str, str] = {}
        for host, guest in found:
            if places.setdefault(normpath(guest), host) != host:
                raise UsageError(
                    f"two folders are {quoted(guest)} in the guest: {quoted(places[normpath(guest)])} and "
                    f"{quoted(host)}",
                    hint="Give each a path of its own: `--dir HOST::GUEST`.",
                )
        return found

    return plain._replace(
        check=check,
        parse=_parse_folder,
        resolve=lambda value, files: tuple((files.folder(host), guest) for host, guest in items(value)),
        anchor=lambda value, folder: {anchored_path(host, folder): guest for host, guest in items(value)},
    )


#: What stands behind the guest path of a folder in which asking is refused; and what a folder is in a file.
_REFUSES, _LATE_FOLDER = "::refuse", r"[^\u0000]+"


def _late_folder(option: str, value: Any) -> str:
    text = guest_text(option, value)
    guest, _, choice = text.partition("::")
    if not guest or ((choice != "" or text.endswith("::")) and text != guest + _REFUSES):
        raise UsageError(
            f"{quoted(text)} is not what `--late-dir` takes",
            hint="Give the path in the guest, and ::refuse if asking is refused: --late-dir /data::refuse",
        )
    return in_unicode(text)


def _stdin() -> Kind:
    return Kind(
        "the name of a file",
        data,
        read_text,
        lambda: matching_schema(NOT_EMPTY),
        lambda text, flag: text,
        resolve=lambda name, files: files.read(name),
        anchor=anchored_path,
    )


def _clock() -> Kind:
    wanted = '"epoch:SECONDS" or "host"'

    def check(option: str, value: Any) -> int | str:
        if isinstance(value, int) and not isinstance(value, bool):
            if not 0 <= value <= LATEST_SECOND:
                raise UsageError(
                    f"the clock can't stand at {value} seconds",
                    hint=f"Give whole seconds since 1970, up to {LATEST_SECOND}.",
                )
            return value
        if not isinstance(value, str):
            raise unfit(option, f"a whole number of seconds, {wanted}", value)
        return written.clock(value, option)

    def read(value: Any, path: Path) -> Any:
        if not isinstance(value, str) or not written.CLOCK.fullmatch(value):
            raise misplaced(path, wanted, value)
        return value

    return Kind(
        wanted,
        check,
        read,
        lambda: matching_schema(written.CLOCK.pattern),
        lambda text, flag: written.clock(text, flag),
    )


def _random() -> Kind:
    wanted = '"seed:N", "deny" or "host"'

    def check(option: str, value: Any) -> str:
        if not isinstance(value, str):
            raise unfit(option, wanted, value)
        return written.random(value, option)

    def read(value: Any, path: Path) -> Any:
        if not isinstance(value, str) or not written.RANDOM.fullmatch(value):
            raise misplaced(path, wanted, value)
        return value

    return Kind(
        wanted,
        check,
        read,
        lambda: matching_schema(written.RANDOM.pattern),
        lambda text, flag: written.random(text, flag),
    )


def _sink() -> Kind:
    def check(option: str, value: Any) -> Any:
        if value is not None and not callable(value):
            hint = f"Give what writes: {option}=file.write." if hasattr(value, "write") else None
            raise unfit(option, "a function that takes bytes", value, hint)
        check_runs(option, value)
        return value

    return FLAG._replace(wanted="a function that takes bytes", check=check)


def _late() -> Kind:
    def check(option: str, value: Any) -> Any:
        if value is not None and not callable(value):
            raise unfit(option, "a function that returns bytes", value)
        check_runs(option, value)
        return value

    return FLAG._replace(wanted="a function that returns bytes", check=check)


def _functions() -> Kind:
    hint = 'Give functions by the imports that they provide: functions={"MODULE.NAME": function}.'

    def function(option: str, value: Any) -> Any:
        if not callable(value):
            raise UsageError(
                f"{option} gives something for an import that is no function: a value of type {type(value).__name__}",
                hint=hint,
            )
        check_runs(option, value)
        return value

    def title(option: str, value: Any) -> str:
        if not isinstance(value, str):
            raise UsageError(f"{option} names an import by a {type(value).__name__}", hint=hint)
        return name_text(option, value)

    def check(option: str, value: Any) -> tuple[tuple[str, Any], ...]:
        found = check_pairs(option, value, title, function)
        if len({name for name, _ in found}) < len(found):
            raise UsageError("two functions are given for one import", hint="Leave one of them out.")
        return found

    return FLAG._replace(wanted="a mapping of functions", check=check)


@settings
class Host(Settings):
    """What the guest sees of the world while it initializes. The defaults are hermetic: nothing.

    Parameters
    ----------
    env: environment variables; a mapping, or `(name, value)` pairs.
    args: the argument vector, the program's name first.
    dirs: host folder -> guest path, or such pairs; the guest can read them, not write, unless they are `writable`.
    late_dirs: guest paths of folders that only instances have, after those of `dirs`: while the guest is built, it
        finds each of them empty; with `::refuse` behind its path, asking for something in there is refused.
    stdin: what the guest can read from standard input.
    clock: where the wall clock stands, in seconds since 1970, also as "epoch:SECONDS"; the other clocks move.
        "host": the clocks of the system.
    clock_pace: after how many readings the other clocks move by 4 ms; 0: never. A garbage collector that reads them
        leaves more of what it has done with, or less.
    random: "seed:N": a stream of random numbers that is the same in every build; "deny": asking for random numbers
        fails the build; "host": those of the system.
    writable: the folders may be written, too. What an initializer did to them stays, even if the build fails.
    file_times: "fixed": all files have the time of the clock (0 with "host"); "host": their own.
    wasi: False: a call of any function of WASI fails the build.
    max_guest_output: bytes that the guest may print; more fail the build.
    stdout, stderr: called with what the guest prints, as bytes, piece by piece. None: it goes to the logger
        `preinit.guest`, line by line.
    quiet_guest: drop the guest's output.
    functions: `MODULE.NAME` -> a Python function, or such pairs, that provides an imported function: it takes the guest
        (see `preinit.Guest`) and the numbers that the guest gives, and returns a number where the import does.
    public_env: names of variables whose values may be in the output: `environment-value` does not name them.
    """

    env: Option[Pairs, tuple[tuple[str, str], ...]] = Option(
        (), _environment(), Effect.OUTPUT, "Environment variable; without =V, yours.",
        heading=_WORLD, short="-e", metavar="K[=V]",
    )  # fmt: skip
    args: Option[Sequence[str], tuple[str, ...]] = Option(
        (), texts(), Effect.OUTPUT, "Argument; the first is the program's name.",
        heading=_WORLD, flag="--arg", metavar="ARG",
    )  # fmt: skip
    dirs: Option[Folders, tuple[tuple[str, str], ...]] = Option(
        (), _folders(), Effect.OUTPUT, "Folder that the guest may read.",
        heading=_WORLD, flag="--dir", short="-d", metavar="HOST[::GUEST]",
    )  # fmt: skip
    late_dirs: Option[Sequence[str], tuple[str, ...]] = Option(
        (), texts(_late_folder, _LATE_FOLDER), Effect.OUTPUT, "Folder that only instances have.",
        heading=_WORLD, flag="--late-dir", metavar="GUEST[::refuse]",
    )  # fmt: skip
    writable: Option[bool, bool] = Option(False, FLAG, Effect.OUTPUT, "It may write those folders too.", heading=_WORLD)
    file_times: Option[FileTimes, FileTimes] = Option(
        "fixed", one_of(*FILE_TIMES), Effect.OUTPUT, "The times that files have.",
        heading=_WORLD,
    )  # fmt: skip
    stdin: Option[bytes, bytes] = Option(
        b"", _stdin(), Effect.OUTPUT, "Standard input of the guest.", heading=_WORLD, metavar="FILE"
    )
    clock: Option[int | str, int | str] = Option(
        0, _clock(), Effect.OUTPUT, "Where the clock stands, or the system's clocks.",
        heading=_WORLD, metavar="epoch:SECONDS|host", otherwise="$SOURCE_DATE_EPOCH or 0",
    )  # fmt: skip
    clock_pace: Option[int, int] = Option(
        CLOCK_PACE, COUNT, Effect.OUTPUT, "Readings after which the monotonic clock moves.",
        heading=_WORLD, metavar="READINGS",
    )  # fmt: skip
    random: Option[str, str] = Option(
        "seed:0", _random(), Effect.OUTPUT,
        "Random numbers: seeded, none, or the system's.",
        heading=_WORLD, metavar="seed:N|deny|host",
    )  # fmt: skip
    wasi: Option[bool, bool] = Option(
        True, FLAG, Effect.OUTPUT, "Functions of WASI; without them, a call fails the build.", heading=_WORLD
    )
    quiet_guest: Option[bool, bool] = Option(False, FLAG, Effect.REPORT, "Drop what the guest prints.", heading=_WORLD)
    max_guest_output: Option[int | str, int] = Option(
        DEFAULT_MAX_OUTPUT, SIZE, Effect.LIMIT, "Most that the guest may print.",
        heading=_WORLD, metavar="SIZE", otherwise="64MiB",
    )  # fmt: skip
    functions: Option[
        Mapping[str, Callable[..., Any]] | Sequence[tuple[str, Callable[..., Any]]],
        tuple[tuple[str, Callable[..., Any]], ...],
    ] = Option((), _functions(), Effect.OUTPUT)
    public_env: Option[Sequence[str], tuple[str, ...]] = Option((), texts(), Effect.VERDICT)
    stdout: Option[Sink | None, Sink | None] = Option(None, _sink(), Effect.REPORT)
    stderr: Option[Sink | None, Sink | None] = Option(None, _sink(), Effect.REPORT)
    #: Gives standard input when the guest first reads it, in place of `stdin`: ours may never end, and most guests
    #: don't read theirs. No report says what was read; nobody but a command that passes its own on should say so.
    _late_stdin: Option[Late | None, Late | None] = Option(None, _late(), Effect.PROCESS)

    @property
    def late_stdin(self) -> Late | None:
        """What gives standard input when the guest first reads it; None: it is `stdin`."""
        return self._late_stdin

    @property
    def late_folders(self) -> tuple[tuple[str, bool], ...]:
        """Guest paths of folders that only instances have, and whether asking for something in there is refused."""
        return tuple((text.removesuffix(_REFUSES), text.endswith(_REFUSES)) for text in self.late_dirs)

    @property
    def time(self) -> int:
        """Where the wall clock stands, in nanoseconds; 0 where it moves."""
        return self.clock * 10**9 if isinstance(self.clock, int) else 0

    @property
    def has_own_clock(self) -> bool:
        """Whether the guest reads the system's clocks."""
        return self.clock == "host"

    @property
    def seed(self) -> int | None:
        """What seeds the stream of random numbers; None where they come from elsewhere."""
        return int(self.random.removeprefix("seed:")) if self.random.startswith("seed:") else None

    @property
    def irreversible(self) -> Reason | None:
        """Why a run can't be started again as if it had not been: on demand, it may turn out to be needed."""
        if self.writable and self.dirs:
            return Reason("writes-files", "it may write files, which can't be taken back")
        if self.has_own_clock:
            return Reason("own-clock", "it may read the host's clock, which would show another time to a second run")
        if self.functions:
            return Reason("python-functions", "it may call Python functions, whose effects can't be taken back")
        if self.random == "host":
            return Reason("own-random", "it may take the host's random numbers, which would be others in a second run")
        return None
