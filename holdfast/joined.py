"""Callers that want the same thing at the same time share one doing of it.

Promises: for each key at most one call of ``work`` is under way; whoever comes meanwhile gets its result or its error. The doing
goes on when those who wait have lost their patience.

Never: remembers a result; who comes afterwards begins anew.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Generic, TypeVar

from holdfast.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Key = TypeVar("Key", bound="Hashable")
Result = TypeVar("Result")


class Joined(Generic[Key, Result]):
    """Shared by threads."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._running: dict[Key, Future[Result]] = {}

    def run(self, key: Key, work: Callable[[], Result]) -> Result:
        """In this thread, or by joining the one that is at it.

        Raises:
            OverloadedError: that one takes too long. Whatever ``work`` raises.
        """
        with self._lock:
            running = self._running.get(key)
            mine: Future[Result] = Future()
            if running is None:
                self._running[key] = mine
        if running is not None:
            return self._joined(running)
        try:
            result = work()
        except BaseException as error:
            self._forget(key)
            mine.set_exception(error)
            raise
        self._forget(key)
        mine.set_result(result)
        return result

    def _joined(self, running: Future[Result]) -> Result:
        try:
            return running.result(self._patience_seconds)
        except FutureTimeoutError as error:
            raise OverloadedError("somebody else has asked for the same, and it takes long; try again") from error

    def _forget(self, key: Key) -> None:
        with self._lock:
            del self._running[key]
