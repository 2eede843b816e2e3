"""Hears what comes into caches, so that a budget is not overrun for longer than a moment.

Promises: a round is asked for when a fiftieth of a budget has come to this worker since it asked last; so a budget is overrun by a
fiftieth for each worker, and by what comes until the round is made.

Never: knows how full a cache is. Who fetches waits for nothing but this one small write, and does without it when that fails.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from holdfast.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.mirrors.keeping import LimitsOf
    from holdfast.names import Repository

_log: Final = logging.getLogger("holdfast.sync")

_SHARE: Final = 50


class Growth:
    """Shared by threads. ``ask`` has caches looked at."""

    def __init__(self, limits_of: LimitsOf, ask: Callable[[], None]) -> None:
        self._limits_of = limits_of
        self._ask = ask
        self._lock = threading.Lock()
        self._come: Counter[str] = Counter()

    def linked(self, repository: Repository, size_bytes: int) -> None:
        """So many bytes have become a repository's."""
        limits = self._limits_of(repository)
        if limits is None or limits.size_bytes is None:
            return
        with self._lock:
            self._come[limits.budget] += size_bytes
            if self._come[limits.budget] * _SHARE < limits.size_bytes:
                return
            self._come[limits.budget] = 0
        try:
            self._ask()
        except UnavailableError as error:
            _log.warning("a cache may be over its budget until the next round", extra={"reason": error.message})
