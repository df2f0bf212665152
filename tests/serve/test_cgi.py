"""CGI: from a request to variables, from what a command prints to an answer; what can't be served."""

from __future__ import annotations

import gc
import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preinit.engine.copies.pool import Copy
from preinit.errors import InputError, PreinitError, ServerMissing, UnknownExport, UsageError
from preinit.host.guest import Guest
from preinit.serve.application import Application
from preinit.serve.failure import Failed
from preinit.serve.request import read_request
from preinit.serve.response import Answer, LocalRedirect, read_response
from preinit.serve.server import Server
from preinit.serve.settings import Settings
from tests.support.command import fails
from tests.support.modules import wasm

EMPTY = '(module (func (export "_start")))'


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda rest: b"Status: 200\r\n" + rest)))
def test_whatever_a_command_prints_is_an_answer_or_refused(output: bytes) -> None:
    try:
        answer = read_response(output)
    except Failed as problem:
        assert problem.status == 502
        return
    if isinstance(answer, Answer):
        assert re.fullmatch(r"[2-5][0-9]{2} [^\r\n]*", answer.status)
        for name, value in answer.fields:
            assert re.fullmatch(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+", name)
            assert not re.search(r"[\r\n\0]", value)


@pytest.mark.parametrize(
    ("output", "status", "body"),
    [
        (b"Content-Type: a/b\n\nx", "200 OK", b"x"),
        (b"Content-Type: a/b\r\n\r\n\r\nx", "200 OK", b"\r\nx"),
        (b"content-type:a/b\nstatus:  404\n\nx", "404 Not Found", b"x"),
        (b"Status: 299 Fine by me\n\n", "299 Fine by me", b""),
        (b"Status: 299\n\n", "299 Unknown", b""),
        (b"Location: http://a/\n\n", "302 Found", b""),
        (b"Location: //a/\n\n", "302 Found", b""),
        (b"Location: /a\nStatus: 301\n\n", "301 Moved Permanently", b""),
        (b"Status: 304\n\nbody", "304 Not Modified", b""),
    ],
)
def test_the_status_is_the_command_s(output: bytes, status: str, body: bytes) -> None:
    answer = read_response(output)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"\n\nx",
        b"Content-Type: a/b\nx",
        b"Content-Type: a/b\nStatus: 100\n\nx",
        b"Content-Type: a/b\nStatus: 200\nStatus: 404\n\nx",
        b"Location: http://a/\nLocation: http://b/\n\n",
        b"Content Type: a/b\n\nx",
        b"Content-Type: a/b\n folded\n\nx",
        b"Content-Type: a\0b\n\nx",
        b"X: y\n\nbody without a type",
        b"X: " + b"y" * (64 << 10) + b"\n\n",
        b"X: y\n" * 300 + b"\n",
    ],
)
def test_what_is_no_response_is_refused(output: bytes) -> None:
    with pytest.raises(Failed) as problem:
        read_response(output)
    assert problem.value.status == 502


def test_a_path_alone_is_a_redirect_within_the_server() -> None:
    assert read_response("Location: /ü?a=b\n\n".encode()) == LocalRedirect("/ü?a=b")


def environ(**more: Any) -> dict[str, Any]:
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http", **more}


def test_what_the_user_gives_does_not_hide_what_the_request_says() -> None:
    given = (("REQUEST_METHOD", "BREW"), ("HTTP_COOKIE", "mine"), ("CONTENT_LENGTH", "9"), ("MODE", "x"))
    seen = dict(read_request(environ(), given, 10).variables)
    assert (seen["REQUEST_METHOD"], seen["MODE"]) == ("GET", "x")
    assert "HTTP_COOKIE" not in seen
    assert "CONTENT_LENGTH" not in seen


def test_without_a_marked_end_a_body_is_as_long_as_it_says() -> None:
    request = read_request(environ(CONTENT_LENGTH="3", **{"wsgi.input": io.BytesIO(b"abcdef")}), (), 10)
    assert request.body == b"abc"
    for length, status in (("11", 413), ("x", 400), ("-1", 400), ("9" * 30, 400)):
        with pytest.raises(Failed) as problem:
            read_request(environ(CONTENT_LENGTH=length, **{"wsgi.input": io.BytesIO(b"x" * 20)}), (), 10)
        assert problem.value.status == status


def test_https_is_told() -> None:
    assert dict(read_request(environ(**{"wsgi.url_scheme": "https"}), (), 10).variables)["HTTPS"] == "on"


@pytest.mark.parametrize("name", ["PATH_INFO", "HTTP_X", "CONTENT_TYPE", "QUERY_STRING"])
def test_what_no_environment_can_hold_is_refused(name: str) -> None:
    with pytest.raises(Failed, match="NUL"):
        read_request(environ(**{name: "a\0b"}), (), 10)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("(module)", UnknownExport),
        ('(module (func (export "_start") (param i32)))', UnknownExport),
        ('(module (memory (export "_start") 1))', UnknownExport),
        ('(module (func (export "_start")) (func (export "_initialize") (result i32) (i32.const 0)))', UnknownExport),
        ('(module (memory 5000) (func (export "_start")))', PreinitError),
        ('(module (import "a" "b" (memory 1)) (func (export "_start")))', PreinitError),
        ('(module (func (export "_start") (drop)))', InputError),
    ],
)
def test_modules_that_can_t_be_served_are_refused(text: str, kind: type) -> None:
    with pytest.raises(kind):
        Application(wasm(text), cache=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"timeout": 0}, {"timeout": float("nan")}, {"timeout": 1e9}, {"timeout": "1"}, {"threads": 0},
        {"threads": 1000}, {"max_memory": 5 << 30}, {"max_body": -1}, {"max_output": 2 << 30},
        {"env": [("A=", "b")]}, {"env": [("A", "b\0")]}, {"args": "x"}, {"compiler": "llvm"}, {"entry": 3},
        {"speed": 1},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Application(wasm(EMPTY), **fields)


