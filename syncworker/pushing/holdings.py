"""What is here, as copying to another registry needs it: names from the metadata, bytes from the nodes.

Promises: a manifest is read exactly as stored, and compared with its digest. What a mirrored image references and nobody has
stored yet is fetched as if a client had asked; what cannot be had is a :class:`MissingError` that says why.

Never: holds more than one manifest, or a blob.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast.errors import (
    BlobUnknownError,
    CorruptError,
    ManifestUnknownError,
    MissingError,
    UpstreamError,
    UpstreamUnavailableError,
)
from holdfast.rpc.node import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.digest import Digest
    from holdfast.meta.repos import ManifestRecord, Repositories
    from holdfast.names import Repository, Tag
    from holdfast.replicas.read import ReplicaReader
    from syncworker.fetching import Fetching
    from syncworker.manifests import Manifests
    from syncworker.upstream.pace import Pause

_PAGE: Final = 1000
# Beyond so many repositories with one blob, others are as likely to help with a mount.
_HOLDERS: Final = 16
# Each try that finds a bad copy puts it into quarantine.
_COPIES: Final = 3
_LOOK_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Held:
    """A manifest as stored. ``annotations`` and ``artifact_type`` are what a list of referrers says of it."""

    digest: Digest
    media_type: str
    data: bytes = field(repr=False)

    @property
    def parsed(self) -> manifests.Manifest:
        return manifests.parse(self.data, self.media_type)


class Holdings:
    """Every method may raise UnavailableError. Shared by threads."""

    def __init__(
        self, repos: Repositories, reader: ReplicaReader, mirrored: Manifests, fetching: Fetching, pause: Pause
    ) -> None:
        self._repos = repos
        self._reader = reader
        self._mirrored = mirrored
        self._fetching = fetching
        self._pause = pause

    def repositories(self) -> Iterator[Repository]:
        """All of them, in byte order."""
        after, more = "", True
        while more:
            found, more = self._repos.repositories(after, _PAGE)
            yield from found
            after = found[-1] if found else after

    def tags(self, repository: Repository) -> Iterator[Tag]:
        """All of them, in byte order."""
        after, more = "", True
        while more:
            found, more = self._repos.tags(repository, after, _PAGE)
            yield from found
            after = found[-1] if found else after

    def tagged(self, repository: Repository, tag: Tag) -> Digest | None:
        """What a tag stands for here; None: there is none."""
        try:
            return self._repos.manifest_by_tag(repository, tag).digest
        except MissingError:
            return None

    def referrers(self, repository: Repository, subject: Digest) -> list[Digest]:
        """Manifests whose subject this is, in byte order."""
        return self._repos.referrers(repository, subject)

    def children(self, repository: Repository, digest: Digest) -> tuple[manifests.Reference, ...]:
        """What a manifest's record says of what it references; nothing when it has no record here."""
        record = self._repos.manifests(repository, [digest]).get(digest)
        return record.references if record else ()

    def holders(self, digest: Digest) -> list[Repository]:
        """Some repositories that have a blob."""
        return self._repos.holders(digest, _HOLDERS)

    def manifest(self, repository: Repository, digest: Digest) -> Held:
        """As stored, fetched first if it is not.

        Raises:
            MissingError: it cannot be had. UpstreamUnavailableError: not now.
        """
        record = self._repos.manifests(repository, [digest]).get(digest)
        data = self._bytes(record) if record else None
        if record is None or data is None:
            _or_missing(lambda: self._mirrored.have(repository, digest), digest)
            record = self._repos.manifest(repository, digest)
            data = self._bytes(record)
        if data is None:
            raise ManifestUnknownError("no copy of a manifest is left here", {"digest": str(digest)})
        return Held(digest, record.media_type, data)

    def require(self, repository: Repository, want: Want, waiting: Callable[[], None]) -> None:
        """See to it that a blob is here; ``waiting`` is called now and then, and may raise.

        Raises:
            MissingError: it cannot be had. UpstreamUnavailableError: not now.
        """
        if self._is_here(repository, want):
            return
        while _or_missing(lambda: self._fetching.fetch(repository, want.digest), want.digest) is not None:
            waiting()
            self._pause(_LOOK_SECONDS)
        self._is_here(repository, want)

    def _is_here(self, repository: Repository, want: Want) -> bool:
        """Raises MissingError: a manifest says another size, by which nodes would take their good copies for wrong ones."""
        link = self._repos.link(repository, want.digest)
        if link is None:
            return False
        if want.size_bytes not in (None, link.size_bytes):
            raise MissingError("a manifest says another size of a blob than it has", {"digest": str(want.digest)})
        return self._reader.stat([want])[0] is not None

    def read(self, want: Want, offset_bytes: int) -> Iterator[bytes | memoryview]:
        """A blob's bytes from there on. Raises MissingError, CorruptError."""
        return self._reader.read(want, offset_bytes, None)

    def _bytes(self, record: ManifestRecord) -> bytes | None:
        for _ in range(_COPIES):
            try:
                data = b"".join(self._reader.read(Want(record.digest, record.size_bytes), 0, None))
            except CorruptError:
                continue  # that copy is in quarantine now
            except MissingError:
                return None
            if digests.of(data, record.digest.algorithm) == record.digest:
                return data
        return None


def _or_missing(ask: Callable[[], object], digest: Digest) -> object:
    """An upstream's word about what is not here is no word about the target."""
    try:
        return ask()
    except UpstreamUnavailableError:
        raise
    except UpstreamError as error:
        raise BlobUnknownError(f"{digest} is not here: {error.message}", {"digest": str(digest)}) from error
