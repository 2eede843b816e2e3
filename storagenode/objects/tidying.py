"""What lies in the object store and is nobody's: deleted copies after a while, and bytes that never became a blob.

How long is counted on this process's monotonic clock from when something was first seen, so a restart only ever makes it longer.

Promises: bytes go only if no name in ``blobs``, ``trash`` or ``quarantine`` says they are its, twice, at the beginning and at the
end of that time, and nothing of this process is about to name them; and only while the place is this process's. Memory does not
grow with what is stored: names are compared so many at a time.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from holdfast.errors import UnavailableError
from holdfast.rpc.collecting import NONE, Amount
from storagenode.objects import keys, owner

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

    from holdfast.clock import Clock
    from storagenode.objects.bucket import Bucket, Seen
    from storagenode.objects.store import ObjectStore

# Names that are held at a time: some tens of megabytes.
_AT_A_TIME: Final = 100_000
_ORPHANS_EVERY_SECONDS: Final = 3600.0
# How many times as long as a look takes there is none after it began: with millions of blobs one takes hours, and is paid for.
_REST: Final = 20.0


class ObjectTrash:
    """For one thread."""

    def __init__(self, bucket: Bucket, store: ObjectStore, boot: str, clock: Clock) -> None:
        self._bucket = bucket
        self._store = store
        self._boot = boot
        self._clock = clock
        self._seen: dict[str, float] = {}

    def empty(self, keep_seconds: float) -> Amount:
        """Remove what has been seen here for so long; how much. Raises ReadOnlyError, UnavailableError."""
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
                del self._seen[key]
        return _sum(old)

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


class Orphans:
    """For one thread."""

    def __init__(
        self, bucket: Bucket, under_way: Callable[[], set[str]], boot: str, clock: Clock, stopping: threading.Event
    ) -> None:
        """``under_way``: bytes of this process that nothing names yet. ``stopping`` ends a look: one may take many minutes."""
        self._bucket = bucket
        self._under_way = under_way
        self._boot = boot
        self._clock = clock
        self._stopping = stopping
        self._seen: dict[str, float] = {}
        self._due: float | None = None

    def empty(self, keep_seconds: float) -> int:
        """Remove what has been nobody's for so long; how many. Raises ReadOnlyError, UnavailableError."""
        now = self._clock.monotonic()
        if self._due is not None and now < self._due:
            return 0
        orphans = self._found()
        took_seconds = self._clock.monotonic() - now
        self._due = now + max(min(keep_seconds, _ORPHANS_EVERY_SECONDS), _REST * took_seconds)
        self._seen = {key: self._seen.get(key, now) for key in orphans}
        old = [key for key, since in self._seen.items() if now - since >= keep_seconds]
        if old:
            owner.require(self._bucket, self._boot)
            self._bucket.delete(old)
        return len(old)

    def _found(self) -> set[str]:
        """In this order: whatever is named between two of these steps is seen to be, or under way."""
        orphans: set[str] = set()
        data = (found.key for found in self._listed(keys.DATA))
        while chunk := set(islice(data, _AT_A_TIME)):
            chunk -= {keys.data(unique) for unique in self._under_way()}
            for folder in (keys.BLOBS, keys.TRASH, keys.QUARANTINE):
                for found in self._listed(folder):
                    entry = keys.parse(found.key)
                    if entry is not None:
                        chunk.discard(entry.data)
            orphans |= set(islice(chunk, _AT_A_TIME - len(orphans)))
        return orphans

    def _listed(self, folder: str) -> Iterator[Seen]:
        for found in self._bucket.list(folder):
            if self._stopping.is_set():
                raise UnavailableError("the storage node is stopping")
            yield found


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
