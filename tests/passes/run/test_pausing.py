"""Pausing commands: where, what of the world goes on, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from preinit import Builder, Call, Returned, build, verify
from preinit.binary.module import parse
from preinit.errors import (
    Misfit,
    NeverPaused,
    PauseRefused,
    PreinitError,
    UsageError,
)
from tests.support.modules import wasm
from tests.support.pausing.running import Ended, run_command

ENGINES = pytest.mark.parametrize("engine", ["whole", "ondemand"])

_NAMES = {
    "fd_read": "i32 i32 i32 i32", "fd_write": "i32 i32 i32 i32", "fd_close": "i32", "fd_seek": "i32 i64 i32 i32",
    "fd_renumber": "i32 i32", "poll_oneoff": "i32 i32 i32 i32",
    "path_open": "i32 i32 i32 i32 i32 i64 i64 i32 i32", "path_filestat_get": "i32 i32 i32 i32 i32",
}  # fmt: skip


_OTHERS = {"fd_readdir": "i32 i32 i32 i64 i32", "fd_fdstat_set_flags": "i32 i32"}


def command(body: str, more: str = "", but: tuple[str, ...] = ()) -> bytes:
    """A command that does `body`. It can `$say` (address, length), `$read` one byte of a descriptor and `$open`."""
    imports = "".join(
        f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {params}) (result i32)))'
        for name, params in (_NAMES | _OTHERS).items()
        if name not in but and (name in _NAMES or f"${name}" in body)
    )
    return wasm(f"""(module {imports}
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "before\\nafter\\n/preinit/pause\\00data.txt\\00end\\n")
  (func $say (param $at i32) (param $size i32)
    (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $size))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $read (param $fd i32) (result i32)
    (i32.store (i32.const 0) (i32.const 32)) (i32.store (i32.const 4) (i32.const 1)) (i32.store8 (i32.const 32) (i32.const 46))
    (drop (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $say (i32.const 32) (i32.const 1)) (i32.load8_u (i32.const 32)))
  (func $open (param $at i32) (param $size i32) (result i32)
    (if (call $path_open (i32.const 3) (i32.const 0) (local.get $at) (local.get $size) (i32.const 0) (i64.const 2)
      (i64.const 0) (i32.const 0) (i32.const 16)) (then unreachable))
    (i32.load (i32.const 16)))
  {more}
  (func $main {body})
  (func (export "_start") (call $main)))""")


BEFORE, AFTER, END = (
    "(call $say (i32.const 64) (i32.const 7))",
    "(call $say (i32.const 71) (i32.const 6))",
    "(call $say (i32.const 101) (i32.const 4))",
)
OPEN = "(call $open (i32.const 92) (i32.const 8))"


def read(descriptor: int, times: int = 1) -> str:
    return f"(drop (call $read (i32.const {descriptor})))" * times


# -- where -------------------------------------------------------------------------------------------------------------


@ENGINES
def test_standard_input_is_an_instances_own(engine: str) -> None:
    binary = command(BEFORE + read(0, 2) + AFTER)
    result = build(binary, pause_at="stdin", engine=engine, cache=False)  # type: ignore[arg-type]
    assert run_command(result.wasm, b"xy") == Ended("xyafter\n", "", 0)
    assert run_command(result.wasm, b"z") == Ended("z.after\n", "", 0)
    assert result.report.pause and [f.name for f in result.report.pause.frames] == ["read", "main", "_start"]


def test_asking_whether_there_is_input_is_a_first_read() -> None:
    poll = "(i32.store8 (i32.const 136) (i32.const 1)) (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 300)))"
    result = build(command(BEFORE + poll + read(0)), pause_at="stdin", cache=False)
    assert result.report.pause and [f.name for f in result.report.pause.frames] == ["main", "_start"]
    assert run_command(result.wasm, b"q").output == "q"


def asks_for(path: str) -> str:
    """Asks whether there is such a file in the first folder, as libc does: without the folder's own path."""
    stores = "".join(f"(i32.store8 (i32.const {512 + at}) (i32.const {byte}))" for at, byte in enumerate(path.encode()))
    given = f"(i32.const 3) (i32.const 0) (i32.const 512) (i32.const {len(path)}) (i32.const 256)"
    return f"{stores} (drop (call $path_filestat_get {given}))"


