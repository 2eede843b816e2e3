"""The periodic pull of one configured entry: which of the upstream's repositories and tags, and each of its images.

Promises
    * An upstream that has no catalog, or keeps it to itself, is mirrored by the repositories that prefixes name outright; that its
      globs stand for nothing then is an error that says so, after the named ones.
    * What was pushed here is left as it is. A tag that is gone upstream is kept, and reported once by each process.
    * An image that is here and whole costs one HEAD, and one more for each of cosign's tags. What else refers to it is asked for in
      one of four runs, each image's turn by chance: it may have been signed since.
    * With ``onlySigned`` an image without a signature at the upstream is left out, whoever may have signed it: as zot has it,
      nothing is verified.

Never: tries again, or decides when.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from holdfast.errors import UpstreamDeniedError, UpstreamMissingError, UpstreamWrongError
from holdfast.mirrors.selection import Referrer, is_attached, is_signed
from syncworker.copying import Copying, Place, tagged
from syncworker.jobs import Copied

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.config.sync import SyncRegistry
    from holdfast.digest import Digest
    from holdfast.mirrors.routes import Placed, Routes
    from holdfast.names import Repository, Tag
    from syncworker.copying import Tools
    from syncworker.jobs import Progress
    from syncworker.upstream.upstream import Upstream

_log: Final = logging.getLogger("holdfast.sync")

_LISTS: Final = 64
_GONE: Final = 20_000
_PAGE: Final = 1000
_REFRESH_SHARE: Final = 1 / 4


class PullJob:
    """A ``Job``. ``number``: of the entry in the configuration."""

    def __init__(self, number: int, registry: SyncRegistry, routes: Routes, upstream: Upstream, tools: Tools) -> None:
        self._number = number
        self._registry = registry
        self._routes = routes
        self._upstream = upstream
        self._tools = tools
        # Clients of a pull on demand are not to wait behind the mirror for each of the connections that the upstream allows.
        spare = 1 if registry.on_demand else 0
        self._copying = Copying(tools, upstream, threading.Semaphore(max(1, registry.req_concurrent - spare)))
        self._lock = threading.Lock()
        self._lists: OrderedDict[Repository, frozenset[Tag]] = OrderedDict()
        self._gone: OrderedDict[tuple[Repository, Tag], None] = OrderedDict()

    def repositories(self) -> Iterator[Repository]:
        """The named ones first. Raises as ``Job``; UpstreamDeniedError: the globs cannot be resolved."""
        named = {name for name in self._routes.named_repositories(self._number) if self._place(name)}
        yield from sorted(named)
        if not self._routes.needs_catalog(self._number):
            return
        try:
            found = self._upstream.catalog()
        except (UpstreamMissingError, UpstreamDeniedError, UpstreamWrongError) as error:
            raise UpstreamDeniedError(
                f"globs in content stand for nothing, since the upstream gives no catalog ({error.message});"
                " name its repositories in full",
                error.detail,
            ) from error
        yield from sorted(name for name in {*found} - named if self._place(name))

    def tags(self, repository: Repository) -> Sequence[Tag]:
        placed = self._placed(repository)
        listed = self._listed(placed.way.official(repository))
        self._report_gone(placed, listed)
        return sorted(placed.way.tags.selected(listed))

    def copy(self, repository: Repository, tag: Tag, progress: Progress) -> Copied:
        placed = self._placed(repository)
        here, repos = placed.repository, self._tools.repos
        seen = repos.tag_revision(here, tag)
        stored = tagged(repos, here, tag)
        if stored is not None and stored.origin == "pushed":
            return Copied(is_changed=False, size_bytes=0, digest=stored.digest, skipped_reason="pushed here")
        place = self._known(repository, placed)
        described = self._upstream.head(place.source, tag)
        if described is None:
            return Copied(is_changed=False, size_bytes=0, skipped_reason="gone upstream")
        digest, counted = described.digest, _Counted(progress)
        whole = self._copying.whole(place, digest) if stored is not None and stored.digest == digest else None
        if whole is not None:
            ask = self._tools.time.die() < _REFRESH_SHARE
            is_changed = self._copying.refresh(place, whole, counted, ask=ask)
            return Copied(is_changed, counted.size_bytes, digest)
        if self._registry.only_signed and not self._is_signed(place, digest):
            return Copied(is_changed=False, size_bytes=0, digest=digest, skipped_reason="not signed")
        self._copying.copy(place, digest, {tag: seen}, counted)
        return Copied(is_changed=True, size_bytes=counted.size_bytes, digest=digest)

    def _place(self, repository: Repository) -> Placed | None:
        placed = self._routes.place(self._number, repository)
        return placed if placed is not None and placed.way.content is not None else None

    def _placed(self, repository: Repository) -> Placed:
        placed = self._place(repository)
        if placed is None:
            raise AssertionError("only repositories that the content selects are copied")
        return placed

    def _known(self, repository: Repository, placed: Placed) -> Place:
        source = placed.way.official(repository)
        cosign = self._registry.sync_legacy_cosign_tags
        return Place(source, placed.repository, self._recalled(source), placed.way.platforms, cosign)

    def _recalled(self, source: Repository) -> frozenset[Tag]:
        with self._lock:
            known = self._lists.get(source)
        return self._listed(source) if known is None else known

    def _listed(self, source: Repository) -> frozenset[Tag]:
        found = frozenset(self._upstream.tags(source))
        with self._lock:
            self._lists[source] = found
            self._lists.move_to_end(source)
            if len(self._lists) > _LISTS:
                self._lists.popitem(last=False)
        return found

    def _is_signed(self, place: Place, digest: Digest) -> bool:
        if is_signed(digest, place.tags, ()):
            return True
        listed = self._upstream.referrers(place.source, digest)
        return is_signed(digest, (), [Referrer(one.artifact_type, one.annotations) for one in listed])

    def _report_gone(self, placed: Placed, listed: frozenset[Tag]) -> None:
        here = placed.repository
        if len(self._routes.sources(here)) > 1:
            return  # another upstream may have brought it
        for tag in self._tags_here(here):
            if tag in listed or is_attached(tag) or not placed.way.tags.selects(tag):
                continue
            stored = tagged(self._tools.repos, here, tag)
            if stored is not None and stored.origin == "upstream" and self._is_news(here, tag):
                _log.warning("a tag is gone upstream and kept here", extra={"repository": here, "tag": tag})

    def _is_news(self, here: Repository, tag: Tag) -> bool:
        with self._lock:
            if (here, tag) in self._gone:
                return False
            self._gone[here, tag] = None
            if len(self._gone) > _GONE:
                self._gone.popitem(last=False)
            return True

    def _tags_here(self, here: Repository) -> Iterator[Tag]:
        after, more = "", True
        while more:
            found, more = self._tools.repos.tags(here, after, _PAGE)
            yield from found
            after = found[-1] if found else after


class _Counted:
    """A ``Progress`` that remembers the sum."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.size_bytes = 0

    def moved(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        self._progress.moved(size_bytes)
