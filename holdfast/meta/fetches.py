"""Who fetches which blob from an upstream: one worker in the whole cluster for each digest, and whoever comes after it.

    fetch/<digest>            the upload that grows, and the worker that writes it; stays when the worker dies
    process/worker/<id>       the worker lives

Promises
  * A fetch has one holder. It is taken over only from a worker whose process key is gone, or that has let go of it, in one
    transaction that compares both. The revision of each change is the token with which its holder writes: it only grows, so
    whoever was taken over from is refused by the storage node, however late it wakes up.
  * What a former holder has brought stays named, so that the next one goes on there. What nobody goes on with is found by
    ``unattended``.
  * Whoever finds no fetch, and then no bytes, begins one only if none has come to its end in between.

Never here: bytes, upstreams, and no decision by a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import Change, commit, insist
from holdfast.meta.records import Codec
from holdfast.meta.store import Delete, KeyAt, Put, RangeNotAfter, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.store import Compare, Entry, Store

WORKER: Final = "worker"
_FETCH: Final = Codec(wire.FetchRecord)


@dataclass(frozen=True, slots=True)
class Fetch:
    """A fetch as it stands. ``worker`` "": nobody's. ``upload_id`` "": nothing has come yet. ``token``: see the module."""

    digest: Digest
    worker: str
    upload_id: str
    token: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What ``look`` found, as of ``revision``. ``is_held``: a living worker has it."""

    fetch: Fetch | None
    is_held: bool
    revision: int


class Fetches:
    """As one worker sees them. ``new_id`` gives 16 random bytes.

    Every method may raise MetadataUnavailableError, changes OutcomeUnknownError as well.
    """

    def __init__(self, store: Store, new_id: Callable[[], bytes], worker: str) -> None:
        self._store = store
        self._new_id = new_id
        self._worker = worker

    def look(self, digest: Digest) -> Standing:
        """How it stands, whoever has it. A fetch of this worker's own is not held by another."""
        key = keys.fetch(digest)
        found = self._store.get_many([key])
        entry = found.entries.get(key)
        if entry is None:
            return Standing(None, is_held=False, revision=found.revision)
        return self._standing(digest, entry, found.revision)

    def unattended(self) -> Iterator[Fetch]:
        """All fetches that no other living worker holds, read in pages."""
        for entry in pages(self._store, *keys.FETCHES):
            standing = self._standing(keys.fetched_in(entry.key), entry, entry.mod_revision)
            if standing.fetch is not None and not standing.is_held:
                yield standing.fetch

    def _standing(self, digest: Digest, entry: Entry, revision: int) -> Standing:
        record = _FETCH.decode(entry.value)
        fetch = Fetch(digest, record.worker, record.upload_id, entry.mod_revision)
        is_others = bool(fetch.worker) and fetch.worker != self._worker
        is_held = is_others and self._store.get(keys.process(WORKER, fetch.worker)) is not None
        return Standing(fetch, is_held, revision)

    def take(self, digest: Digest, standing: Standing, upload_id: str = "") -> Fetch | None:
        """Become the holder, if it still stands as ``look`` found it; None: look again, or this worker's own lease is gone.

        ``upload_id``: one that was begun for it, named at once. It counts only if nothing had come before.
        """
        former = standing.fetch
        upload_id = (former.upload_id if former else "") or upload_id
        # A fetch that begins and ends in between leaves no key, but a link to what it brought.
        compares: list[Compare] = [
            KeyAt(keys.fetch(digest), former.token if former else 0),
            RangeNotAfter(*keys.holders_of(digest), standing.revision),
        ]
        if former is not None and former.worker not in {"", self._worker}:
            compares.append(KeyAt(keys.process(WORKER, former.worker), 0))
        return self._write(Fetch(digest, self._worker, upload_id, former.token if former else 0), compares)

    def name(self, fetch: Fetch, upload_id: str) -> Fetch | None:
        """Say which upload grows; None: the fetch is another's by now."""
        changed = Fetch(fetch.digest, fetch.worker, upload_id, fetch.token)
        return self._write(changed, [KeyAt(keys.fetch(fetch.digest), fetch.token)])

    def leave(self, fetch: Fetch) -> None:
        """Let go of it, and leave to others what has come. Nothing happens if it is another's by now."""
        left = Fetch(fetch.digest, "", fetch.upload_id, fetch.token)
        self._write(left, [KeyAt(keys.fetch(fetch.digest), fetch.token)])

    def end(self, fetch: Fetch) -> bool:
        """It is over, and nothing is left to go on with. False: it was another's."""
        key = keys.fetch(fetch.digest)
        compares, ops = [KeyAt(key, fetch.token)], [Delete(key)]
        return insist(self._store, compares, ops) or self._store.get(key) is None

    def _write(self, fetch: Fetch, compares: Sequence[Compare]) -> Fetch | None:
        key, operation_id = keys.fetch(fetch.digest), self._new_id()
        record = wire.FetchRecord(operation_id=operation_id, worker=fetch.worker, upload_id=fetch.upload_id)
        change = Change(key, fetch.token, operation_id, compares, [Put(key, _FETCH.encode(record))])
        if not commit(self._store, change).succeeded:
            return None
        # Not the answer's revision: after an answer that was lost it is that of a later look.
        entry = self._store.get(key)
        if entry is None or operation_id not in entry.value:
            return None
        return Fetch(fetch.digest, fetch.worker, fetch.upload_id, entry.mod_revision)
