"""What the guest was given and never asked for: a name that was misspelled, a folder under another path."""

from __future__ import annotations

from collections.abc import Iterator

from ...binary.sections import ExternKind
from ...host.stubs import stubbed
from ...options import Options
from ...options.hints import option
from ...result import HostFacts
from ..plan.job import Job


def unused_options(job: Job, facts: HostFacts) -> tuple[str, ...]:
    """The options, as the command line has them, of which the guest used nothing; of variables only the names."""
    return tuple(_unused(job, job.options, facts))


def _unused(job: Job, options: Options, facts: HostFacts) -> Iterator[str]:
    host = options.host
    for folder, guest_path in host.dirs:
        if guest_path not in facts.folders_used:
            yield option("--dir", folder if folder == guest_path else f"{folder}::{guest_path}")
    if not facts.environment_read:
        yield from (option("--env", name) for name, _ in host.env)
    if not facts.arguments_read:
        yield from (option("--arg", text) for text in host.args)
    if options.late_room is not None and not any(job.rooms):
        yield option("--late-room", str(options.late_room))
    if host.stdin and not facts.stdin_read:
        yield "--stdin"
    called = {name for name, number in facts.calls.items() if number}
    yield from _unused_preloads(job, called)
    imports = job.module.imports
    used = {
        stub
        for position, stub in stubbed(job.module, options.stubs).items()
        if f"{imports[position].module}.{imports[position].name}" in called
    }
    for name, what in options.stubs:
        if (name, what) not in used and what != "trap":  # that says what must not be called
            yield option("--stub", f"{name}={what}")


def _unused_preloads(job: Job, called: set[str]) -> Iterator[str]:
    for name in job.preloads:
        needed = any(entry.module == name for preload in job.preloads.values() for entry in preload.imports)
        used = (
            entry.kind != ExternKind.FUNC or f"{entry.module}.{entry.name}" in called
            for entry in job.module.imports
            if entry.module == name
        )
        if not needed and not any(used):
            yield option("--preload", f"{name}=FILE")
