"""Custom sections that say something about the rest of the module, kept true. All others are copied as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ...binary import encoder as write
from ...binary.cursor import Cursor, leading_u32
from ...binary.module import Module, Section
from ...binary.names import DATA_SEGMENT_NAMES, FUNCTION_NAMES
from ...errors import InputError
from ...version import VERSION

#: Relocations point into sections that have moved.
DROPPED_PREFIX = "reloc."


def names(module: Module, section: Section, kept_segments: Collection[int], added: Mapping[int, str]) -> write.Pieces:
    """The name section without the names of data segments that are gone; a malformed one is left as it is.

    `kept_segments`: those that are still the ones that had these indices; `added`: names of functions behind those of
    the module.
    """
    content: write.Pieces = []
    view = memoryview(module.data)
    try:
        for part in module.names.subsections():
            if part.id == FUNCTION_NAMES and added:
                count, size = leading_u32(view[part.start : part.end])
                more = b"".join(write.uleb(index) + write.name(name) for index, name in sorted(added.items()))
                head = write.uleb(count + len(added))
                length = len(head) + part.end - part.start - size + len(more)
                content += [bytes((part.id,)) + write.uleb(length) + head, view[part.start + size : part.end], more]
                continue
            if part.id != DATA_SEGMENT_NAMES:
                content.append(view[part.header : part.end])
                continue
            if not kept_segments:  # there may be tens of thousands of names
                continue
            kept = [(i, n) for i, n in sorted(module.names.data_segments.items()) if i in kept_segments]
            if kept:
                entries = write.vector([write.uleb(i) + write.name(n) for i, n in kept])
                content += [bytes((part.id,)) + write.uleb(len(entries)), entries]
    except InputError:
        return [view[section.header : section.end]]
    title = write.name("name")
    return [b"\0" + write.uleb(len(title) + sum(map(len, content))) + title, *content]


def producers(module: Module) -> bytes:
    """The producers section's content with preinit among the tools that processed the module.

    https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md
    """
    fields: list[tuple[str, list[tuple[str, str]]]] = []
    section = module.custom("producers")
    if section:
        at = Cursor(module.data, section.content, section.end, "producers section")
        try:
            for _ in range(at.count(2)):
                field = at.name()
                fields.append((field, [(at.name(), at.name()) for _ in range(at.count(2))]))
        except InputError:
            return module.data[section.content : section.end]
    processed = next((values for field, values in fields if field == "processed-by"), None)
    if processed is None:
        processed = []
        fields.append(("processed-by", processed))
    processed[:] = [entry for entry in processed if entry[0] != "preinit"] + [("preinit", VERSION)]
    return write.vector(
        [
            write.name(field) + write.vector([write.name(tool) + write.name(version) for tool, version in values])
            for field, values in fields
        ]
    )


def target_features(module: Module, section: Section, needed: Sequence[str]) -> bytes:
    """The content of `target_features` with `+feature` for each of `needed` that it does not mention.

    https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md#target-features-section
    """
    at = Cursor(module.data, section.content, section.end, "target_features section")
    entries: list[tuple[int, str]] = []
    try:
        for _ in range(at.count(2)):
            entries.append((at.byte(), at.name()))
    except InputError:
        return module.data[section.content : section.end]
    present = {name for prefix, name in entries if prefix != ord("-")}
    entries = [(prefix, name) for prefix, name in entries if not (prefix == ord("-") and name in needed)]
    entries += [(ord("+"), name) for name in needed if name not in present]
    return write.vector([bytes((prefix,)) + write.name(name) for prefix, name in entries])
