"""From what was given on the command line to `Options`. Nothing here knows what reads the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..options import Options, tables
from ..options.kinds import Files
from .arguments import mapped_folder, module, read
from .failure import guest_output


def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a file would hold, from what was given to those options. Raises `UsageError`."""
    return settled(tables.settings_of(given), given)


def settled(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with what those spellings add, `--no-init-func` included. Raises `UsageError`."""
    found = dict(settings)
    if given.get("no_init_func") and found.get("init-funcs"):
        raise UsageError(
            "an initializer is named, and none is to be run",
            hint="Leave out `-f` or `--no-init-func`: with `-f NAME`, only NAME is run after the start function and "
            "`_initialize`.",
        )
    if given.get("no_init_func") or given.get("init") == "none":
        found.setdefault("init-funcs", [])  # `--init none -f NAME`: none of the usual names, but that one
    if given.get("allow_wasi") and found.get("wasi") is False:
        raise UsageError("WASI is allowed and refused", hint="Leave out `--allow-wasi` or `--no-wasi`.")
    if given.get("mapdir"):
        found["dirs"] = (*found.get("dirs", ()), *map(mapped_folder, given["mapdir"]))
    if given.get("inherit_env"):
        found[tables.INHERIT_ENV] = True
    if not given.get("inherit_stdio", True):
        found["quiet-guest"] = True
    return found


def files() -> Files:
    """Files that are named on the command line."""
    return Files(read, module, lambda name: name, os.environ)


def options_of(given: Mapping[str, Any], **more: Any) -> Options:
    """The `Options` for what was given to those options; `more`: other fields. Raises `UsageError`."""
    return tables.options_of(settings_of(given), files(), **{**own_fields(), **more})


def own_fields() -> dict[str, Any]:
    """What is the same in each run of the command."""
    return {"_process_ends": True, "stdout": guest_output.write, "stderr": guest_output.write}
