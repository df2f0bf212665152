"""What is to be run, with which arguments, and what the output exports."""

from __future__ import annotations

from ...engine.runtime import Deadline
from ...errors import UsageError
from ...options import Options
from ..parse.source import Source
from .entries import entries
from .exports import check_usable, output_exports
from .initializers import choose
from .job import Job
from .pause import find_pause

__all__ = ["Job", "make_job"]


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
    if pause and own:
        raise UsageError(
            "functions that call exports with constants can't be made of a program that is paused in the middle",
            hint="Leave one of both out.",
        )
    if not own:
        check_usable(module, [] if pause else calls, exports, options)
    given = (source.preloads, source.preload_code, deadline, exports, stack)
    return Job(module, tuple(calls), options, *given, pause=pause, entries=own)
