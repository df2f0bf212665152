"""Broken files: what is not a module, or lies about itself."""

from __future__ import annotations

from preinit.binary import encoder as write
from tests.support.amounts import amount
from tests.support.by_hand import (
    CODE,
    COUNT,
    DATA,
    ELEMENT,
    EMPTY,
    EXPORT,
    FUNCTION,
    GLOBAL,
    IMPORT,
    INIT,
    MEMORY,
    NOTHING,
    ONE_PAGE,
    START,
    TABLE,
    TYPE,
    custom,
    functions,
    module,
    repeated,
    section,
)
from tests.support.hostile.modules import BUILT, Hostile, deep_blocks

HUGE = b"\xff\xff\xff\xff\x0f"  # 2**32 - 1
GOOD = module()


def names_of_nobody() -> bytes:
    """A subsection with names of very many functions that the module does not have."""
    names = write.vector([write.uleb(1_000_000 + index) + b"\0" for index in range(amount(1_000_000, 100_000))])
    return b"\x01" + write.uleb(len(names)) + names


#: An item of each kind of section, in which a file can end.
ITEMS = {
    "type": (TYPE, b"\x60\x02\x7f\x7e\x01\x7d"),
    "import": (IMPORT, b"\x03env\x01g\x03\x7f\x01"),
    "function": (FUNCTION, b"\x80\x80\x80\x80\0"),
    "table": (TABLE, b"\x40\0\x70\x01\x80\x01\x80\x02\xd0\x70\x0b"),
    "memory": (MEMORY, b"\x05\x80\x01\x80\x02"),
    "global": (GLOBAL, b"\x7b\0\xfd\x0c" + bytes(16) + b"\x0b"),
    "export": (EXPORT, b"\x04name\0\x80\0"),
    "element": (ELEMENT, b"\x06\0\x41\x80\x01\x0b\x70\x02\xd2\0\x0b\xd0\x70\x0b"),
    "code": (CODE, b"\x06\x01\x01\x7f\x01\x01\x0b"),
    "data": (DATA, b"\x02\0\x41\x80\x01\x0b\x03abc"),
}


def cut(name: str, missing: int) -> bytes:
    """A module that ends that many bytes before the end of an item."""
    number, item = ITEMS[name]
    payload = b"\x02" + item + item
    return write.PREAMBLE + bytes((number,)) + write.uleb(len(payload)) + payload[:-missing]


