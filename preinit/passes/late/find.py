"""Finding what a guest keeps of its environment, or of its arguments, in its memory."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import accumulate, chain

from ...binary.late import Room
from ...host.wasi1.process import Fetch
from ...tuples import NamedTuple
from ..snapshot import FramesState, FrameState, MemoryState
from .value import Bound

#: Bytes of an address, and where one can stand.
WORD = 4

#: Arrays that are looked for, the latest ones: a guest that keeps more keeps copies, one for each request perhaps.
MOST_ARRAYS = 64
#: Words that may hold one address.
MOST_WORDS = 10_000

#: Bytes that are searched at once.
_CHUNK = 1 << 20


def alive(fetches: Iterable[Fetch], memory: MemoryState) -> list[Fetch]:
    """The calls whose array still stands where they had it put: its first word is the first string's address, and that
    string is there. Whoever frees such an array overwrites its beginning, or uses it for something else."""
    return [fetch for fetch in fetches if fetch.texts and _stands(fetch, memory.content)][-MOST_ARRAYS:]


def _stands(fetch: Fetch, content: memoryview) -> bool:
    first = fetch.texts[0]
    if max(fetch.array + WORD, fetch.strings + len(first)) > len(content):
        return False
    return (
        content[fetch.array : fetch.array + WORD] == struct.pack("<I", fetch.strings)
        and content[fetch.strings : fetch.strings + len(first)] == first
    )


def intact(fetches: Iterable[Fetch], memory: MemoryState) -> list[Fetch]:
    """The calls whose strings all stand where they had them put, whatever became of the array; the last one for each
    place."""
    places = {fetch.strings: fetch for fetch in fetches if fetch.texts}
    return [fetch for fetch in list(places.values())[-MOST_ARRAYS:] if _has_strings(fetch, memory.content)]


def _has_strings(fetch: Fetch, content: memoryview) -> bool:
    strings = b"".join(fetch.texts)
    return content[fetch.strings : fetch.strings + len(strings)] == strings


def as_fetched(fetches: Iterable[Fetch], memory: MemoryState) -> set[int]:
    """The words of arrays that hold what a call wrote there: not those of an array that was sorted."""
    kept: set[int] = set()
    for fetch in fetches:
        starts = accumulate(map(len, fetch.texts), initial=fetch.strings)
        for number, start in zip(range(len(fetch.texts)), starts, strict=False):
            word = fetch.array + WORD * number
            if memory.content[word : word + WORD] == struct.pack("<I", start):
                kept.add(word)
    return kept


def is_whole(fetch: Fetch, memory: MemoryState) -> bool:
    """Whether all of the array is as the call wrote it, with null behind it, as libc has it."""
    addresses, at = [], fetch.strings
    for text in fetch.texts:
        addresses.append(at)
        at += len(text)
    expected = struct.pack(f"<{len(addresses) + 1}I", *addresses, 0)
    return memory.content[fetch.array : fetch.array + len(expected)] == expected


def bound(fetch: Fetch, memory: MemoryState, room: Room | None, dead: range) -> Bound:
    """An array, the words that hold its address, but for those in memory that is `dead`, and its `room`."""
    held = (word for word in words(memory, fetch.array) if word not in dead)
    return Bound(fetch.array, len(fetch.texts), tuple(held), room)


def words(memory: MemoryState, value: int) -> Iterator[int]:
    """The addresses of aligned words that are `value`, which is not 0; at most `MOST_WORDS`."""
    wanted, found = struct.pack("<I", value), 0
    rare = wanted.rstrip(b"\0")  # most bytes of a memory are zeros: what ends with one takes twice as long to find
    for start, end in memory.touched or [(0, len(memory.content))]:
        for low in range(start, min(end, len(memory.content)), _CHUNK):
            part = memory.content[low : min(low + _CHUNK + WORD - 1, len(memory.content))].tobytes()
            at = part.find(rare)
            while 0 <= at < _CHUNK and low + at < end:
                if (low + at) % WORD == 0 and part.startswith(wanted, at):
                    yield low + at
                    found += 1
                    if found == MOST_WORDS:
                        return
                at = part.find(rare, at + 1)


def words_within(memory: MemoryState, low: int, high: int) -> Iterator[tuple[int, int]]:
    """The addresses of aligned words whose value is one of `low` to `high`, with it; at most `MOST_WORDS`."""
    number = 0
    for upper in range(low >> 16, (high >> 16) + 1) if low <= high else ():
        first, last = max(low, upper << 16), min(high, (upper << 16) + 0xFFFF)
        second = b"[" + b"-".join(re.escape(bytes((byte >> 8 & 0xFF,))) for byte in (first, last)) + b"]"
        rest = struct.pack("<H", upper)
        if rest[0] == rest[1]:  # not consumed: it may begin again within itself
            pattern, before = second + b"(?=" + re.escape(rest) + b")", 1
        else:  # a pattern that begins with plain bytes is found 17 times as fast
            pattern, before = re.escape(rest) + b"(?<=" + second + b"..)", 2
        search = re.compile(pattern, re.DOTALL)
        for start, part in _parts(memory):
            for match in search.finditer(part):
                at = match.start() - before
                if at < 0 or (start + at) % WORD:
                    continue
                value = int.from_bytes(part[at : at + WORD], "little")
                if first <= value <= last:
                    yield start + at, value
                    number += 1
                    if number == MOST_WORDS:
                        return


def _parts(memory: MemoryState) -> Iterator[tuple[int, bytes]]:
    """What a memory holds that is not zero, in parts of whole words."""
    for low, high in memory.touched or [(0, len(memory.content))]:
        end = min(-(-high // WORD) * WORD, len(memory.content))
        for start in range(low - low % WORD, end, _CHUNK):
            yield start, memory.content[start : min(start + _CHUNK, end)].tobytes()


class Taken(NamedTuple):
    """A place in a text that a call fetched: `title` is the variable's name, or the argument's number, `offset` how
    far behind the beginning of the text it is; `begins`: whether the text begins there, or a variable's value."""

    title: str
    offset: int
    begins: bool


