"""Logins that end: kept while they are good, renewed before they end, asked for once however many want them.

    issued a moment ago                       handed out
    in the last quarter of its life           renewed; where that fails, handed out still, and tried again half a minute later
    ended, or refused by the upstream         issued anew, or the issuer's error

Promises: an issuer is asked by one thread at a time for one host. A login that was refused is asked for anew, but one that is no
older than half a minute is not: an upstream that refuses everything does not turn into a storm at the login service.

Never: a secret in a message or a ``repr``.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.errors import ConfigError, UpstreamError

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from syncworker.upstream.credentials import Credentials

_log: Final = logging.getLogger("syncworker.upstream")
_USED_PART: Final = 0.75
_RETRY_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Issued:
    """A login, or None where the issuer has none for the host, and for how long that holds from the moment it was asked."""

    login: Credentials | None
    life_seconds: float


class Issuer(Protocol):
    """Who hands out logins that end."""

    def issue(self, host: str) -> Issued:
        """A new one for this host.

        Raises:
            UpstreamError: it refuses, or does not answer.
            ConfigError: its files or settings are unusable.
        """
        ...


@dataclass(slots=True)
class _Kept:
    """What is known for one host; changed under ``lock`` only."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    login: Credentials | None = None
    asked_at: float = 0.0
    ends_at: float = 0.0
    fresh_until: float = 0.0


class Lasting:
    """The source that an issuer is. Shared by threads."""

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def login(self, host: str) -> Credentials | None:
        """As the port says."""
        kept = self._of(host)
        with kept.lock:
            if self._clock.monotonic() >= kept.fresh_until:
                self._renew(host, kept)
            return kept.login

    def refused(self, host: str, login: Credentials) -> None:
        kept = self._of(host)
        with kept.lock:
            if kept.login == login and self._clock.monotonic() >= kept.asked_at + _RETRY_SECONDS:
                kept.login, kept.ends_at, kept.fresh_until = None, 0.0, 0.0

    def _of(self, host: str) -> _Kept:
        with self._lock:
            return self._kept.setdefault(host, _Kept())

    def _renew(self, host: str, kept: _Kept) -> None:
        now = self._clock.monotonic()
        try:
            issued = self._issuer.issue(host)
        except (UpstreamError, ConfigError) as error:
            if now >= kept.ends_at:
                raise
            _log.warning(
                "a login could not be renewed and is used to its end", extra={"upstream": host, "reason": str(error)}
            )
            kept.fresh_until = min(now + _RETRY_SECONDS, kept.ends_at)
        else:
            kept.asked_at, kept.ends_at = now, now + issued.life_seconds
            kept.fresh_until = now + issued.life_seconds * _USED_PART
            kept.login = issued.login
        kept.login = kept.login and replace(kept.login, fresh_until=kept.fresh_until)
