"""Streams from which nothing comes: found and cut, so that their reader goes on with another copy.

gRPC knows deadlines for whole calls only, and a pull may take hours. Here only the time counts during which a reader waits for the
next message; a reader that is slow itself is never cut. One thread for all streams of a process, and none while there are none.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.clock import Clock

_STEP_SECONDS: Final = 0.2
_IDLE_SECONDS: Final = 60.0


@dataclass(eq=False, slots=True)
class Wait:
    """``is_over``: the patience ended, and the call was cancelled for that."""

    call: Any
    until: float
    is_over: bool = False


class StallWatch:
    """Safe for many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cond = threading.Condition()
        self._waiting: dict[int, Wait] = {}
        self._runs = False

    @contextlib.contextmanager
    def waiting(self, call: Any, patience_seconds: float) -> Iterator[Wait]:
        """While inside, the call is cancelled when the patience ends."""
        wait = Wait(call, self._clock.monotonic() + patience_seconds)
        with self._cond:
            self._waiting[id(wait)] = wait
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="stalls", daemon=True).start()
        try:
            yield wait
        finally:
            with self._cond:
                self._waiting.pop(id(wait), None)

    def _run(self) -> None:
        idle = 0
        while True:
            with self._cond:
                self._cond.wait(_STEP_SECONDS)
                now = self._clock.monotonic()
                late = [wait for wait in self._waiting.values() if wait.until <= now]
                idle = 0 if self._waiting else idle + 1
                if idle * _STEP_SECONDS > _IDLE_SECONDS:
                    self._runs = False
                    return
            for wait in late:
                wait.is_over = True
                wait.call.cancel()