def changed_globals(after: Mapping[int, bytes], before: Mapping[int, bytes]) -> dict[int, int]:
    """The globals of 32 bits that the guest has set, and what they hold. A global's key is `~index`, so that one map
    can have words of memory by their addresses, and globals."""
    return {
        ~index: int.from_bytes(bits, "little")
        for index, bits in after.items()
        if len(bits) == WORD and bits != before.get(index)
    }


def _holding(memory: MemoryState, globals_: Mapping[int, int], low: int, high: int) -> Iterator[tuple[int, int]]:
    """The words of memory, and those globals, whose value is one of `low` to `high`, with it."""
    of_globals = ((key, value) for key, value in globals_.items() if low <= value <= high)
    return chain(words_within(memory, low, high), of_globals)


def texts_held(fetch: Fetch, memory: MemoryState, globals_: Mapping[int, int], values: bool) -> dict[int, Taken]:
    """The words and globals that hold an address within a text that this call fetched.

    `values`: texts are `NAME=VALUE`.
    """
    last = fetch.strings + sum(map(len, fetch.texts)) - 1
    return texts_at(fetch, dict(_holding(memory, globals_, fetch.strings, last)), values)


def texts_at(fetch: Fetch, numbers: Mapping[int, int], values: bool) -> dict[int, Taken]:
    """Which of some words and globals, of which `numbers` says what they hold, hold such an address."""
    held: dict[int, Taken] = {}
    starts = list(accumulate(map(len, fetch.texts), initial=fetch.strings))
    for word, value in numbers.items():
        if not fetch.strings <= value < starts[-1]:
            continue
        number = bisect_right(starts, value) - 1
        name, offset = fetch.texts[number].partition(b"=")[0], value - starts[number]
        title = name.decode("utf-8", "surrogateescape") if values else str(number + 1)
        held[word] = Taken(title, offset, offset == 0 or (values and offset == len(name) + 1))
    return held


class Entry(NamedTuple):
    """A place in an array of the environment, behind its beginning: whose text is there, "" for the null at the end;
    how many entries stand before it."""

    title: str
    number: int

    def is_same(self, other: Entry | None) -> bool:
        """Whether it is the same place in the array of another run, which has other variables, too."""
        return other is not None and (self.title == other.title or self.number == other.number)


def entries_held(fetch: Fetch, memory: MemoryState, globals_: Mapping[int, int]) -> dict[int, Entry]:
    """The words and globals that hold the address of an entry of this array, or of its end; not of its beginning."""
    last = fetch.array + WORD * len(fetch.texts)
    return entries_at(fetch, dict(_holding(memory, globals_, fetch.array + WORD, last)))


def entries_at(fetch: Fetch, numbers: Mapping[int, int]) -> dict[int, Entry]:
    """Which of some words and globals, of which `numbers` says what they hold, hold such an address."""
    held: dict[int, Entry] = {}
    for word, value in numbers.items():
        number, within = divmod(value - fetch.array, WORD)
        if not within and 0 < number <= len(fetch.texts):
            text = fetch.texts[number] if number < len(fetch.texts) else b""
            held[word] = Entry(text.partition(b"=")[0].decode("utf-8", "surrogateescape"), number)
    return held


def in_frames(frames: FramesState) -> Iterator[int]:
    """What may be an address among the locals and operands of functions that are in the middle of a call."""
    for frame in frames.frames:
        yield from _in_frame(frame)


def _in_frame(frame: FrameState) -> Iterator[int]:
    for value in (*frame.locals.values(), *frame.operands, *frame.arguments):
        if isinstance(value, bytes) and len(value) == WORD:
            yield int.from_bytes(value, "little")


def pointing(fetch: Fetch, frames: FramesState, array: bool, fetching: Collection[int]) -> int:
    """How many of those may point to what this call fetched: into the strings and, with `array`, to or into the array.

    Without it, not what begins the strings in one of the functions `fetching`: there, libc keeps the address at which
    it had the strings put while `main` runs.
    """
    strings = range(fetch.strings, fetch.strings + sum(map(len, fetch.texts)))
    entries = range(fetch.array, fetch.array + WORD * len(fetch.texts) + 1 if array else fetch.array)
    number = 0
    for frame in frames.frames:
        own = not array and frame.body.function in fetching
        number += sum(
            (value in strings and not (own and value == fetch.strings)) or value in entries
            for value in _in_frame(frame)
        )
    return number


def copies(fetch: Fetch, memory: MemoryState) -> Iterator[int]:
    """Where arrays begin that hold the same addresses and are another one's: what `setenv` makes."""
    at, expected = fetch.strings, bytearray()
    for text in fetch.texts:
        expected += struct.pack("<I", at)
        at += len(text)
    for start in words(memory, fetch.strings):
        if start != fetch.array and memory.content[start : start + len(expected)] == expected:
            yield start
