"""Reading without a quorum: a view that falls back to what one member has, for a while.

Promises: linearizable answers as long as there is a quorum; without one, answers of a single member for at most
``stale_read_seconds`` after the last moment at which this process knew a linearizable one, each reported to ``on_stale`` in the
thread that reads; while the quorum is known to be lost nobody waits for it, one probe a second asks in the background.
Never: mutations, and no stale answer in a process that has not had a linearizable one.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from holdfast.errors import MetadataUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.meta.etcd.quorum import Quorum
    from holdfast.meta.etcd.reads import Reads
    from holdfast.meta.store import Entry, RangePage, Snapshot

_T = TypeVar("_T")
PROBE_SECONDS: Final = 1.0
_PROBE_KEY: Final = b"cluster/id"


class StaleReads:
    """``on_stale`` gets the age of the answer in seconds: the time since the last confirmation by a quorum."""

    def __init__(
        self,
        linearizable: Reads,
        serializable: Reads,
        quorum: Quorum,
        stale_read_seconds: float,
        on_stale: Callable[[float], None],
    ) -> None:
        if stale_read_seconds < 0:
            raise ValueError("stale reads are allowed for 0 seconds (never) or more")
        self._linearizable = linearizable
        self._serializable = serializable
        self._quorum = quorum
        self._stale_read_seconds = stale_read_seconds
        self._on_stale = on_stale

    def get(self, key: bytes) -> Entry | None:
        return self._read(lambda reads: reads.get(key))

    def get_many(self, keys: Sequence[bytes]) -> Snapshot:
        return self._read(lambda reads: reads.get_many(keys))

    def range(self, start: bytes, end: bytes, limit: int, *, keys_only: bool = False) -> RangePage:
        return self._read(lambda reads: reads.range(start, end, limit, keys_only=keys_only))

    def _read(self, question: Callable[[Reads], _T]) -> _T:
        if self._quorum.lost:
            self._probe()
        else:
            try:
                return question(self._linearizable)
            except MetadataUnavailableError:
                if not self._quorum.lost:
                    raise  # closed, or refused: another member's answer would be no better
        age_seconds = self._quorum.age_seconds()
        if age_seconds is None or age_seconds >= self._stale_read_seconds:
            raise MetadataUnavailableError("etcd has no quorum, and what one member has may be too old")
        answer = question(self._serializable)
        self._on_stale(age_seconds)
        return answer

    def _probe(self) -> None:
        if self._quorum.may_probe(PROBE_SECONDS):
            threading.Thread(target=self._ask, name="etcd-quorum-probe", daemon=True).start()

    def _ask(self) -> None:
        # Its answer goes to the quorum's own record.
        with contextlib.suppress(MetadataUnavailableError):
            self._linearizable.get(_PROBE_KEY)
