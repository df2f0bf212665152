"""HTML pages: what is not from us is escaped, figures add up, reports are read again."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

import preinit
from preinit import Report
from preinit.binary.encoder import custom_section, name, section, uleb, vector
from preinit.errors import Frame, InputError
from preinit.report.columns import columns
from preinit.report.inspection_page import inspection_page
from preinit.report.inspection_text import lines
from preinit.report.json import dumps
from preinit.report.page import Card, Section, cards, code, page, text, tip
from preinit.report.treemap import _HEIGHT, _WIDTH, Box, Tile, _placed
from preinit.report.units import short, signed, sized
from preinit.result import Difference, FileFacts
from tests.support.modules import build_text, wasm

HOSTILE = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&\x1b[31m\0\u202e\u2028" + "x" * 1000
GUEST = """(module (memory 2) (global $g (mut i32) (i32.const 0)) (func (export "wizer-initialize")
  (i32.store (i32.const 65536) (i32.const 9)) (global.set $g (i32.const 1))))"""


class Page(HTMLParser):
    """Elements and attributes of a page; everything that is opened is closed."""

    EMPTY = frozenset(("meta", "rect", "path"))

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.attributes |= set(given)
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.links += [value for key, value in attrs if key in ("href", "src") and value]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def hostile_module() -> bytes:
    """A module in which every name that it can have is hostile."""
    hostile = name(HOSTILE)
    named = b"".join(
        bytes((number,)) + uleb(len(entries)) + entries
        for number, entries in ((1, b"\1\0" + hostile), (7, b"\1\0" + hostile), (9, b"\1\0" + hostile))
    )
    producers = vector([hostile + vector([hostile + hostile])])
    parts = [
        section(1, b"\1\x60\0\0"),
        section(2, vector([hostile + hostile + b"\0\0"])),
        section(3, b"\1\0"),
        section(5, b"\1\0\1"),
        section(6, b"\1\x7f\1\x41\0\x0b"),
        section(7, vector([hostile + b"\0\0"])),
        section(10, b"\1\2\0\x0b"),
        section(11, b"\1\0\x41\0\x0b\1\1"),
        custom_section(HOSTILE, b""),
        custom_section("name", named),
        custom_section("producers", producers),
        custom_section("target_features", vector([b"+" + hostile])),
    ]
    return b"\0asm\1\0\0\0" + b"".join(bytes(piece) for part in parts for piece in part)


def test_names_of_a_module_are_text_in_its_page_whatever_they_hold() -> None:
    html = inspection_page(preinit.inspect(hostile_module(), wasm(GUEST)), HOSTILE)
    found = Page(html)
    assert "img" not in found.tags
    assert found.tags.count("script") == 2  # the page's own, and what the memory map is told
    assert not any(attribute.startswith("on") for attribute in found.attributes)
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", html)
    assert "&lt;script&gt;alert(1)" in html


def test_the_page_of_a_paused_program_has_its_stack() -> None:
    text = """(module (import "t" "tick" (func $tick)) (func $inner (call $tick)) (func $outer<b> (call $inner))
      (func (export "_start") (call $outer<b>)))"""
    output = build_text(text, pause_at="import:t.tick", stubs={"t.tick": "zero"}).wasm
    seen = inspection_page(preinit.inspect(output), "ready.wasm")
    stack = seen[seen.index('id="frames"') :]
    assert stack.index("inner") < stack.index("outer&lt;b&gt;") < stack.index("_start")
    assert 'id="frames"' not in inspection_page(preinit.inspect(wasm(text)), "tick.wasm")


def test_names_of_a_module_cant_steer_a_terminal_nor_fill_it() -> None:
    said = "\n".join(lines(preinit.inspect(hostile_module(), wasm(GUEST)), HOSTILE))
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", said)
    assert max(map(len, said.split("\n"))) < 400


def test_a_reports_names_are_text_in_the_page_too() -> None:
    report = build_text(GUEST).report
    host = dataclasses.replace(
        report.host,
        calls={HOSTILE: 1},
        first_calls={HOSTILE: (Frame(1, HOSTILE), Frame(2, None))},
        environment=(HOSTILE,),
        files=(FileFacts(HOSTILE, 5, None),),
    )
    warning = preinit.BuildWarning(HOSTILE, HOSTILE, HOSTILE)
    audit = (Difference("memory", 0, ("entropy", HOSTILE), 1, 2, HOSTILE),)
    hostile = dataclasses.replace(report, host=host, warnings=(warning,), audit=audit)
    html = inspection_page(preinit.inspect(wasm(GUEST)), "name", hostile)
    found = Page(html)
    assert "img" not in found.tags
    assert found.tags.count("script") == 2


def test_a_page_needs_nothing_from_elsewhere_and_its_contents_lead_somewhere() -> None:
    result = build_text(GUEST)
    found = Page(inspection_page(preinit.inspect(result.wasm, wasm(GUEST)), "out.wasm", result.report))
    assert len(found.links) > 10
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert len(set(found.ids)) == len(found.ids)


def test_the_kit_escapes_what_it_is_given() -> None:
    html = page(HOSTILE, HOSTILE, [Section("a", HOSTILE, cards([Card(HOSTILE, HOSTILE, HOSTILE)]))])
    assert Page(html).tags.count("script") == 1
    for made in (text(HOSTILE), code(HOSTILE), f"<b {tip(HOSTILE)}></b>"):
        assert "img" not in Page(str(made)).tags


def test_pages_of_large_memories_and_of_many_segments_stay_small() -> None:
    # Every second page of 1 GiB holds a byte, and every segment has a name.
    entries = [b"\0\x41" + _sleb(number << 17) + b"\x0b\1\1" for number in range(8192)]
    names = vector([uleb(number) + name(f"segment number {number}") for number in range(8192)])
    data = b"".join(
        bytes(piece) for part in (section(5, b"\1\0" + uleb(1 << 14)), section(11, vector(entries))) for piece in part
    )
    named = b"".join(custom_section("name", b"\x09" + uleb(len(names)) + names))
    html = inspection_page(preinit.inspect(b"\0asm\1\0\0\0" + data + named), "many")
    assert len(html) < 1_000_000
    assert len(Page(html).tags) < 3000


def _sleb(number: int) -> bytes:
    from preinit.binary.encoder import sleb

    return sleb(number)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40))
def test_the_areas_of_a_treemap_are_in_proportion_and_fill_it(sizes: list[int]) -> None:
    tiles = [Tile("", size, "", "") for size in sizes]
    placed = list(_placed(tiles, Box(0, 0, _WIDTH, _HEIGHT)))
    total = sum(sizes)
    for tile, box in placed:
        assert box.width * box.height == pytest.approx(_WIDTH * _HEIGHT * tile.size / total, rel=1e-3, abs=1e-6)
        assert -1e-6 <= box.left <= box.left + box.width <= _WIDTH + 1e-6
        assert -1e-6 <= box.top <= box.top + box.height <= _HEIGHT + 1e-6


def test_tables_of_text_are_aligned() -> None:
    assert columns(("name", "KiB"), [("a", "1.0"), ("longer", "1,000.0")], {1}) == [
        "  name        KiB",
        "  a           1.0",
        "  longer  1,000.0",
    ]


def test_units_are_those_that_people_read() -> None:
    assert [sized(512), sized(1 << 20), signed(-3000), signed(5), signed(0)] == [
        "512 bytes",
        "1.0 MiB",
        "-2.9 KiB",
        "+5 bytes",
        "0 bytes",
    ]
    assert len(short("x" * 1000)) == 100


# -- reading a build's report again ------------------------------------------------------------------------------------


@given(st.data())
def test_a_report_with_wrong_values_is_refused_or_read_never_worse(data: st.DataObject) -> None:
    value = json.loads(dumps(build_once()))
    at = value
    while isinstance(at, dict) and at and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(at)))
        if not isinstance(at[key], dict):
            break
        at = at[key]
    if at:
        key = data.draw(st.sampled_from(sorted(at)))
        at[key] = data.draw(st.sampled_from([None, -1, 1.5, "x", True, [], [1], {}, {"a": 1}, 10**400]))
    try:
        found = Report.from_json(json.dumps(value))
    except InputError:
        return
    Page(inspection_page(preinit.inspect(wasm(GUEST)), "name", found))


_ONCE: list[Report] = []


def build_once() -> Report:
    if not _ONCE:
        _ONCE.append(build_text(GUEST, audit=True).report)
    return _ONCE[0]
