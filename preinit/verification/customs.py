"""Custom sections: copied, but for what they say about parts that a build changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from ..binary.cursor import Cursor
from ..binary.module import Module, Section, SectionId
from ..binary.names import DATA_SEGMENT_NAMES, FUNCTION_NAMES
from ..binary.sections import Mode
from ..errors import Discrepancy, InputError

#: The tool that a build adds to the producers section:
#: https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md
_OURS = "preinit"
#: Sections that name places of the input: no output has them.
_DROPPED = "reloc."
#: Features that a start function, or a reference that nothing else declares, may need.
_ADDED = ("bulk-memory", "reference-types")


def customs(
    module: Module, output: Module, appended: Sequence[str] = (), left_out: Sequence[str] = ()
) -> Iterator[Discrepancy]:
    """Where custom sections are not those of the input, or stand elsewhere. `appended`: the last ones, which the build
    adds; `left_out`: what is no longer true of an output that is built on."""
    common = {section.id for section in module.sections} & {section.id for section in output.sections}
    before = [s for s in _placed(module, common) if not s[0].title.startswith(_DROPPED)]
    after = list(_placed(output, common))
    for title in reversed(appended):
        if not after or after.pop()[0].title != title:
            yield Discrepancy("custom section", "the last custom sections", f"'{title}'", "another one")
            return
    before = [found for found in before if found[0].title not in {*appended, *left_out}]
    if not module.custom("producers") and after and after[-1][0].title == "producers":
        others = list(_producers(output, after.pop()[0]))
        if others:
            yield _unlike("producers", "no such section", "tools that the build did not add")
    for a, b in zip_longest(before, after):
        if a is None or b is None or (a[0].title, a[1]) != (b[0].title, b[1]):
            yield Discrepancy("custom section", "custom sections, in their order", _place(a), _place(b))
            return
        one, other = a[0], b[0]
        expected = module.data[one.content : one.end]
        found = output.data[other.content : other.end]
        if one.title == "producers" and one == module.custom("producers"):
            same = expected == found or list(_producers(module, one)) == list(_producers(output, other))
        elif one.title == "target_features" and one == module.custom("target_features"):
            same = expected == found or _same_features(_features(module, one), _features(output, other))
        elif one.title == "name" and one == module.custom("name"):
            same = _names(module, len(module.function_types)) == _names(output, len(module.function_types))
            yield from _segment_names(module, output)
        else:
            same = expected == found
        if not same:
            at = next((i for i, (x, y) in enumerate(zip(expected, found, strict=False)) if x != y), 0)
            yield _unlike(one.title, expected[at : at + 16].hex(" "), found[at : at + 16].hex(" "), at)


def _unlike(title: str, expected: str, found: str, at: int | None = None) -> Discrepancy:
    place = f"custom section '{title}'" + ("" if at is None else f", byte {at:#x}")
    return Discrepancy("custom section", place, expected or "its end", found or "its end")


def _placed(module: Module, common: set[int]) -> Iterator[tuple[Section, int]]:
    """Each custom section, and the last section before it of those that both modules have."""
    last = 0
    for section in module.sections:
        if section.id == SectionId.CUSTOM:
            yield section, last
        elif section.id in common:
            last = section.id


def _place(found: tuple[Section, int] | None) -> str:
    if found is None:
        return "no more"
    return f"'{found[0].title}'" + (f" after the {SectionId(found[1]).name.lower()} section" if found[1] else "")


def _producers(module: Module, section: Section) -> Iterator[tuple[int, str, str, str]]:
    """Field number, field, tool and version of each entry but ours."""
    at = Cursor(module.data, section.content, section.end, "producers section")
    try:
        for number in range(at.count(2)):
            field = at.name()
            for _ in range(at.count(2)):
                tool, version = at.name(), at.name()
                if (field, tool) != ("processed-by", _OURS):
                    yield number, field, tool, version
    except InputError:
        yield -1, "malformed", module.data[section.content : section.end].hex(), ""


def _features(module: Module, section: Section) -> set[tuple[int, str]]:
    at = Cursor(module.data, section.content, section.end, "target_features section")
    try:
        return {(at.byte(), at.name()) for _ in range(at.count(2))}
    except InputError:
        return {(-1, module.data[section.content : section.end].hex())}


def _same_features(before: set[tuple[int, str]], after: set[tuple[int, str]]) -> bool:
    return after - {(ord("+"), name) for name in _ADDED} <= before and before - {(ord("-"), n) for n in _ADDED} <= after


def _segment_names(module: Module, output: Module) -> Iterator[Discrepancy]:
    """Only passive segments that code can name keep their index, and with it their name."""
    kept = all(m.section(SectionId.DATA_COUNT) for m in (module, output))
    names = module.names.data_segments
    segments = enumerate(module.data_segments)
    expected = {i: names[i] for i, segment in segments if kept and segment.mode is Mode.PASSIVE and i in names}
    found = output.names.data_segments
    for index in sorted(expected.keys() | found.keys()):
        if expected.get(index) != found.get(index):
            place = f"name of data segment {index}"
            yield Discrepancy("custom section", place, str(expected.get(index)), str(found.get(index)))


def _names(module: Module, functions: int) -> list[tuple[int, object]]:
    """The name section's parts, without names of data segments: these are not the ones that they were.

    Of those of functions, the names of so many.
    """
    try:
        parts = list(module.names.subsections())
    except InputError:
        return [(-1, b"malformed")]
    named = {index: name for index, name in module.names.functions.items() if index < functions}
    return [
        (part.id, named if part.id == FUNCTION_NAMES else module.data[part.header : part.end])
        for part in parts
        if part.id != DATA_SEGMENT_NAMES
    ]
