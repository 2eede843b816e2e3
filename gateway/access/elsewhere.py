"""The token service that requests for tokens are passed on to (``http.auth.bearer.upstreamTokenEndpoint``).

Promises: to the address in the configuration and no other, with the service named there. Of a request its Authorization header
and the fields of distribution's token protocol pass, of an answer its status and a JSON body of bounded size. Redirects are not
followed.

Never: remembers or logs what passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from holdfast.errors import IssuerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.access.fetching import Fetcher, Reply

_GET_FIELDS: Final = frozenset({"scope", "account", "client_id", "offline_token"})
_POST_FIELDS: Final = _GET_FIELDS | {"grant_type", "username", "password", "refresh_token", "access_type"}
# Its other words are none of a client's business.
_PASSED: Final = frozenset({200, 400, 401, 403, 404, 429})
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class TokenService:
    """``realm``: where it is; ``service``: what its tokens are for."""

    realm: str
    service: str
    fetcher: Fetcher

    def get(self, fields: Mapping[str, Sequence[str]], authorization: str) -> Reply:
        """Raises IssuerUnreachableError: no answer that could be passed on."""
        place = urlsplit(self.realm)
        own = [(name, value) for name, value in parse_qsl(place.query) if name not in _GET_FIELDS | {"service"}]
        query = urlencode([*own, *self._fields(fields, _GET_FIELDS)])
        return self._asked("GET", urlunsplit(place._replace(query=query, fragment="")), authorization, None)

    def post(self, fields: Mapping[str, Sequence[str]], authorization: str) -> Reply:
        """Raises as ``get``."""
        body = urlencode(list(self._fields(fields, _POST_FIELDS))).encode()
        return self._asked("POST", self.realm, authorization, body)

    def _fields(self, fields: Mapping[str, Sequence[str]], known: frozenset[str]) -> Iterator[tuple[str, str]]:
        yield "service", self.service
        for name, values in fields.items():
            if name in known:
                yield from ((name, value) for value in values)

    def _asked(self, method: str, url: str, authorization: str, body: bytes | None) -> Reply:
        headers = {"Accept": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        if body is not None:
            headers["Content-Type"] = _FORM
        reply = self.fetcher.ask(method, url, headers, body)
        is_json = reply.kind.partition(";")[0].strip().lower() == "application/json"
        if reply.status not in _PASSED or (reply.status == 200 and not is_json):
            raise IssuerUnreachableError(
                f"the token service answers {reply.status}, and nothing that could be passed on"
            )
        return reply
