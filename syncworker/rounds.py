"""The mirrors of one worker, each watched by a thread of its own: when one is due it is run, and what others have begun is shared.

Promises: a mirror that fails, or whose upstream does not answer, does not hold up another. ``stop`` lets go of what is under way.

Never: copies anything itself.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError
from syncworker.schedule import Schedule, Step
from syncworker.share import Share
from syncworker.upstream.pace import Time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.clock import Clock
    from holdfast.meta.mirrorruns import MirrorRuns
    from syncworker.share import Mirror
    from syncworker.upstream.pace import Die

_log: Final = logging.getLogger("holdfast.sync")

# How soon a wish, a pause and another worker's run are noticed.
_LOOK_SECONDS: Final = 1.0
# An image under way is asked every second or so whether to go on; a silent upstream is not waited for.
_END_SECONDS: Final = 3.0


class Rounds:
    """``start`` after the worker is seen by others: its claims count as long as it is."""

    def __init__(self, mirrors: Sequence[Mirror], runs: MirrorRuns, clock: Clock, die: Die) -> None:
        self._runs = runs
        self._stopping = threading.Event()
        self._time = Time(clock, self._stopping.wait, die)
        self._threads = [
            threading.Thread(target=self._watch, args=(mirror,), name=f"mirror-{mirror.entry.id}", daemon=True)
            for mirror in mirrors
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        deadline = self._time.clock.monotonic() + _END_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - self._time.clock.monotonic()))

    def _watch(self, mirror: Mirror) -> None:
        share = Share(mirror, self._runs, self._time, self._stopping.is_set)
        schedule, told = Schedule(mirror.interval_seconds), ""
        while not self._stopping.wait(schedule.wait_seconds(self._time.clock.monotonic(), _LOOK_SECONDS)):
            try:
                schedule, told = self._step(mirror, share, schedule), ""
            except HoldfastError as error:
                if error.message != told:
                    _log.warning("a mirror waits", extra={"mirror": mirror.entry.title, "reason": error.message})
                told = error.message
            except Exception:  # noqa: BLE001 - nobody else is there to notice, and the mirror is to go on
                _log.exception("watching a mirror broke")

    def _step(self, mirror: Mirror, share: Share, schedule: Schedule) -> Schedule:
        clock = self._time.clock
        standing = self._runs.look(mirror.entry.id)
        schedule = schedule.seen(standing.run, clock.monotonic(), clock.wall())
        step = schedule.step(standing, clock.monotonic())
        if step is Step.JOIN:
            share.take(standing.run)
        elif step is Step.BEGIN:
            run = self._runs.begin(standing, mirror.entry.title, clock.wall())
            if run is not None:
                _log.info("a mirror's run began", extra={"mirror": mirror.entry.title})
                share.take(run)
        else:
            return schedule
        return schedule.seen(self._runs.look(mirror.entry.id).run, clock.monotonic(), clock.wall())
