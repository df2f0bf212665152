"""The report as a few lines for people."""

from __future__ import annotations

from ..result import EngineFacts, Report


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
        f"{sum(report.passes.values()):.2f} s ({_engine(report.engine)})",
    ]


def _engine(engine: EngineFacts) -> str:
    if engine.name == "whole":
        return f"{engine.compiler}, whole: {engine.reason}"
    return f"{engine.compiler}, on demand: {engine.functions_compiled:,} of {engine.functions:,} functions compiled"
