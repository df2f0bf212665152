"""In which line of a TOML file a key stands."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from preinit.files.toml_lines import lines_of

NAMES = st.sampled_from(["a", "b", "c-d", '"x.y"', "'#'", '"\\u0061b"', "1"])

DOTTED = st.lists(NAMES, min_size=1, max_size=3).map(" . ".join)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A document where the value of each number is the line that its key stands in."""
    lines: list[str] = []

    def value(depth: int = 0) -> str:
        line = len(lines) + 1
        kind = draw(st.integers(0, 6 if depth < 2 else 2))
        if kind <= 2:
            return f"{line}"
        if kind == 3:
            return "{ " + ", ".join(f"{draw(DOTTED)} = {value(2)}" for _ in range(draw(st.integers(0, 2)))) + " }"
        if kind == 4:
            return "[" + ", ".join(value(2) for _ in range(draw(st.integers(0, 3)))) + "]"
        if kind == 5:
            quotes = draw(st.sampled_from(['"""', "'''"]))
            lines.append(f'{pending[0]} = {quotes}[x] # "a" = 1')
            lines.append(f"y = 2 {draw(st.sampled_from(['', chr(39), chr(34), chr(34) * 2]))} # ]")
            pending[0] = ""
            return quotes
        lines.append(f"{pending[0]} = [ # 1, 2")
        lines.extend([f"{len(lines) + 1}, # ] [", ""])
        pending[0] = ""
        return f"{len(lines) + 1} ]"

    pending = [""]
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.integers(0, 5))
        if kind == 0:
            lines.append(draw(st.sampled_from(["", "# a = 1", "   ", "\t# ''' \"\"\""])))
        elif kind == 1:
            left, right = draw(st.sampled_from([("[", "]"), ("[[", "]]"), ("[ ", " ] # x")]))
            lines.append(f"{left}{draw(DOTTED)}{right}")
        else:
            pending[0] = draw(DOTTED)
            text = value()
            lines.append(f"{pending[0]} = {text}" if pending[0] else text)
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


def numbers(value: Any, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], int]:
    if isinstance(value, int):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {place: line for key, item in items for place, line in numbers(item, (*path, key)).items()}


@given(documents())
def test_the_line_of_a_key_is_the_one_where_it_stands(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    found = lines_of(text, data)
    expected = numbers(data)
    assert {path: found.get(path) for path in expected} == expected


def test_where_the_scan_finds_other_keys_than_the_parser_no_line_is_told() -> None:
    assert lines_of("a = 1\nb = 2", {"a": 1}) == {}
    assert lines_of("a = 1\n= 2", {"a": 1}) == {}
    assert lines_of("a = [", {"a": []}) == {}
