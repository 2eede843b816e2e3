"""A registry that mirrors, in front of an upstream: processes of its own, with what tests ask of them.

with mirroring(tmp_path, {"/up": [upstream.url]}) as server:
    server.request("GET", "/v2/up/team/app/manifests/v1")
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.serving import Server


def registries(places: Mapping[str, Sequence[str]], **more: Any) -> list[dict[str, Any]]:
    """Entries of ``extensions.sync``: where an upstream is mirrored, and its URLs."""
    return [
        {
            "urls": list(urls),
            "onDemand": True,
            "maxRetries": 2,
            "retryDelay": "100ms",
            "content": [{"prefix": "**", "destination": place}],
            **more,
        }
        for place, urls in places.items()
    ]


@contextlib.contextmanager
def mirroring(root: Path, places: Mapping[str, Sequence[str]], **more: Any) -> Iterator[Server]:
    with serving(root, extensions={"sync": {"registries": registries(places, **more)}}) as server:
        yield server


@contextlib.contextmanager
def pulling(server: Server, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    """A GET whose body is read by the test, as far as it likes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        yield connection.getresponse()
    finally:
        connection.close()


@dataclass
class Pull:
    """A GET in a thread: status and body, or what broke it."""

    server: Server
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    body: bytes = b""
    broken: Exception | None = None

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with pulling(self.server, self.path, **self.headers) as answer:
                self.status = answer.status
                self.body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.broken = error

    def end(self) -> Pull:
        self._thread.join(120)
        assert not self._thread.is_alive(), f"GET {self.path} does not end"
        return self
