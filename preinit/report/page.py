"""HTML pages: the kit that every page of ours is made with.

A page is one file: no network, no external resource, no script but the kit's own. What is not from us (names in a
module, messages of a guest) goes through `text`, which all helpers do by themselves: `Html` is what has been escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Sequence
from html import escape
from typing import NewType

from ..errors import printable
from ..tuples import NamedTuple
from .stylesheet import SCRIPT, STYLE

#: Markup whose text has been escaped. Only the helpers here, and views that draw, make it.
Html = NewType("Html", str)

EMPTY = Html("")


class Section(NamedTuple):
    """A part of a page. `id`: letters, digits and hyphens, unique in the page; the table of contents leads there."""

    id: str
    heading: str
    body: Html


class Card(NamedTuple):
    """One figure that matters: what it is, its value with the unit, and a short remark."""

    label: str
    value: str
    remark: str = ""


def text(value: object) -> Html:
    """Plain text, escaped; control characters become visible ones."""
    return Html(escape(printable(str(value)), quote=True))


def join(parts: Iterable[Html]) -> Html:
    return Html("".join(parts))


def paragraph(said: str, tone: str = "") -> Html:
    """A paragraph. `tone`: "" or "muted", "good", "warning", "bad"."""
    return Html(f'<p class="{tone}">{text(said)}</p>' if tone else f"<p>{text(said)}</p>")


def code(said: str) -> Html:
    """A name or number in the running text or a cell, in a fixed-width font."""
    return Html(f"<code>{text(said)}</code>")


def subheading(said: str) -> Html:
    return Html(f"<h3>{text(said)}</h3>")


def listed(items: Iterable[Html]) -> Html:
    """A list with bullets."""
    return Html(f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>")


def facts(pairs: Iterable[tuple[str, Html]]) -> Html:
    """Names and values, one pair a line."""
    return Html(f"<dl>{''.join(f'<div><dt>{text(name)}</dt><dd>{value}</dd></div>' for name, value in pairs)}</dl>")


def cards(figures: Iterable[Card]) -> Html:
    """The figures that a reader looks for first, large and side by side."""
    shown = (
        f'<div class="card"><div class="label">{text(card.label)}</div><div class="value">{text(card.value)}</div>'
        f'<div class="remark">{text(card.remark)}</div></div>'
        for card in figures
    )
    return Html(f'<div class="cards">{"".join(shown)}</div>')


def table(headings: Sequence[str], rows: Iterable[Sequence[str | Html]], numbers: Collection[int] = ()) -> Html:
    """A table that scrolls by itself where it is too wide. The columns `numbers`, from 0 on, are aligned right.

    Cells are Html: pass plain text through `text` or `code`.
    """

    def side(column: int) -> str:
        return ' class="number"' if column in numbers else ""

    head = "".join(f'<th scope="col"{side(column)}>{text(name)}</th>' for column, name in enumerate(headings))
    lines = (
        "<tr>" + "".join(f"<td{side(column)}>{cell}</td>" for column, cell in enumerate(row)) + "</tr>" for row in rows
    )
    body = "".join(lines)
    return Html(
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def details(summary: str, body: Html) -> Html:
    """A part that is folded away until it is asked for."""
    return Html(f"<details><summary>{text(summary)}</summary>{body}</details>")


def figure(drawing: Html, caption: str) -> Html:
    """A drawing (an inline `<svg>`) with a caption below. Colours come from the classes and variables of `look`."""
    return Html(f"<figure>{drawing}<figcaption>{text(caption)}</figcaption></figure>")


def legend(entries: Iterable[tuple[str, str]]) -> Html:
    """What colours mean: pairs of a class of `look` that fills ("series-1", "zero", ...) and what it stands for."""
    shown = (f'<li><span class="swatch {name}"></span>{text(said)}</li>' for name, said in entries)
    return Html(f'<ul class="legend">{"".join(shown)}</ul>')


def tip(said: str) -> Html:
    """Attributes of an element that shows `said` when a pointer or the focus is on it; lines are kept."""
    lines = "&#10;".join(text(line) for line in said.split("\n"))
    return Html(f'data-tip="{lines}" tabindex="0"')


def page(title: str, intro: str, sections: Sequence[Section]) -> str:
    """A whole page. `title` and `intro` are plain text, `intro` a sentence or two about what the page shows."""
    contents = "".join(f'<li><a href="#{text(part.id)}">{text(part.heading)}</a></li>' for part in sections)
    body = "".join(
        f'<section id="{text(part.id)}" aria-labelledby="{text(part.id)}-heading">'
        f'<h2 id="{text(part.id)}-heading">{text(part.heading)}</h2>{part.body}</section>'
        for part in sections
    )
    # Even markup that slipped through could run nothing and fetch nothing.
    allowed = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; base-uri 'none'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header><h1>{text(title)}</h1><p>{text(intro)}</p></header>
<div class="columns">
<nav aria-label="Contents"><ol>{contents}</ol></nav>
<main>{body}</main>
</div>
<footer><p>Made by preinit.</p></footer>
<div id="tip" role="tooltip" aria-live="polite" hidden></div>
<script>{SCRIPT}</script>
</body>
</html>
"""
