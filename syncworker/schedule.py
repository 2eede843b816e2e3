"""When a mirror runs: a rule without I/O, given the times.

    paused                                   WAIT     whatever else
    a run is under way                       JOIN     and take a share of it
    somebody asked since the last began      BEGIN
    an interval has passed since it ended    BEGIN
    else                                     WAIT

Promises: the interval is measured by this process's own monotonic clock from the moment it saw the run end. Only for what was over
before this process looked the first time is the wall clock asked how much of the interval is left, and never more than all of
it: a clock that is wrong brings one run too early or too late, and no other harm.

Invariants: ``now_seconds`` never goes back (one monotonic clock). Without an interval a mirror runs when asked, and only then.

Never: I/O, a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.meta.mirrorruns import Run, Standing


class Step(Enum):
    """What to do."""

    WAIT = "not now"
    JOIN = "take a share of the run under way"
    BEGIN = "begin a run"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What one process knows of one mirror. ``number``: of the last run that it knows to be over; -1: it has not looked yet."""

    interval_seconds: float
    number: int = -1
    due_at_seconds: float = 0.0

    def seen(self, run: Run, now_seconds: float, wall_seconds: float) -> Schedule:
        """With what the record says now."""
        if run.is_running:
            return replace(self, number=run.number - 1)
        if run.number == self.number:
            return self
        left_seconds = self.interval_seconds
        if run.number == 0:
            left_seconds = 0.0
        elif self.number < 0:
            left_seconds = run.ended_seconds + self.interval_seconds - wall_seconds
        left_seconds = min(max(left_seconds, 0.0), self.interval_seconds)
        return Schedule(self.interval_seconds, run.number, now_seconds + left_seconds)

    def wait_seconds(self, now_seconds: float, longest_seconds: float) -> float:
        """Until it is worth a look, ``longest_seconds`` at most."""
        left_seconds = self.due_at_seconds - now_seconds
        return left_seconds if self.interval_seconds and 0 < left_seconds < longest_seconds else longest_seconds

    def step(self, standing: Standing, now_seconds: float) -> Step:
        """What to do, when ``seen`` has been told of the same run."""
        if standing.is_paused:
            return Step.WAIT
        if standing.run.is_running:
            return Step.JOIN
        is_due = self.interval_seconds > 0 and now_seconds >= self.due_at_seconds
        return Step.BEGIN if is_due or standing.asked > standing.run.answered else Step.WAIT
