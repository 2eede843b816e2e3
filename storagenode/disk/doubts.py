"""Copies that somebody asked for at another size than they have. One of the two is wrong, and only the bytes tell which.

Sizes come from manifests, and those say what their authors wrote: nobody's word alone puts a copy aside. It is answered as one that
is not of use to whoever asked, and read here, at a bounded pace, by one thread.

Promises: a copy is read once, whatever was claimed of it and however often, for as long as its file stays as it was; so many wait
and no more, and what finds no place is read when it is asked for again. Memory is bounded.

Never here: what becomes of a wrong copy.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from holdfast.errors import UnavailableError
from storagenode.scrubbing.pace import Pace, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from storagenode.store import Examined

    Examine = Callable[[Digest, Callable[[int], None]], Examined | None]

_LOG: Final = logging.getLogger("holdfast.node")

# As a scrub goes when nothing is configured.
BYTES_PER_SECOND: Final = 20 << 20
_KEEP_COUNT: Final = 10_000
_WAITING: Final = 1_000


class Doubts:
    """Of one data directory. Safe for many threads. ``close`` once."""

    def __init__(self, clock: Clock, *, bytes_per_second: int = BYTES_PER_SECOND, waiting: int = _WAITING) -> None:
        self._most_waiting = waiting
        self._stopping = threading.Event()
        self._pace = Pace(clock, self._stopping, bytes_per_second)
        self._lock = threading.Lock()
        self._waiting: set[Digest] = set()
        self._right: OrderedDict[Digest, Hashable] = OrderedDict()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="doubt")  # its thread begins with the first doubt

    def look_into(self, digest: Digest, seen: Hashable, examine: Examine) -> None:
        """Have the copy read, soon. ``seen``: the copy as it is, equal only if nobody has changed it."""
        with self._lock:
            is_answered = self._right.get(digest) == seen or digest in self._waiting
            if is_answered or len(self._waiting) >= self._most_waiting or self._stopping.is_set():
                return
            self._waiting.add(digest)
            self._reader.submit(self._look, digest, seen, examine)

    def _look(self, digest: Digest, seen: Hashable, examine: Examine) -> None:
        is_right = False
        try:
            found = examine(digest, self._pace.moved)
            is_right = found is not None and not found.fault
            self._pace.small(found.size_bytes if found is not None else 0)
        except StoppedError:
            pass  # who starts next is asked again
        except UnavailableError as error:
            _LOG.warning(
                "a copy of a doubtful size could not be read", extra={"digest": str(digest), "reason": error.message}
            )
        except Exception:  # noqa: BLE001 - the thread must outlive any surprise, and say so
            _LOG.exception("a copy of a doubtful size could not be read", extra={"digest": str(digest)})
        finally:
            self._settle(digest, seen, is_right=is_right)

    def _settle(self, digest: Digest, seen: Hashable, *, is_right: bool) -> None:
        with self._lock:
            self._waiting.discard(digest)
            if is_right:
                self._right[digest] = seen
                self._right.move_to_end(digest)
            if len(self._right) > _KEEP_COUNT:
                self._right.popitem(last=False)

    def close(self) -> None:
        """Waits for the piece that is being read."""
        with self._lock:
            self._stopping.set()
        self._reader.shutdown(cancel_futures=True)
