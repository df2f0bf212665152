"""WASI 0.2: the same world, ledger and warnings as a core module has with preview 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from preinit import Host, Options, Result, build, errors
from tests.support.components import RunningComponent, build_component
from tests.support.modules import wasm
from tests.support.places import FIXTURES

#: What the components share: memory, and a realloc that hands out more and more of it.
CORE = """(memory (export "memory") 2) (global $free (mut i32) (i32.const 4096))
  (func $realloc (export "realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.get $free) (global.set $free (i32.add (global.get $free) (local.get 3))))"""

STREAMS = """(import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error (type $e)) (export "error" (type $error (eq $e)))
    (export "input-stream" (type $in (sub resource))) (export "output-stream" (type $out (sub resource)))
    (type $failed (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $failed)))
    (export "[method]input-stream.blocking-read" (func (param "self" (borrow $in)) (param "len" u64)
      (result (result (list u8) (error $stream-error)))))
    (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $out)) (param "contents" (list u8))
      (result (result (error $stream-error)))))))
  (alias export $streams "input-stream" (type $in)) (alias export $streams "output-stream" (type $out))"""


def component(
    imports: str, lowered: dict[str, tuple[str, str]], body: str, answer: str = "(i32.load (i32.const 0))"
) -> str:
    """`lowered`: core import -> its core type, and how it is made; `body` of the function `run`."""
    made = "".join(f"(core func ${name} {how})" for name, (_, how) in lowered.items())
    taken = "".join(f'(import "w" "{name}" (func ${name} {kind}))' for name, (kind, _) in lowered.items())
    given = "".join(f'(export "{name}" (func ${name}))' for name in lowered)
    return f"""(component {imports}
      (core module $Memory {CORE}) (core instance $memory (instantiate $Memory))
      (alias core export $memory "memory" (core memory $mem)) (alias core export $memory "realloc" (core func $realloc))
      {made}
      (core module $M (import "m" "memory" (memory 2)) {taken}
        (func $work {body}) (func (export "run") (call $work))
        (func (export "get") (result i32) {answer}))
      (core instance $m (instantiate $M (with "m" (instance $memory)) (with "w" (instance {given}))))
      (func (export "run") (canon lift (core func $m "run")))
      (func (export "get") (result u32) (canon lift (core func $m "get"))))"""


def lower(instance: str, name: str) -> str:
    return f'(canon lower (func {instance} "{name}") (memory $mem) (realloc $realloc))'


ENVIRONMENT = component(
    """(import "wasi:cli/environment@0.2.3" (instance $e
      (export "get-environment" (func (result (list (tuple string string)))))
      (export "get-arguments" (func (result (list string)))) (export "initial-cwd" (func (result (option string))))))""",
    {
        "env": ("(param i32)", lower("$e", "get-environment")),
        "args": ("(param i32)", lower("$e", "get-arguments")),
    },
    # The first variable's value, the last argument's first letters, how many there are.
    """(call $env (i32.const 64)) (call $args (i32.const 80))
       (i32.store (i32.const 0) (i32.load (i32.load offset=8 (i32.load (i32.const 64)))))
       (i32.store (i32.const 4) (i32.load (i32.load offset=8 (i32.load (i32.const 80)))))
       (i32.store (i32.const 8) (i32.load (i32.const 84)))""",
)


def codes(result: Result) -> list[str]:
    return [warning.code for warning in result.report.warnings]


def built(text: str, host: Host | None = None, **options: Any) -> Result:
    return build_component(text, "run", host=host or Host(), **options)


def test_the_environment_and_the_arguments_are_those_that_were_given() -> None:
    result = built(ENVIRONMENT, Host(env={"WHO": "wasm"}, args=("app", "text")))
    assert RunningComponent(result.wasm).call("get") == int.from_bytes(b"wasm", "little")
    assert codes(result) == ["environment-frozen", "arguments-frozen"]
    assert result.report.host.environment == ("WHO",)
    assert result.report.host.arguments == ("app", "text")
    assert "`work`, called from `run`" in result.report.warnings[0].message


def test_a_secret_in_the_output_is_told() -> None:
    text = ENVIRONMENT.replace("(i32.store (i32.const 8)", "(i32.store (i32.const 8)")
    result = built(text, Host(env={"TOKEN": "s3cr3t-value"}, args=("a", "b")))
    assert "environment-value" in codes(result)
    assert "s3cr3t" not in result.report.to_json()


def test_what_was_given_and_never_asked_for_is_told() -> None:
    text = component("", {}, "")
    assert built(text, Host(env={"A": "b"})).report.unused == ("--env A",)


CLOCK = component(
    """(import "wasi:clocks/wall-clock@0.2.0" (instance $wall
         (type $d (record (field "seconds" u64) (field "nanoseconds" u32)))
         (export "datetime" (type $datetime (eq $d))) (export "now" (func (result $datetime)))))
       (import "wasi:clocks/monotonic-clock@0.2.6" (instance $mono (export "now" (func (result u64)))))
       (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))
         (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))""",
    {
        "wall": ("(param i32)", lower("$wall", "now")),
        "mono": ("(result i64)", '(canon lower (func $mono "now"))'),
        "number": ("(result i64)", '(canon lower (func $random "get-random-u64"))'),
        "bytes": ("(param i64 i32)", lower("$random", "get-random-bytes")),
    },
    """(call $wall (i32.const 64)) (i32.store (i32.const 0) (i32.load (i32.const 64)))
       (i64.store (i32.const 8) (call $mono)) (i64.store (i32.const 16) (call $number))
       (call $bytes (i64.const 12) (i32.const 96))""",
)


def test_clocks_and_random_numbers_are_those_of_the_options() -> None:
    result = built(CLOCK, Host(clock="epoch:1700000000"))
    assert RunningComponent(result.wasm).call("get") == 1700000000
    facts = result.report.host
    assert (facts.random_bytes, facts.clock_reads, facts.monotonic_reads) == (20, 1, 1)
    assert codes(result) == ["entropy-frozen", "clock-frozen"]
    assert built(CLOCK, Host(clock="epoch:1700000000")).wasm == result.wasm
    assert built(CLOCK, Host(clock="epoch:1700000000", random="seed:2")).wasm != result.wasm


def test_random_numbers_can_be_denied() -> None:
    with pytest.raises(errors.RandomDenied):
        built(CLOCK, Host(random="deny"))


def test_a_strict_build_refuses_warnings_but_those_that_were_accepted() -> None:
    with pytest.raises(errors.WarningsRefused):
        built(CLOCK, strict=True)
    accepted = ("entropy-frozen@work", "clock-frozen")
    assert built(CLOCK, strict=True, accept=accepted).wasm == built(CLOCK).wasm


def test_wasi_can_be_refused() -> None:
    with pytest.raises(errors.WasiRefused, match="wasi:clocks/wall-clock#now"):
        built(CLOCK, Host(wasi=False))


PRINTS = component(
    STREAMS
    + """(import "wasi:cli/stdout@0.2.0" (instance $stdout
        (alias outer 1 $out (type $o)) (export "output-stream" (type $out (eq $o)))
        (export "get-stdout" (func (result (own $out))))))
       (import "wasi:cli/stdin@0.2.0" (instance $stdin
        (alias outer 1 $in (type $i)) (export "input-stream" (type $in (eq $i)))
        (export "get-stdin" (func (result (own $in))))))""",
    {
        "stdout": ("(result i32)", '(canon lower (func $stdout "get-stdout"))'),
        "stdin": ("(result i32)", '(canon lower (func $stdin "get-stdin"))'),
        "write": ("(param i32 i32 i32 i32)", lower("$streams", "[method]output-stream.blocking-write-and-flush")),
        "read": ("(param i32 i64 i32)", lower("$streams", "[method]input-stream.blocking-read")),
        "drop-in": ("(param i32)", "(canon resource.drop $in)"),
        "drop-out": ("(param i32)", "(canon resource.drop $out)"),
    },
    """(local $in i32) (local $out i32) (local.set $in (call $stdin)) (local.set $out (call $stdout))
       (call $read (local.get $in) (i64.const 100) (i32.const 64))
       (if (i32.eqz (i32.load8_u (i32.const 64))) (then
         (i32.store (i32.const 0) (i32.load (i32.const 72)))
         (call $write (local.get $out) (i32.load (i32.const 68)) (i32.load (i32.const 72)) (i32.const 80))))
       (call $drop-in (local.get $in)) (call $drop-out (local.get $out))""",
)


def test_standard_input_is_read_and_output_passed_on() -> None:
    said: list[bytes] = []
    result = built(PRINTS, Host(stdin=b"some input", stdout=said.append))
    assert b"".join(said) == b"some input"
    assert RunningComponent(result.wasm).call("get") == 10
    assert codes(result) == ["stdin-consumed"]
    assert result.report.host.stdin_bytes == 10
    assert result.report.component is not None
    assert result.report.component.handles == ()


def test_handles_that_are_left_open_are_told_with_type_and_place() -> None:
    text = PRINTS.replace("(call $drop-in (local.get $in))", "")
    result = built(text, Host(quiet_guest=True))
    found = [warning for warning in result.report.warnings if warning.code == "handles-open"]
    assert "1 handle open: `input-stream` (made in `work`, called from `run`)" in found[0].message
    with pytest.raises(errors.WarningsRefused):
        built(text, Host(quiet_guest=True), strict=True, accept=("stdin-consumed",))


def test_output_has_a_limit() -> None:
    with pytest.raises(errors.OutputFlood):
        built(PRINTS, Host(stdin=b"x" * 90, max_guest_output=50, quiet_guest=True))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("(call $drop-in (i32.const 77))", "handle 77 of the resource `input-stream`, which does not exist"),
        ("(call $drop-in (local.get $out))", "as a `input-stream`, and it is a `output-stream`"),
        ("(call $drop-in (local.get $in)) (call $drop-in (local.get $in))", "which does not exist"),
    ],
)
def test_handles_that_there_are_not_end_the_guest(change: str, said: str) -> None:
    text = PRINTS.replace("(call $drop-in (local.get $in))", change)
    with pytest.raises(errors.GuestTrap, match=said):
        built(text, Host(quiet_guest=True))


