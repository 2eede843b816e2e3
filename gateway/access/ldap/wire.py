"""One conversation with a directory: LDAP's messages over a socket of our own (RFC 4511, RFC 4513).

Promises
  * Everything ends by the deadline of who asks: connecting, TLS, each answer as a whole, however slowly it trickles in.
  * With TLS asked for, nothing but StartTLS itself goes out or counts before it is there; what came in plain with StartTLS's
    answer is dropped with everything that it belonged to.
  * The certificate is checked by Python's ``ssl`` for the configured host, unless it is told not to.
  * What goes wrong is a DirectoryUnavailableError without a name or a password in it. Afterwards the conversation is over.

Invariants: one thread at a time. Referrals are never followed. An answer has a bounded length.

Never: retries. (A host's name is looked up by the system, with the system's own patience.)
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sansldap import (
    BindResponse,
    ExtendedOperations,
    ExtendedResponse,
    LDAPClient,
    LDAPError,
    LDAPResultCode,
    SearchResultDone,
    SearchResultEntry,
    SearchScope,
)

from gateway.access.ldap.entries import Entry
from gateway.access.ldap.options import Transport
from holdfast.errors import DirectoryUnavailableError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence

    from sansldap import LDAPFilter, LDAPMessage

    from gateway.access.ldap.options import DirectoryOptions
    from holdfast.clock import Clock

_READ_BYTES: Final = 64 * 1024
# A user in thousands of groups has some hundred kilobytes.
_LONGEST_BYTES: Final = 4 * 1024 * 1024
_LONGEST_REASON: Final = 300
_LAST: Final = (BindResponse, ExtendedResponse, SearchResultDone)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock."""

    clock: Clock
    at: float

    @classmethod
    def within(cls, clock: Clock, seconds: float) -> Deadline:
        return cls(clock, clock.monotonic() + seconds)

    def left(self) -> float:
        """Seconds, more than none. Raises TimeoutError."""
        left = self.at - self.clock.monotonic()
        if left <= 0:
            raise TimeoutError("it did not answer in time")
        return left


@dataclass(frozen=True, slots=True)
class Question:
    """Which entries, at most ``limit`` of them, and what of them."""

    base: str
    scope: SearchScope
    filter: LDAPFilter
    attributes: Sequence[str]
    limit: int


class Connection:
    """Open, and encrypted if it is to be."""

    def __init__(self, options: DirectoryOptions, context: ssl.SSLContext | None, deadline: Deadline) -> None:
        """``context``: needed unless the transport is plain. Raises DirectoryUnavailableError."""
        self._session = LDAPClient()
        with _translated():
            self._socket = _connected(options.host, options.port, deadline)
            try:
                self._encrypt(options, context, deadline)
            except BaseException:
                self._socket.close()
                raise

    def close(self) -> None:
        """Without a word: the end of a connection is the end of the conversation (RFC 4511, 4.3)."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def bind(self, dn: str, password: str, deadline: Deadline) -> LDAPResultCode:
        """What the directory says to it. Raises DirectoryUnavailableError.

        ValueError: without a name or a password it would be no proof of anything (RFC 4513, 5.1.2).
        """
        if not dn or not password:
            raise ValueError("a bind needs a name and a password")
        with _translated():
            (answer,) = self._answers(self._session.bind_simple(dn, password), deadline)
            return _code(answer)

    def search(self, question: Question, deadline: Deadline) -> tuple[LDAPResultCode, list[Entry]]:
        """What was found, and how the search ended. Raises DirectoryUnavailableError."""
        with _translated():
            number = self._session.search_request(
                question.base,
                question.scope,
                size_limit=question.limit,
                time_limit=max(1, int(deadline.left())),
                filter=question.filter,
                attributes=list(question.attributes),
            )
            *found, end = self._answers(number, deadline)
            return _code(end), [_entry(one) for one in found if isinstance(one, SearchResultEntry)]

    def _encrypt(self, options: DirectoryOptions, context: ssl.SSLContext | None, deadline: Deadline) -> None:
        if options.transport is Transport.PLAIN:
            return
        if context is None:
            raise ValueError("TLS needs a context")
        if options.transport is Transport.START_TLS:
            number = self._session.extended_request(ExtendedOperations.LDAP_START_TLS.value)
            (answer,) = self._answers(number, deadline)
            if _code(answer) is not LDAPResultCode.SUCCESS:
                raise ConnectionError(f"it refuses StartTLS: {_code(answer).name}")
            self._session = LDAPClient()
        self._socket.settimeout(deadline.left())
        self._socket = context.wrap_socket(self._socket, server_hostname=options.host)

    def _answers(self, number: int, deadline: Deadline) -> list[LDAPMessage]:
        """All that belong to one request; the last of them ends it."""
        self._socket.settimeout(deadline.left())
        self._socket.sendall(self._session.data_to_send())
        answers: list[LDAPMessage] = []
        length = 0
        while not answers or not isinstance(answers[-1], _LAST):
            self._socket.settimeout(deadline.left())
            data = self._socket.recv(_READ_BYTES)
            length += len(data)
            if not data:
                raise ConnectionError("it ended the connection")
            if length > _LONGEST_BYTES:
                raise ConnectionError("its answer is too long")
            answers += self._session.receive(data)
        if any(answer.message_id != number for answer in answers):
            raise ConnectionError("it answers what was not asked")
        return answers


def _connected(host: str, port: int, deadline: Deadline) -> socket.socket:
    """To the first of its addresses that takes a connection; one that says nothing leaves time for the others."""
    failure = OSError(f"{host} has no address")
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for before, (family, kind, protocol, _, address) in enumerate(addresses):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(deadline.left() / (len(addresses) - before))
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure


def _code(answer: LDAPMessage) -> LDAPResultCode:
    if not isinstance(answer, _LAST):
        raise ConnectionError("its answer has no end")
    return answer.result.result_code


def _entry(found: SearchResultEntry) -> Entry:
    values: dict[str, tuple[bytes, ...]] = {}
    for attribute in found.attributes:
        name = attribute.name.partition(";")[0].lower()
        values[name] = values.get(name, ()) + tuple(map(bytes, attribute.values))
    return Entry(found.object_name, values)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except UnicodeError as error:
        # Its text would show a letter of a password.
        raise DirectoryUnavailableError(reason="something is no text") from error
    except (OSError, LDAPError, ValueError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
        raise DirectoryUnavailableError(reason=reason) from error
