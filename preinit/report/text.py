"""The report as a few lines for people."""

from __future__ import annotations

from ..result import EngineFacts, HostFacts, Report


def summary(report: Report) -> list[str]:
    """What was run, what the output holds and how long it took."""
    ran = ", ".join(run.function for run in report.runs)
    pages = ", ".join(
        f"memory {m.index}: {m.pages} pages{f' (from {m.pages_before})' if m.pages != m.pages_before else ''}"
        for m in report.snapshot.memories
    )
    return [
        f"ran {ran}",
        f"{report.input.size:,} bytes in, {report.output.size:,} bytes out"
        + (f" ({report.output.gzip_size:,} gzipped)" if report.output.gzip_size is not None else ""),
        f"{pages or 'no memory'}; {report.snapshot.data_segments:,} data segments; "
        f"{len(report.snapshot.globals_changed)} globals changed",
        *_baked_in(report.host),
        f"{sum(report.passes.values()):.2f} s ({_engine(report.engine)})",
    ]


def _baked_in(host: HostFacts) -> list[str]:
    """One line about what the guest was given of the world, if it took anything."""
    size = sum(file.size for file in host.files)
    counted = (
        (host.random_bytes, "random byte", ""),
        (host.clock_reads, "reading", " of the time"),
        (len(host.environment), "environment variable", ""),
        (len(host.arguments), "argument", ""),
        (host.stdin_bytes, "byte", " of standard input"),
        (len(host.files), "file", f" ({size:,} bytes)"),
        (len(host.open_descriptors), "open descriptor", ""),
    )
    empty = ["an empty environment"] if host.environment_read and not host.environment else []
    empty += ["no folders"] if host.folders_listed and not host.folders else []
    said = [f"{number:,} {noun}{'s' if number != 1 else ''}{more}" for number, noun, more in counted if number]
    said += empty
    return [f"baked in: {', '.join(said)}"] if said else []


def _engine(engine: EngineFacts) -> str:
    if engine.name == "whole":
        return f"{engine.compiler}, whole: {engine.reason}"
    return f"{engine.compiler}, on demand: {engine.functions_compiled:,} of {engine.functions:,} functions compiled"
