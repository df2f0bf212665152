"""Jobs, each checked before the first one begins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import PreinitError, counted, quoted
from ..files.toml import shown
from ..options import Options
from ..options.entries import verified
from ..options.fields import changed_for_build
from ..options.kinds import Files, Wrong
from ..options.tables import INHERIT_ENV, anchored, check_writable, fields_of, merged, options_of, table_of
from .keys import DEFAULTS, HEAD, JOB
from .paths import PLACEHOLDER, existing_folder, looked_at, read_data, resolved
from .record import NAME
from .source import Listed, list_folder, read_listed

MOST_JOBS = 1_000_000

#: Settings in which the placeholder stands for what is in the file.
_FILES = ("init-funcs", "stdin")


@dataclass(frozen=True)
class Job:
    """One build: `settings` as in a job file, the common ones that they add to included; paths count from `base`.

    `output`, `report`: absolute. `verify`: what to call in input and output, None not to verify.
    `file`: what `{}` stands for where a file is named.
    """

    name: str
    output: Path
    report: Path | None
    base: Path
    settings: Mapping[str, Any]
    verify: Mapping[str, Any] | None = None
    file: str = PLACEHOLDER

    def changes(self) -> dict[str, Any]:
        """What `Builder.build` takes; reads the files that are named. Raises `InputError`."""
        return fields_of(self.settings, _files(self.base, partial(read_data, self.base, self.file)))


@dataclass(frozen=True)
class Batch:
    """Jobs for one module. `options`: what they have in common. `folder`: where outputs are."""

    module: Path
    options: Options
    folder: Path
    jobs: tuple[Job, ...]


def _files(base: Path, read: Any) -> Files:
    return Files(read, partial(read_data, base, PLACEHOLDER), partial(existing_folder, base), os.environ)


def read_jobs(
    path: Path, output: Path | None = None, module: Path | None = None, settings: Mapping[str, Any] | None = None
) -> Batch:
    """The batch that a job file describes.

    `output`, `module`, `settings`: instead of the file's `output-dir`, `input` and `defaults`, key by key; paths in
    `settings` count from the working folder. Raises `ConfigError`, `InputError`.
    """
    listed = read_listed(path)
    base = path.absolute().parent
    try:
        head = table_of(HEAD).read(dict(listed.head), ())
    except Wrong as problem:
        raise problem.told(listed.error(None, problem)) from None
    if module is None:
        module = base / _required(listed, head, "input", "-i FILE")
    if output is None:
        output = base / _required(listed, head, "output-dir", "-o DIR")
    common = head.get("defaults", {})
    common = merged(DEFAULTS, common, anchored(settings or {}, os.fspath(Path.cwd())))
    return _batch(module, output, base, common, listed, path)


def _required(listed: Listed, head: Mapping[str, Any], key: str, option: str) -> str:
    if key not in head:
        raise listed.wrong(None, f"the job file does not say `{key}`", f'Write {key} = "...", or give {option}.')
    return str(head[key])


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
    Paths in there count from the working folder. Raises `ConfigError`, `InputError`.
    """
    names, listed = list_folder(folder, pattern)
    own = {key: value for key, value in common.items() if PLACEHOLDER in json.dumps(value, default=str)}
    if not (own or stdin):
        raise listed.wrong(
            None,
            "nothing says what the files of the folder are for, so all outputs would be the same",
            f"Give each as standard input (--stdin-from), or as data: -f 'compile-src(@{PLACEHOLDER})'.",
        )
    if stdin:
        own["stdin"] = PLACEHOLDER
    for name, table in zip(names, listed.jobs, strict=True):
        # A file that is read keeps its placeholder: its name may hold a comma or a parenthesis.
        table |= {key: value if key in _FILES else _filled(value, name) for key, value in own.items()}
        table["output"] = f"{name.rpartition('.')[0] or name}.wasm"
    rest = {key: value for key, value in common.items() if key not in own}
    return _batch(module, output, Path.cwd(), rest, listed, folder, [folder / name for name in names])


def _filled(value: Any, path: str) -> Any:
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, path)
    if isinstance(value, list | tuple):
        return type(value)(_filled(item, path) for item in value)
    if isinstance(value, dict):
        return {_filled(key, path): _filled(item, path) for key, item in value.items()}
    return value


