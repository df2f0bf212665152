"""Writes the tables and examples of docs/options.md, from the declarations of options in preinit/options.

The tables: each option under the headings that help has, with its three names, its default and what it affects; then
the keys that only files have. The examples: one set of options as a target, as a job, on the command line and from
Python. All are made of `EXAMPLE`; tests/documents compares what they mean, and their bytes.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from preinit import Host, Options
from preinit.batch import keys as batch_keys
from preinit.options.declared import Effect, Option, declared
from preinit.options.entries import VERIFY
from preinit.options.tables import INHERIT_ENV, Key, all_options, option_keys
from preinit.targets import keys as target_keys

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/options.md"

#: What the example builds: by keys, as files have them.
INPUT = "fixtures/resume/resume.wasm"
EXAMPLE: dict[str, Any] = {
    "init-funcs": ["preinit_initialize"],
    "rename-funcs": {"_start": "preinit_resume"},
    "keep-init-func": "noop",
    "layout": "size",
    "timeout": 60,
    "max-memory": "64MiB",
    "env": {"MODE": "example"},
    "args": ["resume", "--quick"],
    "dirs": {"data": "/data"},
    "stdin": "words.txt",
    "clock": "epoch:1700000000",
    "random": "seed:7",
}

#: What a job does not say itself unless all jobs do: code that can be stopped is compiled in another way.
SHARED = {"timeout"}

#: Effects in one word, for a column.
WORDS = {
    Effect.OUTPUT: "output",
    Effect.LIMIT: "limit",
    Effect.ENGINE: "engine",
    Effect.PROCESS: "process",
    Effect.VERDICT: "verdict",
    Effect.REPORT: "report",
}

#: What the library alone has: it stands last.
_LIBRARY = "Only from Python"

_MARK = re.compile(r"(<!-- (\w+): written by scripts/option_tables -->\n).*?(<!-- end -->)", re.DOTALL)
_PARAMETER = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<text>.*?)(?=^    \w|^\s*$|\Z)", re.DOTALL | re.MULTILINE)


def page(text: str) -> str:
    """The page with its tables and examples as they should be."""
    parts = {
        "effects": effects,
        "options": option_tables,
        "files": file_table,
        "rows": example_rows,
        "target": target,
        "job": job,
        "command": command,
        "python": python,
    }
    return _MARK.sub(lambda found: f"{found[1]}\n{parts[found[2]]()}\n\n{found[3]}", text)


# -- tables ------------------------------------------------------------------------------------------------------------


def effects() -> str:
    return table(("affects", "what that means"), ((f"{WORDS[effect]}", f"it {effect.value}") for effect in Effect))


def option_tables() -> str:
    groups: dict[str, list[Option[Any, Any]]] = {}
    for option in (*declared(Options), *declared(Host)):
        if not option.name.startswith("_"):
            groups.setdefault(option.heading or _LIBRARY, []).append(option)
    library = table(("Python", "what it means", "default", "affects"), library_rows(groups.pop(_LIBRARY)))
    head = ("command line", "file", "Python", "what it means", "default", "affects")
    tables = {heading: table(head, rows(options)) for heading, options in groups.items()} | {_LIBRARY: library}
    return "\n\n".join(f"### {heading}\n\n{text}" for heading, text in tables.items())


def rows(options: list[Option[Any, Any]]) -> Iterator[tuple[str, ...]]:
    for option in options:
        affects = WORDS[option.effect] + (", all jobs" if option.compiled else "")
        off = option.kind.is_flag and option.default
        key, name = (f"{option.key} = false", f"{option.name}=False") if off else (option.key, option.name)
        yield flags(option), code(key), code(name), option.help, default(option), affects
        if option.name == "init_funcs":
            yield code("--no-init-func"), code("init-funcs = []"), code("init_funcs=[]"), (
                "Run only the start function and `_initialize`."
            ), "", affects  # fmt: skip
        if option.name == "env":
            text = option_keys()[INHERIT_ENV].description
            yield code("--inherit-env"), code(INHERIT_ENV), code("env=os.environ"), text, "", affects


def library_rows(options: list[Option[Any, Any]]) -> Iterator[tuple[str, ...]]:
    for option in options:
        yield code(option.name), meaning(option), default(option), WORDS[option.effect]


def flags(option: Option[Any, Any]) -> str:
    """How it is written on the command line."""
    kind = option.kind
    if kind.is_flag:
        return code(f"--no-{option.key}" if option.default else option.flag)
    value = option.metavar or "|".join(kind.choices)
    short = f"{code(option.short)}, " if option.short else ""
    return short + code(f"{option.flag}{'' if value.startswith('[') else ' '}{value}")


def default(option: Option[Any, Any]) -> str:
    if option.otherwise:
        return option.otherwise
    value = option.default
    if isinstance(value, Host):
        return code("Host()")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "no limit" if option.effect in (Effect.PROCESS, Effect.VERDICT) and option.heading else "none"
    return code(value) if isinstance(value, str) else "none" if value in ((), b"") else code(repr(value))


def meaning(option: Option[Any, Any]) -> str:
    """Of an option that has no help: what the docstring of its class says."""
    holder = Options if option in declared(Options) else Host
    for found in _PARAMETER.finditer(holder.__doc__ or ""):
        if option.name in found["names"].split(", "):
            text = " ".join(found["text"].split())
            return text[0].upper() + text[1:]
    raise SystemExit(f"the docstring of {holder.__name__} says nothing of {option.name}")


def file_table() -> str:
    """The keys that are no options."""
    options = option_keys()
    places: dict[str, tuple[Key, list[str]]] = {}
    for place, keys in (
        ("`[targets.NAME]`", target_keys.TARGET),
        ("its `[defaults]`", target_keys.COMMON),
        ("the job file's head", batch_keys.HEAD),
        ("`[defaults]` of jobs", batch_keys.DEFAULTS),
        ("`[[job]]`", batch_keys.JOB),
    ):
        for name, key in keys.items():
            if name not in options:
                places.setdefault(name, (key, []))[1].append(place)
    found = [(code(name), ", ".join(where), key.description) for name, (key, where) in places.items()]
    found += [(code(name), "the table `verify`", key.description) for name, key in VERIFY.items()]
    return table(("key", "where it stands", "what it means"), iter(found))


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


# -- examples ----------------------------------------------------------------------------------------------------------


def example_rows() -> str:
    written = ((code(toml_line(k, v)), code(" ".join(words(k, v))), code(keyword(k, v))) for k, v in EXAMPLE.items())
    return table(("`preinit.toml` and job files", "command line", "Python"), written)


def target() -> str:
    lines = [toml_line("input", INPUT), toml_line("output", "from-target.wasm"), *_settings()]
    return block("toml", "# preinit.toml", "[targets.example]", *lines)


def job() -> str:
    head = [toml_line("input", INPUT), toml_line("output-dir", "."), "", "[defaults]", *_settings(SHARED)]
    own = _settings(EXAMPLE.keys() - SHARED)
    return block("toml", "# jobs.toml", *head, "", "[[job]]", toml_line("output", "from-job.wasm"), *own)


def command() -> str:
    lines = [f"preinit build {INPUT}", *(" ".join(words(key, value)) for key, value in EXAMPLE.items())]
    return block("sh", " \\\n  ".join([*lines, "-o from-command.wasm"]))


def python() -> str:
    arguments = [f"    {keyword(key, value)}," for key, value in EXAMPLE.items()]
    call = ["result = preinit.build(", f"    {text(INPUT)},", *arguments, ")"]
    return block("python", "from pathlib import Path", "import preinit", "", *call, 'result.write("from-python.wasm")')


def block(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def _settings(keys: Collection[str] = EXAMPLE) -> list[str]:
    return [toml_line(key, value) for key, value in EXAMPLE.items() if key in keys]


def toml_line(key: str, value: Any) -> str:
    return f"{key} = {toml(value)}"


def toml(value: Any) -> str:
    """A value of `EXAMPLE`: JSON's strings and numbers are TOML's, too."""
    if isinstance(value, Mapping):
        inside = (f"{k if re.fullmatch('[A-Za-z0-9_-]+', k) else text(k)} = {toml(v)}" for k, v in value.items())
        return f"{{ {', '.join(inside)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return text(value)


def text(value: Any) -> str:
    return json.dumps(value)


def words(key: str, value: Any) -> list[str]:
    """A setting on the command line."""
    option = _by_key(key)
    spelling = option.short or option.flag
    if option.kind.is_flag:
        return [option.flag if value else f"--no-{key}"]
    between = "::" if "::" in option.metavar else "="
    parts = [f"{k}{between}{v}" for k, v in value.items()] if isinstance(value, Mapping) else value
    joined = "=" if option.metavar.startswith("[=") else " "
    return [f"{spelling}{joined}{shlex.quote(str(part))}" for part in (parts if option.kind.repeats else [value])]


def keyword(key: str, value: Any) -> str:
    """A setting as an argument from Python: the same value, but for files, of which it takes the bytes."""
    option = _by_key(key)
    given = f"Path({text(value)}).read_bytes()" if option.name == "stdin" else _literal(value)
    return f"{option.name}={given}"


def _literal(value: Any) -> str:
    return repr(value) if isinstance(value, bool) else text(value)


def _by_key(key: str) -> Option[Any, Any]:
    return next(option for option in all_options().values() if option.key == key)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
