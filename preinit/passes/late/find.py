"""Finding what a guest keeps of its environment, or of its arguments, in its memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from ...host import Fetch
from ..snapshot import FramesState, MemoryState
from .value import Bound

#: Bytes of an address, and where one can stand.
WORD = 4

#: Arrays that are looked for, the latest ones: a guest that keeps more keeps copies, one for each request perhaps.
MOST_ARRAYS = 64
#: Texts of an array that are looked for, one after the other.
MOST_TEXTS = 64
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


def is_whole(fetch: Fetch, memory: MemoryState) -> bool:
    """Whether all of the array is as the call wrote it, with null behind it, as libc has it."""
    addresses, at = [], fetch.strings
    for text in fetch.texts:
        addresses.append(at)
        at += len(text)
    expected = struct.pack(f"<{len(addresses) + 1}I", *addresses, 0)
    return memory.content[fetch.array : fetch.array + len(expected)] == expected


def bound(fetch: Fetch, memory: MemoryState) -> Bound:
    """An array, and the words that hold its address."""
    return Bound(fetch.array, len(fetch.texts), tuple(words(memory, fetch.array)))


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


def texts_held(fetch: Fetch, memory: MemoryState, values: bool) -> set[int]:
    """The words that hold the address of a text that this call fetched, outside of its array: each is what somebody
    took from there. Of the first texts; not of what begins the strings, whose address is that of all of them.

    `values`: texts are `NAME=VALUE`, and what is taken is the value.
    """
    held: set[int] = set()
    array = range(fetch.array, fetch.array + WORD * len(fetch.texts))
    at = fetch.strings
    for text in fetch.texts[:MOST_TEXTS]:
        taken = at + (text.find(b"=") + 1 if values else 0)
        if taken != fetch.strings:
            held.update(word for word in words(memory, taken) if word not in array)
        at += len(text)
    return held


def in_frames(frames: FramesState) -> Iterator[int]:
    """What may be an address among the locals and operands of functions that are in the middle of a call."""
    for frame in frames.frames:
        for value in (*frame.locals.values(), *frame.operands, *frame.arguments):
            if isinstance(value, bytes) and len(value) == WORD:
                yield int.from_bytes(value, "little")


def pointing(fetch: Fetch, frames: FramesState, array: bool) -> int:
    """How many of those may point to what this call fetched: into the strings and, with `array`, to or into the array.

    Without it, not what begins the strings: libc keeps that in a local while `main` runs.
    """
    strings = range(fetch.strings + (not array), fetch.strings + sum(map(len, fetch.texts)))
    entries = range(fetch.array, fetch.array + WORD * len(fetch.texts) + 1 if array else fetch.array)
    return sum(value in strings or value in entries for value in in_frames(frames))


def copies(fetch: Fetch, memory: MemoryState) -> Iterator[int]:
    """Where arrays begin that hold the same addresses and are another one's: what `setenv` makes."""
    at, expected = fetch.strings, bytearray()
    for text in fetch.texts:
        expected += struct.pack("<I", at)
        at += len(text)
    for start in words(memory, fetch.strings):
        if start != fetch.array and memory.content[start : start + len(expected)] == expected:
            yield start
