"""HTTP: waitress in front of the application.

waitress is pure Python without dependencies. It reads a request whole, body included, before a thread is given it, so
a slow client keeps no instance waiting; it decodes chunked bodies, drops headers with underscores, which would collide
with those that have dashes, folds repeated ones, and bounds what it reads.
"""

from __future__ import annotations

import logging
import re
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from ..engine.copies.pool import COPY_THREAD_STACK
from ..engine.runtime import thread_stacks
from ..errors import AddressRefused, ServerMissing, UsageError, in_words, printable
from .application import Application, Log

if TYPE_CHECKING:
    from waitress.server import BaseWSGIServer

#: Bytes of a request's header.
_LARGEST_HEADER = 64 << 10

#: Connections at the same time; seconds that one may be silent; requests that one may send without waiting for answers.
_MOST_CONNECTIONS = 512
_PATIENCE = 60
_MOST_AHEAD = 4

#: Seconds that one may be silent where three of four places are taken; places that are kept free for who comes next.
_SHORT_PATIENCE = 2.0
_KEPT_FREE = 16

_VERSIONS = ("1.0", "1.1")
_HOST = re.compile(rb"^host[ \t]*:", re.IGNORECASE | re.MULTILINE)

#: Seconds between two looks at whether to stop; after which, when all is done, a connection is left open no longer.
_LOOK = 0.25
_GRACE = 2.0


