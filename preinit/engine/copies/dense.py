"""A module's copy with data that the engine takes as an image of memory.

Of a memory whose data spans more than 16 MiB, the engine makes an image only if half of that is data; otherwise it
copies all segments into each instance, which takes a thousand times as long. Zeros between segments cost address space
in the image, and nothing else.
"""

from __future__ import annotations

from ...binary import encoder as write
from ...binary.constexpr import offset_constant
from ...binary.module import Module, SectionId
from ...binary.sections import DataSegment, Mode

#: Where the engine begins to look at how dense data is, with some room.
_ALWAYS = 15 << 20

#: Bytes of an image that are worth it.
_LARGEST = 1 << 30


def dense(module: Module) -> bytes:
    """The module itself, or a copy in which one segment has all data of a memory. It does the same.

    Segments keep their indices: active ones are empty once a module is instantiated, whatever they had.
    """
    merged: dict[int, tuple[int, bytes]] = {}
    for memory in range(module.imported_memories, len(module.memories)):
        segments = [s for s in module.data_segments if s.mode == Mode.ACTIVE and s.memory == memory]
        image = _image(module, memory, segments)
        if image:
            merged[memory] = image
    if not merged:
        return module.data
    entries = []
    for segment in module.data_segments:
        if segment.mode != Mode.ACTIVE or segment.memory not in merged:
            entries.append(module.data[segment.raw_start : segment.end])
            continue
        offset, data = merged[segment.memory]
        merged[segment.memory] = (0, b"")  # the others have nothing left
        entries.append(_entry(segment, offset, data))
    pieces: list[list[bytes | memoryview]] = []
    for section in module.sections:
        payload = module.payload(section)
        pieces.append(write.section(section.id, write.vector(entries) if section.id == SectionId.DATA else payload))
    return write.assemble(pieces)


def _image(module: Module, memory: int, segments: list[DataSegment]) -> tuple[int, bytes] | None:
    """Where the data of a memory starts, and all of it; None where that would change or gain nothing."""
    size = module.memories[memory].minimum * module.memories[memory].page_size
    places = [(s.offset, s.offset + s.end - s.start) for s in segments if s.offset is not None and s.end > s.start]
    full = sum(end - start for start, end in places)
    if not places or any(s.offset is None or s.offset + s.end - s.start > size for s in segments):
        return None
    first, last = min(start for start, _ in places), max(end for _, end in places)
    if not _ALWAYS < last - first <= _LARGEST or full * 2 > (last - first) * 1.1:
        return None
    image = bytearray(last - first)
    for segment in segments:
        assert segment.offset is not None
        at = segment.offset - first
        image[at : at + segment.end - segment.start] = memoryview(module.data)[segment.start : segment.end]
    return first, bytes(image)


def _entry(segment: DataSegment, offset: int, data: bytes) -> bytes:
    place = offset_constant(offset, segment.offset_is_64)
    head = b"\0" if segment.memory == 0 else b"\x02" + write.uleb(segment.memory)
    return head + place + write.uleb(len(data)) + data
