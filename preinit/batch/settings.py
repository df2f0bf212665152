"""What a job file can say about a build, and the options that become of it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import JobFile, quoted
from ..options import Host, Options
from ..options.calls import written

#: What all jobs have in common: what is compiled depends on it.
COMMON = ("preloads", "stubs", "imports", "engine", "compiler", "timeout", "cache")
#: What each job can have, too.
OWN = (
    "init", "start_only", "rename_funcs", "keep_init_func", "import_globals", "layout", "max_memory", "strict", "audit",
    "scrub_stack", "env", "args", "dirs", "stdin", "seed", "quiet", "clock", "random", "writable", "file_times", "wasi",
    "max_output",
)  # fmt: skip

#: Gives the bytes of a file that is named in a job file.
Read = Callable[[str], bytes]


def check_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raises `JobFile` for a key that is not known, with the nearest one."""
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            raise JobFile(
                f"there is no key {quoted(str(key))} here",
                where=where,
                hint=f"Did you mean `{near[0]}`?" if near else f"One of {', '.join(known)}.",
            )


def changes(table: Mapping[str, Any], read: Read, folder: Callable[[str], str]) -> dict[str, Any]:
    """What `Builder.build` takes for these settings. `folder`: the host's path of a folder that was named.

    Raises `JobFile` for a value of another type, and what `read` raises.
    """
    found = dict(table)
    if "init" in found:
        calls = found["init"]
        if isinstance(calls, str):
            calls = [calls]
        if not isinstance(calls, list) or not all(isinstance(call, str) for call in calls):
            raise JobFile("`init` must be a list of strings", hint='For example: init = ["initialize-runtime"]')
        found["init"] = [written(call, read) for call in calls]
    if "stdin" in found:
        found["stdin"] = read(_text(found["stdin"], "stdin"))
    if "dirs" in found:
        found["dirs"] = [(folder(host), guest) for host, guest in _strings(found["dirs"], "dirs").items()]
    if "env" in found:
        found["env"] = _strings(found["env"], "env")
        found["public_env"] = list(found["env"])  # whoever wrote the file knows that it is no secret
    return found


def common_options(table: Mapping[str, Any], read: Read, folder: Callable[[str], str]) -> Options:
    """The options that all jobs start from. Raises `JobFile`, `UsageError`, and what `read` raises."""
    found = changes(table, read, folder)
    if "preloads" in found:
        found["preloads"] = {name: read(path) for name, path in _strings(found["preloads"], "preloads").items()}
    if "init" in found:
        found["init_funcs"] = found.pop("init")
    host = {name: found.pop(name) for name in list(found) if name in Host.__dataclass_fields__}
    return Options.of({**found, "host": Host(**host)})


def _strings(value: Any, key: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise JobFile(f"`{key}` must be a table of strings")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise JobFile(f"`{key}` must be a string: the path of a file")
    return value
