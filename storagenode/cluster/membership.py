"""Being a member: registered once, alive under a lease that is renewed, described anew every few seconds.

A copy of a data directory that is run beside the first is refused, and changes nothing. Who was killed and comes back on another
machine waits until the lease of its former process ends; on the same directory it does not wait.

A node without its lease goes on serving what it holds: reads need no lease, and writes are fenced by layouts and links, not
by time. It only stops being counted on, and says so in its log.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigError, HoldfastError, NodeTakenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.meta.members import Alive, Declared, Members
    from holdfast.meta.store import Store

_LOG: Final = logging.getLogger("holdfast.node")

TTL_SECONDS: Final = 10.0
_EVERY_SECONDS: Final = 3.0


# Looks at a former process's word, in each time that it has for another. After three lives of a lease somebody is renewing it.
_LOOKS_A_TURN: Final = 2
_LIVES: Final = 3


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is there: its id, what it declares, and how it is now."""

    node_id: str
    declared: Declared
    describe: Callable[[], Alive]


class Membership:
    """One thread. ``enter`` is asked once, under the lease, whether it may take part."""

    def __init__(
        self,
        store: Store,
        members: Members,
        presence: Presence,
        stopping: threading.Event,
        enter: Callable[[int], None],
        *,
        ttl_seconds: float = TTL_SECONDS,
        every_seconds: float = _EVERY_SECONDS,
    ) -> None:
        self._store = store
        self._members = members
        self._presence = presence
        self._stopping = stopping
        self._enter = enter
        self._ttl_seconds = ttl_seconds
        self._every_seconds = every_seconds
        self._lease_id = 0
        self._has_joined = False
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)

    def start(self) -> None:
        """Register, announce, and go on doing so. Raises ConfigError: the node may not take part; MetadataUnavailableError."""
        self._take_its_place()
        self._enter(self._lease_id)
        self._thread.start()

    def _take_its_place(self) -> None:
        """Behind a process of this id that has ended, once its lease has as well; not beside one that goes on."""
        heard: NodeTakenError | None = None
        for _ in range(int(_LIVES * _LOOKS_A_TURN * self._ttl_seconds / self._every_seconds)):
            try:
                self._announce()
            except NodeTakenError as taken:
                if heard is None:
                    _LOG.warning("waiting for the lease of a former process", extra={"reason": taken.message})
                elif heard.detail != taken.detail:
                    break
                heard = taken
            else:
                return
            self._stopping.wait(self._every_seconds / _LOOKS_A_TURN)
        self._give_back()
        node_id = self._presence.node_id
        raise ConfigError(
            f"node {node_id} is alive already, in another process: this data directory is a copy of that node's, or is shared with"
            " it. Run one of the two only; to join as another node, start with an empty directory"
        ) from heard

    def join(self) -> None:
        """After ``stopping`` was set: gives the lease back, so that nobody waits for it to end. Also where the start has failed."""
        if self._thread.ident is not None:
            self._thread.join()
        self._give_back()

    def _give_back(self) -> None:
        try:
            self._store.revoke_lease(self._lease_id)
        except HoldfastError as error:
            _LOG.info("the lease could not be given back and will expire", extra={"reason": error.message})

    def _run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            try:
                self._announce()
            except NodeTakenError as error:
                self._has_joined = False
                _LOG.error(
                    "another process has taken this node's place; stop one of the two", extra={"reason": error.message}
                )
            except HoldfastError as error:
                _LOG.warning("the node could not renew its lease", extra={"reason": error.message})

    def _announce(self) -> None:
        if self._lease_id and not self._store.keep_alive(self._lease_id):
            _LOG.warning("the node's lease was lost; taking another one")
            self._lease_id = 0
        if not self._lease_id:
            self._has_joined = False
            self._lease_id = self._store.grant_lease(self._ttl_seconds).lease_id
        if not self._say():
            self._lease_id = 0  # gone between the two; the next turn takes another one

    def _say(self) -> bool:
        me, members = self._presence, self._members
        if self._has_joined:
            return members.announce(me.node_id, me.describe(), self._lease_id)
        try:
            # With what it declares: whoever was here in its stead may have said something else.
            self._has_joined = members.join(me.node_id, me.declared, me.describe(), self._lease_id)
        except ConfigError:
            if self._thread.ident is None:
                raise
            # Removed since it started: what it holds may still be wanted, and who asks after it finds it there.
            return members.announce(me.node_id, me.describe(), self._lease_id)
        return self._has_joined
