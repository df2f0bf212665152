"""The report as a few lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..errors import counted, printable
from ..result import CaptureFacts, Difference, EngineFacts, HostFacts, LateFacts, MemoryFacts, Report, RunFacts


def summary(report: Report) -> list[str]:
    """What was run, what the output holds and how long it took."""
    ran = ", ".join(map(_run, report.runs)) or "nothing but start functions"
    if report.capture:
        ran = f"{report.capture.script} in Node {report.capture.node}"
    pages = ", ".join(
        f"memory {m.index}: {counted(m.pages, 'page')}"
        + (f" (from {m.pages_before})" if m.pages != m.pages_before else "")
        for m in report.snapshot.memories
    )
    return [
        f"ran {ran}",
        *_paused(report),
        *_captured(report.capture),
        f"{report.input.size:,} bytes in, {report.output.size:,} bytes out"
        + (f" ({report.output.gzip_size:,} gzipped)" if report.output.gzip_size is not None else ""),
        f"{pages or 'no memory'}; {counted(report.snapshot.data_segments, 'data segment')}; "
        f"{counted(len(report.snapshot.globals_changed), 'global')} changed",
        *(line for memory in report.snapshot.memories for line in _image(memory) if report.capture is None),
        *_baked_in(report.host, report.late),
        *_stubbed(report.host),
        *([f"never asked for: {', '.join(report.unused)}"] if report.unused else []),
        *_scrubbed(report),
        *_late(report),
        *_audited(report),
        *([f"compiled code is not kept: {report.engine.not_kept}"] if report.engine.not_kept else []),
        *([f"compiled anew: {report.engine.compiled_anew}"] if report.engine.compiled_anew else []),
        f"{sum(report.passes.values()):.2f} s ({_engine(report.engine)})",
    ]


def stored_text(ranges: Sequence[tuple[int, int]]) -> str:
    """Bytes in ranges of a memory, each from its first one up to its end."""
    size = counted(sum(end - start for start, end in ranges), "byte")
    if len(ranges) == 1:
        return f"{size} at {ranges[0][0]:#x}"
    return f"{size} in {len(ranges):,} places from {ranges[0][0]:#x} to {ranges[-1][1]:#x}"


#: Zeros that nobody is told to add: such a file would be of no use.
_MOST_ZEROS = 64 << 20


def _image(memory: MemoryFacts) -> list[str]:
    """Whether wasmtime maps the data of a large memory, or copies it at each start."""
    done = [f"{memory.zeros_added:,} zeros were added"] if memory.zeros_added else []
    if memory.stored:
        done.append(f"the start function stores {stored_text(memory.stored)}")
    if done:
        return [f"memory {memory.index}: {' and '.join(done)}, with which wasmtime maps its data"]
    if memory.zeros_missing:
        hint = " (--layout start)" if memory.zeros_missing <= _MOST_ZEROS else ""
        return [
            f"memory {memory.index}: wasmtime copies its data at each start; {memory.zeros_missing:,} zeros more, and "
            f"it would map it{hint}"
        ]
    return []


#: Characters of what a component's function returned.
_LONGEST_VALUE = 80


def _run(facts: RunFacts) -> str:
    if facts.value:
        cut = "..." if len(facts.value) > _LONGEST_VALUE else ""
        return f"{facts.function} (it returned {facts.value[:_LONGEST_VALUE]}{cut})"
    return facts.function + (" (it exited with 0)" if facts.exited else "")


#: Active functions that the summary names.
_ACTIVE = 4


def _paused(report: Report) -> list[str]:
    facts = report.pause
    if facts is None:
        return []
    names = [frame.name or f"function {frame.function_index}" for frame in facts.frames[:_ACTIVE]]
    more = f" and {len(facts.frames) - _ACTIVE} more" if len(facts.frames) > _ACTIVE else ""
    where = f" in {' < '.join(names)}{more}" if names else ""
    added = sum(frame.continuation for frame in facts.frames)
    return [f"paused at {facts.where}{where}; {counted(added, 'byte')} of code to go on"]


#: Of a start, what must at least be saved to be called a gain.
_GAIN = 1.05


def _captured(facts: CaptureFacts | None) -> list[str]:
    """What the output does when its glue loads it, and how long it takes to start."""
    if facts is None:
        return []
    names = [one.export for one in facts.stand_ins]
    again = sum(one.replayed for one in facts.stand_ins)
    lines = []
    if names:
        lines.append(
            f"does not run again: {', '.join(names)}"
            + (f"; {counted(again, 'import call is', 'import calls are')} made again" if again else "")
        )
    if facts.differences:
        memory = [entry for entry in facts.differences if entry.kind == "memory"]
        size, held = sum(entry.length for entry in memory), sum(entry.held for entry in memory)
        kinds = Counter(entry.kind for entry in facts.differences if entry.kind != "memory")
        others = [counted(number, kind) for kind, number in kinds.items()]
        free = f" ({size - held:,} of them were zero)" if size > held else ""
        parts = [*([f"{counted(size, 'byte')} of memory{free}"] if size else []), *others]
        lines.append(f"loaded by its own glue: {', '.join(parts)} differ from what was captured")
    elif facts.differences is not None:
        lines.append("loaded by its own glue: all is as it was captured")
    if facts.answered:
        lines.append("input and output give the same answer")
    lines.append(
        "not in the output: what only JavaScript holds (variables, files, objects that the program knows by a number); "
        "resume(program) makes it again"
    )
    if facts.before and facts.after:
        what = "to the first answer" if facts.answered else "until it is ready"
        ratio = facts.before.rest / facts.after.rest if facts.after.rest > 0 else 1.0
        gain = f"{ratio:.1f} times faster" if ratio > _GAIN else "no gain"
        lines.append(
            f"{what}: {facts.before.rest * 1000:.1f} ms before, {facts.after.rest * 1000:.1f} ms after ({gain}); "
            f"compiling takes {facts.before.compile_seconds * 1000:.1f} ms, {facts.after.compile_seconds * 1000:.1f} ms"
        )
    return lines


def _scrubbed(report: Report) -> list[str]:
    facts = report.scrub_stack
    if facts is None:
        return []
    return [f"stack: {facts.bytes_zeroed:,} bytes zeroed, {facts.bytes_saved:,} bytes of the output saved"]


#: How what instances bring is told, by what became of it.
_LATE = {
    "bound": "each instance fetches its {}",
    "unneeded": "the {} was not asked for, so each instance fetches its own",
    "unbound": "what the guest took of the {} is the build's, and what it fetches again is the instance's",
}


def _late(report: Report) -> list[str]:
    facts = report.late
    lines = []
    for name, status in (("environment", facts.environment), ("arguments", facts.arguments)) if facts else ():
        if status:
            said = _LATE[status].format(name)
            lines.append(said.replace("arguments was", "arguments were"))
    if facts and facts.environment_words and lines:
        lines[0] += f" (bound at {', '.join(map(str, facts.environment_words))})"
    host = report.host
    if host.late_folders and host.folders_listed:  # libc knows them by their places
        folders = " ".join(f"--dir HOST::{printable(path)}" for path in (*host.folders, *host.late_folders))
        lines.append(f"each instance gets its folders in this order: {folders}")
    return [f"late: {'; '.join(lines)}"] if lines else []


#: Places that the summary lists; the report has them all.
_FEW = 12
#: What a place can depend on; what matters most comes first.
_CAUSES = ("entropy", "clock", "environment")


def _audited(report: Report) -> list[str]:
    found = report.audit
    if found is None:
        return []
    if not found:
        return [f"audit: nothing depends on {', '.join(_CAUSES)}"]
    lines = []
    for cause in _CAUSES:
        own = [entry for entry in found if cause in entry.depends_on]
        size = sum(entry.length for entry in own if entry.kind == "memory")
        places = f"{counted(len(own), 'place')} depend{'s' if len(own) == 1 else ''}" if own else "nothing depends"
        lines.append(f"audit: {places} on {cause}" + (f": {counted(size, 'byte')} of memory" if size else ""))
    first = sorted(found, key=lambda entry: min(map(_CAUSES.index, entry.depends_on)))
    lines += map(_difference, first[:_FEW])
    if len(found) > _FEW:
        lines.append(f"  ... and {counted(len(found) - _FEW, 'more place')}: see --report")
    return lines


def _difference(entry: Difference) -> str:
    causes = ", ".join(entry.depends_on)
    if entry.kind == "outcome":
        return f"  the initializer fails ({entry.name}): {causes}"
    name = f" ({entry.name})" if entry.name else ""
    if entry.kind == "memory":
        end = entry.offset + entry.length
        return f"  memory {entry.index}, {entry.offset:#x} to {end:#x}, {counted(entry.length, 'byte')}{name}: {causes}"
    if entry.kind == "table":
        return (
            f"  table {entry.index}, {counted(entry.length, 'entry', 'entries')} from {entry.offset} on{name}: {causes}"
        )
    return f"  {entry.kind} {entry.index}{name}: {causes}"


def _baked_in(host: HostFacts, late: LateFacts | None) -> list[str]:
    """One line about what the guest was given of the world, if it took anything."""
    size = sum(file.size for file in host.files)
    own_environment = late is not None and late.environment == "bound" and not late.environment_active
    own_arguments = late is not None and late.arguments == "bound" and not late.arguments_active
    taken = (
        (host.random_bytes, "random byte", ""),
        (host.clock_reads, "reading", " of the time"),
        (0 if own_environment else len(host.environment), "environment variable", ""),
        (0 if own_arguments else len(host.arguments), "argument", ""),
        (host.stdin_bytes, "byte", " of standard input"),
        (len(host.files), "file", f" ({size:,} bytes)"),
        (len(host.open_descriptors), "open descriptor", ""),
        (sum(host.unflushed.values()), "byte", " of output in a buffer"),
    )
    asked = (
        ("environment", host.environment_read and not host.environment, "an empty environment"),
        ("arguments", host.arguments_read and not host.arguments, "no arguments"),
    )
    empty = [f"the size of the {kind}" if kind in host.only_sizes else none for kind, nothing, none in asked if nothing]
    empty += ["no folders"] if host.folders_listed and not (host.folders or host.late_folders) else []
    said = [f"{counted(number, noun)}{more}" for number, noun, more in taken if number]
    said += empty
    return [f"frozen: {', '.join(said)}"] if said else []


def _stubbed(host: HostFacts) -> list[str]:
    """One line about the stubs that answered."""
    if not host.stubbed:
        return []
    most = sorted(host.stubbed, key=lambda name: -host.stubbed[name])[:_FEW]
    more = len(host.stubbed) - len(most)
    said = ", ".join(f"{name} ({counted(host.stubbed[name], 'call')})" for name in most)
    return [f"answered by stubs: {said}{f' and {more:,} more' if more > 0 else ''}"]


def _engine(engine: EngineFacts) -> str:
    if engine.name == "node":
        return engine.reason
    if engine.name == "whole":
        return f"{engine.compiler}, whole: {engine.reason}"
    return f"{engine.compiler}, on demand: {engine.functions_compiled:,} of {engine.functions:,} functions compiled"
