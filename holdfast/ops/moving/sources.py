"""What can be moved into a registry: repositories with tags, manifests and blobs, read and never changed.

Invariants: names have passed their strict constructors. A :class:`Fetched` has bytes with its digest; bytes of blobs are as the
source has them, and whoever stores them compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag
    from syncworker.upstream.values import Fetched


SCHEMA_1_REMEDY: Final = "can be pulled by a docker of before 25 and pushed again, which makes a new manifest of it"


@dataclass(frozen=True, slots=True)
class Contents:
    """One repository. ``untagged``: further manifests that the source knows of; what hangs below any of them goes without saying.

    ``notes``: what is left out, and why; nothing of it can be stored anywhere. ``broken``: tags that cannot be read, and why.
    """

    tags: Mapping[Tag, Digest] = field(default_factory=dict)
    untagged: tuple[Digest, ...] = ()
    notes: tuple[str, ...] = ()
    broken: Mapping[Tag, str] = field(default_factory=dict)

    @property
    def roots(self) -> tuple[Digest, ...]:
        """Each manifest once."""
        return tuple(dict.fromkeys((*self.tags.values(), *self.untagged)))


@runtime_checkable
class Files(Protocol):
    """A source whose blobs are files on this machine."""

    def file(self, repository: Repository, digest: Digest) -> int:
        """A descriptor of a blob's file, for reading. Raises MissingError."""
        ...


class Source(Protocol):
    """Where images come from. Shared by threads.

    Every method may raise UpstreamError, of which an UpstreamUnavailableError says that the whole source does not answer.
    """

    @property
    def name(self) -> str:
        """For people."""
        ...

    def repositories(self) -> Iterable[Repository]:
        """All of them, sorted."""
        ...

    def contents(self, repository: Repository) -> Contents:
        """Raises RequestInvalidError: nothing can be read of it."""
        ...

    def manifest(self, repository: Repository, digest: Digest) -> Fetched:
        """Raises MissingError, CorruptError, ManifestInvalidError."""
        ...

    def referrers(self, repository: Repository, subject: Digest) -> Iterable[Digest]:
        """Manifests about this one that ``contents`` does not tell of."""
        ...

    def has_blob(self, repository: Repository, digest: Digest, size_bytes: int) -> bool:
        """Raises CorruptError: it has one of another length."""
        ...

    def read(self, repository: Repository, digest: Digest, offset_bytes: int) -> Iterator[bytes]:
        """A blob's bytes from there on. Raises MissingError."""
        ...

    def close(self) -> None:
        """Connections and descriptors."""
        ...