class Server:
    """Listens from the start; `run` answers requests until `stop` is called.

    Parameters
    ----------
    application: what answers.
    host, port: where to listen; port 0 takes one that is free.
    log: is given a line for each request that does not reach the application.

    Raises `AddressRefused`, and `ServerMissing` where waitress isn't installed.
    """

    def __init__(self, application: Application, host: str, port: int, log: Log) -> None:
        try:
            import waitress.server
        except ImportError as problem:
            raise ServerMissing("`preinit serve` needs the package waitress, which is not installed") from problem
        if not 0 <= port < 1 << 16:
            raise UsageError(f"{port} is no port", hint="Give a number from 0 to 65535.")
        listener = _listen(host, port)
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._application = application
        self._stopping = False
        self._places = _places()
        settings = application.settings
        logging.getLogger("waitress").addHandler(_Handler(log))
        logging.getLogger("waitress").propagate = False
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # requests that wait for a thread
        with thread_stacks(COPY_THREAD_STACK):
            self._server: BaseWSGIServer = waitress.server.create_server(
                application,
                sockets=[listener],
                threads=settings.threads,
                max_request_body_size=settings.max_body + 1,  # refuses what is as large
                max_request_header_size=_LARGEST_HEADER,
                connection_limit=self._places,
                channel_timeout=_PATIENCE,
                cleanup_interval=10,
                outbuf_high_watermark=sys.maxsize,  # no thread waits for a client to read
                clear_untrusted_proxy_headers=False,
                ident=None,
                server_name=self.address[0],
            )
        self._server.channel_class = _channels(log)

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def stop(self) -> None:
        """Has `run` end soon. A signal handler may call it."""
        self._stopping = True
        self._server.pull_trigger()

    def run(self) -> None:
        """Answers requests. After `stop`, takes no new ones, and ends when those that are under way are answered."""
        server = self._server
        while not self._stopping:
            self._turn()
        server.accepting = False
        server.socket.close()  # who connects now is refused
        server.del_channel()
        deadline = time.monotonic() + self._application.settings.timeout + _GRACE
        while self._busy() and time.monotonic() < deadline:
            self._turn()
        self._application.stop()
        server.task_dispatcher.shutdown(timeout=_GRACE)
        server.asyncore.close_all(server._map, ignore_all=True)
        self._application.close()

    def _turn(self) -> None:
        self._make_room()
        self._server.asyncore.loop(timeout=_LOOK, map=self._server._map, use_poll=True, count=1)
        for channel in list(self._server.active_channels.values()):
            if channel.will_close:  # waitress does that when it can write, which a client that does not read prevents
                channel.handle_close()

    def _make_room(self) -> None:
        """Where places run out, hangs up on those who have been silent for longest: who has a request needs one."""
        taken = self._server._map  # of the listener and of what wakes us, too
        if len(taken) < self._places * 3 // 4:
            return
        now = time.time()  # as waitress
        free = min(_KEPT_FREE, self._places // 8)
        full = len(taken) > self._places - free
        channels: list[Any] = list(self._server.active_channels.values())
        silent = [channel for channel in channels if not channel.requests and not channel.total_outbufs_len]
        for channel in sorted(silent, key=lambda channel: channel.last_activity):
            patient = now - channel.last_activity < _SHORT_PATIENCE
            if patient and not (full and len(taken) > self._places - 2 * free):
                return
            channel.handle_close()

    def _busy(self) -> bool:
        channels: list[Any] = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as problem:
        raise _refused(host, port, problem) from problem
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
        return listener
    except OSError as problem:
        listener.close()
        raise _refused(host, port, problem) from problem


def _places() -> int:
    """How many connections there may be: half of the files that this process may open, for guests open some, too."""
    try:
        import resource
    except ImportError:  # Windows
        return _MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(_MOST_CONNECTIONS, max(4 * _KEPT_FREE, soft // 2))
    )


def _refused(host: str, port: int, problem: Exception) -> AddressRefused:
    reason = in_words(problem)
    return AddressRefused(f"nothing can listen at {printable(host)}, port {port}: {reason}")


def _channels(log: Log) -> type:
    """The class of waitress's connections, that is stricter, and logs what waitress itself answers."""
    from waitress.channel import HTTPChannel
    from waitress.parser import HTTPRequestParser, ParsingError
    from waitress.task import ErrorTask
    from waitress.utilities import RequestEntityTooLarge

    class Parser(HTTPRequestParser):  # type: ignore[misc]
        completed: bool

        def received(self, data: bytes) -> int:
            consumed: int = super().received(data)
            body = self.body_rcv
            if self.chunked and body is not None and not self.completed:
                most = self.adj.max_request_body_size
                if body.__len__() + body.chunk_remainder >= most:  # no need to wait for what is announced
                    self.error = RequestEntityTooLarge(f"exceeds max_body of {most}")
                    self.completed = True
            return consumed

        def parse_header(self, header_plus: bytes) -> None:
            try:
                super().parse_header(header_plus)
            except ValueError as problem:  # a length of thousands of digits
                raise ParsingError("The header can't be understood") from problem
            if self.version not in _VERSIONS:
                raise ParsingError("The version of HTTP is neither 1.0 nor 1.1")
            if self.command == "CONNECT":
                raise ParsingError("This is no proxy")
            # https://www.rfc-editor.org/rfc/rfc9112#section-3.2
            hosts = len(_HOST.findall(header_plus))
            if hosts > 1 or (self.version == "1.1" and not hosts):
                raise ParsingError("There has to be one header Host")
            # A proxy may see the end of such a request elsewhere: https://www.rfc-editor.org/rfc/rfc9112#section-6.1
            if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
                raise ParsingError("The length of the body is ambiguous")

    class Refusal(ErrorTask):  # type: ignore[misc]
        def execute(self) -> None:
            super().execute()
            request = self.request
            asked = printable(getattr(request, "first_line", b"").decode("latin-1")[:2000]) or "-"
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            who = self.channel.addr[0]
            log(f'{when} {who} "{asked}" {self.status[:3]} -: {printable(str(request.error.body))}')

    class Channel(HTTPChannel):  # type: ignore[misc]
        error_task_class = Refusal
        parser_class = Parser

        def received(self, data: bytes) -> bool:
            more: bool = super().received(data)
            with self.requests_lock:
                if len(self.requests) > _MOST_AHEAD:  # their answers would pile up: the client sends the rest again
                    for request in self.requests[_MOST_AHEAD:]:
                        request.close()
                    del self.requests[_MOST_AHEAD:]
                    self.requests[-1].headers["CONNECTION"] = "close"
            return more

    return Channel


class _Handler(logging.Handler):
    """What waitress has to say."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log(printable(record.getMessage()))
