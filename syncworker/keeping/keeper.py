"""One round of keeping: what is over a budget or too old goes out of its repository, and its bytes with it.

Promises: rounds are made under a turn, so one worker at a time makes them, and one that was taken over from changes nothing more.
What turns out to be in use or pushed here does not count in this round, and others go in its place.

Never: decides by what it saw alone; each removal is compared with what stands at that moment.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.meta.evictions import Outcome
from holdfast.mirrors import keeping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.evictions import Evictions
    from holdfast.meta.holdings import Holdings
    from holdfast.meta.turns import Turn
    from holdfast.mirrors.keeping import Eviction, Held, LimitsOf
    from holdfast.names import Repository
    from syncworker.keeping.freeing import Freeing

_log: Final = logging.getLogger("holdfast.sync")

# As many evaluations as a round may take; what is left is the next round's.
_PASSES: Final = 20
# What may go another time, but not now.
_SPARED: Final = frozenset({Outcome.PUSHED, Outcome.FETCHED, Outcome.NEEDED, Outcome.BUSY})
# Something else goes in its place.
_ELSE: Final = _SPARED | {Outcome.PULLED}


@dataclass(slots=True)
class Round:
    """What a round has done. ``used_bytes``: by budget, as measured last."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    freed_bytes: int = 0
    used_bytes: dict[str, int] = field(default_factory=dict)

    @property
    def is_lost(self) -> bool:
        return bool(self.outcomes[Outcome.LOST_TURN])


class Keeper:
    """For one thread."""

    def __init__(
        self, holdings: Holdings, evictions: Evictions, freeing: Freeing, limits_of: LimitsOf, clock: Clock
    ) -> None:
        self._holdings = holdings
        self._evictions = evictions
        self._freeing = freeing
        self._limits_of = limits_of
        self._clock = clock

    def round(self, turn: Turn, goes_on: Callable[[], bool]) -> Round:
        """``goes_on`` is asked before each step.

        Raises:
            MetadataUnavailableError, OutcomeUnknownError: what was done is done; the next round goes on.
        """
        done = Round()
        spared: set[tuple[Repository, Digest]] = set()
        for _ in range(_PASSES):
            eviction = keeping.evict(lambda: self._held(spared), self._limits_of, self._clock.wall())
            done.used_bytes = eviction.used_bytes
            before = done.outcomes.copy()
            gone = self._take(eviction, turn, done, spared, goes_on)
            done.freed_bytes += self._freeing.free(gone, goes_on)
            new = done.outcomes - before
            if done.is_lost or not goes_on() or not (new.keys() & _ELSE or (eviction.more and gone)):
                break
        self._tell(done)
        return done

    def _held(self, spared: set[tuple[Repository, Digest]]) -> Iterator[Held]:
        held = self._holdings.held(lambda name: self._limits_of(name) is not None)
        return (item for item in held if (item.repository, item.digest) not in spared)

    def _take(
        self,
        eviction: Eviction,
        turn: Turn,
        done: Round,
        spared: set[tuple[Repository, Digest]],
        goes_on: Callable[[], bool],
    ) -> set[Digest]:
        """The digests that some repository has lost."""
        gone: set[Digest] = set()
        for held in eviction.going:
            if not goes_on() or done.is_lost:
                break
            outcome = self._evictions.evict(held, turn)
            done.outcomes[outcome] += 1
            if outcome is Outcome.GONE:
                gone.add(held.digest)
                self._tell_gone(held)
            elif outcome in _SPARED:
                spared.add((held.repository, held.digest))
        return gone

    def _tell_gone(self, held: Held) -> None:
        limits = self._limits_of(held.repository)
        age_seconds = self._clock.wall() - held.last_pull_seconds
        is_old = limits is not None and limits.max_age_seconds is not None and age_seconds > limits.max_age_seconds
        _log.info(
            "evicted from a cache",
            extra={
                "repository": held.repository,
                "digest": str(held.digest),
                "size": held.size_bytes,
                "unused_seconds": round(age_seconds),
                "reason": "older than cacheMaxAge" if is_old else "more than cacheSize is held",
            },
        )

    def _tell(self, done: Round) -> None:
        if not done.outcomes and not done.freed_bytes:
            return
        counts = {outcome.value: count for outcome, count in sorted(done.outcomes.items(), key=lambda one: one[0].name)}
        extra = {"outcomes": counts, "freed": done.freed_bytes, "unfreed": self._freeing.left, "used": done.used_bytes}
        _log.info("kept caches within their limits", extra=extra)
