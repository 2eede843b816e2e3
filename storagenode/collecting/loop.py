"""When garbage is collected: every so often within the daily window, and as soon as the grace of what is waiting is over.

Without an interval that is once after the start, as in zot, and then only when somebody orders it. What is garbage needs several
cycles, each a grace after the one before: in the first it is seen, in the second links go, in the third what they held.

One thread in each node, lowest of priorities: it holds nothing that a push or pull waits for. A cycle that failed is tried again.
What an operator orders is done by the same thread, between two cycles, whatever the window.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from holdfast.errors import HoldfastError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self, TypeAlias

    from holdfast.clock import Clock
    from storagenode.collecting.pace import Pace

    GoesOn: TypeAlias = Callable[[], bool]

_LOG: Final = logging.getLogger("holdfast.gc")
_Answer = TypeVar("_Answer")

_AGAIN_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 1.0
# However short an interval is configured.
_LEAST_SECONDS: Final = 0.01
# That make one collection.
_CYCLES: Final = 3


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day, in UTC, in which a cycle may begin; it may reach over midnight."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """``HH:MM-HH:MM``; None for "". Raises ValueError."""
        if not text:
            return None
        start, _, end = text.partition("-")
        return cls(_time_of_day(start), _time_of_day(end))

    def is_open(self, wall_seconds: float) -> bool:
        now = datetime.fromtimestamp(wall_seconds, UTC).time()
        if self.start <= self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


def _time_of_day(text: str) -> time:
    hour, _, minute = text.strip().partition(":")
    return time(int(hour), int(minute))


@dataclass(frozen=True, slots=True)
class Rhythm:
    """``interval_seconds`` between cycles, 0: after the start only; ``grace_seconds``: how long after one that left something
    waiting there is another.
    """

    interval_seconds: float
    grace_seconds: float
    window: Window | None = None


def again_seconds(rhythm: Rhythm) -> float:
    """How long after a start, or a failure, there is a cycle."""
    return min(rhythm.interval_seconds or _AGAIN_SECONDS, _AGAIN_SECONDS)


class Turn:
    """One of the things that a loop does in turn. ``cycle`` is told how to ask whether to go on, and says whether something waits
    for its grace.
    """

    def __init__(self, cycle: Callable[[GoesOn], bool], rhythm: Rhythm, clock: Clock) -> None:
        self.rhythm = rhythm
        self._cycle = cycle
        self._clock = clock
        self._left = math.inf if rhythm.interval_seconds else _CYCLES
        self._due = clock.monotonic() + again_seconds(rhythm)

    def look(self, goes_on: GoesOn) -> bool:
        """A cycle if it is time for one; whether there was one."""
        window = self.rhythm.window
        if not self._left or self._clock.monotonic() < self._due:
            return False
        if window is not None and not window.is_open(self._clock.wall()):
            return False
        self.done(waits=self._cycle(goes_on))
        return True

    def done(self, *, waits: bool) -> None:
        """There was a cycle just now."""
        rhythm = self.rhythm
        pause_seconds = rhythm.interval_seconds or rhythm.grace_seconds
        if waits:
            pause_seconds = min(pause_seconds, rhythm.grace_seconds)
        self._left -= 1
        self._due = self._clock.monotonic() + pause_seconds

    def not_before(self, due_seconds: float) -> None:
        self._due = max(self._due, due_seconds)


class Loop:
    """``between`` is done every second; whatever asks whether to go on rests at ``pace``. ``start`` once, ``stop`` once."""

    def __init__(self, turns: Sequence[Turn], between: Callable[[], None], clock: Clock, pace: Pace) -> None:
        self._turns = turns
        self._between = between
        self._clock = clock
        self._again_seconds = min(map(again_seconds, (turn.rhythm for turn in turns)), default=_AGAIN_SECONDS)
        self._stopping = threading.Event()
        self._goes_on = pace.of(lambda: not self._stopping.is_set())
        self._orders: queue.SimpleQueue[Callable[[GoesOn], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="garbage-collection", daemon=True)
        self._silent_until = clock.monotonic()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Between two steps of a cycle; what is done is done."""
        self._stopping.set()
        self._orders.put(lambda _: None)
        if self._thread.is_alive():
            self._thread.join()
        while not self._orders.empty():
            self._orders.get()(self._goes_on)

    def order(self, work: Callable[[GoesOn], _Answer]) -> Future[_Answer]:
        """Have this done by the loop's thread as soon as the cycle under way is over."""
        done: Future[_Answer] = Future()

        def do(goes_on: GoesOn) -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                if not goes_on():
                    raise UnavailableError("the storage node is stopping; try again when it is back")  # noqa: TRY301
                done.set_result(work(goes_on))
            except Exception as error:  # noqa: BLE001 - whoever ordered it is told
                done.set_exception(error)

        self._orders.put(do)
        return done

    def _run(self) -> None:
        pause_seconds = max(_LEAST_SECONDS, min(_LOOK_SECONDS, self._again_seconds))
        while not self._stopping.is_set():
            try:
                self._orders.get(timeout=pause_seconds)(self._goes_on)
            except queue.Empty:
                self._take_turns()

    def _take_turns(self) -> None:
        """One whose disk fails holds up none of the others."""
        if not self._is_done(self._between, self._turns):
            return
        for turn in self._turns:
            self._is_done(partial(turn.look, self._goes_on), [turn])

    def _is_done(self, work: Callable[[], object], turns: Sequence[Turn]) -> bool:
        """False: it failed, and ``turns`` are put off."""
        try:
            work()
        except HoldfastError as error:
            self._failed(error, turns)
        except Exception:  # noqa: BLE001 - the thread must outlive any surprise, and say so
            _LOG.exception("a collection broke; it is tried again")
            self._put_off(turns, _AGAIN_SECONDS)
        else:
            return True
        return False

    def _failed(self, error: HoldfastError, turns: Sequence[Turn]) -> None:
        """Told once in a while: what an operator has to look at may last for days."""
        now = self._clock.monotonic()
        self._put_off(turns, self._again_seconds)
        if now >= self._silent_until:
            self._silent_until = now + self._again_seconds
            _LOG.warning("nothing is collected now; it is tried again", extra={"reason": error.message})

    def _put_off(self, turns: Sequence[Turn], seconds: float) -> None:
        for turn in turns:
            turn.not_before(self._clock.monotonic() + seconds)
