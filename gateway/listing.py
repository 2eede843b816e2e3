"""Lists: tags, repositories, and the manifests that refer to another (distribution-spec, "Content Discovery").

Never here: HTTP, and no list that grows in memory beyond one page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast import names
from holdfast.errors import BlobUnknownError, DigestInvalidError, MissingError, RepositoryUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from gateway.manifests import Manifests
    from gateway.mirroring import Mirroring
    from holdfast.digest import Digest
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository, Tag

# distribution-spec, "Unavailable Referrers API": algorithm cut to 32 characters, the rest to 64.
_FALLBACK_ALGORITHM: Final = 32
_FALLBACK_ENCODED: Final = 64
# containerd reads no list of 4393216 bytes or more and follows no Link, so a page is as long as it can be. The annotations of one
# manifest always fit, as the manifest itself has at most as many bytes.
REFERRERS_PAGE_BYTES: Final = manifests.MAX_BYTES


def encode(value: object) -> bytes:
    """JSON that is no longer than what clients sent: without blanks and without escapes for letters.

    What UTF-8 cannot carry (half a surrogate pair, which JSON can) keeps its escape; Python's and JSON's are the same.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


# How many repositories are looked at, at once and for one page.
_LOOK: Final = 1_000
_LOOKS: Final = 50


@dataclass(frozen=True, slots=True)
class Names:
    """A page. ``after``: where the next one begins; "": there is none."""

    names: list[Repository]
    after: str = ""


class Listing:
    """Pages of names, and referrers."""

    def __init__(self, repos: Repositories, store: Manifests, mirroring: Mirroring) -> None:
        self._repos = repos
        self._manifests = store
        self._mirroring = mirroring

    def tags(self, repo: Repository, after: str, limit: int) -> tuple[list[Tag], bool]:
        """At most ``limit`` tags that sort after ``after``, and whether more remain. Raises RepositoryUnknownError."""
        if not self._repos.exists(repo):
            raise RepositoryUnknownError("the repository is not known here", {"name": repo})
        if limit == 0:
            return [], False
        return self._repos.tags(repo, after, limit)

    def repositories(self, after: str, limit: int, may_read: Callable[[Repository], bool]) -> Names:
        """At most ``limit`` repositories that sort after ``after`` and that the caller may read.

        Who may read few of very many gets a short page, even an empty one, with more to follow: a look has an end.
        """
        found: list[Repository] = []
        for _ in range(_LOOKS if limit else 0):
            page, more = self._repos.repositories(after, _LOOK)
            for name in page:
                if len(found) == limit:
                    return Names(found, after)
                after = name
                if may_read(name):
                    found.append(name)
            if not more:
                return Names(found)
        return Names(found, after)

    def referrers(
        self, repo: Repository, subject: Digest, types: Collection[str], after: str
    ) -> tuple[list[dict[str, object]], bool]:
        """A page of descriptors of what refers to ``subject``, and whether more remain.

        In the order of the digests' text, from behind ``after``; only of ``types`` where any are given.

        Raises:
            UpstreamError, UnavailableError: of a mirrored repository that nothing is known of the subject in.
        """
        self._mirroring.refresh_referrers(repo, subject)
        found = {*self._repos.referrers(repo, subject), *self._fallback(repo, subject)}
        page: list[dict[str, object]] = []
        size_bytes = 0
        for digest in sorted(found, key=str):
            if str(digest) <= after:
                continue
            described = self._describe(repo, digest)
            if described is None or (types and described.get("artifactType") not in types):
                continue
            size_bytes += len(encode(described)) + 1
            if page and size_bytes > REFERRERS_PAGE_BYTES:
                return page, True
            page.append(described)
        return page, False

    def _fallback(self, repo: Repository, subject: Digest) -> Iterator[Digest]:
        """What clients without the API once listed in the fallback tag (distribution-spec, "Enabling the Referrers API")."""
        tag = names.tag(
            f"{subject.algorithm[:_FALLBACK_ALGORITHM]}-{subject.encoded[:_FALLBACK_ENCODED]}".replace("+", "-")
        )
        try:
            record = self._repos.manifest_by_tag(repo, tag)
            if record.media_type not in manifests.INDEXES:
                return
            children = json.loads(self._manifests.bytes_of(repo, record)).get("manifests", ())
        except MissingError:
            return
        for child in children:
            try:
                yield digests.parse(child["digest"])
            except (DigestInvalidError, KeyError, TypeError):
                continue

    def _describe(self, repo: Repository, digest: Digest) -> dict[str, object] | None:
        try:
            record = self._repos.manifest(repo, digest)
            data = self._manifests.bytes_of(repo, record)
        except (MissingError, BlobUnknownError):
            return None  # deleted since the list was read, or listed in a fallback tag without ever being pushed
        artifact_type, annotations = manifests.describe(data)
        descriptor: dict[str, object] = {
            "mediaType": record.media_type,
            "digest": str(record.digest),
            "size": record.size_bytes,
        }
        if artifact_type:
            descriptor["artifactType"] = artifact_type
        if annotations:
            descriptor["annotations"] = annotations
        return descriptor
