"""HTTP: waitress in front of the application.

waitress is pure Python without dependencies. It reads a request whole, body included, before a thread is given it, so
a slow client keeps no instance waiting; it decodes chunked bodies, drops headers with underscores, which would collide
with those that have dashes, folds repeated ones, and bounds what it reads.
"""

from __future__ import annotations

import logging
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from ..engine.copies.pool import COPY_THREAD_STACK
from ..engine.runtime import thread_stacks
from ..errors import AddressRefused, ServerMissing, UsageError, printable
from .application import Application, Log

if TYPE_CHECKING:
    from waitress.server import BaseWSGIServer

#: Bytes of a request's header.
_LARGEST_HEADER = 64 << 10

#: Connections at the same time; seconds that one may be silent; requests that one may send without waiting for answers.
_MOST_CONNECTIONS = 512
_PATIENCE = 60
_MOST_AHEAD = 4

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
                connection_limit=_MOST_CONNECTIONS,
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
        self._server.asyncore.loop(timeout=_LOOK, map=self._server._map, use_poll=True, count=1)
        for channel in list(self._server.active_channels.values()):
            if channel.will_close:  # waitress does that when it can write, which a client that does not read prevents
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


def _refused(host: str, port: int, problem: Exception) -> AddressRefused:
    reason = problem.strerror if isinstance(problem, OSError) else problem
    return AddressRefused(f"nothing can listen at {printable(host)}, port {port}: {reason}")


def _channels(log: Log) -> type:
    """The class of waitress's connections, that is stricter, and logs what waitress itself answers."""
    from waitress.channel import HTTPChannel
    from waitress.parser import HTTPRequestParser, ParsingError
    from waitress.task import ErrorTask

    class Parser(HTTPRequestParser):  # type: ignore[misc]
        def parse_header(self, header_plus: bytes) -> None:
            try:
                super().parse_header(header_plus)
            except ValueError as problem:  # a length of thousands of digits
                raise ParsingError("The header can't be understood") from problem
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
