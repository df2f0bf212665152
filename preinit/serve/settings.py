"""What the answer to a request may take, and what every instance sees of the world."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError
from ..options import Host, checks

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


@dataclass(frozen=True)
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

    entry: str = "_start"
    env: tuple[tuple[str, str], ...] = ()
    args: tuple[str, ...] = ()
    dirs: tuple[tuple[str, str], ...] = ()
    timeout: float = DEFAULT_TIMEOUT
    max_memory: int = DEFAULT_MAX_MEMORY
    max_body: int = DEFAULT_MAX_BODY
    max_output: int = DEFAULT_MAX_OUTPUT
    threads: int = DEFAULT_THREADS
    compiler: str = "cranelift"
    cache: bool = True

    def __post_init__(self) -> None:
        checks.normalize(self, _SETTINGS)
        Host(env=self.env, args=self.args, dirs=self.dirs)  # has the checks of those
        _within("the time limit", self.timeout, 0.001, LONGEST, "seconds")
        _within("the memory limit", self.max_memory, 0, MOST_MEMORY, "bytes")
        _within("the limit of a request's body", self.max_body, 0, MOST_TRANSFER, "bytes")
        _within("the limit of the output", self.max_output, 0, MOST_TRANSFER, "bytes")
        _within("the number of threads", self.threads, 1, MOST_THREADS, "")


def _within(what: str, value: float, least: float, most: float, unit: str) -> None:
    if not least <= value <= most:
        raise UsageError(f"{what} must be from {least:,} to {most:,} {unit}".rstrip())


_SETTINGS: dict[str, checks.Check] = {
    "entry": checks.name,
    "env": checks.pairs(checks.string, checks.string),
    "args": checks.several(checks.string),
    "dirs": checks.pairs(checks.path, checks.string),
    "timeout": checks.number,
    "max_memory": checks.whole,
    "max_body": checks.whole,
    "max_output": checks.whole,
    "threads": checks.whole,
    "compiler": checks.one_of("cranelift", "winch"),
    "cache": checks.flag,
}
