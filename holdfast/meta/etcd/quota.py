"""Stopping pushes before etcd stops everything.

At its space quota etcd refuses every put, those of a garbage collector too, until an operator has compacted it, defragmented it
and lifted the alarm. Promises: at four fifths of the quota whatever adds new keys is refused with MetadataFullError; deletions,
changes of keys that are there, keys under a lease and housekeeping go on. A size that cannot be learned refuses nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from pyetcd import etcdrpc

from holdfast.errors import MetadataFullError, MetadataUnavailableError
from holdfast.meta.store import KeyAt, Put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.clock import Clock
    from holdfast.meta.etcd.calls import Calls
    from holdfast.meta.etcd.options import EtcdOptions
    from holdfast.meta.store import Compare, Op

MARK: Final = 0.8
_REFRESH_SECONDS: Final = 5.0


class QuotaGuard:
    """Asks for the size at most every five seconds, one thread at a time, and only when somebody writes."""

    def __init__(self, options: EtcdOptions, calls: Calls, clock: Clock) -> None:
        self._mark_bytes = None if options.quota_bytes is None else int(options.quota_bytes * MARK)
        self._housekeeping = options.housekeeping
        self._calls = calls
        self._clock = clock
        self._asking = threading.Lock()
        self._size_bytes = 0
        self._asked_at: float | None = None

    def check(self, compares: Sequence[Compare], ops: Sequence[Op]) -> None:
        """Raises MetadataFullError."""
        if self._mark_bytes is None or not self._grows(compares, ops):
            return
        self._refresh()
        if self._size_bytes >= self._mark_bytes:
            raise MetadataFullError(
                "the metadata store has used four fifths of its quota: compact and defragment etcd, or raise the quota",
                {"size": self._size_bytes, "mark": self._mark_bytes},
            )

    def _grows(self, compares: Sequence[Compare], ops: Sequence[Op]) -> bool:
        known = {compare.key for compare in compares if isinstance(compare, KeyAt) and compare.mod_revision}
        puts = [op for op in ops if isinstance(op, Put)]
        return len(puts) == len(ops) and any(
            not op.lease_id and op.key not in known and not op.key.startswith(self._housekeeping) for op in puts
        )

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if self._asked_at is not None and now - self._asked_at < _REFRESH_SECONDS:
            return
        if not self._asking.acquire(blocking=False):
            return  # the old size is good enough for one more write
        try:
            request = etcdrpc.StatusRequest()
            status = self._calls.local(lambda member, **how: member.maintenance.Status(request, **how))
            self._size_bytes = status.dbSize
        except MetadataUnavailableError:
            pass  # the write itself will tell
        finally:
            self._asked_at = now
            self._asking.release()
