"""Manifest records and tags: reading them, and making them visible.

Promises
  * A manifest appears with its tags, its referrer entry and its own link at once, and only if nothing was removed from the
    repository since the caller began to check its references, and no sweep of its partition began since the fence.
  * Every child of a live record has a ``ref/`` key that points to it. What does not fit into the one transaction is written
    before it: a ref without a record means nothing. Whoever removes refs bumps ``removals/``, so a push that wrote refs and
    lost them again cannot commit.
  * A tag is alive only with its record's incarnation. A tag is last-writer-wins.

Reading by tag is the hottest path of the product: two point reads, no references decoded.
Never here: deletions (``holdfast.meta.removals``), and no check of the references themselves (the caller's, by links and nodes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import (
    ManifestInvalidError,
    ManifestUnknownError,
    RemovalsMovedError,
    RepositoryUnknownError,
    TagMovedError,
    TooManyTagsError,
)
from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, Change, commit, crowded, insist, revision_of
from holdfast.meta.counting import linked, read_with
from holdfast.meta.records import LinkRecord, ManifestRecord, TagRecord, pack_references
from holdfast.meta.store import MAX_OPS, KeyAt, Put, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.errors import MissingError
    from holdfast.manifest import Reference
    from holdfast.meta.ceilings import Room
    from holdfast.meta.links import Fence
    from holdfast.meta.records import Origin
    from holdfast.meta.store import Entry, Op, Store
    from holdfast.names import Repository, Tag

# Record, link, holder, count, referrer entry and repository; the rest of a transaction is for tags and refs.
_FIXED_OPS: Final = 6
MAX_TAGS: Final = 100
# A base image's layer has thousands of parents, and the first one says all.
_PARENTS: Final = 8
# Well below MAX_TXN_BYTES: 10,000 references by sha512 need 0.8 MB. Only very long digests of unknown algorithms exceed it.
_MAX_REFERENCES_BYTES: Final = 1_200_000


@dataclass(frozen=True, slots=True)
class NewManifest:
    """A manifest about to become visible."""

    digest: Digest
    media_type: str
    size_bytes: int
    references: tuple[Reference, ...] = ()
    subject: Digest | None = None
    artifact_type: str = ""
    origin: Origin = "pushed"


class Manifests:
    """``new_id`` gives 16 random bytes; ``room`` is asked before a repository is made."""

    def __init__(self, store: Store, new_id: Callable[[], bytes], clock: Clock, room: Room) -> None:
        self._room = room
        self._store = store
        self._new_id = new_id
        self._clock = clock

    def by_digest(self, repository: Repository, digest: Digest) -> ManifestRecord:
        """Raises ManifestUnknownError, RepositoryUnknownError."""
        entry = self._store.get(keys.manifest(repository, digest))
        if entry is None:
            raise unknown(self._store, repository, {"digest": str(digest)})
        return ManifestRecord.decode(digest, entry.value)

    def tag_revision(self, repository: Repository, tag: Tag) -> int:
        entry = self._store.get(keys.tag(repository, tag))
        return entry.mod_revision if entry else 0

    def by_tag(self, repository: Repository, tag: Tag) -> ManifestRecord:
        """Raises ManifestUnknownError, RepositoryUnknownError."""
        found = live_tag(self._store, repository, tag)
        if found is None:
            raise unknown(self._store, repository, {"tag": tag})
        return found[1]

    def many(self, repository: Repository, digests: Iterable[Digest]) -> dict[Digest, ManifestRecord]:
        """Those of them that are there."""
        by_key = {keys.manifest(repository, digest): digest for digest in digests}
        entries = self._store.get_many(list(by_key)).entries
        return {by_key[key]: ManifestRecord.decode(by_key[key], entry.value) for key, entry in entries.items()}

    def naming(self, repository: Repository, child: Digest) -> Iterator[ManifestRecord]:
        """The live manifests of the repository that may reference a digest."""
        for entry in pages(self._store, *keys.parents_of(repository, child), _PARENTS, keys_only=True):
            # A ref without a record means nothing.
            parent = keys.last_digest_in(entry.key)
            found = self._store.get(keys.manifest(repository, parent))
            if found is not None:
                yield ManifestRecord.decode(parent, found.value)

    def reference(self, repository: Repository, child: Digest) -> Reference | None:
        """What a live manifest of the repository says of a digest; None: none names it."""
        for record in self.naming(repository, child):
            for reference in record.references:
                if reference.digest == child:
                    return reference
        return None

    def put(
        self,
        repository: Repository,
        new: NewManifest,
        tags: Sequence[Tag] | Mapping[Tag, int],
        fence: Fence,
        removals_revision: int,
    ) -> ManifestRecord:
        """Make it visible. Raises SweepMovedError, LayoutMovedError, RemovalsMovedError, ManifestInvalidError, TooManyTagsError,
        TooManyRepositoriesError.

        ``tags`` with revisions are moved only from there; TagMovedError.
        """
        push = _Push(
            repository, new, tuple(dict.fromkeys(tags)), pack_references(new.references), _guards(repository, tags)
        )
        push.check()
        removals = KeyAt(keys.removals(repository), removals_revision)
        announced = False
        for _ in range(ATTEMPTS):
            standing = self._store.get_many([push.record_key, *read_with(repository, new.digest)]).entries
            refs = push.missing_refs(standing)
            if not push.fits(refs) and not announced:
                self._announce(refs)
                announced = True
            record = push.record(standing, self._new_id, self._clock.wall())
            if self._commit(push, record, standing, (fence, removals), refs if push.fits(refs) else []):
                return record
        raise crowded()

    def _commit(
        self,
        push: _Push,
        record: ManifestRecord,
        standing: Mapping[bytes, Entry],
        fences: tuple[Fence, KeyAt],
        refs: list[Put],
    ) -> bool:
        """False: the record or the repository changed meanwhile, look again."""
        link = LinkRecord(record.size_bytes, record.operation_id, self._clock.wall(), record.origin)
        write = linked(push.repository, record.digest, link, standing, self._room)
        fence, removals = fences
        fixed = [*fence.compares(push.new.digest), removals, *push.guards]
        standing_revision = revision_of(standing, push.record_key)
        change = Change(
            primary=push.record_key,
            standing=standing_revision,
            operation_id=record.operation_id,
            compares=[*fixed, KeyAt(push.record_key, standing_revision), *write.compares],
            ops=[*push.ops(record, self._clock.wall()), *write.ops, *refs],
            also_read=[compare.key for compare in fixed],
        )
        result = commit(self._store, change)
        if result.succeeded:
            return True
        fence.require(result.found, push.new.digest)
        if revision_of(result.found, removals.key) != removals.mod_revision:
            raise RemovalsMovedError(
                "something was removed from the repository in between: check the references again",
                {"name": push.repository},
            )
        if any(revision_of(result.found, guard.key) != guard.mod_revision for guard in push.guards):
            raise TagMovedError("somebody else has set the tag in between", {"name": push.repository})
        return False

    def _announce(self, refs: list[Put]) -> None:
        """Refs that do not fit beside the record, written before it."""
        for first in range(0, len(refs), MAX_OPS):
            insist(self._store, (), refs[first : first + MAX_OPS])


@dataclass(frozen=True, slots=True)
class _Push:
    """What one put is about: values and operations, no I/O."""

    repository: Repository
    new: NewManifest
    tags: tuple[Tag, ...]
    packed_references: bytes
    guards: tuple[KeyAt, ...] = ()

    @property
    def record_key(self) -> bytes:
        return keys.manifest(self.repository, self.new.digest)

    def check(self) -> None:
        if len(self.tags) > MAX_TAGS:
            raise TooManyTagsError(f"at most {MAX_TAGS} tags can be set at once")
        if len(self.packed_references) > _MAX_REFERENCES_BYTES:
            raise ManifestInvalidError("the digests of the manifest's references are too long; split it into an index")

    def fits(self, refs: list[Put]) -> bool:
        return _FIXED_OPS + len(self.tags) + len(refs) <= MAX_OPS

    def missing_refs(self, standing: Mapping[bytes, Entry]) -> list[Put]:
        """None for a record that stands with the same references: it has its refs, and losing them moves ``removals/``."""
        entry = standing.get(self.record_key)
        if entry and ManifestRecord.decode(self.new.digest, entry.value).packed_references == self.packed_references:
            return []
        children = dict.fromkeys(reference.digest for reference in self.new.references)
        return [Put(keys.ref(self.repository, child, self.new.digest), b"") for child in children]

    def record(
        self, standing: Mapping[bytes, Entry], new_id: Callable[[], bytes], wall_seconds: float
    ) -> ManifestRecord:
        """A record that stands keeps its incarnation, its age, and the stronger of both origins."""
        entry = standing.get(self.record_key)
        old = ManifestRecord.decode(self.new.digest, entry.value) if entry else None
        return ManifestRecord(
            digest=self.new.digest,
            media_type=self.new.media_type,
            size_bytes=self.new.size_bytes,
            incarnation=old.incarnation if old else new_id(),
            operation_id=new_id(),
            created_seconds=old.created_seconds if old else wall_seconds,
            origin="pushed" if old and old.origin == "pushed" else self.new.origin,
            subject=self.new.subject,
            artifact_type=self.new.artifact_type,
            packed_references=self.packed_references,
        )

    def ops(self, record: ManifestRecord, wall_seconds: float) -> list[Op]:
        tag = TagRecord(record.digest, record.incarnation, record.operation_id, wall_seconds).encode()
        ops: list[Op] = [Put(self.record_key, record.encode())]
        ops += [Put(keys.tag(self.repository, name), tag) for name in self.tags]
        if record.subject is not None:
            ops.append(Put(keys.referrer(self.repository, record.subject, record.digest), b""))
        return ops


def _guards(repository: Repository, tags: Sequence[Tag] | Mapping[Tag, int]) -> tuple[KeyAt, ...]:
    if not isinstance(tags, Mapping):
        return ()
    return tuple(KeyAt(keys.tag(repository, tag), revision) for tag, revision in tags.items())


def live_tag(store: Store, repository: Repository, tag: Tag) -> tuple[Entry, ManifestRecord] | None:
    """The tag's entry and the record it is alive with.

    Two reads at different moments agree, because an incarnation that is gone never comes back. A tag that looks dead is read
    again: it may have moved between the two.
    """
    key = keys.tag(repository, tag)
    entry = store.get(key)
    while entry is not None:
        found = TagRecord.decode(entry.value)
        record_entry = store.get(keys.manifest(repository, found.digest))
        if record_entry is not None:
            record = ManifestRecord.decode(found.digest, record_entry.value)
            if record.incarnation == found.incarnation:
                return entry, record
        again = store.get(key)
        if again is None or again.mod_revision == entry.mod_revision:
            return None
        entry = again
    return None


def unknown(store: Store, repository: Repository, detail: dict[str, str]) -> MissingError:
    """NAME_UNKNOWN only when the repository itself is not there."""
    if store.get(keys.repository(repository)) is None:
        return RepositoryUnknownError("no such repository", {"name": repository})
    return ManifestUnknownError("no such manifest in this repository", detail)
