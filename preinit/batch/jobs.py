"""Job files: TOML, JSON lines, or a folder with a file for each job."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import JobFile, PreinitError, Unreadable, printable, quoted
from ..options import Options
from ..passes.builder import changed
from .paths import PLACEHOLDER, existing_folder, looked_at, read_data, resolved
from .record import NAME
from .settings import COMMON, OWN, changes, check_keys, common_options

#: Bytes of a job file, jobs in one.
MOST_TEXT = 256 << 20
MOST_JOBS = 1_000_000

#: Settings in which it stands for what is in the file.
_FILES = ("init", "stdin")

_HEAD = ("module", "output_dir", "options", "job")


@dataclass(frozen=True)
class Job:
    """One build: `settings` as in a job file; paths in there count from `base`. `output` is absolute.

    `file`: what `{}` stands for where a file is named.
    """

    name: str
    output: Path
    base: Path
    settings: Mapping[str, Any]
    file: str = PLACEHOLDER

    def changes(self) -> dict[str, Any]:
        """What `Builder.build` takes; reads the files that are named. Raises `InputError`."""
        return changes(self.settings, partial(read_data, self.base, self.file), partial(existing_folder, self.base))


@dataclass(frozen=True)
class Batch:
    """Jobs for one module. `options`: what they have in common. `folder`: where outputs are."""

    module: Path
    options: Options
    folder: Path
    jobs: tuple[Job, ...]


def read_jobs(path: Path, output: Path | None = None, module: Path | None = None) -> Batch:
    """The batch that a job file describes: JSON lines if its name ends with .jsonl, else TOML.

    `output`, `module`: instead of the file's `output_dir` and `module`. Raises `JobFile`, `InputError`.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_TEXT + 1)
    except OSError as problem:
        raise Unreadable(
            f"the job file {quoted(str(path))} can't be read: {problem.strerror}", hint="Name a file that exists."
        ) from problem
    if len(data) > MOST_TEXT:
        raise JobFile(f"the job file has more than {MOST_TEXT:,} bytes", hint="Cut it into several.")
    head, tables = (_json_lines if path.suffix in (".jsonl", ".ndjson") else _toml)(data, str(path))
    base = path.absolute().parent
    where = str(path)
    check_keys(head, _HEAD, where)
    if module is None:
        module = base / _required(head, "module", where, "--module FILE")
    if output is None:
        output = base / _required(head, "output_dir", where, "-o DIR")
    common = head.get("options", {})
    if not isinstance(common, dict):
        raise JobFile("`options` must be a table", where=where)
    check_keys(common, COMMON + OWN, f"{where}, options")
    return _batch(module, output, base, common, tables, where)


def _required(head: Mapping[str, Any], key: str, where: str, option: str) -> str:
    value = head.get(key)
    if not isinstance(value, str) or not value:
        raise JobFile(f"the job file does not say `{key}`", where=where, hint=f'Write {key} = "...", or give {option}.')
    return value


def _toml(data: bytes, where: str) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    try:
        head = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise JobFile(
            f"the job file is not TOML: {printable(str(problem))}",
            where=where,
            hint="A file of JSON lines has a name that ends with .jsonl.",
        ) from problem
    jobs = head.pop("job", [])
    if not isinstance(jobs, list):
        raise JobFile("`job` must be a list of tables", where=where, hint="Write [[job]] before each.")
    return head, [(f"{where}, job {number}", job) for number, job in enumerate(jobs, 1)]


def _json_lines(data: bytes, where: str) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """Each line is a job; the first one is the head, if it has no output."""
    found: list[tuple[str, Any]] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            try:
                found.append((f"{where}, line {number}", json.loads(line)))
            except (ValueError, RecursionError) as problem:
                raise JobFile(
                    f"the line is not JSON: {printable(str(problem))}", where=f"{where}, line {number}"
                ) from problem
    if found and isinstance(found[0][1], dict) and "output" not in found[0][1]:
        return found[0][1], found[1:]
    return {}, found


