"""What is said of bytes that never became a request: the wrong protocol for the port, and all that gunicorn's parser refuses.

Promises: the protocol's JSON body, a status that fits, and a sentence without the names of our insides.

Beside :mod:`gateway.worker` and what that names, this is the only module that knows gunicorn's names.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final

from gunicorn.http import errors as refused

from gateway.http.errors import body


class TlsHelloError(Exception):
    """The client speaks TLS to a plain port."""


class PlainHttpError(Exception):
    """The client speaks plain HTTP, or nothing known, to a TLS port."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status line, a code of the protocol, a sentence for people. ``is_bug``: it is our fault, and the log should tell more."""

    status: str
    code: str
    message: str
    is_bug: bool = False

    def answer(self) -> bytes:
        """All of it, as it goes out."""
        return closing_answer(self.status, body(self.code, self.message))


def refusal_of(error: Exception) -> Refusal:
    """What is said of an error that a connection has ended in."""
    if isinstance(error, ssl.SSLError):
        return Refusal(
            "400 Bad Request", "UNSUPPORTED", f"TLS: {(error.reason or 'no handshake').replace('_', ' ').lower()}"
        )
    return _REFUSALS.get(type(error)) or (_MALFORMED if isinstance(error, refused.ParseException) else _BUG)


def closing_answer(status: str, content: bytes) -> bytes:
    """A JSON answer after which the connection is closed."""
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


NO_PLACE: Final = Refusal("503 Service Unavailable", "UNAVAILABLE", "there are too many connections; try again later")
_MALFORMED: Final = Refusal("400 Bad Request", "UNSUPPORTED", "this is no well-formed HTTP request")
_BUG: Final = Refusal(
    "500 Internal Server Error", "UNKNOWN", "an internal error; the server's log tells more", is_bug=True
)
_REFUSALS: Final[dict[type[Exception], Refusal]] = {
    TlsHelloError: Refusal(
        "400 Bad Request", "UNSUPPORTED", "this port speaks plain HTTP; the client sent a TLS hello"
    ),
    PlainHttpError: Refusal("400 Bad Request", "UNSUPPORTED", "this port speaks HTTPS; the client sent plain HTTP"),
    refused.InvalidRequestLine: Refusal("400 Bad Request", "UNSUPPORTED", "the request line cannot be read"),
    refused.InvalidRequestMethod: Refusal("400 Bad Request", "UNSUPPORTED", "the request's method is no method"),
    refused.InvalidHTTPVersion: Refusal("505 HTTP Version Not Supported", "UNSUPPORTED", "use HTTP/1.1 or HTTP/1.0"),
    refused.InvalidHeader: Refusal("400 Bad Request", "UNSUPPORTED", "a header is malformed, or contradicts another"),
    refused.InvalidHeaderName: Refusal("400 Bad Request", "UNSUPPORTED", "a header's name is malformed"),
    refused.ObsoleteFolding: Refusal("400 Bad Request", "UNSUPPORTED", "a header is folded over lines; put it on one"),
    refused.LimitRequestLine: Refusal("414 URI Too Long", "NAME_INVALID", "the request line is too long"),
    refused.LimitRequestHeaders: Refusal(
        "431 Request Header Fields Too Large",
        "UNSUPPORTED",
        "the request has too many headers, or too large ones",
    ),
    refused.ExpectationFailed: Refusal(
        "417 Expectation Failed", "UNSUPPORTED", "the only expectation met is 100-continue"
    ),
    refused.UnsupportedTransferCoding: Refusal(
        "501 Not Implemented", "UNSUPPORTED", "the only transfer coding is chunked"
    ),
}
