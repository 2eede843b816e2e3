"""The directory as a gateway asks it: who is that, and is that the password.

Promises
  * A user is looked up with the service account, over a connection that is kept and opened again when it has ended; the
    credentials file is read again each time, and its last good content holds while it cannot be.
  * A password is proven by a bind on a connection of its own, which is used for nothing else.
  * A few conversations at a time, each within ``seconds``; whoever cannot have one in twice that time is refused.
  * What a user typed is a value in a filter, never a part of its text: there is nothing to escape.

Never: logs a name or a password; follows a referral.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from sansldap import FilterAnd, FilterEquality, LDAPFilter, LDAPResultCode, SearchScope

from gateway.access.ldap.entries import wanted
from gateway.access.ldap.options import Transport
from gateway.access.ldap.wire import Connection, Deadline, Question
from holdfast.config.secretfiles import load_ldap_credentials
from holdfast.errors import ConfigError, DirectoryUnavailableError, OverloadedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from gateway.access.breaker import Breaker
    from gateway.access.ldap.entries import Entry
    from gateway.access.ldap.options import DirectoryOptions
    from holdfast.clock import Clock
    from holdfast.config.secretfiles import LdapCredentials

_log: Final = logging.getLogger("holdfast.access")

_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 60.0
_PLACES: Final = 4
# Two are enough to see that there is more than one.
_ENTRIES: Final = 2
# Says nothing of the password: the directory cannot tell now.
_CANNOT_TELL: Final = frozenset(
    {
        LDAPResultCode.OPERATIONS_ERROR,
        LDAPResultCode.PROTOCOL_ERROR,
        LDAPResultCode.TIME_LIMIT_EXCEEDED,
        LDAPResultCode.REFERRAL,
        LDAPResultCode.ADMIN_LIMIT_EXCEEDED,
        LDAPResultCode.STRONG_AUTH_REQUIRED,
        LDAPResultCode.CONFIDENTIALITY_REQUIRED,
        LDAPResultCode.BUSY,
        LDAPResultCode.UNAVAILABLE,
        LDAPResultCode.OTHER,
    }
)

Result = TypeVar("Result")


class Directory:
    """Shared by threads."""

    def __init__(self, options: DirectoryOptions, breaker: Breaker, clock: Clock, seconds: float = _SECONDS) -> None:
        self._options = options
        self._breaker = breaker
        self._clock = clock
        self._seconds = seconds
        self._places = threading.BoundedSemaphore(_PLACES)
        self._lock = threading.Lock()
        self._kept: list[tuple[float, Connection]] = []
        self._context: ssl.SSLContext | None = None
        self._credentials: LdapCredentials | None = None
        self._attributes = wanted(options.user_attribute, options.group_attribute)
        self._filter = LDAPFilter.from_string(options.user_filter) if options.user_filter else None

    @property
    def is_down(self) -> bool:
        return self._breaker.is_down

    def find(self, user: str) -> list[Entry]:
        """The entries that have this name, two at most. Raises DirectoryUnavailableError, OverloadedError."""
        return self._within(lambda deadline: self._found(self._question(user), deadline))

    def proves(self, dn: str, password: str) -> bool:
        """Whether that is the password. Raises as ``find``. ValueError: one of them is empty."""
        return self._within(lambda deadline: self._proven(dn, password, deadline))

    def close(self) -> None:
        with self._lock:
            kept, self._kept = self._kept, []
        for _, connection in kept:
            connection.close()

    def _within(self, work: Callable[[Deadline], Result]) -> Result:
        if not self._places.acquire(timeout=2 * self._seconds):
            raise OverloadedError("too many ask the directory of users at once; try again in a moment")
        try:
            return self._breaker.run(lambda: work(Deadline.within(self._clock, self._seconds)))
        finally:
            self._places.release()

    def _question(self, user: str) -> Question:
        named: LDAPFilter = FilterEquality(self._options.user_attribute, user.encode())
        asked = FilterAnd([named, self._filter]) if self._filter is not None else named
        scope = SearchScope.SUBTREE if self._options.subtree else SearchScope.ONE_LEVEL
        return Question(self._options.base, scope, asked, self._attributes, _ENTRIES)

    def _found(self, question: Question, deadline: Deadline) -> list[Entry]:
        kept = self._take()
        if kept is not None:
            # Directories end connections that have been idle; that is no failure.
            with contextlib.suppress(DirectoryUnavailableError):
                return self._searched(kept, question, deadline)
        return self._searched(self._opened_for_searches(deadline), question, deadline)

    def _searched(self, connection: Connection, question: Question, deadline: Deadline) -> list[Entry]:
        try:
            code, entries = connection.search(question, deadline)
            # Its own limit may be lower than ours: then nobody knows whether there are more.
            is_cut = code is LDAPResultCode.SIZE_LIMIT_EXCEEDED and len(entries) >= question.limit
            _require(code is LDAPResultCode.SUCCESS or is_cut, f"it refuses the search below {question.base}", code)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._kept.append((self._clock.monotonic(), connection))
        return entries

    def _proven(self, dn: str, password: str, deadline: Deadline) -> bool:
        connection = self._opened(deadline)
        try:
            code = connection.bind(dn, password, deadline)
        finally:
            connection.close()
        _require(code not in _CANNOT_TELL, "it cannot check a password", code)
        return code is LDAPResultCode.SUCCESS

    def _take(self) -> Connection | None:
        """One that was used a moment ago; what has been idle may have been dropped on the way without a word."""
        with self._lock:
            since, connection = self._kept.pop() if self._kept else (0.0, None)
        if connection is None or self._clock.monotonic() - since <= _IDLE_SECONDS:
            return connection
        connection.close()
        return self._take()

    def _opened_for_searches(self, deadline: Deadline) -> Connection:
        credentials = self._current_credentials()
        connection = self._opened(deadline)
        if credentials is None:
            return connection
        try:
            code = connection.bind(credentials.bind_dn, credentials.bind_password.get_secret_value(), deadline)
            _require(code is LDAPResultCode.SUCCESS, "it refuses who http.auth.ldap.credentialsFile names", code)
        except BaseException:
            connection.close()
            raise
        return connection

    def _opened(self, deadline: Deadline) -> Connection:
        try:
            if self._context is None and self._options.transport is not Transport.PLAIN:
                self._context = self._options.tls()
            return Connection(self._options, self._context, deadline)
        except OSError as error:
            raise DirectoryUnavailableError(
                reason=f"the certificate of its authority cannot be read: {error}"
            ) from error
        except DirectoryUnavailableError:
            # The authority may have been replaced.
            self._context = None
            raise

    def _current_credentials(self) -> LdapCredentials | None:
        if self._options.credentials is None:
            return None
        try:
            self._credentials = load_ldap_credentials(self._options.credentials)
        except ConfigError as error:
            if self._credentials is None:
                raise DirectoryUnavailableError(error.message) from error
            _log.error(
                "the credentials for the directory cannot be read; the last ones hold", extra={"reason": error.message}
            )
        return self._credentials


def _require(holds: bool, otherwise: str, code: LDAPResultCode) -> None:
    if not holds:
        raise DirectoryUnavailableError(reason=f"{otherwise}: {code.name}")
