"""Requests to `preinit serve`, answered by a pre-initialized command."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import cast

import pytest

from preinit import Host, Options, build
from preinit.serve.application import Application
from preinit.serve.server import Server
from preinit.version import VERSION
from tests.support.modules import wasm
from tests.support.places import FIXTURES
from tests.support.serving import Served, served
from tests.support.waiting import PATIENCE, wait_for, with_time_enough


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C fixture, pre-initialized."""
    path = tmp_path_factory.mktemp("serve") / "ready.wasm"
    options = Options(cache=False, rename_funcs=(("_start", "preinit_resume"),))
    path.write_bytes(build(str(FIXTURES / "cgi/cgi.wasm"), options).wasm)
    return path


@pytest.fixture(scope="module")
def server(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "note").write_text("a note")
    limits = ("--timeout", str(PATIENCE), "--max-body", "1000", "--max-output", "100KiB", "--max-memory", "16MiB")
    given = ("--env", "MODE=test", "--env", "HTTP_PROXY=proxy", "--env", "REQUEST_METHOD=BREW", "--threads", "4")
    with served(command, "--dir", f"{folder}::/data", *given, *limits) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(command: Path) -> Iterator[Served]:
    """For guests that take too long: on a busy machine all others do so, too."""
    with served(command, "--timeout", "0.3") as running:
        yield running


def test_each_request_has_an_instance_of_its_own(server: Served) -> None:
    for _ in range(3):
        status, headers, body = server.ask()
        assert status == 200
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert int(headers["Content-Length"]) == len(body)
        assert b"1575661 primes" in body
        assert b"request 1 that" in body


def test_it_says_that_it_compiles_before_it_serves(server: Served, command: Path) -> None:
    assert server.log[0] == f"compiling {command}"
    assert server.log[1].startswith(f"serving {command} at http://")


def test_the_guest_sees_the_request_in_its_environment(server: Served) -> None:
    seen = server.variables("/env?a=%20b&c", {"X-Two-Words": "grüße".encode().decode("latin-1"), "Cookie": "a=1"})
    assert seen["PATH_INFO"] == "/env"
    assert seen["QUERY_STRING"] == "a=%20b&c"
    assert seen["REQUEST_METHOD"] == "GET"
    assert seen["GATEWAY_INTERFACE"] == "CGI/1.1"
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert seen["SERVER_SOFTWARE"] == f"preinit/{VERSION}"
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("127.0.0.1", str(server.address[1]))
    assert (seen["REMOTE_ADDR"], seen["SCRIPT_NAME"]) == ("127.0.0.1", "")
    assert seen["HTTP_X_TWO_WORDS"] == "grüße"
    assert seen["HTTP_COOKIE"] == "a=1"
    assert seen["MODE"] == "test"
    assert "CONTENT_LENGTH" not in seen


def test_a_path_is_decoded(server: Served) -> None:
    assert server.ask("/gr%C3%BC%C3%9Fe%20%3f")[2].decode() == "/grüße ?\n"


def test_a_proxy_header_is_not_taken_for_a_proxy(server: Served) -> None:
    seen = server.variables(headers={"Proxy": "http://evil.example/", "Proxy-Authorization": "secret"})
    assert not [name for name in seen if "PROXY" in name]


def test_headers_that_only_look_like_another_one_are_dropped(server: Served) -> None:
    seen = server.raw(b"GET /env HTTP/1.1\r\nHost: x\r\nX-Admin: no\r\nX_Admin: yes\r\nConnection: close\r\n\r\n")
    assert b"HTTP_X_ADMIN=no" in seen
    assert b"yes" not in seen


def test_repeated_headers_are_folded(server: Served) -> None:
    seen = server.raw(b"GET /env HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\nConnection: close\r\n\r\n")
    assert b"HTTP_ACCEPT=a, b\n" in seen
    assert b"HTTP_CONNECTION" not in seen


def test_a_body_is_standard_input(server: Served) -> None:
    status, headers, body = server.ask("/echo", "POST", b"\0\xff body", {"Content-Type": "application/x"})
    assert (status, headers["Content-Type"], body) == (200, "application/x", b"\0\xff body")


def test_a_chunked_body_has_a_length(server: Served) -> None:
    assert server.ask("/echo", "POST", iter([b"one ", b"two"]), {"Content-Type": "text/plain"})[2] == b"one two"
    seen = server.ask("/env", "POST", iter([b"one ", b"two"]))[2]
    assert b"CONTENT_LENGTH=7\n" in seen
    assert b"TRANSFER_ENCODING" not in seen


