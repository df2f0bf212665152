"""Which outputs are up to date: by digests of all that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import OutputNotWritable, in_words, quoted, way_out
from ..files.regular import append_regular, open_regular
from ..files.replace import replace_file
from ..options import Options
from ..options.calls import Call
from ..options.declared import DECIDING, values
from . import folders

#: The file in the folder of the outputs: a line of JSON for each output that was written.
NAME = ".preinit-batch.jsonl"

_LARGEST = 1 << 30


class Keys:
    """Digests of jobs of one batch. `identity`: which preinit writes the outputs."""

    def __init__(self, identity: str, wasm: bytes) -> None:
        self._common = [identity, hashlib.sha256(wasm).hexdigest()]
        self._folder = cache(folders.digest)

    def of(self, options: Options, verify: Mapping[str, Any] | None = None) -> str | None:
        """The digest of all that an output depends on; None for one that is another each time.

        `verify`: what was called to verify it. Raises `InputError` where a folder can't be read.
        """
        host = options.host
        if host.writable or "host" in (host.clock, host.random, host.file_times):
            return None
        world = values(host, DECIDING)
        world["dirs"] = [(self._folder(folder), guest) for folder, guest in host.dirs]
        facts = [*self._common, values(options, DECIDING, ("host",)), world, verify]
        text = json.dumps(facts, default=_plain, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest(), "size": len(value)}
    if isinstance(value, Call):
        return {"call": value.name, "arguments": [[type(a).__name__, a] for a in value.arguments], "r": value.returns}
    raise TypeError(type(value).__name__)


class Record:
    """What was written to a folder: output -> key and SHA-256 of its bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._entries: dict[str, tuple[str, str]] = {}

    def read(self) -> None:
        """Takes up what earlier runs left; anything else in that file is left out."""
        try:
            with open_regular(self._path) as stream:
                lines = stream.read(_LARGEST).split(b"\n")
        except OSError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
                self._entries[str(entry["output"])] = str(entry["key"]), str(entry["sha256"])
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # cut off, or not ours

    def is_current(self, output: Path, key: str | None) -> bool:
        """Whether the file is there, as it was written for that key."""
        known = self._entries.get(self._name(output))
        if known is None or key is None or known[0] != key:
            return False
        try:
            with open_regular(output) as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == known[1]
        except OSError:
            return False

    def _name(self, output: Path) -> str:
        """What does not change when the folder is moved."""
        return str(output.relative_to(self._folder) if output.is_relative_to(self._folder) else output)

    def note(self, output: Path, key: str | None, wasm: bytes) -> None:
        """Notes an output before it is written: until then, what is there does not fit. Raises `OutputNotWritable`."""
        if key is None:
            return
        name = self._name(output)
        self._entries[name] = key, hashlib.sha256(wasm).hexdigest()
        try:
            append_regular(self._path, _line(name, *self._entries[name]))
        except OSError as problem:
            raise OutputNotWritable(
                f"the record of what is up to date, {quoted(str(self._path))}, can't be written: {in_words(problem)}",
                hint=way_out(problem, "Remove it, or make its folder writable."),
            ) from problem

    def tidy(self, outputs: Iterable[Path]) -> None:
        """Leaves one line for each output that is still one, or is there: other batches may write to the folder."""
        names = set(map(self._name, outputs))
        kept = sorted(
            (output, *entry)
            for output, entry in self._entries.items()
            if output in names or os.path.exists(self._folder / output)  # raises nothing
        )
        replace_file(self._path, b"".join(_line(*entry) for entry in kept))


def _line(output: str, key: str, sha256: str) -> bytes:
    entry = {"output": output, "key": key, "sha256": sha256}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"
