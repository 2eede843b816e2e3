"""A node's collector, made of its options: for each disk that is collected a part, and a loop for all of them."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.meta.loose import LooseLinks
from holdfast.meta.loosened import KEEP_SECONDS, Words
from holdfast.meta.pulls import PullsSince
from holdfast.meta.repos import Repositories
from holdfast.meta.retiring import Retiring
from holdfast.meta.standing import Standing
from holdfast.patterns.routes import route_of
from storagenode.collecting.collector import Collector, Terms
from storagenode.collecting.deletions import Deletions
from storagenode.collecting.loop import Loop, Rhythm, Turn, Window
from storagenode.collecting.loosening import Graces, Loosening
from storagenode.collecting.marks import Marks
from storagenode.collecting.orders import Collecting, Leftovers
from storagenode.collecting.pace import Pace
from storagenode.collecting.part import Part
from storagenode.collecting.retaining import Retaining, Scope
from storagenode.collecting.steadiness import Steadiness
from storagenode.collecting.unlinking import Unlinking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from holdfast.clock import Clock
    from holdfast.meta.store import Store
    from holdfast.meta.witness import Witness
    from holdfast.names import Repository
    from holdfast.retention.policies import Policies
    from holdfast.rpc.collecting import StoreReport
    from storagenode.collecting.collector import Copies
    from storagenode.collecting.loop import GoesOn

_LOG: Final = logging.getLogger("holdfast.gc")


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """As ``gcDelay``, ``gcInterval`` (0: once after the start) and ``gcTimeWindow`` of ``storage`` or one of its ``subPaths``.

    ``push_seconds``: how long the blobs of a push wait for their manifest at least. ``policies`` None: every tag and manifest
    stays. ``audit``: where to write down what they let go. Raises ValueError.
    """

    delay_seconds: float = 3600.0
    interval_seconds: float = 3600.0
    window: str = ""
    push_seconds: float = 24 * 3600.0
    policies: Policies | None = None
    audit: Path | None = None

    def __post_init__(self) -> None:
        if self.interval_seconds < 0:
            raise ValueError("an interval is not negative")
        Terms(self.delay_seconds)
        Window.parse(self.window)

    @property
    def graces(self) -> Graces:
        return Graces(self.delay_seconds, self.push_seconds)

    @property
    def asks_within_seconds(self) -> float:
        """How long after a link has gone it is asked why, at most, while the node runs."""
        return self.interval_seconds + 2 * self.delay_seconds

    @property
    def rhythm(self) -> Rhythm:
        return Rhythm(self.interval_seconds, self.delay_seconds, Window.parse(self.window))


@dataclass(frozen=True, slots=True)
class Side:
    """``witness`` sees whether the metadata has gone back in time. ``short``: told a partition that has lost a copy of what is
    linked. ``is_first``: whether this node is the one that looks after links; two that believe so only do it twice. ``clocks``:
    what the wall clocks of other nodes show, by node id. ``leaves_every_seconds``: no more often than that it is witnessed, where
    remembering it costs something.
    """

    store: Store
    witness: Witness
    short: Callable[[int], object]
    is_first: Callable[[], bool]
    clocks: Callable[[], Mapping[str, float]] = dict
    leaves_every_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Disk:
    """``route`` "": the main one. ``options`` None: garbage stays on it."""

    route: str
    copies: Copies
    options: CollectOptions | None


class Active(Protocol):
    """What is relied on."""

    @property
    def activity(self) -> int:
        """Grows with everything that somebody may come to rely on."""
        ...


class Tidier(Leftovers, Protocol):
    """What goes besides, where the metadata is right."""

    def look(self, require_right: Callable[[], None]) -> None:
        """Every second."""
        ...


def collecting(disks: Sequence[Disk], whole: Active, side: Side, tidier: Tidier, clock: Clock) -> Collecting:
    """Not started yet. ``whole``: all disks together."""
    witnessed = Witnessed(whole, side.witness, clock, side.leaves_every_seconds)
    steadiness = Steadiness(clock, side.clocks)
    routes = [disk.route for disk in disks]
    # All disks have the same words, so the one that takes longest to ask for them says how long they are kept.
    longest_seconds = max((disk.options.asks_within_seconds for disk in disks if disk.options is not None), default=0.0)
    words = Words(side.store, clock, KEEP_SECONDS + longest_seconds)
    made = [
        (_part(disk, disk.options, routes, side, steadiness, words, clock), disk.options)
        for disk in disks
        if disk.options is not None
    ]
    parts = [part for part, _ in made]

    def between() -> None:
        steadiness.look()
        witnessed.look()
        tidier.look(side.witness.require_right)

    turns = [Turn(_cycle_of(part, options.delay_seconds, clock), options.rhythm, clock) for part, options in made]
    loop = Loop(turns, between, clock, Pace(time.thread_time, time.sleep))
    return Collecting(loop, parts, tidier)


def _part(
    disk: Disk,
    options: CollectOptions,
    routes: Sequence[str],
    side: Side,
    steadiness: Steadiness,
    words: Words,
    clock: Clock,
) -> Part:
    route = disk.route
    links = Repositories(side.store, _new_id, clock)
    collector = Collector(disk.copies, side.store, links, Marks(clock), side.short, side.witness.require_right)

    def is_mine(repository: Repository) -> bool:
        return route_of(str(repository), routes) == route

    unlinking = Unlinking(
        _retaining(options, side, clock, is_mine, words),
        Loosening(LooseLinks(side.store, _new_id, explain=words.ops), Marks(clock), is_mine),
        options.graces,
        side.is_first,
        steadiness,
        words,
    )
    return Part(route, unlinking, collector, options.delay_seconds, links, clock)


def _cycle_of(part: Part, delay_seconds: float, clock: Clock) -> Callable[[GoesOn], bool]:
    def cycle(goes_on: GoesOn) -> bool:
        began_seconds = clock.monotonic()
        found = part.cycle(goes_on, lambda *_: None)
        _tell(found, clock.monotonic() - began_seconds)
        # A delay of weeks, as retention may have one, is no reason to look every hour.
        return found.waiting.amount.count > 0 and found.waiting.first_seconds <= delay_seconds

    return cycle


def _retaining(
    options: CollectOptions, side: Side, clock: Clock, is_mine: Callable[[Repository], bool], words: Words
) -> Retaining | None:
    if options.policies is None:
        return None
    store, deletions = side.store, Deletions(options.audit, clock)
    standing, retiring, since = Standing(store), Retiring(store, _new_id, words.ops), PullsSince(store)
    return Retaining(standing, retiring, since, Scope(options.policies, is_mine), deletions, Marks(clock))


class Witnessed:
    """Leaves a value in the metadata when somebody may have come to rely on what is here."""

    def __init__(self, whole: Active, witness: Witness, clock: Clock, every_seconds: float = 0.0) -> None:
        self._whole = whole
        self._witness = witness
        self._clock = clock
        self._every_seconds = every_seconds
        self._due = clock.monotonic()
        self._seen = -1

    def look(self) -> None:
        """Raises RolledBackError, MetadataUnavailableError, OutcomeUnknownError."""
        activity, now = self._whole.activity, self._clock.monotonic()
        if activity != self._seen and now >= self._due:
            self._witness.leave()
            self._seen = activity
            self._due = now + self._every_seconds


def _tell(found: StoreReport, seconds: float) -> None:
    """Every one of them, also of those that found nothing: whether it goes on, and how long it takes, is asked of the log."""
    _LOG.info(
        "a collection is over",
        extra={
            "route": found.route,
            "blobs": found.blobs.count,
            "bytes": found.blobs.size_bytes,
            "waiting": found.waiting.amount.count,
            "seconds": round(seconds, 3),
        },
    )


def _new_id() -> bytes:
    return secrets.token_bytes(16)
