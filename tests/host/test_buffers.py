"""What the guest printed and its C library still holds."""

from __future__ import annotations

import pytest

from preinit import Host, Options, build
from preinit.errors import WarningsRefused
from preinit.report.text import summary
from preinit.result import Result
from tests.support.modules import build_text
from tests.support.places import FIXTURES

FIXTURE = (FIXTURES / "buffered/buffered.wasm").read_bytes()

#: wend, wpos, wbase, buf, buf_size, fd in words of a stream of wasi-libc, and of musl as Emscripten has it.
WASI_LIBC, MUSL = (4, 5, 6, 10, 11, 14), (4, 5, 7, 11, 12, 15)
SOUND = (0x2400, 0x2007, 0x2000, 0x2000, 0x400, 1)


def stream(
    values: tuple[int, ...], layout: tuple[int, ...] = WASI_LIBC, name: str = "stdout", pointer: int = 0x1000
) -> Result:
    """A guest that leaves a stream with those values; at 0x800, the module says, is the pointer to it."""
    stores = "".join(
        f"(i32.store (i32.const {0x1000 + 4 * word}) (i32.const {value}))"
        for word, value in zip(layout, values, strict=True)
    )
    return build_text(f"""(module
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (global (export "{name}") i32 (i32.const 0x800))
      (func (export "wizer-initialize") (i32.store (i32.const 0x800) (i32.const {pointer})) {stores}))""")


def test_what_a_c_program_printed_and_did_not_flush_is_a_hazard() -> None:
    result = build(FIXTURE, Options(cache=False))
    assert result.report.host.unflushed == {"standard output": 11}
    (warning,) = result.report.warnings
    assert warning.code == "output-unflushed"
    assert "11 bytes of what the guest printed to standard output" in warning.message
    assert "fflush" in warning.hint
    assert "frozen: 11 bytes of output in a buffer" in summary(result.report)
    with pytest.raises(WarningsRefused, match="output-unflushed"):
        build(FIXTURE, Options(cache=False, strict=True))


def test_what_was_flushed_is_none() -> None:
    printed = bytearray()
    host = Host(stdout=printed.extend)
    result = build(FIXTURE, Options(cache=False, init_funcs=("flushed",), strict=True, host=host))
    assert result.report.host.unflushed == {}
    assert printed == b"a line\n"


@pytest.mark.parametrize("layout", [WASI_LIBC, MUSL], ids=["wasi-libc", "musl"])
def test_both_layouts_are_known(layout: tuple[int, ...]) -> None:
    assert stream(SOUND, layout).report.host.unflushed == {"standard output": 7}


@pytest.mark.parametrize(
    "values",
    [
        (0x2400, 0x2000, 0x2000, 0x2000, 0x400, 1),  # empty
        (0x2400, 0x2007, 0x2000, 0x2000, 0x400, 2),  # another descriptor
        (0x2400, 0x1FFF, 0x2000, 0x2000, 0x400, 1),
        (0x2006, 0x2007, 0x2000, 0x2000, 0x400, 1),
        (0x2400, 0x2007, 0x2000, 0x2001, 0x400, 1),
        (0x2400, 0x2007, 0x2000, 0x2000, 0x3FF, 1),
        (0, 0x2007, 0, 0, 0x4000, 1),
        (0xFFFFFFFF, 0xFFFFFFF7, 0xFFFFFFF0, 0xFFFFFFF0, 0x400, 1),
        (0x10400, 0xFFFF, 0xFFF0, 0xFFF0, 0x410, 1),  # reaches out of the memory
        (0, 0, 0, 0, 0, 0),
    ],
)
def test_what_is_no_stream_with_something_in_it_is_not_guessed_at(values: tuple[int, ...]) -> None:
    result = stream(values)
    assert result.report.host.unflushed == {}
    assert result.report.warnings == ()


@pytest.mark.parametrize("pointer", [0, 0xFFFFFFFF, 0xFFF0, 0x10000])
def test_a_pointer_to_nowhere_is_no_stream(pointer: int) -> None:
    assert stream(SOUND, pointer=pointer).report.host.unflushed == {}


def test_a_module_that_does_not_say_where_its_streams_are_is_not_searched() -> None:
    assert stream(SOUND, name="other").report.host.unflushed == {}
