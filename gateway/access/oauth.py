"""Our side of OAuth 2: what a browser is sent away with, and how a code becomes a token (RFC 6749, 7636 and 7523).

    attempt     one login under way: everything that its end is compared with
    client      who we are to a service, and how that is proven

Promises: pure; a clock and random bytes are arguments. Each attempt has a state, a nonce and a verifier of its own, and the
redirect address that it began with is the one that its code is exchanged with.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import jwt
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from gateway.access.services import Question
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_ASSERTION_SECONDS: Final = 60
_SECRET_BYTES: Final = 32
_ASSERTED: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Attempt:
    """``callback``: where the service sends the browser back to; ``return_to``: where it goes in the end, "" for nowhere.
    ``until_seconds`` by the wall clock.
    """

    provider: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    callback: str
    return_to: str
    until_seconds: float

    @classmethod
    def new(
        cls, provider: str, callback: str, return_to: str, until_seconds: float, random: Callable[[int], bytes]
    ) -> Attempt:
        state, nonce, verifier = (
            base64.urlsafe_b64encode(random(_SECRET_BYTES)).decode().rstrip("=") for _ in range(3)
        )
        return cls(provider, state, nonce, verifier, callback, return_to, until_seconds)

    def encoded(self) -> bytes:
        values = [self.provider, self.state, self.nonce, self.verifier, self.callback, self.return_to]
        return json.dumps([*values, self.until_seconds]).encode()

    @classmethod
    def decoded(cls, data: bytes) -> Attempt:
        """Of bytes that ``encoded`` made; nobody else's can be opened."""
        return cls(*json.loads(data))


@dataclass(frozen=True, slots=True)
class ClientKey:
    """What a client proves itself with in place of a secret. ``number``: the key's id at the service, "" if it has none."""

    pem: str = field(repr=False)
    algorithm: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """Ourselves, as the service knows us. With neither ``secret`` nor ``key`` a public client, which PKCE alone protects."""

    name: str
    scopes: Sequence[str]
    secret: str = field(default="", repr=False)
    key: ClientKey | None = None

    def address(self, endpoint: str, attempt: Attempt, *, nonce: bool = True) -> str:
        """Where a browser goes to log in."""
        more = {"nonce": attempt.nonce} if nonce else {}
        address: str = prepare_grant_uri(
            endpoint,
            self.name,
            "code",
            attempt.callback,
            list(self.scopes),
            attempt.state,
            code_challenge=create_s256_code_challenge(attempt.verifier),  # type: ignore[no-untyped-call]
            code_challenge_method="S256",
            **more,
        )
        return address

    def exchange(
        self, endpoint: str, code: str, attempt: Attempt, *, is_posted: bool, now_seconds: float, number: str
    ) -> Question:
        """The question that turns a code into a token. ``is_posted``: the service wants the secret in the form. ``number``: of
        this proof, never the same twice.
        """
        headers, more = {}, {}
        if self.key is not None:
            more = {
                "client_assertion_type": _ASSERTED,
                "client_assertion": self._assertion(endpoint, now_seconds, number),
            }
        elif self.secret and not is_posted:
            pair = f"{quote_plus(self.name)}:{quote_plus(self.secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        elif self.secret:
            more = {"client_id": self.name, "client_secret": self.secret}
        else:
            more = {"client_id": self.name}
        form = prepare_token_request(
            "authorization_code", "", attempt.callback, code=code, code_verifier=attempt.verifier, **more
        )
        return Question(endpoint, headers, form)

    def _assertion(self, audience: str, now_seconds: float, number: str) -> str:
        if self.key is None:
            raise AssertionError("asserted without a key")
        now = int(now_seconds)
        claims = {"iss": self.name, "sub": self.name, "aud": audience, "iat": now, "exp": now + _ASSERTION_SECONDS}
        headers = {"kid": self.key.number} if self.key.number else None
        return jwt.encode({**claims, "jti": number}, self.key.pem, self.key.algorithm, headers)


def key_in(file: Path) -> tuple[ClientKey, str]:
    """A client's private key, and the client's name if the file tells: PEM, or JSON with ``key``, ``keyId`` and ``clientId``.

    Raises:
        ConfigError: unreadable, or no key that can sign.
    """
    try:
        text = file.read_text()
        told: dict[str, Any] = json.loads(text) if text.lstrip().startswith("{") else {"key": text}
        pem = str(told["key"])
        algorithm = _algorithm(pem)
    except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
        raise ConfigError(f"the client key in {file} cannot be used; write a private key there, as PEM") from error
    return ClientKey(pem, algorithm, str(told.get("keyId") or "")), str(told.get("clientId") or "")


def _algorithm(pem: str) -> str:
    for algorithm in ("RS256", "ES256", "EdDSA"):
        try:
            jwt.encode({}, pem, algorithm)
        except (jwt.PyJWTError, TypeError, ValueError):
            continue
        return algorithm
    raise ValueError("no key that can sign")
