"""What a build's report says, as sections of a page: what was run, what the guest was given, how long it took."""

from __future__ import annotations

from collections.abc import Sequence, Sized

from ..errors import Frame, counted
from ..result import Difference, HostFacts, Report
from . import capture_page
from .page import EMPTY, Html, Section, code, details, facts, figure, join, listed, paragraph, subheading, table, text
from .units import hexadecimal, kib, short, sized

#: Entries of a list; the JSON report has them all.
_FEW = 100


def sections(report: Report) -> list[Section]:
    """The parts of a page that only a build can fill."""
    number = len(report.warnings)
    return [
        *_made(report),
        Section("warnings", f"Warnings ({number:,})" if number else "Warnings", _warnings(report)),
        Section("ledger", f"What the {'program' if report.capture else 'guest'} was given", _ledger(report)),
        *([Section("audit", "What depends on the world", _audit(report.audit))] if report.audit is not None else ()),
        Section("timings", "Timings", _timings(report)),
    ]


def _made(report: Report) -> list[Section]:
    if report.capture:  # its glue ran it, in Node
        return [capture_page.section(report.capture), Section("build", "Input and output", facts(_sizes(report)))]
    return [Section("build", "What was run", _runs(report))]


def _sizes(report: Report) -> list[tuple[str, Html]]:
    return [
        ("Layout", text(report.layout)),
        ("Input", text(sized(report.input.size))),
        ("Output", text(sized(report.output.size) + _gzipped(report))),
    ]


def _runs(report: Report) -> Html:
    rows = [
        (
            code(short(run.function)),
            code(short(", ".join(run.arguments))),
            code(short(", ".join(str(value) for value in run.results))),
            text(f"{run.seconds * 1000:,.1f}"),
        )
        for run in report.runs[:_FEW]
    ]
    engine = report.engine
    compiled = f"{engine.functions_compiled:,} of {counted(engine.functions, 'function')} were compiled"
    said = [
        ("Compiler", text(f"{engine.compiler}, {'on demand' if engine.name == 'ondemand' else engine.name}")),
        ("Compiled", text(f"{compiled}: {sized(engine.bytes_compiled)} of code")),
        *([("Why so", text(engine.reason))] if engine.reason else []),
        *_sizes(report),
    ]
    return join([table(("Function", "Arguments", "Results", "ms"), rows, {3}), facts(said)])


def _gzipped(report: Report) -> str:
    return f", {sized(report.output.gzip_size)} with gzip" if report.output.gzip_size is not None else ""


def _warnings(report: Report) -> Html:
    if not report.warnings:
        return paragraph("There are none.", "good")
    return join(
        join(
            [
                paragraph(f"{warning.code}: {warning.message}", "warning"),
                paragraph(f"What to do: {warning.hint}", "muted"),
            ]
        )
        for warning in report.warnings[:_FEW]
    )


def _ledger(report: Report) -> Html:
    host = report.host
    said = [
        ("Random bytes", text(f"{host.random_bytes:,}")),
        ("Readings of clocks", text(f"{host.clock_reads:,} of the time, {host.monotonic_reads:,} of others")),
    ]
    if not report.capture:  # what a program asks of its glue, nobody sees
        said += _asked(host)
    parts = [facts(said)]
    if host.files:
        rows = [(code(short(file.path)), text(kib(file.size)), code(file.sha256 or "")) for file in host.files[:_FEW]]
        parts += [subheading("Files that it read"), table(("Path", "KiB", "SHA-256"), rows, {1}), _more(host.files)]
    if host.open_descriptors:
        open_ = [text(f"{entry.number}: {short(entry.path)}") for entry in host.open_descriptors[:_FEW]]
        parts += [subheading("Descriptors that were open at the end"), listed(open_), _more(host.open_descriptors)]
    if host.calls:
        called = sorted(host.calls.items(), key=lambda entry: -entry[1])
        rows = [
            (code(short(name)), text(f"{number:,}"), _backtrace(host.first_calls.get(name, ())))
            for name, number in called[:_FEW]
        ]
        headings = ("Function", "Calls", "First called from")
        parts += [subheading("Calls of the host"), table(headings, rows, {1}), _more(called)]
    return join(parts)


def _asked(host: HostFacts) -> list[tuple[str, Html]]:
    return [
        ("Environment", _names(host.environment, host.environment_read, "environment" in host.only_sizes)),
        ("Arguments", _names(host.arguments, host.arguments_read, "arguments" in host.only_sizes)),
        ("Standard input", text(counted(host.stdin_bytes, "byte") if host.stdin_read else "not asked for")),
        ("Folders", _names(host.folders, host.folders_listed)),
    ]


def _names(names: tuple[str, ...], asked: bool, only_size: bool = False) -> Html:
    if only_size:
        return text("asked for the size only")
    if not names:
        return text("asked for, and empty" if asked else "not asked for")
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return text(", ".join(map(short, names[:_FEW])) + more)


def _more(entries: Sized) -> Html:
    rest = len(entries) - _FEW
    return paragraph(f"... and {rest:,} more: see the JSON report.", "muted") if rest > 0 else EMPTY


def _backtrace(frames: tuple[Frame, ...]) -> Html:
    if not frames:
        return EMPTY
    shown = [code(_called(frame)) for frame in frames]
    return shown[0] if len(shown) == 1 else details(_called(frames[0]), listed(shown))


def _called(frame: Frame) -> str:
    return short(frame.name) or f"function {frame.function_index}"


def _audit(found: Sequence[Difference]) -> Html:
    if not found:
        return paragraph("Nothing depends on entropy, clock or environment.", "good")
    rows = [
        (
            text(f"{short(entry.kind)} {entry.index}"),
            text(hexadecimal(entry.offset)),
            text(f"{entry.length:,}"),
            code(short(entry.name)),
            text(short(", ".join(entry.depends_on))),
        )
        for entry in found[:_FEW]
    ]
    headings = ("Place", "From", "Length", "Name", "Depends on")
    return join([table(headings, rows, {1, 2}), _more(found)])


def _timings(report: Report) -> Html:
    total = sum(report.passes.values())
    rows = [
        (text(name), text(f"{seconds * 1000:,.1f}"), text(f"{100 * seconds / total:.1f} %" if total else ""))
        for name, seconds in report.passes.items()
    ]
    caption = f"{total:.2f} s in all, pass by pass."
    return join([figure(_bars(report.passes), caption), table(("Pass", "ms", "Share"), rows, {1, 2})])


def _bars(passes: dict[str, float]) -> Html:
    """The passes one after the other, each as wide as it took."""
    total = sum(passes.values()) or 1.0
    at = 0.0
    drawn = []
    for number, (name, seconds) in enumerate(passes.items()):
        width = 100 * seconds / total
        said = text(f"{name}: {seconds * 1000:,.1f} ms")
        drawn.append(
            f'<rect class="series-{number % 6 + 1}" x="{at:.3f}" width="{width:.3f}" height="4" data-tip="{said}"/>'
        )
        at += width
    return Html(f'<svg viewBox="0 0 100 4" preserveAspectRatio="none" style="height:2rem">{"".join(drawn)}</svg>')
