"""A turn: what one sync worker at a time does for the whole cluster, and how it is taken over.

    task/keep                 the worker that has the turn; stays when it dies
    process/worker/<id>       the worker lives

Promises: a turn is taken only from a worker whose process key is gone, in one transaction that compares both. Its revision is a
token: whatever is changed under a turn compares it, so a worker that was paused and taken over from changes nothing any more,
however late it wakes up.

Never here: what is done in the turn, and no decision by a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import Change, commit
from holdfast.meta.fetches import WORKER
from holdfast.meta.records import Codec
from holdfast.meta.store import KeyAt, Put
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.meta.store import Store

_TURN: Final = Codec(wire.TurnRecord)


@dataclass(frozen=True, slots=True)
class Turn:
    """It stands while ``compare`` holds."""

    key: bytes
    token: int

    @property
    def compare(self) -> KeyAt:
        return KeyAt(self.key, self.token)


class Turns:
    """As one worker sees the turn at ``key``. ``new_id`` gives 16 random bytes."""

    def __init__(self, store: Store, new_id: Callable[[], bytes], worker: str, key: bytes) -> None:
        self._store = store
        self._new_id = new_id
        self._worker = worker
        self._key = key

    def take(self) -> Turn | None:
        """A turn of its own, whose token is new also where this worker had the turn before; None: another living worker has it.

        Raises:
            MetadataUnavailableError, OutcomeUnknownError.
        """
        entry = self._store.get(self._key)
        former = _TURN.decode(entry.value).worker if entry else ""
        standing = entry.mod_revision if entry else 0
        compares = [KeyAt(self._key, standing)]
        if former not in {"", self._worker}:
            # Asked for first: the usual answer is that it lives, and costs no transaction.
            if self._store.get(keys.process(WORKER, former)) is not None:
                return None
            compares.append(KeyAt(keys.process(WORKER, former), 0))
        operation_id = self._new_id()
        record = wire.TurnRecord(operation_id=operation_id, worker=self._worker)
        change = Change(self._key, standing, operation_id, compares, [Put(self._key, _TURN.encode(record))])
        if not commit(self._store, change).succeeded:
            return None
        # Not the answer's revision: after an answer that was lost it is that of a later look.
        written = self._store.get(self._key)
        if written is None or operation_id not in written.value:
            return None
        return Turn(self._key, written.mod_revision)
