"""Listing what is there, page by page, in byte order.

Promises: a page costs what the page holds, however many tags a repository has; a name that exists during the whole call is
listed, one that does not is not. Tags of a deleted manifest are not listed even before they are cleaned.
Never here: URLs, and no upper bound on a page (the edge has one).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.manifests import live_tag
from holdfast.meta.records import TagRecord
from holdfast.meta.store import pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.store import Entry, Store
    from holdfast.names import Repository, Tag

_PAGE: Final = 1000
# Records that are held at once while tags are checked; one record may have 0.8 MB.
_RECORDS: Final = 32


class Listing:
    """Reads only."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def exists(self, repository: Repository) -> bool:
        return self._store.get(keys.repository(repository)) is not None

    def repositories(self, after: str, limit: int) -> tuple[list[Repository], bool]:
        if limit <= 0:
            return [], False
        page = self._store.range(*keys.repositories_after(after), limit, keys_only=True)
        return [keys.repository_in(entry.key) for entry in page.entries], page.more

    def tags(self, repository: Repository, after: str, limit: int) -> tuple[list[Tag], bool]:
        if limit <= 0:
            return [], False
        found: list[Tag] = []
        start, end = keys.tags_after(repository, after)
        while True:
            # One more than wanted, so that "more" is never said about dead tags alone.
            page = self._store.range(start, end, min(limit + 1 - len(found), _PAGE))
            found.extend(self._live(repository, page.entries))
            if len(found) > limit:
                return found[:limit], True
            if not page.more:
                return found, False
            start = page.entries[-1].key + b"\0"

    def tags_of(self, repository: Repository, digest: Digest, limit: int) -> list[Tag]:
        """At most ``limit`` living tags that name a manifest; reads all of the repository."""
        found: list[Tag] = []
        for entry in pages(self._store, *keys.tags_after(repository, ""), _PAGE):
            if TagRecord.decode(entry.value).digest == digest:
                found.extend(self._live(repository, [entry]))
            if len(found) == limit:
                break
        return found

    def referrers(self, repository: Repository, subject: Digest) -> list[Digest]:
        found = pages(self._store, *keys.referrers_of(repository, subject), keys_only=True)
        return [keys.last_digest_in(entry.key) for entry in found]

    def _live(self, repository: Repository, entries: Sequence[Entry]) -> Iterator[Tag]:
        for first in range(0, len(entries), _RECORDS):
            batch = [(entry, TagRecord.decode(entry.value)) for entry in entries[first : first + _RECORDS]]
            wanted = {keys.manifest(repository, tag.digest) for _, tag in batch}
            records = self._store.get_many(sorted(wanted)).entries
            for entry, tag in batch:
                name = keys.tag_in(entry.key)
                record = records.get(keys.manifest(repository, tag.digest))
                # 16 random bytes stand in the value as they are. What looks dead may have moved since the page was read.
                if (record and tag.incarnation in record.value) or live_tag(self._store, repository, name):
                    yield name
