"""What is to be run, with which arguments, and what the output exports."""

from __future__ import annotations

from ...engine.runtime import Deadline
from ...options import Options
from ..parse.source import Source
from .exports import output_exports
from .initializers import choose
from .job import Job

__all__ = ["Job", "make_job"]


def make_job(source: Source, options: Options, deadline: Deadline) -> Job:
    """What is to be done for these options. Raises a `PreinitError` where they don't fit the module."""
    module = source.module
    calls = choose(module, options)
    exports = output_exports(module, calls, options)
    stack = None
    if options.scrub_stack:
        from ...symbols.stack import find_stack

        stack = find_stack(module)
    return Job(module, tuple(calls), options, source.preloads, source.preload_code, deadline, exports, stack)
