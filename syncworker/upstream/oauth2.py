"""``credentialHelper: oauth2``: an assertion is given to a token endpoint, and the token it answers is the upstream's login.

    grantType                                          what is sent besides client_id, client_secret and scope
    client_credentials (RFC 6749, 4.4; RFC 7523, 2.2)  the assertion as client_assertion
    ...:jwt-bearer (RFC 7523, 2.1)                     the assertion as assertion
    ...:token-exchange (RFC 8693, 2.1)                 the assertion as subject_token, audience and the types of both tokens

Promises: one request, no redirect followed; the endpoint's certificate is always checked. An answer's words are shown to nobody.
A token under the user name ``<token>`` is an identity token, as docker's files and helpers have it: it goes to the upstream's token
service, and as a password to an upstream that wants Basic. Under any other name it is a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from holdfast.config.sync import TOKEN_EXCHANGE
from holdfast.errors import UpstreamDeniedError
from syncworker.upstream import tokens
from syncworker.upstream.assertions import secret_of
from syncworker.upstream.credentials import Credentials
from syncworker.upstream.exchange import detail
from syncworker.upstream.lasting import Issued
from syncworker.upstream.verdict import verdict

if TYPE_CHECKING:
    from holdfast.config.sync import OAuth2Helper
    from syncworker.upstream.assertions import Assertion
    from syncworker.upstream.exchange import Exchange
    from syncworker.upstream.pace import Time
    from syncworker.upstream.place import Place

_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_CLIENT_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
_TOKEN_USER: Final = "<token>"  # noqa: S105 - a name
_ANSWER_BYTES: Final = 64 << 10
# What a missing expires_in means to zot.
_LIFE_SECONDS: Final = 300.0
# How an endpoint refuses (RFC 6749, section 5.2).
_REFUSED: Final = frozenset({400, 401, 403})
_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class OAuth2:
    """The issuer that one token endpoint is. ``exchange`` is to the origin of ``endpoint``."""

    settings: OAuth2Helper
    endpoint: Place
    exchange: Exchange
    assertion: Assertion
    time: Time

    def issue(self, host: str) -> Issued:
        """As the port says; the token is the same for every host of the entry."""
        form = urlencode(self._form()).encode()
        with self.exchange.once("POST", self.endpoint, _HEADERS, form) as answer:
            if answer.status in _REFUSED:
                raise UpstreamDeniedError(
                    f"the token endpoint {self.endpoint.origin} refuses to issue a token for {host}: {answer.status}",
                    detail(self.exchange.home),
                )
            if answer.status != 200:
                raise verdict(answer, self.exchange.home, "a token", self.time.clock.wall())
            body = answer.whole(_ANSWER_BYTES)
            try:
                token = tokens.read(body, default_seconds=_LIFE_SECONDS)
            except ValueError as error:
                raise answer.wrong(str(error)) from error
        username = self.settings.username or _TOKEN_USER
        identity_token = token.text if username == _TOKEN_USER else ""
        return Issued(Credentials(username, token.text, identity_token), token.life_seconds)

    def _form(self) -> list[tuple[str, str]]:
        how = self.settings
        fields = [("grant_type", how.grant_type), *self._proof(self.assertion())]
        if how.client_id:
            fields.append(("client_id", how.client_id))
        if how.client_secret_file:
            fields.append(("client_secret", secret_of(Path(how.client_secret_file))))
        if how.scopes:
            fields.append(("scope", " ".join(how.scopes)))
        return fields

    def _proof(self, assertion: str) -> list[tuple[str, str]]:
        how = self.settings
        if how.grant_type == _JWT_BEARER:
            return [("assertion", assertion)]
        if how.grant_type != TOKEN_EXCHANGE:
            return [("client_assertion_type", _CLIENT_ASSERTION), ("client_assertion", assertion)]
        wanted = [("requested_token_type", how.requested_token_type)] if how.requested_token_type else []
        return [
            ("subject_token", assertion),
            ("subject_token_type", how.subject_token_type or _JWT),
            ("audience", how.audience),
            *wanted,
        ]
