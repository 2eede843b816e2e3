"""Whether the wall clock may be believed, by which retention judges ages.

Policies speak of wall time, and a clock that a bad NTP server or a dead battery has set ahead makes everything look old. No clock
proves another one right; what can be told is that this one has gone evenly, and that others agree with it.

Promises: a wall clock counts only after it has gone beside this process's monotonic clock for :data:`STEADY_SECONDS`, never
further from where it was than :data:`OFF_SECONDS`, and while no other node's clock is further from it than that. A clock that is
ahead at the start and put right within that time, one that jumps while the process runs, and one that differs from the others' take
nothing.

Not seen: a clock of a machine that stands alone, wrong from the start and never put right; in a cluster, clocks that are all wrong
alike, and those of gateways, which say when something was pushed or pulled: what comes through one that is behind looks as old at
once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.clock import Clock

_LOG: Final = logging.getLogger("holdfast.retention")

STEADY_SECONDS: Final = 3600.0
OFF_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Now:
    """``wall_seconds``: what the clock shows. ``doubt_seconds``: for how long no age counts yet; 0: they do."""

    wall_seconds: float
    doubt_seconds: float = 0.0

    @property
    def is_doubted(self) -> bool:
        return self.doubt_seconds > 0

    def is_behind(self, seconds: float) -> bool:
        """Whether something is further in the future than clocks may differ."""
        return seconds > self.wall_seconds + OFF_SECONDS


def _nobody() -> Mapping[str, float]:
    return {}


class Steadiness:
    """For one thread. ``others``: what the clocks of other living nodes show, by node id; it may raise MetadataUnavailableError."""

    def __init__(self, clock: Clock, others: Callable[[], Mapping[str, float]] = _nobody) -> None:
        self._clock = clock
        self._others = others
        self._offset = self._read()[1]
        self._since = clock.monotonic()

    def look(self) -> None:
        """Every now and then, and before a pass: a jump begins the wait anew, and is told."""
        _, offset = self._read()
        jump_seconds = offset - self._offset
        if abs(jump_seconds) > OFF_SECONDS:
            self._offset, self._since = offset, self._clock.monotonic()
            _LOG.warning(
                "the wall clock has jumped: nothing goes for its age until it has gone evenly for an hour",
                extra={"seconds": round(jump_seconds)},
            )

    def now(self, *, is_noted: bool) -> Now:
        """What to judge by. ``is_noted``: a disagreement is told, and begins the wait anew; else nothing is changed.

        Raises MetadataUnavailableError.
        """
        others = self._others()
        if is_noted:
            self.look()
        wall, offset = self._read()
        off = {name: abs(wall - shown) for name, shown in others.items()}
        worst = max(off, key=lambda name: (off[name], name), default="")
        if worst and off[worst] > OFF_SECONDS:
            if is_noted:
                self._since = self._clock.monotonic()
                _LOG.warning(
                    "the wall clock differs from another node's: nothing goes for its age until they have agreed for an hour",
                    extra={"node": worst, "seconds": round(wall - others[worst])},
                )
            return Now(wall, STEADY_SECONDS)
        if abs(offset - self._offset) > OFF_SECONDS:
            return Now(wall, STEADY_SECONDS)
        return Now(wall, max(0.0, STEADY_SECONDS - (self._clock.monotonic() - self._since)))

    def _read(self) -> tuple[float, float]:
        """The wall clock, and how far it is from the monotonic one."""
        wall = self._clock.wall()
        return wall, wall - self._clock.monotonic()
