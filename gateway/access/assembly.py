"""What guards a gateway worker, made of its options."""

from __future__ import annotations

import os
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.access.audit import AuditLog
from gateway.access.foreign import ForeignTokens
from gateway.access.gate import Gate
from gateway.access.logins import Logins
from gateway.access.passwordfile import PasswordFile
from gateway.access.throttle import Throttle
from gateway.access.tokens import Tokens
from gateway.access.ways import Standings, Ways
from holdfast.meta.signing import SigningKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.options import AccessOptions, ForeignOptions
    from holdfast.clock import Clock
    from holdfast.meta.store import Store

_KEY_BYTES: Final = 32
_ID_BYTES: Final = 16
# Threads that wait before a refusal; with more of them nobody else would be served.
_WAITING: Final = 16


@dataclass(frozen=True, slots=True)
class Access:
    """``tokens`` None: none are given here. ``foreign``: who gives them instead."""

    gate: Gate
    tokens: Tokens | None
    audit: AuditLog
    external_url: str
    clock: Clock
    foreign: ForeignOptions | None = None


def guard(options: AccessOptions, store: Store, clock: Clock, sleep: Callable[[float], None]) -> Access:
    """Raises ConfigError: as ``AccessOptions.of``, and the audit log cannot be opened."""
    audit = AuditLog(options.audit, clock)
    rights = options.rights()
    foreign = options.foreign
    if foreign is not None:
        ways = Ways(tokens=(ForeignTokens(foreign.key, foreign.service, clock),), needs_token=True)
        return Access(Gate(rights, ways), None, audit, options.external_url, clock, foreign)
    if options.passwords is None:
        return Access(Gate(rights, Ways()), None, audit, options.external_url, clock)
    file = PasswordFile(options.passwords)
    file.start()
    delay = _Delay(options.fail_delay_seconds, sleep)
    logins = Logins(file, Throttle(clock), clock, secrets.token_bytes(_KEY_BYTES), delay.wait)
    keys = SigningKeys(store, lambda: os.urandom(_ID_BYTES), lambda: secrets.token_bytes(_KEY_BYTES), clock)
    passwords = (logins,)
    tokens = Tokens(keys, Standings(passwords), clock)
    return Access(Gate(rights, Ways(passwords, (tokens,))), tokens, audit, options.external_url, clock)


class _Delay:
    """``failDelay``, for so many callers at a time; the others are refused at once."""

    def __init__(self, seconds: float, sleep: Callable[[float], None]) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._places = threading.BoundedSemaphore(_WAITING)

    def wait(self) -> None:
        if self._seconds <= 0 or not self._places.acquire(blocking=False):
            return
        try:
            self._sleep(self._seconds)
        finally:
            self._places.release()
