"""A blob's upstream, asked before it is needed: beside other work, or because only its answer says who may have the blob.

    ask ──each source in its order──▶ an open stream, and what those before it said

Promises
    * Whoever pours the blob hears from each source what it said here, and asks none of them a second time for that.
    * A stream that nobody took is closed, also one that opens after ``close``.

Never: reads of a blob.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from holdfast.errors import HoldfastError, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.digest import Digest
    from holdfast.names import Repository
    from syncworker.sources import Sources
    from syncworker.upstream.blobs import BlobStream
    from syncworker.upstream.upstream import Upstream

    Source = tuple[int, Repository]


class Opening:
    """From the first byte on; for one ``ask``, in whatever thread, and one taker."""

    def __init__(self, digest: Digest, size_bytes: int | None) -> None:
        self._digest = digest
        self._size_bytes = size_bytes
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._closed = False
        self._stream: BlobStream | None = None
        self._source: Source | None = None
        self._errors: dict[Source, UpstreamError] = {}
        self._length: tuple[int | None] | None = None
        self._told: Callable[[int | None], None] | None = None

    def ask(self, sources: Sources, repository: Repository) -> int | None:
        """How long the blob is, as its upstream says; None: it does not say.

        Raises:
            UpstreamMissingError, UpstreamError: as ``Sources.ask``.
        """
        try:
            length = sources.ask(repository, self._open)
            with self._lock:
                self._length = length
                if self._told is not None:
                    self._told(length[0])
            return length[0]
        finally:
            self._over.set()

    def then(self, told: Callable[[int | None], None]) -> None:
        """Call ``told`` with the length as soon as an upstream has answered, in whatever thread; never, if none does.

        It takes the place of the one before, which is not called any more when this returns.
        """
        with self._lock:
            self._told = told
            if self._length is not None:
                told(self._length[0])

    def begin(self, sources: Sources, repository: Repository) -> None:
        """Ask in a thread of its own; ``of`` tells what came of it."""

        def ask() -> None:
            with contextlib.suppress(HoldfastError):
                self.ask(sources, repository)

        threading.Thread(target=ask, name=f"open-{self._digest.encoded[:12]}", daemon=True).start()

    def _open(self, upstream: Upstream, name: Repository) -> tuple[int | None]:
        try:
            stream = upstream.blob(name, self._digest, 0, size_bytes=self._size_bytes, verify=False)
        except UpstreamError as error:
            self._errors[id(upstream), name] = error
            raise
        with self._lock:
            if not self._closed:
                self._stream, self._source = stream, (id(upstream), name)
                return (stream.total_bytes,)
        stream.close()
        return (stream.total_bytes,)

    def of(self, upstream: Upstream, name: Repository) -> BlobStream | None:
        """What this source said, once it or one after it has said something; the stream is the taker's to close from here on.

        None: it was not asked, or its word was taken before.

        Raises:
            UpstreamError: that was it.
        """
        self._over.wait()
        error = self._errors.pop((id(upstream), name), None)
        if error is not None:
            raise error
        with self._lock:
            if self._source != (id(upstream), name):
                return None
            stream, self._stream = self._stream, None
            return stream

    def close(self) -> None:
        """Nobody needs it any more. A second call does nothing."""
        with self._lock:
            stream, self._stream, self._closed = self._stream, None, True
        if stream is not None:
            stream.close()
