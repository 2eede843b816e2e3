"""How to reach an etcd. Values only.

Invariants: at least one endpoint, all of one scheme; TLS material exactly when the scheme wants it; the key prefix is never
empty (etcd gives an empty range end another meaning) and short enough that a full transaction still fits into one request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from holdfast.meta import keys

_DEFAULT_PORT: Final = 2379
_MAX_PREFIX_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One member's client address."""

    host: str
    port: int
    secure: bool

    @property
    def target(self) -> str:
        """As gRPC wants it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"http{'s' if self.secure else ''}://{self.target}"


def endpoint(url: str) -> Endpoint:
    """``http://host:port`` or ``https://host:port``; the port is 2379 unless it is given.

    Raises:
        ValueError: anything else.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"an etcd endpoint is http://host:port or https://host:port, not {url!r}")
    if parts.username is not None:
        raise ValueError("an etcd endpoint carries no user: give user and password apart from it")
    return Endpoint(parts.hostname, parts.port or _DEFAULT_PORT, parts.scheme == "https")


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM bytes. ``ca`` None: the system's own; a certificate comes with its key."""

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a client certificate and its key are given together or not at all")


@dataclass(frozen=True, slots=True)
class Login:
    """An etcd user."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EtcdOptions:
    """``try_seconds`` bounds one question to one member, ``deadline_seconds`` one call with all its retries.

    ``quota_bytes`` is etcd's own ``--quota-backend-bytes``, which it does not tell; None: nothing is refused before etcd refuses
    it. Keys below ``housekeeping`` are written beyond the mark as well.
    """

    endpoints: tuple[Endpoint, ...]
    tls: Tls | None = None
    login: Login | None = None
    prefix: bytes = b"holdfast/"
    try_seconds: float = 1.0
    deadline_seconds: float = 5.0
    quota_bytes: int | None = None
    housekeeping: tuple[bytes, ...] = keys.HOUSEKEEPING

    def __post_init__(self) -> None:
        if not self.endpoints or len({endpoint.secure for endpoint in self.endpoints}) != 1:
            raise ValueError("etcd wants at least one endpoint, and all of them http or all of them https")
        if self.tls is not None and not self.endpoints[0].secure:
            raise ValueError("TLS is configured, but the etcd endpoints are http")
        if not 1 <= len(self.prefix) <= _MAX_PREFIX_BYTES or not self.prefix.strip(b"\xff"):
            raise ValueError(f"the key prefix has 1 to {_MAX_PREFIX_BYTES} bytes, not all of them 0xff")
        if not 0 < self.try_seconds <= self.deadline_seconds:
            raise ValueError("a try takes more than 0 seconds and at most as long as the whole call")
        if self.quota_bytes is not None and self.quota_bytes <= 0:
            raise ValueError("a quota is a positive number of bytes")