@pytest.mark.parametrize(
    ("folder", "asked", "where"),
    [
        ("/", "preinit/pause", "/preinit/pause"),
        ("/", "preinit/pause", "preinit/pause"),
        ("/", "a/../preinit//pause", "//preinit/pause/"),
        ("/", "/preinit/pause", "/preinit/pause"),
        ("/app", "preinit/pause", "/app/preinit/pause"),
        ("/preinit/", "pause", "/preinit/pause"),
        (".", "preinit/pause", "preinit/pause"),
        (".", "preinit/pause", "./preinit/pause"),
        ("//", "preinit/pause", "/preinit/pause"),
    ],
)
def test_a_script_pauses_by_asking_for_a_path(tmp_path: Path, folder: str, asked: str, where: str) -> None:
    binary = command(BEFORE + asks_for(asked) + AFTER)
    result = build(binary, pause_at=f"path:{where}", dirs={str(tmp_path): folder}, cache=False)
    assert run_command(result.wasm, dirs=[(str(tmp_path), folder)]).output == "after\n"


def test_a_path_in_another_folder_is_no_pause(tmp_path: Path) -> None:
    with pytest.raises(NeverPaused):
        build(
            command(asks_for("preinit/pause")),
            pause_at="path:/preinit/pause",
            dirs={str(tmp_path): "/app"},
            cache=False,
        )


def test_a_function_is_paused_when_it_is_entered_for_the_third_time() -> None:
    more = "(func $step (param i32) (call $say (i32.add (i32.const 64) (local.get 0)) (i32.const 1)))"
    body = "".join(f"(call $step (i32.const {n}))" for n in range(6))
    for name in ("step", "10"):  # 9 functions are imported, 3 others come before
        where = "function:step#3" if name == "step" else f"function:{9 + 3}#3"
        result = build(command(body, more), pause_at=where, cache=False)
        assert run_command(result.wasm).output == "fore"


def test_a_call_of_an_import_is_paused_by_its_number() -> None:
    where = "import:wasi_snapshot_preview1.fd_write#2"
    result = build(command(BEFORE + AFTER + END), pause_at=where, cache=False)
    assert run_command(result.wasm).output == "after\nend\n"


def test_an_export_of_a_reactor_goes_on_and_keeps_its_type() -> None:
    source = """(module (import "t" "tick" (func $tick (param i32) (result i32)))
      (func (export "main") (param i32 i64) (result i32) (i32.add (local.get 0) (call $tick (i32.const 1)))))"""
    result = build(
        wasm(source), init_funcs=["main(40,2)"], pause_at="import:t.tick", stubs={"t.tick": "zero"}, cache=False
    )
    import wasmtime

    store = wasmtime.Store()
    kind = wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i32()])
    instance = wasmtime.Instance(
        store, wasmtime.Module(store.engine, result.wasm), [wasmtime.Func(store, kind, lambda n: n + 1)]
    )
    main = instance.exports(store)["main"]
    assert main(store, 0, 0) == 42  # type: ignore[operator]
    assert [main(store, number, 0) for number in (5, 6)] == [7, 8]  # type: ignore[operator]


