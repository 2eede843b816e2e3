"""An issuer of ID tokens: what it says of itself, its keys, and whether a token is by it.

    issuer = Issuer("https://accounts.example.com", Fetcher(clock), clock)
    issuer.document().token_endpoint
    claims = issuer.claims(text, ["audience"])

Promises
  * What is fetched is its discovery document, and the set of keys that this names: at first use, every five minutes, and for a key
    that is not known, the last at most once in three seconds. What was got last holds while the issuer is away.
  * The document has to name the issuer as configured, and a token likewise (``any_name`` leaves both out).
  * A token counts with a key of its issuer's and the algorithm of that key, for one of the audiences, within its times.

OpenID Connect Core 1.0, 2 and 3.1.3.7; Discovery 1.0, 3 and 4.3. Redirects are not followed, nothing of a token is logged.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.access.kept import Kept, Pace
from gateway.access.signed import REFUSAL, UnknownKeyError, require_time, verified
from holdfast.certs.keys import KeySet, key_set
from holdfast.errors import IssuerUnreachableError, LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.fetching import Fetcher
    from gateway.access.signed import Verified
    from holdfast.clock import Clock

WELL_KNOWN: Final = "/.well-known/openid-configuration"
_REMEMBERED: Final = 5_000


@dataclass(frozen=True, slots=True)
class Document:
    """What an issuer says of itself. Endpoints it does not have are ""."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: str = ""

    @property
    def posts_secret(self) -> bool:
        """Whether a client's secret has to stand in the form: it is not taken in a header, which every issuer should take."""
        methods = self.token_endpoint_auth_methods_supported
        return "client_secret_post" in methods and "client_secret_basic" not in methods


@dataclass(frozen=True, slots=True)
class _Known:
    document: Document
    keys: KeySet


class Issuer:
    """Shared by threads. ``url``: as configured, and as tokens have to say it."""

    def __init__(
        self, url: str, fetcher: Fetcher, clock: Clock, *, any_name: bool = False, pace: Pace | None = None
    ) -> None:
        self.url = url
        self.any_name = any_name
        self._fetcher = fetcher
        self._clock = clock
        self._known: Kept[_Known] = Kept(url, self._fetched, clock, pace or Pace())
        # A success is remembered; a failure raises, and is not.
        self._verified: Callable[[str, KeySet, tuple[str, ...]], Verified]
        self._verified = functools.lru_cache(_REMEMBERED)(verified)

    def document(self) -> Document:
        """Raises IssuerUnreachableError: it was never got."""
        return self._known.get().document

    def keys_for(self, kid: str) -> KeySet:
        """With the key of this id, if the issuer has it. Raises IssuerUnreachableError: none were ever got."""
        keys = self._known.get().keys
        return keys if keys.has(kid) else self._known.anew().keys

    def claims(self, text: str, audiences: tuple[str, ...]) -> dict[str, Any]:
        """As ``read``, the claims alone."""
        return self.read(text, audiences).claims

    def read(self, text: str, audiences: tuple[str, ...]) -> Verified:
        """What a token of this issuer's says, signed by it, for one of the audiences, now. The same object for the same token,
        as long as it is remembered.

        Raises:
            LoginRefusedError: it does not count. IssuerUnreachableError: that cannot be told, for want of keys.
        """
        try:
            found = self._verified(text, self._known.get().keys, audiences)
        except UnknownKeyError:
            found = self._verified(text, self._known.anew().keys, audiences)
        if not self.any_name and found.claims.get("iss") != self.url:
            raise LoginRefusedError(REFUSAL)
        require_time(found.claims, self._clock.wall())
        return found

    def _fetched(self) -> _Known:
        document = self._described(self._got(self.url.rstrip("/") + WELL_KNOWN))
        try:
            return _Known(document, key_set(self._got(document.jwks_uri)))
        except ValueError as error:
            raise IssuerUnreachableError(f"the keys of {self.url} cannot be used: {error}") from error

    def _described(self, data: bytes) -> Document:
        try:
            said = json.loads(data)
            document = Document(*(str(said.get(name, "")) for name in Document.__slots__))
        except (ValueError, AttributeError, RecursionError) as error:
            raise IssuerUnreachableError(f"{self.url} describes itself in no JSON that is meant for it") from error
        if not self.any_name and document.issuer != self.url:
            raise IssuerUnreachableError(f"the issuer configured as {self.url} calls itself by another name")
        return document

    def _got(self, url: str) -> bytes:
        reply = self._fetcher.get(url)
        if reply.status != 200:
            raise IssuerUnreachableError(f"{self.url} answers {reply.status} where its keys are to be found")
        return reply.body
