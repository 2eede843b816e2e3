"""When caches are looked at: every so often, when somebody asks, and never so often that it is all the metadata has to do.

One thread in each worker looks; the one that gets the turn makes the rounds, and the others look every few seconds whether it is
still there.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError
from holdfast.meta.tasks import keeping_asked

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.meta.store import Store
    from holdfast.meta.turns import Turns
    from syncworker.keeping.keeper import Keeper

_log: Final = logging.getLogger("holdfast.sync")

# Ages are hours, and growth asks by itself.
_EVERY_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 1.0
# Walking over a million links takes seconds of the metadata's time: it gets so much more to itself afterwards.
_REST: Final = 10.0
_SETTLE_SECONDS: Final = 5.0
# How soon a worker takes over from one that is gone; until then it costs the metadata two reads each time.
_OTHERS_SECONDS: Final = 5.0


class Loop:
    """``start`` once, ``stop`` once."""

    def __init__(self, store: Store, turns: Turns, keeper: Keeper, clock: Clock) -> None:
        self._store = store
        self._turns = turns
        self._keeper = keeper
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cache-keeping", daemon=True)
        self._next_at = clock.monotonic() + _SETTLE_SECONDS
        self._rest_until = clock.monotonic()
        self._answered = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Between two steps of a round; what is done is done."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                self.look()
            except HoldfastError as error:
                _log.warning("caches cannot be looked at; it is tried again", extra={"reason": error.message})
                self._rest_until = self._clock.monotonic() + _SETTLE_SECONDS
            except Exception:  # noqa: BLE001 - a cache that nobody keeps any more fills a disk
                _log.exception("keeping caches broke; it is tried again")
                self._rest_until = self._clock.monotonic() + _EVERY_SECONDS

    def look(self) -> bool:
        """Make a round if it is time for one and the turn is ours; whether one was made."""
        began = self._clock.monotonic()
        if began < self._rest_until:
            return False
        asked = keeping_asked(self._store)
        if asked == self._answered and began < self._next_at:
            return False
        turn = self._turns.take()
        if turn is None:
            self._rest_until = began + _OTHERS_SECONDS
            return False
        self._keeper.round(turn, lambda: not self._stopping.is_set())
        now = self._clock.monotonic()
        self._answered, self._next_at, self._rest_until = asked, now + _EVERY_SECONDS, now + _REST * (now - began)
        return True
