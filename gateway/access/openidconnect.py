"""Logins at OpenID Connect services: Google, GitLab, and any other (OpenID Connect Core 1.0, section 3.1).

Promises
  * An ID token counts only when its service has signed it (section 3.1.3.7), for us as its one recipient (steps 3 to 5), for this
    attempt (step 11, the nonce), and now.
  * What the token does not say is asked of the service's user endpoint, and counts only if that speaks of the same user (5.3.2).
  * A mail address that the service says it has not verified is nobody's name.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.access.origins import origin_of
from gateway.access.services import Question
from holdfast.access.identity import Identity, Way
from holdfast.errors import IssuerUnreachableError, LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.access.issuer import Document
    from gateway.access.oauth import Attempt, Client
    from gateway.access.services import Answer

_LONGEST_NAME: Final = 256
_MOST_GROUPS: Final = 1000
_MAIL: Final = "email"


class Issuer(Protocol):
    """A service that signs ID tokens."""

    @property
    def url(self) -> str: ...

    def document(self) -> Document:
        """What it says of itself (OpenID Connect Discovery). Raises IssuerUnreachableError."""
        ...

    def claims(self, text: str, audiences: tuple[str, ...]) -> Mapping[str, Any]:
        """Of a token that it has signed for an audience, and whose time is now.

        Raises:
            LoginRefusedError: it has not. IssuerUnreachableError: that cannot be told.
        """
        ...


@dataclass(frozen=True, slots=True)
class Names:
    """Which claims are read. ``authorize`` and ``exchange``: endpoints that go before what the service says of itself."""

    user: str = _MAIL
    groups: str = "groups"
    authorize: str = ""
    exchange: str = ""


class OpenIdConnect:
    """``ask`` puts a question to the service; ``wall`` gives seconds since 1970, ``number`` a text never the same twice."""

    def __init__(
        self,
        client: Client,
        issuer: Issuer,
        names: Names,
        ask: Callable[[Question], Answer],
        wall: Callable[[], float],
        number: Callable[[], str],
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._names = names
        self._ask = ask
        self._wall = wall
        self._number = number

    def address(self, attempt: Attempt) -> str:
        """Raises IssuerUnreachableError."""
        return self._client.address(_address(self._names.authorize or self._said.authorization_endpoint), attempt)

    def is_named(self, issuer: str) -> bool:
        """Whether an answer that names an issuer names this one (RFC 9207: a code of another service stays with that one)."""
        return issuer == self._issuer.url

    def identity(self, code: str, attempt: Attempt) -> Identity:
        """Raises LoginRefusedError, IssuerUnreachableError."""
        endpoint = _address(self._names.exchange or self._said.token_endpoint)
        question = self._client.exchange(
            endpoint, code, attempt, is_posted=self._said.posts_secret, now_seconds=self._wall(), number=self._number()
        )
        answer = self._ask(question).members
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise LoginRefusedError("the login service did not take the code; log in again")
        claims = dict(self._issuer.claims(token, (self._client.name,)))
        self._check(claims, attempt)
        return self._told({**self._asked(claims, answer.get("access_token")), **claims})

    def _check(self, claims: Mapping[str, Any], attempt: Attempt) -> None:
        audiences = claims.get("aud")
        party = claims.get("azp", self._client.name if not isinstance(audiences, list) or len(audiences) == 1 else None)
        if party != self._client.name:
            raise LoginRefusedError("the login service's answer is for somebody else")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), attempt.nonce.encode()):
            raise LoginRefusedError("the login service's answer is for another login")

    def _asked(self, claims: Mapping[str, Any], access: object) -> Mapping[str, Any]:
        """What the user endpoint adds, where the token does not say all that is read."""
        endpoint = self._said.userinfo_endpoint
        is_told = self._names.user in claims and self._names.groups in claims
        if is_told or not endpoint or not isinstance(access, str) or not _is_token(access):
            return {}
        found = self._ask(Question(_address(endpoint), {"Authorization": f"Bearer {access}"})).members
        return found if found and found.get("sub") == claims.get("sub") else {}

    def _told(self, claims: Mapping[str, Any]) -> Identity:
        name = claims.get(self._names.user)
        if self._names.user == _MAIL and claims.get("email_verified", True) not in (True, "true"):
            raise LoginRefusedError("the login service has not verified the mail address")
        return identity_of(name, claims.get(self._names.groups))

    @property
    def _said(self) -> Document:
        return self._issuer.document()


def _address(endpoint: str) -> str:
    """A browser is sent to none that is not one of the web."""
    if not origin_of(endpoint):
        raise IssuerUnreachableError("the login service does not say where logins go")
    return endpoint


def _is_token(text: str) -> bool:
    """Whether it can stand in a header."""
    return text.isascii() and text.isprintable()


def identity_of(name: object, groups: object) -> Identity:
    """Raises LoginRefusedError: no name that somebody can have. Groups that nobody can have are left out."""
    if not isinstance(name, str) or not _is_name(name):
        raise LoginRefusedError("the login service does not tell who that is")
    listed = groups if isinstance(groups, list) else []
    found = [group for group in listed[:_MOST_GROUPS] if isinstance(group, str) and _is_name(group)]
    return Identity(name, Way.OPENID, frozenset(found))


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable() and text == text.strip()
