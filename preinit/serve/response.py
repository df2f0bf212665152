"""From what a CGI command printed to an answer.

https://www.rfc-editor.org/rfc/rfc3875#section-6
"""

from __future__ import annotations

import re
from http import HTTPStatus

from ..tuples import NamedTuple
from .failure import Failed

#: Where the header ends: an empty line, with either kind of line end.
HEADER_END = re.compile(rb"\r?\n\r?\n")
_LINE = re.compile(rb"\r?\n")

#: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 and #section-5.5
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_STATUS = re.compile(r"([2-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")

#: Bytes of a header, and fields in it.
LARGEST_HEADER = 64 << 10
_MOST_FIELDS = 256

#: Fields that are the server's (RFC 9110, section 7.6.1); how long the body is, it sees.
_LEFT_OUT = frozenset((
    "connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "trailers", "transfer-encoding", "upgrade",
))  # fmt: skip

_NO_BODY = (204, 205, 304)


class Answer(NamedTuple):
    """`status` line, header fields in order, body."""

    status: str
    fields: tuple[tuple[str, str], ...]
    body: bytes


class LocalRedirect(NamedTuple):
    """The answer is that to another path on this server (section 6.2.2)."""

    location: str


def read_response(output: bytes) -> Answer | LocalRedirect:
    """Raises `Failed` with status 502 for what is no CGI response."""
    if not output:
        raise Failed(502, "the command printed nothing")
    end = HEADER_END.search(output, 0, LARGEST_HEADER)
    if end is None:
        raise Failed(502, "the command printed no header, or no empty line after it", _start(output))
    fields: list[tuple[str, str]] = []
    status = location = None
    lines = _LINE.split(output[: end.start()])
    if len(lines) > _MOST_FIELDS:
        raise Failed(502, f"the command's header has more than {_MOST_FIELDS} fields")
    for line in lines:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Failed(502, "the command printed a line in its header that is not a field", _start(line))
        title, text = name.decode("ascii"), value.decode("latin-1")
        if title.lower() == "status":
            if status is not None:
                raise Failed(502, "the command printed two statuses")
            status = _status(text)
        elif title.lower() not in _LEFT_OUT:
            if title.lower() == "location":
                if location is not None:
                    raise Failed(502, "the command printed two locations")
                location = text
            fields.append((title, text))
    body = output[end.end() :]
    is_local = location is not None and location.startswith("/") and not location.startswith("//")
    if location is not None and is_local and status is None and len(fields) == 1 and not body:
        return LocalRedirect(_value(location))
    if status is None:
        status = "302 Found" if location is not None else "200 OK"
    if int(status[:3]) in _NO_BODY:
        body = b""
    elif body and not any(title.lower() == "content-type" for title, _ in fields):
        raise Failed(502, "the command printed a body, and no Content-Type", _start(output))
    return Answer(status, tuple(fields), body)


def _value(location: str) -> str:
    """Its bytes, as Python decodes them for a guest."""
    return location.encode("latin-1").decode("utf-8", "surrogateescape")


def _status(text: str) -> str:
    match = _STATUS.fullmatch(text)
    if not match:
        raise Failed(502, "the command printed an invalid status", _start(text.encode("latin-1")))
    return f"{match[1]} {match[2] or phrase(int(match[1]))}"


def phrase(status: int) -> str:
    """What a status is called."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _start(output: bytes) -> str:
    return f"it starts with {output[:80]!r}"
