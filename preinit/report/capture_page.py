"""What a capture's report says, as a section of a page: what the output's glue does again, what loading it wrote."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import counted
from ..result import CaptureFacts, StartTimes
from .page import Html, Section, code, facts, join, paragraph, subheading, table, text
from .units import hexadecimal, short

#: Entries of a list; the JSON report has them all.
_FEW = 100


def section(found: CaptureFacts) -> Section:
    """The part of a page that only a capture can fill."""
    said = [("Script", code(short(found.script))), ("Node", text(found.node)), ("Same answer", text(_answered(found)))]
    said += [(name, _times(times)) for name, times in (("Before", found.before), ("After", found.after)) if times]
    rows = [
        (
            code(short(one.export)),
            text(one.why),
            text(f"{one.called:,}"),
            text(f"{one.replayed:,}"),
            text(short(", ".join(one.reopened))),
            text(short(_counted({**one.dropped, **one.unknown}))),
        )
        for one in found.stand_ins[:_FEW]
    ]
    headings = ("Export", "Why", "Called", "Import calls made again", "Files opened again", "Not made again")
    parts = [facts(said), subheading("What does not run again"), table(headings, rows, {2, 3})]
    if found.differences is not None:
        parts += [subheading("What loading wrote"), _differences(found)]
    return Section("capture", "In its own glue", join(parts))


def _answered(found: CaptureFacts) -> str:
    return "not compared: the script has no answer()" if found.answered is None else "yes" if found.answered else "no"


def _times(times: StartTimes) -> Html:
    return text(f"{times.rest * 1000:,.1f} ms, and {times.compile_seconds * 1000:,.1f} ms for compiling")


def _counted(calls: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({counted(number, 'call')})" for name, number in calls.items())


def _differences(found: CaptureFacts) -> Html:
    if not found.differences:
        return paragraph("Nothing: all is as it was captured.", "good")
    rows = [
        (text(f"{entry.kind} {entry.index}"), text(hexadecimal(entry.offset)), text(hexadecimal(entry.end)),
         text(f"{entry.length:,}"), text(f"{entry.length - entry.held:,}" if entry.kind == "memory" else ""))
        for entry in found.differences[:_FEW]
    ]  # fmt: skip
    return table(("Place", "From", "To", "Differ", "Were zero"), rows, {1, 2, 3, 4})
