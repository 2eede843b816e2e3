"""This process's certificate, for both directions: as a server and as a client of gRPC.

Promises: the files are read again when they change. A server shows the new certificate to the next connection; a client uses
it from its next channel on, which ``GrpcNode`` opens by itself when ``version`` has moved. Connections that stand are left alone.

Invariants: what is handed out is complete: a key that belongs to its certificate, and an authority. Files in the middle of
being replaced, or broken ones, leave the former ones in use, and are logged once.

Never: shows a key.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc

from holdfast.certs import files
from holdfast.certs.facts import Facts, facts_of, require_pair
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.certs.peer import Peer
    from holdfast.config.cluster import Cluster

_LOG: Final = logging.getLogger("holdfast.rpc")

_Signature = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where they are: the cluster's authority, this process's certificate (a chain may follow in it) and its key."""

    authority: Path
    certificate: Path
    key: Path


def configured_files(cluster: Cluster | None) -> TlsFiles | None:
    """The files that a configuration names; None where processes speak plaintext."""
    if cluster is None or not cluster.has_certificates:
        return None
    return TlsFiles(Path(cluster.ca_file), Path(cluster.cert_file), Path(cluster.key_file))


@dataclass(frozen=True, slots=True)
class _Material:
    version: int
    authority: bytes
    certificate: bytes
    key: bytes = field(repr=False)
    facts: Facts
    peer: Peer


class Credentials:
    """Safe for many threads."""

    def __init__(self, at: TlsFiles) -> None:
        """Raises ConfigError: unreadable, not belonging together, or naming no process of a cluster."""
        self._at = at
        self._lock = threading.Lock()
        self._seen = self._signature()
        self._material = _read(at, 0)

    @property
    def peer(self) -> Peer:
        """Who this process is."""
        return self._material.peer

    @property
    def facts(self) -> Facts:
        """Of the certificate in use."""
        return self._current().facts

    @property
    def version(self) -> int:
        """Moves when the files have changed and hold something usable. Costs three stats."""
        return self._current().version

    def for_server(self) -> grpc.ServerCredentials:
        """Clients must show a certificate of the same authority; ``admission`` decides what they may do then."""
        served = self._current()

        def renewed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal served
            current = self._current()
            if current is served:
                return None
            served = current
            return _configuration(current)

        # The stubs know no fetcher that answers None for "as before", which gRPC documents.
        return grpc.dynamic_ssl_server_credentials(
            _configuration(served),
            renewed,  # type: ignore[arg-type]
            require_client_authentication=True,
        )

    def for_channel(self) -> grpc.ChannelCredentials:
        """In use, gRPC compares the target's host with the names in the server's certificate."""
        current = self._current()
        return grpc.ssl_channel_credentials(current.authority, current.key, current.certificate)

    def _current(self) -> _Material:
        seen = self._signature()
        if seen == self._seen:
            return self._material
        with self._lock:
            if seen != self._seen:
                # Taken before reading: what changes meanwhile is looked at again.
                self._seen = seen
                self._renew()
            return self._material

    def _renew(self) -> None:
        try:
            fresh = _read(self._at, self._material.version + 1)
        except ConfigError as error:
            _LOG.warning("the changed certificate is of no use, the former one stays", extra={"why": error.message})
            return
        if (fresh.authority, fresh.certificate, fresh.key) != (
            self._material.authority,
            self._material.certificate,
            self._material.key,
        ):
            self._material = fresh
            _LOG.info("certificate renewed", extra={"peer": str(fresh.peer), "ends": fresh.facts.ends.isoformat()})

    def _signature(self) -> _Signature:
        return tuple(map(_stat, (self._at.authority, self._at.certificate, self._at.key)))


def _stat(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _read(at: TlsFiles, version: int) -> _Material:
    authority, certificate, key = (files.read(path) for path in (at.authority, at.certificate, at.key))
    with _about(at.authority):
        facts_of(authority)
    with _about(at.certificate):
        facts = facts_of(certificate)
    with _about(at.key):
        require_pair(certificate, key)
    if facts.peer is None:
        raise ConfigError(f"{at.certificate} names no process of a cluster; issue one by `holdfast certs issue`")
    return _Material(version, authority, certificate, key, facts, facts.peer)


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """Messages about contents do not know which file they are in."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}") from error


def _configuration(material: _Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.certificate)], material.authority)