def _batch(
    module: Path,
    output: Path,
    base: Path,
    common: Mapping[str, Any],
    listed: Listed,
    source: Path,
    files: list[Path] | None = None,
) -> Batch:
    """`source`: the job file or folder; `files`: the file of each job, if there is one."""
    count = len(listed.jobs)
    if not count:
        raise listed.wrong(None, "there are no jobs")
    if count > MOST_JOBS:
        raise listed.wrong(None, f"there are {counted(count, 'job')}", f"At most {MOST_JOBS:,} at once.")
    output = resolved(output, listed.place(None, ()))
    read = _files(base, partial(read_data, base, PLACEHOLDER))
    try:
        options = options_of(common, read)
    except PreinitError as problem:
        problem.where = listed.place(None, ("defaults",)) + (f", {problem.where}" if problem.where else "")
        raise
    checked = _Checked(listed, base, output, common, options, files)
    jobs = tuple(checked.jobs())
    checked.check_apart({os.path.normcase(resolved(path, shown(path))) for path in (module, source, *(files or ()))})
    return Batch(module, options, output, jobs)


class _Checked:
    """Jobs that are checked, each alone and against each other.

    `files`: the file of each job, if there is one. `taken`: paths that are written -> the job's number; `used`: paths
    of files that are read.
    """

    def __init__(
        self,
        listed: Listed,
        base: Path,
        folder: Path,
        common: Mapping[str, Any],
        options: Options,
        files: list[Path] | None,
    ) -> None:
        self._listed = listed
        self._base = base
        self._folder = folder
        self._common = common
        self._options = options
        self._files = files
        self._taken: dict[str, int] = {}
        self._used: set[str] = set()
        self._table = table_of(JOB)

    def jobs(self) -> Iterator[Job]:
        for number, table in enumerate(self._listed.jobs):
            try:
                yield self._job(number, table)
            except Wrong as problem:
                raise problem.told(self._listed.error(number, problem)) from None

    def _job(self, number: int, table: Any) -> Job:
        if not isinstance(table, dict):
            raise Wrong((), "a job must be a table")
        shared = next((key for key in table if key in DEFAULTS and key not in JOB), None)
        if shared:
            raise Wrong(
                (shared,),
                f"`{shared}` is the same for all jobs: what is compiled depends on it",
                "Write it under [defaults].",
            )
        given = self._table.read(table, ()) if self._files is None else table
        if "output" not in given:
            raise Wrong((), "the job does not say what to write", 'For example: output = "hello.wasm"')
        output = self._written(number, given["output"])
        report = self._written(number, given["report"]) if "report" in given else None
        settings = self._with_common(given)
        file = PLACEHOLDER if self._files is None else str(self._files[number].absolute())
        job = Job(given["output"], output, report, self._base, settings, verified({**self._common, **given}), file)
        if "timeout" in given and self._options.timeout is None:
            raise Wrong(
                ("timeout",),
                "no job has a time limit unless all have one: what was compiled could not be stopped",
                "Write a `timeout` under [defaults], too; that of each job may be another one.",
            )
        try:
            fields = fields_of(settings, _files(self._base, partial(looked_at, self._used, self._base, file)))
            check_writable(changed_for_build(self._options, fields))
        except PreinitError as problem:
            where = self._listed.place(number, ())
            problem.where = where + (f", {problem.where}" if problem.where else "")
            raise
        return job

    def _with_common(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What a job says, with what it adds to."""
        wanted = set(given)
        if wanted & {"env", INHERIT_ENV}:
            wanted |= {"env", INHERIT_ENV}
        both = merged(JOB, self._common, given)
        return {key: both[key] for key in both if key in wanted}

    def _written(self, number: int, name: str) -> Path:
        """The path of what a job writes. Raises `Wrong`, `ConfigError`."""
        path = resolved(self._folder / name, self._listed.place(number, ()))
        if not Path(name).is_absolute() and not path.is_relative_to(self._folder):
            raise Wrong(
                (),
                f"the output {quoted(name)} is outside of the folder {quoted(str(self._folder))}",
                "Write its absolute path if that is meant.",
            )
        if path == self._folder or path.is_dir():
            raise Wrong((), f"the output {quoted(name)} is a folder")
        if path == self._folder / NAME or (path.exists() and not path.is_file()):
            raise Wrong((), f"the output {quoted(name)} is not a file of its own", "Give it another name.")
        key = os.path.normcase(path)
        if key in self._taken:
            raise Wrong((), f"the output {quoted(name)} is also that of {self._listed.place(self._taken[key], ())}")
        self._taken[key] = number
        return path

    def check_apart(self, read: set[str]) -> None:
        """Raises `ConfigError` where something that is written is also read, or a folder of another output."""
        overwritten = next(iter((read | self._used) & self._taken.keys()), None)
        if overwritten:
            raise self._listed.wrong(
                self._taken[overwritten],
                f"the output would overwrite {quoted(overwritten)}, which is read",
                "Give it another name.",
            )
        for path, number in self._taken.items():
            for parent in map(str, Path(path).parents):
                if parent in self._taken:
                    other = self._listed.place(self._taken[parent], ())
                    raise self._listed.wrong(number, f"the output would be in {quoted(parent)}, the output of {other}")
