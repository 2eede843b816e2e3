"""What a repository holds, read for retention (``holdfast.retention.facts``).

Promises
  * Manifests are read before tags. Whoever tags a manifest writes its record again (``holdfast.meta.manifests``), so a tag that was
    set after its manifest was read either is seen, or has moved the revision that the manifest is removed by.
  * A tag of an incarnation that is gone is told apart from one that is newer than what was read, which is neither judged nor dead.
  * Memory: some 700 bytes for each tag and manifest of one repository, of which :data:`MOST` of each are read; page by page, so
    that no more than :data:`_PAGE` records with their references are held at once.

Never here: what stays, and any change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.manifest import DOCKER_LIST, OCI_INDEX
from holdfast.meta import keys
from holdfast.meta.manifests import live_tag
from holdfast.meta.pulls import PullsSince, pulled_seconds
from holdfast.meta.records import LinkRecord, ManifestRecord, TagRecord, pack_digest, skim_references
from holdfast.meta.store import pages
from holdfast.retention.facts import Facts, ManifestFact, Pulled, TagFact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.store import Entry, Store
    from holdfast.names import Repository, Tag

MOST: Final = 100_000
# One record may have 0.8 MB.
_PAGE: Final = 32
_TAGS: Final = 1000
_INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})


def _without_rest() -> None:
    """For who is in nobody's way."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A manifest as it stands, and what its tags have to be of."""

    fact: ManifestFact
    incarnation: bytes


class Standing:
    """Every method may raise MetadataUnavailableError."""

    def __init__(self, store: Store, most: int = MOST) -> None:
        self._store = store
        self._since = PullsSince(store)
        self._most = most

    def repositories(self) -> Iterator[Repository]:
        for entry in pages(self._store, *keys.repositories_after(""), keys_only=True):
            yield keys.repository_in(entry.key)

    def of(self, repository: Repository, rest: Callable[[], object] = _without_rest) -> Facts | None:
        """None: it has more tags or manifests than are looked at. ``rest`` is called between small steps."""
        names = self._names(repository)
        if names is None:
            return None
        pulls: dict[Digest, Pulled] = {}
        found = {one.fact.digest: one for one in self._manifests(repository, names, pulls, rest)}
        tags: list[TagFact] = []
        dead: list[tuple[Tag, int]] = []
        for entry in pages(self._store, *keys.tags_after(repository, ""), _TAGS):
            rest()
            record, tag = TagRecord.decode(entry.value), keys.tag_in(entry.key)
            named = found.get(record.digest)
            if named is not None and named.incarnation == record.incarnation:
                tags.append(TagFact(tag, named.fact.digest, record.pushed_seconds, entry.mod_revision))
            elif live_tag(self._store, repository, tag) is None:
                dead.append((tag, entry.mod_revision))
            if len(tags) > self._most:
                return None
        manifests = {digest: one.fact for digest, one in found.items()}
        return Facts(repository, tags, manifests, pulls, self._since.of(repository), dead)

    def _names(self, repository: Repository) -> dict[bytes, Digest] | None:
        """Every manifest by its packed digest; None: too many."""
        names: dict[bytes, Digest] = {}
        for entry in pages(self._store, *keys.manifests_of(repository), keys_only=True):
            digest = keys.last_digest_in(entry.key)
            names[pack_digest(digest)] = digest
            if len(names) > self._most:
                return None
        return names

    def _manifests(
        self,
        repository: Repository,
        names: dict[bytes, Digest],
        pulls: dict[Digest, Pulled],
        rest: Callable[[], object],
    ) -> Iterator[_Found]:
        start, end = keys.manifests_of(repository)
        while True:
            page = self._store.range(start, end, _PAGE)
            # One that came after the names were read is too new for everything.
            known = [entry for entry in page.entries if pack_digest(keys.last_digest_in(entry.key)) in names]
            yield from self._page(repository, known, names, pulls)
            rest()
            if not page.more:
                return
            start = page.entries[-1].key + b"\0"

    def _page(
        self,
        repository: Repository,
        entries: Sequence[Entry],
        names: dict[bytes, Digest],
        pulls: dict[Digest, Pulled],
    ) -> Iterator[_Found]:
        digests = [keys.last_digest_in(entry.key) for entry in entries]
        wanted = [keys.link(repository, digest) for digest in digests]
        wanted += [keys.pulled(digest, repository) for digest in digests]
        beside = self._store.get_many(wanted).entries if wanted else {}
        for entry, digest in zip(entries, digests, strict=True):
            link = beside.get(keys.link(repository, digest))
            pulled = beside.get(keys.pulled(digest, repository))
            if pulled is not None:
                pulls[digest] = Pulled(pulled_seconds(pulled), pulled.mod_revision)
            if link is not None:  # or it has been removed since
                record = ManifestRecord.decode(digest, entry.value)
                yield _Found(_fact(record, entry, link, names), record.incarnation)


def _fact(record: ManifestRecord, entry: Entry, link: Entry, names: dict[bytes, Digest]) -> ManifestFact:
    children: list[Digest] = []
    size_bytes = record.size_bytes
    for packed, reference_bytes in skim_references(record.packed_references):
        child = names.get(packed)
        if child is None:
            size_bytes += reference_bytes
        else:
            children.append(child)
    return ManifestFact(
        digest=record.digest,
        size_bytes=size_bytes,
        pushed_seconds=max(record.created_seconds, LinkRecord.decode(link.value).renewed_seconds),
        revision=entry.mod_revision,
        link_revision=link.mod_revision,
        is_index=record.media_type in _INDEXES,
        children=tuple(children),
        subject=record.subject,
    )
