"""Comparisons of passwords with hashes, which take a processor a tenth of a second each: behind everybody else's requests.

Promises
  * One runs at a time in a process, and in half as many processes as there are processors, in a thread of its own that gives way to
    all others: whoever shows what is known already is not slowed by those who try passwords.
  * So many may wait, and no longer than their patience; whoever comes then is refused at once. So the threads that answer requests
    are never all taken by logins.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Final, TypeVar

from holdfast.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.slots import Slots

Answer = TypeVar("Answer")

# There is a gateway process for each processor.
_TOGETHER: Final = 1
# Half of a gateway process's threads when nothing is said of them.
_WAITING: Final = 128
_PATIENCE_SECONDS: Final = 20.0
# More than everybody else's in the process.
_NICENESS: Final = 10
_REFUSAL: Final = "too many logins at once; try again in a moment"


class Comparing:
    """Shared by threads."""

    def __init__(
        self,
        waiting: int = _WAITING,
        patience_seconds: float = _PATIENCE_SECONDS,
        together: int = _TOGETHER,
        slots: Slots | None = None,
    ) -> None:
        """``slots``: shared with other processes; None: there are none."""
        self._patience_seconds = patience_seconds
        self._slots = slots
        self._places = threading.BoundedSemaphore(waiting)
        self._pool = ThreadPoolExecutor(together, "passwords", _give_way)

    def admitted(self, work: Callable[[], Answer]) -> Answer:
        """``work`` in this thread, which counts as one that waits. Raises OverloadedError: too many do."""
        if not self._places.acquire(blocking=False):
            raise OverloadedError(_REFUSAL)
        try:
            return work()
        finally:
            self._places.release()

    def run(self, compare: Callable[[], bool]) -> bool:
        """Its answer. Raises OverloadedError: the others take too long."""
        going = self._pool.submit(self._compared, compare)
        try:
            return going.result(self._patience_seconds)
        except FutureTimeoutError as error:
            going.cancel()
            raise OverloadedError(_REFUSAL) from error

    def _compared(self, compare: Callable[[], bool]) -> bool:
        if self._slots is None:
            return compare()
        with self._slots.one():
            return compare()


def _give_way() -> None:
    """On Linux niceness is a thread's own; elsewhere it would be the whole process's."""
    if sys.platform == "linux":
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, me) + _NICENESS)
