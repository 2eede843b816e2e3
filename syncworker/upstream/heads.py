"""The head of an answer comes in bounded time, or its connection is cut; urllib3 bounds the time between two bytes only.

Never: looks at what comes.
"""

from __future__ import annotations

import contextlib
import socket
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final

from holdfast.clock import SystemClock
from holdfast.rpc.stalls import StallWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

_STALLS: Final = StallWatch(SystemClock())


class Heads(HTTPConnection):
    """A connection that is given ``head_seconds`` for each head. For classes of connections to stand on."""

    def __init__(self, *args: Any, head_seconds: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_seconds = head_seconds

    def getresponse(self) -> Any:
        """Raises TimeoutError, beside what urllib3 raises."""
        with _within(self.sock, self._head_seconds):
            return super().getresponse()


class _Cut:
    """What ends a wait for a socket."""

    def __init__(self, sock: socket.socket | None) -> None:
        self._sock = sock

    def cancel(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                # Not the TLS connection's own: that takes from the reading thread what it reads with.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


@contextlib.contextmanager
def _within(sock: socket.socket | None, seconds: float) -> Iterator[None]:
    with _STALLS.waiting(_Cut(sock), seconds) as wait:
        try:
            yield
        finally:
            # On a connection that is cut, a head that broke off looks like one that ended.
            if wait.is_over:
                raise TimeoutError("the head of an answer did not come to its end")