@pytest.mark.parametrize(("renamed", "answers"), [({}, (17, 22, 33)), ({"_start": "handle"}, (17, 17, 17))])
def test_what_was_under_way_goes_on_once_and_then_the_export_is_called_as_ever(
    renamed: dict[str, str], answers: tuple[int, ...]
) -> None:
    source = """(module (import "env" "tick" (func $tick)) (global $n (mut i32) (i32.const 0))
      (func (export "handle") (param $x i32) (result i32) (local $l i32)
        (local.set $l (i32.add (global.get $n) (i32.const 1)))
        (global.set $n (local.get $l))
        (call $tick)
        (i32.add (i32.mul (local.get $l) (i32.const 10)) (local.get $x))))"""
    result = build(
        wasm(source),
        init_funcs=["handle(7)"],
        pause_at="import:env.tick",
        stubs={"env.tick": "zero"},
        rename_funcs=renamed,
        cache=False,
    )
    import wasmtime

    store = wasmtime.Store()
    tick = wasmtime.Func(store, wasmtime.FuncType([], []), lambda: None)
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, result.wasm), [tick]).exports(store)
    handle = exports["_start" if renamed else "handle"]
    assert tuple(handle(store, number) for number in (1, 2, 3)) == answers  # type: ignore[operator]


def test_a_builder_pauses_many_times() -> None:
    with Builder(command(BEFORE + read(0) + AFTER), pause_at="stdin", cache=False) as builder:
        outputs = {builder.build().wasm for _ in range(3)}
    assert len(outputs) == 1
    assert run_command(outputs.pop(), b"k").output == "kafter\n"


# -- what of the world goes on -----------------------------------------------------------------------------------------


def test_what_was_printed_is_printed_again_when_that_is_wanted() -> None:
    binary = command(BEFORE + read(0) + AFTER)
    assert (
        run_command(build(binary, pause_at="stdin", replay_output=True, cache=False).wasm, b"x").output
        == "before\nxafter\n"
    )
    silent = build(binary, pause_at="stdin", cache=False)
    assert [found.code for found in silent.report.warnings] == ["output-before-pause"]


def test_long_output_is_printed_again_in_order_and_memory_is_as_it_was() -> None:
    many = "(loop $l (call $say (i32.const 64) (i32.const 7)) (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 700))))"
    body = f"(local $n i32) (i64.store (i32.const 1024) (i64.const 0x0a31323334353637)) {many} {read(0)} (call $say (i32.const 1024) (i32.const 8))"
    result = build(command(body), pause_at="stdin", replay_output=True, cache=False)
    assert run_command(result.wasm, b"x").output == "before\n" * 700 + "x7654321\n"


def test_more_text_than_can_be_printed_again_is_refused() -> None:
    many = "(loop $l (call $say (i32.const 0) (i32.const 65536)) (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {}))))"
    fits, exceeds = (command(f"(local $n i32) {many.format(n)} {more} {read(0)}") for n, more in ((4, ""), (4, BEFORE)))
    given = {"pause_at": "stdin", "replay_output": True, "cache": False, "quiet_guest": True}
    assert build(fits, **given).wasm  # type: ignore[arg-type]
    with pytest.raises(PauseRefused, match="printed more than 262,144 bytes before the pause") as caught:
        build(exceeds, **given)  # type: ignore[arg-type]
    assert caught.value.hint and "replay_output" in caught.value.hint


def test_a_file_that_is_open_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("abcdef")
    binary = command(f"(local $fd i32) (local.set $fd {OPEN}) {read(4, 2)} {read(0)} {read(4)}")
    with pytest.raises(PauseRefused, match=r"data\.txt' \(descriptor 4\) is open") as caught:
        build(binary, pause_at="stdin", dirs={str(tmp_path): "/"}, cache=False)
    assert caught.value.hint and "reopen" in caught.value.hint


