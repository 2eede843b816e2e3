"""Asking an HTTP server on this machine, one connection a request."""

from __future__ import annotations

import contextlib
import http.client
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping


class Asked:
    """Something that listens on ``port``; with ``trust`` it speaks HTTPS, and its certificate is checked."""

    port: int
    address: str = "127.0.0.1"
    trust: ssl.SSLContext | None = None

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request on a connection of its own: status, headers (lower-case names), body."""
        connection = self.connection()
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        """One to ask several times on, as this client does."""
        if self.trust is None:
            return http.client.HTTPConnection(self.address, self.port, timeout=60)
        return http.client.HTTPSConnection(self.address, self.port, timeout=60, context=self.trust)

    def ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/readyz")[0] == 200
        return False
