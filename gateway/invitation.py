"""``100 Continue`` (RFC 9110, section 10.1.1): said when the body is first wanted, and not before it is clear that it is.

Promises: who is refused is not invited to send what would be thrown away. Said once at most. While it is due the body has not been
wanted, and whether it comes is unknown: the connection cannot be kept.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Invitation:
    """Of one request. ``is_due``: the client waits for it."""

    __slots__ = ("_sock", "is_due")

    def __init__(self, sock: socket.socket, *, is_due: bool) -> None:
        self._sock = sock
        self.is_due = is_due

    def send(self) -> None:
        """What comes of a client that is gone, whoever reads its body finds out."""
        if not self.is_due:
            return
        self.is_due = False
        with contextlib.suppress(OSError):
            self._sock.sendall(_CONTINUE)
