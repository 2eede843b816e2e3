"""What lies in the object store and is nobody's: deleted copies after a while, and bytes that never became a blob.

How long is counted on this process's monotonic clock from when something was first seen, so a restart only ever makes it longer.

Promises: bytes go only if no name in ``blobs``, ``trash`` or ``quarantine`` says they are its, twice, at the beginning and at the
end of that time, and nothing of this process is about to name them; and only while the place is this process's. Memory does not
grow with what is stored: names are compared so many at a time.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from storagenode.objects import keys, owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from storagenode.objects.bucket import Bucket
    from storagenode.objects.store import ObjectStore

# Names that are held at a time: some tens of megabytes.
_AT_A_TIME: Final = 100_000
_ORPHANS_EVERY_SECONDS: Final = 3600.0


class ObjectTrash:
    """For one thread."""

    def __init__(self, bucket: Bucket, store: ObjectStore, boot: str, clock: Clock) -> None:
        self._bucket = bucket
        self._store = store
        self._boot = boot
        self._clock = clock
        self._seen: dict[str, float] = {}

    def empty(self, keep_seconds: float) -> int:
        """Remove what has been seen here for so long; how many. Raises ReadOnlyError, UnavailableError."""
        now = self._clock.monotonic()
        here = (found.key for found in self._bucket.list(keys.TRASH))
        self._seen = {key: self._seen.get(key, now) for key in islice(here, _AT_A_TIME)}
        old = [key for key, since in self._seen.items() if now - since >= keep_seconds]
        if old:
            owner.require(self._bucket, self._boot)
        for key in old:
            entry = keys.parse(key)
            if entry is not None:
                self._store.forget(entry, key)
        return len(old)


class Orphans:
    """For one thread."""

    def __init__(self, bucket: Bucket, under_way: Callable[[], set[str]], boot: str, clock: Clock) -> None:
        """``under_way``: bytes of this process that nothing names yet."""
        self._bucket = bucket
        self._under_way = under_way
        self._boot = boot
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._looked: float | None = None

    def empty(self, keep_seconds: float) -> int:
        """Remove what has been nobody's for so long; how many. Raises ReadOnlyError, UnavailableError."""
        now = self._clock.monotonic()
        if self._looked is not None and now - self._looked < min(keep_seconds, _ORPHANS_EVERY_SECONDS):
            return 0
        orphans = self._found()
        self._looked = now
        self._seen = {key: self._seen.get(key, now) for key in orphans}
        old = [key for key, since in self._seen.items() if now - since >= keep_seconds]
        if old:
            owner.require(self._bucket, self._boot)
            self._bucket.delete(old)
        return len(old)

    def _found(self) -> set[str]:
        """In this order: whatever is named between two of these steps is seen to be, or under way."""
        orphans: set[str] = set()
        data = (found.key for found in self._bucket.list(keys.DATA))
        while chunk := set(islice(data, _AT_A_TIME)):
            chunk -= {keys.data(unique) for unique in self._under_way()}
            for folder in (keys.BLOBS, keys.TRASH, keys.QUARANTINE):
                for found in self._bucket.list(folder):
                    entry = keys.parse(found.key)
                    if entry is not None:
                        chunk.discard(entry.data)
            orphans |= set(islice(chunk, _AT_A_TIME - len(orphans)))
        return orphans
