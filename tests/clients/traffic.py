"""What a registry was asked and what lies on its disk: how tests see that bytes were not sent, or not stored, twice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.serving import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serving import Server


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the access log."""

    method: str
    path: str
    status: int


class Traffic:
    """The requests that a registry answered since this was made, from its access log."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._start_bytes = server.log.stat().st_size

    def requests(self) -> list[Request]:
        """All of them, up to this call."""
        # The line of an answer follows the answer: a marker of ours, once seen, has all earlier ones of idle clients before it.
        marker = f"/v2/?after={self._server.log.stat().st_size}"
        self._server.request("GET", marker)
        return [r for r in wait_for("the access log", lambda: self._until(marker)) if r.path != marker]

    def _until(self, marker: str) -> list[Request]:
        with self._server.log.open("rb") as log:
            log.seek(self._start_bytes)
            lines = [
                json.loads(line) for line in log.read().splitlines() if line.startswith(b"{") and line.endswith(b"}")
            ]
        found = [Request(r["method"], r["path"], r["status"]) for r in lines if r.get("event") == "request"]
        return found if any(request.path == marker for request in found) else []

    def mounts(self) -> list[Request]:
        """The blobs that were taken over from another repository."""
        return [r for r in self.requests() if r.method == "POST" and "mount=" in r.path and r.status == 201]

    def uploads(self) -> list[Request]:
        """The blobs whose bytes were sent."""
        return [r for r in self.requests() if r.method in {"PUT", "POST"} and "digest=" in r.path and r.status == 201]


def copies(data: Path, digest: str) -> list[Path]:
    """The files below a data directory that are named by this digest."""
    encoded = digest.partition(":")[2]
    return [path for path in data.rglob(f"*{encoded}*") if path.is_file()]
