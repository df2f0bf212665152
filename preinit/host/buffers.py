"""Output that the guest printed and its C library kept: at the end of the initializer, it lies in a buffer.

Every instance would print it. It is looked for where the module says where `stdout` and `stderr` are, by an export or
by DWARF, and where what lies there is a stream of wasi-libc or musl beyond doubt: its descriptor and the borders of its
buffer fit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ..binary.module import Module
from ..symbols.linker import addresses

#: Streams by the name of their variable, a pointer: what to call them, their descriptor.
_STREAMS = {"stdout": ("standard output", 1), "stderr": ("standard error", 2)}

#: Of `struct _IO_FILE` as 32-bit words, the indices of wend, wpos, wbase, buf, buf_size, fd: in wasi-libc, and in musl
#: as it is (Emscripten). https://github.com/WebAssembly/wasi-libc/blob/main/libc-top-half/musl/src/internal/stdio_impl.h
_LAYOUTS = ((4, 5, 6, 10, 11, 14), (4, 5, 7, 11, 12, 15))
_WORDS = struct.Struct("<16I")
_POINTER = struct.Struct("<I")

#: Bytes of a stream's buffer at most.
_LARGEST = 1 << 20
#: DWARF of more bytes than this is not read for the sake of two variables: 50 ms.
_MOST_DWARF = 1 << 20


def unflushed(module: Module, memory: memoryview) -> dict[str, int]:
    """Bytes in the buffer of each stream that has any, by the stream's name."""
    if not any(entry.name == "fd_write" for entry in module.imports) or module.memories[0].is_64:
        return {}
    found: dict[str, int] = {}
    for name, address in _places(module):
        stream, descriptor = _STREAMS[name]
        size = _buffered(memory, address, descriptor)
        if size:
            found[stream] = size
    return found


def _places(module: Module) -> Iterator[tuple[str, int]]:
    known = addresses(module)
    yield from ((name, known[name]) for name in _STREAMS if name in known)
    dwarf = module.custom(".debug_info")
    if dwarf and dwarf.end - dwarf.content <= _MOST_DWARF and not known.keys() >= _STREAMS.keys():
        from ..symbols.dwarf import variables  # few modules have any

        yield from ((variable.name, variable.address) for variable in variables(module) if variable.name in _STREAMS)


def _buffered(memory: memoryview, address: int, descriptor: int) -> int:
    """How much there is in the buffer of the stream that the pointer at `address` names; 0 for anything else there."""
    try:
        (place,) = _POINTER.unpack_from(memory, address)
        words = _WORDS.unpack_from(memory, place)
    except struct.error:
        return 0
    for layout in _LAYOUTS:
        end, position, base, buffer, size, number = (words[index] for index in layout)
        if number == descriptor and 0 < buffer <= base < position <= end <= buffer + size and size <= _LARGEST:
            return position - base if buffer + size <= len(memory) else 0
    return 0
