"""Which line of the access log a request gets.

Promises: every request has one, but for health probes (GET and HEAD of ``/livez``, ``/readyz``, ``/startupz``). A balancer asks
every second and is told the same every time: such a line is for whoever debugs. An answer other than 200 has a line when it is
another than the one before on that path. What stands behind the question mark of a login is in none: codes and states are secrets.
Never here: what a line looks like (``holdfast.logs``).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from gateway.health import PATHS

if TYPE_CHECKING:
    from collections.abc import Callable

_WELL: Final = "200"
_LOGINS: Final = ("/zot/auth/login", "/zot/auth/callback/")


def _no_line(*_fields: object) -> None:
    """Nobody wants it."""


class AccessLog:
    """``line`` writes one; ``debug_line`` one for who debugs, None where nobody does. Safe for many threads."""

    def __init__(self, line: Callable[..., None], debug_line: Callable[..., None] | None) -> None:
        self._line = line
        self._debug_line = debug_line or _no_line
        self._told = dict.fromkeys(PATHS, _WELL)
        self._lock = threading.Lock()

    def line_for(self, method: str, path: str, status: str) -> Callable[..., None]:
        """What writes it; the fields are those of ``holdfast.logs.access_line``. ``path``: without a query."""
        if path not in self._told or method not in {"GET", "HEAD"}:
            return self._line
        with self._lock:
            is_news = self._told[path] != status
            self._told[path] = status
        return self._line if is_news and status != _WELL else self._debug_line

    def turned_away(self, request_id: str, client: str, status: str, why: str) -> None:
        """What never became a request."""
        self._line(stamp(), request_id, client, "-", "-", status, 0, 0.0, why)

    @staticmethod
    def address(path: str, uri: str) -> str:
        """What a line says of where a request went. ``uri``: with its query."""
        return path if path.startswith(_LOGINS) else uri


_stamp_cache: tuple[int, str] = (0, "")


def stamp() -> str:
    """UTC with milliseconds, the seconds formatted once."""
    global _stamp_cache  # noqa: PLW0603 - one immutable pair, replaced as a whole
    now = time.time()
    second = int(now)
    held = _stamp_cache
    if held[0] != second:
        held = _stamp_cache = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    return f"{held[1]}.{int((now - second) * 1000):03d}Z"