FILES = component(
    STREAMS
    + """(import "wasi:filesystem/types@0.2.0" (instance $types
        (export "descriptor" (type $descriptor (sub resource)))
        (alias outer 1 $in (type $i)) (export "input-stream" (type $in (eq $i)))
        (type $p (flags "symlink-follow")) (export "path-flags" (type $path-flags (eq $p)))
        (type $o (flags "create" "directory" "exclusive" "truncate")) (export "open-flags" (type $open-flags (eq $o)))
        (type $f (flags "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync" "mutate-directory"))
        (export "descriptor-flags" (type $descriptor-flags (eq $f)))
        (type $c (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist" "file-too-large"
          "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop" "too-many-links"
          "message-size" "name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory" "insufficient-space"
          "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device" "overflow" "not-permitted"
          "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
        (export "error-code" (type $error-code (eq $c)))
        (export "[method]descriptor.open-at" (func (param "self" (borrow $descriptor)) (param "path-flags" $path-flags)
          (param "path" string) (param "open-flags" $open-flags) (param "flags" $descriptor-flags)
          (result (result (own $descriptor) (error $error-code)))))
        (export "[method]descriptor.read" (func (param "self" (borrow $descriptor)) (param "length" u64) (param "offset" u64)
          (result (result (tuple (list u8) bool) (error $error-code)))))
        (export "[method]descriptor.read-via-stream" (func (param "self" (borrow $descriptor)) (param "offset" u64)
          (result (result (own $in) (error $error-code)))))))
       (alias export $types "descriptor" (type $descriptor))
       (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
        (alias outer 1 $descriptor (type $d)) (export "descriptor" (type $descriptor (eq $d)))
        (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))""",
    {
        "folders": ("(param i32)", lower("$preopens", "get-directories")),
        "open": ("(param i32 i32 i32 i32 i32 i32 i32)", lower("$types", "[method]descriptor.open-at")),
        "read": ("(param i32 i64 i64 i32)", lower("$types", "[method]descriptor.read")),
        "via": ("(param i32 i64 i32)", lower("$types", "[method]descriptor.read-via-stream")),
        "stream": ("(param i32 i64 i32)", lower("$streams", "[method]input-stream.blocking-read")),
        "close": ("(param i32)", "(canon resource.drop $descriptor)"),
        "drop-in": ("(param i32)", "(canon resource.drop $in)"),
    },
    """(local $folder i32) (local $file i32)
       (memory.copy (i32.const 200) (i32.const 1024) (i32.const 32))
       (call $folders (i32.const 64)) (local.set $folder (i32.load (i32.load (i32.const 64))))
       (call $open (local.get $folder) (i32.const 1) (i32.const 1024) (i32.const 8) (i32.const 0) (i32.const 1) (i32.const 96))
       (i32.store8 (i32.const 4) (i32.load8_u (i32.const 96))) (i32.store8 (i32.const 5) (i32.load8_u (i32.const 100)))
       (if (i32.eqz (i32.load8_u (i32.const 96))) (then
         (local.set $file (i32.load (i32.const 100)))
         (call $via (local.get $file) (i64.const 4) (i32.const 112))
         (call $close (local.get $file))
         (call $stream (i32.load (i32.const 116)) (i64.const 100) (i32.const 128))
         (i32.store (i32.const 0) (i32.load (i32.load (i32.const 132))))
         (call $drop-in (i32.load (i32.const 116)))))
       (call $close (local.get $folder))""",
    "(i32.or (i32.load (i32.const 0)) (i32.load (i32.const 4)))",
).replace("(core module $Memory", '(core module $Memory (data (i32.const 1024) "note.txt")')

