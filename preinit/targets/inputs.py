"""What a target's build depends on: the content of files and folders, options, the world."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..options import Host, Options
from ..options.calls import Call
from ..options.declared import DECIDING, Effect, values
from ..version import VERSION
from .state import SUFFIX, Fingerprint, digest_of_file, options_digest, state_file
from .target import Target

#: What is hashed in another form than as a value.
_OWN_FORM = ("init_funcs", "rename_funcs", "preloads", "host", "env", "dirs", "stdin", "functions")


def fingerprint(target: Target, options: Options) -> Fingerprint:
    """Reads all that a build of `target` would read. What is missing or can't be read counts as such, too."""
    host = options.host
    effects = (*DECIDING, Effect.ENGINE)  # the report says how the guest was compiled
    kept: dict[str, Any] = values(options, effects, _OWN_FORM)
    kept["host"] = values(host, effects, _OWN_FORM)
    kept["init_funcs"] = target.settings.get("init-funcs")
    kept["rename_funcs"] = target.settings.get("rename-funcs")
    kept["variables"] = [name for name, _ in host.env]
    kept["verify"] = target.verify
    kept["report"] = target.report is not None
    files: list[Any] = [hashlib.sha256(data).hexdigest() for data in _data(options)]
    files += [(name, digest_of_file(path)) for name, path in target.preloads.items()]
    own = {os.path.realpath(path) for path in (*target.writes, state_file(target.output))}
    files += [(guest, _tree(folder, own, host)) for folder, guest in target.dirs.items()]
    world = json.dumps([host.env, hashlib.sha256(host.stdin).hexdigest()]).encode() if host.env or host.stdin else b""
    return Fingerprint(
        preinit=VERSION,
        input=digest_of_file(target.input) or "",
        options=options_digest(kept),
        files=options_digest(files),
        world=world,
    )


def _data(options: Options) -> Iterator[bytes]:
    """What functions are given besides numbers and what the settings say."""
    for call in (*(options.init_funcs or ()), *(source for _, source in options.rename_funcs)):
        for argument in call.arguments if isinstance(call, Call) else ():
            if isinstance(argument, bytes):
                yield argument


def _tree(folder: Path, own: set[str], host: Host) -> str:
    """SHA-256 in hex of all that a guest can see of a folder, except what the target itself writes there."""
    result = hashlib.sha256()
    for path, entry in _walk(folder, own):
        said: list[Any] = [os.fsencode(path.relative_to(folder)).hex(), stat.S_IFMT(entry.st_mode)]
        if stat.S_ISLNK(entry.st_mode):
            said.append(_link(path))
        elif stat.S_ISREG(entry.st_mode):
            said.append(digest_of_file(path))
            if host.file_times == "host":  # a folder's own time changes with what a build itself writes there
                said.append(entry.st_mtime_ns)
        result.update(json.dumps(said).encode() + b"\n")
    return result.hexdigest()


def _link(path: Path) -> str | None:
    try:
        return os.fsencode(path.readlink()).hex()
    except OSError:
        return None


def _walk(folder: Path, own: set[str]) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything in a folder and below, in one order; links are not followed. What vanishes meanwhile is not there."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.endswith(SUFFIX) or _is_partial(entry.name) or os.path.realpath(path) in own:
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        yield path, status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(path, own)


def _is_partial(name: str) -> bool:
    """Whether that is what an output is called while it is written."""
    return name.startswith(".preinit-") and name.endswith(".partial")


def files_read(target: Target) -> list[Path]:
    """Every file that a build of the target may read, once; the config file is the first one."""
    found = [target.config, *target.reads]
    own = {os.path.realpath(path) for path in (*target.writes, state_file(target.output))}
    for folder in target.dirs:
        found += [path for path, status in _walk(folder, own) if stat.S_ISREG(status.st_mode)]
    return list(dict.fromkeys(found))
