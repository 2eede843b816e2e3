"""Watches: the table of events, read from where the last poll ended.

Promises: no gap and no repetition, in revision order; a change made by this process wakes a waiting poll at once, one made by
another is seen within :data:`LATENCY_SECONDS`; leases that run out are noticed although nobody writes.
Never here: threads. A watch costs nothing while nobody polls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from holdfast.errors import CompactedError, MetadataUnavailableError
from holdfast.meta.store import Entry, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.clock import Clock
    from holdfast.meta.sqlite.connections import Connections

LATENCY_SECONDS: Final = 0.025
_PAGE: Final = 500

_EVENTS: Final = """SELECT s.revision, s.compacted, e.key, e.revision, e.value, e.create_rev, e.lease
    FROM state s LEFT JOIN events e
        ON (e.revision, e.key) > (?, ?) AND e.key >= ? AND e.key < ?
    WHERE s.id = 1 ORDER BY e.revision, e.key LIMIT ?"""


class SqliteWatch:
    """``settle`` ends leases that have run out; ``wait`` returns after so many seconds, or when this process changed something."""

    def __init__(
        self,
        connections: Connections,
        clock: Clock,
        key_range: tuple[bytes, bytes],
        from_revision: int,
        settle: Callable[[], None],
        wait: Callable[[float], None],
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._range = key_range
        # No key is empty, so this stands before the first event of the revision.
        self._after: tuple[int, bytes] = (from_revision, b"")
        self._settle = settle
        self._wait = wait
        self._closed = False

    def poll(self, timeout_seconds: float) -> Sequence[Event]:
        """Raises CompactedError, MetadataUnavailableError."""
        deadline = self._clock.monotonic() + timeout_seconds
        while not self._closed:
            self._settle()
            events = self._read()
            remaining_seconds = deadline - self._clock.monotonic()
            if events or remaining_seconds <= 0:
                return events
            self._wait(min(LATENCY_SECONDS, remaining_seconds))
        raise MetadataUnavailableError("the watch has been closed")

    def close(self) -> None:
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _read(self) -> list[Event]:
        with self._connections.reader() as connection:
            rows = connection.execute(_EVENTS, (*self._after, *self._range, _PAGE)).fetchall()
        revision, compacted = rows[0][:2]
        if self._after[0] <= compacted:
            raise CompactedError("the changes asked for are no longer kept: read the range again and watch from there")
        events = [_event(*row[2:]) for row in rows if row[2] is not None]
        if len(events) == _PAGE:
            self._after = (events[-1].revision, events[-1].key)
        else:
            self._after = (max(self._after[0], revision + 1), b"")
        return events


def _event(key: bytes, revision: int, value: bytes | None, create_revision: int, lease_id: int) -> Event:
    entry = None if value is None else Entry(key, value, create_revision, revision, lease_id)
    return Event(key, revision, entry)
