"""What one entry of the configuration has to have copied: the seam between what drives runs and what copies images.

Promises of every job
    * A repository has its source's name: the upstream's where images are pulled, ours where they are pushed.
    * ``copy`` is idempotent and may be cut off anywhere: nothing of it is visible by a tag before all that the tag needs is there.
    * An image that has not changed costs one HEAD.

Never: decides when something is copied, by whom, or how often it is tried again; that is what drives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag


class Progress(Protocol):
    """Told by a job while it copies one image."""

    def moved(self, size_bytes: int) -> None:
        """So many bytes more have come over; 0 asks only whether to go on. To be called every second or so.

        Raises:
            HoldfastError: the copying is to end, for its time is over or its lease gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """One image as it is now at the destination. ``skipped_reason`` "": it is there; else why it was left out: "not signed"."""

    is_changed: bool
    size_bytes: int
    digest: Digest | None = None
    skipped_reason: str = ""


class Job(Protocol):
    """One configured entry, in one direction. Shared by threads; every method may raise HoldfastError."""

    def repositories(self) -> Iterable[Repository]:
        """The source's repositories that the entry's content selects."""
        ...

    def tags(self, repository: Repository) -> Sequence[Tag]:
        """The source's tags that the content selects, sorted."""
        ...

    def copy(self, repository: Repository, tag: Tag, progress: Progress) -> Copied:
        """The whole image with all that belongs to it."""
        ...
