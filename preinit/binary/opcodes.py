"""The instructions and their immediates: https://webassembly.github.io/spec/core/binary/instructions.html .

Every instruction of the proposals that the engine runs is in one table; patterns for `re` are made from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum


class Kind(StrEnum):
    """The index spaces that an instruction can refer to; the value is what stands for it in the table."""

    FUNCTION = "f"
    TYPE = "t"
    TABLE = "T"
    MEMORY = "m"
    GLOBAL = "g"
    TAG = "x"
    DATA = "d"
    ELEMENT = "e"


#: Other immediates. An integer that is no index of a module's item: a local, a label, a constant, a field.
INTEGER = "n"
BLOCK_TYPE, HEAP_TYPE, MEMORY_ARGUMENT = "b", "h", "a"
#: Immediates of variable length, which no pattern matches.
VALUE_TYPES, BRANCH_TABLE, CATCHES = "v", "l", "c"
VARIABLE = VALUE_TYPES + BRANCH_TABLE + CATCHES
#: Bytes: a lane or a flag, floating-point constants, a vector.
BYTES = {"1": 1, "4": 4, "8": 8, "G": 16}

#: The first byte of opcodes that have a second one, which is an integer.
GC_PREFIX, MISC_PREFIX, SIMD_PREFIX, THREADS_PREFIX = 0xFB, 0xFC, 0xFD, 0xFE
PREFIXES = (GC_PREFIX, MISC_PREFIX, SIMD_PREFIX, THREADS_PREFIX)


def code(prefix: int, second: int) -> int:
    """The number of an instruction with a prefix."""
    return prefix << 16 | second


CALL, CALL_INDIRECT, RETURN_CALL, REF_FUNC = 0x10, 0x11, 0x12, 0xD2
MEMORY_GROW = 0x40
TABLE_GROW, TABLE_SIZE = code(MISC_PREFIX, 0x0F), code(MISC_PREFIX, 0x10)
UNREACHABLE, THROW, THROW_REF = 0x00, 0x08, 0x0A
BR, BR_IF, BR_TABLE, RETURN, BR_ON_NULL, BR_ON_NON_NULL = 0x0C, 0x0D, 0x0E, 0x0F, 0xD5, 0xD6
RETURN_CALL_INDIRECT, CALL_REF, RETURN_CALL_REF = 0x13, 0x14, 0x15
SELECT, SELECT_TYPED = 0x1B, 0x1C
LOCAL_GET, LOCAL_SET, LOCAL_TEE, GLOBAL_GET, GLOBAL_SET = 0x20, 0x21, 0x22, 0x23, 0x24
TABLE_GET, MEMORY_SIZE, REF_NULL, REF_AS_NON_NULL = 0x25, 0x3F, 0xD0, 0xD4
#: After these, nothing is reached any more but by labels.
LEAVES = (UNREACHABLE, RETURN, THROW, THROW_REF, RETURN_CALL, RETURN_CALL_INDIRECT, RETURN_CALL_REF)
#: Exceptions as they were before the standard.
LEGACY = frozenset((0x06, 0x07, 0x09, 0x18, 0x19))
#: What changes entries of a table, but for `table.grow`, and `table.init`, which names a segment.
TABLE_CHANGES = frozenset((0x26, code(MISC_PREFIX, 0x0E), code(MISC_PREFIX, 0x11)))

#: Immediates, then the opcodes and ranges of opcodes that have them.
_PLAIN: tuple[tuple[str, tuple[int | tuple[int, int], ...]], ...] = (
    (INTEGER, ((0x20, 0x22), (0x41, 0x42), (0x0C, 0x0D), 0x09, 0x18, 0xD5, 0xD6)),
    ("", (0x0B, (0x45, 0xC4), 0x1A, 0x1B, 0x00, 0x01, 0x05, 0x0A, 0x0F, 0x19, 0xD1, 0xD3, 0xD4)),
    ("a", ((0x28, 0x3E),)),
    ("b", ((0x02, 0x04), 0x06)),
    ("g", (0x23, 0x24)),
    ("f", (CALL, RETURN_CALL, REF_FUNC)),
    ("tT", (CALL_INDIRECT, 0x13)),
    ("T", (0x25, 0x26)),
    ("t", (0x14, 0x15)),
    ("m", (0x3F, MEMORY_GROW)),
    ("x", (0x07, 0x08)),
    ("h", (0xD0,)),
    ("4", (0x43,)),
    ("8", (0x44,)),
    ("l", (0x0E,)),
    ("v", (0x1C,)),
    ("bc", (0x1F,)),
)
_PREFIXED: dict[int, tuple[tuple[str, tuple[int | tuple[int, int], ...]], ...]] = {
    MISC_PREFIX: (
        ("", ((0x00, 0x07), (0x13, 0x16))),
        ("dm", (0x08,)),
        ("d", (0x09,)),
        ("mm", (0x0A,)),
        ("m", (0x0B,)),
        ("eT", (0x0C,)),
        ("e", (0x0D,)),
        ("TT", (0x0E,)),
        ("T", ((0x0F, 0x11),)),
    ),
    SIMD_PREFIX: (
        ("a", ((0x00, 0x0B), 0x5C, 0x5D)),
        ("G", (0x0C, 0x0D)),
        ("1", ((0x15, 0x22),)),
        ("a1", ((0x54, 0x5B),)),
        ("", ((0x0E, 0x14), (0x23, 0x53), (0x5E, 0x99), (0x9B, 0xA1), 0xA3, 0xA4, (0xA7, 0xAE), 0xB1, (0xB5, 0xBA))),
        ("", ((0xBC, 0xC1), 0xC3, 0xC4, (0xC7, 0xCE), 0xD1, (0xD5, 0xE1), (0xE3, 0xED), (0xEF, 0x113))),
    ),
    THREADS_PREFIX: (("a", ((0x00, 0x02), (0x10, 0x4E))), ("1", (0x03,))),
    GC_PREFIX: (
        ("t", (0x00, 0x01, 0x06, 0x07, (0x0B, 0x0E), 0x10)),
        ("tn", ((0x02, 0x05), 0x08)),
        ("td", (0x09, 0x12)),
        ("te", (0x0A, 0x13)),
        ("tt", (0x11,)),
        ("h", ((0x14, 0x17),)),
        ("1nhh", (0x18, 0x19)),
        ("", (0x0F, (0x1A, 0x1E))),
    ),
}


def _numbers(ranges: Collection[int | tuple[int, int]]) -> Iterator[int]:
    for entry in ranges:
        yield from (entry,) if isinstance(entry, int) else range(entry[0], entry[1] + 1)


def _table() -> dict[int, str]:
    table = {number: immediates for immediates, ranges in _PLAIN for number in _numbers(ranges)}
    for prefix, groups in _PREFIXED.items():
        table |= {code(prefix, number): immediates for immediates, ranges in groups for number in _numbers(ranges)}
    return table


#: Opcode -> its immediates.
IMMEDIATES: Mapping[int, str] = _table()

# -- patterns ----------------------------------------------------------------------------------------------------------

LEB = rb"[\x80-\xff]*+[\x00-\x7f]"
#: Alignment and offset; the alignment's bit 6 says that a memory index stands between them (multi-memory).
_MEMORY_0 = rb"(?:[\x00-\x3f]|[\x80-\xbf]" + LEB + rb")" + LEB
_MEMORY_N = rb"(?:[\x40-\x7f]|[\xc0-\xff]" + LEB + rb")" + LEB + LEB
#: A type index is a non-negative signed integer; all other heap types and block types are one byte, but `(ref ht)` and
#: `(ref null ht)`, which a heap type follows. Other bytes are of proposals that aren't known: more may follow.
ABSTRACT = range(0x68, 0x76)
NUMERIC = range(0x7B, 0x80)
_TYPE_INDEX = rb"[\x80-\xff]*+[\x00-\x3f]"


def _type_pattern(immediate: str, indices: bool, types: Collection[int]) -> bytes:
    """A heap type or block type, without indices unless `indices`, and without those `types`."""
    abstract = set(ABSTRACT).difference(types)
    heap = [_byte_class(abstract)] + [_TYPE_INDEX] * indices
    if immediate == HEAP_TYPE:
        return rb"(?:" + b"|".join(heap) + rb")"
    long = rb"[\x63\x64](?:" + b"|".join(heap) + rb")"
    return rb"(?:" + b"|".join([_byte_class({0x40, *abstract, *NUMERIC}), long] + [_TYPE_INDEX] * indices) + rb")"


def _pattern(immediate: str, kinds: Collection[str], types: Collection[int]) -> bytes | None:
    """What matches an immediate without an index of one of `kinds`; None if there is no such pattern."""
    if immediate in VARIABLE or immediate in kinds:
        return None
    if immediate in BYTES:
        return rb".{%d}" % BYTES[immediate]
    if immediate == MEMORY_ARGUMENT:
        return _MEMORY_0 if Kind.MEMORY in kinds else rb"(?:" + _MEMORY_0 + rb"|" + _MEMORY_N + rb")"
    if immediate in (BLOCK_TYPE, HEAP_TYPE):
        return _type_pattern(immediate, Kind.TYPE not in kinds, types)
    return LEB


def _byte_class(numbers: Collection[int]) -> bytes:
    """Ranges are written as such: a class of single bytes takes longer to compile."""
    ordered = sorted(set(numbers))
    firsts = [n for n in ordered if n - 1 not in numbers]
    lasts = [n for n in ordered if n + 1 not in numbers]
    return b"[" + b"".join(rb"\x%02x-\x%02x" % ends for ends in zip(firsts, lasts, strict=True)) + b"]"


def instruction_pattern(kinds: Collection[str], opcodes: Collection[int], types: Collection[int] = ()) -> bytes:
    """A pattern for one instruction that neither has an index of one of `kinds` nor is one of `opcodes`.

    Nor has it one of `types`, which are abstract heap types. Second opcodes are matched in as few bytes as they need;
    padded ones are not.
    """

    def alternatives(
        groups: tuple[tuple[str, tuple[int | tuple[int, int], ...]], ...], prefix: int | None
    ) -> Iterator[bytes]:
        for immediates, ranges in groups:
            patterns = [_pattern(immediate, kinds, types) for immediate in immediates]
            if None in patterns:
                continue
            wanted = [n for n in _numbers(ranges) if (n if prefix is None else code(prefix, n)) not in opcodes]
            tail = b"".join(pattern for pattern in patterns if pattern is not None)
            one_byte = [n for n in wanted if prefix is None or n < 0x80]
            if one_byte:
                yield _byte_class(one_byte) + tail
            for high in sorted({n >> 7 for n in wanted if prefix is not None and n >= 0x80}):
                low = [n & 0x7F | 0x80 for n in wanted if n >> 7 == high]
                yield _byte_class(low) + rb"\x%02x" % high + tail

    choices = list(alternatives(_PLAIN, None))
    for prefix, groups in _PREFIXED.items():
        inner = list(alternatives(groups, prefix))
        if inner:
            choices.append(rb"\x%02x(?:" % prefix + b"|".join(inner) + rb")")
    return rb"(?:" + b"|".join(choices) + rb")"
