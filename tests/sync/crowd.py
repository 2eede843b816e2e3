"""Clients that pull one cold blob while something goes wrong, and what has become of them.

crowd = Crowd(gateways, path, layer)     # the whole, a range, one that leaves
crowd.join()                             # one more, now
crowd.end()                              # how many have it right, were refused, were broken off; wrong bytes fail the test
"""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.sync.mirrored import Pull, pulling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.serving import Server

_LEAVES_AT_BYTES = 50_000
# A client that hears one of these asks again.
_RETRYABLE = {429, 500, 502, 503, 504}


@dataclass
class Ends:
    right: int = 0
    refused: int = 0
    broken: int = 0

    def __add__(self, other: Ends) -> Ends:
        return Ends(self.right + other.right, self.refused + other.refused, self.broken + other.broken)

    def __str__(self) -> str:
        return f"{self.right} right, {self.refused} refused, {self.broken} broken off"


@dataclass
class Crowd:
    """``servers``: asked in turn."""

    servers: Sequence[Server]
    path: str
    layer: bytes
    pulls: list[Pull] = field(default_factory=list)

    def __post_init__(self) -> None:
        third = len(self.layer) // 3
        self.join()
        self.join(third, 2 * third)
        self.join(2 * third)
        self._leaver = threading.Thread(target=self._leave)
        self._leaver.start()

    def join(self, first: int = 0, last: int | None = None) -> None:
        """One more: for the whole, or from one byte to another."""
        headers = {}
        if first or last is not None:
            headers["Range"] = f"bytes={first}-{'' if last is None else last}"
        self.pulls.append(Pull(self.servers[len(self.pulls) % len(self.servers)], self.path, headers))

    def _leave(self) -> None:
        try:
            with pulling(self.servers[-1], self.path) as answer:
                answer.read(_LEAVES_AT_BYTES)
        except (OSError, http.client.HTTPException):
            return  # gone before it left

    def end(self) -> Ends:
        self._leaver.join(120)
        return sum((self._became(pull.end()) for pull in self.pulls), Ends())

    def _became(self, pull: Pull) -> Ends:
        wanted = self._wanted(pull)
        if pull.broken is not None:
            came = pull.broken.partial if isinstance(pull.broken, http.client.IncompleteRead) else b""
            assert wanted.startswith(came), "a client that was broken off has wrong bytes"
            return Ends(broken=1)
        if pull.status in {200, 206}:
            assert pull.body == wanted, "an answer that looks complete has wrong bytes"
            return Ends(right=1)
        assert pull.status in _RETRYABLE, (pull.status, pull.body)
        assert json.loads(pull.body)["errors"]
        return Ends(refused=1)

    def _wanted(self, pull: Pull) -> bytes:
        if "Range" not in pull.headers:
            return self.layer
        first, _, last = pull.headers["Range"].removeprefix("bytes=").partition("-")
        return self.layer[int(first) : int(last) + 1 if last else None]