def test_a_file_that_is_open_is_opened_again_where_it_was_read_to(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("abcdef")
    binary = command(f"(local $fd i32) (local.set $fd {OPEN}) {read(4, 2)} {read(0)} {read(4, 2)}")
    result = build(binary, pause_at="stdin", dirs={str(tmp_path): "/"}, reopen=True, cache=False)
    (tmp_path / "data.txt").write_text("ABCDEF")
    assert run_command(result.wasm, b"x", dirs=[(str(tmp_path), "/")]).output == "xCD"
    assert result.report.pause and result.report.pause.reopened == ("data.txt",)


def listing(size: int, cookie: int = 0) -> str:
    """Reads the listing of the given folder, `size` bytes of it."""
    return f"(drop (call $fd_readdir (i32.const 3) (i32.const 2048) (i32.const {size}) (i64.const {cookie}) (i32.const 24)))"


def test_a_folder_in_the_middle_of_whose_listing_it_is_paused_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("abcdef")
    given = {"pause_at": "stdin", "dirs": {str(tmp_path): "/site"}, "cache": False}
    half = command(f"{listing(25)} {read(0)} {listing(4096, 1)}")
    with pytest.raises(PauseRefused, match=r"in the middle of listing the folder '/?site' \(descriptor 3\)") as caught:
        build(half, **given)  # type: ignore[arg-type]
    assert caught.value.hint and "read to its end" in caught.value.hint
    for ended in (listing(4096), listing(25) + listing(4096, 1), listing(25) + "(drop (call $fd_close (i32.const 3)))"):
        assert build(command(f"{ended} {read(0)}"), **given).wasm  # type: ignore[arg-type]


@pytest.mark.parametrize("descriptor", [0, 1, 3])
def test_flags_that_a_program_gave_what_it_was_given_are_refused_by_name(tmp_path: Path, descriptor: int) -> None:
    given = {"pause_at": "stdin", "dirs": {str(tmp_path): "/site"}, "cache": False}
    sets = f"(drop (call $fd_fdstat_set_flags (i32.const {descriptor}) (i32.const {{}})))"
    with pytest.raises(PauseRefused, match=f"has changed the flags of descriptor {descriptor}, which it was given"):
        build(command(f"{sets.format(4)} {read(0)}"), **given)  # type: ignore[arg-type]
    for harmless in (sets.format(0), sets.format(4) + sets.format(0), sets.format(1 << 15)):
        assert build(command(f"{harmless} {read(0)}"), **given).wasm  # type: ignore[arg-type]


def test_a_file_that_is_opened_again_has_the_flags_that_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("abcdef")
    sets = "(drop (call $fd_fdstat_set_flags (i32.const 4) (i32.const 4)))"
    binary = command(f"(local $fd i32) (local.set $fd {OPEN}) {sets} {read(4, 2)} {read(0)} {read(4)}")
    result = build(binary, pause_at="stdin", dirs={str(tmp_path): "/"}, reopen=True, cache=False)
    assert run_command(result.wasm, b"x", dirs=[(str(tmp_path), "/")]).output == "xc"
    opened: list[int] = []
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    linker = wasmtime.Linker(engine)
    store.set_wasi(wasmtime.WasiConfig())
    linker.define_wasi()
    linker.allow_shadowing = True
    i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
    kind = wasmtime.FuncType([i32] * 5 + [i64] * 2 + [i32] * 2, [i32])

    def path_open(*arguments: int) -> int:
        opened.append(arguments[7])
        return 44

    linker.define_func("wasi_snapshot_preview1", "path_open", kind, path_open)
    exports = linker.instantiate(store, wasmtime.Module(engine, result.wasm)).exports(store)
    with pytest.raises((wasmtime.ExitTrap, wasmtime.Trap)):
        exports["_start"](store)  # type: ignore[operator]
    assert opened == [4]


def test_a_file_that_was_read_is_refused_where_nothing_can_go_on_in_it(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("abcdef")
    text = """(module
      (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 64) "data.txt") (data (i32.const 16) "\\00\\02\\00\\00\\02")
      (func (export "_start")
        (drop (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 8) (i32.const 0)
          (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 32)))
        (drop (call $read (i32.const 4) (i32.const 16) (i32.const 1) (i32.const 32)))
        (drop (call $read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 32)))))"""
    with pytest.raises(
        PauseRefused, match=r"'data.txt' was read up to byte 2, .* `fd_seek`, which the module does not"
    ):
        build(wasm(text), pause_at="stdin", dirs={str(tmp_path): "/"}, reopen=True, cache=False)


def test_descriptors_keep_their_numbers_when_one_between_them_was_closed(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("abcdef")
    body = f"(drop {OPEN}) (drop {OPEN}) (drop (call $fd_close (i32.const 4))) {read(0)} {read(5)} (if (i32.ne {OPEN} (i32.const 4)) (then unreachable)) {read(4)}"
    result = build(command(body), pause_at="stdin", dirs={str(tmp_path): "/"}, reopen=True, cache=False)
    assert run_command(result.wasm, b"x", dirs=[(str(tmp_path), "/")]) == Ended("xaa", "", 0)


def test_a_file_that_is_gone_ends_the_program_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("abcdef")
    binary = command(f"(drop {OPEN}) {read(0)} {read(4)}")
    output = build(binary, pause_at="stdin", dirs={str(tmp_path): "/"}, reopen=True, cache=False).wasm
    (tmp_path / "data.txt").unlink()
    ended = run_command(output, b"x", dirs=[(str(tmp_path), "/")])
    assert ended.status == 71
    assert "'data.txt', which was open when this program was built, can't be opened" in ended.error


def test_a_folder_that_only_instances_have_is_one_of_their_folders(tmp_path: Path) -> None:
    result = build(command(BEFORE + read(0)), pause_at="stdin", late_dirs=["/data"], cache=False)
    assert run_command(result.wasm, b"x", dirs=[(str(tmp_path), "/data")]) == Ended("x", "", 0)


def test_a_file_that_is_opened_again_comes_behind_folders_that_only_instances_have(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("abcdef")
    binary = command(f"(drop {OPEN}) {read(5)} {read(0)} {read(5)}")
    given = {"pause_at": "stdin", "dirs": {str(tmp_path): "/"}, "late_dirs": ["/data"], "reopen": True, "cache": False}
    output = build(binary, **given).wasm  # type: ignore[arg-type]
    folders = [(str(tmp_path), "/"), (str(tmp_path), "/data")]
    assert run_command(output, b"x", dirs=folders) == Ended("xb", "", 0)


def test_a_folder_that_only_instances_have_and_that_was_closed_is_closed(tmp_path: Path) -> None:
    closes = "(i32.store8 (i32.const 64) (i32.add (i32.const 48) (call $fd_close (i32.const 3))))"
    binary = command(f"{closes} {read(0)} {closes} (call $say (i32.const 64) (i32.const 1))")
    output = build(binary, pause_at="stdin", late_dirs=["/data"], cache=False).wasm
    assert run_command(output, b"x", dirs=[(str(tmp_path), "/data")]) == Ended("x8", "", 0)  # 8: no such descriptor


def test_a_stream_that_was_closed_is_closed() -> None:
    binary = command(f"(drop (call $fd_close (i32.const 0))) {BEFORE} {AFTER}")
    result = build(binary, pause_at="import:wasi_snapshot_preview1.fd_write#2", cache=False)
    assert run_command(result.wasm).output == "after\n"


def moves(number: int, to: int) -> str:
    return f"(if (call $fd_renumber (i32.const {number}) (i32.const {to})) (then unreachable))"


def test_a_stream_that_was_moved_has_its_other_number_again(tmp_path: Path) -> None:
    binary = command(moves(2, 1) + read(0) + AFTER)
    result = build(binary, pause_at="stdin", cache=False)
    assert run_command(result.wasm, b"x") == Ended("", "xafter\n", 0)
    assert verify(binary, result.wasm, run=True, call_stdins=[b"x"], pause_at="stdin", cache=False).calls
    closes = "(i32.store8 (i32.const 33) (i32.add (i32.const 48) (call $fd_close (i32.const 1))))"
    vector = "(i32.store (i32.const 0) (i32.const 32)) (i32.store (i32.const 4) (i32.const 2))"
    prints = f"{vector} (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))"
    binary = command(f"{moves(0, 3)} {moves(1, 2)} {read(3)} {closes} {prints}")
    where, folders = "import:wasi_snapshot_preview1.fd_read", [(str(tmp_path), "/")]
    result = build(binary, pause_at=where, dirs=folders, cache=False)
    assert run_command(result.wasm, b"x", dirs=folders) == Ended("x8", "", 0)  # 8: there is no descriptor 1


def test_text_is_printed_again_to_the_stream_to_which_it_went() -> None:
    binary = command(BEFORE + moves(2, 1) + AFTER + read(0) + END)
    result = build(binary, pause_at="stdin", replay_output=True, cache=False)
    assert run_command(result.wasm, b"x") == Ended("before\n", "after\nxend\n", 0)


def test_a_stream_or_folder_in_a_place_that_no_instance_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("abcdef")
    given = {"pause_at": "stdin", "dirs": [(str(tmp_path), "/"), (str(tmp_path), "/b")], "reopen": True, "cache": False}
    with pytest.raises(PauseRefused, match="has moved standard output to descriptor 5, which"):
        build(command(f"(drop {OPEN}) {moves(1, 5)} {read(0)}"), **given)  # type: ignore[arg-type]
    with pytest.raises(PauseRefused, match=r"has moved the folder '/b' \(descriptor 3\)"):
        build(command(moves(4, 3) + read(0)), **given)  # type: ignore[arg-type]
    with pytest.raises(PauseRefused, match="descriptor 1 is a file"):
        build(command(f"(drop {OPEN}) {moves(5, 1)} {read(0)}"), **given)  # type: ignore[arg-type]


def test_bytes_that_were_read_before_the_pause_are_said() -> None:
    where = "import:wasi_snapshot_preview1.fd_read#2"
    result = build(command(read(0, 2)), pause_at=where, stdin=b"pq", cache=False)
    assert run_command(result.wasm, b"r").output == "r"
    said = {found.code: found.message for found in result.report.warnings}
    assert "1 byte of standard input" in said["stdin-consumed"]


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_program_that_never_comes_by_says_how_it_ended_and_what_it_called() -> None:
    with pytest.raises(NeverPaused, match=r"returned without coming to stdin; .* last: .*fd_write, .*fd_write"):
        build(command(BEFORE + AFTER), pause_at="stdin", cache=False)
    with pytest.raises(NeverPaused, match="ended with exit code 3 without coming to stdin"):
        build(command(BEFORE + "(call $proc_exit (i32.const 3))"), pause_at="stdin", cache=False)


def test_a_program_that_comes_by_too_seldom_says_how_often_it_did() -> None:
    binary = command("(call $twice) (call $twice)" + BEFORE + AFTER, "(func $twice)")
    with pytest.raises(NeverPaused, match=r"function:twice#3, of which it made 2 calls; the imports"):
        build(binary, pause_at="function:twice#3", cache=False)
    with pytest.raises(NeverPaused, match=r"fd_write#9, of which it made 2 calls; the imports"):
        build(binary, pause_at="import:wasi_snapshot_preview1.fd_write#9", cache=False)


@pytest.mark.parametrize("where", ["function:main", "import:wasi_snapshot_preview1.fd_write"])
@pytest.mark.parametrize("number", ["0", "1000000000"])
def test_a_number_that_counts_no_call_is_refused_with_one_that_does(where: str, number: str) -> None:
    with pytest.raises(Misfit) as caught:
        build(command(BEFORE), pause_at=f"{where}#{number}", cache=False)
    assert str(caught.value.hint).endswith(f'are counted from 1 to 999,999,999: `pause_at="{where}#1"`')


def test_a_trap_before_the_pause_is_a_trap_with_offsets_of_the_input() -> None:
    binary = command(BEFORE + "unreachable")
    with pytest.raises(PreinitError) as plain:
        build(binary, init_funcs=["_start"], keep_init_func=True, cache=False)
    with pytest.raises(PreinitError) as caught:
        build(binary, pause_at="stdin", cache=False)
    assert caught.value.code == plain.value.code == "trap"
    assert caught.value.frames == plain.value.frames


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("import:env.nothing", "imports no function 'env.nothing'"),
        ("function:nothing", "has no function 'nothing'"),
        ("function:4000000000", "none with the index"),
        ("function:fd_read", "is an import"),
    ],
)
def test_a_place_that_the_module_does_not_have_is_refused(where: str, said: str) -> None:
    with pytest.raises(Misfit, match=said) as caught:
        build(command(BEFORE), pause_at=where, cache=False)
    assert caught.value.hint


def test_a_module_that_can_not_read_is_not_paused_there() -> None:
    with pytest.raises(Misfit, match="can't read standard input"):
        build(wasm('(module (func (export "_start")))'), pause_at="stdin", cache=False)
    with pytest.raises(Misfit, match="can't name a path"):
        build(wasm('(module (func (export "_start")))'), pause_at="path:/x", cache=False)


@pytest.mark.parametrize(
    "where", ["", "stdout", "import:name", "function:", "path:", "function:\0", "import:a.b#0x1\0"]
)
def test_what_is_no_place_is_wrong_usage(where: str) -> None:
    with pytest.raises(UsageError, match="is not where a program can be paused"):
        build(command(BEFORE), pause_at=where)


@pytest.mark.parametrize("field", [{"clock": "host"}, {"random": "host"}, {"audit": True}])
def test_what_can_not_be_done_twice_is_wrong_usage(field: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="paused"):
        build(command(BEFORE), pause_at="stdin", **field)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "cause", "leave_out"),
    [
        ({"clock": "host"}, "the host's clock", '`clock="host"`.'),
        ({"random": "host"}, "the host's random numbers", '`random="host"`.'),
        ({"writable": True, "dirs": {".": "/"}}, "may write files", "`writable=True`."),
        ({"functions": {"t.tick": lambda guest: None}}, "call Python functions", "`functions`: a stub (`stubs`), or"),
    ],
)
def test_what_can_not_be_done_twice_is_named_and_nothing_else(
    field: dict[str, object], cause: str, leave_out: str
) -> None:
    with pytest.raises(UsageError, match=f"paused runs twice, and .*{cause}") as caught:
        build(command(BEFORE + read(0)), pause_at="stdin", **field)  # type: ignore[arg-type]
    hint = str(caught.value.hint)
    assert hint.startswith(f"Leave out {leave_out}")
    assert sum(name in hint for name in ("writable", "clock", "random", "functions")) == 1


