"""Logins at GitHub, by OAuth 2: it signs no ID tokens, so its API is asked who that is.

    user      the primary mail address, verified
    groups    "org" for each organisation, "org/team" for each team

Promises: only the answer to our own code counts, asked over our own connection with the token that it brought. Without the
``read:org`` scope there are no groups, and nothing else is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from gateway.access.openidconnect import identity_of
from gateway.access.origins import origin_of
from gateway.access.services import Question
from holdfast.errors import LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.access.oauth import Attempt, Client
    from gateway.access.services import Answer
    from holdfast.access.identity import Identity

_PAGE: Final = 100
_MOST_PAGES: Final = 10
_VERSION: Final = "2022-11-28"


@dataclass(frozen=True, slots=True)
class Places:
    """Where GitHub is. GitHub Enterprise has its API below the address of its pages, github.com beside it."""

    authorize: str = "https://github.com/login/oauth/authorize"
    exchange: str = "https://github.com/login/oauth/access_token"
    api: str = "https://api.github.com"

    @classmethod
    def of(cls, authorize: str, exchange: str) -> Places:
        """Of configured addresses, "" for github.com's."""
        if not authorize and not exchange:
            return cls()
        parts = urlsplit(authorize or exchange)
        base = f"{parts.scheme}://{parts.netloc}"
        api = cls().api if parts.hostname == "github.com" else f"{base}/api/v3"
        oauth = f"{base}/login/oauth"
        return cls(authorize or f"{oauth}/authorize", exchange or f"{oauth}/access_token", api)


class GitHub:
    """``ask`` puts a question to it."""

    def __init__(self, client: Client, places: Places, ask: Callable[[Question], Answer]) -> None:
        self._client = client
        self._places = places
        self._ask = ask

    def address(self, attempt: Attempt) -> str:
        return self._client.address(self._places.authorize, attempt, nonce=False)

    def is_named(self, issuer: str) -> bool:
        """It need not name one, and an address below its own is as good as that."""
        return origin_of(issuer) == origin_of(self._places.authorize)

    def identity(self, code: str, attempt: Attempt) -> Identity:
        """Raises LoginRefusedError, IssuerUnreachableError."""
        question = self._client.exchange(self._places.exchange, code, attempt, is_posted=True, now_seconds=0, number="")
        access = self._ask(question).members.get("access_token")
        if not isinstance(access, str) or not (access.isascii() and access.isprintable()):
            raise LoginRefusedError("the login service did not take the code; log in again")
        return identity_of(self._mail(access), list(self._groups(access)))

    def _mail(self, access: str) -> object:
        for mail in self._listed("/user/emails", access):
            if mail.get("primary") is True and mail.get("verified") is True:
                return mail.get("email")
        return None

    def _groups(self, access: str) -> Iterator[str]:
        for organisation in self._listed("/user/orgs", access):
            yield str(organisation.get("login") or "")
        for team in self._listed("/user/teams", access):
            owner = team.get("organization")
            if isinstance(owner, dict) and owner.get("login") and team.get("slug"):
                yield f"{owner['login']}/{team['slug']}"

    def _listed(self, path: str, access: str) -> Iterator[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {access}", "X-GitHub-Api-Version": _VERSION}
        for page in range(1, _MOST_PAGES + 1):
            url = f"{self._places.api}{path}?per_page={_PAGE}&page={page}"
            items = self._ask(Question(url, headers)).items
            yield from items
            if len(items) < _PAGE:
                return
