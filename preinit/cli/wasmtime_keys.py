"""The `KEY[=VALUE],...` options of `wasmtime wizer` (-O, -C, -D, -W, -S, and a file with them): what they mean here.

https://docs.wasmtime.dev/cli-options.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import Unreadable, UsageError, in_words, quoted, way_out
from ..files.regular import read_bounded

#: Bytes of a file of options.
_LARGEST = 1 << 20

#: Letters of the options, and what the tables of a file are called.
GROUPS = {"-O": "optimize", "-C": "codegen", "-D": "debug", "-W": "wasm", "-S": "wasi"}

_YES, _NO = ("", "y", "yes", "true"), ("n", "no", "false")

#: Proposals that can be switched off, as wasm-tools calls them.
_PROPOSALS = {
    "bulk-memory": ("bulk-memory",), "multi-memory": ("multi-memory",), "multi-value": ("multi-value",),
    "reference-types": ("reference-types",), "simd": ("simd", "relaxed-simd"), "relaxed-simd": ("relaxed-simd",),
    "tail-call": ("tail-call",), "threads": ("threads",), "memory64": ("memory64",), "gc": ("gc",),
    "function-references": ("function-references",), "custom-page-sizes": ("custom-page-sizes",),
    "wide-arithmetic": ("wide-arithmetic",), "extended-const": ("extended-const",), "exceptions": ("exceptions",),
    "stack-switching": ("stack-switching",),
}  # fmt: skip

#: What the output does not depend on: how code is compiled and how memory is laid out while it runs, what there is
#: beside WASI preview 1, and what holds here anyway.
_ALIKE = {
    "optimize": re.compile(r".*"),
    "codegen": re.compile(r"(?!compiler$|cache$).*"),
    "debug": re.compile(r"debug-info|address-map|max-backtrace|symbols|logging"),
    "wasm": re.compile(
        r"nan-canonicalization|relaxed-simd-deterministic|unknown-exports-allow|unknown-imports-trap|wmemcheck"
        r"|max-wasm-stack|async-stack-.*|epoch-interruption|all-proposals|shared-memory|component-model.*|gc-support"
        r"|branch-hinting|concurrency-support|shared-everything-threads"
    ),
    "wasi": re.compile(
        r"preview2|p3|cli-exit-with-code|network-error-code|http.*|nn|config|keyvalue|tls|tcp|udp|inherit-network"
        r"|allow-ip-name-lookup|max-.*|hostcall-fuel"
    ),
}


@dataclass
class Meaning:
    """What the keys say.

    Parameters
    ----------
    arguments: options of `preinit build`.
    wasi: whether functions of WASI may be called. without: streams that are not passed on.
    defaults: whether functions that nobody provides return zeros.
    disabled: proposals that the module may not use, as wasm-tools calls them.
    """

    arguments: list[str] = field(default_factory=list)
    wasi: bool = False
    without: set[str] = field(default_factory=set)
    defaults: bool = False
    disabled: set[str] = field(default_factory=set)

    def add(self, group: str, key: str, value: str) -> None:
        """Takes one key of a group of `GROUPS`. Raises `UsageError` for one that nothing here corresponds to."""
        where = f"{next(letter for letter, name in GROUPS.items() if name == group)} {key}"
        if (group, key) in _SIZES:
            self.arguments += [_SIZES[group, key], _seconds(value) if key == "timeout" else value]
        elif (group, key) == ("codegen", "compiler"):
            self.arguments += ["--compiler", value]
        elif (group, key) == ("codegen", "cache"):
            self.arguments += [] if _is_yes(where, value) else ["--no-cache"]
        elif group == "wasi" and key in ("cli", "common"):
            self.wasi = _is_yes(where, value)
        elif (group, key) == ("wasi", "inherit-env"):
            self.arguments += ["--inherit-env=" + ("true" if _is_yes(where, value) else "false")]
        elif group == "wasi" and key in ("inherit-stdin", "inherit-stdout", "inherit-stderr"):
            self.switch(key.removeprefix("inherit-"), _is_yes(where, value))
        elif (group, key) == ("wasm", "unknown-imports-default"):
            self.defaults = _is_yes(where, value)
        elif group == "wasm" and key in _PROPOSALS:
            self.propose(key, _is_yes(where, value))
        elif not _ALIKE[group].fullmatch(key) and value not in _NO:
            raise UsageError(
                f"`{where}` is an option of `wasmtime wizer` that nothing here corresponds to",
                hint="Leave it out, or use `wasmtime wizer`.",
            )

    def switch(self, stream: str, on: bool) -> None:
        """Passes a standard stream on, or does not."""
        self.without = self.without - {stream} if on else self.without | {stream}

    def propose(self, proposal: str, on: bool) -> None:
        """Allows a proposal, or forbids it."""
        if not on:
            self.disabled.update(_PROPOSALS[proposal])


#: Keys whose value is that of an option.
_SIZES = {("wasm", "timeout"): "--timeout", ("wasm", "max-memory-size"): "--max-memory"}


def pairs(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Keys and values of `KEY[=VALUE],...`, each given once or several times."""
    for text in texts:
        for part in filter(None, text.split(",")):
            key, _, value = part.partition("=")
            yield key.strip().replace("_", "-"), value.strip()


def of_file(path: str) -> Iterator[tuple[str, str, str]]:
    """Group, key and value of each entry of a file for `--config`. Raises `UsageError`, `Unreadable`."""
    import tomllib

    try:
        tables = tomllib.loads(read_bounded(path, _LARGEST).decode("utf-8"))
    except OSError as problem:
        raise Unreadable(
            f"the file {path!r} can't be read: {in_words(problem)}",
            hint=way_out(problem, "Name a file that exists and that you may read."),
        ) from problem
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"the file {path!r} is not TOML: {problem}") from problem
    for group, table in tables.items():
        if group not in GROUPS.values() or not isinstance(table, dict):
            raise UsageError(
                f"{quoted(group)} in {path!r} is no table of options", hint=f"One of {', '.join(GROUPS.values())}."
            )
        yield from ((group, key.replace("_", "-"), _text(value)) for key, value in table.items())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_yes(where: str, value: str) -> bool:
    if value not in (*_YES, *_NO):
        raise UsageError(f"{quoted(value)} is not what `{where}` takes", hint="Write y or n.")
    return value in _YES


def _seconds(text: str) -> str:
    """Of `2`, `2s`, `100ms`, ..."""
    match = re.fullmatch(r"([0-9.]+)\s*(s|ms|us|ns|m|h)?", text)
    units = {None: 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "m": 60.0, "h": 3600.0}
    try:
        return str(float(match[1]) * units[match[2]]) if match else text
    except ValueError:
        return text