def test_an_answer_to_head_has_no_body(server: Served) -> None:
    status, headers, body = server.ask(method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 100


def test_clock_and_random_numbers_are_those_of_the_moment(server: Served) -> None:
    (first, one), (second, other) = (server.ask("/world")[2].split() for _ in range(2))
    assert abs(int(first) - time.time()) < 60
    assert int(second) >= int(first)
    assert one != other


def test_folders_can_be_read_and_not_written(server: Served) -> None:
    assert server.ask("/note")[2] == b"read only\na note"


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/trap", 500, "the command trapped; .*unreachable"),
        ("/deep", 500, "the command (trapped|exhausted)"),
        ("/flood", 502, "printed more than 102,400 bytes"),
        ("/exit", 500, "exit code 3"),
        ("/silent", 502, "printed nothing"),
        ("/no-header", 502, "no header.*just text"),
        ("/bad-header", 502, "not a field"),
        ("/bad-value", 502, "not a field"),
        ("/bad-status", 502, "an invalid status; .*fine"),
        ("/loop", 502, "more than 5 times"),
    ],
)
def test_a_guest_that_fails_is_an_answer_and_a_line(server: Served, path: str, status: int, why: str) -> None:
    assert_fails(server, path, status, why)
    assert server.ask()[0] == 200


def assert_fails(server: Served, path: str, status: int, why: str) -> None:
    found, headers, body = server.ask(path)
    assert found == status
    assert headers["Content-Type"].startswith("text/plain")
    assert body.startswith(f"{status} ".encode())
    assert b"just text" not in body, "what the guest printed is for the log"
    assert server.logged(f'"GET {path} HTTP/1.1" {status} .*{why}')


@pytest.mark.parametrize("path", ["/spin", "/slow", "/complain"])
def test_a_guest_that_takes_too_long_is_ended(impatient: Served, path: str) -> None:
    assert_fails(impatient, path, 504, "longer than 0.3 seconds")
    wait_for(lambda: impatient.ask()[0] == 200)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/exit-late", 200, b"done"),
        ("/missing", 404, b"no such page"),
        ("/empty", 204, b""),
        ("/away", 302, b""),
        ("/sleep", 200, b""),
    ],
)
def test_a_guest_says_what_the_status_is(server: Served, path: str, status: int, body: bytes) -> None:
    found, headers, seen = server.ask(path)
    assert (found, seen) == (status, body)
    assert headers.get("Location") == ("https://example.org/" if path == "/away" else None)
    assert server.logged(f'"GET {path} HTTP/1.1" {status} ')


def test_fields_may_be_repeated_but_the_length_is_what_it_is(server: Served) -> None:
    _, headers, body = server.ask("/cookies")
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert (headers["Content-Length"], body) == ("2", b"ok")
    assert headers["Connection"] is None


def test_a_local_redirect_is_followed_here(server: Served) -> None:
    seen = server.ask("/local", "POST", b"body")[2]
    assert b"PATH_INFO=/env\n" in seen
    assert b"QUERY_STRING=from=local\n" in seen
    assert b"REQUEST_METHOD=GET\n" in seen
    assert b"CONTENT_LENGTH" not in seen


def test_memory_stops_growing_at_the_limit(server: Served) -> None:
    assert 0 < int(server.ask("/grow")[2]) < (16 << 20) / 65536


def test_what_a_guest_complains_of_is_logged_and_can_t_steer_a_terminal(server: Served) -> None:
    assert server.ask("/stderr")[0] == 200
    assert server.logged(r"^  guest: a \\x1b\[1mnote$")


def test_a_body_may_be_as_large_as_the_limit_and_no_larger(server: Served) -> None:
    assert server.ask("/echo", "POST", b"x" * 1000, {"Content-Type": "a/b"})[2] == b"x" * 1000
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001
    assert b" 413 " in server.raw(request).split(b"\r\n")[0]
    chunked = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001
    assert b" 413 " in server.raw(chunked).split(b"\r\n")[0]
    assert server.logged(r'"POST /echo HTTP/1.1" 413 ')
    assert server.ask()[0] == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /" + b"x" * (64 << 10) + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHOST: a\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n", 413),
        (b"GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
    ],
)
def test_a_malformed_request_is_refused_with_a_line(server: Served, request_bytes: bytes, status: int) -> None:
    before = len(server.log)
    assert f" {status} ".encode() in server.raw(request_bytes).split(b"\r\n")[0]
    assert server.logged(f" {status} ", before)
    assert server.ask()[0] == 200


@pytest.mark.parametrize("size", [b"3e9", b"7fffffff", b"ffffffffffffffffffff"])
def test_a_chunk_beyond_the_limit_is_refused_before_it_is_sent(server: Served, size: bytes) -> None:
    with socket.create_connection(server.address, timeout=PATIENCE) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
        assert b" 413 " in connection.recv(1 << 16).split(b"\r\n")[0]


