"""The plan of a build: its `Job`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...binary.module import Module
from ...binary.sections import ExternKind
from ...engine.runtime import Deadline
from ...errors import UsageError, quoted
from ...options import Options
from ...options.hints import option
from ..parse.source import Source
from .entries import Entry, entries
from .exports import check_usable, output_exports
from .initializers import choose
from .job import Job, rooms_of
from .pause import find_pause


def make_job(source: Source, options: Options, deadline: Deadline) -> Job:
    """What is to be done for these options. Raises a `PreinitError` where they don't fit the module."""
    module = source.module
    calls = choose(module, options)
    pause = find_pause(module, options.pause) if options.pause else None
    exports = output_exports(module, [] if pause else calls, options)  # which calls end, only the pause will show
    stack = None
    if options.scrub_stack:
        from ...symbols.stack import find_stack

        stack = find_stack(module)
    own = entries(module, options, calls[-1].type if calls else None)
    if pause:
        _check_beside_pause(module, own, {call.name for call in calls})
    if not own:
        check_usable(module, [] if pause else calls, exports, options)
    given = (source.preloads, source.preload_code, deadline, exports, stack)
    return Job(module, tuple(calls), options, *given, pause=pause, entries=own, rooms=rooms_of(module, options))


def _check_beside_pause(module: Module, own: Sequence[Entry], run: Collection[str]) -> None:
    """Raises `UsageError` for a function of the output that can't be made of a program that is paused in a call of one
    of the exports `run`, whatever names the same function has."""
    functions = {export.name: export.target for export in module.exports if export.kind == ExternKind.FUNC}
    paused = {functions[name]: name for name in sorted(run) if name in functions}
    for entry in own:
        named = entry.call.name
        same = named if named in run else paused.get(functions.get(named, -1))
        if same is not None:
            raise UsageError(
                f"the function {quoted(entry.name)} of the output is to call {quoted(named)}, which is "
                "paused in the middle: it would run again from its beginning",
                hint="Leave it out, or rename what goes on: " + option("-r", f"{entry.name}={same}"),
            )
        if not all(isinstance(value, bytes) for value in entry.call.values):
            raise UsageError(
                f"the function {quoted(entry.name)} of the output is to call an export with more than numbers, and the "
                "program is paused in the middle: its allocator may be, too, and no call has returned",
                hint="Give numbers only, or let the program itself keep what the function needs.",
            )
