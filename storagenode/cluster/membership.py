"""Being a member: registered once, alive under a lease that is renewed, described anew every few seconds.

A node without its lease goes on serving what it holds: reads need no lease, and writes are fenced by layouts and links, not
by time. It only stops being counted on, and says so in its log.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.meta.members import Alive, Members
    from holdfast.meta.store import Store

_LOG: Final = logging.getLogger("holdfast.node")

TTL_SECONDS: Final = 10.0
_EVERY_SECONDS: Final = 3.0


class Membership:
    """One thread. ``describe`` says how the node is now; ``enter`` is asked once, under the lease, whether it may take part."""

    def __init__(
        self,
        store: Store,
        members: Members,
        node_id: str,
        describe: Callable[[], Alive],
        stopping: threading.Event,
        enter: Callable[[int], None],
        *,
        ttl_seconds: float = TTL_SECONDS,
        every_seconds: float = _EVERY_SECONDS,
    ) -> None:
        self._store = store
        self._members = members
        self._node_id = node_id
        self._describe = describe
        self._stopping = stopping
        self._enter = enter
        self._ttl_seconds = ttl_seconds
        self._every_seconds = every_seconds
        self._lease_id = 0
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)

    def start(self) -> None:
        """Announce, and go on doing so. Raises ConfigError: the node may not take part; MetadataUnavailableError."""
        self._announce()
        self._enter(self._lease_id)
        self._thread.start()

    def join(self) -> None:
        """After ``stopping`` was set: gives the lease back, so that nobody waits for it to end."""
        self._thread.join()
        try:
            self._store.revoke_lease(self._lease_id)
        except HoldfastError as error:
            _LOG.info("the lease could not be given back and will expire", extra={"reason": error.message})

    def _run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            try:
                self._announce()
            except HoldfastError as error:
                _LOG.warning("the node could not renew its lease", extra={"reason": error.message})

    def _announce(self) -> None:
        if self._lease_id and not self._store.keep_alive(self._lease_id):
            _LOG.warning("the node's lease was lost; taking another one")
            self._lease_id = 0
        if not self._lease_id:
            self._lease_id = self._store.grant_lease(self._ttl_seconds).lease_id
        if not self._members.announce(self._node_id, self._describe(), self._lease_id):
            self._lease_id = 0  # gone between the two; the next turn takes another one
