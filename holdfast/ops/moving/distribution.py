"""The root directory of distribution (Debian's docker-registry 2, registry 3) as a source.

    <root>/docker/registry/v2/
        blobs/<algorithm>/<first two digits>/<encoded>/data
        repositories/<repository>/
            _manifests/tags/<tag>/current/link                    holds a digest
            _manifests/revisions/<algorithm>/<encoded>/link       every manifest, tagged or not; without the link it was deleted
            _layers/ _uploads/                                    not looked at: manifests say what belongs to them

Promises: a link that is empty or holds no digest is left out and told of, as its registry answers 404 for it. Manifests of schema 1
are told apart, with what to do about them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast import names
from holdfast.errors import (
    DigestInvalidError,
    HoldfastError,
    ManifestUnknownError,
    MissingError,
    NameInvalidError,
    TagInvalidError,
)
from holdfast.ops.moving.layouts import checked, has_file
from holdfast.ops.moving.sources import SCHEMA_1_REMEDY, Contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag
    from holdfast.ops.moving.folder import Folder
    from syncworker.upstream.values import Fetched

BELOW: Final = ("docker", "registry", "v2")
_LINK_BYTES: Final = 1024


class Distribution:
    """Implements ``Source``. ``top`` are the names of the directories from ``folder`` down to blobs and repositories."""

    def __init__(self, folder: Folder, top: tuple[str, ...]) -> None:
        self._folder = folder
        self._top = top

    @property
    def name(self) -> str:
        return str(self._folder.path)

    def repositories(self) -> Iterable[Repository]:
        found: list[Repository] = []
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            at = waiting.pop()
            below = self._folder.directories(*self._top, "repositories", *at)
            if "_manifests" in below:
                try:
                    found.append(names.repository("/".join(at)))
                except NameInvalidError:
                    continue  # no registry could serve it
            waiting += [(*at, name) for name in below if not name.startswith("_")]
        return sorted(found)

    def contents(self, repository: Repository) -> Contents:
        notes: list[str] = []
        tags: dict[Tag, Digest] = {}
        at = (*self._of(repository), "_manifests")
        for text in self._folder.directories(*at, "tags"):
            digest = self._link(notes, *at, "tags", text, "current", "link")
            try:
                if digest is not None:
                    tags[names.tag(text)] = digest
            except TagInvalidError as error:
                notes.append(f"the tag {text[:200]!r} is left out: {error.message}")
        revisions = [
            digest
            for algorithm in self._folder.directories(*at, "revisions")
            for encoded in self._folder.directories(*at, "revisions", algorithm)
            if (digest := self._link(notes, *at, "revisions", algorithm, encoded, "link", is_deleted_without=True))
        ]
        return self._readable(tags, revisions, notes)

    def manifest(self, repository: Repository, digest: Digest) -> Fetched:  # noqa: ARG002 - blobs are shared by all
        return checked(self._bytes(digest), digest, None)

    def referrers(self, repository: Repository, subject: Digest) -> Iterable[Digest]:  # noqa: ARG002 - revisions are all
        return ()

    def has_blob(self, repository: Repository, digest: Digest, size_bytes: int) -> bool:  # noqa: ARG002 - as above
        return has_file(self._folder, self._blob(digest), digest, size_bytes)

    def read(self, repository: Repository, digest: Digest, offset_bytes: int) -> Iterator[bytes]:  # noqa: ARG002 - as above
        return self._folder.pieces(offset_bytes, *self._blob(digest))

    def file(self, repository: Repository, digest: Digest) -> int:  # noqa: ARG002 - as above
        """A descriptor of a blob's file. Raises MissingError."""
        return self._folder.open(*self._blob(digest))

    def close(self) -> None:
        self._folder.close()

    def _readable(self, tags: dict[Tag, Digest], revisions: list[Digest], notes: list[str]) -> Contents:
        """Without the manifests of schema 1, which are noted."""
        old = {digest for digest in {*tags.values(), *revisions} if self._is_schema_1(digest)}
        for digest in sorted(old):
            named = ", ".join(tag for tag, found in tags.items() if found == digest)
            called = f"{digest} ({named})" if named else str(digest)
            notes.append(
                f"{called} is left out: it is of Docker's schema 1, which nobody takes any more; it {SCHEMA_1_REMEDY}"
            )
        kept = {tag: digest for tag, digest in tags.items() if digest not in old}
        return Contents(kept, tuple(digest for digest in revisions if digest not in old), tuple(notes))

    def _is_schema_1(self, digest: Digest) -> bool:
        try:
            body = json.loads(self._bytes(digest))
        except (HoldfastError, ValueError, RecursionError):
            return False  # what is wrong with it, whoever reads it will tell
        return isinstance(body, dict) and body.get("schemaVersion") == 1

    def _bytes(self, digest: Digest) -> bytes:
        try:
            return self._folder.whole(manifests.MAX_BYTES, *self._blob(digest))
        except MissingError as error:
            raise ManifestUnknownError(f"the source does not have the manifest {digest}") from error

    def _link(self, notes: list[str], *at: str, is_deleted_without: bool = False) -> Digest | None:
        try:
            return digests.parse_computable(self._folder.whole(_LINK_BYTES, *at).decode("ascii", "replace").strip())
        except MissingError:
            if not is_deleted_without:
                notes.append(f"{'/'.join(at[len(self._top) :])} is not there")
        except DigestInvalidError:
            notes.append(f"{'/'.join(at[len(self._top) :])} holds no digest")
        return None

    def _of(self, repository: Repository) -> tuple[str, ...]:
        return (*self._top, "repositories", *repository.split("/"))

    def _blob(self, digest: Digest) -> tuple[str, ...]:
        return (*self._top, "blobs", digest.algorithm, digest.encoded[:2], digest.encoded, "data")
