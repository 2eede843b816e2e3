"""A real redis for tests: redis-server in a directory of its own, without persistence, with a password.

    places      a port of the loopback, one with TLS (``localhost`` is what its certificate names), a Unix socket

``stop`` and ``start`` keep the places and nothing else. A frozen one takes connections and says nothing.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import redis

from tests import secrets
from tests.access.daemon import Daemon
from tests.clients.programs import need
from tests.fakes.papers import Papers

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD: Final = "pass-of-redis/1"
QUOTED: Final = "pass-of-redis%2F1"
DB: Final = 3


class Redisd(Daemon):
    def __post_init__(self) -> None:
        secrets.keep(PASSWORD)
        files = Papers(self.root).issue(hosts=["localhost"])
        self.authority = files.authority
        self.socket = self.root / "s"
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"tls-port {self.tls_port}",
            f"tls-cert-file {files.certificate}",
            f"tls-key-file {files.key}",
            f"tls-ca-cert-file {files.authority}",
            "tls-auth-clients no",
            f"unixsocket {self.socket}",
            f"requirepass {PASSWORD}",
            f"dir {self.root}",
            'save ""',
            "appendonly no",
        ]
        (self.root / "redis.conf").write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        return f"redis://default:{QUOTED}@127.0.0.1:{self.port}/{DB}"

    @property
    def tls_url(self) -> str:
        return f"rediss://default:{QUOTED}@localhost:{self.tls_port}/{DB}"

    @property
    def socket_url(self) -> str:
        return f"unix://default:{QUOTED}@{self.socket}?db={DB}"

    @property
    def client(self) -> redis.Redis:
        return redis.Redis("127.0.0.1", self.port, DB, PASSWORD)

    def keys(self) -> list[bytes]:
        with self.client as client:
            return list(client.keys("*"))

    def command(self) -> list[str]:
        return [need("redis-server"), str(self.root / "redis.conf")]

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client as client:
            return bool(client.ping())
        return False


@contextlib.contextmanager
def running_redis() -> Iterator[Redisd]:
    # The path of a Unix socket has to be short.
    with tempfile.TemporaryDirectory(prefix="redis-") as root:
        server = Redisd(Path(root))
        try:
            server.start()
            yield server
        finally:
            server.stop()
