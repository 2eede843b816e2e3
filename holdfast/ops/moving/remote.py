"""A registry that runs as a source: by its API, as any client of it.

Promises: repositories are those of its catalog, unless they are named; many registries have no catalog, or show it to operators
only. Referrers come along, found by the API or by the fallback tag.

Never: sees manifests without a tag that nothing refers to: no API lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.digest import Digest
from holdfast.errors import (
    BlobUnknownError,
    CorruptError,
    ManifestUnknownError,
    RequestInvalidError,
    UpstreamDeniedError,
    UpstreamError,
    UpstreamMissingError,
    UpstreamUnavailableError,
    UpstreamWrongError,
)
from holdfast.ops.moving.sources import SCHEMA_1_REMEDY, Contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from holdfast.names import Repository, Tag
    from syncworker.upstream.upstream import Upstream
    from syncworker.upstream.values import Fetched


class Remote:
    """Implements ``Source``. ``named``: the repositories; none: all of the catalog. ``spread`` asks several things at once."""

    def __init__(self, upstream: Upstream, named: Sequence[Repository], spread: Executor) -> None:
        self._upstream = upstream
        self._named = tuple(named)
        self._spread = spread

    @property
    def name(self) -> str:
        return self._upstream.name

    def repositories(self) -> Iterable[Repository]:
        if self._named:
            return sorted(self._named)
        try:
            return sorted(self._upstream.catalog())
        except (UpstreamMissingError, UpstreamDeniedError, UpstreamWrongError) as error:
            raise RequestInvalidError(
                f"{self.name} shows no catalog ({error.message}); name its repositories, each by --repository"
            ) from error

    def contents(self, repository: Repository) -> Contents:
        try:
            tags = self._upstream.tags(repository)
        except UpstreamMissingError:
            return Contents()
        found = dict(zip(tags, self._spread.map(lambda tag: self._digest(repository, tag), tags), strict=True))
        return Contents(
            {tag: digest for tag, digest in found.items() if isinstance(digest, Digest)},
            broken={tag: why for tag, why in found.items() if isinstance(why, str)},
        )

    def manifest(self, repository: Repository, digest: Digest) -> Fetched:
        try:
            found = self._upstream.manifest(repository, digest)
        except UpstreamMissingError as error:
            raise ManifestUnknownError(f"the source does not have the manifest {digest}") from error
        if found is None:
            raise AssertionError("an unconditional request is never answered by nothing")
        return found

    def referrers(self, repository: Repository, subject: Digest) -> Iterable[Digest]:
        try:
            return [one.digest for one in self._upstream.referrers(repository, subject)]
        except UpstreamMissingError:
            return ()

    def has_blob(self, repository: Repository, digest: Digest, size_bytes: int) -> bool:
        try:
            with self._upstream.blob(repository, digest, size_bytes=size_bytes, verify=False):
                return True
        except UpstreamMissingError:
            return False
        except UpstreamWrongError as error:
            raise CorruptError(error.message) from error

    def read(self, repository: Repository, digest: Digest, offset_bytes: int) -> Iterator[bytes]:
        try:
            with self._upstream.blob(repository, digest, offset_bytes) as stream:
                yield from stream
        except UpstreamMissingError as error:
            raise BlobUnknownError(f"the source does not have the blob {digest}") from error
        except UpstreamWrongError as error:
            raise CorruptError(error.message) from error

    def close(self) -> None:
        self._upstream.close()

    def _digest(self, repository: Repository, tag: Tag) -> Digest | str | None:
        """What it names, or why that cannot be told; None: it is gone meanwhile."""
        try:
            described = self._upstream.head(repository, tag)
        except UpstreamUnavailableError:
            raise
        except UpstreamWrongError as error:
            return f"{error.message}; this is how images of Docker's schema 1 look, too: such a one {SCHEMA_1_REMEDY}"
        except UpstreamError as error:
            return error.message
        return described.digest if described is not None else None
