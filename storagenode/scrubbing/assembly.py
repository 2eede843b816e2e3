"""A node's scrub, made of its options."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.meta.lost import LostBook
from holdfast.meta.scrubs import Scrubs
from storagenode.scrubbing.loop import Loop, Rhythm, Told
from storagenode.scrubbing.missing import Missing
from storagenode.scrubbing.pace import Pace
from storagenode.scrubbing.walk import PaidFor, Sparingly, Walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.scrubs import Report
    from holdfast.meta.store import Store
    from storagenode.scrubbing.book import ScrubBook
    from storagenode.scrubbing.missing import Others
    from storagenode.scrubbing.walk import Counters, Disk, Names

DEFAULT_BYTES_PER_SECOND = 20 << 20


@dataclass(frozen=True, slots=True)
class ScrubOptions:
    """As ``extensions.scrub``; ``interval_seconds`` 0: only when asked. ``pays``: what lies in object stores is read in every
    round, else only in those that somebody asked for. Raises ValueError.
    """

    interval_seconds: float = 0.0
    bytes_per_second: int = DEFAULT_BYTES_PER_SECOND
    pays: bool = False

    def __post_init__(self) -> None:
        if self.interval_seconds < 0 or self.bytes_per_second < 0:
            raise ValueError("neither an interval nor a pace is negative")


@dataclass(frozen=True, slots=True)
class Side:
    """What a node knows of its registry: ``store`` is its metadata."""

    node_id: str
    store: Store
    others: Others


class Scrub:
    """Not started when it is made."""

    def __init__(
        self,
        options: ScrubOptions,
        stores: Sequence[Disk],
        book: ScrubBook,
        side: Side | None,
        clock: Clock,
    ) -> None:
        """``stores``: all that this node has; nothing is missing that is in one of them."""
        self._stopping = threading.Event()
        told = _told(side, stores, clock) if side is not None else None
        rhythm = Rhythm(options.interval_seconds)
        self.loop = Loop(book, told, rhythm, clock, self._stopping)
        pace = Pace(clock, self._stopping, options.bytes_per_second)

        def is_wanted() -> bool:
            return options.pays or self.loop.is_asked

        disks = [Sparingly(one, is_wanted) if isinstance(one, PaidFor) else one for one in stores]
        self._walk = Walk(disks, told.missing if told else None, pace, self.loop.on_way)

    @property
    def counters(self) -> Counters:
        return self._walk.counters

    @property
    def report(self) -> Report:
        """As it stands."""
        return self.loop.report

    def start(self) -> None:
        self.loop.start(self._walk)

    def stop(self) -> None:
        """Waits for the piece that is being read."""
        self._stopping.set()
        self.loop.stop()


def _told(side: Side, stores: Sequence[Names], clock: Clock) -> Told:
    def present(partition: int) -> Iterable[Digest]:
        return (digest for one in stores for digest in one.names(partition))

    missing = Missing(LostBook(side.store, _new_id), side.others, present, clock)
    return Told(side.node_id, Scrubs(side.store, _new_id), missing)


def _new_id() -> bytes:
    return secrets.token_bytes(16)
