"""OCI layouts as sources (image-spec, image-layout.md): one directory is one repository; below zot's root there are many.

    <root>/<repository>/oci-layout
                        index.json                   all manifests; those with a tag say so in an annotation
                        blobs/<algorithm>/<encoded>  manifests and blobs alike
                        .uploads/ .sync/             zot's, for what is under way: not looked at

Promises: an index.json is the one list of what there is; a blob that nothing in it leads to is left behind. What it says is
compared with the bytes.

Never: looks into zot's caches; its own files say all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast import names
from holdfast.errors import (
    CorruptError,
    HoldfastError,
    ManifestUnknownError,
    MissingError,
    NameInvalidError,
    RequestInvalidError,
    TagInvalidError,
)
from holdfast.ops.moving.sources import Contents
from syncworker.upstream.values import Fetched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag
    from holdfast.ops.moving.folder import Folder

MARK: Final = "oci-layout"
INDEX: Final = "index.json"
REF_NAME: Final = "org.opencontainers.image.ref.name"
# zot keeps a line for each manifest of a repository in it.
INDEX_BYTES: Final = 256 << 20


class Layouts:
    """Implements ``Source``. ``places`` tells where each repository lies below ``folder``: the names of its directories."""

    def __init__(self, folder: Folder, places: Mapping[Repository, tuple[str, ...]]) -> None:
        self._folder = folder
        self._places = places
        self._types: dict[tuple[Repository, Digest], str] = {}

    @property
    def name(self) -> str:
        return str(self._folder.path)

    def repositories(self) -> Iterable[Repository]:
        return sorted(self._places)

    def contents(self, repository: Repository) -> Contents:
        place = self._places[repository]
        try:
            index = json.loads(self._folder.whole(INDEX_BYTES, *place, INDEX))
        except (MissingError, ValueError, RecursionError) as error:
            raise RequestInvalidError(f"{self._folder.path.joinpath(*place, INDEX)} is not an image index") from error
        entries = index.get("manifests") if isinstance(index, dict) else None
        if not isinstance(entries, list):
            raise RequestInvalidError(f"{self._folder.path.joinpath(*place, INDEX)} is not an image index")
        tags: dict[Tag, Digest] = {}
        untagged: list[Digest] = []
        notes: list[str] = []
        for entry in entries:
            self._note(repository, entry, tags, untagged, notes)
        return Contents(tags, tuple(untagged), tuple(notes))

    def manifest(self, repository: Repository, digest: Digest) -> Fetched:
        try:
            data = self._folder.whole(manifests.MAX_BYTES, *self._blob(repository, digest))
        except MissingError as error:
            raise ManifestUnknownError(f"the source does not have the manifest {digest}") from error
        return checked(data, digest, self._types.get((repository, digest)))

    def referrers(self, repository: Repository, subject: Digest) -> Iterable[Digest]:  # noqa: ARG002 - all are in the index
        return ()

    def has_blob(self, repository: Repository, digest: Digest, size_bytes: int) -> bool:
        return has_file(self._folder, self._blob(repository, digest), digest, size_bytes)

    def read(self, repository: Repository, digest: Digest, offset_bytes: int) -> Iterator[bytes]:
        return self._folder.pieces(offset_bytes, *self._blob(repository, digest))

    def file(self, repository: Repository, digest: Digest) -> int:
        """A descriptor of a blob's file. Raises MissingError."""
        return self._folder.open(*self._blob(repository, digest))

    def close(self) -> None:
        self._folder.close()

    def _blob(self, repository: Repository, digest: Digest) -> tuple[str, ...]:
        return (*self._places[repository], "blobs", digest.algorithm, digest.encoded)

    def _note(
        self,
        repository: Repository,
        entry: object,
        tags: dict[Tag, Digest],
        untagged: list[Digest],
        notes: list[str],
    ) -> None:
        """One descriptor of the index."""
        described = entry if isinstance(entry, dict) else {}
        try:
            digest = digests.parse_computable(str(described.get("digest")))
        except HoldfastError as error:
            notes.append(f"an entry of {INDEX} is left out: {error.message}")
            return
        media_type = described.get("mediaType")
        if isinstance(media_type, str) and media_type not in manifests.ACCEPTED:
            notes.append(left_out(digest, media_type))
            return
        if isinstance(media_type, str):
            self._types[repository, digest] = media_type
        text = _ref_name(described)
        if text is None:
            untagged.append(digest)
            return
        try:
            tags[tag_of(text)] = digest
        except TagInvalidError:
            untagged.append(digest)
            notes.append(f"{digest} is imported without its name {text[:200]!r}, which is no tag")


def zot_places(folder: Folder) -> tuple[dict[Repository, tuple[str, ...]], tuple[str, ...]]:
    """The layouts below a directory by the repositories that they are, and what was not looked at."""
    found: dict[Repository, tuple[str, ...]] = {}
    notes: list[str] = []
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        at = waiting.pop()
        notes += [f"{'/'.join((*at, name))} is a link and is not followed" for name in folder.links(*at)]
        is_layout = bool(at) and folder.has(*at, MARK)
        if is_layout:
            try:
                found[names.repository("/".join(at))] = at
            except NameInvalidError as error:
                notes.append(f"{'/'.join(at)} is left out: {error.message}")
        waiting += [
            (*at, name)
            for name in folder.directories(*at)
            if not name.startswith((".", "_")) and not (is_layout and name == "blobs")
        ]
    return found, tuple(notes)


def tag_of(text: str) -> Tag:
    """Of ``v1``, and of a name such as ``docker.io/library/busybox:v1``, as some programs write it. Raises TagInvalidError."""
    front, colon, last = text.rpartition(":")
    return names.tag(last if colon and front and "/" not in last else text)


def checked(data: bytes, digest: Digest, media_type: str | None) -> Fetched:
    """A manifest of these bytes.

    Raises:
        CorruptError: they have another digest. ManifestInvalidError: they are no manifest that is taken.
    """
    if digests.of(data, digest.algorithm) != digest:
        raise CorruptError(f"the source is damaged: the bytes of the manifest {digest} are others")
    return Fetched(data, digest, manifests.parse(data, media_type))


def has_file(folder: Folder, at: tuple[str, ...], digest: Digest, size_bytes: int) -> bool:
    """Whether the file of a blob is there. Raises CorruptError: it has another length."""
    try:
        found = folder.size(*at)
    except MissingError:
        return False
    if found != size_bytes:
        raise CorruptError(f"the source is damaged: {digest} has {found} bytes instead of {size_bytes}")
    return True


def left_out(digest: Digest, media_type: str) -> str:
    """What is said of a manifest of a type that is not taken."""
    return f"{digest} is left out: it is of type {media_type[:200]}, which registries of today do not take"


def _ref_name(described: Mapping[str, Any]) -> str | None:
    annotations = described.get("annotations")
    text = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return text if isinstance(text, str) and text else None