NO_ENTRY, READ_ONLY, NOT_PERMITTED, INVALID = 20, 33, 31, 12


def folder(tmp_path: Path) -> Path:
    (tmp_path / "note.txt").write_text("all good")
    return tmp_path


def test_files_of_a_folder_are_read_also_by_streams_that_outlive_them(tmp_path: Path) -> None:
    result = built(FILES, Host(dirs={str(folder(tmp_path)): "/data"}))
    assert RunningComponent(result.wasm).call("get") == int.from_bytes(b"good", "little")
    facts = result.report.host
    assert [(file.path, file.size) for file in facts.files] == [("/data/note.txt", 8)]
    assert facts.folders_used == ("/data",)
    assert codes(result) == ["folders-frozen"]
    assert result.report.unused == ()


def opens(path: bytes, flags: int, host: Host) -> int:
    """The error code of opening a path, with `open-flags`."""
    text = FILES.replace('"note.txt"', f'"{path.decode()}"').replace(
        "(i32.const 8) (i32.const 0) (i32.const 1)", f"(i32.const {len(path)}) (i32.const {flags}) (i32.const 1)"
    )
    found = RunningComponent(built(text, host).wasm).call("get")
    assert found & 0xFF == 1
    return int(found >> 8 & 0xFF)


def test_nothing_is_written_and_nothing_outside_is_read(tmp_path: Path) -> None:
    host = Host(dirs={str(folder(tmp_path)): "/data"})
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert opens(b"other.txt", 0, host) == NO_ENTRY
    assert opens(b"other.txt", 1, host) == READ_ONLY
    assert opens(b"note.txt", 8, host) == READ_ONLY
    assert opens(b"../note.txt", 0, host) == NOT_PERMITTED
    assert opens(b"/etc/passwd", 0, host) == NOT_PERMITTED
    assert opens(b"link", 0, host) == NOT_PERMITTED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "note.txt"]


