"""A build's options in its report, so that it can be repeated: no secrets, and of files only names and hashes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..binary.digest import sha256
from ..binary.module import Module
from ..errors import InputError, Unreadable, UsageError, in_words, quoted, way_out
from ..files.regular import read_bounded
from ..records import Value, value
from ..result import FileFacts, Report
from .build import Options
from .calls import Argv, Call, Number, Returned, Strings, Word
from .declared import Effect, declared
from .fields import changed
from .hints import option
from .host import Host
from .lists import items

#: What is written down: all that the output depends on, and how it was built.
_RECORDED = (Effect.OUTPUT, Effect.ENGINE, Effect.LIMIT)
#: Of those, what is not written down as it is, but in a form of its own.
_OWN_FORM = ("init_funcs", "rename_funcs", "preloads", "host", "env", "stdin", "functions")


def _plain(holder: type) -> list[str]:
    """The fields that are written down as they are."""
    return [o.name for o in declared(holder) if o.effect in _RECORDED and o.name not in _OWN_FORM]


_FROM_ELSEWHERE = "Give the report that `preinit build --report` wrote, or the options of the build."


def record(options: Options, preloads: Mapping[str, Module]) -> dict[str, Any]:
    """The options of a build as JSON values. Of environment variables the names: their values may be secrets."""
    facts: dict[str, Any] = {name: _listed(getattr(options, name)) for name in _plain(Options)}
    facts["init_funcs"] = None if options.init_funcs is None else [_call(given) for given in options.init_funcs]
    facts["rename_funcs"] = [[name, _call(given)] for name, given in options.rename_funcs]
    facts["preloads"] = [
        {"name": name, "path": given if isinstance(given, str) else None, "sha256": preloads[name].sha256}
        for name, given in options.preloads
    ]
    host = options.host
    facts["host"] = {name: _listed(getattr(host, name)) for name in _plain(Host)}
    facts["host"]["env"] = [name for name, _ in host.env]
    facts["host"]["functions"] = [name for name, _ in host.functions]
    facts["host"]["stdin"] = {"size": len(host.stdin), "sha256": sha256(host.stdin).hex()}
    return facts


def _listed(value: Any) -> Any:
    """Lists in place of tuples, as JSON has them: a report is equal to what is read again of it."""
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _call(given: str | Call) -> str | dict[str, Any]:
    """An initializer as JSON values: of data that it is given, length and SHA-256."""
    if isinstance(given, str):
        return given
    arguments: list[Any] = []
    for argument in given.arguments:
        match argument:
            case bytes():
                arguments.append({"size": len(argument), "sha256": sha256(argument).hex()})
            case str():
                arguments.append({"text": argument})
            case Number(text):
                arguments.append(text)
            case Word(offset):
                arguments.append({"word": offset})
            case Returned():
                arguments.append({"returned": True})
            case Argv(texts):
                arguments.append({"argv": list(texts)})
            case Strings(texts):
                arguments.append({"list": list(texts)})
            case _:
                arguments.append(argument)
    return {"name": given.name, "arguments": arguments, "returns": given.returns}


@value
class Recorded(Value):
    """What a report says of a build: SHA-256 of input and output, options, files that the initializer read."""

    input_sha256: str
    output_sha256: str
    options: Mapping[str, Any]
    files: tuple[FileFacts, ...]

    def check_input(self, module: Module) -> None:
        """Raises `InputError` for another input."""
        if module.sha256 != self.input_sha256:
            raise InputError(
                f"the report is of a build of another input: one with SHA-256 {self.input_sha256}",
                hint="Give the report of the build of this input.",
            )

    def check_preloads(self, preloads: Mapping[str, Module]) -> None:
        """Raises `InputError` where a preloaded module is another one than in the build."""
        for entry in self.options["preloads"]:
            preload = preloads.get(entry["name"])
            if preload and preload.sha256 != entry["sha256"]:
                raise InputError(
                    f"the preloaded module {quoted(entry['name'])} is not the one of the build",
                    hint="Give the one of the build: `--preload NAME=FILE`.",
                )

    def check_files(self, files: tuple[FileFacts, ...]) -> None:
        """Raises `InputError` where the initializer read other files, or other content, than in the build."""
        before = {file.path: (file.size, file.sha256) for file in self.files}
        now = {file.path: (file.size, file.sha256) for file in files}
        for path in sorted(before.keys() | now.keys()):
            if before.get(path) != now.get(path):
                both = path in before and path in now
                what = (
                    "is not what it was when the module was built" if both else "was read in only one of the two runs"
                )
                raise InputError(
                    f"the file {quoted(path)} {what}",
                    hint="Verify with the folders as they were, or build again.",
                )


def read_report(report: Report | Mapping[str, Any] | str | os.PathLike[str]) -> Recorded:
    """What `build --report` wrote. Raises `InputError` for anything else."""
    if isinstance(report, Report):
        return _recorded(report, "the report")
    if isinstance(report, Mapping):
        return _recorded(Report.from_dict(report), "the report")
    from ..result.read import MOST_REPORT  # builds write reports and read none

    shown = f"the report {quoted(os.fsdecode(os.fspath(report)))}"
    try:
        data = read_bounded(report, MOST_REPORT)
    except (OSError, ValueError) as problem:
        reason = in_words(problem)
        raise Unreadable(f"{shown} can't be read: {reason}", hint=way_out(problem, _FROM_ELSEWHERE)) from problem
    try:
        return _recorded(Report.from_json(data), shown)
    except InputError as problem:
        problem.what = problem.what.replace("the report", shown, 1)
        raise


def _recorded(report: Report, shown: str) -> Recorded:
    if report.capture is not None:
        raise InputError(
            f"{shown} is that of a capture, whose program only its own JavaScript glue can run",
            hint="The capture itself compared input and output: `answered` and `differences` in the report say how.",
        )
    options = report.options
    try:
        host = options["host"]
        _check(
            options,
            {**dict.fromkeys((*_plain(Options), "init_funcs", "rename_funcs"), object), "preloads": list, "host": dict},
        )
        _check(host, {**dict.fromkeys(_plain(Host), object), "env": list, "stdin": dict})
        _check(host["stdin"], {"size": int, "sha256": str})
        for entry in options["preloads"]:
            _check(entry, {"name": str, "path": (str, type(None)), "sha256": str})
        if not all(isinstance(name, str) for name in host["env"]):
            raise TypeError("a name is no text")
    except (KeyError, TypeError, IndexError, AttributeError) as problem:
        raise InputError(
            f"{shown} is not the report of a build by this version of preinit: it does not say all options",
            hint=_FROM_ELSEWHERE,
        ) from problem
    return Recorded(report.input.sha256, report.output.sha256, options, report.host.files)


def _check(facts: Any, types: Mapping[Any, Any]) -> None:
    for key, kind in types.items():
        if not isinstance(facts[key], kind):
            raise TypeError(f"{key} is {facts[key]!r}")


def options_of_report(recorded: Recorded, given: Mapping[str, Any]) -> Options:
    """The options of the build; fields that are `given`, of the host too, take the place of what the report says.

    Raises `UsageError` where something must be given since the report does not hold it; `InputError` where what the
    report says fits no build.
    """
    facts, world = recorded.options, recorded.options["host"]
    fields: dict[str, Any] = {name: facts[name] for name in (*_plain(Options), "init_funcs", "rename_funcs")}
    known = dict(given.get("preloads", ()))
    fields["preloads"] = [(e["name"], known.pop(e["name"], e["path"])) for e in facts["preloads"]] + list(known.items())
    fields |= {name: value for name, value in given.items() if name != "preloads"}
    calls = facts["init_funcs"]
    has_data = isinstance(calls, list) and any(isinstance(call, dict) for call in calls)
    if has_data and "init_funcs" not in given:
        raise UsageError(
            "the report does not hold the data that initializers were given",
            hint="Give all initializers again: -f 'NAME(@FILE)'.",
        )
    if has_data and list(map(_call, given["init_funcs"])) != calls:
        raise UsageError(
            "the initializers, or the data that they are given, are not those of the build",
            hint="Give those of the build.",
        )
    renamed = facts["rename_funcs"]
    pairs = isinstance(renamed, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in renamed)
    has_entries = pairs and any(isinstance(source, dict) for _, source in renamed)
    if has_entries and "rename_funcs" not in given:
        raise UsageError(
            "the report does not hold the data that functions of the output are given",
            hint="Give all renamings again: -r 'DST=NAME(@FILE)'.",
        )
    if has_entries and [[name, _call(source)] for name, source in items(given["rename_funcs"])] != renamed:
        raise UsageError(
            "the renamings, or the data that functions of the output are given, are not those of the build",
            hint="Give those of the build.",
        )
    unknown = [name for name, value in fields["preloads"] if value is None]
    if unknown:
        raise UsageError(
            f"the report does not say where the preloaded module {quoted(unknown[0])} is",
            hint=f"Give it: {option('--preload', f'{unknown[0]}=FILE')}",
        )
    if "host" not in given:
        fields = {name: world[name] for name in _plain(Host)} | fields
        fields["env"] = _environment(world["env"], dict(given.get("env", ())))
        if world.get("functions", []) != [name for name, _ in items(given.get("functions", ()))]:
            raise UsageError(
                "the report says other Python functions than those that are given",
                hint="Give those of the build by the names of their imports.",
            )
        fields["stdin"] = _stdin(world["stdin"], given.get("stdin", b""))
    try:
        return changed(Options(), fields)
    except UsageError as problem:
        raise InputError(f"the report says options that don't fit: {problem.what}", hint=_FROM_ELSEWHERE) from problem


def _environment(names: list[str], given: dict[str, str]) -> list[tuple[str, str]]:
    missing = [name for name in names if name not in given]
    if missing:
        raise UsageError(
            "the report does not say the values of environment variables, they may be secrets: "
            + ", ".join(quoted(name) for name in missing),
            hint=f"Give them again: {option('--env', f'{missing[0]}=VALUE')}",
        )
    return [(name, given[name]) for name in dict.fromkeys((*names, *given))]


def _stdin(recorded: Mapping[str, Any], given: bytes) -> bytes:
    if recorded["size"] and not given:
        raise UsageError("the report does not hold the guest's standard input", hint="Give it again: `--stdin FILE`.")
    if sha256(given).hex() != recorded["sha256"]:
        raise UsageError("the guest's standard input is not that of the build", hint="Give that: `--stdin FILE`.")
    return given
