"""Another registry that images are copied to: reading and writing there, tried again where that can help.

Promises: what holds for an :class:`Upstream` (pauses, marks, which error is raised) holds for writing, too. Each method may be
called again after any outcome.

Never: decides what is copied; deletes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.errors import UpstreamMissingError
from holdfast.manifest import OCI_INDEX
from syncworker.upstream.uploads import WHOLE_BYTES, Upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag
    from syncworker.upstream.pace import Retry, Time
    from syncworker.upstream.registry import Reference
    from syncworker.upstream.uploads import Outgoing
    from syncworker.upstream.upstream import Upstream
    from syncworker.upstream.values import Descriptor, Fetched
    from syncworker.upstream.writing import Session, Writing


class Target:
    """``upstream`` and ``writing`` are the two halves of the API of one URL. Shared by threads."""

    def __init__(self, upstream: Upstream, writing: Writing, retry: Retry, time: Time) -> None:
        self._upstream = upstream
        self._writing = writing
        self._retry = retry
        self._time = time

    @property
    def name(self) -> str:
        """Its host, for logs."""
        return self._upstream.name

    def head(self, repository: Repository, reference: Reference) -> Descriptor | None:
        """What a tag or digest stands for there; None: nothing. Raises UpstreamError."""
        return self._upstream.head(repository, reference)

    def manifest(self, repository: Repository, reference: Reference) -> Fetched | None:
        """A manifest there; None: there is none. Raises UpstreamError."""
        try:
            return self._upstream.manifest(repository, reference)
        except UpstreamMissingError:
            return None

    def referrers(self, repository: Repository, subject: Digest) -> frozenset[Digest]:
        """What is listed there as referring to ``subject``. Raises UpstreamError."""
        try:
            return frozenset(one.digest for one in self._upstream.referrers(repository, subject))
        except UpstreamMissingError:
            return frozenset()

    def has_blob(self, repository: Repository, digest: Digest, size_bytes: int) -> bool:
        """Whether a blob is there. Raises UpstreamError."""
        return self._upstream.ask(lambda _: self._writing.has_blob(repository, digest, size_bytes))

    def put_blob(
        self,
        repository: Repository,
        blob: Outgoing,
        mounted_from: Repository | None = None,
        give: Callable[[str], bool] | None = None,
    ) -> bool:
        """Bring a blob there, by a mount where that works. True: its bytes were sent.

        ``give`` may bring the bytes of a large one another way into the upload whose address it is called with; False: it did not.

        Raises:
            UpstreamError: it is not there. Whatever reading the blob raises.
        """
        data = blob.whole() if blob.size_bytes <= WHOLE_BYTES else None

        def begin(source: Repository | None = None) -> Session | None:
            return self._upstream.ask(lambda _: self._writing.start(repository, blob.digest, source))

        def put() -> bool:
            session = self._writing.start(repository, blob.digest, mounted_from)
            if session is not None:
                self._writing.close_upload(session, blob.digest, data or b"")
            return session is not None

        if data is not None:
            return self._upstream.ask(lambda _: put())
        session = begin(mounted_from)
        if session is not None and give is not None and give(session.target):
            return self._close_given(session, repository, blob)
        if session is not None:
            Upload(self._writing, repository, blob, begin, self._retry, self._time).run(session)
        return session is not None

    def _close_given(self, session: Session, repository: Repository, blob: Outgoing) -> bool:
        try:
            self._upstream.ask(lambda _: self._writing.close_upload(session, blob.digest))
        except UpstreamMissingError:
            # Whoever had it was restarted, and such uploads do not outlast that.
            return self.put_blob(repository, blob)
        return False

    def put_manifest(
        self, repository: Repository, reference: Reference, data: bytes, media_type: str, digest: Digest
    ) -> bool:
        """Store a manifest as it is; True: the target has noted its ``subject``. Raises UpstreamError."""
        return self._upstream.ask(lambda _: self._writing.put_manifest(repository, reference, data, media_type, digest))

    def put_index(self, repository: Repository, tag: Tag, data: bytes) -> None:
        """Point a tag at an index made for this registry. Raises UpstreamError."""
        self.put_manifest(repository, tag, data, OCI_INDEX, digests.of(data))

    def close(self) -> None:
        """Close idle connections."""
        self._upstream.close()
