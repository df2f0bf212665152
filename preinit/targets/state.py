"""What an output was built from, kept in a file next to it, so that a build can tell whether anything changed.

It lies next to the output, since that is what it tells about: a cache of continuous integration keeps both or neither.
Sources may be read-only, and two checkouts have two of them. It has no paths, so both may move. It is only believed
where the output is still the one that it was written for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors.reason import Reason
from ..files.regular import open_regular

#: Version of the file's form.
_VERSION = 1

#: Bytes of a state: more is something else.
_LARGEST = 1 << 16

#: What makes guessing values of the environment from their hash expensive: 16 MiB of memory and some 40 ms for each.
_COST = {"n": 1 << 14, "r": 8, "p": 1, "maxmem": 64 << 20}


@dataclass(frozen=True)
class Fingerprint:
    """What a build depends on, as SHA-256 in hex: `preinit` is the version.

    `world`: the values of the environment and standard input, which may be secret: only a salted, slow hash of it is
    ever stored. Empty where the guest gets neither.
    """

    preinit: str
    input: str
    options: str
    files: str
    world: bytes = field(repr=False)


#: Parts that change, and what is said then.
_CHANGES = {
    "preinit": "preinit's version changed",
    "input": "the input changed",
    "options": "the options changed",
    "files": "data, preloads or folders changed",
}


def state_file(output: Path) -> Path:
    return output.with_name(f".{output.name}{SUFFIX}")


SUFFIX = ".preinit-state"


def state_bytes(now: Fingerprint, written: Mapping[str, str]) -> bytes:
    """The content of the file. `written`: SHA-256 in hex of each file of the target, by its key."""
    salt = os.urandom(16)
    facts = {
        "version": _VERSION,
        **{name: getattr(now, name) for name in _CHANGES},
        "world": {"salt": salt.hex(), "hash": _sealed(now.world, salt)} if now.world else None,
        "written": dict(written),
    }
    return (json.dumps(facts, indent=2) + "\n").encode()


def change(output: Path, now: Fingerprint, files: Mapping[str, Path]) -> Reason | None:
    """Why a target has to be built; None if it is up to date. `files`: what the target writes, by key."""
    missing = next((key for key, path in files.items() if not os.path.isfile(path)), None)  # never raises
    if missing:
        return Reason("missing", f"there is no {missing} yet")
    before = _read(state_file(output))
    if before is None:
        return Reason("unknown", "it is not known what the output was built from")
    for name, words in _CHANGES.items():
        if before.get(name) != getattr(now, name):
            return Reason(name, words)
    if not _same_world(before.get("world"), now.world):
        return Reason("world", "the environment or standard input changed")
    written = before.get("written")
    for key, path in files.items():
        if not isinstance(written, dict) or written.get(key) != digest_of_file(path):
            return Reason("output", f"the {key} changed")
    return None


def digest_of_file(path: Path) -> str | None:
    """SHA-256 in hex; None if there is no such regular file, or if it can't be read."""
    try:
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _sealed(world: bytes, salt: bytes) -> str:
    return hashlib.scrypt(world, salt=salt, dklen=32, **_COST).hex()


def _same_world(before: Any, world: bytes) -> bool:
    if not world or not isinstance(before, dict):
        return not world and before is None
    try:
        salt = bytes.fromhex(before["salt"])
        return hmac.compare_digest(str(before["hash"]).encode(), _sealed(world, salt).encode())
    except (KeyError, TypeError, ValueError):
        return False


def _read(path: Path) -> dict[str, Any] | None:
    """What the file says; None for anything that is no state of this version."""
    try:
        with open_regular(path) as stream:
            facts = json.loads(stream.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) and facts.get("version") == _VERSION else None


def options_digest(facts: Any) -> str:
    """SHA-256 in hex of JSON values and dataclasses, in one form."""
    text = json.dumps(facts, sort_keys=True, default=dataclasses.asdict)
    return hashlib.sha256(text.encode()).hexdigest()
