"""Bearer tokens: reading a token service's answer, and keeping tokens until shortly before they end.

Promises: a token is kept under the scope it was asked for, so that what is good for one repository is never sent for another.
At most a few thousand are kept; the one unused for longest goes first.
"""

from __future__ import annotations

import json
import math
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.clock import Clock

# distribution, docs/content/spec/auth/token.md: what an absent expires_in means.
_DEFAULT_LIFE_SECONDS: Final = 60.0
_LONGEST_LIFE_SECONDS: Final = 24 * 3600.0
# A token is not used in the last part of its life: the request it goes with takes time, and clocks run apart.
_USED_PART: Final = 0.75
_KEPT: Final = 4096
# Headers of many servers end at 8 KiB.
_LONGEST_TOKEN: Final = 32 << 10


@dataclass(frozen=True, slots=True)
class Token:
    """A token and for how long it is good from the moment it was asked for."""

    text: str = field(repr=False)
    life_seconds: float


def read(body: bytes, default_seconds: float = _DEFAULT_LIFE_SECONDS) -> Token:
    """A token service's answer; ``default_seconds`` is the life of a token without ``expires_in``.

    Raises:
        ValueError: it holds no token that could stand in a header.
    """
    try:
        record = json.loads(body)
        text = record.get("token") or record["access_token"]
        life = record.get("expires_in")
        life_seconds = default_seconds if life is None else float(life)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError("the token service's answer holds no token") from error
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_TOKEN:
        raise ValueError("the token service's answer holds no token")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("the token service's answer holds a token that cannot stand in a header")
    if not math.isfinite(life_seconds) or life_seconds <= 0:
        life_seconds = default_seconds
    return Token(text, min(life_seconds, _LONGEST_LIFE_SECONDS))


class Tokens:
    """Tokens by scope. Shared by threads; no lock is held while one is fetched, but for those who want the same."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._fetching: dict[str, tuple[threading.Lock, int]] = {}

    def get(self, scope: str) -> str | None:
        """The token for this scope, if it is still to be used."""
        with self._lock:
            text, stale_at = self._held.get(scope, ("", 0.0))
            if not text or self._clock.monotonic() >= stale_at:
                return None
            self._held.move_to_end(scope)
            return text

    def put(self, scope: str, token: Token, asked_at: float) -> None:
        """Keep a token that was asked for at ``asked_at`` (monotonic)."""
        with self._lock:
            self._held[scope] = (token.text, asked_at + token.life_seconds * _USED_PART)
            self._held.move_to_end(scope)
            if len(self._held) > _KEPT:
                self._held.popitem(last=False)

    def drop(self, scope: str, refused: str) -> None:
        """Forget a token that was refused; one that another thread has fetched meanwhile stays."""
        with self._lock:
            if self._held.get(scope, ("", 0.0))[0] == refused:
                del self._held[scope]

    @contextmanager
    def fetching(self, scope: str) -> Iterator[None]:
        """One at a time for each scope: those who wait find a token when it is their turn."""
        with self._lock:
            lock, users = self._fetching.get(scope, (threading.Lock(), 0))
            self._fetching[scope] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._fetching.pop(scope)
                if users > 1:
                    self._fetching[scope] = (lock, users - 1)
