"""wasi:io: streams, what one waits for, errors. https://github.com/WebAssembly/wasi-io"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import EngineLimit
from ..wasi1.abi import WasiError
from ..wasi1.descriptors import read_at
from ..wasi1.files import Descriptor
from ..wasi1.process import ProcessFunctions
from ..wasi1.streams import Stream

#: Bytes that one call reads, or takes to be written, at most.
_MOST = 1 << 20

_CLOSED: tuple[str, Any] = ("err", ("closed", None))


class InputStream:
    """Standard input, or a file from a place on. `close` is called when it is dropped."""

    def __init__(self, read: Callable[[int], bytes], close: Callable[[], None] = lambda: None) -> None:
        self.read = read
        self.close = close


class OutputStream:
    """Standard output or error, or a file. `write` may raise `WasiError`; `close` is called when it is dropped."""

    def __init__(self, write: Callable[[bytes], None], close: Callable[[], None] = lambda: None) -> None:
        self.write = write
        self.close = close


class Failure:
    """What `last-operation-failed` has."""

    def __init__(self, code: str) -> None:
        self.code = code


class Pollable:
    """Ready when the monotonic clock shows `at`; 0: at once."""

    def __init__(self, at: int = 0) -> None:
        self.at = at


def stream_of_input(stdin: Stream, noted: Callable[[str], None]) -> InputStream:
    def read(size: int) -> bytes:
        if size:
            noted("fd_read")
        return stdin.read(size)

    return InputStream(read)


def stream_of_file(entry: Descriptor, close: Callable[[], None], offset: int) -> InputStream:
    """Reads a file that stays open until the stream is closed."""
    at = offset

    def read(size: int) -> bytes:
        nonlocal at
        data = read_at(entry, size, at)
        at += len(data)
        return data

    return InputStream(read, close)


class StreamFunctions:
    """A method for each function, by name; see `table`. `code`: an errno as `error-code` has it."""

    def __init__(self, process: ProcessFunctions, code: Callable[[WasiError], str]) -> None:
        self._process = process
        self._code = code

    def _read(self, stream: InputStream, size: int) -> tuple[str, Any]:
        if not size:
            return "ok", b""
        try:
            data = stream.read(min(size, _MOST))
        except WasiError as problem:
            return "err", ("last-operation-failed", Failure(self._code(problem)))
        return ("ok", data) if data else _CLOSED

    def _skip(self, stream: InputStream, size: int) -> tuple[str, Any]:
        found = self._read(stream, size)
        return ("ok", len(found[1])) if found[0] == "ok" else found

    def _write(self, stream: OutputStream, data: bytes) -> tuple[str, Any]:
        try:
            stream.write(data)
        except WasiError as problem:
            return "err", ("last-operation-failed", Failure(self._code(problem)))
        return "ok", None

    def _zeroes(self, stream: OutputStream, size: int) -> tuple[str, Any]:
        if size > _MOST:
            raise EngineLimit(f"the initializer writes {size:,} zeros at once, more than it was told it may")
        return self._write(stream, bytes(size))

    def _splice(self, stream: OutputStream, source: InputStream, size: int) -> tuple[str, Any]:
        found = self._read(source, size)
        if found[0] != "ok":
            return found
        written = self._write(stream, found[1])
        return written if written[0] == "err" else ("ok", len(found[1]))

    def _poll(self, pollables: list[Pollable]) -> list[int]:
        if not pollables:
            raise EngineLimit("the initializer waits for nothing: it would never go on")
        soonest = min(found.at for found in pollables)
        wait = soonest - self._process.now()
        if soonest and wait > 0:
            self._process.sleep(wait)
        now = max(self._process.now(), soonest)
        return [number for number, found in enumerate(pollables) if found.at <= now]

    def table(self) -> dict[str, Callable[..., Any]]:
        reading, writing = "wasi:io/streams#[method]input-stream.", "wasi:io/streams#[method]output-stream."
        return {
            f"{reading}read": self._read,
            f"{reading}blocking-read": self._read,
            f"{reading}skip": self._skip,
            f"{reading}blocking-skip": self._skip,
            f"{reading}subscribe": lambda _stream: Pollable(),
            f"{writing}check-write": lambda _stream: ("ok", _MOST),
            f"{writing}write": self._write,
            f"{writing}blocking-write-and-flush": self._write,
            f"{writing}flush": lambda _stream: ("ok", None),
            f"{writing}blocking-flush": lambda _stream: ("ok", None),
            f"{writing}subscribe": lambda _stream: Pollable(),
            f"{writing}write-zeroes": self._zeroes,
            f"{writing}blocking-write-zeroes-and-flush": self._zeroes,
            f"{writing}splice": self._splice,
            f"{writing}blocking-splice": self._splice,
            "wasi:io/error#[method]error.to-debug-string": lambda failure: failure.code,
            "wasi:io/poll#[method]pollable.ready": lambda pollable: pollable.at <= self._process.now(),
            "wasi:io/poll#[method]pollable.block": lambda pollable: self._poll([pollable]) and None,
            "wasi:io/poll#poll": self._poll,
        }
