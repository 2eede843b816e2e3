"""An answer on its way out through gunicorn: head and body of a small one leave in one piece."""

from __future__ import annotations

import time
from typing import Final

from gunicorn import util
from gunicorn.http import wsgi

_JOINED_BYTES: Final = 64 * 1024


class Response(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """Head and body in one send where the body is small and whole."""

    headers_sent: bool
    sent: int

    _date = (0, "")

    def default_headers(self) -> list[str]:
        close = self.should_close()
        lines = [
            f"HTTP/{self.req.version[0]}.{self.req.version[1]} {self.status}\r\n",
            "Server: holdfast\r\n",
            f"Date: {self._now()}\r\n",
            "Connection: close\r\n" if close else "Connection: keep-alive\r\n",
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines

    def write(self, arg: bytes) -> None:
        if self.headers_sent or self._omits_body or len(arg) != self.response_length or len(arg) > _JOINED_BYTES:
            super().write(arg)
            return
        lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
        self.headers_sent = True
        self.sent += len(arg)
        self.sock.sendall("".join(lines).encode("latin-1") + arg)

    @classmethod
    def _now(cls) -> str:
        second = int(time.time())
        if cls._date[0] != second:
            cls._date = (second, util.http_date(second))
        return cls._date[1]
