"""One ``direction: push`` entry as a job: which repositories and tags are meant, and one image copied with all that belongs to it.

Promises
    * An image that has not changed costs one HEAD. What belongs to it is compared with the target once after this process began,
      and again whenever it changes here.
    * The tag is set last, and after it come referrers and cosign's tags.
    * A tag that stands for something else at the target is moved: what is here counts. One that moves here while its image is
      copied is copied again, so that of two copyings at once the later state stays.

Never: deletes at the target; copies an image of which a part cannot be had.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import MissingError, UnavailableError
from holdfast.replicas.remembered import Remembered
from syncworker.jobs import Copied
from syncworker.pushing.images import Trip
from syncworker.pushing.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.mirrors.ways import Way
    from holdfast.names import Repository, Tag
    from syncworker.jobs import Progress
    from syncworker.pushing.assembly import Parts

# What a target has lost of an image's company comes back within the hour.
_SETTLED_SECONDS: Final = 3600.0
_SETTLED: Final = 20_000
_TRIES: Final = 5


class PushJob:
    """Implements ``syncworker.jobs.Job``. ``ways`` are those of the entry, in the configuration's order."""

    def __init__(self, ways: Sequence[Way], parts: Parts, clock: Clock, *, only_signed: bool) -> None:
        self._ways = tuple(ways)
        self._parts = parts
        self._only_signed = only_signed
        self._over = threading.Event()
        self._settled: Remembered[tuple[Repository, Tag], bytes] = Remembered(clock, _SETTLED_SECONDS, _SETTLED)

    def repositories(self) -> Iterator[Repository]:
        """Ours that the entry selects. Raises UnavailableError."""
        return (name for name in self._parts.here.repositories() if self.name_there(name) is not None)

    def tags(self, repository: Repository) -> Sequence[Tag]:
        """Those that the entry selects, sorted. Raises UnavailableError."""
        way = way_of(self._ways, repository)
        return sorted(way.tags.selected(self._parts.here.tags(repository))) if way else ()

    def selects(self, repository: Repository, tag: Tag) -> bool:
        """Whether the entry selects this one."""
        way = way_of(self._ways, repository)
        return way is not None and bool(way.tags.selected([tag]))

    def name_there(self, repository: Repository) -> Repository | None:
        """What a repository of ours is called at the target; None: it is not copied."""
        way = way_of(self._ways, repository)
        return way.renaming.forward(repository) if way else None

    def copy(self, repository: Repository, tag: Tag, progress: Progress) -> Copied:
        """The image and what belongs to it.

        Raises:
            UpstreamError: the target does not take it. UnavailableError: something here does not answer. HoldfastError: by
            ``progress``.
        """
        way, name = way_of(self._ways, repository), self.name_there(repository)
        if way is None or name is None:
            return Copied(is_changed=False, size_bytes=0, skipped_reason="not selected")
        trip = Trip(repository, name, way.platforms, Meter(progress, self._over))
        for _ in range(_TRIES):
            digest = self._parts.here.tagged(repository, tag)
            if digest is None:
                return Copied(is_changed=False, size_bytes=trip.meter.size_bytes, skipped_reason="deleted meanwhile")
            copied = self._tried(trip, tag, digest)
            is_unchanged = not copied.is_changed and not copied.skipped_reason
            if is_unchanged or self._parts.here.tagged(repository, tag) == digest:
                return copied
        raise UnavailableError("the tag kept moving while its image was copied")

    def close(self) -> None:
        """End what is under way, and close connections."""
        self._over.set()
        self._parts.blobs.close()
        self._parts.target.close()

    def _tried(self, trip: Trip, tag: Tag, digest: Digest) -> Copied:
        try:
            return self._copy(trip, tag, digest)
        except MissingError as error:
            size_bytes = trip.meter.size_bytes
            return Copied(is_changed=False, size_bytes=size_bytes, digest=digest, skipped_reason=error.message)

    def _copy(self, trip: Trip, tag: Tag, digest: Digest) -> Copied:
        images, attached, target = self._parts.images, self._parts.attached, self._parts.target
        if self._only_signed and not attached.is_signed(trip.source, digest):
            return Copied(is_changed=False, size_bytes=0, digest=digest, skipped_reason="not signed")
        root = images.root(trip, digest)
        standing = target.head(trip.name, tag)
        is_changed = standing is None or standing.digest != root
        if is_changed:
            images.bring(trip, root, tag)
        is_changed |= self._company(trip, tag, root)
        return Copied(is_changed=is_changed, size_bytes=trip.meter.size_bytes, digest=root)

    def _company(self, trip: Trip, tag: Tag, root: Digest) -> bool:
        """What belongs to an image, unless it is known to be there. True: something was sent."""
        family = list(self._parts.images.family(trip, root))
        state = self._parts.attached.state(trip.source, family)
        key = (trip.source, tag)
        if state is None or self._settled.get(key) == state:
            return False
        is_changed = self._parts.attached.bring(trip, family)
        self._settled.put(key, state)
        return is_changed


def way_of(ways: Sequence[Way], repository: Repository) -> Way | None:
    """The first that takes it decides, as for what is pulled."""
    return next((way for way in ways if way.renaming.forward(repository) is not None), None)