def test_an_import_that_does_not_exist_is_named_when_it_is_called() -> None:
    text = component(
        '(import "acme:log/sink@1.0.0" (instance $log (export "put" (func (param "n" u32)))))',
        {"put": ("(param i32)", '(canon lower (func $log "put"))')},
        "(call $put (i32.const 1))",
    )
    with pytest.raises(errors.ImportCalled, match=r"`acme:log/sink@1\.0\.0#put`, which does not exist") as caught:
        built(text)
    assert caught.value.frames[0].name == "work"
    never = text.replace("(call $put (i32.const 1))", "")
    assert RunningComponent(built(never).wasm).call("get") == 0


def test_the_network_answers_that_access_is_denied() -> None:
    text = component(
        """(import "wasi:sockets/tcp-create-socket@0.2.0" (instance $tcp
             (type $f (enum "ipv4" "ipv6")) (export "family" (type $family (eq $f)))
             (type $c (enum "unknown" "access-denied")) (export "error-code" (type $code (eq $c)))
             (export "tcp-socket" (type $socket (sub resource)))
             (export "create-tcp-socket" (func (param "family" $family) (result (result (own $socket) (error $code)))))))""",
        {"create": ("(param i32 i32)", lower("$tcp", "create-tcp-socket"))},
        "(call $create (i32.const 0) (i32.const 64)) (i32.store (i32.const 0) (i32.load (i32.const 64))) "
        "(i32.store (i32.const 4) (i32.load (i32.const 68)))",
        "(i32.add (i32.mul (i32.const 10) (i32.load8_u (i32.const 0))) (i32.load8_u (i32.const 4)))",
    )
    assert RunningComponent(built(text).wasm).call("get") == 11


