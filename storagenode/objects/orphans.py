"""Bytes in the object store that never became a blob: an upload was given up, or its process died before it could name them.

Promises
    * Bytes go only if no name in ``blobs``, ``trash`` or ``quarantine`` says they are its, in two looks with all the asked time
      between them, and nothing of this process is about to name them; and only while the place is this process's.
    * A look goes through each folder once, however many there are, and its memory does not grow with them (``sorting``).
    * It goes on for a moment at a time: whoever calls has other things to do. A look at millions takes hours, and is paid for by
      the page; so there is a longer rest after it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from holdfast.errors import UnavailableError
from storagenode.objects import keys

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from holdfast.clock import Clock
    from storagenode.objects.bucket import Bucket, Seen
    from storagenode.objects.owner import Tenure
    from storagenode.objects.sorting import Scratch, Sorter

# Of what is remembered from one look to the next: some tens of megabytes.
_MOST: Final = 100_000
_SLICE_SECONDS: Final = 1.0
# Between two looks at the clock; as many as a page has.
_STEP: Final = 1000
_EVERY_SECONDS: Final = 3600.0
# How many times as long as a look was at work there is none after it.
_REST: Final = 20.0
_DIGITS: Final = 32


class Orphans:
    """For one thread."""

    def __init__(
        self,
        bucket: Bucket,
        under_way: Callable[[], set[str]],
        tenure: Tenure,
        scratch: Scratch,
        clock: Clock,
        stopping: threading.Event,
    ) -> None:
        """``under_way``: bytes of this process that nothing names yet. ``stopping`` ends a look."""
        self._bucket = bucket
        self._under_way = under_way
        self._tenure = tenure
        self._scratch = scratch
        self._clock = clock
        self._stopping = stopping
        self._seen: dict[str, float] = {}
        self._due = clock.monotonic()
        self._look: Iterator[None] | None = None
        self._began = self._busy = 0.0
        self._found: set[str] = set()

    def empty(self, keep_seconds: float) -> int:
        """Go on looking, and at the end of a look remove what has been nobody's for so long; how many.

        Raises ReadOnlyError, UnavailableError.
        """
        now = self._clock.monotonic()
        if self._look is None:
            if now < self._due:
                return 0
            self._began, self._busy, self._found = now, 0.0, set()
            self._look = self._looking()
        try:
            is_over = self._goes_on(self._look, now)
        except BaseException:
            self._over(keep_seconds)
            raise
        if not is_over:
            return 0
        self._over(keep_seconds)
        return self._judge(keep_seconds)

    def _goes_on(self, look: Iterator[None], now: float) -> bool:
        """For a moment; True: to its end."""
        try:
            return all(self._clock.monotonic() - now < _SLICE_SECONDS for _ in look)
        finally:
            self._busy += self._clock.monotonic() - now

    def _over(self, keep_seconds: float) -> None:
        self._look = None
        self._due = self._clock.monotonic() + max(min(keep_seconds, _EVERY_SECONDS), _REST * self._busy)

    def _judge(self, keep_seconds: float) -> int:
        """Seen first at the end of a look, and again at the beginning of one: in between nobody has named it."""
        ended = self._clock.monotonic()
        self._seen = {unique: self._seen.get(unique, ended) for unique in self._found}
        old = [unique for unique, since in self._seen.items() if self._began - since >= keep_seconds]
        self._found = set()
        if old:
            self._tenure.require()
            self._bucket.delete([keys.data(unique) for unique in old])
        return len(old)

    def _looking(self) -> Iterator[None]:
        """In this order: whatever is named between two of these steps is seen to be, or under way."""
        with contextlib.ExitStack() as stack:
            there, named = (stack.enter_context(contextlib.closing(self._scratch.sorter())) for _ in range(2))
            yield from self._listed(keys.DATA, there, _unique_of_data)
            under_way = self._under_way()
            for folder in (keys.BLOBS, keys.TRASH, keys.QUARANTINE):
                yield from self._listed(folder, named, _unique_of_name)
            yield from self._compared(there.read(), named.read(), under_way)

    def _listed(self, folder: str, into: Sorter, unique_of: Callable[[Seen], str | None]) -> Iterator[None]:
        for number, found in enumerate(self._bucket.list(folder)):
            if self._stopping.is_set():
                raise UnavailableError("the storage node is stopping")
            unique = unique_of(found)
            if unique is not None:
                into.add(unique)
            if number % _STEP == 0:
                yield

    def _compared(self, there: Iterator[str], named: Iterator[str], under_way: set[str]) -> Iterator[None]:
        """Both in order."""
        name = next(named, None)
        for number, unique in enumerate(there):
            while name is not None and name < unique:
                name = next(named, None)
            if name != unique and unique not in under_way and len(self._found) < _MOST:
                self._found.add(unique)
            if number % _STEP == 0:
                yield


def _unique_of_data(found: Seen) -> str | None:
    unique = found.key.removeprefix(f"{keys.DATA}/")
    return unique if len(unique) == _DIGITS and set(unique) <= set("0123456789abcdef") else None


def _unique_of_name(found: Seen) -> str | None:
    entry = keys.parse(found.key)
    return entry.unique if entry is not None else None
