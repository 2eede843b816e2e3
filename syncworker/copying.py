"""A whole image from an upstream into a repository here, by the plans of ``holdfast.mirrors.plan``.

    survey what is here ──▶ manifests from the upstream, held ──▶ survey again, until the plan names no more of them
        ──▶ blobs, several at a time ──▶ manifests recorded, children first ──▶ what refers to the image ──▶ the tag

Promises
    * A tag is set last, and nothing is recorded before all that it needs is linked: what is visible is whole (but for platforms
      that nobody wants, and layers that no upstream gives away).
    * What is here is not fetched: manifests are read from where they are stored, blobs are linked where somebody has them. Blobs
      come on the flights of ``fetching``, each digest once in the whole cluster, and go on where they were cut off.
    * A tag is moved only from where it stood when the upstream was asked: a push that came meanwhile is not undone.
    * A signature or the like that the upstream gives wrong or not at all is reported, and does not hold up its image.

Never: decides which images are copied.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast.errors import (
    CorruptError,
    LayoutMovedError,
    MissingError,
    NodeUnreachableError,
    RemovalsMovedError,
    StaleWriterError,
    SweepMovedError,
    TagMovedError,
    UnavailableError,
    UpstreamDeniedError,
    UpstreamMissingError,
    UpstreamWrongError,
)
from holdfast.meta.repos import NewManifest
from holdfast.mirrors.plan import Depth, FetchBlob, FetchManifest, FetchReferrers, Record, Stored, Wanted, plan
from holdfast.rpc.node import Want
from syncworker.aloft import Flight

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.repos import ManifestRecord, Repositories
    from holdfast.mirrors.plan import Instruction
    from holdfast.names import Repository, Tag
    from holdfast.patterns.platforms import Platform
    from holdfast.replicas.read import ReplicaReader
    from holdfast.replicas.write import ReplicaWriter
    from syncworker.fetching import Fetching
    from syncworker.jobs import Progress
    from syncworker.upstream.pace import Time
    from syncworker.upstream.upstream import Upstream

_log: Final = logging.getLogger("holdfast.sync")

_TRIES: Final = 5
# Of all manifests of one image together; indexes of thousands of images have a few of them.
_MOST_BYTES: Final = 64 << 20
# A signature of a statement about an image; what lies deeper is nobody's.
_DEEPEST: Final = 3
_LOOK_SECONDS: Final = 0.1
_OTHERS_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Tools:
    """What images are copied with."""

    repos: Repositories
    reader: ReplicaReader
    writer: ReplicaWriter
    fetching: Fetching
    time: Time


@dataclass(frozen=True, slots=True)
class Place:
    """A repository's name at the upstream and here. ``tags``: all that the upstream has in it."""

    source: Repository
    here: Repository
    tags: Collection[Tag]
    platforms: tuple[Platform, ...] = ()
    cosign_tags: bool = True


@dataclass(slots=True)
class _Image:
    """What is known of one image. ``held`` are the bytes of its manifests, ``absent`` those that are not here."""

    root: Digest
    wanted: Wanted
    held: dict[Digest, bytes] = field(default_factory=dict)
    types: dict[Digest, str] = field(default_factory=dict)
    recorded: set[Digest] = field(default_factory=set)
    blobs: set[Digest] = field(default_factory=set)
    absent: set[Digest] = field(default_factory=set)

    def plan(self) -> tuple[Instruction, ...]:
        return plan(self.root, self.wanted, Stored(self.held, self.blobs, self.recorded))

    def hold(self, digest: Digest, data: bytes, media_type: str) -> None:
        if sum(map(len, self.held.values())) + len(data) > _MOST_BYTES:
            raise UpstreamWrongError(f"the manifests of one image have more than {_MOST_BYTES >> 20} MiB together")
        self.held[digest], self.types[digest] = data, media_type

    def new(self, digest: Digest) -> NewManifest:
        data = self.held[digest]
        parsed = manifests.parse(data, self.types[digest])
        return NewManifest(
            digest=digest,
            media_type=parsed.media_type,
            size_bytes=len(data),
            references=parsed.references,
            subject=parsed.subject,
            artifact_type=parsed.artifact_type or "",
            origin="upstream",
        )

    def needed(self, new: NewManifest) -> set[Digest]:
        """What is referenced and wanted: of an index the chosen children."""
        if new.media_type in manifests.INDEXES:
            return {one.digest for one in new.references if one.digest in self.held or one.digest in self.blobs}
        return {one.digest for one in new.references if not one.may_be_absent}