HANDLES = """(global $n (mut i32) (i32.const 0))
  (func $malloc (export "malloc") (param i32) (result i32) (i32.const 512))
  (func (export "handle") (param i32) (result i32) (call $say (i32.const 64) (local.get 0)) (global.get $n))"""


def test_an_export_can_be_called_with_numbers_in_what_a_paused_program_has() -> None:
    binary = command(f"(global.set $n (i32.const 5)) {read(0)} {AFTER}", HANDLES)
    given = {"pause_at": "stdin", "rename_funcs": {"main": "_start", "_start": "handle(3)=5"}, "cache": False}
    result = build(binary, **given)  # type: ignore[arg-type]
    assert run_command(result.wasm, b"x") == Ended("bef", "", 0)
    verify(binary, result.wasm, run=True, calls=["handle(2)"], **given)  # type: ignore[arg-type]
    given["rename_funcs"] = {"main": "_start", "_start": "handle(3)=4"}
    assert run_command(build(binary, **given).wasm, b"x") == Ended("bef", "", 1)  # type: ignore[arg-type]
    given["rename_funcs"] = {"other": "handle(3)=5"}
    assert run_command(build(binary, **given).wasm, b"x") == Ended("xafter\n", "", 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("renamed", "error", "said", "hint"),
    [
        ({"again": "_start()"}, UsageError, "which is paused in the middle: it would run again", '{"again": "_start"}'),
        ({"go": Call("handle", "text")}, UsageError, "more than numbers, and the program is paused", "numbers only"),
        ({"go": Call("handle", Returned())}, PreinitError, "the call before returned nothing", ""),
        ({"_start": "handle(3)"}, Misfit, "nothing would export what goes on after the pause", '{"main": "_start"}'),
        ({"_start": "handle"}, Misfit, "nothing would export what goes on after the pause", '{"main": "_start"}'),
    ],
)
def test_exports_that_a_paused_program_can_not_have_are_refused(
    renamed: dict[str, str | Call], error: type[PreinitError], said: str, hint: str
) -> None:
    binary = command(f"(global.set $n (i32.const 5)) {read(0)}", HANDLES)
    with pytest.raises(error, match=said) as caught:
        build(binary, pause_at="stdin", rename_funcs=renamed, cache=False)
    assert hint in (caught.value.hint or "")


