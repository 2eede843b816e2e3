"""The half of the distribution API that changes something (distribution-spec, "Pushing"): every call is one answer, judged.

Promises
    * An upload stays at the registry's own origin. A ``Location`` that leads elsewhere is refused, so that neither bytes nor
      credentials go to a host that nobody configured.
    * A manifest counts as stored only if the registry names the digest that its bytes have; a blob, if it names no other one.

Never: tries again; deletes anything but an upload of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from holdfast import digest as digests
from holdfast.errors import UpstreamUnavailableError
from syncworker.upstream import trust
from syncworker.upstream.authorized import Asking
from syncworker.upstream.exchange import detail
from syncworker.upstream.registry import digest_said
from syncworker.upstream.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.digest import Digest
    from holdfast.errors import UpstreamError
    from holdfast.names import Repository
    from syncworker.upstream.exchange import Answer
    from syncworker.upstream.pace import Time
    from syncworker.upstream.registry import Reference, Registry

_BYTES: Final = ("Content-Type", "application/octet-stream")
# The spec's form, and the one with a unit that some registries send.
_RANGE: Final = re.compile(r"(?:bytes[= ])?0-([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """An upload under way: where the next request goes, and how many bytes the registry has. ``is_resumed``: as it says itself."""

    target: str
    scope: str
    offset_bytes: int = 0
    is_resumed: bool = False


class Writing:
    """At one registry, through the same door as reading there. Shared by threads."""

    def __init__(self, registry: Registry, time: Time) -> None:
        self._door = registry.door
        self._time = time
        self._prefix = registry.prefix
        self.home = registry.home

    def has_blob(self, repository: Repository, digest: Digest, size_bytes: int) -> bool:
        """Whether it has a blob of this name and length.

        Raises:
            UpstreamError: it cannot be asked, or refuses us. UpstreamWrongError: it has one of another length.
        """
        target = f"{self._path(repository)}/blobs/{digest}"
        with self._door.send(Asking("HEAD", target, self._scope(repository))) as answer:
            if answer.status == 404:
                return False
            if answer.status != 200:
                raise self._verdict(answer, "a blob")
            length = answer.length()
            if length is not None and length != size_bytes:
                raise answer.wrong(f"it has {length} bytes for {digest}, which has {size_bytes}")
            return True

    def start(self, repository: Repository, digest: Digest, mounted_from: Repository | None = None) -> Session | None:
        """Begin an upload; None: the blob is there at once, mounted from another repository of the same registry.

        Raises:
            UpstreamError.
        """
        scope = self._scope(repository)
        query = "?digest-algorithm=" + digest.algorithm if digest.algorithm != digests.CANONICAL.name else ""
        if mounted_from is not None:
            scope = f"{scope} repository:{self._prefix}{mounted_from}:pull"
            query = f"?mount={quote(str(digest), safe='')}&from={quote(self._prefix + mounted_from, safe='')}"
        target = f"{self._path(repository)}/blobs/uploads/{query}"
        with self._door.send(Asking("POST", target, scope, (("Content-Length", "0"),))) as answer:
            if answer.status == 201 and mounted_from is not None:
                self._require(answer, digest)
                return None
            if answer.status != 202:
                raise self._verdict(answer, "a new upload")
            return self._session(answer, self._scope(repository), 0)

    def append(self, session: Session, size_bytes: int, read: Callable[[int], Iterable[bytes]]) -> Session:
        """Send all that is missing of ``size_bytes`` in one request; ``read`` gives the bytes from an offset on.

        Raises:
            UpstreamError: how much has arrived, ``status`` tells. Whatever ``read`` raises.
        """
        offset = session.offset_bytes
        headers = [_BYTES, ("Content-Length", str(size_bytes - offset))]
        # A first request is a stream, as clients send it. A later one says where it begins: what the registry has of an earlier
        # one may have grown since it was asked.
        if session.is_resumed:
            headers.append(("Content-Range", f"{offset}-{size_bytes - 1}"))
        asking = Asking("PATCH", session.target, session.scope, tuple(headers), lambda: read(offset))
        with self._door.send(asking) as answer:
            if answer.status == 416:
                raise UpstreamUnavailableError(
                    f"{self.home.authority} stands elsewhere in an upload", detail(self.home)
                )
            if answer.status not in {201, 202, 204}:
                raise self._verdict(answer, "a part of a blob")
            return self._session(answer, session.scope, size_bytes)

    def status(self, session: Session) -> Session:
        """How far an upload has come.

        Raises:
            UpstreamMissingError: there is no such upload (any more). UpstreamError.
        """
        with self._door.send(Asking("GET", session.target, session.scope)) as answer:
            if answer.status not in {202, 204}:
                raise self._verdict(answer, "the state of an upload")
            return replace(self._session(answer, session.scope, 0), is_resumed=True)

    def close_upload(self, session: Session, digest: Digest, data: bytes = b"") -> None:
        """Make it a blob; ``data`` is what is still missing.

        Raises:
            UpstreamError; UpstreamWrongError: also when the registry has read other bytes.
        """
        joint = "&" if "?" in session.target else "?"
        target = f"{session.target}{joint}digest={quote(str(digest), safe='')}"
        headers = (_BYTES, ("Content-Length", str(len(data))))
        with self._door.send(Asking("PUT", target, session.scope, headers, lambda: data)) as answer:
            if answer.status not in {201, 204}:
                raise self._verdict(answer, "the end of an upload")
            self._require(answer, digest)

    def cancel(self, session: Session) -> None:
        """Give an upload up. Raises UpstreamError."""
        with self._door.send(Asking("DELETE", session.target, session.scope)):
            pass

    def put_manifest(
        self, repository: Repository, reference: Reference, data: bytes, media_type: str, digest: Digest
    ) -> bool:
        """Store a manifest as it is. True: the registry has noted the ``subject`` that it names.

        Raises:
            UpstreamWrongError: it refuses the manifest, or says that it has another digest. UpstreamError.
        """
        target = f"{self._path(repository)}/manifests/{reference}"
        headers = (("Content-Type", media_type), ("Content-Length", str(len(data))))
        with self._door.send(Asking("PUT", target, self._scope(repository), headers, lambda: data)) as answer:
            if answer.status not in {201, 202}:
                raise self._verdict(answer, f"the manifest {digest} as {reference}")
            self._require(answer, digest)
            return answer.header("OCI-Subject") is not None

    def _require(self, answer: Answer, digest: Digest) -> None:
        said = digest_said(answer)
        # A registry that names things by another algorithm of its own has not contradicted.
        if said is not None and said.algorithm == digest.algorithm and said != digest:
            raise answer.wrong(f"it says {said} of what is {digest}")

    def _session(self, answer: Answer, scope: str, unsaid_bytes: int) -> Session:
        location = answer.header("Location")
        if location is None:
            raise answer.wrong("an upload without a Location")
        place = trust.hop(self.home, answer.place, location)
        if place.origin != self.home:
            raise answer.wrong(f"an upload that leads to {place.origin}; bytes and credentials stay with {self.home}")
        text = answer.header("Range")
        if text is None:
            return Session(place.target, scope, unsaid_bytes)
        found = _RANGE.fullmatch(text.strip())
        if found is None:
            raise answer.wrong("an upload with a Range that is none")
        # "0-0" stands for no byte, since a registry cannot say that otherwise.
        last = int(found[1])
        return Session(place.target, scope, last + 1 if last else 0)

    def _path(self, repository: Repository) -> str:
        return f"/v2/{self._prefix}{repository}"

    def _scope(self, repository: Repository) -> str:
        return f"repository:{self._prefix}{repository}:pull,push"

    def _verdict(self, answer: Answer, what: str) -> UpstreamError:
        return verdict(answer, self.home, what, self._time.clock.wall())
