"""Following a growing upload: its bytes as they arrive, for readers that come while it is being written.

The last byte is withheld until the bytes have been compared with their digest, so that nothing wrong ever looks complete. It does
not wait until they are durable: whoever only reads has no use for that, and on a slow disk it takes seconds. The stream ends when
they are, or in an error. No polling: a follower sleeps on the upload's condition, and whoever ends its call wakes it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from holdfast.errors import CorruptError, UploadUnknownError
from holdfast.rpc.methods import RAW_MESSAGE_BYTES
from storagenode.uploads import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storagenode.uploads import Upload


class Caller(Protocol):
    """Whoever reads; a gRPC context is one."""

    def is_active(self) -> bool: ...

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Call back when the caller has gone; False if it has gone already."""
        ...


class Follower:
    """One reader of one upload; an iterator of messages of at most 1 MiB."""

    def __init__(
        self, upload: Upload, offset_bytes: int, caller: Caller, committed: Callable[[int], Iterator[bytes]]
    ) -> None:
        """``committed`` reads the rest from an offset once the upload has become a blob."""
        self._upload = upload
        self._offset_bytes = offset_bytes
        self._caller = caller
        self._committed = committed
        self._descriptor: int | None = None
        self._generation = -1

    def __iter__(self) -> Iterator[bytes]:
        if not self._caller.add_callback(self._wake):
            return
        try:
            while (end_bytes := self._wait()) is not None:
                if not self._open():
                    yield from self._committed(self._offset_bytes)
                    return
                yield self._read(end_bytes)
        finally:
            self._close()

    def _wake(self) -> None:
        with self._upload.changed:
            self._upload.changed.notify_all()

    def _wait(self) -> int | None:
        """Up to where may be read now; None at the end, or when nobody reads any more."""
        upload = self._upload
        with upload.changed:
            upload.changed.wait_for(lambda: self._readable() > self._offset_bytes or self._is_over())
            if upload.phase is Phase.DROPPED:
                raise CorruptError("the upload that was followed has been dropped; its bytes are not complete")
            if not self._caller.is_active() or self._readable() <= self._offset_bytes:
                return None
            return self._readable()

    def _readable(self) -> int:
        whole = self._upload.is_right or self._upload.phase is Phase.COMMITTED
        return self._upload.offset_bytes if whole else self._upload.offset_bytes - 1

    def _is_over(self) -> bool:
        return self._upload.phase in (Phase.COMMITTED, Phase.DROPPED) or not self._caller.is_active()

    def _open(self) -> bool:
        """Have the file that holds what may be read. False: it has been committed under its own name meanwhile."""
        if self._descriptor is not None and self._generation == self._upload.stage.generation:
            return True
        self._close()
        try:
            self._descriptor, self._generation = self._upload.stage.reader()
        except UploadUnknownError:
            # Renamed by a finish: wait for its word whether that was the commit.
            with self._upload.changed:
                self._upload.changed.wait_for(lambda: self._upload.phase is not Phase.FINISHING)
                if self._upload.phase is Phase.COMMITTED:
                    return False
            raise CorruptError("the upload that was followed has lost its bytes") from None
        return True

    def _read(self, end_bytes: int) -> bytes:
        count = min(RAW_MESSAGE_BYTES, end_bytes - self._offset_bytes)
        data = os.pread(self._descriptor or 0, count, self._offset_bytes)
        if not data:
            raise CorruptError("the staged bytes are shorter than they were")
        self._offset_bytes += len(data)
        return data

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
