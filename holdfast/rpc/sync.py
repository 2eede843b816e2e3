"""The port to a sync worker, and the values that cross it: what gateways ask of upstreams, and nobody else asks them.

Whoever asks has seen to it that the client may read in the repository. The worker sees to the rest: that the repository mirrors
something, and that it may have this digest (ARCHITECTURE, promise 5).

Errors: WorkerUnreachableError (no answer), OverloadedError, UpstreamMissingError (no upstream of the repository has it),
UpstreamError of other kinds, and those of storage nodes and the metadata store, which the worker needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag


# Longer than a worker waits for a silent upstream and tries the next: it knows better what happens, and says so.
PATIENCE_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """A tag's manifest is stored. ``warning``: the value of a Warning header, "" for none.

    ``fresh_seconds``: for so long the upstream would not be asked again, so nobody needs to ask the worker.
    """

    digest: Digest
    warning: str = ""
    fresh_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Listed:
    """What refers to a manifest is stored, as the upstream has it; ``warning`` and ``fresh_seconds`` as of ``Resolved``."""

    warning: str = ""
    fresh_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Underway:
    """A blob on its way: the upload that others may follow. ``size_bytes`` of the whole; 0: nobody has said."""

    upload_id: str
    size_bytes: int = 0


class SyncClient(Protocol):
    """One worker, or all of them. Safe for many threads. ``patience_seconds``: for each worker that is asked.

    What a caller has no patience for goes on all the same, and whoever asks next finds it done.
    """

    def resolve(self, repository: Repository, tag: Tag, patience_seconds: float = PATIENCE_SECONDS) -> Resolved:
        """What a tag stands for now; its manifest is stored when this returns."""
        ...

    def fetch_manifest(self, repository: Repository, digest: Digest) -> None:
        """The manifest is stored in the repository when this returns."""
        ...

    def fetch_referrers(
        self, repository: Repository, subject: Digest, patience_seconds: float = PATIENCE_SECONDS
    ) -> Listed:
        """The manifests that refer to ``subject`` are stored when this returns."""
        ...

    def fetch_blob(
        self, repository: Repository, digest: Digest, patience_seconds: float = PATIENCE_SECONDS
    ) -> Underway | None:
        """None: the blob is stored and linked. Else it is being fetched; asking again sees to it that somebody does."""
        ...
