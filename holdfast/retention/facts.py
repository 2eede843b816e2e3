"""What a repository holds, as far as retention asks: values, and what follows from them.

Times are wall clock in seconds, 0 for never. Revisions are those of the metadata, for whoever removes something and compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import DigestInvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag

# As cosign names what it attaches to an image, and distribution-spec ("Referrers Tag Schema") the list of what refers to one.
_ATTACHED: Final = re.compile(r"([a-z0-9]+)-([0-9a-f]+)(?:\.(sig|att|sbom))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class TagFact:
    """A living tag."""

    tag: Tag
    digest: Digest
    pushed_seconds: float
    revision: int


@dataclass(frozen=True, slots=True)
class ManifestFact:
    """``size_bytes``: of the manifest and of the blobs that it alone names. ``children``: manifests of the repository that it
    references. ``pushed_seconds``: the last time that anybody pushed it, or asked in order to.
    """

    digest: Digest
    size_bytes: int
    pushed_seconds: float
    revision: int
    link_revision: int
    is_index: bool = False
    children: tuple[Digest, ...] = ()
    subject: Digest | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """When a digest was asked for last."""

    seconds: float
    revision: int


NEVER_PULLED: Final = Pulled(0.0, 0)


@dataclass(frozen=True, slots=True)
class Facts:
    """One repository. ``pulls_since_seconds``: since when pulls of it are counted; None: they are not, so far.

    ``dead_tags``: names of manifests that were deleted, which read as absent, with the revisions of their keys.
    """

    repository: Repository
    tags: Sequence[TagFact]
    manifests: Mapping[Digest, ManifestFact]
    pulls: Mapping[Digest, Pulled]
    pulls_since_seconds: float | None = None
    dead_tags: Sequence[tuple[Tag, int]] = ()

    @property
    def latest_seconds(self) -> float:
        """When anything happened here last, as far as was written down."""
        pushed = (fact.pushed_seconds for facts in (self.tags, self.manifests.values()) for fact in facts)
        return max((*pushed, *(pulled.seconds for pulled in self.pulls.values())), default=0.0)

    def pulled(self, digest: Digest) -> Pulled:
        return self.pulls.get(digest, NEVER_PULLED)

    def subject_of_tag(self, fact: TagFact) -> Digest | None:
        """The digest that the tag, by its form alone, is attached to; None: it is a tag like any other."""
        found = _ATTACHED.fullmatch(fact.tag)
        if found is None:
            return None
        try:
            named = digests.parse(f"{found[1]}:{found[2]}")
        except DigestInvalidError:
            return None
        # Some mirrors tag an image by its own digest.
        is_like_any = named == fact.digest or (found[3] is None and not self.manifests[fact.digest].is_index)
        return None if is_like_any else named

    def size_of(self, digest: Digest) -> int:
        """Of a manifest and all below it, each counted once."""
        seen: set[Digest] = set()
        pending, total = [digest], 0
        while pending:
            fact = self.manifests.get(pending.pop())
            if fact is not None and fact.digest not in seen:
                seen.add(fact.digest)
                total += fact.size_bytes
                pending.extend(fact.children)
        return total
