"""What the guest was given that makes an instance of the output differ from a fresh start of the input."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ...errors import Frame
from ...options.hints import option
from ...records import replaced
from ...result import BuildWarning, HostFacts, LateFacts

#: Names that a message lists, of variables and files; and functions, from the innermost on.
_MOST_NAMES, _MOST_CALLERS = 5, 3

#: The C library's own functions around WASI's: who called them is what one wants to know.
_WRAPPERS = ("__wasi_", "__wasilibc_", "__wrap___wasi_")
#: Functions with which a guest asks for something in a folder.
_ASKING = (
    "path_filestat_get", "fd_readdir", "path_readlink", "path_create_directory", "path_remove_directory",
    "path_unlink_file", "path_rename", "path_symlink", "path_link", "path_filestat_set_times", "fd_filestat_get",
    "fd_filestat_set_times",
)  # fmt: skip
#: How an instance fetches its own, with functions of wasi-libc.
_REFRESH_ENVIRONMENT = "`__wasilibc_deinitialize_environ()`, `__wasilibc_maybe_reinitialize_environ_eagerly()`"
_REFRESH_FOLDERS = "`__wasilibc_reset_preopens()`"


def hinted(warnings: Iterable[BuildWarning], hints: Mapping[str, str]) -> Iterator[BuildWarning]:
    """The same, with other hints for those whose codes are in `hints`."""
    for warning in warnings:
        yield replaced(warning, hint=hints.get(warning.code, warning.hint))


def hazards(
    facts: HostFacts, late: LateFacts | None = None, reopened: bool = False, again: str = ""
) -> Iterator[BuildWarning]:
    """A warning for each. An empty answer is kept as much as another one: the guest will not ask again.

    `late`: what an instance brings itself; `reopened`: whether it opens again what is open; `again`: the
    options that have the initializer run more than once.
    """
    first = {**facts.first_calls, **facts.causes}
    if facts.random_bytes:
        yield BuildWarning(
            "entropy-frozen",
            f"the initializer took {_count(facts.random_bytes, 'random byte')}{_where(first, 'random_get')}: every "
            "instance has the same ones, and everybody who has the module can predict what they were to protect (hash "
            "tables against flooding, tokens, identifiers)",
            "Seed again when an instance starts, or take the first random numbers after the initializer.",
        )
    if facts.clock_reads:
        yield BuildWarning(
            "clock-frozen",
            f"the initializer read the time of day{_times(facts.clock_reads)}{_where(first, 'clock_time_get')}: what "
            "it kept of that is the same in every instance, and no instance's start",
            "Read the clock when an instance starts, not in the initializer.",
        )
    if facts.environment and not (late and late.environment):
        yield BuildWarning(
            "environment-frozen",
            f"the guest was handed {_list('the environment variable', facts.environment)}"
            f"{_where(first, 'environ_get')}: C libraries keep that copy, and an instance's own environment is not "
            "looked at",
            f"Build with `--late env`, or fetch it in instances (in C: {_REFRESH_ENVIRONMENT}; docs/writing.md "
            "has the recipe), and never give a secret.",
        )
    elif facts.environment_read and not (late and late.environment):
        yield BuildWarning(
            "environment-frozen",
            f"the guest asked for {_size(facts, 'environment')}its environment"
            f"{_where(first, 'environ_sizes_get', 'environ_get')} and was handed no variable: C libraries keep that "
            "answer, and an instance's own environment is not looked at",
            f"Build with `--late env`, or fetch it in instances (in C: {_REFRESH_ENVIRONMENT}; docs/writing.md "
            "has the recipe), or first ask for it in the entry point.",
        )
    if facts.arguments and not (late and late.arguments):
        yield BuildWarning(
            "arguments-frozen",
            f"the guest was handed {_count(len(facts.arguments), 'argument')}{_where(first, 'args_get')}: an "
            "instance's own may not be looked at",
            "Build with `--late args`, or read the arguments in the entry point, not in the initializer.",
        )
    elif facts.arguments_read and not (late and late.arguments):
        yield BuildWarning(
            "arguments-frozen",
            f"the guest asked for {_size(facts, 'arguments')}its arguments"
            f"{_where(first, 'args_sizes_get', 'args_get')} and was handed none: an instance's own may not be looked "
            "at",
            "Build with `--late args`, or read the arguments in the entry point, not in the initializer.",
        )
    if facts.stdin_read:
        yield BuildWarning(
            "stdin-consumed",
            f"the initializer read {_count(facts.stdin_bytes, 'byte')} of standard input{_where(first, 'fd_read')}: "
            "what was buffered, or that the input had ended, is the same in every instance",
            "Read standard input in the entry point, not in the initializer.",
        )
    if facts.folders and facts.folders_listed:
        yield BuildWarning(
            "folders-frozen",
            f"the guest noted its folders ({', '.join(facts.folders)}){_where(first, 'fd_prestat_get')}: it will "
            "take the descriptors of an instance for the same ones",
            f"Have the instance fetch its own when it starts (in C: {_REFRESH_FOLDERS}; docs/writing.md has the "
            "recipe), or give each one the same guest paths in the same order: "
            + " ".join(option("--dir", f"HOST::{path}") for path in (*facts.folders, *facts.late_folders)),
        )
    elif facts.folders_listed and not facts.late_folders:
        yield BuildWarning(
            "folders-frozen",
            f"the guest looked for its folders{_where(first, 'fd_prestat_get')} and has none: C libraries keep that "
            "answer, and an instance can't open a file in its own",
            f"Have the instance look for its own when it starts (in C: {_REFRESH_FOLDERS}; docs/writing.md has the "
            "recipe), or give the build the folders that it will have, by the same guest paths: --dir HOST::GUEST",
        )
    if facts.late_asked:
        yield BuildWarning(
            "late-folder-asked",
            f"the guest asked for {_list('', facts.late_asked)}{_where(first, *_ASKING)}, which only "
            "instances have: the answer, that of an empty folder or a refusal, is the same in every instance",
            "Ask for it in the entry point, not in the initializer.",
        )
    if facts.open_descriptors and not reopened:
        names = [
            f"{entry.path} (descriptor {entry.number}{callers_text(entry.opened_in, ', opened in')})"
            for entry in facts.open_descriptors
        ]
        yield BuildWarning(
            "descriptors-open",
            f"{_list('', names)} {'is' if len(names) == 1 else 'are'} open when the initializer ends: "
            "no instance has that descriptor, or it is another file",
            "Close files before the initializer ends.",
        )
    if facts.functions:
        yield BuildWarning(
            "host-function",
            f"the initializer called {_list('the Python function', facts.functions)}: what these keep is not in the "
            "output, and its host must provide the same imports"
            + (f"; {again} runs the initializer again, and they are called in each run" if again else ""),
            "Keep nothing in them, or have the output's host bring its own up to the same point.",
        )
    for stream, size in facts.unflushed.items():
        yield BuildWarning(
            "output-unflushed",
            f"{_count(size, 'byte')} of what the guest printed to {stream} {'is' if size == 1 else 'are'} still in a "
            "buffer: every instance prints that, once it prints more",
            "Flush before the initializer ends: fflush(stdout) in C.",
        )
    for name, number in facts.stubbed.items():
        yield BuildWarning(
            "stub-answered",
            f"a stub answered for `{name}`{_times(number)}{_where(first, name)}: what that function does is missing "
            "from the output",
            "Do that again when an instance starts, or give the build the function: `--preload NAME=FILE`.",
        )


def _size(facts: HostFacts, kind: str) -> str:
    """What a guest asked for in place of those that there were."""
    return "the size of " if kind in facts.only_sizes else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def _times(number: int) -> str:
    return f" {number:,} times" if number > 1 else ""


def _list(noun: str, names: Collection[str]) -> str:
    shown = list(names)[:_MOST_NAMES]
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    plural = "s" if noun and len(names) != 1 else ""
    return f"{noun}{plural} {', '.join(shown)}{more}".strip()


def _where(first: dict[str, tuple[Frame, ...]], *names: str) -> str:
    """Where the first of those functions was called first to do what a warning is about."""
    said = callers_text(next((first[name] for name in names if name in first), ()), "first in")
    return f" ({said})" if said else ""


def callers_text(frames: tuple[Frame, ...], verb: str) -> str:
    """The innermost function, and its callers that have a name."""
    frames = tuple(frame for frame in frames if not (frame.name or "").startswith(_WRAPPERS)) or frames
    if not frames:
        return ""
    found = [frames[0], *(frame for frame in frames[1:] if frame.name)][:_MOST_CALLERS]
    callers = [f"`{frame.name}`" if frame.name else f"function {frame.function_index}" for frame in found]
    return f"{verb} {callers[0]}{', called from ' + ', '.join(callers[1:]) if callers[1:] else ''}"