def read_folder(
    folder: Path,
    module: Path,
    output: Path,
    common: Mapping[str, Any],
    pattern: str = "*",
    stdin: bool = False,
) -> Batch:
    """A job for each file of a folder, with the same name and .wasm at its end.

    `common`: settings of all, as in a job file; `{}` in there stands for the file where one is read, for its name
    elsewhere. `stdin`: it is standard input.
    Paths in there count from the working folder. Raises `JobFile`, `InputError`.
    """
    where = str(folder)
    try:
        names = sorted(path.name for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
    except (OSError, ValueError, NotImplementedError) as problem:
        raise JobFile(f"{quoted(pattern)} is no pattern for files: {problem}", where=where) from problem
    if any("/" in name for name in names):
        raise JobFile(f"{quoted(pattern)} names files of other folders", where=where)
    check_keys(common, COMMON + OWN, where)
    own = {key: value for key, value in common.items() if PLACEHOLDER in json.dumps(value, default=str)}
    if not (own or stdin):
        raise JobFile(
            "nothing says what the files of the folder are for, so all outputs would be the same",
            where=where,
            hint=f"Give each as standard input (--stdin-from), or as data: -f 'compile-src(@{PLACEHOLDER})'.",
        )
    if stdin:
        own["stdin"] = PLACEHOLDER
    tables = []
    for name in names:
        # A file that is read keeps its placeholder: its name may hold a comma or a parenthesis.
        settings = {key: value if key in _FILES else _filled(value, name) for key, value in own.items()}
        tables.append((str(folder / name), {"output": f"{name.rpartition('.')[0] or name}.wasm", **settings}))
    rest = {key: value for key, value in common.items() if key not in own}
    return _batch(module, output, Path.cwd(), rest, tables, where, folder.absolute())


def _filled(value: Any, path: str) -> Any:
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, path)
    if isinstance(value, list | tuple):
        return [_filled(item, path) for item in value]
    if isinstance(value, dict):
        return {_filled(key, path): _filled(item, path) for key, item in value.items()}
    return value


def _batch(
    module: Path,
    output: Path,
    base: Path,
    common: Mapping[str, Any],
    tables: Sequence[tuple[str, Any]],
    where: str,
    files: Path | None = None,
) -> Batch:
    if not tables:
        raise JobFile("there are no jobs", where=where)
    if len(tables) > MOST_JOBS:
        raise JobFile(f"there are {len(tables):,} jobs", where=where, hint=f"At most {MOST_JOBS:,} at once.")
    output = resolved(output, where)
    try:
        options = common_options(common, partial(read_data, base, PLACEHOLDER), partial(existing_folder, base))
    except PreinitError as problem:
        problem.where = f"{where}, options" + (f", {problem.where}" if problem.where else "")
        raise
    taken: dict[str, str] = {}
    used = {os.path.normcase(resolved(path, where)) for path in (module, Path(where))}
    jobs = tuple(_jobs(tables, base, output, options, taken, used, files))
    overwritten = next(iter(used & taken.keys()), None)
    if overwritten:
        raise JobFile(
            f"the output would overwrite {quoted(overwritten)}, which is read",
            where=taken[overwritten],
            hint="Give it another name.",
        )
    for path, place in taken.items():
        for parent in map(str, Path(path).parents):
            if parent in taken:
                raise JobFile(f"the output would be in {quoted(parent)}, the output of {taken[parent]}", where=place)
    return Batch(module, options, output, jobs)


def _jobs(
    tables: Sequence[tuple[str, Any]],
    base: Path,
    folder: Path,
    options: Options,
    taken: dict[str, str],
    used: set[str],
    files: Path | None,
) -> Iterator[Job]:
    """The jobs, checked. `taken`: paths of outputs -> where they are named; `used`: paths of files that are read.

    `files`: the folder that has a file for each job, if there is one.
    """
    for where, table in tables:
        if not isinstance(table, dict):
            raise JobFile("a job must be a table", where=where)
        check_keys(table, ("output", *OWN, *COMMON), where)
        shared = next((key for key in table if key in COMMON), None)
        if shared:
            raise JobFile(
                f"`{shared}` is the same for all jobs: what is compiled depends on it",
                where=where,
                hint="Write it under [options].",
            )
        settings = dict(table)
        name = settings.pop("output", None)
        if not isinstance(name, str) or not name or "\0" in name:
            raise JobFile("the job does not say what to write", where=where, hint='For example: output = "hello.wasm"')
        path = resolved(folder / name, where)
        if not Path(name).is_absolute() and not path.is_relative_to(folder):
            raise JobFile(
                f"the output {quoted(name)} is outside of the folder {quoted(str(folder))}",
                where=where,
                hint="Write its absolute path if that is meant.",
            )
        key = os.path.normcase(path)
        if path == folder or path.is_dir():
            raise JobFile(f"the output {quoted(name)} is a folder", where=where)
        if path == folder / NAME or (path.exists() and not path.is_file()):
            raise JobFile(f"the output {quoted(name)} is no file of its own", where=where, hint="Give it another name.")
        if key in taken:
            raise JobFile(f"the output {quoted(name)} is also that of {taken[key]}", where=where)
        taken[key] = where
        try:
            file = PLACEHOLDER if files is None else str(files / Path(where).name)
            given = changes(settings, partial(looked_at, used, base, file), partial(existing_folder, base))
            changed(options, given)
        except PreinitError as problem:
            problem.where = where + (f", {problem.where}" if problem.where else "")
            raise
        yield Job(name, path, base, settings, file)
