"""Appending to an upload: by a stream of messages, or behind another process that writes the file itself.

Whoever begins to write first makes the file ours alone: one that a borrower may still write is left behind, and the confirmed bytes
go to another inode. Then what is not hashed yet is hashed (after a restart). From there on hash and confirmed offset move together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import StaleWriterError
from holdfast.rpc.node import StagingFile, UploadState
from storagenode.hashing import HashThread, catch_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.clock import Clock
    from storagenode.store import AdoptingStage, UploadRecord
    from storagenode.uploads import Upload, Writer

# The last fsync takes about half a second per GiB: flushing on the way keeps it short.
FLUSH_BYTES: Final = 64 << 20
# The free space is looked at before the first byte and every so often.
_LOOK_BYTES: Final = 16 << 20


class Appending:
    """Writes to uploads. Errors: those of ``Upload.claim``, StorageFullError, ReadOnlyError."""

    def __init__(self, clock: Clock, note: Callable[[UploadRecord], None]) -> None:
        """``note`` remembers over a restart what an upload's record has come to."""
        self._clock = clock
        self._note = note

    def stream(
        self,
        upload: Upload,
        offset_bytes: int | None,
        chunks: Iterable[bytes],
        end: Callable[[], None],
        fence: int = 0,
    ) -> UploadState:
        """Append messages until they end. Whatever ends them, what came in order is kept. ``fence``: see ``Upload.claim``."""
        upload.stage.space.require()
        former = upload.record
        writer = upload.claim(offset_bytes, end, fence=fence)
        try:
            if upload.record is not former:
                self._note(upload.record)
            self._take_over(upload, writer)
            self._receive(upload, writer, chunks)
            return upload.state()
        finally:
            upload.stage.release()
            upload.leave(writer, self._clock.monotonic())

    def _receive(self, upload: Upload, writer: Writer, chunks: Iterable[bytes]) -> None:
        hashing = HashThread(upload.hashing)
        position = upload.offset_bytes
        start = position
        try:
            for data in chunks:
                if (position - start) // _LOOK_BYTES != (position - start + len(data)) // _LOOK_BYTES:
                    upload.stage.space.require(len(data))
                upload.stage.write(data, position)
                hashing.feed(data)
                if position // FLUSH_BYTES != (position + len(data)) // FLUSH_BYTES:
                    upload.stage.flush_behind()
                position += len(data)
                upload.confirm(writer, position)
        finally:
            hashing.join()

    def lend(self, upload: Upload, offset_bytes: int | None) -> StagingFile:
        """Begin a short-circuit write."""
        upload.stage.space.require()
        writer = upload.claim(offset_bytes, _nobody, direct=True)
        try:
            self._take_over(upload, writer)
            file = upload.stage.lend()
        except BaseException:
            upload.stage.release()
            upload.leave(writer, self._clock.monotonic())
            raise
        upload.pause(writer, self._clock.monotonic())
        return StagingFile(file.path, file.device, file.inode, upload.offset_bytes, writer.token)

    def advance(self, upload: Upload, token: int, offset_bytes: int, *, is_last: bool) -> UploadState:
        """Hash behind the borrower up to ``offset_bytes``; ``is_last``: it has closed its descriptor.

        Raises:
            StaleWriterError: another writer has the upload. OffsetError: the file ends before; it carries where.
        """
        writer = upload.resume(token)
        try:
            if not is_last:
                upload.stage.space.require()
            before = upload.hashing.hashed_bytes
            catch_up(upload.hashing, upload.stage, offset_bytes, writer)
            if before // FLUSH_BYTES != upload.hashing.hashed_bytes // FLUSH_BYTES:
                upload.stage.flush_behind()
            upload.confirm(writer, upload.hashing.hashed_bytes)
            return upload.state()
        finally:
            if is_last:
                self._give_back(upload, writer)
            else:
                upload.pause(writer, self._clock.monotonic())

    def adopt(self, upload: Upload, stage: AdoptingStage) -> UploadState:
        """Take a file that lies beside an upload without bytes for all its bytes, and hash it. ``stage`` is the upload's."""
        stage.space.require_writable()
        writer = upload.claim(0, _nobody)
        try:
            size_bytes = stage.adopt()
            catch_up(upload.hashing, stage, size_bytes, writer)
            upload.confirm(writer, size_bytes)
            return upload.state()
        finally:
            stage.release()
            upload.leave(writer, self._clock.monotonic())

    def _give_back(self, upload: Upload, writer: Writer) -> None:
        """Also when hashing failed: the borrower cannot write any more, so the file is ours alone again."""
        try:
            upload.stage.take_back(upload.offset_bytes)
        finally:
            upload.stage.release()
            upload.leave(writer, self._clock.monotonic())

    def _take_over(self, upload: Upload, writer: Writer) -> None:
        if upload.stage.is_lent:
            upload.stage.space.require(upload.offset_bytes)
            upload.stage.move(upload.offset_bytes)
        catch_up(upload.hashing, upload.stage, upload.offset_bytes, writer)
        if writer.stale:
            raise StaleWriterError("a newer request has taken this upload over")


def _nobody() -> None:
    """A direct writer cannot be stopped from here; it hears at its next announcement."""