def test_a_program_that_ends_itself_fails_the_build() -> None:
    text = component(
        '(import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))',
        {"exit": ("(param i32)", '(canon lower (func $exit "exit"))')},
        "(call $exit (i32.const 1))",
    )
    with pytest.raises(errors.GuestExit) as caught:
        built(text)
    assert caught.value.status == 1


def test_waiting_moves_the_clock_and_takes_no_time() -> None:
    text = component(
        """(import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type $p (sub resource)))
             (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
           (alias export $poll "pollable" (type $pollable))
           (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
             (alias outer 1 $pollable (type $p)) (export "pollable" (type $pollable (eq $p)))
             (export "now" (func (result u64)))
             (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))""",
        {
            "after": ("(param i64) (result i32)", '(canon lower (func $clock "subscribe-duration"))'),
            "now": ("(result i64)", '(canon lower (func $clock "now"))'),
            "poll": ("(param i32 i32 i32)", lower("$poll", "poll")),
        },
        """(local $before i64) (local.set $before (call $now))
           (i32.store (i32.const 64) (call $after (i64.const 90000000000)))
           (i32.store (i32.const 68) (call $after (i64.const 60000000000)))
           (call $poll (i32.const 64) (i32.const 2) (i32.const 80))
           (i32.store (i32.const 0) (i32.load (i32.load (i32.const 80))))
           (i32.store (i32.const 4) (i32.wrap_i64 (i64.div_u (i64.sub (call $now) (local.get $before)) (i64.const 1000000000))))""",
        "(i32.add (i32.mul (i32.const 1000) (i32.load (i32.const 0))) (i32.load (i32.const 4)))",
    )
    result = built(text)
    assert RunningComponent(result.wasm).call("get") == 1060
    assert "2 handles open" in result.report.warnings[0].message


def test_an_import_of_wasi_with_another_type_ends_the_build_with_an_error() -> None:
    text = component(
        '(import "wasi:random/random@0.2.0" (instance $r (export "get-random-bytes" (func (param "len" string) (result u32)))))',
        {"get": ("(param i32 i32) (result i32)", lower("$r", "get-random-bytes"))},
        "(drop (call $get (i32.const 0) (i32.const 4)))",
    )
    with pytest.raises(errors.ImportCalled, match="another type"):
        built(text)


def test_a_trap_in_a_component_build_leaves_no_folder_open(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="can't be opened"):
        build(wasm(FILES), Options(cache=False, init_funcs=("run",), host=Host(dirs={str(tmp_path / "none"): "/data"})))


def test_folders_that_are_asked_for_without_end_have_a_limit(tmp_path: Path) -> None:
    loop = FILES.replace(
        "(call $folders (i32.const 64)) (local.set $folder",
        "(loop $again (call $folders (i32.const 64)) (br $again)) (local.set $folder",
    )
    assert loop != FILES
    with pytest.raises(errors.EngineLimit, match="more than 1,024 descriptors"):
        built(loop, Host(dirs={str(folder(tmp_path)): "/data"}))


def test_a_path_with_a_zero_byte_is_none(tmp_path: Path) -> None:
    text = FILES.replace('"note.txt"', '"not\\00.txt"')
    found = RunningComponent(built(text, Host(dirs={str(folder(tmp_path)): "/data"})).wasm).call("get")
    assert found >> 8 & 0xFF == INVALID


@pytest.mark.parametrize(
    ("name", "warned"), [("an-adapter-of-its-own-that-printed", False), ("handles-are-left-open", True)]
)
def test_whose_handles_are_left_is_known_after_many_calls_too(
    monkeypatch: pytest.MonkeyPatch, name: str, warned: bool
) -> None:
    monkeypatch.setattr("preinit.engine.component.linked._MOST_PLACES", 0)
    text = (FIXTURES / f"shapes/components/{name}.wat").read_text()
    result = build(wasm(text), Options(cache=False, host=Host(quiet_guest=True)))
    assert ("handles-open" in codes(result)) == warned
