"""What opens or closes the world: random numbers, output, WASI as a whole; in the library and the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from preinit.errors import OutputFlood, RandomDenied, UsageError, WasiRefused
from preinit.host.wasi1.abi import MODULE, SIGNATURES, Errno
from preinit.options import LATEST_SECOND, Host
from tests.support.command import fails, run
from tests.support.instances import Running
from tests.support.modules import build_text, wasm
from tests.support.wasi_guest import Guest, given, make_folder, needs_folders, random_stream

INIT = '(export "wizer-initialize")'


# -- random numbers


def asks_for(size: int) -> str:
    return f"""(module (import "{MODULE}" "random_get" (func $random (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func $seed (drop (call $random (i32.const 8) (i32.const {size})))) (func $init {INIT} (call $seed)))"""


@pytest.mark.parametrize("size", [1, 16])
def test_asking_for_random_numbers_that_are_denied_fails_with_the_guest_s_backtrace(size: int) -> None:
    with pytest.raises(RandomDenied, match=f"asked for {size} random bytes") as caught:
        build_text(asks_for(size), host=Host(random="deny"))
    assert [frame.name for frame in caught.value.frames] == ["seed", "init"]
    assert '`random="seed:N"`' in (caught.value.hint or "")


def test_a_guest_that_takes_no_random_numbers_is_built_without_them() -> None:
    assert build_text(asks_for(4).replace("(call $seed)", ""), host=Host(random="deny")).report.host.random_bytes == 0


def test_the_host_s_random_numbers_differ_between_two_builds() -> None:
    built = [build_text(asks_for(16), host=Host(random="host")) for _ in range(2)]
    assert built[0].wasm != built[1].wasm
    assert built[0].report.host.random_bytes == 16


def test_the_command_denies_seeds_or_passes_on_random_numbers() -> None:
    source = wasm(asks_for(16))

    def taken(*options: str) -> bytes:
        return Running(run("build", "-", *options, stdin=source, code=0).stdout).state().memories[0][8:24]

    assert "error[random-denied]" in fails("build", "-", "--random", "deny", stdin=source)
    assert taken() == taken("--random", "seed:0") == random_stream(0, 16)
    assert taken("--random=seed:7") == random_stream(7, 16)
    assert taken("--random=seed:-1") == random_stream(-1, 16)
    assert taken("--random=host") not in (taken("--random=host"), random_stream(0, 16))


@pytest.mark.parametrize("value", ["", "seed", "seed:", "seed:x", "seed:1.5", "7", "none", "seed:99999999999999999999"])
def test_random_numbers_of_no_known_kind_are_wrong_usage(value: str) -> None:
    assert "--random" in fails("build", "-", "--random", value, stdin=wasm("(module)"), code=2)


# -- output


def test_a_flood_of_output_ends_with_its_own_error() -> None:
    guest = Guest()
    printed = bytearray()
    for _ in range(3):
        guest.write(1, b"12345678")
    assert guest.run(Host(max_guest_output=24)).errnos == (Errno.SUCCESS,) * 3
    for quiet in (False, True):
        with pytest.raises(OutputFlood, match="more than 23 bytes") as caught:
            guest.build(Host(max_guest_output=23, quiet_guest=quiet, stdout=printed.extend))
        assert caught.value.frames
        assert "`max_guest_output`" in (caught.value.hint or "")
    assert printed == b"12345678" * 2


def test_the_command_bounds_the_output_and_can_drop_it() -> None:
    guest = Guest()
    guest.write(2, b"a noise of the guest\n")
    source = wasm(guest.wat())
    assert b"a noise" in run("build", "-", stdin=source, code=0).stderr
    assert b"a noise" not in run("build", "-", "--quiet-guest", stdin=source, code=0).stderr
    assert b"a noise" not in run("build", "-", "--inherit-stdio=false", stdin=source, code=0).stderr
    said = fails("build", "-", "--max-guest-output", "4", stdin=source)
    assert "error[guest-output]" in said


def test_an_endless_flood_ends_without_a_time_limit() -> None:
    said = fails(
        "build",
        "-",
        "--quiet-guest",
        "--max-guest-output",
        "1MiB",
        stdin=wasm(f"""(module
      (import "{MODULE}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "\\10\\00\\00\\00\\00\\80\\00\\00")
      (func $flood {INIT} (loop $l
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $l))))"""),
    )
    assert "flood (function 1)" in said


# -- no WASI at all


@pytest.mark.parametrize("name", ["sched_yield", "random_get", "fd_write", "proc_exit"])
def test_without_wasi_a_call_fails_with_the_function_s_name(name: str) -> None:
    parameters = " ".join(SIGNATURES[name])
    result = "" if name == "proc_exit" else "(result i32)"
    pushed = "".join(f"({t}.const 0)" for t in SIGNATURES[name])
    text = f"""(module (import "{MODULE}" "{name}" (func $f (param {parameters}) {result})) (memory (export "memory") 1)
      (func $init {INIT} (call $f {pushed}) {"(drop)" if result else ""}))"""
    with pytest.raises(WasiRefused, match=f"`{MODULE}.{name}`") as caught:
        build_text(text, host=Host(wasi=False))
    assert [frame.name for frame in caught.value.frames] == ["init"]
    said = fails("build", "-", "--no-wasi", stdin=wasm(text))
    assert f"error[wasi-refused]: the initializer called `{MODULE}.{name}`" in said


def test_without_wasi_a_module_that_calls_none_of_it_is_built() -> None:
    text = asks_for(4).replace("(call $seed)", "")
    assert build_text(text, host=Host(wasi=False)).wasm == build_text(text).wasm
    assert run("build", "-", "--no-wasi", stdin=wasm(text), code=0).stdout


def test_wasi_can_not_be_allowed_and_refused() -> None:
    assert "--no-wasi" in fails("build", "-", "--no-wasi", "--allow-wasi", stdin=wasm("(module)"), code=2)


# -- WASI is complete; what never is there


#: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#functions
PREVIEW_1 = [
    "args_get",
    "args_sizes_get",
    "environ_get",
    "environ_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_get",
    "fd_prestat_dir_name",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "sched_yield",
    "random_get",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
]


@pytest.mark.parametrize("host", [Host(), Host(writable=True)], ids=["read-only", "writable"])
def test_every_function_of_preview_1_can_be_called(host: Host) -> None:
    guest = Guest()
    for name in PREVIEW_1:
        if not name.startswith("proc_"):
            guest.call(name, *(0 for _ in SIGNATURES[name]))
    assert len(guest.run(host).errnos) == len(PREVIEW_1) - 2
    assert set(SIGNATURES) == set(PREVIEW_1)


@pytest.mark.parametrize("writable", [False, True])
def test_sockets_are_denied_whatever_else_is_allowed(writable: bool) -> None:
    guest = Guest()
    guest.call("sock_accept", 0, 0, guest.room(4))
    guest.call("sock_shutdown", 0, 3)
    assert set(guest.run(Host(writable=writable)).errnos) == {Errno.NOTSOCK}


# -- how it is compiled


@needs_folders
@pytest.mark.parametrize(
    ("fields", "words"),
    [({"writable": True}, "write files"), ({"clock": "host"}, "host's clock"), ({"random": "host"}, "random numbers")],
    ids=str,
)
@pytest.mark.parametrize("engine", ["auto", "ondemand"])
def test_what_a_second_run_would_see_is_compiled_as_a_whole(
    tmp_path: Path, engine: str, fields: dict[str, Any], words: str
) -> None:
    host = Host(dirs=given(make_folder(tmp_path)).dirs, **fields)
    facts = build_text(asks_for(4), host=host, engine=engine).report.engine
    assert facts.name == "whole"
    assert words in facts.reason
    assert build_text(asks_for(4), host=host, engine="whole").report.engine.reason_code == "asked-for"


def test_folders_are_the_reason_only_where_there_are_some() -> None:
    assert build_text(asks_for(4), host=Host(writable=True), engine="ondemand").report.engine.name == "ondemand"


# -- wrong values


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"clock": -1}, "can't stand at -1"),
        ({"clock": LATEST_SECOND + 1}, "up to"),
        ({"clock": "now"}, "'now' in `clock` is not a time"),
        ({"clock": 1.5}, "not float"),
        ({"clock": True}, "not bool"),
        ({"random": "dice"}, "Write seed:N"),
        ({"writable": 1}, "True or False"),
        ({"file_times": "now"}, "One of fixed, host"),
        ({"wasi": None}, "True or False"),
        ({"max_guest_output": "1 apple"}, "a unit such as"),
        ({"max_guest_output": -1}, "can't be -1"),
    ],
    ids=str,
)
def test_a_policy_that_does_not_fit_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Host(**fields)
