"""Logins at other services: the browser goes there with a question of ours and comes back with an answer to it.

    begin      an attempt, sealed into a cookie of this browser; the browser is sent to the service
    finish     the service has sent it back: the attempt in its cookie is the one that the answer is compared with

Promises
  * An answer counts only in the browser that asked, at the service that was asked, within ``ATTEMPT_SECONDS``: whoever sends
    somebody else an answer of his own logs nobody in (login CSRF), and a code that was stolen is of no use without its cookie.
  * The state is compared before anything is asked of the service.
  * A few logins at a time talk to services, whoever asks: a slow service does not take the gateway's threads.
  * Where the browser ends up was decided when the attempt began, and cannot be changed on the way.
"""

from __future__ import annotations

import contextlib
import hmac
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from gateway.access.oauth import Attempt
from holdfast.errors import LoginRefusedError, MissingError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.access.sealer import Sealer
    from holdfast.access.identity import Identity
    from holdfast.clock import Clock

ATTEMPT_SECONDS: Final = 600
_COOKIE: Final = "login"
_AT_ONCE: Final = 16
_LONGEST_ERROR: Final = 64
_LONGEST_CODE: Final = 4096
_REFUSAL: Final = "this is no answer to a login that was begun in this browser, or it came too late; log in again"


class Provider(Protocol):
    """A service that people log in at."""

    def address(self, attempt: Attempt) -> str:
        """Where the browser goes. Raises IssuerUnreachableError."""
        ...

    def is_named(self, issuer: str) -> bool:
        """Whether an answer with this ``iss`` is its own."""
        ...

    def identity(self, code: str, attempt: Attempt) -> Identity:
        """Whose code that is. Raises LoginRefusedError, IssuerUnreachableError."""
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the cookie that it takes along."""

    address: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """What the browser brings back: the parameters of RFC 6749, section 4.1.2, and of RFC 9207; "" for what is not there."""

    code: str = field(default="", repr=False)
    state: str = field(default="", repr=False)
    error: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """Who has logged in, and where the browser goes now; "" for nowhere."""

    identity: Identity
    return_to: str


class OpenId:
    """``providers`` by the word that stands in addresses; ``random`` gives that many random bytes."""

    def __init__(
        self, providers: Mapping[str, Provider], sealer: Sealer, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        self._providers = providers
        self._sealer = sealer
        self._clock = clock
        self._random = random
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def begin(self, provider: str, callback: str, return_to: str) -> Begun:
        """Raises MissingError: no such service. IssuerUnreachableError, OverloadedError, MetadataUnavailableError."""
        until = self._clock.wall() + ATTEMPT_SECONDS
        attempt = Attempt.new(provider, callback, return_to, until, self._random)
        service = self._provider(provider)
        with self._place():
            address = service.address(attempt)
        return Begun(address, self._sealer.seal(_COOKIE, attempt.encoded()))

    def finish(self, provider: str, answered: Answered, cookie: str) -> Finished:
        """Raises MissingError, LoginRefusedError, IssuerUnreachableError, OverloadedError, MetadataUnavailableError."""
        service = self._provider(provider)
        opened = self._sealer.opened(_COOKIE, cookie)
        if opened is None:
            raise LoginRefusedError(_REFUSAL)
        attempt = Attempt.decoded(opened)
        is_ours = hmac.compare_digest(attempt.state.encode(), answered.state.encode(errors="surrogatepass"))
        if not is_ours or attempt.provider != provider or self._clock.wall() >= attempt.until_seconds:
            raise LoginRefusedError(_REFUSAL)
        if answered.issuer and not service.is_named(answered.issuer):
            raise LoginRefusedError("the answer is another login service's")
        if answered.error or not answered.code or len(answered.code) > _LONGEST_CODE:
            raise LoginRefusedError(f"the login service refuses: {_word(answered.error)}")
        with self._place():
            return Finished(service.identity(answered.code, attempt), attempt.return_to)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise OverloadedError("too many logins wait for a login service; try again")
        try:
            yield
        finally:
            self._places.release()

    def _provider(self, word: str) -> Provider:
        found = self._providers.get(word)
        if found is None:
            raise MissingError("there is no such login service here")
        return found


def _word(error: str) -> str:
    """An error code as RFC 6749 has them; anything else is not repeated."""
    is_word = 0 < len(error) <= _LONGEST_ERROR and error.replace("_", "").isalpha() and error.isascii()
    return error if is_word else "no reason that could be understood"