def test_a_paused_export_is_not_run_again_by_another_name_either() -> None:
    body = f"(global.set $n (i32.const 5)) {read(0)}"
    start = parse(command(body, HANDLES)).exported("_start")
    assert start
    binary = command(body, f'{HANDLES} (export "too" (func {start.target}))')
    for renamed in ({"again": "too()"}, {"again": "_start()"}):
        with pytest.raises(UsageError, match="which is paused in the middle: it would run again") as caught:
            build(binary, pause_at="stdin", rename_funcs=renamed, cache=False)
        assert '{"again": "_start"}' in (caught.value.hint or "")


def test_outputs_are_the_same_bytes_in_any_folder_and_however_they_were_compiled(tmp_path: Path) -> None:
    binary = command(f"(local $fd i32) (local.set $fd {OPEN}) {read(4, 2)} {read(0)} {read(4)}")
    outputs = set()
    for place in ("a", "some/other place"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "data.txt").write_text("abcdef")
        (folder / "program.wasm").write_bytes(binary)
        for engine in ("whole", "ondemand"):
            given = {"pause_at": "stdin", "dirs": {str(folder): "/"}, "reopen": True, "engine": engine, "cache": False}
            outputs.add(build(folder / "program.wasm", **given).wasm)  # type: ignore[arg-type]
    assert len(outputs) == 1


