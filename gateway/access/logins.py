"""Names and passwords: compared once, then remembered for a while.

Promises
  * A password that was right is known again by a keyed hash (the key is this process's, made at its start) and by the hash of
    the account as it was; a change of the account ends that at once. Nothing else of a password is kept.
  * An unknown user and a wrong password take the same time and get the same answer.
  * Comparing costs a processor a tenth of a second: only a few run at a time, callers with the same name and password share one,
    and an address that sends many wrong ones is not listened to for a while. Whoever is remembered waits for none of that.
"""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.access.identity import Identity, Way
from holdfast.access.passwords import fits
from holdfast.errors import LoginRefusedError, OverloadedError, TooManyLoginsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.throttle import Throttle
    from holdfast.clock import Clock

_REMEMBERED_SECONDS: Final = 300.0
_REMEMBERED: Final = 20_000
# More at a time would leave no processor to those who are remembered.
_COMPARISONS: Final = 2
_PATIENCE_SECONDS: Final = 20.0
_REFUSAL: Final = "unknown user, or wrong password"
# bcrypt of a password that nobody has; for a file without any account to compare with.
_NOBODY: Final = "$2b$10$C6UzMDM.H6dfI/f/IKcEeO5d1gH5xJwqGqG8sJqT1hSKQ1p5n6hKa"


class Accounts(Protocol):
    """Where hashes of passwords come from."""

    def hash_of(self, user: str) -> str | None:
        """None: no such user."""
        ...

    def any_hash(self) -> str | None:
        """One of them; None: there is no account."""
        ...


class Logins:
    """Shared by threads. ``key``: 32 random bytes. ``delay`` waits before a refusal (``failDelay``)."""

    def __init__(
        self,
        accounts: Accounts,
        throttle: Throttle,
        clock: Clock,
        key: bytes,
        delay: Callable[[], None],
    ) -> None:
        self._accounts = accounts
        self._throttle = throttle
        self._clock = clock
        self._key = key
        self._delay = delay
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._running: dict[bytes, Future[bool]] = {}
        self._places = threading.BoundedSemaphore(_COMPARISONS)

    def standing(self, user: str) -> str | None:
        """A value that changes when the password of a user does; None: no such user."""
        return self._accounts.hash_of(user)

    def check(self, user: str, password: str, address: str) -> Identity:
        """Who that is.

        Raises:
            LoginRefusedError: nobody. TooManyLoginsError: not looked at. OverloadedError: too many are compared now.
        """
        hashed = self._accounts.hash_of(user)
        mark = self._mark(user, password)
        if hashed is not None and self._is_known(mark, hashed):
            return Identity(user, Way.PASSWORD)
        if self._throttle.is_shut(address, user):
            raise TooManyLoginsError("too many wrong passwords came from this address; wait a minute")
        if self._compared(mark, password, hashed or self._accounts.any_hash() or _NOBODY) and hashed is not None:
            self._remember(mark, hashed)
            return Identity(user, Way.PASSWORD)
        self._throttle.failed(address, user)
        self._delay()
        raise LoginRefusedError(_REFUSAL)

    def _mark(self, user: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{len(user)}:{user}:{password}".encode(errors="surrogatepass"), "sha256")

    def _is_known(self, mark: bytes, hashed: str) -> bool:
        with self._lock:
            known = self._known.get(mark)
            if known is None:
                return False
            if known[0] == hashed and self._clock.monotonic() < known[1]:
                self._known.move_to_end(mark)
                return True
            del self._known[mark]
            return False

    def _remember(self, mark: bytes, hashed: str) -> None:
        with self._lock:
            self._known[mark] = (hashed, self._clock.monotonic() + _REMEMBERED_SECONDS)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def _compared(self, mark: bytes, password: str, hashed: str) -> bool:
        """Whether it fits; by whoever came first with the same."""
        with self._lock:
            running = self._running.get(mark)
            is_first = running is None
            if running is None:
                running = self._running[mark] = Future()
        if not is_first:
            return running.result(_PATIENCE_SECONDS * 2)
        try:
            running.set_result(self._compare(password, hashed))
        except BaseException as error:
            running.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._running[mark]
        return running.result()

    def _compare(self, password: str, hashed: str) -> bool:
        if not self._places.acquire(timeout=_PATIENCE_SECONDS):
            raise OverloadedError("too many logins at once; try again in a moment")
        try:
            return fits(password, hashed)
        finally:
            self._places.release()