def test_one_host_is_enough_and_old_clients_need_none(server: Served) -> None:
    assert b" 200 " in server.raw(b"GET / HTTP/1.1\r\nHost:\r\nX-Host: a\r\nConnection: close\r\n\r\n")
    assert b" 200 " in server.raw(b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: "])
def test_silent_connections_do_not_take_all_places(command: Path, begun: bytes) -> None:
    """The server has 64 places here, and more clients say nothing, or begin to."""
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))"
    with served(command, prepared=few) as server, ExitStack() as silent:
        for _ in range(200):
            connection = silent.enter_context(socket.create_connection(server.address, timeout=PATIENCE))
            with suppress(OSError):  # it may have been hung up on already
                connection.sendall(begun)
        assert server.ask()[0] == 200
        assert server.ask()[0] == 200
        assert not [line for line in server.log if "Traceback" in line or "exception" in line]


def test_a_client_that_sends_many_requests_at_once_is_answered_some_and_hung_up_on(server: Served) -> None:
    assert server.raw(b"GET /missing HTTP/1.1\r\nHost: x\r\n\r\n" * 100).count(b" 404 Not Here\r\n") == 4
    assert server.ask()[0] == 200


#: Answers with more bytes than the system keeps for a client that does not read.
LARGE = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 200)
  (data (i32.const 100) "Content-Type: text/plain\\n\\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 12000000))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""


def test_clients_that_do_not_read_keep_nobody_waiting_and_are_hung_up_on() -> None:
    application = Application(wasm(LARGE), threads=1, cache=False)
    server = Server(application, "127.0.0.1", 0, lambda line: None)
    thread = threading.Thread(target=server.run)
    thread.start()
    channels = server._server.active_channels
    try:
        with socket.create_connection(server.address, timeout=PATIENCE) as deaf:
            deaf.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
            assert Served.ask(cast("Served", server))[0] == 200  # behind those, in the only thread
            (channel,) = [found for found in list(channels.values()) if found.addr == deaf.getsockname()]
            wait_for(lambda: not channel.requests)
            server._server.maintenance(time.time() + 61)  # as if that much time were over
            server._server.pull_trigger()
            wait_for(lambda: channel not in list(channels.values()))
    finally:
        server.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def test_requests_are_answered_while_others_take_their_time(command: Path) -> None:
    def check(seconds: float) -> None:
        with served(command, "--timeout", str(seconds), "--threads", "4") as running, ThreadPoolExecutor(8) as pool:
            slow = [pool.submit(running.ask, "/spin") for _ in range(2)]
            others = [pool.submit(running.ask) for _ in range(20)]
            assert all(b"request 1 that" in answer.result()[2] for answer in others)
            assert [answer.result()[0] for answer in slow] == [504, 504]

    with_time_enough(check)


def test_memory_of_instances_is_given_back(server: Served) -> None:
    def resident() -> int:
        text = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) << 10

    if not os.path.exists("/proc/self/status"):
        pytest.skip("this system does not tell")
    for _ in range(50):
        server.ask("/grow")
    before = resident()
    for _ in range(300):
        assert server.ask()[0] == 200
    assert resident() < before + (8 << 20)  # 300 instances would have 1 GB


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_after_what_is_under_way(command: Path, number: int) -> None:
    with served(command) as running, ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(running.ask, "/sleep") for _ in range(4)]
        while not any(running.log[2:]) and not all(answer.done() for answer in answers):
            time.sleep(0.001)
        assert running.end(number) == 0
        done = [answer.result()[0] for answer in answers if not answer.exception()]
        assert done
        assert set(done) == {200}


def test_a_guest_that_spins_does_not_keep_the_server_from_ending(command: Path) -> None:
    with served(command, "--timeout", "0.5") as running:
        thread = threading.Thread(target=lambda: running.ask("/spin"))
        thread.start()
        time.sleep(0.1)
        assert running.end() == 0
        thread.join()


def test_a_scripting_language_that_has_read_its_program_answers(tmp_path: Path) -> None:
    ready = tmp_path / "ready.wasm"
    app = str(FIXTURES / "lisp/app")
    options = Options(cache=False, host=Host(dirs=((app, "/app"),)), rename_funcs=(("_start", "preinit_resume"),))
    ready.write_bytes(build(str(FIXTURES / "lisp/lisp.wasm"), options).wasm)
    with served(ready) as running:
        first, again = running.ask("/?n=1000"), running.ask("/?n=1000")
        assert b"There are 168 primes below 1000." in first[2]
        assert b"that this instance gave: 1" in again[2]
        assert running.ask("/nothing")[0] == 404
    with served(FIXTURES / "lisp/lisp.wasm", "--entry", "preinit_resume", "--dir", f"{app}::/app") as running:
        assert running.ask("/?n=1000")[2] == first[2]


def test_a_quiet_server_says_only_where_it_is(command: Path) -> None:
    with served(command, "-q") as running:
        assert running.ask("/trap")[0] == 500
        assert running.end() == 0
        assert len(running.log) == 1