def test_the_start_function_is_too_early() -> None:
    source = '(module (import "e" "f" (func $f)) (func $go (call $f)) (start $go) (func (export "_start")))'
    with pytest.raises(PauseRefused, match="start function"):
        build(wasm(source), pause_at="import:e.f", stubs={"e.f": "zero"}, cache=False)


def test_an_object_of_the_host_in_an_active_function_is_refused() -> None:
    source = """(module (import "e" "f" (func $f)) (type $s (struct (field i32)))
      (func $main (export "_start") (local $o (ref null $s)) (local.set $o (struct.new $s (i32.const 1)))
        (call $f) (drop (struct.get $s 0 (local.get $o)))))"""
    with pytest.raises(PauseRefused, match="holds an object") as caught:
        build(wasm(source), pause_at="import:e.f", stubs={"e.f": "zero"}, cache=False)
    assert caught.value.where == "function 1 (`main`)"


def test_objects_that_are_null_are_none() -> None:
    source = """(module (import "e" "f" (func $f)) (type $s (struct (field i32))) (memory (export "memory") 1)
      (func $main (export "_start") (local $o (ref null $s)) (local $x externref) (call $f)
        (if (i32.and (ref.is_null (local.get $o)) (ref.is_null (local.get $x))) (then (call $f)))))"""
    assert build(wasm(source), pause_at="import:e.f", stubs={"e.f": "zero"}, cache=False).wasm


def test_a_preloaded_module_on_the_stack_is_refused() -> None:
    library = wasm("""(module (table (export "t") 1 funcref) (type $v (func))
      (func (export "through") (call_indirect (type $v) (i32.const 0))))""")
    source = """(module (import "l" "t" (table 1 funcref)) (import "l" "through" (func $through)) (import "e" "f" (func $f))
      (elem (i32.const 0) $inner) (func $inner (call $f)) (func (export "_start") (call $through) (call $f)))"""
    with pytest.raises(PauseRefused, match="preloaded"):
        build(wasm(source), pause_at="import:e.f", preloads={"l": library}, stubs={"e.f": "zero"}, cache=False)
    assert build(wasm(source), pause_at="import:e.f#2", preloads={"l": library}, stubs={"e.f": "zero"}, cache=False)
