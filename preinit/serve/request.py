"""From a WSGI request to the environment of a CGI command.

https://www.rfc-editor.org/rfc/rfc3875#section-4
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tuples import NamedTuple
from ..version import VERSION
from .failure import Failed

#: Variables that are passed on as they are.
_VARIABLES = (
    "PATH_INFO",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "REQUEST_METHOD",
    "REQUEST_URI",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
)

#: Headers that are no guest's business: they have a variable of their own, are between client and server (section
#: 4.1.18; RFC 9110, section 7.6.1), or would be taken for something else: programs that make requests take HTTP_PROXY
#: for the user's proxy (https://httpoxy.org).
_LEFT_OUT = frozenset(
    "HTTP_" + name
    for name in (
        "CONNECTION", "CONTENT_LENGTH", "CONTENT_TYPE", "EXPECT", "KEEP_ALIVE", "PROXY", "PROXY_AUTHENTICATE",
        "PROXY_AUTHORIZATION", "PROXY_CONNECTION", "TE", "TRAILER", "TRAILERS", "TRANSFER_ENCODING", "UPGRADE",
    )
)  # fmt: skip


class Request(NamedTuple):
    """`variables`: name and value, bytes of the host as Python decodes them for a guest. `body`: what stdin has."""

    variables: tuple[tuple[str, str], ...]
    body: bytes
    is_head: bool

    def redirected(self, location: str) -> Request:
        """The request that a local redirect stands for (section 6.2.2): a GET of another path, without a body."""
        from urllib.parse import unquote_to_bytes

        path, _, query = location.partition("?")
        known = dict(self.variables)
        for name in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            known.pop(name, None)
        decoded = unquote_to_bytes(path.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        known |= {
            "PATH_INFO": _without_nul("PATH_INFO", decoded),
            "QUERY_STRING": query,
            "REQUEST_METHOD": "HEAD" if self.is_head else "GET",
            "REDIRECT_STATUS": "200",
        }
        return Request(tuple(known.items()), b"", self.is_head)


def read_request(environ: Mapping[str, Any], settings_env: tuple[tuple[str, str], ...], max_body: int) -> Request:
    """What a command is told of a request; `settings_env` stands where the request says nothing.

    Raises `Failed` for a body of more than `max_body` bytes, or what no environment can hold.
    """
    body = _body(environ, max_body)
    known = dict(settings_env)
    known["GATEWAY_INTERFACE"] = "CGI/1.1"
    known["SERVER_SOFTWARE"] = f"preinit/{VERSION}"
    if environ.get("wsgi.url_scheme") == "https":
        known["HTTPS"] = "on"
    for name in ("CONTENT_LENGTH", "CONTENT_TYPE"):
        known.pop(name, None)
    for name in [name for name in known if name.startswith("HTTP_")]:
        del known[name]  # a variable of that name says what a client sent
    for name in _VARIABLES:
        known[name] = _decoded(name, environ.get(name, ""))
    if body or environ.get("CONTENT_LENGTH"):
        known["CONTENT_LENGTH"] = str(len(body))
    if environ.get("CONTENT_TYPE"):
        known["CONTENT_TYPE"] = _decoded("CONTENT_TYPE", environ["CONTENT_TYPE"])
    for name, value in environ.items():
        if name.startswith("HTTP_") and name not in _LEFT_OUT and isinstance(value, str):
            known[name] = _decoded(name, value)
    return Request(tuple(known.items()), body, environ.get("REQUEST_METHOD") == "HEAD")


def _body(environ: Mapping[str, Any], most: int) -> bytes:
    stream = environ.get("wsgi.input")
    if stream is None:
        return b""
    if environ.get("wsgi.input_terminated"):
        size = most + 1
    else:  # without that, reading more than there is would wait for it
        text = environ.get("CONTENT_LENGTH") or "0"
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise Failed(400, "the length of the body is not a number")
        size = min(int(text), most + 1)
    body: bytes = stream.read(size) if size else b""
    if len(body) > most:
        raise Failed(413, f"the body has more than {most:,} bytes")
    return body


def _decoded(name: str, value: str) -> str:
    """WSGI decodes bytes as Latin-1, whatever they are (PEP 3333); a guest gets the bytes."""
    return _without_nul(name, value.encode("latin-1", "replace").decode("utf-8", "surrogateescape"))


def _without_nul(name: str, value: str) -> str:
    if "\0" in value:
        raise Failed(400, f"{name} has a NUL character, which no environment can hold")
    return value
