"""A module and those that it is given: read, parsed, and checked for what is refused at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import cast

from ...binary.encoder import COMPONENT_PREAMBLE
from ...binary.mapped import Buffer
from ...binary.module import Module, parse
from ...engine.runtime import Deadline
from ...errors import PreinitError, Unreadable, UsageError, in_words, located, quoted, way_out
from ...files.regular import MOST_MODULE, read_bounded
from ...options import Options
from ...tuples import NamedTuple
from .supported import check_room, check_supported
from .text import is_text, parse_text

#: A module's bytes, binary or text, or the path of a file that holds them.
Wasm = bytes | str | os.PathLike[str]


class Source(NamedTuple):
    """A module to build from, the modules that it is given to import from, and what to compile of each of those."""

    module: Module
    preloads: Mapping[str, Module]
    preload_code: Mapping[str, bytes]


def read_source(wasm: Wasm, options: Options, deadline: Deadline) -> Source:
    """Parses and checks what is given. Raises an `InputError`, `UsageError`, `TimeLimit`."""
    data = read_within(wasm, deadline)
    module = parse_within(data, deadline)
    check_supported(module, options)
    return Source(module, *read_preloads(module, options))


def parse_within(wasm: Wasm, deadline: Deadline, libraries: bool = False) -> Module:
    """A parsed module; `libraries`: see `parse`. Raises an `InputError`, `UsageError`, `TimeLimit`."""
    return deadline.start(lambda: parse(binary(wasm, deadline.remaining()), libraries=libraries)).result()


def read_within(wasm: Wasm, deadline: Deadline) -> bytes:
    """The bytes of a binary, from bytes or a file, text or binary; mapped, if they are many.

    Raises as `binary` does, and `TimeLimit`.
    """

    def get() -> bytes:
        if isinstance(wasm, str | os.PathLike):
            from ...files.mapped import large_copy

            mapped = large_copy(wasm)
            if mapped is not None:
                return mapped
        return binary(wasm, deadline.remaining())

    return deadline.start(get).result()


def is_component(data: bytes) -> bool:
    """Whether a binary is a component."""
    return data[:8] == COMPONENT_PREAMBLE


def check_again(source: Source, options: Options) -> None:
    """Checks what was read for other options, which differ in nothing that reading depends on. Raises the same."""
    check_supported(source.module, options)
    if source.preloads:
        from ...host.preload import check_uses

        check_uses(source.module, source.preloads, options)
        _check_room_beside(source.module, source.preloads, options)


def read_preloads(module: Module, options: Options) -> tuple[dict[str, Module], dict[str, bytes]]:
    """The preloaded modules, parsed, and what to compile of each. Raises `UsageError`, or what parsing raises."""
    if not options.preloads:
        return {}, {}
    from ...host import preload as preloading

    modules: dict[str, Module] = {}
    for name, given in options.preloads:
        try:
            modules[name] = parse(binary(given, waits=False))
        except PreinitError as problem:
            located(problem, f"preloaded module {quoted(name)}")
            raise
    preloading.check(module, modules, options)
    _check_room_beside(module, modules, options)
    return modules, preloading.code_of(modules)


def _check_room_beside(module: Module, preloads: Mapping[str, Module], options: Options) -> None:
    from ...engine.bounds import elsewhere

    check_room(module, options, *elsewhere(module, preloads))


def binary(wasm: Wasm, seconds: float | None = None, waits: bool = True) -> bytes:
    """The bytes of a binary module, from bytes or a file, text or binary; text within that time.

    `waits`: for whoever writes to a pipe of that name. Raises `Unreadable`, `UsageError`, what reading text raises.
    """
    if isinstance(wasm, Buffer):
        return cast(bytes, wasm)
    if isinstance(wasm, bytes | bytearray | memoryview):
        data = bytes(wasm)
    elif isinstance(wasm, str | os.PathLike):
        name = os.fsdecode(os.fspath(wasm))
        try:
            data = read_bounded(name, MOST_MODULE, waits)
        except (OSError, ValueError) as problem:
            reason = in_words(problem)
            looks_like_text = name.lstrip().startswith(("(", ";;"))
            raise Unreadable(
                f"the input {quoted(name)} can't be read: {reason}",
                hint=way_out(
                    problem,
                    "A string is taken for a path. Give the text of a module as bytes: text.encode()."
                    if looks_like_text
                    else "Give the path of a file that exists, or the bytes of a module.",
                ),
            ) from problem
    else:
        raise UsageError(
            f"a module must be bytes or a path, not {type(wasm).__name__}",
            hint="Give the content of an open file: file.read()." if hasattr(wasm, "read") else None,
        )
    return parse_text(data, seconds) if is_text(data) else data
