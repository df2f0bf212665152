"""Node itself: where it is, and running a script in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..engine.runtime import Deadline
from ..errors import PreinitError, ToolMissing, as_limit, printable, quoted
from ..options.hints import option
from ..tuples import NamedTuple
from .guard import Guard

#: The first version that has what the scripts of preinit use: WASI without a flag, `--import`.
LEAST_VERSION = 20

#: What to do about the environment variable that holds options of Node.
WITHOUT_OPTIONS = "Correct it, or leave it out: put `env -u NODE_OPTIONS` before the command."

#: Bytes of what Node printed last that an error may show.
_TAIL = 4000
#: What programs see of the machine through dates and texts, so that two machines give the same bytes: no time zone, and
#: no language.
_WORLD = {"TZ": "UTC", "LANG": "C", "LC_ALL": "C"}
#: Bytes that are read of its output at once.
_PIECE = 1 << 16


class Node(NamedTuple):
    """A Node that can be run: its path, and its version."""

    path: str
    version: str


def find_node(named: str | None = None, otherwise: str = "") -> Node:
    """The Node of that path, or of the search path. Raises `ToolMissing`.

    `otherwise`: what to do without one, besides installing it.
    """
    path = shutil.which(named or "node")
    if named and Path(named).is_dir():
        inside = (os.path.join(named, name) for name in ("node", "bin/node"))  # `./node` is not `node`
        found = next((place for place in inside if shutil.which(place)), None)
        hint = f"The program is in it: {option('--node', found)}." if found else "Give the path of the program itself."
        raise ToolMissing(f"{quoted(named)} is a folder, and no program", where="Node", hint=hint)
    wanted = f"Install Node {LEAST_VERSION} or newer{otherwise or ', or name it with `--node`'}."
    if path is None:
        if named and Path(named).is_file():
            raise ToolMissing(f"{quoted(named)} can't be run: it is no program", where="Node", hint=wanted)
        raise ToolMissing(f"the program {quoted(named)} was not found" if named else "the program node was not found",
                          hint=wanted)  # fmt: skip
    try:
        done = _version(path)
    except (OSError, subprocess.TimeoutExpired) as problem:
        limit = as_limit(problem, "Node can't be started", starts=True)
        raise limit or ToolMissing(f"the program {path!r} can't be run: {problem}", hint=wanted) from problem
    match = re.fullmatch(r"v((\d+)\.\d+\.\d+)\S*", done.stdout.strip())
    given = os.environ.get("NODE_OPTIONS")
    if not match and given and _version(path, without=True).returncode == 0:
        why = (done.stderr.strip() or f"it ended with code {done.returncode}").splitlines()[-1]
        raise ToolMissing(
            f"Node does not take what the environment variable NODE_OPTIONS says, {quoted(given)}: "
            f"{printable(why[:300])}",
            where="Node",
            hint=WITHOUT_OPTIONS,
        )
    if not match:
        said = (done.stderr.strip() or done.stdout.strip() or f"it ended with code {done.returncode}").splitlines()[-1]
        raise ToolMissing(f"{printable(path)} does not say which Node it is: {printable(said[:300])}", hint=wanted)
    if int(match[2]) < LEAST_VERSION:
        raise ToolMissing(f"Node is too old: {printable(path)} is {match[1]}", hint=wanted)
    return Node(path, match[1])


def _version(path: str, without: bool = False) -> subprocess.CompletedProcess[str]:
    """What a program says of its version. `without`: without the environment variable that holds options of Node."""
    environment = {name: value for name, value in os.environ.items() if not (without and name == "NODE_OPTIONS")}
    return subprocess.run(
        [path, "--version"], capture_output=True, text=True, timeout=60, check=False, env=environment
    )  # fmt: skip


def run_script(
    node: Node,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    deadline: Deadline,
    take: Callable[[bytes], object],
    guard: Guard,
) -> tuple[int, str]:
    """Runs Node with our environment, but for time zone and language, and more `variables`, without standard input; all
    that it prints goes to `take`.

    Its exit code, and what it printed last. Raises `TimeLimit`, `SystemLimit`, `ToolMissing`, and what `take` raises;
    then nothing of it runs any more, workers and processes of its group included.
    """
    command = [node.path, *arguments]
    environment = {**os.environ, **_WORLD, **variables}
    try:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    except OSError as problem:
        limit = as_limit(problem, "Node can't be started", starts=True)
        raise limit or ToolMissing(f"the program {node.path!r} can't be run: {problem}") from problem
    reader = _Reader(process, take)
    with guard.over(process.pid):
        try:
            code = _waited(process, deadline.remaining())
            if code is None:
                raise reader.problem or deadline.error()
            reader.finish(deadline)
            return code, reader.tail
        finally:
            _end(process)


class _Reader:
    """Passes on what a process prints; ends the process where that fails."""

    def __init__(self, process: subprocess.Popen[bytes], take: Callable[[bytes], object]) -> None:
        self._process = process
        self._take = take
        self._last = b""
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="preinit-node", daemon=True)
        self._thread.start()

    @property
    def tail(self) -> str:
        return self._last.decode("utf-8", "replace")

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        try:
            while piece := stream.read1(_PIECE):  # type: ignore[attr-defined]
                self._last = (self._last + piece)[-_TAIL:]
                self._take(piece)
        except (PreinitError, OSError, ValueError) as problem:
            self.problem = problem
            _end(self._process)

    def finish(self, deadline: Deadline) -> None:
        """Waits for all that was printed. Something that Node started may keep the pipe open: it is not waited for."""
        self._thread.join(min(1.0, deadline.remaining() or 1.0))
        if self.problem:
            raise self.problem


def _waited(process: subprocess.Popen[bytes], seconds: float | None) -> int | None:
    """The exit code of a process; None if it still runs after so many seconds.

    A thread waits for it: `Popen.wait` with a limit would look every 50 ms, and a program may start within that.
    """
    ended = threading.Event()

    def wait() -> None:
        process.wait()
        ended.set()

    threading.Thread(target=wait, name="preinit-node-end", daemon=True).start()
    return process.returncode if ended.wait(seconds) else None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and its group, whether or not it still runs."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
