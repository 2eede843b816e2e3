"""Sessions of browsers in redis, in place of the metadata (``http.auth.sessionDriver``).

    <keyprefix>:session:<sha256 of the id>      the record, sealed with a key of the installation

Promises: those of ``holdfast.meta.sessions``. Besides, redis is not trusted: what it holds was sealed by a gateway for this very
key, or is no session. Who reads redis learns neither names nor groups, who writes it makes himself nobody else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConflictError, CorruptError
from holdfast.meta.sessions import SPARE_SECONDS, decoded, encoded, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.redisserver import RedisServer
    from gateway.access.sealer import Sealer
    from holdfast.clock import Clock
    from holdfast.meta.sessions import Found, Session

# Of a sealed record: a person is in thousands of groups, not in millions.
LONGEST_RECORD: Final = 1 << 20


class RedisSessions:
    """``sealer`` opens texts of up to LONGEST_RECORD. ``new_id`` gives 16 random bytes. Every method may raise
    SessionsUnavailableError, MetadataUnavailableError.
    """

    def __init__(
        self, server: RedisServer, prefix: str, sealer: Sealer, new_id: Callable[[], bytes], clock: Clock
    ) -> None:
        self._server = server
        self._prefix = prefix
        self._sealer = sealer
        self._new_id = new_id
        self._clock = clock

    def begin(self, session_id: bytes, session: Session) -> None:
        """Raises ConflictError: the id is taken, which random ids never are."""
        name, operation_id = name_of(session_id), self._new_id()
        value = self._sealer.seal(_purpose(name), encoded(session, operation_id)).encode()
        seconds = max(1.0, session.until_seconds - self._clock.wall()) + SPARE_SECONDS
        if self._server.add(self._key(name), value, math.ceil(seconds * 1000)):
            return
        found = self._found(name)
        if found is None or found.operation_id != operation_id:
            raise ConflictError("a session of this id is there already")

    def named(self, name: str) -> Session | None:
        """The session of an id that has this name; None: there is none (any more)."""
        found = self._found(name)
        if found is None or self._clock.wall() >= found.session.until_seconds:
            return None
        return found.session

    def end(self, session_id: bytes) -> None:
        """A session that is not there is no error."""
        self._server.remove(self._key(name_of(session_id)))

    def _found(self, name: str) -> Found | None:
        value = self._server.get(self._key(name))
        record = None if value is None else self._sealer.opened(_purpose(name), value.decode("ascii", "replace"))
        try:
            return None if record is None else decoded(record)
        except CorruptError:  # a newer gateway's
            return None

    def _key(self, name: str) -> str:
        return f"{self._prefix}:session:{name}"


def _purpose(name: str) -> str:
    """Bound to its key: one session's record in another's place does not open."""
    return f"the record of session {name}"
