"""Sessions of people with a browser: a cookie in place of an Authorization header.

Promises
  * A session is begun by a login alone, with an id of its own each time: nobody can make another use an id he knows (fixation).
  * It ends everywhere with its logout, after ``SESSION_SECONDS``, and when the account that it was begun with changes its
    password or is gone.
  * A cookie that does not count is as good as none: whoever brings an old one is nobody in particular, and is not refused.

Here nothing is known of where a cookie came from; the HTTP edge hands on only those that another site cannot have sent.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from gateway.access.ways import Proven, Standing, Standings
from holdfast.access.identity import Identity, Way
from holdfast.errors import LoginRefusedError
from holdfast.meta.sessions import Session, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.access.sealer import Sealer
    from gateway.access.ways import Accounts
    from holdfast.access.conditions import Facts
    from holdfast.clock import Clock

# A working day; rights that another service gave (groups) are as old as that at most.
SESSION_SECONDS: Final = 8 * 3600
_ID_BYTES: Final = 32
_COOKIE: Final = "session"
_MARK: Final = "the standing that a session began with"


class SessionStore(Protocol):
    """Where sessions are: the metadata, or redis. Every method may raise UnavailableError."""

    def begin(self, session_id: bytes, session: Session) -> None:
        """Raises ConflictError: the id is taken."""
        ...

    def named(self, name: str) -> Session | None:
        """The session of an id that has this name (``name_of``); None: there is none (any more)."""
        ...

    def end(self, session_id: bytes) -> None:
        """A session that is not there is no error."""
        ...


class Browsers:
    """``people``: kinds of accounts that somebody with a browser has, neither keys nor robots. ``random`` gives so many bytes."""

    def __init__(
        self,
        sessions: SessionStore,
        sealer: Sealer,
        people: Sequence[Accounts],
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        self._sessions = sessions
        self._sealer = sealer
        self._standing = Standings(people)
        self._words = {kind.word for kind in people}
        self._clock = clock
        self._random = random

    @property
    def word(self) -> str:
        return Way.SESSION.value

    def takes(self, proven: Proven) -> bool:
        """Whether a password is a person's: what a key or a robot has would become more in a session, which may make keys."""
        return not proven.limits and proven.account.partition(":")[0] in self._words

    def lasting(self, account: str) -> str:
        """The account behind a session's; others as they are; "" for a session that is over. Raises UnavailableError."""
        word, _, name = account.partition(":")
        if word != self.word:
            return account
        session = self._sessions.named(name)
        if session is None:
            return ""
        return session.account or f"{Way.OPENID.value}:{session.user}"

    def begin(self, proven: Proven) -> str:
        """The value of the cookie.

        Raises:
            LoginRefusedError: its account is gone. UnavailableError.
            ValueError: nobody, or somebody whose key or token allows less than he may.
        """
        if proven.limits:
            raise ValueError("a session allows all that its owner may")
        session_id, mark = self._random(_ID_BYTES), b""
        if proven.account:
            now = self._standing(proven.account)
            if now is None:
                raise LoginRefusedError("the account is gone")
            if proven.mark and not hmac.compare_digest(proven.mark.encode(), now.mark.encode()):
                raise LoginRefusedError("the password was changed meanwhile; log in again")
            mark = self._sealer.seal(_MARK, now.mark.encode()).encode()
        identity, until = proven.identity, self._clock.wall() + SESSION_SECONDS
        self._sessions.begin(session_id, Session(identity.name, identity.groups, until, proven.account, mark))
        return self._sealer.seal(_COOKIE, session_id)

    def of(self, facts: Facts) -> Proven | None:
        """Raises UnavailableError."""
        session_id = self._sealer.opened(_COOKIE, facts.session)
        found = None if session_id is None else self.standing(name_of(session_id))
        return None if found is None else found.proven

    def standing(self, name: str) -> Standing | None:
        """Of a session by its name, for the tokens that were got with it. Raises UnavailableError."""
        session = self._sessions.named(name)
        if session is None:
            return None
        identity = Identity(session.user, Way.SESSION, session.groups)
        if session.account:
            now = self._standing(session.account)
            if now is not None and now.again is not None and not self._is_unchanged(session, now):
                now = now.again()  # what is remembered may be older than the session
            if now is None or not self._is_unchanged(session, now):
                return None
            # Groups as they are now, where the account can be asked again.
            identity = replace(now.proven.identity, way=Way.SESSION)
        return Standing(name, Proven(identity, account=f"{self.word}:{name}"))

    def end(self, cookie: str) -> None:
        """One that does not count is no error. Raises UnavailableError."""
        session_id = self._sealer.opened(_COOKIE, cookie)
        if session_id is not None:
            self._sessions.end(session_id)

    def _is_unchanged(self, session: Session, now: Standing) -> bool:
        began = self._sealer.opened(_MARK, session.mark.decode())
        return began is not None and hmac.compare_digest(began, now.mark.encode())


class Elsewhere:
    """Accounts at other services (``http.auth.openid``), as owners of keys: nobody tells us when one of them is gone, so a key
    lives until it ends or is revoked, and groups do not come with it.
    """

    @property
    def word(self) -> str:
        return Way.OPENID.value

    def standing(self, name: str) -> Standing | None:
        return Standing("", Proven(Identity(name, Way.OPENID), account=f"{self.word}:{name}")) if name else None