class Copying:
    """From one upstream. ``slots`` bounds the blobs that are fetched at the same time. Shared by threads."""

    def __init__(self, tools: Tools, upstream: Upstream, slots: threading.Semaphore) -> None:
        self._tools = tools
        self._upstream = upstream
        self._slots = slots

    def whole(self, place: Place, root: Digest) -> Sequence[Instruction] | None:
        """What is to be asked for beside an image all of which is here; None when it is not. Asks no upstream."""
        steps = self._survey(place, _Image(root, _wanted(place)))
        return steps if _is_done(steps) else None

    def copy(self, place: Place, root: Digest, tags: Mapping[Tag, int], progress: Progress) -> None:
        """All of it, then ``tags``, each from the revision at which it was seen.

        Raises:
            UpstreamError, UnavailableError: no tag was moved.
        """
        self._copy(place, _Image(root, _wanted(place)), tags, progress)

    def refresh(self, place: Place, steps: Sequence[Instruction], progress: Progress, *, ask: bool) -> bool:
        """Copy what has come to belong to a ``whole`` image: by cosign's tags, and with ``ask`` by the upstream's lists.

        Returns whether there was anything.
        """
        return self._attached(place, steps, progress, depth=0, ask=ask)

    def _copy(self, place: Place, image: _Image, tags: Mapping[Tag, int], progress: Progress, depth: int = 0) -> None:
        steps = self._survey(place, image)
        while missing := [step.digest for step in steps if isinstance(step, FetchManifest)]:
            for digest in missing:
                progress.moved(0)
                self._fetch(place, image, digest, progress)
            steps = self._survey(place, image)
        blobs = [step for step in steps if isinstance(step, FetchBlob)]
        self._blobs(place, blobs, progress)
        image.blobs.update(blob.digest for blob in blobs)
        for step in steps:
            if isinstance(step, Record) and step.digest != image.root:
                self._record(place, image, step.digest, {})
        self._attached(place, steps, progress, depth, ask=True)
        progress.moved(0)
        self._record(place, image, image.root, tags)

    # -- what is here

    def _survey(self, place: Place, image: _Image) -> tuple[Instruction, ...]:
        """The plan, when all that is here is known."""
        steps = image.plan()
        while unknown := {step.digest for step in steps if isinstance(step, FetchManifest)} - image.absent:
            self._look(place, image, unknown)
            steps = image.plan()
        blobs = {step.digest: step.size_bytes for step in steps if isinstance(step, FetchBlob)}
        image.blobs |= self._linked(place.here, blobs)
        return image.plan()

    def _look(self, place: Place, image: _Image, unknown: set[Digest]) -> None:
        records = self._tools.repos.manifests(place.here, unknown)
        for digest in unknown:
            data = self._read(records[digest]) if digest in records else None
            if data is None:
                image.absent.add(digest)
            else:
                image.hold(digest, data, records[digest].media_type)
                image.recorded.add(digest)

    def _read(self, record: ManifestRecord) -> bytes | None:
        """As stored, compared with its digest; None where no good copy is left, so that it is fetched again."""
        try:
            data = b"".join(self._tools.reader.read(Want(record.digest, record.size_bytes), 0, None))
        except (MissingError, CorruptError):
            return None
        return data if digests.of(data, record.digest.algorithm) == record.digest else None

    def _linked(self, here: Repository, blobs: Mapping[Digest, int]) -> set[Digest]:
        """Those of them that the repository links and some node has."""
        links = self._tools.repos.links(here, blobs)
        try:
            # By the links' sizes: what the manifest says is the upstream's, and a node takes its copy for wrong by it.
            found = self._tools.reader.stat([Want(digest, link.size_bytes) for digest, link in links.items()])
        except NodeUnreachableError:
            # Fetching again what a node has that is away would cost bytes, and end when it is back.
            return set(links)
        return {
            digest for digest, stored in zip(links, found, strict=True) if stored and stored.size_bytes == blobs[digest]
        }

    # -- what is brought

    def _fetch(self, place: Place, image: _Image, digest: Digest, progress: Progress) -> None:
        fetched = self._upstream.manifest(place.source, digest)
        if fetched is None:
            raise UpstreamMissingError(
                "the upstream has an image without one of its manifests", {"digest": str(digest)}
            )
        image.hold(digest, fetched.data, fetched.media_type)
        progress.moved(len(fetched.data))

    def _blobs(self, place: Place, wanted: Iterable[FetchBlob], progress: Progress) -> None:
        waiting, flying = deque(wanted), dict[FetchBlob, Flight]()
        try:
            while waiting or flying:
                progress.moved(0)
                if waiting and self._slots.acquire(timeout=0 if flying else 1.0):
                    self._take_off(place, waiting.popleft(), flying, progress)
                elif flying:
                    self._land(place, flying, waiting, progress)
        finally:
            for _ in flying:
                self._slots.release()

    def _take_off(self, place: Place, blob: FetchBlob, flying: dict[FetchBlob, Flight], progress: Progress) -> None:
        flight = None
        try:
            flight = self._tools.fetching.begin(place.here, blob.digest, blob.size_bytes)
        finally:
            if flight is None:
                self._slots.release()
            else:
                flying[blob] = flight
        progress.moved(0)

    def _land(
        self, place: Place, flying: dict[FetchBlob, Flight], waiting: deque[FetchBlob], progress: Progress
    ) -> None:
        """What has ended. What another worker fetches is waited for by asking again."""
        next(iter(flying.values())).ended.wait(_LOOK_SECONDS)
        for blob, flight in list(flying.items()):
            if not flight.ended.is_set():
                continue
            del flying[blob]
            self._slots.release()
            if flight.failed is not None and not isinstance(flight.failed, StaleWriterError):
                raise flight.failed
            if flight.failed is None and self._tools.repos.link(place.here, blob.digest) is not None:
                progress.moved(blob.size_bytes)
            else:
                waiting.append(blob)
                self._tools.time.pause(_OTHERS_SECONDS)

    # -- what becomes visible

    def _record(self, place: Place, image: _Image, digest: Digest, tags: Mapping[Tag, int]) -> None:
        new = image.new(digest)
        needed = image.needed(new)
        for _ in range(_TRIES):
            fence = self._tools.repos.fence(digest)
            fence = fence.placed_by(self._tools.writer.put(digest, image.held[digest], place.here).layout_revision)
            removals = self._tools.repos.removals(place.here)
            if len(self._tools.repos.links(place.here, needed)) < len(needed):
                raise UnavailableError("what a manifest needs was removed while it was copied; try again")
            try:
                self._tools.repos.put_manifest(place.here, new, tags, fence, removals)
            except LayoutMovedError:
                self._tools.writer.misplaced(digest)
            except (SweepMovedError, RemovalsMovedError):
                continue
            except TagMovedError as error:
                raise UnavailableError("somebody else has set the tag meanwhile; try again") from error
            else:
                return
        raise UnavailableError("the repository kept changing while a manifest was stored; try again")

    # -- what belongs to it

    def _attached(
        self, place: Place, steps: Sequence[Instruction], progress: Progress, depth: int, *, ask: bool
    ) -> bool:
        is_changed = False
        for step in steps:
            if not isinstance(step, FetchReferrers) or depth >= _DEEPEST:
                continue
            try:
                if ask:
                    is_changed |= self._referrers(place, step.subject, progress, depth)
                for tag in step.tags:
                    if tag in place.tags:
                        is_changed |= self._cosign(place, tag, progress)
            except (UpstreamMissingError, UpstreamDeniedError, UpstreamWrongError) as error:
                _log.warning(
                    "what belongs to an image could not be copied",
                    extra={"repository": place.here, "subject": str(step.subject), "reason": error.message},
                )
        return is_changed

    def _referrers(self, place: Place, subject: Digest, progress: Progress, depth: int) -> bool:
        is_changed = False
        for described in self._upstream.referrers(place.source, subject):
            progress.moved(0)
            image = _Image(described.digest, Wanted(Depth.COPY, cosign_tags=False))
            if not _is_done(self._survey(place, image)):
                self._copy(place, image, {}, progress, depth + 1)
                is_changed = True
        return is_changed

    def _cosign(self, place: Place, tag: Tag, progress: Progress) -> bool:
        seen = self._tools.repos.tag_revision(place.here, tag)
        stored = tagged(self._tools.repos, place.here, tag)
        if stored is not None and stored.origin == "pushed":
            return False
        described = self._upstream.head(place.source, tag)
        if described is None:
            return False
        image = _Image(described.digest, Wanted(Depth.COPY, referrers=False))
        if stored is not None and stored.digest == described.digest and _is_done(self._survey(place, image)):
            return False
        self._copy(place, image, {tag: seen}, progress, _DEEPEST)
        return True


def tagged(repos: Repositories, here: Repository, tag: Tag) -> ManifestRecord | None:
    """What a tag stands for here."""
    try:
        return repos.manifest_by_tag(here, tag)
    except MissingError:
        return None


def _wanted(place: Place) -> Wanted:
    return Wanted(Depth.COPY, place.platforms, cosign_tags=place.cosign_tags)


def _is_done(steps: Sequence[Instruction]) -> bool:
    return not any(isinstance(step, FetchManifest | FetchBlob | Record) for step in steps)
