"""When what was pulled last: only for repositories whose pull times somebody will ask for. How: :mod:`gateway.batches`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.batches import Batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.pulls import PullTimes
    from holdfast.names import Repository

REFRESH_SECONDS: Final = 300.0
_FLUSH_SECONDS: Final = 2.0


class Pulls:
    """Shared by threads. ``counts``: whether anybody asks for a repository's pull times; ``counts_blobs``: also for its blobs'."""

    def __init__(
        self,
        times: PullTimes,
        counts: Callable[[Repository], bool],
        clock: Clock,
        *,
        counts_blobs: Callable[[Repository], bool] | None = None,
        flush_seconds: float = _FLUSH_SECONDS,
    ) -> None:
        self._counts = counts
        self._counts_blobs = counts if counts_blobs is None else counts_blobs
        self._batches: Batches[tuple[Repository, Digest]] = Batches(
            "pull-times", times.write, clock, REFRESH_SECONDS, flush_seconds
        )
        self.start, self.stop, self.flush = self._batches.start, self._batches.stop, self._batches.flush

    def note(self, repository: Repository, digest: Digest) -> None:
        """Somebody has asked for a manifest, and it is here or on its way."""
        if self._counts(repository):
            self._batches.note((repository, digest))

    def note_blob(self, repository: Repository, digest: Digest) -> None:
        """Likewise for a blob. Retention asks for manifests only, which a pull names first."""
        if self._counts_blobs(repository):
            self._batches.note((repository, digest))


def noted_by_nobody(_repository: Repository, _digest: Digest) -> None:
    """Where pull times are not asked for."""
