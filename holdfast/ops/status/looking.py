"""Looking an image up: tag, record, links, and one question to each node about all parts. Changes nothing anywhere.

Nodes are asked without a size: a question with one would put a copy of another size into quarantine.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast import names
from holdfast.clock import SystemClock
from holdfast.errors import InputError, MissingError, RequestInvalidError, UnavailableError
from holdfast.meta.repos import Repositories
from holdfast.ops.status.image import Copy, Image, Part
from holdfast.replicas.access import new_id
from holdfast.rpc.node import Want

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.digest import Digest
    from holdfast.meta.records import ManifestRecord
    from holdfast.names import Repository
    from holdfast.ops.picture import Picture
    from holdfast.replicas.access import ClusterAccess

# More than any sensible index: what lies beyond is not asked for.
_MOST_PARTS: Final = 20_000
_AT_ONCE: Final = 500


def parse(text: str) -> tuple[Repository, str]:
    """``repository:tag`` or ``repository@digest``; a tag that is not named is latest.

    Raises:
        InputError: neither.
    """
    try:
        if "@" in text:
            name, _, digest = text.partition("@")
            return names.repository(name), str(digests.parse(digest))
        head, colon, last = text.rpartition(":")
        name, tag = (head, last) if colon else (text, "latest")
        return names.repository(name), names.tag(tag)
    except InputError as error:
        raise RequestInvalidError(
            f"{text} is no image of this registry: write repository:tag or repository@digest, without a host"
        ) from error


def look(cluster: ClusterAccess, seen: Picture, text: str) -> Image:
    """Raises InputError: not the name of an image. MetadataUnavailableError."""
    repository, reference = parse(text)
    repos = Repositories(cluster.metadata, new_id, SystemClock())
    try:
        record = _record(repos, repository, reference)
    except MissingError as error:
        return Image(repository, reference, trouble=f"{error.message}: {repository} {reference}")
    parts = _parts(repos, repository, record)
    links = repos.links(repository, [part.digest for part in parts])
    linked = [replace(part, is_linked=part.digest in links) for part in parts]
    return Image(repository, reference, record.digest, tuple(_with_copies(cluster, seen, linked)))


def _record(repos: Repositories, repository: Repository, reference: str) -> ManifestRecord:
    if ":" in reference:
        return repos.manifest(repository, digests.parse(reference))
    return repos.manifest_by_tag(repository, names.tag(reference))


def _parts(repos: Repositories, repository: Repository, record: ManifestRecord) -> list[Part]:
    """The manifest, what it references, and what the manifests among those reference."""
    found = {record.digest: Part(record.digest, "manifest", record.size_bytes, is_linked=False)}
    todo = [record]
    while todo and len(found) < _MOST_PARTS:
        parent = todo.pop()
        references = {one.digest: one for one in parent.references if one.digest not in found}
        children = repos.manifests(repository, references)
        may_be_absent = parent.origin == "upstream"
        for digest, one in references.items():
            is_manifest = one.is_manifest or digest in children
            found[digest] = Part(
                digest,
                "manifest" if is_manifest else "blob",
                one.size_bytes,
                is_linked=False,
                may_be_absent=one.may_be_absent or may_be_absent,
            )
        todo += children.values()
    return list(found.values())


def _with_copies(cluster: ClusterAccess, seen: Picture, parts: Sequence[Part]) -> list[Part]:
    everybody = sorted(seen.view.present)
    answers = {node: _ask(cluster, seen, node, parts) for node in everybody}
    layouts = seen.view.layouts
    return [
        replace(
            part,
            owners=layouts.newest.owners(part.digest.partition) if layouts else (),
            copies={node: answers[node].get(part.digest, Copy.SILENT) for node in everybody},
        )
        for part in parts
    ]


def _ask(cluster: ClusterAccess, seen: Picture, node: str, parts: Sequence[Part]) -> dict[Digest, Copy]:
    if node not in seen.view.alive:
        return {part.digest: Copy.DOWN for part in parts}
    found: dict[Digest, Copy] = {}
    for first in range(0, len(parts), _AT_ONCE):
        asked = parts[first : first + _AT_ONCE]
        try:
            stored = cluster.directory.client(node).stat_blobs([Want(part.digest) for part in asked])
        except UnavailableError:
            return found  # the rest counts as silent
        for part, blob in zip(asked, stored, strict=True):
            if blob is None:
                found[part.digest] = Copy.MISSING
            else:
                found[part.digest] = Copy.PRESENT if blob.size_bytes == part.size_bytes else Copy.WRONG_SIZE
    return found
