"""One lease for one process: granted, renewed, and given up in time.

    IDLE ──grant──▶ HELD ──renewed──▶ HELD          a third of the TTL after the last renewal
                     │
                     └── gone, or not renewed within two thirds of the TTL ──▶ LOST ──grant──▶ HELD (another lease)

Promises
  * :meth:`LeaseKeeper.held` tells a lease only before its own deadline: two thirds of the TTL after the last renewal was *asked
    for*. Whoever acts under the lease asks it before each step, and so stops well before the store could hand its keys to another.
  * A loss is reported once, by a thread that waits for nothing but the deadline, and before the next lease is reported.
  * A lease that was reported lost is never used again, even if the store still knows it.

Never here: keys under the lease; they are put by whoever is told of a grant. No wall clock.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.store import Store

_RENEW_SHARE: Final = 1 / 3
_TRUST_SHARE: Final = 2 / 3
# After a store that did not answer: short against any TTL, long against a busy loop.
_RETRY_SHARE: Final = 1 / 20
# How closely a waiting thread follows a clock that is not the system's.
_MAX_WAIT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as its holder sees it. ``deadline`` is monotonic: from then on it counts as lost."""

    lease_id: int
    ttl_seconds: float
    deadline: float


class LeaseKeeper:
    """``on_granted`` gets each new lease, ``on_lost`` the id of one that is lost; both must not wait, and must not raise."""

    def __init__(
        self,
        store: Store,
        ttl_seconds: float,
        clock: Clock,
        on_granted: Callable[[Held], None],
        on_lost: Callable[[int], None],
    ) -> None:
        if ttl_seconds <= 0:
            raise ValueError(f"a lease lives for more than {ttl_seconds} seconds")
        self._store = store
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._on_granted = on_granted
        self._on_lost = on_lost
        self._changed = threading.Condition(threading.RLock())
        self._held: Held | None = None
        self._renew_at = clock.monotonic()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, args=(step,), name=name, daemon=True)
            for step, name in ((self.renew, "lease-renewal"), (self.expire, "lease-deadline"))
        ]

    def start(self) -> None:
        """Begin; after the last fork."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Give the lease back, so that nobody waits for its end. No callback comes afterwards."""
        with self._changed:
            self._stopping = True
            held, self._held = self._held, None
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        if held is not None:
            self._revoke(held.lease_id)

    def held(self) -> Held | None:
        """The lease, if it may be acted under at this moment."""
        held = self._held
        return held if held is not None and self._clock.monotonic() < held.deadline else None

    def renew(self) -> float:
        """One step of the renewing thread: grant or renew if it is time. The seconds until the next step."""
        asked_at = self._clock.monotonic()
        if asked_at < self._renew_at:
            return self._renew_at - asked_at
        held = self._held
        try:
            if held is None:
                self._grant(asked_at)
            else:
                self._keep(held, asked_at)
        except UnavailableError:
            self._renew_at = self._clock.monotonic() + self._ttl_seconds * _RETRY_SHARE
        return max(self._renew_at - self._clock.monotonic(), 0.0)

    def expire(self) -> float:
        """One step of the watching thread: report what has run out. The seconds until the next step."""
        with self._changed:
            held = self._held
            if held is None:
                return _MAX_WAIT_SECONDS
            left_seconds = held.deadline - self._clock.monotonic()
            if left_seconds <= 0:
                self._lose(held)
                return _MAX_WAIT_SECONDS
            return left_seconds

    def _grant(self, asked_at: float) -> None:
        lease = self._store.grant_lease(self._ttl_seconds)
        held = Held(lease.lease_id, lease.ttl_seconds, asked_at + lease.ttl_seconds * _TRUST_SHARE)
        with self._changed:
            if not self._stopping:
                self._hold(held, asked_at)
                self._on_granted(held)
                return
        self._revoke(lease.lease_id)

    def _keep(self, held: Held, asked_at: float) -> None:
        left_seconds = self._store.keep_alive(held.lease_id)
        with self._changed:
            if self._held is held:
                if left_seconds <= 0:
                    self._lose(held)
                else:
                    trusted_seconds = min(left_seconds, held.ttl_seconds) * _TRUST_SHARE
                    self._hold(Held(held.lease_id, held.ttl_seconds, asked_at + trusted_seconds), asked_at)
                return
        # The renewal came too late to count: end the lease for the store as well, so that its keys do not outlive the loss.
        self._revoke(held.lease_id)

    def _hold(self, held: Held, asked_at: float) -> None:
        self._held = held
        self._renew_at = asked_at + held.ttl_seconds * _RENEW_SHARE
        self._changed.notify_all()

    def _lose(self, held: Held) -> None:
        self._held = None
        self._renew_at = self._clock.monotonic()
        self._changed.notify_all()
        self._on_lost(held.lease_id)

    def _revoke(self, lease_id: int) -> None:
        # It ends by itself otherwise.
        with contextlib.suppress(UnavailableError):
            self._store.revoke_lease(lease_id)

    def _run(self, step: Callable[[], float]) -> None:
        while not self._stopping:
            seconds = step()
            with self._changed:
                if not self._stopping:
                    self._changed.wait(min(seconds, _MAX_WAIT_SECONDS))
