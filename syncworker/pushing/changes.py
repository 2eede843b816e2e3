"""What has become visible here, told soon after: tags that were set, and tags whose image something new belongs to.

Promises: what changes while others still change is told together, after half a second of quiet or a few seconds in all. Where
changes may have been missed, at the start, after a gap, and when a worker has gone, which may have left its own undone, ``missed``
is called.

Never: copies anything; tells of deletions.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.digest import Digest
from holdfast.errors import CompactedError, UnavailableError
from holdfast.meta import keys
from holdfast.mirrors.selection import subject_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from holdfast.clock import Clock
    from holdfast.meta.store import Event, Store, Watch
    from holdfast.names import Repository, Tag
    from syncworker.pushing.holdings import Holdings

    Change = tuple[Repository, Tag]

_log: Final = logging.getLogger("holdfast.sync")

# A watch of the embedded store reads its table many times a second while it is polled, so most of the wait is not.
_QUIET_SECONDS: Final = 0.4
_POLL_SECONDS: Final = 0.1
# A registry that is pushed to all the time is never quiet.
_TOGETHER_SECONDS: Final = 3.0
_AGAIN_SECONDS: Final = 2.0
_LIVING_SECONDS: Final = 2.0


class Changes:
    """A thread from ``start`` to ``stop``, which calls ``tell`` and ``missed``. ``living``: the workers that are alive."""

    def __init__(
        self,
        store: Store,
        here: Holdings,
        clock: Clock,
        tell: Callable[[Repository, Tag], None],
        missed: Callable[[], None],
        living: Callable[[], Collection[str]],
    ) -> None:
        self._store = store
        self._here = here
        self._clock = clock
        self._tell = tell
        self._missed = missed
        self._living = living
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="changes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except CompactedError:
                continue
            except UnavailableError as error:
                _log.warning("changes cannot be followed for now", extra={"reason": error.message})
            except Exception:  # noqa: BLE001 - nobody else is there to notice, and copies are to go on
                _log.exception("following changes broke")
            self._stopping.wait(_AGAIN_SECONDS)

    def _follow(self) -> None:
        """Until told to stop. What was missed is said once the watch stands, so that nothing lies between."""
        start, end = keys.SHOWN
        revision = self._store.range(start, end, 1, keys_only=True).revision
        with self._store.watch(start, end, revision + 1) as watch:
            self._missed()
            known, look_at_seconds = frozenset(self._living()), self._clock.monotonic() + _LIVING_SECONDS
            while not self._stopping.is_set():
                for repository, tag in self._gathered(watch):
                    self._tell(repository, tag)
                if self._clock.monotonic() >= look_at_seconds:
                    living, look_at_seconds = frozenset(self._living()), self._clock.monotonic() + _LIVING_SECONDS
                    if known - living:
                        self._missed()
                    known = living

    def _gathered(self, watch: Watch) -> Iterable[Change]:
        found: dict[Change, None] = {}
        began = self._clock.monotonic()
        while not self._stopping.wait(_QUIET_SECONDS):
            events = watch.poll(_POLL_SECONDS)
            for event in events:
                found.update(dict.fromkeys(self._meant(event)))
            if not events or self._clock.monotonic() - began > _TOGETHER_SECONDS:
                break
        return found

    def _meant(self, event: Event) -> Iterator[Change]:
        shown = keys.shown_in(event.key) if event.entry is not None else None
        if shown is None:
            return
        repository, what = shown
        subject = what if isinstance(what, Digest) else subject_of(what)
        if subject is None:
            if not isinstance(what, Digest):
                yield repository, what
            return
        # What belongs to an image changes no tag of its own.
        for tag in self._here.tags(repository):
            if self._here.tagged(repository, tag) == subject:
                yield repository, tag
