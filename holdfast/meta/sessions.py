"""Sessions of browsers: begun by a login, found by every gateway, ended by a logout or by their time.

    session/<sha256 of the id>      who it is, what it stands and falls with, and when it ends

Promises
  * The id is nowhere in the metadata: whoever reads them can take over no session.
  * A session that was ended is found by no gateway any more. One whose time is over is gone by its lease, and counts for nothing
    before that.
  * No id is used twice: a session that is there is never replaced.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConflictError
from holdfast.meta import keys
from holdfast.meta.commit import Change, commit, insist
from holdfast.meta.records import Codec
from holdfast.meta.store import Delete, KeyAt, Put
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.store import Store

# A lease ends a little after what it carries, so that clocks which differ end no session early.
SPARE_SECONDS: Final = 60.0
_RECORD: Final = Codec(wire.SessionRecord)


@dataclass(frozen=True, slots=True)
class Session:
    """``account``: whose standing it falls with, "" for nobody's, and ``mark`` that standing when it began. ``until_seconds`` by
    the wall clock.

    Raises:
        ValueError: nobody's session.
    """

    user: str
    groups: frozenset[str]
    until_seconds: float
    account: str = ""
    mark: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if not self.user:
            raise ValueError("a session is somebody's")


def name_of(session_id: bytes) -> str:
    """What a session may be called where its id must not be."""
    return hashlib.sha256(session_id).hexdigest()


@dataclass(frozen=True, slots=True)
class Found:
    """A session as a store holds it. ``operation_id``: of who began it."""

    session: Session
    operation_id: bytes


def encoded(session: Session, operation_id: bytes) -> bytes:
    return _RECORD.encode(
        wire.SessionRecord(
            operation_id=operation_id,
            user=session.user,
            groups=sorted(session.groups),
            account=session.account,
            mark=session.mark,
            until_seconds=session.until_seconds,
        )
    )


def decoded(value: bytes) -> Found:
    """Raises CorruptError."""
    record = _RECORD.decode(value)
    session = Session(record.user, frozenset(record.groups), record.until_seconds, record.account, record.mark)
    return Found(session, record.operation_id)


class Sessions:
    """``new_id`` gives 16 random bytes. Every method may raise MetadataUnavailableError."""

    def __init__(self, store: Store, new_id: Callable[[], bytes], clock: Clock) -> None:
        self._store = store
        self._new_id = new_id
        self._clock = clock

    def begin(self, session_id: bytes, session: Session) -> None:
        """Raises OutcomeUnknownError. ConflictError: the id is taken, which random ids never are."""
        operation_id = self._new_id()
        key = keys.session(name_of(session_id))
        lease = self._store.grant_lease(max(1.0, session.until_seconds - self._clock.wall()) + SPARE_SECONDS)
        put = Put(key, encoded(session, operation_id), lease.lease_id)
        if not commit(self._store, Change(key, 0, operation_id, [KeyAt(key, 0)], [put])).succeeded:
            self._store.revoke_lease(lease.lease_id)
            raise ConflictError("a session of this id is there already")

    def named(self, name: str) -> Session | None:
        """The session of an id that has this name; None: there is none (any more)."""
        entry = self._store.get(keys.session(name))
        if entry is None:
            return None
        session = decoded(entry.value).session
        return None if self._clock.wall() >= session.until_seconds else session

    def end(self, session_id: bytes) -> None:
        """A session that is not there is no error."""
        key = keys.session(name_of(session_id))
        entry = self._store.get(key)
        if entry is not None:
            insist(self._store, (), [Delete(key)])
            self._store.revoke_lease(entry.lease_id)
