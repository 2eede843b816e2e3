"""Finding and reading copies.

What existence means: "it exists" only if a node has confirmed a copy of the right size, remembered for two seconds at most; "it
does not" only if all that should have it were asked and none has it; anything else is NodeUnreachableError, never a "no".

A stream that breaks continues at the same offset on the next owner; one whose copy turned out to be corrupt does not, for what was
passed on of it may be wrong, and completed by a good copy it would look like the whole blob. Only confirmed copies are remembered,
never absence: a client that has just pushed must see its blob.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.errors import (
    BlobUnknownError,
    CorruptError,
    HoldfastError,
    MissingError,
    NodeSilentError,
    NodeUnreachableError,
    UnavailableError,
)
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.replicas.directory import NodeDirectory
    from holdfast.rpc.node import LocalBlob, NodeClient, StoredBlob, Want

# Promise 9 allows seconds; a push asks after the same blob several times within one.
STAT_TTL_SECONDS: Final = 2.0
# Handles are compared with the file at each use, so their age does not matter; it only bounds what lies about.
_HANDLE_TTL_SECONDS: Final = 300.0
_LIMIT: Final = 10_000


class ReplicaReader:
    """Stat, short-circuit open, read."""

    def __init__(self, directory: NodeDirectory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._stats: Remembered[Digest, StoredBlob] = Remembered(clock, STAT_TTL_SECONDS, _LIMIT)
        self._handles: Remembered[Digest, LocalBlob] = Remembered(clock, _HANDLE_TTL_SECONDS, _LIMIT)

    def stat(self, wants: Sequence[Want]) -> list[StoredBlob | None]:
        """For each want a confirmed copy, or None when all were asked and none has it; in order.

        What is remembered may be older than a fence read just now: whoever links bytes that nothing links yet calls ``forget``
        between reading the fence and this.

        Raises:
            NodeUnreachableError: nobody has one of them, and not all could be asked.
        """
        found: dict[Want, StoredBlob] = {}
        for want in wants:
            known = self._stats.get(want.digest)
            if known is not None and want.size_bytes in (None, known.size_bytes):
                found[want] = known
        self._ask([want for want in dict.fromkeys(wants) if want not in found], found)
        return [found.get(want) for want in wants]

    def _ask(self, wants: list[Want], found: dict[Want, StoredBlob]) -> None:
        """Ask rank by rank: everybody's first reader, then the second of those that are still open."""
        unasked: NodeUnreachableError | None = None
        readers = {want: iter(self._directory.readers(want.digest)) for want in wants}
        while wants:
            by_node: dict[int, tuple[NodeClient, list[Want]]] = {}
            for want in wants:
                node = next(readers[want], None)
                if node is not None:
                    by_node.setdefault(id(node), (node, []))[1].append(want)
            if not by_node:
                break
            for node, asked in by_node.values():
                try:
                    answers = node.stat_blobs(asked)
                except UnavailableError as error:
                    self._failed(node, error)
                    unasked = NodeUnreachableError(error.message, error.detail)
                    unasked.__cause__ = error
                    continue
                for want, answer in zip(asked, answers, strict=True):
                    if answer is not None:
                        found[want] = answer
                        self._stats.put(want.digest, answer)
                self._directory.answered(node, None)
            wants = [want for want in wants if want not in found]
        if wants and unasked is not None:
            raise unasked

    def open(self, want: Want) -> LocalBlob | None:
        """The short-circuit read, or None when no copy is known on this host: then ``read``.

        Raises:
            BlobUnknownError: nobody has it. CorruptError: the only copy is in quarantine now.
            NodeUnreachableError: nobody has it, and not all could be asked.
        """
        known = self._handles.get(want.digest)
        if known is not None and want.size_bytes in (None, known.size_bytes):
            if _still_there(known):
                return known
            self._handles.forget(want.digest)
        return self._open_anew(want)

    def _failed(self, node: NodeClient, error: HoldfastError) -> None:
        if isinstance(error, NodeUnreachableError):
            self._directory.failed(node)

    def _open_anew(self, want: Want) -> LocalBlob | None:
        worst: HoldfastError | None = None
        near = self._directory.near(want.digest)
        for node in near:
            try:
                blob = node.open_blob(want)
            except (MissingError, CorruptError, UnavailableError) as error:
                self._failed(node, error)
                worst = _worse(worst, error)
                continue
            if blob is not None:
                self._handles.put(want.digest, blob)
            return blob
        if worst is not None and len(near) == sum(1 for _ in self._directory.readers(want.digest)):
            raise worst
        return None  # others may have it: whoever reads asks them

    def read(self, want: Want, offset_bytes: int, length_bytes: int | None) -> Iterator[bytes | memoryview]:
        """The bytes, or those of a range, from whoever has them.

        Raises:
            BlobUnknownError, CorruptError, NodeUnreachableError: as ``open``; also later, when no owner is left to go on with.
            CorruptError: what came so far may be wrong; the copy is in quarantine now, and reading anew asks others.
        """
        worst: HoldfastError | None = None
        silent: list[NodeClient] = []
        for node, patient in self._turns(want.digest, silent, lambda: offset_bytes):  # noqa: B023 - as it is by then
            began, is_first = self._clock.monotonic(), True
            self._directory.began(node)
            try:
                for message in node.read_blob(want, offset_bytes, length_bytes, patient=patient):
                    if is_first:
                        self._directory.answered(node, self._clock.monotonic() - began)
                        is_first = False
                    yield message
                    offset_bytes += len(message)
                    length_bytes = None if length_bytes is None else length_bytes - len(message)
            except (MissingError, CorruptError, UnavailableError) as error:
                self._failed(node, error)
                self.forget(want.digest)
                if isinstance(error, CorruptError) and not is_first:
                    raise  # the wrong bytes may be among those that went out: nothing may make this look complete
                if not is_first and (length_bytes == 0 or offset_bytes == want.size_bytes):
                    return  # it broke behind the last byte, which is sent only when all are right
                worst = _worse(worst, error)
                if isinstance(error, NodeSilentError) and not patient:
                    silent.append(node)
                continue
            finally:
                self._directory.ended(node)
            return
        raise worst or _nobody(want)

    def _turns(
        self, digest: Digest, silent: list[NodeClient], offset: Callable[[], int]
    ) -> Iterator[tuple[NodeClient, bool]]:
        """Everybody once, with patience for one that is alone; then with patience those that have become ``silent``.

        They may only be slow, and if nobody else has the blob, that is no reason to fail. While ``offset`` moves, all begins again:
        who failed long ago may be back: a pull outlives that every node is restarted, one after the other.
        """
        stood_at: int | None = None
        while stood_at != offset():
            stood_at = offset()
            readers = iter(self._directory.readers(digest))
            first, second = next(readers, None), next(readers, None)
            if first is not None:
                yield first, second is None
            if second is not None:
                yield second, False
            for node in readers:
                yield node, False
            for node in silent:
                yield node, True
            silent.clear()

    def forget(self, digest: Digest) -> None:
        """Ask again next time."""
        self._stats.forget(digest)
        self._handles.forget(digest)

    def remember(self, stored: StoredBlob) -> None:
        """A copy that has just been made durable needs no question. Its old file, if any, was replaced."""
        self._handles.forget(stored.digest)
        self._stats.put(stored.digest, stored)


def _worse(known: HoldfastError | None, error: HoldfastError) -> HoldfastError:
    """Of what several owners said, the one that says most: could not ask > has a bad copy > has none."""
    ranks = (MissingError, CorruptError, UnavailableError)
    if known is None:
        return error
    return max(known, error, key=lambda one: next(rank for rank, cls in enumerate(ranks) if isinstance(one, cls)))


def _nobody(want: Want) -> BlobUnknownError:
    return BlobUnknownError("no storage node is known for this blob", {"digest": str(want.digest)})


def _still_there(blob: LocalBlob) -> bool:
    try:
        found = Path(blob.path).lstat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino, found.st_size) == (blob.device, blob.inode, blob.size_bytes)
