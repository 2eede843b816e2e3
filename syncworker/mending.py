"""What storage nodes have lost of mirrored repositories is fetched again, before a client misses it.

    lost/ ──▶ who links it ──▶ the first of those repositories that an upstream fills ──▶ an ordinary fetch

Promises: a digest is asked for at most once in some minutes, whatever comes of it; the node that gets it strikes it out. What was
pushed into a mirrored repository is asked for as well: whoever has these bytes, they are the same. Two workers that do so at the
same time join the same fetch.

Never: decides what is lost.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.lost import LostBook
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository
    from syncworker.upstream.pace import Pause

_log: Final = logging.getLogger("holdfast.sync")

_EVERY_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 300.0
_AT_A_TIME: Final = 1000
_HOLDERS: Final = 100


class Mending:
    """For one thread. ``is_filled``: whether an upstream fills a repository; ``bring`` begins to fetch a manifest or blob of it."""

    def __init__(
        self,
        lost: LostBook,
        repos: Repositories,
        is_filled: Callable[[Repository], bool],
        bring: Callable[[Repository, Digest], None],
        clock: Clock,
    ) -> None:
        self._lost = lost
        self._repos = repos
        self._is_filled = is_filled
        self._bring = bring
        self._clock = clock
        self._tried: dict[Digest, float] = {}

    def keep_mended(self, pause: Pause) -> None:
        """Until ``pause`` returns something true: the process is about to end."""
        while not pause(_EVERY_SECONDS):
            try:
                self.round()
            except HoldfastError as error:
                _log.warning("what was lost is not fetched again now", extra={"reason": error.message})
            except Exception:  # noqa: BLE001 - the thread must outlive any surprise, and say so
                _log.exception("fetching again what was lost broke; it is tried again")

    def round(self) -> int:
        """How many are on their way now. Raises UnavailableError: the metadata did not answer, or too much is being fetched."""
        now, begun = self._clock.monotonic(), 0
        tried: dict[Digest, float] = {}
        due: list[Digest] = []
        for lost in self._lost.all():
            when = self._tried.get(lost.digest, float("-inf"))
            if now < when + AGAIN_SECONDS:
                tried[lost.digest] = when
            elif len(due) < _AT_A_TIME:  # what was tried, and nobody can bring, makes room for what comes behind it
                due.append(lost.digest)
        self._tried = tried
        for digest in due:
            self._tried[digest] = now
            begun += self._mend(digest)
        return begun

    def _mend(self, digest: Digest) -> bool:
        for repository in self._repos.holders(digest, _HOLDERS):
            if not self._is_filled(repository):
                continue
            about = {"repository": repository, "digest": str(digest)}
            try:
                self._bring(repository, digest)
            except OverloadedError:
                del self._tried[digest]
                raise
            except HoldfastError as error:
                _log.warning("what was lost could not be fetched again", extra={**about, "reason": error.message})
                continue
            _log.info("what was lost is fetched again", extra=about)
            return True
        return False
