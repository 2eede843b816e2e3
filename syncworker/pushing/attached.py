"""What belongs to an image without being named by it: referrers, and cosign's tags. They follow the image to the target.

Promises
    * A referrer arrives where the target lists it: by its referrers API, or, where a manifest's ``subject`` is not noted
      (``OCI-Subject`` absent, distribution-spec "Pushing Manifests with Subject"), by the fallback tag, to which it is added.
    * ``state`` is the same exactly while the same things belong to an image here, so that nobody asks the target for nothing.

Never: takes anything out of a target's list.
"""

from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING, Any

from holdfast import manifest as manifests
from holdfast.errors import TooLargeError
from holdfast.mirrors.selection import Referrer, attached_tags, is_signed
from syncworker.upstream.values import fallback_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag
    from syncworker.pushing.holdings import Held, Holdings
    from syncworker.pushing.images import Images, Trip
    from syncworker.upstream.target import Target
    from syncworker.upstream.values import Fetched


class Attached:
    """For one target. ``cosign_tags``: whether those are meant. Shared by threads."""

    def __init__(self, here: Holdings, target: Target, images: Images, *, cosign_tags: bool) -> None:
        self._here = here
        self._target = target
        self._images = images
        self._cosign_tags = cosign_tags
        # A list under a fallback tag is read, changed and written; two at once would lose one of them.
        self._listing = threading.Lock()

    def state(self, repository: Repository, family: Iterable[Digest]) -> bytes | None:
        """Of all that belongs to these manifests, what hangs on it included; None: nothing does."""
        found = hashlib.sha256()
        is_empty = True
        for subject in family:
            for digest in self._all_referrers(repository, subject):
                found.update(f"{subject} {digest}\n".encode())
                is_empty = False
            for tag, digest in self._tags(repository, subject):
                found.update(f"{tag} {digest}\n".encode())
                is_empty = False
        return None if is_empty else found.digest()

    def is_signed(self, repository: Repository, digest: Digest) -> bool:
        """Whether an image has a signature here, cosign's or notation's; nobody checks it."""
        tags = [tag for tag in attached_tags(digest) if self._here.tagged(repository, tag) is not None]
        held = (self._here.manifest(repository, one) for one in self._here.referrers(repository, digest))
        return is_signed(digest, tags, (Referrer(*manifests.describe(one.data)) for one in held))

    def bring(self, trip: Trip, family: Iterable[Digest]) -> bool:
        """All that belongs to these manifests. True: something was sent.

        Raises:
            MissingError: something is not here. UpstreamError: the target does not take it. HoldfastError: by the meter.
        """
        is_changed = False
        for subject in family:
            is_changed |= self._bring_referrers(trip, subject, set())
            for tag, digest in self._tags(trip.source, subject):
                standing = self._target.head(trip.name, tag)
                if standing is None or standing.digest != digest:
                    self._images.bring(trip, digest, tag)
                    is_changed = True
        return is_changed

    def _tags(self, repository: Repository, subject: Digest) -> Iterator[tuple[Tag, Digest]]:
        for tag in attached_tags(subject) if self._cosign_tags else ():
            digest = self._here.tagged(repository, tag)
            if digest is not None:
                yield tag, digest

    def _all_referrers(self, repository: Repository, subject: Digest) -> Iterator[Digest]:
        """A bill of material is a referrer, and its signature is one of it."""
        seen, waiting = {subject}, [subject]
        while waiting:
            for digest in self._here.referrers(repository, waiting.pop()):
                if digest not in seen:
                    seen.add(digest)
                    waiting.append(digest)
                    yield digest

    def _bring_referrers(self, trip: Trip, subject: Digest, seen: set[Digest]) -> bool:
        seen.add(subject)
        mine = [digest for digest in self._here.referrers(trip.source, subject) if digest not in seen]
        if not mine:
            return False
        listed = self._target.referrers(trip.name, subject)
        for digest in mine:
            if digest not in listed:
                self._bring_one(trip, subject, digest)
        below = [self._bring_referrers(trip, digest, seen) for digest in mine]
        return any(below) or not listed.issuperset(mine)

    def _bring_one(self, trip: Trip, subject: Digest, digest: Digest) -> None:
        if not self._images.bring(trip, digest, digest) and digest not in self._target.referrers(trip.name, subject):
            held = self._here.manifest(trip.source, digest)
            with self._listing:
                self._list(trip, subject, held)

    def _list(self, trip: Trip, subject: Digest, held: Held) -> None:
        tag = fallback_tag(subject)
        index = _index(self._target.manifest(trip.name, tag))
        index["manifests"] = [one for one in index["manifests"] if one.get("digest") != str(held.digest)]
        index["manifests"].append(_described(held))
        data = json.dumps(index, separators=(",", ":")).encode()
        if len(data) > manifests.MAX_BYTES:
            raise TooLargeError(f"the list of what refers to {subject} is larger than manifests are")
        self._target.put_index(trip.name, tag, data)


def _index(standing: Fetched | None) -> dict[str, Any]:
    """The list that stands, or an empty one."""
    if standing is None or standing.media_type != manifests.OCI_INDEX:
        return {"schemaVersion": 2, "mediaType": manifests.OCI_INDEX, "manifests": []}
    found: dict[str, Any] = json.loads(standing.data)
    return found


def _described(held: Held) -> dict[str, Any]:
    """image-spec, "Referrers": type and annotations are those of the manifest itself."""
    kind, annotations = manifests.describe(held.data)
    found: dict[str, Any] = {"mediaType": held.media_type, "digest": str(held.digest), "size": len(held.data)}
    if kind:
        found["artifactType"] = kind
    if annotations:
        found["annotations"] = annotations
    return found
