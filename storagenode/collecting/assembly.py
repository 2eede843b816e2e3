"""A node's collector, made of its options."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.meta.loose import LooseLinks
from holdfast.meta.repos import Repositories
from storagenode.collecting.collector import Collector, Terms
from storagenode.collecting.loop import Loop, Rhythm, Window
from storagenode.collecting.loosening import Graces, Loosening
from storagenode.collecting.marks import Marks
from storagenode.collecting.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.store import Store
    from holdfast.meta.witness import Witness
    from storagenode.collecting.collector import Copies, Cycle
    from storagenode.collecting.loosening import Loosened

_LOG: Final = logging.getLogger("holdfast.gc")


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """As ``storage.gcDelay``, ``gcInterval`` and ``gcTimeWindow``. ``push_seconds``: how long the blobs of a push wait for their
    manifest at least. Raises ValueError.
    """

    delay_seconds: float = 3600.0
    interval_seconds: float = 3600.0
    window: str = ""
    push_seconds: float = 24 * 3600.0

    def __post_init__(self) -> None:
        if self.interval_seconds <= 0:
            raise ValueError("an interval is longer than nothing")
        Terms(self.delay_seconds)
        Window.parse(self.window)


@dataclass(frozen=True, slots=True)
class Side:
    """``witness`` sees whether the metadata has gone back in time. ``short``: told a partition that has lost a copy of what is
    linked. ``is_first``: whether this node is the one that looks after links; two that believe so only do it twice.
    """

    store: Store
    witness: Witness
    short: Callable[[int], object]
    is_first: Callable[[], bool]


def collecting(options: CollectOptions, copies: Copies, side: Side, clock: Clock) -> Loop:
    """Not started yet."""
    links = Repositories(side.store, _new_id, clock)
    collector = Collector(copies, side.store, links, Marks(clock), side.short, side.witness.require_right)
    witnessed = Witnessed(copies, side.witness)
    loosening = Loosening(LooseLinks(side.store, _new_id), Marks(clock))
    terms = Terms(options.delay_seconds)
    graces = Graces(options.delay_seconds, options.push_seconds)
    pace = Pace(time.thread_time, time.sleep)

    def cycle(goes_on: Callable[[], bool]) -> bool:
        waiting, began_seconds, goes_on = 0, clock.monotonic(), pace.of(goes_on)
        side.witness.require_right()
        if side.is_first():
            loosened = loosening.cycle(graces, goes_on)
            _tell_links(loosened)
            waiting += loosened.waiting
        found = collector.cycle(terms, goes_on)
        _tell(found)
        _tell_all(found, clock.monotonic() - began_seconds)
        return waiting + found.waiting > 0

    rhythm = Rhythm(options.interval_seconds, options.delay_seconds, Window.parse(options.window))
    return Loop(cycle, witnessed.look, rhythm, clock)


class Witnessed:
    """Leaves a value in the metadata when somebody may have come to rely on what is here."""

    def __init__(self, copies: Copies, witness: Witness) -> None:
        self._copies = copies
        self._witness = witness
        self._seen = -1

    def look(self) -> None:
        """Raises RolledBackError, MetadataUnavailableError, OutcomeUnknownError."""
        activity = self._copies.activity
        if activity != self._seen:
            self._witness.leave()
            self._seen = activity


def _tell_links(found: Loosened) -> None:
    if found.removed:
        _LOG.info(
            "links that nothing needed were removed",
            extra={"links": found.removed, "bytes": found.removed_bytes, "waiting": found.waiting},
        )


def _tell(found: Cycle) -> None:
    if found.refused:
        _LOG.error("nothing is collected: it would be too much", extra={"reason": found.refused})
    elif found.swept:
        _LOG.info(
            "blobs that nobody links went to the trash",
            extra={
                "swept": found.swept,
                "bytes": found.swept_bytes,
                "kept": found.kept,
                "waiting": found.waiting,
                "blobs": found.blobs,
            },
        )


def _tell_all(found: Cycle, seconds: float) -> None:
    """Every one of them, also of those that found nothing: whether it goes on, and how long it takes, is asked of the log."""
    _LOG.info(
        "a collection is over",
        extra={"blobs": found.blobs, "bytes": found.bytes, "waiting": found.waiting, "seconds": round(seconds, 3)},
    )


def _new_id() -> bytes:
    return secrets.token_bytes(16)
