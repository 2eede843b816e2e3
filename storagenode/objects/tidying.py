"""What lies in the object store and is nobody's: deleted copies after a while, and bytes that never became a blob (``orphans``).

How long is counted on this process's monotonic clock from when something was first seen, so a restart only ever makes it longer.

Promises: nothing goes but while the place is this process's, and no bytes that a name says are its.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from holdfast.rpc.collecting import NONE, Amount
from storagenode.objects import keys

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from holdfast.clock import Clock
    from storagenode.objects.bucket import Bucket
    from storagenode.objects.orphans import Orphans
    from storagenode.objects.owner import Tenure
    from storagenode.objects.store import ObjectStore

# Names that are held at a time: some tens of megabytes.
_AT_A_TIME: Final = 100_000


class ObjectTrash:
    """For one thread."""

    def __init__(
        self, bucket: Bucket, store: ObjectStore, tenure: Tenure, clock: Clock, stopping: threading.Event
    ) -> None:
        """``stopping`` ends what it is at: of a hundred thousand each costs a few requests."""
        self._bucket = bucket
        self._store = store
        self._tenure = tenure
        self._clock = clock
        self._stopping = stopping
        self._seen: dict[str, float] = {}

    def empty(self, keep_seconds: float) -> Amount:
        """Remove what has been seen here for so long; how much. Raises ReadOnlyError, UnavailableError."""
        now = self._clock.monotonic()
        here = (found.key for found in self._bucket.list(keys.TRASH))
        self._seen = {key: self._seen.get(key, now) for key in islice(here, _AT_A_TIME)}
        old = [key for key, since in self._seen.items() if now - since >= keep_seconds]
        if old:
            self._tenure.require()
        gone = []
        for key in old:
            if self._stopping.is_set():
                break
            entry = keys.parse(key)
            if entry is not None:
                self._store.forget(entry, key)
                del self._seen[key]
                gone.append(key)
        return _sum(gone)

    @property
    def held(self) -> Amount:
        """As of the last look."""
        return _sum(self._seen)

    def contents(self, keep_seconds: float) -> tuple[Amount, Amount]:
        """What ``empty`` would remove, and what it would leave. Raises UnavailableError."""
        now = self._clock.monotonic()
        here = [found.key for found in islice(self._bucket.list(keys.TRASH), _AT_A_TIME)]
        old = {key for key in here if now - self._seen.get(key, now) >= keep_seconds}
        return _sum(old), _sum(key for key in here if key not in old)


class ObjectWaste:
    """Both of one place in an object store. Implements ``storagenode.tidying.Waste``."""

    def __init__(self, trash: ObjectTrash, orphans: Orphans) -> None:
        self._trash = trash
        self._orphans = orphans

    def empty(self, keep_seconds: float) -> Amount:
        """How many bytes nobody's were is not known: they are no blobs. Raises ReadOnlyError, UnavailableError."""
        return self._trash.empty(keep_seconds) + Amount(self._orphans.empty(keep_seconds))

    def make_room(self, _wanted_bytes: int, _keep_seconds: float) -> Amount:
        """Nothing: what lies there takes no room from the directory beside it."""
        return NONE

    @property
    def held(self) -> Amount:
        """What lies in the trash, as of the last look."""
        return self._trash.held

    def contents(self, keep_seconds: float) -> tuple[Amount, Amount]:
        """What ``empty`` would remove of the trash, and what it would leave. Raises UnavailableError."""
        return self._trash.contents(keep_seconds)


def _sum(names: Iterable[str]) -> Amount:
    entries = (keys.parse(key) for key in names)
    return sum((Amount(1, entry.size_bytes) for entry in entries if entry is not None), Amount())
