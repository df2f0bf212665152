"""What the answer to a request may take, and what every instance sees of the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import UsageError
from ..options import Host
from ..options.declared import Effect, Option
from ..options.kinds import COUNT, FLAG, SECONDS, SIZE, Kind, one_of
from ..options.lists import name_kind

#: Bytes: what the defaults of the limits are.
DEFAULT_MAX_MEMORY = 256 << 20
DEFAULT_MAX_BODY = 1 << 20
DEFAULT_MAX_OUTPUT = 16 << 20

#: Of one memory of an instance: what a 32-bit memory can have.
MOST_MEMORY = 4 << 30

#: Bytes of a request or of an answer: it is held in memory.
MOST_TRANSFER = 1 << 30

MOST_THREADS = 256

#: Seconds of a request.
LONGEST = 86_400.0

DEFAULT_TIMEOUT = 10.0
DEFAULT_THREADS = 8

_SEES = "What an instance sees"
_LIMITS = "Limits"
_RUN = "How it is run"

ServeCompiler = Literal["cranelift", "winch"]


def _within(kind: Kind, what: str, least: float, most: float, unit: str) -> Kind:
    def check(name: str, value: Any) -> Any:
        found = kind.check(name, value)
        if not least <= found <= most:
            raise UsageError(f"{what} must be from {least:,} to {most:,} {unit}".rstrip())
        return found

    return kind._replace(check=check)


def _of_host(name: str) -> Kind:
    found: Kind = vars(Host)[name].kind
    return found


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to serve a command.

    Parameters
    ----------
    entry: the exported function of type () -> () that answers a request.
    env: environment variables of every instance, `(name, value)` pairs or a dict; those of the request come first.
    args: arguments; the first is the program's name.
    dirs: `(host folder, guest path)` pairs or a dict: folders that instances may read.
    timeout: seconds for a request.
    max_memory: bytes that each memory of an instance may have.
    max_body: bytes of a request's body.
    max_output: bytes of an answer.
    threads: requests that are answered at the same time.
    compiler: "cranelift" or "winch", which compiles faster to slower code.
    cache: keep compiled code for the next start.
    """

    dirs: Option[Mapping[str, str] | Sequence[tuple[str, str]], tuple[tuple[str, str], ...]] = Option(
        (), _of_host("dirs"), Effect.OUTPUT, "Folder that instances may read.",
        heading=_SEES, flag="--dir", short="-d", metavar="HOST[::GUEST]",
    )  # fmt: skip
    env: Option[Mapping[str, str] | Sequence[tuple[str, str]], tuple[tuple[str, str], ...]] = Option(
        (), _of_host("env"), Effect.OUTPUT, "Environment variable; without =V, the value in your environment.",
        heading=_SEES, short="-e", metavar="K[=V]",
    )  # fmt: skip
    args: Option[Sequence[str], tuple[str, ...]] = Option(
        (), _of_host("args"), Effect.OUTPUT, "Argument; the first is the program's name.",
        heading=_SEES, flag="--arg", metavar="ARG",
    )  # fmt: skip
    timeout: Option[float, float] = Option(
        DEFAULT_TIMEOUT, _within(SECONDS, "the time limit", 0.001, LONGEST, "seconds"), Effect.LIMIT,
        "How long a request may take.", heading=_LIMITS, short="-t", metavar="SECONDS", otherwise="10",
    )  # fmt: skip
    max_memory: Option[int | str, int] = Option(
        DEFAULT_MAX_MEMORY, _within(SIZE, "the memory limit", 0, MOST_MEMORY, "bytes"), Effect.LIMIT,
        "Most of an instance's memory.", heading=_LIMITS, metavar="SIZE", otherwise="256MiB",
    )  # fmt: skip
    max_body: Option[int | str, int] = Option(
        DEFAULT_MAX_BODY, _within(SIZE, "the limit of a request's body", 0, MOST_TRANSFER, "bytes"), Effect.LIMIT,
        "Largest body of a request.", heading=_LIMITS, metavar="SIZE", otherwise="1MiB",
    )  # fmt: skip
    max_output: Option[int | str, int] = Option(
        DEFAULT_MAX_OUTPUT, _within(SIZE, "the limit of the output", 0, MOST_TRANSFER, "bytes"), Effect.LIMIT,
        "Largest answer.", heading=_LIMITS, metavar="SIZE", otherwise="16MiB",
    )  # fmt: skip
    threads: Option[int, int] = Option(
        DEFAULT_THREADS, _within(COUNT, "the number of threads", 1, MOST_THREADS, ""), Effect.PROCESS,
        "Requests answered at the same time.", heading=_LIMITS, metavar="N", otherwise=str(DEFAULT_THREADS),
    )  # fmt: skip
    entry: Option[str, str] = Option(
        "_start", name_kind(), Effect.OUTPUT, "Export that answers a request.",
        heading=_RUN, metavar="NAME", otherwise="_start",
    )  # fmt: skip
    compiler: Option[ServeCompiler, ServeCompiler] = Option(
        "cranelift", one_of("cranelift", "winch"), Effect.ENGINE,
        "The engine's compiler: for fast code, or fast itself.", heading=_RUN,
    )  # fmt: skip
    cache: Option[bool, bool] = Option(
        True, FLAG, Effect.PROCESS, "Keep compiled code for the next start.", heading=_RUN
    )  # fmt: skip