BROKEN: dict[str, Hostile] = {
    "an empty file": Hostile(lambda: b"", ("not-wasm",)),
    "random bytes": Hostile(lambda: bytes(range(256)) * 400, ("not-wasm",)),
    "an ELF file": Hostile(lambda: b"\x7fELF\x02\x01\x01" + bytes(100), ("not-wasm",)),
    "an empty component": Hostile(lambda: b"\0asm\x0d\0\1\0", ("no-initializer",)),
    "a preamble that is cut off": Hostile(lambda: b"\0asm\x01\0", ("truncated",)),
    "zeros behind a good module": Hostile(lambda: GOOD + bytes(1 << 20), ("malformed",)),
    "a section that claims 4 GiB": Hostile(lambda: write.PREAMBLE + b"\x01" + HUGE, ("truncated",)),
    "a section whose size has 70 bits": Hostile(
        lambda: write.PREAMBLE + b"\x01" + b"\xff" * 9 + b"\x01", ("malformed",)
    ),
    "a section whose size has no end": Hostile(lambda: write.PREAMBLE + b"\x01" + b"\x80" * 3, ("truncated",)),
    "a count that overflows 32 bits": Hostile(
        lambda: write.PREAMBLE + section(TYPE, b"\xff\xff\xff\xff\x1f" + NOTHING), ("malformed",)
    ),
    "4 billion types": Hostile(lambda: write.PREAMBLE + section(TYPE, HUGE + NOTHING * 9), ("malformed",)),
    "a section that stands twice": Hostile(
        lambda: write.PREAMBLE + section(MEMORY, ONE_PAGE) * 2, ("malformed",), says="stands twice"
    ),
    "sections out of order": Hostile(
        lambda: write.PREAMBLE + section(EXPORT, b"\0") + section(TYPE, b"\0"), ("malformed",)
    ),
    "a section that does not exist": Hostile(lambda: GOOD + section(200, b"x"), ("malformed",)),
    "a name that is not UTF-8": Hostile(
        lambda: module({EXPORT: b"\x01\x04a\xff\xfe\x80\0\0"}), ("malformed",), says="UTF-8"
    ),
    "a custom section whose name is not UTF-8": Hostile(
        lambda: module(after=section(0, b"\x02\xc3\x28")), ("malformed",), says="UTF-8"
    ),
    "a name as long as the file claims to be": Hostile(
        lambda: module({EXPORT: b"\x01" + HUGE + b"x" * 40}), ("malformed", "truncated", "invalid-module")
    ),
    "an export of a function that does not exist": Hostile(
        lambda: module({EXPORT: b"\x01" + write.export(INIT, 0, 0xFFFFFFFF)}), ("initializer-type", "invalid-module")
    ),
    "an export of a kind that does not exist": Hostile(
        lambda: module({EXPORT: write.vector([write.export(INIT, 0, 0), b"\x01x\x77\0"])}), ("invalid-module",)
    ),
    "one name exported twice": Hostile(
        lambda: module({EXPORT: repeated(write.export(INIT, 0, 0), 2)}), ("invalid-module",)
    ),
    "a start function that does not exist": Hostile(lambda: module({START: HUGE}), ("invalid-module",)),
    "a function of a type that does not exist": Hostile(
        lambda: module({FUNCTION: b"\x01" + HUGE}), ("initializer-type", "invalid-module")
    ),
    "more functions than bodies": Hostile(lambda: module({FUNCTION: repeated(b"\0", 9)}), ("invalid-module",)),
    "fewer data segments than counted": Hostile(lambda: module({COUNT: HUGE}), ("engine-limit",)),
    "a body that claims to be longer than the code": Hostile(
        lambda: module({CODE: b"\x01" + HUGE + EMPTY}), ("malformed", "truncated", "invalid-module")
    ),
    "4 billion locals": Hostile(lambda: module(body=b"\x01" + HUGE + b"\x7f\x0b"), ("engine-limit",)),
    "4 billion groups of locals": Hostile(lambda: module(body=HUGE + b"\x01\x7f\x0b"), ("invalid-module",)),
    "a branch table of 4 billion entries": Hostile(
        lambda: module(body=b"\0\x41\0\x0e" + HUGE + b"\0\0\x0b"), ("invalid-module",)
    ),
    "blocks without an end": Hostile(lambda: module(body=b"\0" + b"\x02\x40" * 100_000), ("invalid-module",)),
    "an instruction that does not exist": Hostile(
        lambda: module(body=b"\0\xff\xff\xff\x0b"), ("invalid-module", "unsupported-proposal")
    ),
    "a constant expression that never ends": Hostile(
        lambda: module({GLOBAL: b"\x01\x7f\0" + b"\x41\0" * 100_000}), ("malformed",)
    ),
    "a constant expression of 100,000 additions": Hostile(
        lambda: module({GLOBAL: b"\x01\x7f\0\x41\0" + b"\x41\x01\x6a" * 100_000 + b"\x0b"}),
        (BUILT, "invalid-module"),
    ),
    "a global that starts with itself": Hostile(lambda: module({GLOBAL: b"\x01\x7f\0\x23\0\x0b"}), ("invalid-module",)),
    "a name section that lies about its sizes": Hostile(
        lambda: module(after=custom("name", b"\x01" + HUGE + HUGE + b"\0\x01x")), (BUILT,)
    ),
    "a name section with 4 billion names": Hostile(
        lambda: module(after=custom("name", b"\x01\x07" + HUGE + b"\0\0")), (BUILT,)
    ),
    "a name section with very many names for nothing": Hostile(
        lambda: module(after=custom("name", names_of_nobody())),
        (BUILT,),
    ),
    "producers and target features that are cut off": Hostile(
        lambda: module(after=custom("producers", b"\x05\x01") + custom("target_features", b"\x05+")), (BUILT,)
    ),
    "two name sections": Hostile(lambda: module(after=custom("name", b"\0\x02\x01x") * 2), (BUILT,)),
    "a custom section of 60 MB": Hostile(lambda: module(after=custom("pad", bytes(60_000_000))), (BUILT,)),
    "stack switching": Hostile(
        lambda: module({TYPE: write.vector([NOTHING, b"\x5d\0"])}), ("unsupported-proposal",), says="stack switching"
    ),
    "a type that contains itself": Hostile(
        lambda: module({TYPE: write.vector([NOTHING, b"\x5f\x01\x64\x01\0"])}), (BUILT, "invalid-module")
    ),
    "a recursion group of 4 billion types": Hostile(
        lambda: write.PREAMBLE + section(TYPE, b"\x01\x4e" + HUGE), ("malformed",)
    ),
    "blocks of which only the first is bad": Hostile(
        lambda: deep_blocks(1000).replace(b"\x02\x40", b"\x02\x20", 1), ("invalid-module",)
    ),
    "an initializer that is an import": Hostile(
        lambda: functions(1, EMPTY, parts={IMPORT: b"\x01\x01m\x01f\0\0"}), ("import-called",)
    ),
    **{
        f"a file that ends in {name}": Hostile(lambda name=name: cut(name, 1), ("truncated",))  # type: ignore[misc]
        for name in ITEMS
    },
}