def test_a_folder_that_is_not_there_is_found_out_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be opened"):
        Application(wasm(EMPTY), dirs={str(tmp_path / "missing"): "/x"}, cache=False)


def test_an_application_serves_in_any_wsgi_server() -> None:
    heard: list[Any] = []
    application = Application(wasm(EMPTY), cache=False, log=heard.append)
    body = b"".join(application(environ(), lambda status, fields: heard.append((status, dict(fields)))))
    assert body == b"502 Bad Gateway: the command printed nothing\n"
    assert heard[1] == (
        "502 Bad Gateway",
        {
            "Content-Type": "text/plain; charset=utf-8",
            "X-Content-Type-Options": "nosniff",
            "Content-Length": str(len(body)),
        },
    )
    application.close()


@pytest.mark.parametrize("after", ["", "(call $exit (i32.const 3))", "unreachable"])
def test_nothing_of_an_answered_request_waits_for_cycles_to_be_collected(after: str) -> None:
    text = f"""(module
      (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start") (drop (call $yield)) {after}))"""
    application = Application(wasm(text), cache=False)
    before = sum(isinstance(found, Guest | Copy) for found in gc.get_objects())
    gc.disable()
    try:
        b"".join(application(environ(), lambda *_: None))
        assert sum(isinstance(found, Guest | Copy) for found in gc.get_objects()) == before
    finally:
        gc.enable()
        application.close()


def test_a_start_function_that_traps_is_the_request_s_failure() -> None:
    text = '(module (func $s unreachable) (start $s) (func (export "_start")))'
    heard: list[str] = []
    body = b"".join(Application(wasm(text), cache=False, log=heard.append)(environ(), lambda *_: None))
    assert body.startswith(b"500 ")
    assert "unreachable" in heard[0]


def test_wasi_without_a_memory_is_the_request_s_failure() -> None:
    text = """(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
      (import "wasi_snapshot_preview1" "args_sizes_get" (func (param i32 i32) (result i32)))
      (func (export "_start") (drop (call 1 (i32.const 0) (i32.const 0)))))"""
    assert b"not exported as `memory`" in b"".join(Application(wasm(text), cache=False)(environ(), lambda *_: None))


def test_a_server_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "waitress.server", None)
    with pytest.raises(ServerMissing) as problem:
        Server(Application(wasm(EMPTY), Settings(cache=False)), "127.0.0.1", 0, print)
    assert "preinit[serve]" in str(problem.value)


def test_wrong_commands_say_what_is_wrong(tmp_path: Path) -> None:
    good = tmp_path / "good.wat"
    good.write_text(EMPTY)
    assert "error[unreadable]" in fails("serve", tmp_path / "missing.wasm", code=2)
    assert "error[unknown-export]" in fails("serve", good, "--entry", "run")
    assert "error[usage]" in fails("serve", good, "--timeout", "0", code=2)
    assert "error[usage]" in fails("serve", good, "--port", "70000", code=2)
    assert "error[address-refused]" in fails("serve", good, "--bind", "192.0.2.1")
    assert "error[address-refused]" in fails("serve", good, "--bind", "no such host")
    assert "preinit serve" in fails("serve", good, "--speed", code=2)


# -- when an answer is complete ----------------------------------------------------------------------------------------

_WASI = """(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $say (param i32 i32) (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"""


def served(text: str, pieces: list[tuple[int, int]], after: str) -> tuple[str, bytes]:
    """What a command answers that prints pieces of a text, start and length of each, and then does something else."""
    says = "".join(f"(call $say (i32.const {64 + start}) (i32.const {size}))" for start, size in pieces)
    source = f'(module {_WASI} (data (i32.const 64) "{text}") (func (export "_start") {says} {after}))'
    given: list[str] = []
    with_settings = Settings(cache=False, timeout=30)
    application = Application(wasm(source), with_settings)
    try:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": io.BytesIO(), "SERVER_PROTOCOL": "HTTP/1.1"}
        body = b"".join(application(environ, lambda status, fields: given.append(status)))
    finally:
        application.close()
    return given[0], body


FOREVER = "(loop $l (br $l))"


def test_an_answer_of_the_length_that_was_said_is_sent_while_the_command_goes_on() -> None:
    text = r"Content-Type: a/b\nContent-Length: 5\n\nhelloXYZ"
    assert served(text, [(0, 10), (10, 35), (45, 100)], FOREVER) == ("200 OK", b"hello")
    assert served(text, [(0, 43)], FOREVER) == ("200 OK", b"hello")


def test_an_answer_is_complete_when_standard_output_is_closed() -> None:
    text = r"Content-Type: a/b\n\nhello"
    assert served(text, [(0, 24)], f"(drop (call $close (i32.const 1))) {FOREVER}") == ("200 OK", b"hello")


def test_what_is_shorter_than_was_said_is_waited_for() -> None:
    text = r"content-length: 50\r\nContent-Type: a/b\r\n\r\nhello"
    assert served(text, [(0, 46)], "") == ("200 OK", b"hello")


@pytest.mark.parametrize("said", ["x", "-1", "", "5\nContent-Length: 6", "99999999999999999999999"])
def test_a_length_that_is_none_is_not_believed(said: str) -> None:
    text = f"Content-Type: a/b\nContent-Length: {said}\n\nhello world"
    status, body = served(text.replace("\n", "\\n"), [(0, len(text))], "")
    assert (status, body) == ("200 OK", b"hello world")
