"""Being seen: a process that is no storage node says, under a lease, that it is there, of which version, and where it listens.

It is there so that the cluster's minimum version is not raised over a running process, and so that gateways find sync workers. No
bytes are placed by it. One that cannot renew its lease goes on serving.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError, MetadataFullError
from holdfast.meta import versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.meta.store import Store

_LOG: Final = logging.getLogger("holdfast.cluster")

TTL_SECONDS: Final = 10.0
GATEWAY: Final = "gateway"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is said of a process. ``address``: where gateways reach it, if it is a sync worker."""

    kind: str
    process_id: str
    version: str
    address: str = ""


class Presence:
    """One thread. ``new_id`` gives 16 random bytes."""

    def __init__(
        self, store: Store, seen: Seen, new_id: Callable[[], bytes], *, ttl_seconds: float = TTL_SECONDS
    ) -> None:
        self._store = store
        self._seen = seen
        self._new_id = new_id
        self._ttl_seconds = ttl_seconds
        self._lease_id = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Announce, and go on doing so.

        Raises:
            ConfigError: the cluster takes no process of this version. MetadataUnavailableError.
        """
        try:
            self._announce()
            versions.enter(self._store, self._seen.version, self._new_id(), self._lease_id)
        except MetadataFullError as error:
            # Pulls need no lease, and an etcd that is full gives none.
            _LOG.warning("a process starts unseen", extra={"kind": self._seen.kind, "reason": error.message})
            versions.require_entry(self._store, self._seen.version)
        self._thread.start()

    def stop(self) -> None:
        """Give the lease back, so that nobody waits for its end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        if not self._lease_id:
            return  # never announced: who asks for nothing needs not wait for an etcd that is away
        try:
            self._store.revoke_lease(self._lease_id)
        except HoldfastError as error:
            _LOG.info("the lease could not be given back and will expire", extra={"reason": error.message})

    def _run(self) -> None:
        while not self._stopping.wait(self._ttl_seconds / 4):
            try:
                if not self._lease_id or not self._store.keep_alive(self._lease_id):
                    self._announce()
            except HoldfastError as error:
                _LOG.warning("a lease could not be renewed", extra={"kind": self._seen.kind, "reason": error.message})

    def _announce(self) -> None:
        self._lease_id = self._store.grant_lease(self._ttl_seconds).lease_id
        seen = self._seen
        versions.announce(self._store, seen.kind, seen.process_id, seen.version, self._lease_id, seen.address)
