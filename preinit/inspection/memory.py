"""The memory map: which pages of a memory are zero, hold data, or were changed by the initializer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..binary.images import ALWAYS, Place, can_be_mapped, data_places, spread_of, stretching, unmapped
from ..binary.module import Module
from ..binary.sections import Mode
from ..binary.stores import Store, stores_at_start
from .model import ImageFacts, MemoryMap, MemoryRun
from .regions import Regions

#: Most steps that a memory is shown in, and the smallest one, in bytes (there are pages of one byte).
MOST_STEPS = 1 << 14
SMALLEST_STEP = 1 << 10

#: Most memories that are mapped: engines take 100.
MOST_MEMORIES = 100

#: Bytes that are compared at once. Small: what lies between two segments in a block is compared, too.
_BLOCK = 1 << 12

#: Where bytes of a block come from: offset in the block, what they are in, and the range of that.
Piece = tuple[int, bytes, int, int]

#: What fills a part of a memory: the address, what the bytes are in, and the range of that.
Part = tuple[int, bytes, int, int]

#: The parts of each memory, in the order in which they are filled.
Filled = dict[int, list[Part]]


class _Mappings:
    """What decides whether the data of a module's memories is mapped."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._places = data_places(module)
        self._unmapped = unmapped(module, self._places)

    def of(self, memory: int) -> ImageFacts | None:
        places = self._places.get(memory)
        if not places or not can_be_mapped(self._module, memory, self._module.imported_memories):
            return None
        spread = spread_of(places)
        prevented_by = self._unmapped if self._unmapped != memory and not spread.missing else None
        if spread.span < ALWAYS and prevented_by is None:
            return None
        found = stretching(places) if spread.missing else None
        first, end = found[1] if found else (None, None)
        return ImageFacts(*spread, spread.missing, first, end, prevented_by)


def memory_maps(module: Module, original: Module | None) -> tuple[MemoryMap, ...]:
    """Each memory as the active segments fill it, and constants that the start function stores first, against the
    memory of the same index in the original."""
    regions = Regions(original or module)
    stores, _ = stores_at_start(module)
    now = _filled(module, stores)
    before = _filled(original, stores_at_start(original)[0]) if original else None
    mappings = _Mappings(module)
    numbers = range(min(len(module.memories), MOST_MEMORIES))
    return tuple(
        replace(_map(module, index, now, before, regions), image=mappings.of(index), stored=_ranges(stores, index))
        for index in numbers
    )


def _ranges(stores: Sequence[Store], memory: int) -> tuple[Place, ...]:
    return tuple((store.address, store.end) for store in stores if store.memory == memory)


def _filled(module: Module, stores: Sequence[Store]) -> Filled:
    found: Filled = {}
    for segment in module.data_segments:
        if segment.mode is Mode.ACTIVE and segment.offset is not None:
            found.setdefault(segment.memory, []).append((segment.offset, module.data, segment.start, segment.end))
    for memory, address, data in stores:
        found.setdefault(memory, []).append((address, data, 0, len(data)))
    return found


def _map(module: Module, index: int, now: Filled, before: Filled | None, regions: Regions) -> MemoryMap:
    limits = module.memories[index]
    page = limits.page_size
    size = limits.minimum * page
    step = page
    while step < SMALLEST_STEP or step * MOST_STEPS < size:
        step *= 2
    block = min(step, _BLOCK)
    filled: dict[int, tuple[int, int]] = {}  # step -> bytes that are set, bytes that changed
    for number, set_, changed in _blocks(now, before, index, size, block):
        so_far = filled.get(number * block // step, (0, 0))
        filled[number * block // step] = so_far[0] + set_, so_far[1] + changed
    return MemoryMap(
        index,
        index < module.imported_memories,
        limits.is_64,
        limits.shared,
        page,
        limits.minimum,
        limits.maximum,
        step // page,
        sum(set_ for set_, _ in filled.values()),
        sum(changed for _, changed in filled.values()),
        tuple(_runs(filled, index, size, step, page, regions)),
    )


def _runs(
    filled: dict[int, tuple[int, int]], index: int, size: int, step: int, page: int, regions: Regions
) -> Iterator[MemoryRun]:
    """Steps that follow each other, are in one state and lie in one region, as one run."""
    run: MemoryRun | None = None
    for number in range(-(-size // step)):
        start, end = number * step, min(size, (number + 1) * step)
        set_, changed = filled.get(number, (0, 0))
        state = "changed" if changed else "data" if set_ else "zero"
        name = regions.name(index, start, end)
        pages = (end - start) // page
        if run and (run.state, run.name) == (state, name):
            set_, changed = run.bytes_set + set_, run.bytes_changed + changed
            run = MemoryRun(run.first_page, run.pages + pages, state, set_, changed, name)
            continue
        if run:
            yield run
        run = MemoryRun(start // page, pages, state, set_, changed, name)
    if run:
        yield run


def _blocks(now: Filled, before: Filled | None, index: int, size: int, block: int) -> Iterator[tuple[int, int, int]]:
    """Each block that a segment of either module reaches: its number, the bytes in it that are set, that changed."""
    pieces = _pieces(now, index, size, block)
    if before is None:
        for number, own in pieces.items():
            yield number, block - _image(own, 0, block).count(0), 0
        return
    others = _pieces(before, index, size, block)
    for number in pieces.keys() | others.keys():
        own, old = pieces.get(number, []), others.get(number, [])
        low = min(inside for inside, *_ in (*own, *old))
        high = max(inside + end - start for inside, _, start, end in (*own, *old))
        image, other = _image(own, low, high), _image(old, low, high)
        changed = 0
        if image != other:
            differing = int.from_bytes(image, "little") ^ int.from_bytes(other, "little")
            changed = high - low - differing.to_bytes(high - low, "little").count(0)
        yield number, high - low - image.count(0), changed


def _image(pieces: list[Piece], low: int, high: int) -> bytes | bytearray:
    """What the pieces leave in the bytes `low` to `high` of a block that starts as zeros; the last one wins."""
    if len(pieces) == 1:
        (offset, data, start, end) = pieces[0]
        if offset == low and offset + end - start == high:
            return data[start:end]
    image = bytearray(high - low)
    for offset, data, start, end in pieces:
        image[offset - low : offset - low + end - start] = data[start:end]
    return image


def _pieces(filled: Filled, index: int, size: int, block: int) -> dict[int, list[Piece]]:
    """What of all parts is in each block that they reach; what lies outside of the memory is left out."""
    found: dict[int, list[Piece]] = {}
    for at, data, start, last in filled.get(index, []):
        end = min(last, start + size - at)
        while start < end:
            inside = at % block
            length = min(block - inside, end - start)
            found.setdefault(at // block, []).append((inside, data, start, start + length))
            at += length
            start += length
    return found
